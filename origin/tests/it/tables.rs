//! The tables that need no database.

use std::process::Command;

use meter::dify::DIFY_ROUTES;
use meter::reconcile::Code;
use meter::route::ROUTES;
use serde_json::{Value, json};

/// Runs `weir` with an empty environment: no database is named.
fn weir(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    let output = command.env_clear().args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(command: &str) -> Vec<Value> {
    serde_json::from_str(&weir(&[command, "--json"])).unwrap()
}

#[test]
fn every_route_is_printed_with_what_it_is() {
    let printed = weir(&["routes"]);
    let count = ROUTES.len() + DIFY_ROUTES.len();
    assert_eq!(printed.lines().count(), count + 2);
    assert!(printed.contains("| POST | `/v3/chat` | billable | chat |"), "{printed}");
    let routes = json("routes");
    assert_eq!(routes.len(), count);
    let run = json!({
        "methods": ["GET"], "path": "/dify/v1/workflows/run/{}", "class": "follow_up", "follows": "run",
    });
    assert!(routes.contains(&run), "{routes:#?}");
    let chat = json!({
        "methods": ["POST"], "path": "/v3/chat", "class": "billable", "operation": "chat",
    });
    assert_eq!(routes[0], chat);
}

#[test]
fn every_outcome_is_printed() {
    let printed = weir(&["outcomes"]);
    let row = "| the reply | success | completed | unknown | no | bill without usage |";
    assert!(printed.lines().any(|line| line == row), "{printed}");
    let outcomes = json("outcomes");
    assert_eq!(outcomes.len() + 2, printed.lines().count());
    let want = json!({
        "told_by": "the reply", "http": "success", "stage": "unknown", "usage": "unknown",
        "can_ask": "yes", "outcome": "ask later",
    });
    assert_eq!(outcomes[0], want);
}

#[test]
fn every_kind_of_finding_is_documented_with_whether_it_stops_posting() {
    let page = include_str!("../../../docs/reconciling.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let told: Vec<(String, bool)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            (cells[1].trim_matches('`').to_owned(), cells[3] == "yes")
        })
        .collect();
    let want: Vec<_> =
        Code::ALL.into_iter().map(|code| (code.name().to_owned(), code.stops())).collect();
    assert_eq!(told, want);
}
