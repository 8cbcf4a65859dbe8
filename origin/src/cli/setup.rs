//! What a new installation begins with: a schema and a signing key.

use serde_json::json;

use crate::config::DatabaseSettings;
use crate::database::{self, MIGRATOR};
use crate::error::Error;
use crate::signing::Signer;

use super::Answer;

pub(super) async fn migrate(settings: &DatabaseSettings) -> Result<Answer, Error> {
    database::migrate(&settings.database_url).await?;
    let version = MIGRATOR.iter().map(|migration| migration.version).max();
    let value = json!({ "version": version });
    Answer::new(&value, format!("The schema is at version {}.", version.unwrap_or_default()))
}

pub(super) fn signing_key() -> Result<Answer, Error> {
    let doc = Signer::generate()?.doc();
    let text = serde_json::to_string(&doc).map_err(|error| Error::Signing(error.to_string()))?;
    // It is a JSON document for people too: it is meant to be pasted whole.
    Answer::new(&doc, text)
}
