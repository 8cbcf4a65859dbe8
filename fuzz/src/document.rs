//! Whatever claims to be a document is refused or read, and what was read is written and read the same.
//!
//! The first byte chooses which document.

use std::fmt::Debug;

use meter::account::Account;
use meter::journal::{Admission, Report};
use meter::price::PriceBook;
use meter::wire::book::BookDoc;
use meter::wire::claims::{KeyClaims, PublicKeyDoc, PullClaims};
use meter::wire::command::{AdmitDoc, CommandDoc, ReplyDoc, ReportDoc};
use meter::wire::entry::EntryDoc;
use meter::wire::pull::{AccountDoc, PullReply, PullRequest};
use meter::wire::stored::HoldDoc;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads the bytes as one of the documents.
pub fn check(bytes: &[u8]) {
    let Some((&which, json)) = bytes.split_first() else { return };
    match which {
        0 => same::<CommandDoc>(json),
        1 => same::<ReplyDoc>(json),
        2 => same::<PullRequest>(json),
        3 => same::<PullReply>(json),
        4 => same::<EntryDoc>(json),
        5 => same::<HoldDoc>(json),
        6 => same::<KeyClaims>(json),
        7 => same::<PullClaims>(json),
        8 => same::<Vec<PublicKeyDoc>>(json),
        9 => meant::<BookDoc, PriceBook>(json),
        10 => meant::<AccountDoc, Account>(json),
        11 => meant::<AdmitDoc, Admission>(json),
        _ => meant::<ReportDoc, Report>(json),
    }
}

/// The document that was read is written in a form that is read as the same.
fn same<D: DeserializeOwned + Serialize + PartialEq + Debug>(json: &[u8]) {
    let Ok(doc) = serde_json::from_slice::<D>(json) else { return };
    let text = serde_json::to_string(&doc).expect("a document can be written");
    let again: D = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(again, doc);
}

/// What the document means is written as a document that means the same.
fn meant<D, T>(json: &[u8])
where
    D: DeserializeOwned + Serialize + PartialEq + Debug + for<'a> From<&'a T>,
    T: for<'a> TryFrom<&'a D> + PartialEq + Debug,
{
    same::<D>(json);
    let Ok(doc) = serde_json::from_slice::<D>(json) else { return };
    let Ok(value) = T::try_from(&doc) else { return };
    let Ok(again) = T::try_from(&D::from(&value)) else {
        panic!("what was understood is not understood again: {value:?}");
    };
    assert_eq!(again, value);
}
