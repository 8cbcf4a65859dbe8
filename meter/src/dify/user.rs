//! Where a request says who its user is.
//!
//! Each function gives the places in which the account's name is put in front of the user's; nothing
//! else of a request changes. A request that has to name a user and does not is refused, since Dify
//! would take it for one and the same nobody, of whichever account.
//!
//! # Bounds
//! A form has at most [`FORM_PARTS_MAX`] parts.

use crate::ids::{AccountId, SessionId};
use crate::json::{self, JsonError};
use crate::refusal::{Reason, Refusal};

/// Most parts of a form that are looked at. Dify's have a file and a handful of fields.
pub const FORM_PARTS_MAX: usize = 64;

const USER: &str = "user";

/// What is put in front of the user's name: the account, and the caller's session where it tells them
/// apart. No account holds a dot or a colon, so that no two callers of different accounts, or sessions,
/// ever have a user in common; and a query needs neither escaped.
pub fn prefix(account: &AccountId, session: Option<&SessionId>) -> String {
    match session {
        None => format!("{account}."),
        Some(session) => format!("{account}:{session}."),
    }
}

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::with_detail(Reason::BodyInvalid, detail)
}

/// The place in a JSON body: right behind the opening quote of `user`.
pub fn in_json(body: &[u8]) -> Result<usize, Refusal> {
    let not_an_object = |error: JsonError| invalid(error.to_string());
    let body = str::from_utf8(body).map_err(|_| not_an_object(JsonError::NotAnObject))?;
    let [user] = json::fields(body, &[USER]).map_err(not_an_object)?;
    let user = user.ok_or_else(|| invalid("`user` is missing"))?;
    let not_a_string = || invalid("`user` is not a string");
    let name = json::text(user).ok_or_else(not_a_string)?;
    if name.is_empty() {
        return Err(invalid("`user` is empty"));
    }
    json::place(body, user).ok_or_else(not_a_string)
}

/// The query with `prefix` in front of the user's name, wherever it stands; with a user of that name
/// alone where none stands. The prefix needs no escaping.
///
/// A key that is escaped is refused: upstream would read another one than we do.
pub fn in_query(query: &str, prefix: &str) -> Result<String, Refusal> {
    let mut pairs = Vec::new();
    let mut has_user = false;
    for pair in query.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if key.contains(['%', '+']) {
            return Err(invalid("a name in the query is escaped"));
        }
        has_user |= key == USER;
        pairs.push(if key == USER { format!("{USER}={prefix}{value}") } else { pair.to_owned() });
    }
    if !has_user {
        pairs.push(format!("{USER}={prefix}"));
    }
    Ok(format!("?{}", pairs.join("&")))
}

/// The same for a request that need not name a user: nobody is named where it names nobody.
pub fn in_query_if_any(query: &str, prefix: &str) -> Result<String, Refusal> {
    let named = in_query(query, prefix)?;
    let is_anybody = query.split(['?', '&']).any(|pair| pair == USER || pair.starts_with("user="));
    Ok(if is_anybody { named } else { query.to_owned() })
}

/// The places in a form: where the content of each part called `user` begins.
pub fn in_form(content_type: &str, body: &[u8]) -> Result<Vec<usize>, Refusal> {
    let boundary = boundary(content_type).ok_or_else(|| invalid("not a form with a boundary"))?;
    let delimiter = [b"--".as_slice(), boundary.as_bytes()].concat();
    if !body.starts_with(&delimiter) {
        return Err(invalid("the form does not begin with its boundary"));
    }
    let mut places = Vec::new();
    let mut at = delimiter.len();
    for parts in 0..=FORM_PARTS_MAX {
        let rest = body.get(at..).unwrap_or_default();
        if let Some(behind) = rest.strip_prefix(b"--") {
            // Nothing is to stand behind the end, so that nobody goes on reading there.
            if !behind.iter().all(u8::is_ascii_whitespace) {
                return Err(invalid("something stands behind the form's end"));
            }
            return if places.is_empty() { Err(invalid("`user` is missing")) } else { Ok(places) };
        }
        if parts == FORM_PARTS_MAX {
            break;
        }
        let part = Part::read(rest, &delimiter)?;
        let content = at.saturating_add(part.content);
        if is_user(part.head)? {
            places.push(content);
        }
        at = at.saturating_add(part.end);
    }
    Err(invalid(format!("the form has more than {FORM_PARTS_MAX} parts")))
}

/// One part of a form, and where it lies behind the delimiter before it.
struct Part<'a> {
    head: &'a [u8],
    content: usize,
    /// Behind the delimiter that ends it.
    end: usize,
}

