//! All of Weir on this machine: Postgres, upstream or its stand-in, the edge and the origin.
//!
//! Each part is a process that can be killed, stopped, paused and started by itself while the others
//! go on. Several stacks can run at once, each with ports and a folder of its own. Dropping a stack
//! ends its processes.

mod origin; // what the origin is told
mod plan; // what a stack is started with

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use self::plan::{Detours, Plan, Upstream};
use crate::command;
use crate::edge::run;
use crate::postgres::Postgres;
use crate::process::{Process, probe};
use crate::programs::{Build, Programs, programs};
use crate::scratch::Scratch;

/// Whose answer says that a key is let in.
const BALANCE_PATH: &str = "/api/v1/token-usage/balance";

/// What the edge sends to the stand-in: the stand-in's own default.
pub const STAND_IN_TOKEN: &str = "pat_standin";

/// The Dify apps that the edge knows at the stand-in unless it is told of others.
pub const STAND_IN_APPS: &str = r#"{"demo":"app-demo"}"#;

/// Where the pairs are kept that the origin and the edge sign with.
const ORIGIN_KEY: &str = "signing-key.json";
const EDGE_KEY: &str = "edge-signing-key.json";

/// How often we look whether a pull has brought a new key to the edge.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Everything that runs, and how to reach it.
pub struct Stack {
    /// The origin, `weir serve`.
    pub origin: Process,
    /// The edge, on `workerd`.
    pub edge: Process,
    /// The stand-in, unless upstream is elsewhere.
    pub upstream: Option<Process>,
    /// The database server, unless it is somebody else's.
    pub postgres: Option<Postgres>,
    programs: Programs,
    edge_settings: run::Settings,
    origin_settings: origin::Settings,
    edge_url: String,
    origin_url: String,
    upstream_url: String,
    edge_port: u16,
    origin_port: u16,
    folder: PathBuf,
    // Goes last, when nothing runs in it any more.
    _scratch: Option<Scratch>,
}

/// A new account.
#[derive(Clone, Debug, Deserialize)]
pub struct Account {
    /// Its id.
    pub account_id: String,
    /// The journal it lives in.
    pub journal: String,
}

/// A new key. It is shown this once.
#[derive(Clone, Debug, Deserialize)]
pub struct Key {
    /// Its id, which revokes it.
    pub key_id: String,
    /// What a caller sends.
    pub key: String,
}

