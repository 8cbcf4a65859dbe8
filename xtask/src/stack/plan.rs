//! What a stack is started with.

use std::path::PathBuf;

use anyhow::Result;

use crate::edge::run::Secrets;
use crate::postgres::Keep;
use crate::process::port;
use crate::programs::Build;
use crate::random;
use crate::scratch::Scratch;

/// How often a test's origin pulls: often, so that nobody waits.
const TEST_PULL_INTERVAL_MS: u64 = 200;

/// Where calls end up.
#[derive(Clone)]
pub enum Upstream {
    /// The stand-in.
    StandIn {
        /// Where it listens.
        port: u16,
    },
    /// Something that runs already.
    Elsewhere {
        /// Its scheme and host.
        url: String,
    },
}

/// Ports of this machine by which parts reach each other, where that is not the part's own port. Behind
/// each somebody passes on what comes, or does not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Detours {
    /// From the edge to upstream.
    pub upstream: Option<u16>,
    /// From the origin to the edge.
    pub edge: Option<u16>,
    /// From the origin to the database.
    pub postgres: Option<u16>,
}

/// What a stack is started with.
pub struct Plan {
    /// Where data and logs go.
    pub folder: PathBuf,
    /// The folder, when it goes with the stack.
    pub scratch: Option<Scratch>,
    /// Whether the database has to outlive a power cut.
    pub keep: Keep,
    /// A database that runs already, instead of one of our own.
    pub database_url: Option<String>,
    /// Where the data of our own database goes, when that is not in `folder`.
    pub postgres_folder: Option<PathBuf>,
    /// Where our own database listens.
    pub postgres_port: u16,
    /// Who reaches whom by another way.
    pub detours: Detours,
    /// Which version of edge and origin is started; this checkout's unless named.
    pub build: Option<Build>,
    /// Where calls end up.
    pub upstream: Upstream,
    /// Where the edge's Dify is, when it is not the stand-in.
    pub dify_url: Option<String>,
    /// What the edge goes upstream with: secrets by their names. A stand-in's token goes without
    /// saying.
    pub secrets: Secrets,
    /// Where the edge listens.
    pub edge_port: u16,
    /// Where the origin listens.
    pub origin_port: u16,
    /// How often the origin pulls.
    pub pull_interval_ms: u64,
    /// Who may sign in at the origin.
    pub admin_user: String,
    /// And with which password.
    pub admin_password: String,
    /// Further variables of the edge, by name.
    pub edge_variables: Vec<(&'static str, String)>,
    /// Further variables of the origin, by name.
    pub origin_variables: Vec<(&'static str, String)>,
}

impl Plan {
    /// A stack for one test: everything its own, and gone afterwards.
    pub fn for_test() -> Result<Self> {
        let scratch = Scratch::new("stack")?;
        Ok(Self {
            folder: scratch.path().to_owned(),
            scratch: Some(scratch),
            keep: Keep::Nothing,
            database_url: None,
            postgres_folder: None,
            postgres_port: port::free()?,
            detours: Detours::default(),
            build: None,
            upstream: Upstream::StandIn { port: port::free()? },
            dify_url: None,
            secrets: Secrets::new(),
            edge_port: port::free()?,
            origin_port: port::free()?,
            pull_interval_ms: TEST_PULL_INTERVAL_MS,
            admin_user: "admin".to_owned(),
            admin_password: random::secret()?,
            edge_variables: Vec::new(),
            origin_variables: Vec::new(),
        })
    }
}
