//! `cargo xtask prepare`: what the checked queries of the origin mean, written down in `.sqlx`.
//!
//! As `cargo sqlx prepare` does it, without the tool: the query macros ask a database that has all
//! migrations, and write what they learn into the folder that `SQLX_OFFLINE_DIR` names. Other builds
//! read it from `.sqlx` and need no database.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};

use crate::postgres::{Keep, Postgres};
use crate::scratch::Scratch;
use crate::{command, project, report};

/// What each query means, by the name of its file.
type Documents = BTreeMap<String, Vec<u8>>;

/// Writes `.sqlx`, or only checks that it is as it would be written.
pub fn prepare(check: bool) -> Result<()> {
    let scratch = Scratch::new("prepare")?;
    let learned = scratch.path().join("sqlx");
    fs::create_dir_all(&learned)?;
    learn(scratch.path(), &learned)?;
    let (learned, committed) = (documents(&learned)?, documents(&committed())?);
    if check { compare(&learned, &committed) } else { write(&learned, &committed) }
}

fn committed() -> PathBuf {
    project::root().join(".sqlx")
}

/// Has the macros ask a database that has all migrations.
fn learn(folder: &Path, learned: &Path) -> Result<()> {
    let title = "starting a Postgres with all migrations";
    let postgres = report::quiet_step(title, || {
        let postgres = Postgres::start(folder, Keep::Nothing)?;
        for migration in migrations()? {
            let script = fs::read_to_string(&migration)?;
            let name = migration.file_name().unwrap_or_default().display();
            postgres.run_script(&script).with_context(|| format!("migration {name}"))?;
        }
        Ok(postgres)
    })?;
    // The macros only run when the crate is compiled, and it is when this file is newer.
    File::open(project::root().join("origin/src/lib.rs"))?.set_modified(SystemTime::now())?;
    report::loud_step("asking it about each query of the origin", || {
        command::run(
            command::cargo()
                .args(["check", "--package", "origin", "--all-targets"])
                .env("SQLX_OFFLINE", "false")
                .env("SQLX_OFFLINE_DIR", learned)
                .env("DATABASE_URL", postgres.url()),
        )
    })
}

/// The migrations, oldest first. The origin's own migrator cannot run them here: it is compiled from
/// the queries that are yet to be checked.
fn migrations() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(project::root().join("migrations"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The documents of a folder by name.
fn documents(folder: &Path) -> Result<Documents> {
    let mut documents = BTreeMap::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            documents.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(documents)
}

fn compare(learned: &Documents, committed: &Documents) -> Result<()> {
    ensure!(
        learned == committed,
        ".sqlx is not what the queries mean now: run `cargo xtask prepare` and commit it"
    );
    report::line(&format!("weir: .sqlx is right about all {} queries", learned.len()));
    Ok(())
}

fn write(learned: &Documents, committed: &Documents) -> Result<()> {
    let folder = self::committed();
    fs::create_dir_all(&folder)?;
    for (name, content) in learned {
        if committed.get(name) != Some(content) {
            fs::write(folder.join(name), content)?;
        }
    }
    for name in committed.keys().filter(|name| !learned.contains_key(*name)) {
        fs::remove_file(folder.join(name))?;
    }
    report::line(&format!("weir: .sqlx knows {} queries", learned.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_come_in_the_order_of_their_names() {
        let files = migrations().unwrap();
        assert!(!files.is_empty());
        assert!(files.is_sorted());
    }

    #[test]
    fn a_missing_a_changed_and_a_stale_document_are_all_noticed() {
        let documents = |list: &[(&str, &str)]| -> Documents {
            list.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
        };
        let learned = documents(&[("query-1.json", "one"), ("query-2.json", "two")]);
        assert!(compare(&learned, &documents(&[("query-1.json", "one")])).is_err());
        let changed = documents(&[("query-1.json", "one"), ("query-2.json", "2")]);
        assert!(compare(&learned, &changed).is_err());
        let mut stale = learned.clone();
        stale.insert("query-3.json".to_owned(), Vec::new());
        assert!(compare(&learned, &stale).is_err());
        assert!(compare(&learned, &learned.clone()).is_ok());
    }
}