fn local(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

impl Stack {
    /// Builds what changed, starts everything and waits until all of it answers.
    pub fn start(plan: Plan) -> Result<Self> {
        let mut programs = programs()?;
        let build = plan.build.map_or_else(Build::this, Ok)?;
        programs.weir.clone_from(&build.weir);
        let folder = plan.folder;
        fs::create_dir_all(&folder)?;
        let log_folder = folder.join("log");

        let postgres = if plan.database_url.is_some() {
            None
        } else {
            let data = plan.postgres_folder.as_ref().unwrap_or(&folder);
            Some(Postgres::start_at(plan.postgres_port, data, plan.keep)?)
        };
        let own_url = |postgres: &Postgres| match plan.detours.postgres {
            Some(port) => postgres.url_by(port),
            None => postgres.url(),
        };
        let database_url = plan.database_url.or_else(|| postgres.as_ref().map(own_url));

        let (upstream, upstream_url) = match plan.upstream {
            Upstream::Elsewhere { url } => (None, url),
            Upstream::StandIn { port } => {
                let mut command = Command::new(&programs.stand_in);
                command
                    .args(["--listen", &format!("127.0.0.1:{port}"), "--token", STAND_IN_TOKEN])
                    .arg("--journal-file")
                    .arg(folder.join("upstream.jsonl"));
                let ready = move || probe::listens(port);
                let mut process = Process::new("upstream", command, &log_folder, ready);
                process.start()?;
                (Some(process), local(port))
            }
        };

        let signing_key = origin::signing_key(&programs.weir, &folder, ORIGIN_KEY)?;
        let mut secrets = plan.secrets;
        if upstream.is_some() && !secrets.contains_key("COZE_CLIENT_ID") {
            secrets.entry("COZE_API_TOKEN").or_insert_with(|| STAND_IN_TOKEN.to_owned());
        }
        let edges_upstream = plan.detours.upstream.map_or_else(|| upstream_url.clone(), local);
        let mut variables = plan.edge_variables;
        match plan.dify_url {
            Some(url) => variables.push(("DIFY_URL", url)),
            None if upstream.is_some() => {
                secrets.entry("DIFY_APPS").or_insert_with(|| STAND_IN_APPS.to_owned());
                variables.push(("DIFY_URL", format!("{edges_upstream}/dify/v1")));
            }
            None => {}
        }
        let edge_key = origin::signing_key(&programs.weir, &folder, EDGE_KEY)?;
        secrets.entry("WEIR_EDGE_SIGNING_KEY").or_insert(edge_key);
        let edge_settings = run::Settings {
            port: plan.edge_port,
            upstream_url: edges_upstream,
            secrets,
            public_keys: origin::public_keys(&signing_key)?,
            variables,
            checkout: build.checkout,
        };
        let mut edge = run::process(&programs.workerd, &folder, &edge_settings)?;
        edge.start()?;

        let settings = origin::Settings {
            database_url: database_url.context("a plan without a database starts one")?,
            edge_url: local(plan.detours.edge.unwrap_or(plan.edge_port)),
            signing_key,
            listen: format!("127.0.0.1:{}", plan.origin_port),
            pull_interval_ms: plan.pull_interval_ms,
            admin_user: plan.admin_user,
            admin_password: plan.admin_password,
            variables: plan.origin_variables,
        };
        command::output_of(settings.give_to(Command::new(&programs.weir)).arg("migrate"))?;
        let mut origin = origin::process(&programs.weir, &settings, plan.origin_port, &log_folder);
        origin.start()?;

        Ok(Self {
            origin,
            edge,
            upstream,
            postgres,
            programs,
            edge_settings,
            edge_url: local(plan.edge_port),
            origin_url: format!("http://{}", settings.listen),
            origin_settings: settings,
            upstream_url,
            edge_port: plan.edge_port,
            origin_port: plan.origin_port,
            folder,
            _scratch: plan.scratch,
        })
    }

    /// Where callers go.
    pub fn edge_url(&self) -> &str {
        &self.edge_url
    }

    /// Where the books are shown.
    pub fn origin_url(&self) -> &str {
        &self.origin_url
    }

    /// Where the edge forwards to.
    pub fn upstream_url(&self) -> &str {
        &self.upstream_url
    }

    /// The database of the books.
    pub fn database_url(&self) -> &str {
        &self.origin_settings.database_url
    }

    /// Who may sign in at the origin, and with which password.
    pub fn admin(&self) -> (&str, &str) {
        (&self.origin_settings.admin_user, &self.origin_settings.admin_password)
    }

    /// Where logs and data are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs the `weir` command line beside the running origin and answers what it prints.
    pub fn weir(&self, arguments: &[&str]) -> Result<String> {
        let mut weir = self.origin_settings.give_to(Command::new(&self.programs.weir));
        command::output_of(weir.args(arguments))
    }

    /// The same with `--json`, read as a value.
    pub fn weir_json<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T> {
        let answer = self.weir(&[&["--json"], arguments].concat())?;
        serde_json::from_str(&answer)
            .with_context(|| format!("`weir --json {}` printed: {answer}", arguments.join(" ")))
    }

    /// Gives the edge other secrets. On `workerd` they come from its environment, so it starts anew; its
    /// journals stay.
    pub fn change_secrets(&mut self, change: impl FnOnce(&mut run::Secrets)) -> Result<()> {
        change(&mut self.edge_settings.secrets);
        self.restart_edge()
    }

    /// Gives the edge other public keys to verify with, which starts it anew.
    pub fn trust(&mut self, public_keys: &str) -> Result<()> {
        public_keys.clone_into(&mut self.edge_settings.public_keys);
        self.restart_edge()
    }

    /// Gives the origin and the command line another signing key, and the public keys that are
    /// recognised besides; the origin starts anew.
    pub fn sign_with(&mut self, signing_key: &str, recognised: &str) -> Result<()> {
        signing_key.clone_into(&mut self.origin_settings.signing_key);
        self.origin_settings.variables.retain(|(name, _)| *name != "WEIR_PUBLIC_KEYS");
        self.origin_settings.variables.push(("WEIR_PUBLIC_KEYS", recognised.to_owned()));
        self.restart_origin()
    }

    /// Puts another version of the edge in the place of the one that runs; the journals stay.
    pub fn deploy_edge(&mut self, build: &Build) -> Result<()> {
        self.edge_settings.checkout.clone_from(&build.checkout);
        self.restart_edge()
    }

    /// Puts another version of the origin, and of its command line, in the place of the one that runs.
    pub fn deploy_origin(&mut self, build: &Build) -> Result<()> {
        self.programs.weir.clone_from(&build.weir);
        // An earlier version finds a schema that it does not know, and leaves it as it is.
        let migrated = self.weir(&["migrate"]);
        let is_newest = Build::this()?.weir == build.weir;
        if is_newest {
            migrated?;
        }
        self.restart_origin()
    }

    fn restart_edge(&mut self) -> Result<()> {
        self.edge.stop()?;
        self.edge = run::process(&self.programs.workerd, &self.folder, &self.edge_settings)?;
        self.edge.start()
    }

    fn restart_origin(&mut self) -> Result<()> {
        self.origin.stop()?;
        self.origin = origin::process(
            &self.programs.weir,
            &self.origin_settings,
            self.origin_port,
            &self.folder.join("log"),
        );
        self.origin.start()
    }

    /// Makes an account.
    pub fn create_account(&self, name: &str) -> Result<Account> {
        self.weir_json(&["account", "create", name])
    }

    /// Makes a key of an account.
    pub fn issue_key(&self, account_id: &str, name: &str) -> Result<Key> {
        self.weir_json(&["key", "issue", account_id, "--name", name])
    }

    /// Waits until the edge lets a key in, which it does after the next pull. Answers whether it did.
    pub fn wait_until_let_in(&self, key: &str, patience: Duration) -> bool {
        let headers = format!("Authorization: Bearer {key}\r\n");
        let deadline = Instant::now() + patience;
        while probe::status(self.edge_port, BALANCE_PATH, &headers) != Some(200) {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(LOOK_EVERY);
        }
        true
    }

    /// All parts that run on this machine, in the order in which they can go.
    pub fn processes(&mut self) -> impl DoubleEndedIterator<Item = &mut Process> {
        let postgres = self.postgres.as_mut().map(|postgres| &mut postgres.process);
        [&mut self.origin, &mut self.edge].into_iter().chain(self.upstream.as_mut()).chain(postgres)
    }

    /// Ends every part in order, so that the next start has nothing to recover.
    pub fn stop(&mut self) -> Result<()> {
        self.processes().try_for_each(Process::stop)
    }
}
