//! Which paths exist, and what each one is to us.
//!
//! The table is the contract's §1 as data, and it is default-deny: a path and method that are not in it
//! never reach upstream. Matching is exact. The shell hands over the path as the platform's URL parser
//! left it (dot segments resolved) and forwards that very path, so that what was classed is what is
//! called; anything that could be read in two ways (`%`, `//`, a backslash, a trailing slash) matches
//! nothing.

mod operation;
mod table;
mod whose;

use std::fmt;

pub use operation::{Dialect, Operation, Provider};
pub use table::ROUTES;
pub use whose::{Kind, Own, Right, is_scope_word};

/// Longest path that is looked at, in bytes.
pub const PATH_BYTES_MAX: usize = 512;
/// A call that starts no work but tells how earlier work went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FollowUp {
    /// `/v3/chat/retrieve`: status and usage of a chat.
    ChatRetrieve,
    /// `/v1/workflows/{workflow}/run_histories/{execution}`: status and usage of a run.
    RunHistory,
    /// `/workflows/run/{run}` of Dify's door: the same.
    DifyRun,
}

impl FollowUp {
    /// What it has to name.
    pub const fn about(self) -> &'static [Kind] {
        match self {
            Self::ChatRetrieve => whose::CHAT,
            Self::RunHistory => whose::EXECUTION,
            // Whose it is, the door has asked.
            Self::DifyRun => &[],
        }
    }
}

/// What a path is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Starts work that is paid for: admitted, metered, settled.
    Billable(Operation),
    /// Opens a websocket in which work is paid for.
    Socket(Operation),
    /// Passed on, and read for the usage of earlier work.
    FollowUp(FollowUp),
    /// Costs nothing, and is about what an account made: passed on for the account that made it.
    Own(Own),
    /// Costs nothing, and is the same for everybody: passed on for a valid key.
    Common,
    /// Costs nothing, and is about what belongs to the operator or was made by several accounts: passed
    /// on for a key whose scope names this right.
    Operator(Right),
}

/// An HTTP method that the table uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
}

impl Method {
    /// The method as it stands in a request line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    /// The method as it stands in a request line, when the table knows it.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "GET" => Some(Self::Get),
            "POST" => Some(Self::Post),
            "PUT" => Some(Self::Put),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The methods it is served under.
    pub methods: &'static [Method],
    /// The path; `{}` stands for one segment.
    pub path: &'static str,
    /// What it is to us.
    pub class: Class,
}

impl fmt::Display for Route {
    /// One line of the table: methods, path, class.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods: Vec<&str> = self.methods.iter().map(|method| method.name()).collect();
        let (class, operation) = match self.class {
            Class::Billable(operation) => ("billable", operation.name()),
            Class::Socket(operation) => ("billable websocket", operation.name()),
            Class::FollowUp(FollowUp::ChatRetrieve) => ("follow-up", "chat"),
            Class::FollowUp(FollowUp::RunHistory | FollowUp::DifyRun) => ("follow-up", "run"),
            Class::Own(_) => ("own", ""),
            Class::Common => ("common", ""),
            Class::Operator(right) => ("operator", right.name()),
        };
        let path = self.path.replace("{}", "{id}");
        write!(f, "| {} | `{path}` | {class} | {operation} |", methods.join(" "))
    }
}

/// The class of a path and method; `None` when it is not served.
pub fn classify(method: &str, path: &str) -> Option<Class> {
    let method = Method::from_name(method)?;
    if !is_plain(path) {
        return None;
    }
    ROUTES
        .iter()
        .find(|route| route.methods.contains(&method) && matches(route.path, path))
        .map(|route| route.class)
}

/// Whether a path can be read in one way only, and is not too long to be looked at.
pub(crate) fn is_plain(path: &str) -> bool {
    path.len() <= PATH_BYTES_MAX && path.bytes().all(is_path_byte)
}

/// Bytes that mean only themselves. No `%`, so that nothing can be decoded into something else later.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-')
}

/// Whether a path is of this pattern, in which `{}` stands for one segment.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let mut wanted = pattern.split('/');
    let mut given = path.split('/');
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some("{}"), Some(segment)) if !segment.is_empty() => {}
            (Some(want), Some(segment)) if want == segment => {}
            _ => return false,
        }
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, path: &str, want: Option<Class>) {
        assert_eq!(classify(method, path), want, "{method} {path}");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for path in [
            "",
            "/",
            "v3/chat",
            "//v3/chat",
            "/v3//chat",
            "/v3/chat/",
            "/v3/./chat",
            "/v3/../v3/chat",
            "/V3/chat",
            "/v3%2fchat",
            "/v3/ch%61t",
            "/v3\\chat",
            "/v3/chat;a=b",
            "/v3/chat?x",
            "https://evil.example/v3/chat",
            "/v1/bots//versions",
            "/v3/chat\0",
            "/v3/chät",
        ] {
            for method in ["GET", "POST", "PUT", "DELETE"] {
                check(method, path, None);
            }
        }
        let bot = |bytes: usize| format!("/v1/bots/{}", "7".repeat(bytes - "/v1/bots/".len()));
        assert!(classify("GET", &bot(PATH_BYTES_MAX)).is_some());
        assert!(classify("GET", &bot(PATH_BYTES_MAX + 1)).is_none());
    }

    #[test]
    fn a_method_that_is_not_in_the_table_is_refused() {
        check("GET", "/v3/chat", None);
        check("POST", "/v1/chat", None);
        check("PATCH", "/v3/chat", None);
        check("post", "/v3/chat", None);
        check("DELETE", "/v3/chat/retrieve", None);
    }

    #[test]
    fn the_served_paths_have_their_class() {
        check("POST", "/v3/chat", Some(Class::Billable(Operation::Chat)));
        check("POST", "/v1/workflow/run", Some(Class::Billable(Operation::WorkflowRun)));
        check("GET", "/v3/chat/retrieve", Some(Class::FollowUp(FollowUp::ChatRetrieve)));
        check("POST", "/v3/chat/retrieve", Some(Class::FollowUp(FollowUp::ChatRetrieve)));
        check(
            "GET",
            "/v1/workflows/7480/run_histories/7502",
            Some(Class::FollowUp(FollowUp::RunHistory)),
        );
        check("GET", "/v1/bots/7490", Some(Class::Common));
        check("GET", "/v1/conversations", Some(Class::Operator(Right::OperatorRead)));
        check("DELETE", "/v1/conversations/7", Some(Class::Own(Own::About(whose::CONVERSATION))));
    }

    #[test]
    fn no_two_rows_serve_the_same_method_and_path() {
        for (at, one) in ROUTES.iter().enumerate() {
            for other in ROUTES.iter().skip(at + 1) {
                let overlap = one.methods.iter().any(|method| other.methods.contains(method));
                assert!(!(overlap && one.path == other.path), "{} twice", one.path);
            }
        }
    }
}
