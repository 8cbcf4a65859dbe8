//! A tester: a database of its own, an edge, and the words in which tests are told.

use std::sync::Arc;
use std::time::Instant;

use meter::account::Overdraft;
use meter::ids::{Group, JournalName};
use meter::money::Nanos;
use meter::time::UnixMs;
use origin::account::settings::SettingsChange;
use origin::account::{self, AccountRow, NewAccount};
use origin::audit::{Actor, Via};
use origin::clock;
use origin::database::MIGRATOR;
use origin::draw;
use origin::http::{Admin, Callbacks, Site, router};
use origin::key::scope::Scope;
use origin::key::{self, IssuedKey, NewKey};
use origin::ledger::finding;
use origin::pull::edge::{Edge, PullError};
use origin::pull::{Attempt, attempt};
use origin::read::health::Process;
use origin::signing::Signer;
use reqwest::{Client, Response};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool};
use tokio::net::TcpListener;

use crate::database::{Database, server};
use crate::edge::FakeEdge;

/// The journal that every account of a test lives in unless it says otherwise.
pub(crate) const J0: &str = "j0";
/// The administrator's password.
pub(crate) const PASSWORD: &str = "correct horse";

/// What upstream's callbacks have in their URL.
pub(crate) const CALLBACK_SECRET: &str = "a-secret-of-a-test";

/// The sums of the ledger, each taken from another table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) entries: (i64, i64),
    pub(crate) postings: (i64, i64),
    pub(crate) balances: (i64, i64),
    pub(crate) rollups: (i64, i64),
    pub(crate) cursor: (i64, i64),
}

impl Sums {
    /// The same count and the same amount everywhere.
    pub(crate) fn all(count: i64, amount: Nanos) -> Self {
        let sum = (count, amount.get());
        Self { entries: sum, postings: sum, balances: sum, rollups: sum, cursor: sum }
    }
}

/// Everything a story needs.
pub(crate) struct Tester {
    pub(crate) pool: PgPool,
    pub(crate) database_url: String,
    pub(crate) signer: Arc<Signer>,
    pub(crate) edge: FakeEdge,
    pub(crate) pulls: Arc<Edge>,
    _database: Database,
}

impl Tester {
    /// A new database with all migrations, and a new edge.
    pub(crate) async fn new() -> Self {
        let server = server();
        let mut connection = PgConnection::connect_with(&server).await.unwrap();
        let template = template(&mut connection, &server).await;
        let database = Database::create(Some(&template)).await;
        let (pool, database_url) = (database.pool.clone(), database.url.clone());
        let signer = Arc::new(Signer::generate().unwrap());
        let edge = FakeEdge::start(signer.public()).await;
        let pulls = Arc::new(Edge::new(&edge.url, Arc::clone(&signer)).unwrap());
        Self { pool, database_url, signer, edge, pulls, _database: database }
    }

    /// An account in journal `j0` that starts with nothing.
    pub(crate) async fn account(&self, name: &str) -> AccountRow {
        self.account_in(J0, name, Nanos::ZERO).await
    }

    pub(crate) async fn account_in(&self, journal: &str, name: &str, grant: Nanos) -> AccountRow {
        let new = NewAccount {
            name: name.to_owned(),
            group: Group::standard(),
            overdraft: Overdraft::Unlimited,
            grant,
            journal: Some(journal.to_owned()),
            settings: SettingsChange::default(),
            actor: actor(),
        };
        account::create(&self.pool, new).await.unwrap()
    }

    /// A key of an account.
    pub(crate) async fn key(&self, account: &AccountRow, expires_at: Option<UnixMs>) -> IssuedKey {
        let new = NewKey { account, name: "k", expires_at, scope: Scope::default() };
        key::issue(&self.pool, &self.signer, &new, clock::now(), &actor()).await.unwrap()
    }

    /// Pulls one page of journal `j0`.
    pub(crate) async fn pull(&self) -> Result<Attempt, PullError> {
        attempt(&self.pool, &self.pulls, &journal(J0)).await
    }

    /// Pulls journal `j0` until nothing is left.
    pub(crate) async fn pull_all(&self) {
        while let Attempt::More = self.pull().await.unwrap() {}
    }

