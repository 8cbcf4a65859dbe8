//! `weir key register`.

use std::path::PathBuf;

use clap::Args;

use crate::account;
use crate::audit::Actor;
use crate::clock;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::registered::{self, NewRegistered, PublicKey};

use super::Answer;
use super::scope::ScopeArguments;

/// `weir key register`
#[derive(Args)]
#[command(
    after_help = "The caller keeps its private key and its code: an OAuth (JWT) app of Coze's \
                        libraries with this app id and key name asks the edge for tokens, and each \
                        stands for this key until `weir key revoke`."
)]
pub(super) struct Register {
    /// The account's id or name
    account: String,
    /// The key's name, for people
    #[arg(long)]
    name: String,
    /// The OAuth app's id: `iss` of the JWTs that it signs
    #[arg(long, value_name = "APP")]
    app_id: String,
    /// The name of its public key: `kid` of the JWTs
    #[arg(long)]
    kid: String,
    /// The file that holds the public key, in PEM
    #[arg(long, value_name = "FILE")]
    public_key: PathBuf,
    #[command(flatten)]
    scope: ScopeArguments,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Register {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let pem = std::fs::read_to_string(&self.public_key).map_err(|error| {
            let path = self.public_key.display();
            Error::invalid("public_key", format!("cannot be read from {path}: {error}"))
        })?;
        let public_key = PublicKey::from_pem(&pem)?;
        let pool = database::pool(&self.database.database_url)?;
        let account = account::find(&pool, &self.account).await?;
        let new = NewRegistered {
            account: &account,
            name: &self.name,
            app_id: &self.app_id,
            kid: &self.kid,
            public_key: &public_key,
            scope: self.scope.into(),
        };
        let key = registered::register(&pool, &new, clock::now(), actor).await?;
        let text = format!(
            "{} is registered for {}: JWTs of app {} signed by {} get tokens at the edge, at \
             /api/permission/oauth2/token.",
            key.key_id, key.account_id, key.app_id, key.kid
        );
        Answer::new(&key, text)
    }
}
