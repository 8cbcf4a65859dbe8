//! `weir routes` and `weir outcomes`: the tables of the rules, as `docs/` has them. No database is
//! needed.

use meter::dify::{self, DIFY_ROUTES};
use meter::outcome_table::{self, HEADING};
use meter::route::{Class, FollowUp, Method, ROUTES, Route};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::Error;

use super::Answer;

/// What stands before the paths of Dify's door. The name of an app may stand between the two parts.
const DIFY_BASE: &str = "/dify/v1";
/// The heading of the routes' table, over what a route displays.
const ROUTES_HEADING: &str = "| methods | path | class | operation |\n|---|---|---|---|";

/// A route for machines.
#[derive(Serialize)]
struct RouteDoc {
    methods: Vec<&'static str>,
    path: String,
    class: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    follows: Option<&'static str>,
}

impl From<&Route> for RouteDoc {
    fn from(route: &Route) -> Self {
        let (class, operation, follows) = match route.class {
            Class::Billable(operation) => ("billable", Some(operation.name()), None),
            Class::Socket(operation) => ("billable_websocket", Some(operation.name()), None),
            Class::FollowUp(FollowUp::ChatRetrieve) => ("follow_up", None, Some("chat")),
            Class::FollowUp(FollowUp::RunHistory | FollowUp::DifyRun) => {
                ("follow_up", None, Some("run"))
            }
            Class::Own(_) => ("own", None, None),
            Class::Common => ("common", None, None),
            Class::Operator(right) => ("operator", Some(right.name()), None),
        };
        let methods = route.methods.iter().copied().map(Method::name).collect();
        Self { methods, path: route.path.to_owned(), class, operation, follows }
    }
}

impl From<&dify::Route> for RouteDoc {
    fn from(route: &dify::Route) -> Self {
        let (class, operation, follows) = match route.class {
            dify::Class::Billable(operation) => ("billable", Some(operation.name()), None),
            dify::Class::Run | dify::Class::Events => ("follow_up", None, Some("run")),
            dify::Class::Stop => ("follow_up", None, Some("task")),
            dify::Class::Free => ("free", None, None),
        };
        let path = format!("{DIFY_BASE}{}", route.path);
        Self { methods: vec![route.method.name()], path, class, operation, follows }
    }
}

pub(super) fn routes() -> Result<Answer, Error> {
    let coze = ROUTES.iter().map(RouteDoc::from);
    let docs: Vec<RouteDoc> = coze.chain(DIFY_ROUTES.iter().map(RouteDoc::from)).collect();
    Answer::new(&docs, routes_table())
}

fn routes_table() -> String {
    let lines = ROUTES.iter().map(ToString::to_string);
    let lines = lines.chain(DIFY_ROUTES.iter().map(ToString::to_string));
    std::iter::once(ROUTES_HEADING.to_owned()).chain(lines).collect::<Vec<_>>().join("\n")
}

pub(super) fn outcomes() -> Result<Answer, Error> {
    let document = |row: outcome_table::Row| {
        let name = |heading: &str| heading.to_lowercase().replace(' ', "_");
        let cells = HEADING.into_iter().map(name).zip(row.cells().map(Value::from));
        Value::Object(cells.collect::<Map<_, _>>())
    };
    let rows: Vec<Value> = outcome_table::rows().map(document).collect();
    Answer::new(&rows, outcome_table::table())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_routes_are_those_that_are_served() {
        let document = include_str!("../../../docs/routes.md");
        let table: Vec<&str> = document.lines().filter(|line| line.starts_with('|')).collect();
        let hint = "`weir routes` prints the table that belongs into docs/routes.md";
        assert!(table.join("\n") == routes_table(), "{hint}");
    }
}
