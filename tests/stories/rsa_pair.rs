//! RSA pairs, drawn by Node: in an unoptimised build of our own a long key would take a minute.

use std::process::Command;

use serde::Deserialize;
use xtask::command;

/// A pair of 2,048 bits, in the forms in which people have them.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RsaPair {
    /// The private key: `BEGIN PRIVATE KEY`.
    pub(crate) pkcs8: String,
    /// The private key: `BEGIN RSA PRIVATE KEY`.
    pub(crate) pkcs1: String,
    /// The public key: `BEGIN PUBLIC KEY`.
    pub(crate) public: String,
}

const DRAW: &str = "
const pair = require('node:crypto').generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = (key, type) => key.export({ type, format: 'pem' });
console.log(JSON.stringify({
  pkcs8: pem(pair.privateKey, 'pkcs8'),
  pkcs1: pem(pair.privateKey, 'pkcs1'),
  public: pem(pair.publicKey, 'spki'),
}));";

impl RsaPair {
    pub(crate) fn draw() -> Self {
        let said = command::output_of(Command::new("node").args(["-e", DRAW])).expect("node runs");
        serde_json::from_str(&said).expect("a pair")
    }
}
