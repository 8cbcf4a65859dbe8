//! Every file of a target's corpus, and a bounded number of small changes to it, breaks no promise.
//!
//! What `cargo xtask fuzz` looks for with a compiler's help for as long as one likes is looked for here
//! for a few seconds, on any machine, and with the same changes each time.

use std::path::{Path, PathBuf};

use fuzz::TARGETS;

/// How many changed versions of each file are tried.
const CHANGES: u32 = 300;
/// How many bytes are changed at once, at most.
const CHANGED_BYTES_MAX: usize = 6;

#[cfg(test)]
fn files(folder: &Path) -> Vec<PathBuf> {
    let files =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

#[cfg(test)]
fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    files(&folder)
}

/// A version of the bytes in which a few were replaced, put in, taken out or said twice.
fn changed(bytes: &[u8], draw: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..draw.usize(1..=CHANGED_BYTES_MAX) {
        let at = draw.usize(0..=bytes.len());
        match draw.u8(0..5) {
            0 => bytes.insert(at, draw.u8(..)),
            1 if at < bytes.len() => bytes[at] = draw.u8(..),
            2 if at < bytes.len() => bytes[at] ^= 1 << draw.u8(0..8),
            3 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.extend_from_within(at..(at + draw.usize(0..40)).min(bytes.len())),
        }
    }
    bytes
}

#[test]
fn no_file_of_a_corpus_and_no_small_change_to_one_breaks_a_promise() {
    for (target, check) in TARGETS {
        let files = corpus(target);
        assert!(!files.is_empty(), "{target} has no corpus");
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            check(&bytes);
            let mut draw = fastrand::Rng::with_seed(bytes.len() as u64);
            for _ in 0..CHANGES {
                check(&changed(&bytes, &mut draw));
            }
        }
    }
}

#[test]
fn every_target_has_its_program_and_every_program_its_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets");
    let programs = files(&folder);
    let programs: Vec<_> =
        programs.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    let targets: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(programs, targets);
}