impl<'a> Part<'a> {
    /// Reads a part. Upstream takes a line feed alone for the end of a line, too; so a delimiter that
    /// stands anywhere but behind a whole line end, and a line feed alone in a head, are refused.
    fn read(rest: &'a [u8], delimiter: &[u8]) -> Result<Self, Refusal> {
        let cut = || invalid("a part of the form has no end");
        let odd = || invalid("a part of the form could be read in two ways");
        let end = position(rest, delimiter).ok_or_else(cut)?;
        let part = rest.get(..end).unwrap_or_default();
        let part = part.strip_prefix(b"\r\n").and_then(|part| part.strip_suffix(b"\r\n"));
        let part = part.ok_or_else(odd)?;
        let head_bytes = position(part, b"\r\n\r\n").ok_or_else(cut)?;
        let head = part.get(..head_bytes).unwrap_or_default();
        let line_ends = head.windows(2).filter(|pair| pair == b"\r\n").count();
        // In whole line ends there are as many carriage returns as line feeds, and no others.
        let breaks = head.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
        if breaks != line_ends.saturating_mul(2) {
            return Err(odd());
        }
        // The line end in front, and the empty line behind the head.
        let content = head_bytes.saturating_add(6);
        Ok(Self { head, content, end: end.saturating_add(delimiter.len()) })
    }
}

fn position(within: &[u8], wanted: &[u8]) -> Option<usize> {
    within.windows(wanted.len()).position(|window| window == wanted)
}

/// The boundary, as a plain word (RFC 2046 §5.1.1 allows more, and no library writes more).
fn boundary(content_type: &str) -> Option<&str> {
    let (media_type, parameters) = content_type.split_once(';')?;
    if !media_type.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    })?;
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
    Some(value).filter(|value| (1..=70).contains(&value.len()) && value.bytes().all(is_plain))
}

