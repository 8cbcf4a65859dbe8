//! The exact text of everything that crosses a process or outlives a deploy.
//!
//! What fails here is read by another build than the one that wrote it: by the edge's store, by an
//! origin that was deployed earlier, by the books of last year. A change needs a new version, or a
//! field with a default that the older side may ignore.

#[cfg(test)]
mod book;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod command;
#[cfg(test)]
mod entry;
#[cfg(test)]
mod explained;
#[cfg(test)]
mod pull;
#[cfg(test)]
mod stored;

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The document is written as exactly this text and read back from it.
#[cfg(test)]
#[track_caller]
fn pinned<T: Serialize + DeserializeOwned + PartialEq + Debug>(doc: &T, json: &str) {
    assert_eq!(serde_json::to_string(doc).unwrap(), json);
    assert_eq!(&read::<T>(json), doc);
}

/// The document that an older or another side wrote.
#[cfg(test)]
#[track_caller]
fn read<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).unwrap()
}

/// The text means nothing, and the error says this about it.
#[cfg(test)]
#[track_caller]
fn unreadable<T: DeserializeOwned + Debug>(json: &str, because: &str) {
    let error = serde_json::from_str::<T>(json).expect_err(json).to_string();
    assert!(error.contains(because), "{error}");
}
