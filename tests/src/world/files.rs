//! Files that were uploaded, by id. Their bytes are not kept.
//!
//! # Bounds
//! At most [`FILES_MAX`]; the oldest is forgotten.

use std::collections::VecDeque;

/// How many files are remembered.
pub(crate) const FILES_MAX: usize = 10_000;

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) bytes: i64,
    pub(crate) created_at: i64,
}

/// All files, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Files {
    files: VecDeque<File>,
}

impl Files {
    pub(crate) fn insert(&mut self, file: File) {
        if self.files.len() >= FILES_MAX {
            self.files.pop_front();
        }
        self.files.push_back(file);
    }

    pub(crate) fn get(&self, id: &str) -> Option<&File> {
        self.files.iter().rev().find(|file| file.id == id)
    }
}