/// Whether a part's head calls it `user`. One whose name could be read in two ways is refused.
fn is_user(head: &[u8]) -> Result<bool, Refusal> {
    let odd = || invalid("a part of the form has no plain name");
    let head = str::from_utf8(head).map_err(|_| odd())?;
    let mut dispositions = head.split("\r\n").filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    let (Some(disposition), None) = (dispositions.next(), dispositions.next()) else {
        return Err(odd());
    };
    let mut names = disposition.split(';').filter_map(|parameter| {
        let (key, value) = parameter.trim().split_once('=')?;
        let key = key.trim().to_ascii_lowercase();
        (key == "name" || key == "name*").then(|| (key == "name", value.trim()))
    });
    let (Some((true, name)), None) = (names.next(), names.next()) else { return Err(odd()) };
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    if name.contains(['"', '\\', '%']) {
        return Err(odd());
    }
    Ok(name == USER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_user_is_anothers_whatever_a_caller_calls_it() {
        let (account, session) = ("acc_1".parse().unwrap(), "5e".parse().unwrap());
        assert_eq!(prefix(&account, None), "acc_1.");
        assert_eq!(prefix(&account, Some(&session)), "acc_1:5e.");
        assert!("acc_1.x".parse::<AccountId>().is_err() && "acc_1:x".parse::<AccountId>().is_err());
    }

    #[track_caller]
    fn json(body: &str, want: Result<&str, &str>) {
        let got = in_json(body.as_bytes())
            .map(|place| format!("{}acc.{}", &body[..place], &body[place..]))
            .map_err(|refusal| refusal.detail.unwrap_or_default().into_owned());
        match (&got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want),
            (Err(got), Err(want)) => assert!(got.contains(want), "{got:?} lacks {want:?}"),
            _ => panic!("{got:?}, wanted {want:?}"),
        }
    }

    #[test]
    fn a_body_that_names_no_user_is_refused() {
        json("", Err("not a JSON object"));
        json("[\"u\"]", Err("not a JSON object"));
        json("{}", Err("`user` is missing"));
        json(r#"{"user":null}"#, Err("`user` is missing"));
        json(r#"{"user":7}"#, Err("`user` is not a string"));
        json(r#"{"user":""}"#, Err("`user` is empty"));
        json(r#"{"user":"a","user":"b"}"#, Err("duplicate field"));
        json(r#"{"user":"a","us\u0065r":"b"}"#, Err("duplicate field"));
        json(r#"{"inputs":{"user":"a"}}"#, Err("`user` is missing"));
    }

    #[test]
    fn the_account_is_put_in_front_and_nothing_else_changes() {
        json(r#"{"user":"u"}"#, Ok(r#"{"user":"acc.u"}"#));
        json(
            r#" { "inputs" : {"user":"x"}, "us\u0065r" : "\u00fc" , "query":"水"}"#,
            Ok(r#" { "inputs" : {"user":"x"}, "us\u0065r" : "acc.\u00fc" , "query":"水"}"#),
        );
    }

    #[test]
    fn a_query_always_names_a_user_of_the_account() {
        let query = |query| in_query(query, "acc.").map_err(|refusal| refusal.reason);
        assert_eq!(query(""), Ok("?user=acc.".to_owned()));
        assert_eq!(query("?limit=20"), Ok("?limit=20&user=acc.".to_owned()));
        assert_eq!(query("?user=a%2fb&limit=20"), Ok("?user=acc.a%2fb&limit=20".to_owned()));
        assert_eq!(query("?user=a&user=b&user"), Ok("?user=acc.a&user=acc.b&user=acc.".to_owned()));
        assert_eq!(query("?us%65r=a"), Err(Reason::BodyInvalid));
        assert_eq!(query("?+user=a"), Err(Reason::BodyInvalid));
    }

    #[test]
    fn a_request_that_needs_no_user_gets_none() {
        let query = |query| in_query_if_any(query, "acc.").map_err(|refusal| refusal.reason);
        assert_eq!(query(""), Ok(String::new()));
        assert_eq!(query("?users=1"), Ok("?users=1".to_owned()));
        assert_eq!(query("?a=1&user=u"), Ok("?a=1&user=acc.u".to_owned()));
        assert_eq!(query("?user"), Ok("?user=acc.".to_owned()));
        assert_eq!(query("?us%65r=a"), Err(Reason::BodyInvalid));
    }

    fn form(parts: &[(&str, &str)]) -> String {
        let parts =
            parts.iter().map(|(head, content)| format!("--b\r\n{head}\r\n\r\n{content}\r\n"));
        format!("{}--b--\r\n", parts.collect::<String>())
    }

    #[track_caller]
    fn places(parts: &[(&str, &str)], want: Result<&[&str], ()>) {
        let body = form(parts);
        let places = in_form("multipart/form-data; boundary=b", body.as_bytes());
        let got = places.map(|places| {
            places.iter().map(|place| body[*place..].split("\r\n").next().unwrap()).collect()
        });
        assert_eq!(got.map_err(|_| ()), want.map(<[&str]>::to_vec), "{body}");
    }

    const FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"user\"";
    const USER_PART: &str = "Content-Disposition: form-data; name=\"user\"";

    #[test]
    fn a_forms_user_is_the_part_of_that_name_and_not_what_a_file_holds() {
        places(&[(FILE, USER_PART), (USER_PART, "u-1")], Ok(&["u-1"]));
        places(&[("content-disposition:form-data;name=user", "u-1")], Ok(&["u-1"]));
        places(&[(USER_PART, "u-1"), (USER_PART, "u-2")], Ok(&["u-1", "u-2"]));
        let hidden = format!("--c\r\n{USER_PART}\r\n\r\nu-9");
        places(&[(FILE, &hidden), (USER_PART, "u-1")], Ok(&["u-1"]));
    }

    #[test]
    fn a_form_that_could_be_read_in_two_ways_is_refused() {
        places(&[(FILE, "x")], Err(()));
        // As some parsers read it, these hold another part.
        for line_end in ["\n", "\r", ""] {
            let hidden = format!("x{line_end}--b{line_end}{USER_PART}{line_end}{line_end}u-9");
            places(&[(FILE, &hidden), (USER_PART, "u-1")], Err(()));
            let head = format!("{FILE}{line_end}--b{line_end}{USER_PART}");
            places(&[(&head, "x"), (USER_PART, "u-1")], Err(()));
        }
        places(&[(&format!("{USER_PART}\n\nu-9"), "x")], Err(()));
        places(&[("Content-Type: text/plain", "x"), (USER_PART, "u")], Err(()));
        for odd in [
            "Content-Disposition: form-data; name=\"us%65r\"",
            "Content-Disposition: form-data; name=\"us\\er\"",
            "Content-Disposition: form-data; name*=utf-8''user",
            "Content-Disposition: form-data; name=\"file\"; name=\"user\"",
            "Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"user\"",
        ] {
            places(&[(USER_PART, "u"), (odd, "x")], Err(()));
        }
        for content_type in ["", "multipart/form-data", "text/plain; boundary=b"] {
            assert!(in_form(content_type, form(&[(USER_PART, "u")]).as_bytes()).is_err());
        }
        let parts = |count: usize| {
            let mut parts = vec![(USER_PART, "u")];
            parts.resize(count, ("Content-Disposition: form-data; name=\"a\"", "x"));
            in_form("multipart/form-data; boundary=b", form(&parts).as_bytes()).map(|_| ())
        };
        assert!(parts(FORM_PARTS_MAX).is_ok() && parts(FORM_PARTS_MAX + 1).is_err());
        let behind = format!("{}--b\r\n{USER_PART}\r\n\r\nu-9\r\n--b--", form(&[(USER_PART, "u")]));
        assert!(in_form("multipart/form-data; boundary=b", behind.as_bytes()).is_err());
        let cut = form(&[(USER_PART, "u")]);
        for end in 0..cut.len() - 4 {
            assert!(in_form("multipart/form-data; boundary=b", &cut.as_bytes()[..end]).is_err());
        }
    }
}
