//! Which of Dify's paths are served, and what each one is to us (contract §7.1).
//!
//! Default-deny, as the table of Coze's. Left out are the paths that show or change what belongs to all
//! of an app's callers (its logs, end users and annotations), and those of knowledge, which take another
//! kind of key.

use std::fmt;

use crate::route::{Method, Operation, is_plain, matches};

/// What every path of the door begins with.
const PREFIX: &str = "/dify/";

/// What a path is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Starts work that is paid for.
    Billable(Operation),
    /// How a run went: passed on for the account whose run it is, and read.
    Run,
    /// The events of a run, again: the same, and never billed again (contract §9 no. 48).
    Events,
    /// Stops a task: passed on for the account whose task it is. Dify itself does not look whose it is
    /// (contract §7.1).
    Stop,
    /// Passed on for a valid key.
    Free,
}

/// Where a request says who its user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserIn {
    /// In its JSON body.
    Json,
    /// In its query.
    Query,
    /// In its form.
    Form,
    /// Nowhere: what is asked is the same for every user.
    Nowhere,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The method it is served under.
    pub method: Method,
    /// The path behind `/v1`; `{}` stands for one segment.
    pub path: &'static str,
    /// What it is to us.
    pub class: Class,
    /// Where it says who its user is.
    pub user: UserIn,
}

impl fmt::Display for Route {
    /// One line of the table, as those of Coze's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, operation) = match self.class {
            Class::Billable(operation) => ("billable", operation.name()),
            Class::Run | Class::Events => ("follow-up", "run"),
            Class::Stop => ("follow-up", "task"),
            Class::Free => ("free", ""),
        };
        let path = self.path.replace("{}", "{id}");
        write!(f, "| {} | `/dify/v1{path}` | {class} | {operation} |", self.method.name())
    }
}

/// A request's row, and what its path says besides.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The row.
    pub route: &'static Route,
    /// The app, where the path names one.
    pub app: Option<&'a str>,
    /// The path behind `/v1`.
    pub path: &'a str,
}

/// What a path names that belongs to one account, and that Dify gives to whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owned<'a> {
    /// A run, while it goes on and afterwards.
    Run(&'a str),
    /// What Dify calls the work of one stream, by which it is stopped.
    Task(&'a str),
}

impl fmt::Display for Owned<'_> {
    /// As it is remembered within its account.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(id) => write!(f, "dify/run/{id}"),
            Self::Task(id) => write!(f, "dify/task/{id}"),
        }
    }
}

impl<'a> Found<'a> {
    /// What the path names that has to be the caller's own.
    pub fn owned(&self) -> Option<Owned<'a>> {
        let segments = self.route.path.split('/').zip(self.path.split('/'));
        let id = segments.into_iter().find_map(|(want, given)| (want == "{}").then_some(given))?;
        match self.route.class {
            Class::Run | Class::Events => Some(Owned::Run(id)),
            Class::Stop => Some(Owned::Task(id)),
            Class::Billable(_) | Class::Free => None,
        }
    }
}

/// Whether a path belongs to this door, served or not.
pub fn is_dify(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// The row of a path and method; `None` when it is not served.
pub fn find<'a>(method: &str, path: &'a str) -> Option<Found<'a>> {
    let method = Method::from_name(method)?;
    if !is_plain(path) {
        return None;
    }
    let rest = path.strip_prefix(PREFIX)?;
    let (first, behind) = rest.split_once('/')?;
    let (app, behind) = match first {
        "v1" => (None, behind),
        "" => return None,
        app => (Some(app), behind.strip_prefix("v1/")?),
    };
    // The slash before it belongs to it.
    let path = path.get(path.len().checked_sub(behind.len())?.checked_sub(1)?..)?;
    let serves = |route: &&Route| route.method == method && matches(route.path, path);
    DIFY_ROUTES.iter().find(serves).map(|route| Found { route, app, path })
}

const fn billable(path: &'static str, operation: Operation, user: UserIn) -> Route {
    Route { method: Method::Post, path, class: Class::Billable(operation), user }
}

const fn get(path: &'static str, class: Class, user: UserIn) -> Route {
    Route { method: Method::Get, path, class, user }
}

const fn stop(path: &'static str) -> Route {
    Route { method: Method::Post, path, class: Class::Stop, user: UserIn::Json }
}

const fn free(method: Method, path: &'static str, user: UserIn) -> Route {
    Route { method, path, class: Class::Free, user }
}

