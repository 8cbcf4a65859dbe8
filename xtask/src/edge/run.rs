//! The edge on `workerd`, the runtime that Cloudflare runs Workers on.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::process::{Process, probe};

/// Every secret that the edge may be told.
pub const SECRETS: [&str; 8] = [
    "COZE_API_TOKEN",
    "COZE_CLIENT_ID",
    "COZE_PUBLIC_KEY",
    "COZE_PRIVATE_KEY",
    "COZE_CREDENTIALS",
    "DIFY_APPS",
    "WEIR_EDGE_SIGNING_KEY",
    "GUEST_KEY",
];

/// Secrets and their names.
pub type Secrets = BTreeMap<&'static str, String>;

/// What the edge is told, by the names of its bindings.
pub struct Settings {
    /// Where it listens, on this machine only.
    pub port: u16,
    /// `UPSTREAM_URL`
    pub upstream_url: String,
    /// Its secrets, by the names of their bindings: those of [`SECRETS`] that are set.
    pub secrets: Secrets,
    /// `WEIR_PUBLIC_KEYS`
    pub public_keys: String,
    /// Further variables by name, such as `COZE_DEVICE_INFO`.
    pub variables: Vec<(&'static str, String)>,
    /// The checkout whose Worker it is.
    pub checkout: PathBuf,
}

/// The secrets that this program's environment holds.
pub fn secrets_of_environment() -> Secrets {
    let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
    SECRETS.into_iter().filter_map(|name| Some((name, set(name)?))).collect()
}

/// The edge as a process that is not running yet. The Worker must have been built; `folder` gets
/// its journals and its log.
pub fn process(workerd: &Path, folder: &Path, settings: &Settings) -> Result<Process> {
    let port = settings.port;
    let command = command(workerd, folder, settings)?;
    let log_folder = folder.join("log");
    Ok(Process::new("edge", command, &log_folder, move || probe::answers(port, "/health")))
}

/// The same as a command, for running it in the foreground.
pub fn command(workerd: &Path, folder: &Path, settings: &Settings) -> Result<Command> {
    let journals = folder.join("journals");
    fs::create_dir_all(&journals)?;
    let mut command = Command::new(workerd);
    command
        .arg("serve")
        .arg(config(&settings.checkout))
        .arg(format!("--socket-addr=http=127.0.0.1:{}", settings.port))
        .arg(format!("--directory-path=journals={}", journals.display()))
        .env("UPSTREAM_URL", &settings.upstream_url)
        .env("WEIR_PUBLIC_KEYS", &settings.public_keys)
        .env("WEIR_HOSTS", format!("127.0.0.1:{0},localhost:{0}", settings.port))
        .envs(settings.variables.iter().map(|(name, value)| (name, value)));
    for name in SECRETS {
        match settings.secrets.get(name) {
            Some(secret) => command.env(name, secret),
            // One of this program's own environment is not meant unless it is named.
            None => command.env_remove(name),
        };
    }
    Ok(command)
}

fn config(checkout: &Path) -> PathBuf {
    checkout.join("edge/workerd.capnp")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project;

    #[test]
    fn every_secret_is_a_binding() {
        let config = fs::read_to_string(config(project::root())).unwrap();
        for name in SECRETS {
            assert!(config.contains(&format!(r#"name = "{name}", fromEnvironment = "{name}""#)));
        }
    }

    #[test]
    fn workerd_and_wrangler_run_the_worker_by_the_same_date() {
        let config = fs::read_to_string(config(project::root())).unwrap();
        let wrangler = fs::read_to_string(project::root().join("wrangler.toml")).unwrap();
        let date = wrangler.lines().find_map(|line| line.strip_prefix("compatibility_date = "));
        assert!(config.contains(&format!("compatibilityDate = {}", date.unwrap())));
    }
}
