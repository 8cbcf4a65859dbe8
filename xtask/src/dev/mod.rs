//! `cargo xtask dev`: all of Weir on this machine, until Ctrl-C.
//!
//! What it makes is kept in `.weir/` and found again at the next start: one folder per database, so
//! that the books and the journals they were pulled from always stay together.

mod state; // `.weir/dev.json`
mod watch; // until Ctrl-C

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use self::state::State;
use crate::edge::run;
use crate::postgres::{self, Keep};
use crate::process::port;
use crate::programs::programs;
use crate::stack::{Detours, Plan, STAND_IN_TOKEN, Stack, Upstream};
use crate::{cache, project, random, report};

const COZE_URL: &str = "https://api.coze.cn";
const DIFY_URL: &str = "https://api.dify.ai/v1";
const ADMIN: &str = "admin";
const PULL_INTERVAL_MS_DEFAULT: u64 = 1_000;

/// How long the key of an earlier run is tried before another account is made.
const EARLIER_KEY_MAX: Duration = Duration::from_secs(5);
/// How long the first pull may take to bring a new account to the edge.
const NEW_KEY_MAX: Duration = Duration::from_secs(30);

/// What may be chosen on the command line.
pub struct Options {
    /// Forget what earlier runs made.
    pub fresh: bool,
    /// Where the edge forwards to, instead of Coze or the stand-in.
    pub upstream: Option<String>,
    /// The edge's port; the origin and the stand-in take the next two.
    pub port: u16,
}

/// Runs everything until it is told to stop.
pub fn dev(options: &Options) -> Result<()> {
    let home = project::root().join(".weir");
    fs::create_dir_all(&home)?;
    let _lock = only_one(&home)?;
    programs()?;

    let database_url = variable("DATABASE_URL");
    let folder = home.join(folder_name(database_url.as_deref()));
    let state_file = home.join("dev.json");
    if options.fresh {
        forget(&folder, &state_file, database_url.is_some())?;
    }
    let earlier = State::read(&state_file).filter(|state| state.folder == folder);
    let plan = plan(options, folder, database_url, earlier.as_ref())?;

    let title = "starting Postgres, upstream, the edge and the origin";
    let mut stack = report::quiet_step(title, || Stack::start(plan))?;
    let state = report::quiet_step("letting an account in", || introduce(&mut stack, earlier))?;
    state.write(&state_file)?;
    // Apps of one's own are known by names of one's own.
    let has_demo_app = stack.upstream.is_some() && variable("DIFY_APPS").is_none();
    let bot_id = if stack.upstream.is_some() { "7500000000000000001" } else { "YOUR_BOT_ID" };
    report::line(&state.greeting(bot_id, has_demo_app));
    let result =
        watch::until_stopped(&mut stack, |stack| state.with_pids_of(stack).write(&state_file));
    let stopped = report::quiet_step("stopping", || stack.stop());
    state.with_pids_of(&mut stack).write(&state_file)?;
    result.and(stopped)
}

/// Two of them in one checkout would write into the same journals.
fn only_one(home: &Path) -> Result<File> {
    let lock = File::options().create(true).append(true).open(home.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!("`cargo xtask dev` already runs in this checkout"),
        Err(TryLockError::Error(error)) => Err(error).context("cannot lock .weir"),
    }
}

fn folder_name(database_url: Option<&str>) -> String {
    match database_url {
        None => "embedded".to_owned(),
        Some(url) => format!("database-{}", cache::fingerprint(&[url.as_bytes()])),
    }
}

fn forget(folder: &Path, state_file: &Path, database_is_given: bool) -> Result<()> {
    if database_is_given {
        report::line("weir: --fresh drops the journals; emptying your DATABASE_URL is up to you");
    } else {
        postgres::remove_data(folder)?;
    }
    cache::remove_all(folder)?;
    if state_file.exists() {
        fs::remove_file(state_file)?;
    }
    Ok(())
}

fn plan(
    options: &Options,
    folder: PathBuf,
    database_url: Option<String>,
    earlier: Option<&State>,
) -> Result<Plan> {
    let mut secrets = run::secrets_of_environment();
    let has_credential =
        secrets.contains_key("COZE_API_TOKEN") || secrets.contains_key("COZE_CLIENT_ID");
    let upstream = match &options.upstream {
        Some(url) => {
            if !has_credential {
                secrets.insert("COZE_API_TOKEN", STAND_IN_TOKEN.to_owned());
            }
            Upstream::Elsewhere { url: url.clone() }
        }
        None if has_credential => Upstream::Elsewhere { url: COZE_URL.to_owned() },
        None => Upstream::StandIn { port: wished(options.port.saturating_add(2))? },
    };
    let pull_interval_ms = match variable("WEIR_PULL_INTERVAL_MS") {
        Some(text) => text.parse().context("WEIR_PULL_INTERVAL_MS is no number")?,
        None => PULL_INTERVAL_MS_DEFAULT,
    };
    Ok(Plan {
        folder,
        scratch: None,
        keep: Keep::Data,
        database_url,
        postgres_folder: None,
        postgres_port: port::free()?,
        detours: Detours::default(),
        build: None,
        upstream,
        // Apps of one's own are at the Dify that they belong to.
        dify_url: variable("DIFY_URL")
            .or_else(|| secrets.contains_key("DIFY_APPS").then(|| DIFY_URL.to_owned())),
        secrets,
        edge_port: wished(options.port)?,
        origin_port: wished(options.port.saturating_add(1))?,
        pull_interval_ms,
        admin_user: ADMIN.to_owned(),
        admin_password: match earlier {
            Some(state) => state.admin_password.clone(),
            None => random::secret()?,
        },
        edge_variables: Vec::new(),
        origin_variables: Vec::new(),
    })
}

fn wished(wish: u16) -> Result<u16> {
    let port = port::wished(wish)?;
    if port != wish {
        report::line(&format!("weir: port {wish} is taken, using {port}"));
    }
    Ok(port)
}

/// A variable that is set to something.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The account and key of an earlier run while the edge still lets them in, else new ones.
fn introduce(stack: &mut Stack, earlier: Option<State>) -> Result<State> {
    let (account_id, key) = match earlier {
        Some(state) if stack.wait_until_let_in(&state.key, EARLIER_KEY_MAX) => {
            (state.account_id, state.key)
        }
        _ => {
            let account = stack.create_account("dev")?;
            let key = stack.issue_key(&account.account_id, "dev")?.key;
            if !stack.wait_until_let_in(&key, NEW_KEY_MAX) {
                bail!(
                    "the edge does not let a new key in\nedge: {}\norigin: {}",
                    stack.edge.log_tail(),
                    stack.origin.log_tail()
                );
            }
            (account.account_id, key)
        }
    };
    Ok(State::of(stack, account_id, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_has_journals_of_its_own() {
        let names = [None, Some("postgres://a/x"), Some("postgres://a/y")].map(folder_name);
        assert!(names[0] != names[1] && names[1] != names[2]);
    }
}