/// Every route that is served.
pub const DIFY_ROUTES: &[Route] = &[
    billable("/chat-messages", Operation::DifyChat, UserIn::Json),
    billable("/completion-messages", Operation::DifyCompletion, UserIn::Json),
    billable("/workflows/run", Operation::DifyWorkflow, UserIn::Json),
    billable("/workflows/{}/run", Operation::DifyWorkflow, UserIn::Json),
    billable("/audio-to-text", Operation::DifyAudioToText, UserIn::Form),
    billable("/text-to-audio", Operation::DifyTextToAudio, UserIn::Json),
    get("/messages/{}/suggested", Class::Billable(Operation::DifySuggested), UserIn::Query),
    get("/workflows/run/{}", Class::Run, UserIn::Nowhere),
    get("/workflow/{}/events", Class::Events, UserIn::Query),
    stop("/chat-messages/{}/stop"),
    stop("/completion-messages/{}/stop"),
    stop("/workflows/tasks/{}/stop"),
    free(Method::Get, "/form/human_input/{}", UserIn::Query),
    free(Method::Post, "/form/human_input/{}", UserIn::Json),
    free(Method::Get, "/messages", UserIn::Query),
    free(Method::Post, "/messages/{}/feedbacks", UserIn::Json),
    free(Method::Get, "/conversations", UserIn::Query),
    free(Method::Delete, "/conversations/{}", UserIn::Json),
    free(Method::Post, "/conversations/{}/name", UserIn::Json),
    free(Method::Get, "/conversations/{}/variables", UserIn::Query),
    free(Method::Put, "/conversations/{}/variables/{}", UserIn::Json),
    free(Method::Get, "/parameters", UserIn::Nowhere),
    free(Method::Get, "/info", UserIn::Nowhere),
    free(Method::Get, "/meta", UserIn::Nowhere),
    free(Method::Get, "/site", UserIn::Nowhere),
    free(Method::Post, "/files/upload", UserIn::Form),
    free(Method::Get, "/files/{}/preview", UserIn::Query),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, path: &str, want: Option<(Option<&str>, &str, Class)>) {
        let found = find(method, path).map(|found| (found.app, found.path, found.route.class));
        assert_eq!(found, want, "{method} {path}");
    }

    #[test]
    fn what_is_not_in_the_table_is_refused() {
        for path in [
            "/dify",
            "/dify/",
            "/dify/v1",
            "/dify/v1/",
            "/dify/v1/workflows/logs",
            "/dify/v1/datasets",
            "/dify/v1/apps/annotations",
            "/dify/v1/end-users/1",
            "/dify/v2/chat-messages",
            "/dify/v1/v1/v1/chat-messages",
            "/dify//v1/chat-messages",
            "/dify/v1//chat-messages",
            "/dify/v1/chat-messages/",
            "/dify/v1/chat%2dmessages",
            "/dify/../v1/chat-messages",
            "/Dify/v1/chat-messages",
            "/chat-messages",
        ] {
            check("POST", path, None);
            check("GET", path, None);
        }
        check("GET", "/dify/v1/chat-messages", None);
        check("PATCH", "/dify/v1/chat-messages", None);
    }

    #[test]
    fn an_app_may_stand_before_the_version() {
        let chat = Class::Billable(Operation::DifyChat);
        check("POST", "/dify/v1/chat-messages", Some((None, "/chat-messages", chat)));
        check("POST", "/dify/help/v1/chat-messages", Some((Some("help"), "/chat-messages", chat)));
        let run = Some((None, "/workflows/run/r-1", Class::Run));
        check("GET", "/dify/v1/workflows/run/r-1", run);
        let pinned = Class::Billable(Operation::DifyWorkflow);
        check("POST", "/dify/v1/workflows/w-1/run", Some((None, "/workflows/w-1/run", pinned)));
    }

    #[test]
    fn a_run_and_a_task_have_to_be_the_callers_own() {
        let owned = |method, path: &'static str| find(method, path).unwrap().owned();
        assert_eq!(owned("GET", "/dify/v1/workflows/run/r-1"), Some(Owned::Run("r-1")));
        assert_eq!(owned("GET", "/dify/help/v1/workflow/r-1/events"), Some(Owned::Run("r-1")));
        for path in ["chat-messages/t-1", "completion-messages/t-1", "workflows/tasks/t-1"] {
            let path = format!("/dify/v1/{path}/stop").leak();
            assert_eq!(owned("POST", path), Some(Owned::Task("t-1")), "{path}");
        }
        // What these name is found by its own user only, and that one's name has the account's.
        assert_eq!(owned("GET", "/dify/v1/messages/m-1/suggested"), None);
        assert_eq!(owned("DELETE", "/dify/v1/conversations/c-1"), None);
        assert_eq!(Owned::Run("r-1").to_string(), "dify/run/r-1");
        assert_eq!(Owned::Task("t-1").to_string(), "dify/task/t-1");
    }

    #[test]
    fn no_two_rows_serve_the_same_request() {
        for (at, one) in DIFY_ROUTES.iter().enumerate() {
            for other in DIFY_ROUTES.iter().skip(at + 1) {
                let path = one.path.replace("{}", "x");
                assert!(one.method != other.method || !matches(other.path, &path), "{path}");
            }
        }
    }
}
