//! What the origin is told, and its signing key.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde::Deserialize;
use serde_json::json;

use crate::process::{Process, probe};
use crate::{command, private_file};

/// What `weir` reads from its environment.
pub(super) struct Settings {
    pub(super) database_url: String,
    pub(super) edge_url: String,
    pub(super) signing_key: String,
    pub(super) listen: String,
    pub(super) pull_interval_ms: u64,
    pub(super) admin_user: String,
    pub(super) admin_password: String,
    pub(super) variables: Vec<(&'static str, String)>,
}

/// A pair as `weir signing-key` prints it.
#[derive(Deserialize)]
struct SigningKey {
    kid: String,
    x: String,
}

impl Settings {
    /// A `weir` command that is told.
    pub(super) fn give_to(&self, mut command: Command) -> Command {
        command
            .env("DATABASE_URL", &self.database_url)
            .env("WEIR_EDGE_URL", &self.edge_url)
            .env("WEIR_SIGNING_KEY", &self.signing_key)
            .env("WEIR_LISTEN", &self.listen)
            .env("WEIR_PULL_INTERVAL_MS", self.pull_interval_ms.to_string())
            .env("WEIR_ADMIN_USER", &self.admin_user)
            .env("WEIR_ADMIN_PASSWORD", &self.admin_password)
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// The origin as a process that is not running yet.
pub(super) fn process(weir: &Path, settings: &Settings, port: u16, log_folder: &Path) -> Process {
    let mut serve = settings.give_to(Command::new(weir));
    serve.arg("serve");
    Process::new("origin", serve, log_folder, move || probe::answers(port, "/health"))
}

/// The pair that stands in this file: of an earlier run if there was one.
pub(super) fn signing_key(weir: &Path, folder: &Path, file: &str) -> Result<String> {
    let path = folder.join(file);
    if let Ok(earlier) = fs::read_to_string(&path) {
        return Ok(earlier);
    }
    let pair = command::output_of(Command::new(weir).arg("signing-key"))?;
    private_file::write(&path, pair.trim())?;
    Ok(pair.trim().to_owned())
}

/// What the edge verifies with: the public half of the pair.
pub(super) fn public_keys(signing_key: &str) -> Result<String> {
    let SigningKey { kid, x } = serde_json::from_str(signing_key)?;
    Ok(json!([{ "kid": kid, "x": x }]).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_is_not_told_the_secret() {
        let keys = public_keys(r#"{"kid":"k","d":"SECRET","x":"public"}"#).unwrap();
        assert_eq!(keys, r#"[{"kid":"k","x":"public"}]"#);
    }
}
