//! Price lists: brought in whole or not at all, given out as they can be brought in again.

use std::fs;
use std::path::PathBuf;

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::commands::{answer, weir};
use crate::tester::{PASSWORD, Served, Tester, read};

const HEADING: &str = "account,subject,operation,provider,group,kind,amount_quota,\
                       input_quota_per_million,output_quota_per_million,margin,step_quota,ratio,note";

/// A folder of a test's own, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(tester: &Tester) -> Self {
        let name = tester.database_url.rsplit('/').next().unwrap().to_owned();
        let path = std::env::temp_dir().join(name.split('?').next().unwrap());
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn import(tester: &Tester, file: &str, more: &[&str]) -> (i32, String, String) {
    weir(tester, &[&["price", "import", file], more].concat()).await
}

#[tokio::test]
async fn the_example_is_brought_in_once_and_every_export_is_brought_in_as_it_was() {
    let tester = Tester::new().await;
    let folder = Folder::new(&tester);
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/price-book.csv");
    let made = answer(&tester, &["price", "import", example, "--reason", "our list"]).await;
    assert_eq!((&made["version"], &made["changed"]), (&json!(2), &json!(true)));
    assert_eq!(answer(&tester, &["price", "import", example]).await["changed"], false);
    let account = tester.account("acme").await.account_id;
    answer(&tester, &["price", "set", "--account", &account, "--workflow", "7480", "--free"]).await;
    answer(&tester, &["price", "set", "--account", &account, "--per-call", "0.0005"]).await;
    let speech = ["--operation", "audio_speech", "--per-unit", "12.5"];
    answer(&tester, &[&["price", "set"], &speech[..]].concat()).await;
    let book = answer(&tester, &["price", "list"]).await;
    for format in ["csv", "json"] {
        let file = folder.0.join(format!("book.{format}"));
        let file = file.to_str().unwrap();
        let export = ["price", "export", "--format", format, "--out", file];
        answer(&tester, &export).await;
        let (_, printed, _) = weir(&tester, &["price", "export", "--format", format]).await;
        assert_eq!(printed, fs::read_to_string(file).unwrap());
        // Elsewhere in between.
        answer(&tester, &["price", "set", "--workflow", "1", "--per-call", "1"]).await;
        answer(&tester, &["price", "group", "partner", "0.7"]).await;
        let back = answer(&tester, &["price", "import", file, "--replace"]).await;
        let restored = answer(&tester, &["price", "list"]).await;
        assert_eq!(
            (&restored["version"], back["changed"].as_bool()),
            (&back["version"], Some(true))
        );
        assert_eq!(
            (&restored["prices"], &restored["groups_ppm"]),
            (&book["prices"], &book["groups_ppm"])
        );
        assert_eq!(
            answer(&tester, &["price", "import", file, "--replace"]).await["changed"],
            false
        );
    }
    let history = answer(&tester, &["price", "history", "--limit", "500"]).await;
    let first =
        history["items"].as_array().unwrap().iter().find(|row| row["version"] == 2).unwrap();
    assert_eq!(first["reason"], "import 29 prices, 3 groups (our list)");
}

#[tokio::test]
async fn a_list_with_anything_wrong_changes_nothing() {
    let tester = Tester::new().await;
    let folder = Folder::new(&tester);
    let good = ",7480,,,,per_call,5,,,,,,";
    let rows = |rows: &str| format!("{HEADING}\n{good}\n{rows}\n");
    let utf_16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(rows("").encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let files: [(&str, Vec<u8>, &str); 9] = [
        ("a.csv", rows(",7481,,,,per_call,-5,,,,,,").into(), "line 3: `amount_quota` is negative"),
        ("b.csv", rows(good).into(), "line 3: `row` says what line 2 says already"),
        ("c.csv", utf_16, "line 1: `file` is UTF-16: save it as UTF-8"),
        ("d.csv", rows("").replace("kind", "king").into(), "line 1: `king` is no column"),
        (
            "e.csv",
            rows("acc_nobody,7481,,,,free,,,,,,,").into(),
            "line 3: `account` names no account",
        ),
        (
            "f.csv",
            rows(",7481,,,,per_call,9223372036854775807,,,,,,").into(),
            "line 3: `amount_quota` is more than",
        ),
        (
            "g.csv",
            rows(",7481,,,,per_unit,5000000000000,,,,,,").into(),
            "line 3: `amount_quota` the largest call",
        ),
        (
            "h.csv",
            rows("'; DROP TABLE price_book; --,7,,,,free,,,,,,,").into(),
            "line 3: `account` holds a character",
        ),
        ("i.json", b"{\n\"prices\":[{}]}".to_vec(), "line 2: `prices[0].price` is missing"),
    ];
    for (name, bytes, want) in files {
        let (code, _, err) = import(&tester, &folder.file(name, bytes), &[]).await;
        assert!(code == 1 && err.contains(want), "{name}: {err}");
        assert!(err.contains("nothing was changed"), "{err}");
    }
    let million = format!("{HEADING}\n{}", ",1,,,,free,,,,,,,\n".repeat(1_000_000));
    let (code, _, err) = import(&tester, &folder.file("j.csv", million), &[]).await;
    assert!(code == 1 && err.contains("line 1: `file` is larger than 8388608 bytes"), "{err}");
    let (code, _, err) = import(&tester, &folder.file("k.txt", rows("")), &[]).await;
    assert!(code == 2 && err.contains("`format` is needed"), "{err}");
    let (code, _, err) = import(&tester, "/nowhere.csv", &[]).await;
    assert!(code == 2 && err.contains("`file` /nowhere.csv:"), "{err}");
    assert_eq!(answer(&tester, &["price", "list"]).await["version"], 1);
}

#[tokio::test]
async fn text_that_looks_like_sql_is_only_text() {
    let tester = Tester::new().await;
    let folder = Folder::new(&tester);
    let hostile = "');DROP/**/TABLE/**/price_book;--";
    let file = folder
        .file("a.csv", format!("subject,kind,note\n{hostile},free,\"'; DROP TABLE entry; --\"\n"));
    let reason = "'); DROP TABLE price_book; --";
    let (code, _, err) = import(&tester, &file, &["--reason", reason]).await;
    assert_eq!(code, 0, "{err}");
    let book = answer(&tester, &["price", "list"]).await;
    assert_eq!(book["prices"][0]["subject"], hostile);
    let history = answer(&tester, &["price", "history"]).await;
    assert!(history["items"][0]["reason"].as_str().unwrap().ends_with(&format!("({reason})")));
}

impl Served {
    async fn send_list(
        &self,
        path: &str,
        kind: &str,
        body: impl Into<reqwest::Body>,
    ) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request.basic_auth("admin", Some(PASSWORD)).header(CONTENT_TYPE, kind);
        read(request.body(body).send().await.unwrap()).await
    }
}

