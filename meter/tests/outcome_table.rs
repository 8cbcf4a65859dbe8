//! The outcome table in `docs/` is that of the rule, and leaves nothing out.

use std::collections::HashSet;

use meter::outcome::{Told, decide, is_gateways};
use meter::outcome_table::{rows, table};
use meter::usage::{Observed, Stage, Usage};

#[test]
fn the_documented_outcomes_are_those_of_the_rule() {
    let document = include_str!("../../docs/outcomes.md");
    let documented: Vec<&str> = document.lines().filter(|line| line.starts_with('|')).collect();
    let hint = "`weir outcomes` prints the table that belongs into docs/outcomes.md";
    assert!(documented.join("\n") == table(), "{hint}");
}

#[test]
fn every_cell_is_one_row() {
    let cells: HashSet<String> =
        rows().map(|row| row.cells().into_iter().take(5).collect::<Vec<_>>().join(" ")).collect();
    let expected = 2 * 4 * Stage::ALL.len() * 3 * 2;
    assert_eq!((cells.len(), rows().count()), (expected, expected));
}

/// One status stands for its kind in the table, and one count for all counts.
#[test]
fn the_rule_tells_no_two_statuses_of_a_kind_apart() {
    let usages = [None, Some(0), Some(1), Some(999)];
    for told in [Told::ByReply, Told::ByAsking] {
        for stage in Stage::ALL {
            for (usage, can_ask) in usages.into_iter().flat_map(|u| [(u, true), (u, false)]) {
                let usage = usage.map(|total| Usage { total, ..Usage::default() });
                let observed = Observed { stage, usage, ..Observed::nothing() };
                let of = |status| decide(Some(status), &observed, told, can_ask);
                assert!((100..400).all(|status| of(status) == of(200)));
                let (gateways, others): (Vec<_>, _) = (400..600).partition(|it| is_gateways(*it));
                assert!(gateways.into_iter().all(|status| of(status) == of(504)));
                assert!(others.into_iter().all(|status| of(status) == of(500)));
            }
        }
    }
}