    /// Count and amount by every table that knows them.
    pub(crate) async fn sums(&self) -> Sums {
        let sum = async |sql: &'static str| -> (i64, i64) {
            sqlx::query_as(sql).fetch_one(&self.pool).await.unwrap()
        };
        Sums {
            entries: sum("SELECT count(*), coalesce(sum(amount_nanos), 0)::bigint FROM entry")
                .await,
            postings: sum("SELECT count(*), coalesce(sum(amount_nanos), 0)::bigint FROM posting")
                .await,
            balances: sum("SELECT coalesce(sum(entries), 0)::bigint,
                                  coalesce(sum(spent_nanos), 0)::bigint FROM balance")
            .await,
            rollups: sum("SELECT coalesce(sum(calls), 0)::bigint,
                                 coalesce(sum(amount_nanos), 0)::bigint FROM rollup_hour")
            .await,
            cursor: sum("SELECT sum(cursor_seq)::bigint, sum(cursor_total_nanos)::bigint
                         FROM journal")
            .await,
        }
    }

    /// A copy of the database as it is now.
    pub(crate) async fn copy(&self) -> Database {
        // Postgres copies only what nobody is connected to.
        let mut connection = PgConnection::connect_with(&server()).await.unwrap();
        let name = self.pool.connect_options().get_database().unwrap().to_owned();
        let away = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        sqlx::query(away).bind(&name).execute(&mut connection).await.unwrap();
        Database::create(Some(&name)).await
    }

    /// The open findings: code, entry, how often seen; oldest first.
    pub(crate) async fn findings(&self) -> Vec<(String, i64, i64)> {
        let mut open = finding::open(&self.pool).await.unwrap();
        open.reverse();
        open.into_iter().map(|row| (row.code, row.seq, row.times_seen)).collect()
    }

    /// The origin's HTTP side, served.
    pub(crate) async fn serve(&self) -> Served {
        serve(self.pool.clone(), self).await
    }

    /// The same with another administrator in the environment, or with none.
    pub(crate) async fn serve_with(&self, admin: Option<Admin>) -> Served {
        serve_as(self.pool.clone(), self, admin, None).await
    }

    /// The same, taking upstream's callbacks.
    pub(crate) async fn serve_callbacks(&self, callbacks: Callbacks) -> Served {
        serve_as(self.pool.clone(), self, None, Some(callbacks)).await
    }
}

/// Serves with this database in place of the test's own.
pub(crate) async fn serve(pool: PgPool, tester: &Tester) -> Served {
    let admin = Some(Admin::new("admin", PASSWORD));
    serve_as(pool, tester, admin, Some(Callbacks::new(CALLBACK_SECRET, None))).await
}

async fn serve_as(
    pool: PgPool,
    tester: &Tester,
    admin: Option<Admin>,
    callbacks: Option<Callbacks>,
) -> Served {
    let process = Process { began: Instant::now(), interval_ms: 10_000 };
    let (signer, edge) = (Arc::clone(&tester.signer), Arc::clone(&tester.pulls));
    let site = Site::new(pool, signer, admin, process, edge).with_callbacks(callbacks);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router(Arc::new(site))).into_future());
    Served { url, client: Client::new() }
}

/// Who acts in a test.
pub(crate) fn actor() -> Actor {
    Actor::new("test", Via::Cli)
}

/// The name of a journal.
pub(crate) fn journal(name: &str) -> JournalName {
    name.parse().unwrap()
}

/// An origin that answers.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) client: Client,
}

impl Served {
    /// Asks with this `Authorization` header.
    pub(crate) async fn ask(&self, path: &str, authorization: &str) -> (u16, Value) {
        let request = self.client.get(format!("{}{path}", self.url));
        read(request.header("authorization", authorization).send().await.unwrap()).await
    }

    /// Asks with a caller's key.
    pub(crate) async fn as_caller(&self, path: &str, key: &str) -> (u16, Value) {
        self.ask(path, &format!("Bearer {key}")).await
    }

    /// Asks as the administrator.
    pub(crate) async fn as_admin(&self, path: &str) -> (u16, Value) {
        let request = self.client.get(format!("{}{path}", self.url));
        read(request.basic_auth("admin", Some(PASSWORD)).send().await.unwrap()).await
    }

    /// Has something done by whoever has this `Authorization`.
    pub(crate) async fn act(
        &self,
        method: &str,
        path: &str,
        authorization: &str,
        body: &Value,
    ) -> (u16, Value) {
        let method = method.parse().unwrap();
        let request = self.client.request(method, format!("{}{path}", self.url));
        read(request.header("authorization", authorization).json(body).send().await.unwrap()).await
    }

    /// Has something done by the administrator that the environment names.
    pub(crate) async fn admin_acts(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        // `admin:correct horse`
        self.act(method, path, "Basic YWRtaW46Y29ycmVjdCBob3JzZQ==", body).await
    }

    /// Asks without saying who.
    pub(crate) async fn as_nobody(&self, path: &str) -> (u16, Value) {
        read(self.client.get(format!("{}{path}", self.url)).send().await.unwrap()).await
    }
}

pub(crate) async fn read(response: Response) -> (u16, Value) {
    (response.status().as_u16(), response.json().await.unwrap())
}

/// A database with all migrations, made once per schema and copied for each test.
async fn template(connection: &mut PgConnection, server: &PgConnectOptions) -> String {
    let mut schema = Sha256::new();
    MIGRATOR.iter().for_each(|migration| schema.update(&migration.checksum));
    let schema = draw::hex(schema.finalize().get(..8).unwrap());
    let name = format!("weir_template_{schema}");
    // Tests begin at once, and only one of them may make it.
    connection.execute("SELECT pg_advisory_lock(20251121)").await.unwrap();
    let there = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1").bind(&name);
    if there.fetch_optional(&mut *connection).await.unwrap().is_none() {
        let making = format!("{name}_unfinished");
        let drop = format!("DROP DATABASE IF EXISTS {making}");
        connection.execute(AssertSqlSafe(drop)).await.unwrap();
        let create = format!("CREATE DATABASE {making}");
        connection.execute(AssertSqlSafe(create)).await.unwrap();
        let mut inside =
            PgConnection::connect_with(&server.clone().database(&making)).await.unwrap();
        MIGRATOR.run(&mut inside).await.unwrap();
        inside.close().await.unwrap();
        let rename = format!("ALTER DATABASE {making} RENAME TO {name}");
        connection.execute(AssertSqlSafe(rename)).await.unwrap();
    }
    connection.execute("SELECT pg_advisory_unlock(20251121)").await.unwrap();
    name
}
