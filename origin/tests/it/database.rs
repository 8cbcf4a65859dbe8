//! A database of a test's own, on the server that `DATABASE_URL` names, gone when the test is over.

use std::env;
use std::str::FromStr as _;

use origin::draw;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool,
};

/// A database that is dropped with this value, also when the test failed.
pub(crate) struct Database {
    pub(crate) pool: PgPool,
    pub(crate) url: String,
    name: String,
    server: PgConnectOptions,
}

impl Database {
    /// A new one: a copy of `template`, or with nothing in it.
    pub(crate) async fn create(template: Option<&str>) -> Self {
        let server = server();
        let mut connection = PgConnection::connect_with(&server).await.unwrap();
        let name = draw::id("weir_it_").unwrap();
        let create = format!("CREATE DATABASE {name} TEMPLATE {}", template.unwrap_or("template0"));
        connection.execute(AssertSqlSafe(create)).await.unwrap();
        let options = server.clone().database(&name);
        let url = options.to_url_lossy().to_string();
        let pool = PgPoolOptions::new().connect_lazy_with(options);
        Self { pool, url, name, server }
    }
}

/// The server that tests may use.
pub(crate) fn server() -> PgConnectOptions {
    let url = env::var("DATABASE_URL").expect(
        "DATABASE_URL must name a Postgres server where tests may create databases; \
         `cargo xtask test` provides one",
    );
    PgConnectOptions::from_str(&url).unwrap()
}

impl Drop for Database {
    /// Drops the database. A test's runtime may be gone by now, so this takes one of its own.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let mut connection = PgConnection::connect_with(&server).await?;
                let drop = format!("DROP DATABASE {name} WITH (FORCE)");
                connection.execute(AssertSqlSafe(drop)).await
            })
        });
        if let Ok(Err(error)) = dropping.join() {
            eprintln!("a test's database was left behind: {error}");
        }
    }
}
