//! Upstream's bill in files, and held against the books.

use std::fs;
use std::path::PathBuf;

use meter::entry::{Ending, Facts};
use meter::money::Nanos;
use meter::outcome::{Reading, Source};
use origin::bill::complete::look;
use origin::draw;
use serde_json::{Value, json};

use crate::commands::{answer, weir};
use crate::facts::{BEGAN_MS, WORKFLOW, cost, run, to_workflow};
use crate::tester::{J0, Tester};

/// The day on which the calls of these tests finish, in Shanghai.
const DAY: [&str; 4] = ["--from", "2025-11-21", "--to", "2025-11-21"];
const HEADING: &str = "id,consume_time,resource_type,custom_consumer,root_entity_type,\
                       root_entity_id,record_root_id,model_input_token,model_output_token,extra";

/// A file that is gone when the test is over.
struct Bill(PathBuf);

impl Bill {
    fn new(text: impl AsRef<[u8]>) -> Self {
        let path = std::env::temp_dir().join(draw::id("weir_bill_").unwrap());
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn csv(rows: &[String]) -> Self {
        Self::new(format!("\u{feff}{HEADING}\n{}\n", rows.join("\n")))
    }

    fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Bill {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A row about this workflow, so many seconds after the calls began, perhaps stamped.
fn row(id: &str, stamp: &str, workflow: &str, second: u64, tokens: (u64, u64)) -> String {
    let (at, (input, output)) = (BEGAN_MS / 1_000 + second, tokens);
    format!("{id},{at},1,{stamp},2,{workflow},,{input},{output},\"any, thing\"")
}

fn stamp(facts: &Facts) -> String {
    format!("{}.{}", facts.account, facts.call)
}

async fn records(tester: &Tester) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM bill_record");
    count.fetch_one(&tester.pool).await.unwrap()
}

#[tokio::test]
async fn a_file_is_taken_in_once_whatever_its_form() {
    let tester = Tester::new().await;
    let rows = [row("b1", "", "7480", 0, (1, 2)), row("b2", "acc_1.c1", "7480", 0, (3, 4))];
    let csv = Bill::csv(&rows);
    let imported = answer(&tester, &["bill", "import", csv.name()]).await;
    assert_eq!(imported, json!({"records": 2, "new": 2, "ignored": 0}));
    let again = answer(&tester, &["bill", "import", csv.name()]).await;
    assert_eq!(again, json!({"records": 2, "new": 0, "ignored": 0}));

    let event = |id: &str| json!({"id": id, "consume_time": BEGAN_MS / 1_000, "resource_type": 1});
    let callback = json!({"header": {"event_type": "benefit.usage"}, "event": event("b3")});
    let other = json!({"header": {"event_type": "bot.published"}, "event": {}});
    let lines = format!("{}\n\n{callback}\r\n{other}", event("b2"));
    let lines = Bill::new(lines);
    let imported = answer(&tester, &["bill", "import", lines.name()]).await;
    assert_eq!(imported, json!({"records": 2, "new": 1, "ignored": 1}));
    assert_eq!(records(&tester).await, 3);
    let (_, text, _) = weir(&tester, &["bill", "import", lines.name()]).await;
    assert!(text.contains("2 records: 0 new, 2 known before. 1 callbacks"), "{text}");
    let audit = answer(&tester, &["audit", "--act", "bill.import"]).await;
    assert_eq!(audit["items"].as_array().unwrap().len(), 4);
    // A row with its heading alone is a file without records.
    let empty = Bill::csv(&[]);
    assert_eq!(answer(&tester, &["bill", "import", empty.name()]).await["records"], 0);
}

#[tokio::test]
async fn a_file_with_one_bad_line_is_refused_whole_and_each_bad_line_is_named() {
    let tester = Tester::new().await;
    let refused = async |bill: &Bill, want: &[&str]| {
        let (code, _, err) = weir(&tester, &["bill", "import", bill.name()]).await;
        assert_eq!(code, 1, "{err}");
        for want in want {
            assert!(err.contains(want), "{want}: {err}");
        }
        assert!(err.contains("Nothing of the file was taken in."), "{err}");
        assert_eq!(records(&tester).await, 0);
    };
    // More than one batch stands before the first bad line.
    let mut rows: Vec<_> =
        (0..1_500).map(|n| row(&format!("b{n}"), "", "7480", 0, (1, 1))).collect();
    rows[1_200] = row("", "", "7480", 0, (1, 1));
    rows.push("b9,1,1".to_owned());
    let want = ["line 1202: `id` is missing", "line 1502: has 3 columns, the heading has 10"];
    refused(&Bill::csv(&rows), &want).await;
    let lines = "{\"id\":\"b1\",\"consume_time\":1,\"resource_type\":1}\n{}\n[]";
    let want = ["line 2: `id` is missing", "line 3: `event` is not a JSON object"];
    refused(&Bill::new(lines), &want).await;
    refused(&Bill::new(b"id,consume_time,resource_type\n\xff,1,1\n"), &["line 2: is not UTF-8"])
        .await;
    let many = (0..30).map(|_| "{}\n").collect::<String>();
    refused(&Bill::new(many), &["line 20:", "stopped after 20 problems"]).await;
    let (code, _, err) = weir(&tester, &["bill", "import", Bill::new("id,x\n1,2\n").name()]).await;
    assert_eq!(code, 1);
    assert!(err.contains("the heading has no column `consume_time`"), "{err}");
    let (code, _, err) = weir(&tester, &["bill", "import", "/nowhere/bill.csv"]).await;
    assert_eq!(code, 2);
    assert!(err.contains("/nowhere/bill.csv"), "{err}");
}

#[tokio::test]
async fn the_bill_is_held_against_the_books_call_by_call() {
    let tester = Tester::new().await;
    let account = tester.account("shop").await.account_id;
    let [one, two, three, four] = [1, 2, 3, 4].map(|n| run(n * 60, &account, u64::from(n) * 100));
    let other = to_workflow(run(300, &account, 500), "7480000000000000009");
    let released = Facts { ending: Ending::Released, amount: Nanos::ZERO, ..run(360, &account, 0) };
    let given_up = Facts {
        ending: Ending::Expired,
        reading: Reading { usage: None, source: Source::Missing },
        amount: Nanos::ZERO,
        ..run(420, &account, 0)
    };
    tester.edge.journal(J0, |journal| {
        for facts in [&one, &two, &three, &four, &other, &released, &given_up] {
            journal.finish(facts.clone());
        }
    });
    tester.pull_all().await;
    let rows = [
        // Stamped and equal, in two records; stamped and different; matched by facts; and by none.
        row("b1", &stamp(&one), WORKFLOW, 60, (50, 25)),
        row("b2", &stamp(&one), WORKFLOW, 61, (0, 25)),
        row("b3", &stamp(&two), WORKFLOW, 120, (100, 150)),
        row("b4", "somebody", WORKFLOW, 182, (150, 150)),
        row("b5", "", "7480000000000000009", 500, (250, 250)),
        row("b6", "", "", 500, (1, 1)),
        row("b7", &stamp(&given_up), WORKFLOW, 420, (30, 20)),
    ];
    let bill = Bill::csv(&rows);
    answer(&tester, &["bill", "import", bill.name()]).await;
    // The call that was given up is corrected by the bill, which is then no difference any more.
    let later = origin::clock::now().plus_ms(120_000);
    assert_eq!(look(&tester.pool, 60_000, later).await.unwrap().corrected, 1);

    let report = answer(&tester, &[&["bill", "report"][..], &DAY].concat()).await;
    let total = &report["total"];
    let figures = |names: &[&str]| names.iter().map(|name| total[name].clone()).collect::<Vec<_>>();
    let calls = ["matched_calls", "matched_charges", "differing_calls", "corrected_calls"];
    assert_eq!(figures(&calls), [json!(4), json!(5), json!(1), json!(1)], "{report:#}");
    // 400 and 500 are ours only, b5 was consumed at another time and b6 is booked on nothing.
    let only = ["ours_only_calls", "ours_only_tokens", "theirs_only_charges", "quiet_calls"];
    assert_eq!(figures(&only), [json!(2), json!(900), json!(2), json!(1)]);
    assert_eq!(total["variance_nanos"], cost(50).get());
    let differing = &report["differing"];
    assert_eq!(differing.as_array().unwrap().len(), 1);
    assert_eq!(differing[0]["call_id"], two.call.as_str());
    assert_eq!(
        (&differing[0]["ours"], &differing[0]["theirs"]),
        (&json!([100, 100]), &json!([100, 150]))
    );
    let named = |list: &str, field: &str| -> Vec<Value> {
        report[list].as_array().unwrap().iter().map(|row| row[field].clone()).collect()
    };
    assert_eq!(
        named("ours_only", "call_id"),
        [json!(four.call.as_str()), json!(other.call.as_str())]
    );
    assert_eq!(named("theirs_only", "charge_id"), [json!("b5"), json!("b6")]);
    let subject = report["subjects"].as_array().unwrap();
    let workflow = subject.iter().find(|subject| subject["id"] == WORKFLOW).unwrap();
    assert_eq!((&workflow["matched_calls"], &workflow["theirs_tokens"]), (&json!(4), &json!(700)));

    let (_, text, _) = weir(&tester, &[&["bill", "report"][..], &DAY].concat()).await;
    for want in [
        "4 calls are in both (1 with other tokens, 1 corrected by the bill)",
        "Ours only:",
        "Theirs only:",
    ] {
        assert!(text.contains(want), "{want}: {text}");
    }
    // Another day knows nothing of it, and the neighbour that a call reaches into does not count it twice.
    let day = ["bill", "report", "--from", "2025-11-20", "--to", "2025-11-20"];
    let none = answer(&tester, &day).await;
    assert_eq!(
        (&none["total"]["matched_calls"], &none["total"]["theirs_only_charges"]),
        (&json!(0), &json!(0))
    );
    let (_, text, _) = weir(&tester, &day).await;
    assert!(text.contains("0 calls are in both"), "{text}");

    let served = tester.serve().await;
    let path = "/api/v1/bill/report?from=2025-11-21&to=2025-11-21&tz=Asia/Shanghai";
    assert_eq!(served.as_admin(path).await, (200, report));
    assert_eq!(served.as_nobody(path).await.0, 401);
    let (status, told) = served.as_admin("/api/v1/bill/report?from=2025-01-01&to=2025-11-21").await;
    assert_eq!((status, &told["error"]["param"]), (400, &json!("from")));
}
