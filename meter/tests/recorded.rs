//! Replies as upstream writes them, and what is read out of each.
//!
//! A file in `test_data/<dialect>/` is a case: `<case>.sse` or `<case>.json`, with `<case>.expect`
//! beside it, one fact a line. Adding a file adds a case. `WEIR_BLESS=1` writes the `.expect` files
//! anew; each is then to be read against the upstream contract before it is kept.

#[cfg(test)]
mod recording;

use std::collections::BTreeSet;
use std::path::PathBuf;

use meter::sse::Parser;
use meter::usage::{Observed, coze_chat, coze_workflow, dify};
use recording::{Case, Dialect, cases, describe, extension, files, short};

/// What is read out of a case.
fn reading(case: &Case) -> String {
    describe(&if case.is_stream { read_stream(case) } else { read_whole(case) })
}

fn read_stream(case: &Case) -> Observed {
    let mut reading = case.dialect.read_stream();
    let mut parser = Parser::new();
    parser.feed(&case.bytes, |event| reading.take(event));
    parser.finish(|event| reading.take(event));
    reading.finish()
}

fn read_whole(case: &Case) -> Observed {
    match case.dialect {
        Dialect::Chat | Dialect::Chatflow | Dialect::Retrieve => coze_chat::read_reply(&case.bytes),
        Dialect::Run | Dialect::Workflow => coze_workflow::read_run(&case.bytes),
        Dialect::Dify => dify::read_reply(&case.bytes),
        Dialect::DifyRun => dify::read_run(&case.bytes),
        Dialect::History => coze_workflow::read_history(&case.bytes),
    }
}

fn expect_path(case: &Case) -> PathBuf {
    case.path.with_extension("expect")
}

#[test]
fn every_recorded_reply_is_read_as_expected() {
    let is_blessing = std::env::var_os("WEIR_BLESS").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let got = reading(&case);
        if is_blessing {
            std::fs::write(expect_path(&case), &got).unwrap();
            continue;
        }
        let want = std::fs::read_to_string(expect_path(&case)).unwrap_or_default();
        if got != want {
            wrong.push(format!("{}\n-- read:\n{got}-- expected:\n{want}", short(&case.path)));
        }
    }
    assert!(wrong.is_empty(), "{} cases differ\n\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_case_has_its_expectation_and_every_expectation_its_case() {
    let of = |wanted: fn(&str) -> bool| -> Vec<PathBuf> {
        let files = files().into_iter().filter(|path| wanted(extension(path)));
        files.map(|path| path.with_extension("")).collect()
    };
    let replies = of(|extension| matches!(extension, "sse" | "json"));
    let cases: BTreeSet<_> = replies.iter().map(|path| short(path)).collect();
    assert_eq!(cases.len(), replies.len(), "a case is there as .sse and as .json");
    let expected = of(|extension| extension == "expect");
    let expected: BTreeSet<_> = expected.iter().map(|path| short(path)).collect();
    let alone: Vec<_> = cases.symmetric_difference(&expected).collect();
    assert!(alone.is_empty(), "a reply without .expect, or one without its reply: {alone:?}");
    let other = of(|extension| !matches!(extension, "sse" | "json" | "expect"));
    assert!(other.is_empty(), "neither a reply nor an expectation: {other:?}");
    assert!(!cases.is_empty());
}
