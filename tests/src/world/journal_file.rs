//! The works as JSON lines on disk, so that they survive a kill.
//!
//! A line is appended when a work is accepted and when it ends; the last line of a work is the one
//! that counts. A torn last line, as a kill leaves it, is skipped.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use anyhow::Context;

use crate::world::works::Work;

/// An open journal file.
#[derive(Debug)]
pub(crate) struct JournalFile {
    file: File,
    failures: u64,
}

impl JournalFile {
    /// Opens or creates the file and reads the works in it, in the order of their acceptance.
    pub(crate) fn open(path: &Path) -> anyhow::Result<(Self, Vec<Work>)> {
        let context = || format!("opening the journal file {}", path.display());
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .with_context(context)?;
        let (works, torn) = read(&file).with_context(context)?;
        if torn {
            file.write_all(b"\n").with_context(context)?;
        }
        Ok((Self { file, failures: 0 }, works))
    }

    /// Appends the work as it now stands. A line that cannot be written is counted, since the
    /// record in memory is still right.
    pub(crate) fn append(&mut self, work: &Work) {
        let written = serde_json::to_string(work)
            .map_err(std::io::Error::from)
            .and_then(|line| self.file.write_all(format!("{line}\n").as_bytes()));
        if written.is_err() {
            self.failures = self.failures.saturating_add(1);
        }
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures
    }
}

/// The works in the file, and whether its last line was torn.
fn read(file: &File) -> std::io::Result<(Vec<Work>, bool)> {
    let mut works: Vec<Work> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut torn = false;
    let mut reader = BufReader::new(file);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        torn = !line.ends_with('\n');
        if let Ok(work) = serde_json::from_str::<Work>(&line) {
            if let Some(&place) = places.get(&work.work_id) {
                works[place] = work;
            } else {
                places.insert(work.work_id.clone(), works.len());
                works.push(work);
            }
        }
        line.clear();
    }
    Ok((works, torn))
}
