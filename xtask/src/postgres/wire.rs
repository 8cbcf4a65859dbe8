//! As much of Postgres' protocol as it takes to run statements and hear whether they went well.
//!
//! A client library would bring an asynchronous runtime into each start of `cargo xtask`. Messages
//! are a letter, a length that counts itself, and a body; the first one has no letter.
//!
//! Bounds: one text per connection, [`MESSAGES_MAX`] messages, [`MESSAGE_BYTES_MAX`] each.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, Result, bail, ensure};

use crate::process::probe;

const PROTOCOL_VERSION: u32 = 3 << 16;
const MESSAGES_MAX: usize = 10_000;
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Where a database is and who we are there.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) port: u16,
    pub(super) role: String,
    pub(super) password: String,
    pub(super) database: String,
}

impl Login {
    /// The address as every client library reads it.
    pub(super) fn url(&self) -> String {
        let Self { port, role, password, database } = self;
        format!("postgres://{role}:{password}@127.0.0.1:{port}/{database}")
    }

    /// Runs statements whose rows nobody wants, in one transaction. An empty text only asks whether
    /// the server is up.
    pub(super) fn execute(&self, statements: &str) -> Result<()> {
        let mut stream = probe::connect(self.port).context("Postgres does not listen")?;
        let hello = format!("user\0{}\0database\0{}\0\0", self.role, self.database);
        let mut first = PROTOCOL_VERSION.to_be_bytes().to_vec();
        first.extend(hello.as_bytes());
        stream.write_all(&framed(&first)?)?;
        wait_until_idle(&mut stream, &self.password)?;
        send(&mut stream, b'Q', statements)?;
        wait_until_idle(&mut stream, &self.password)
    }
}

/// Reads until the server waits for us, logging in when it asks.
fn wait_until_idle(stream: &mut TcpStream, password: &str) -> Result<()> {
    for _ in 0..MESSAGES_MAX {
        let (kind, body) = receive(stream)?;
        match (kind, body.as_slice()) {
            (b'Z', _) => return Ok(()),
            (b'E', _) => bail!("Postgres refused: {}", readable(&body)),
            (b'R', [0, 0, 0, 3]) => send(stream, b'p', password)?,
            (b'R', [0, 0, 0, 0]) => {}
            (b'R', _) => bail!("Postgres wants another kind of login"),
            _ => {}
        }
    }
    bail!("Postgres does not stop talking")
}

fn receive(stream: &mut TcpStream) -> Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let length = usize::try_from(u32::from_be_bytes(length))?.saturating_sub(4);
    ensure!(length <= MESSAGE_BYTES_MAX, "Postgres sent {length} bytes at once");
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((kind, body))
}

fn send(stream: &mut TcpStream, kind: u8, text: &str) -> Result<()> {
    let mut message = vec![kind];
    message.extend(framed(format!("{text}\0").as_bytes())?);
    Ok(stream.write_all(&message)?)
}

fn framed(body: &[u8]) -> Result<Vec<u8>> {
    let length = u32::try_from(body.len() + size_of::<u32>())?;
    Ok([&length.to_be_bytes(), body].concat())
}

/// An error's fields, each a letter and a text, without the letters.
fn readable(fields: &[u8]) -> String {
    let texts = fields.split(|byte| *byte == 0).filter_map(|field| field.get(1..));
    texts.map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_counts_its_own_length() {
        assert_eq!(framed(b"ab").unwrap(), [0, 0, 0, 6, b'a', b'b']);
    }

    #[test]
    fn an_error_reads_without_its_letters() {
        assert_eq!(readable(b"SFATAL\0C57P03\0Mstarting up\0\0"), "FATAL 57P03 starting up");
    }
}
