//! A real Postgres server, from npm's binaries, in a folder of its own.

mod install;
mod major;
mod wire;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::process::Signal;

use self::install::Installed;
use self::wire::Login;
use crate::command;
use crate::process::{Process, port};

pub use major::{Major, UnknownMajor};

/// The only role, and the database that is there from the start.
const ROLE: &str = "weir";
const DATABASE: &str = "postgres";

/// It protects nothing: the server listens on this machine alone, and for development alone.
const PASSWORD: &str = "weir";

/// Whether the data has to outlive a power cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Data of somebody's development.
    Data,
    /// A test's data, written without waiting for the disk.
    Nothing,
}

/// A Postgres server on this machine. Dropping it kills it, and removes data that is not to be kept.
pub struct Postgres {
    /// Its process.
    pub process: Process,
    login: Login,
    data: PathBuf,
    keep: Keep,
}

impl Postgres {
    /// Starts a server on the data in `folder/postgres`, which is made if need be.
    pub fn start(folder: &Path, keep: Keep) -> Result<Self> {
        Self::start_at(port::free()?, folder, keep)
    }

    /// The same with a server of this version.
    pub fn start_major(major: Major, folder: &Path, keep: Keep) -> Result<Self> {
        Self::begin(major, port::free()?, folder, keep)
    }

    /// The same on this port.
    pub fn start_at(port: u16, folder: &Path, keep: Keep) -> Result<Self> {
        Self::begin(Major::NEWEST, port, folder, keep)
    }

    fn begin(major: Major, port: u16, folder: &Path, keep: Keep) -> Result<Self> {
        let installed = install::install(major)?;
        let data = installed.data_folder(folder)?;
        if !data.join("PG_VERSION").exists() {
            create_cluster(&installed, &data)?;
        }
        let login = Login {
            port,
            role: ROLE.to_owned(),
            password: PASSWORD.to_owned(),
            database: DATABASE.to_owned(),
        };
        let mut server = installed.program("postgres");
        server
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1"])
            // The path of a socket has a length that a checkout's path may exceed.
            .args(["-c", "unix_socket_directories="])
            .args(["-c", "max_connections=200"]);
        if keep == Keep::Nothing {
            server.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }
        let ready = login.clone();
        let process = Process::new("postgres", server, &folder.join("log"), move || {
            ready.execute("").is_ok()
        })
        // Ends sessions instead of waiting for them.
        .stopped_by(Signal::INT)
        // A killed server's children hold its memory for a moment longer.
        .started_until_it_stays();
        let mut postgres = Self { process, login, data, keep };
        postgres.process.start()?;
        Ok(postgres)
    }

    /// The folder with everything that it stores.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The address of the database that is there from the start.
    pub fn url(&self) -> String {
        self.login.url()
    }

    /// The same by way of another port of this machine, behind which somebody passes on what comes.
    pub fn url_by(&self, port: u16) -> String {
        Login { port, ..self.login.clone() }.url()
    }

    /// Runs the statements of a script, all of them or none.
    pub fn run_script(&self, script: &str) -> Result<()> {
        self.login.execute(script)
    }

    /// Makes another, empty database and answers its address.
    pub fn create_database(&self, name: &str) -> Result<String> {
        let quoted = name.replace('"', "\"\"");
        self.login.execute(&format!("CREATE DATABASE \"{quoted}\""))?;
        Ok(Login { database: name.to_owned(), ..self.login.clone() }.url())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Whoever wanted an answer has stopped the server before.
        let _ = self.process.kill();
        if self.keep == Keep::Nothing {
            let _ = crate::cache::remove_all(&self.data);
        }
    }
}

/// Removes the data of the server whose folder this was.
pub fn remove_data(folder: &Path) -> Result<()> {
    crate::cache::remove_all(&install::install(Major::NEWEST)?.data_folder(folder)?)
}

fn create_cluster(installed: &Installed, data: &Path) -> Result<()> {
    // A run that was cut off half-way leaves a folder that initdb would refuse.
    crate::cache::remove_all(data)?;
    fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))?;
    let password: PathBuf = data.with_extension("password");
    fs::write(&password, PASSWORD)?;
    for path in [data, &password] {
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
        if let Some(owner) = installed.owner() {
            chown(path, Some(owner.user), Some(owner.group))?;
        }
    }
    let result = command::output_of(
        installed
            .program("initdb")
            .arg("-D")
            .arg(data)
            .arg(format!("--pwfile={}", password.display()))
            .args(["--username", ROLE, "--auth=password", "--encoding=UTF8", "--locale=C"])
            .args(["--no-instructions", "--no-sync"]),
    );
    fs::remove_file(&password)?;
    result.map(drop)
}
