//! A billable request is read to what it will be priced by, or refused.
//!
//! The first byte chooses the operation; a line break parts the query from the body.

use meter::apart::{self, NAMES_MAX};
use meter::request::{Parts, SubjectKind, Wanted, read};
use meter::route::{Operation, Provider};

/// Reads the bytes as a request.
pub fn check(bytes: &[u8]) {
    let Some((&which, rest)) = bytes.split_first() else { return };
    let operation = Operation::ALL[usize::from(which) % Operation::ALL.len()];
    if operation.provider() != Provider::Coze {
        // Dify's requests are read by rules of their own.
        return;
    }
    let at = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (query, body) = rest.split_at(at);
    let Ok(query) = std::str::from_utf8(query) else { return };
    let body = body.get(1..).unwrap_or_default();
    let path = "/v1/plugins/7600/tools/call";
    check_names(Parts { path, query, body });
    match read(operation, Parts { path, query, body }) {
        Ok(Wanted::Work(asked)) => {
            assert_eq!(asked.operation, operation);
            let id = asked.subject.id.as_str();
            let is_named = matches!(asked.subject.kind, SubjectKind::Service | SubjectKind::Plugin)
                || contains(body, id)
                || query.contains(id)
                || body.contains(&b'\\');
            assert!(is_named, "{id:?} is nowhere in the request");
        }
        Ok(Wanted::Continuation { chat }) => assert!(query.contains(chat.as_str())),
        Err(refusal) => assert!(refusal.reason.status() < 500, "{refusal:?}"),
    }
}

/// What it names is bounded, and its users stand where a name begins, so that a prefix leaves it readable.
fn check_names(parts: Parts<'_>) {
    match apart::read(parts) {
        Ok(said) => {
            assert!(said.names.len() <= NAMES_MAX);
            let sent = apart::with_users(parts.body, &said.users, "a.");
            assert_eq!(sent.len(), parts.body.len() + 2 * said.users.len());
            let again = apart::read(Parts { body: &sent, ..parts });
            assert_eq!(again.map(|again| again.names), Ok(said.names));
        }
        Err(refusal) => assert!(refusal.reason.status() < 500, "{refusal:?}"),
    }
}

fn contains(body: &[u8], id: &str) -> bool {
    body.windows(id.len()).any(|window| window == id.as_bytes())
}
