//! A request to Dify names a user of the account's own and nobody else, or is refused; nothing else of it
//! changes.
//!
//! The first byte chooses a body, a query or a form.

use meter::dify::{FORM_PARTS_MAX, in_form, in_json, in_query};
use serde_json::Value;

const PREFIX: &str = "acc_1.";
const CONTENT_TYPE: &str = "multipart/form-data; boundary=b";
const DELIMITER: &[u8] = b"--b";

/// Puts the account in front of the user.
pub fn check(bytes: &[u8]) {
    let Some((&which, rest)) = bytes.split_first() else { return };
    match which % 3 {
        0 => json(rest),
        1 => query(rest),
        _ => form(rest),
    }
}

fn json(body: &[u8]) {
    let Ok(place) = in_json(body) else { return };
    let named = with(body, &[place]);
    // What nests too deep for a tree passes all the same, and cannot be compared.
    let (Ok(before), Ok(after)) = (read(body), read(&named)) else { return };
    let user = before.get("user").and_then(Value::as_str).expect("a user is named");
    let mut expected = before.clone();
    expected["user"] = Value::from(format!("{PREFIX}{user}"));
    assert_eq!(after, expected);
}

fn read(body: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(body)
}

fn query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(named) = in_query(text, PREFIX) else { return };
    let pairs = |text: &str| -> Vec<String> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        pairs.map(ToOwned::to_owned).collect()
    };
    let is_user = |pair: &&String| *pair == "user" || pair.starts_with("user=");
    let own = format!("user={PREFIX}");
    let after = pairs(named.strip_prefix('?').unwrap_or_default());
    let users: Vec<_> = after.iter().filter(is_user).collect();
    assert!(!users.is_empty() && users.iter().all(|pair| pair.starts_with(&own)), "{named:?}");
    let before = pairs(text.trim_start_matches('?'));
    let rest = |pairs: &[String]| -> Vec<String> {
        pairs.iter().filter(|pair| !is_user(pair)).cloned().collect()
    };
    assert_eq!(rest(&before), rest(&after));
}

fn form(body: &[u8]) {
    let Ok(places) = in_form(CONTENT_TYPE, body) else { return };
    assert!(!places.is_empty() && places.len() <= FORM_PARTS_MAX);
    assert!(places.is_sorted() && places.iter().all(|place| *place <= body.len()));
    // However loosely the form is read, nobody is named who was not found.
    assert!(users_read_loosely(body) <= places.len(), "{:?}", String::from_utf8_lossy(body));
    let named = with(body, &places);
    let again = in_form(CONTENT_TYPE, &named).expect("it is still a form");
    assert_eq!(again.len(), places.len());
    for place in again {
        let content = named.get(place..).unwrap_or_default();
        assert!(content.starts_with(PREFIX.as_bytes()));
    }
}

/// How many parts are called `user` by a reader who takes any line end for one, and a delimiter wherever
/// it stands.
fn users_read_loosely(body: &[u8]) -> usize {
    let text = String::from_utf8_lossy(body).replace("\r\n", "\n").replace('\r', "\n");
    let delimiter = String::from_utf8_lossy(DELIMITER);
    let heads = text.split(delimiter.as_ref()).filter_map(|part| part.split("\n\n").next());
    let is_user = |line: &str| {
        let Some((name, value)) = line.split_once(':') else { return false };
        let mut parameters = value.split(';').filter_map(|item| item.trim().split_once('='));
        let mut is_name = |wanted: &str| {
            parameters.any(|(key, value)| {
                key.eq_ignore_ascii_case("name") && value.trim_matches('"') == wanted
            })
        };
        name.trim().eq_ignore_ascii_case("content-disposition") && is_name("user")
    };
    // A part without an empty line has no content, and names nobody.
    heads.filter(|head| head.trim_start().lines().any(is_user)).count()
}

fn with(bytes: &[u8], places: &[usize]) -> Vec<u8> {
    let mut named = bytes.to_vec();
    for place in places.iter().rev() {
        named.splice(place..place, PREFIX.bytes());
    }
    named
}