#[tokio::test]
async fn lists_go_both_ways_over_http() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    let path = "/api/v1/prices/import";
    let rows = format!("{HEADING}\n,7480,,,,per_call,5,,,,,,\n,,,,vip,ratio,,,,,,1.2,\n");
    let (status, made) = origin.send_list(path, "text/csv; charset=utf-8", rows.clone()).await;
    assert_eq!((status, &made["version"]), (200, &json!(2)), "{made}");
    assert_eq!(origin.send_list(path, "text/csv", rows.clone()).await.1["changed"], false);
    let from = format!("{path}?from=2099-12-01T00:00&tz=Asia/Shanghai&if_version=2&reason=then");
    let (_, planned) = origin.send_list(&from, "text/csv", rows.replace(",5,", ",6,")).await;
    assert_eq!(planned["starts_at"], "2099-11-30T16:00:00.000Z", "{planned}");
    let (_, prices) = origin.as_admin("/api/v1/prices").await;
    assert_eq!((&prices["version"], &prices["planned"][0]["version"]), (&json!(2), &json!(3)));
    let export = "/api/v1/prices/export?format=json&version=3";
    let (_, exported) = origin.as_admin(export).await;
    assert_eq!(exported, origin.as_admin("/api/v1/prices/books/3").await.1);
    let csv = origin.client.get(format!("{}/api/v1/prices/export", origin.url));
    let csv = csv.basic_auth("admin", Some(PASSWORD)).send().await.unwrap();
    assert_eq!(csv.headers()[CONTENT_TYPE], "text/csv; charset=utf-8");
    let csv = csv.text().await.unwrap();
    assert_eq!(
        origin.send_list(&format!("{path}?replace=true"), "text/csv", csv).await.1["changed"],
        false
    );
    let (_, now) = origin.send_list(path, "application/json", exported.to_string()).await;
    assert_eq!((&now["version"], &now["carried"]), (&json!(4), &json!([])), "{now}");
    let (_, difference) = origin.as_admin("/api/v1/prices/difference?before=2&after=3").await;
    let changes = json!([{ "of": "7480", "before": "5 quota a call", "after": "6 quota a call" }]);
    assert_eq!(difference["changes"], changes);

    let refused = async |path: &str, kind: &str, body: &str, status: u16, field: &str| {
        let got = origin.send_list(path, kind, body.to_owned()).await;
        assert_eq!((got.0, &got.1["error"]["param"]), (status, &json!(field)), "{}", got.1);
    };
    let wrong = rows.replace(",5,", ",x,");
    refused(path, "text/csv", &wrong, 400, "amount_quota").await;
    refused(path, "application/json", "{}", 400, "file").await;
    refused(&format!("{path}?if_version=2"), "text/csv", &rows, 409, "if_version").await;
    refused(&format!("{path}?replace=perhaps"), "text/csv", &rows, 400, "replace").await;
    refused(&format!("{path}?from=2020-01-01"), "text/csv", &rows, 400, "from").await;
    assert_eq!(origin.send_list(path, "text/plain", rows).await.0, 415);
    assert_eq!(origin.send_list(path, "text/csv", vec![b'\n'; (8 << 20) + 1]).await.0, 413);
    let (status, cancelled) =
        origin.admin_acts("DELETE", "/api/v1/prices/books/3", &json!({})).await;
    assert_eq!((status, &cancelled["changed"]), (200, &json!(false)), "it says what book 4 says");
    let account = tester.account("acme").await;
    let key = tester.key(&account, None).await.key;
    let as_caller = origin.client.get(format!("{}/api/v1/prices/export", origin.url));
    assert_eq!(as_caller.bearer_auth(key).send().await.unwrap().status(), 403);
}
