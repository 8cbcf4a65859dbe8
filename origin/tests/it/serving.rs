//! What is served is what is described, and every resource does over HTTP what its command does.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::tester::Tester;

#[tokio::test]
async fn the_document_describes_every_reply_and_names_each_thing_once() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    let (status, document) = origin.as_nobody("/openapi.json").await;
    assert_eq!(status, 200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let id = format!("{method} {path}");
            assert!(operation["summary"].is_string(), "{id} has no summary");
            assert!(operation["responses"]["500"].is_object() || path == "/health", "{id}");
            assert!(ids.insert(id));
        }
    }
    let text = document.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name} is not described");
    }
}

/// Two types of one name would be one in the document, and the replies of the other not as described.
#[test]
fn no_two_described_types_share_a_name() {
    let mut names = BTreeSet::new();
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        for item in text.split("#[derive(").skip(1) {
            let (derived, rest) = item.split_once(")]").unwrap();
            let mut words = rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            let is_described = derived.contains("ToSchema");
            if is_described && words.any(|word| word == "struct" || word == "enum") {
                let name = words.find(|word| !word.is_empty()).unwrap().to_owned();
                assert!(names.insert(name.clone()), "{}: {name} is another's name", path.display());
            }
        }
    }
    assert!(names.len() > 40, "{}", names.len());
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found = paths.map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    found.flatten().collect()
}

/// Every parameter of a query that is described is read: it is refused by its name when it is empty.
#[tokio::test]
async fn every_described_parameter_is_read() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    let document = origin.as_nobody("/openapi.json").await.1;
    let mut read = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for parameter in operations["get"]["parameters"].as_array().unwrap_or(&Vec::new()) {
            if parameter["in"] != "query" {
                continue;
            }
            let name = parameter["name"].as_str().unwrap();
            let path = path.replace(['{', '}'], "");
            let (status, body) = origin.as_admin(&format!("{path}?{name}=")).await;
            assert_eq!((status, &body["error"]["param"]), (400, &json!(name)), "{path}: {body}");
            read += 1;
        }
    }
    assert!(read > 15, "{read}");
}

#[tokio::test]
async fn accounts_are_made_changed_and_listed_page_by_page() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    let body = json!({ "name": "acme", "group": "vip", "overdraft_nanos": 0, "journal": "j3",
                       "settings": { "requests_per_minute": 5, "time_zone": "Europe/Berlin" } });
    let (status, made) = origin.admin_acts("POST", "/api/v1/accounts", &body).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!((&made["token_balance"], &made["journal"]), (&json!(1_000_000), &json!("j3")));
    assert_eq!((&made["requests_per_minute"], &made["overdraft_nanos"]), (&json!(5), &json!(0)));
    let path = format!("/api/v1/accounts/{}", made["account_id"].as_str().unwrap());
    let set = async |body: Value| origin.admin_acts("PATCH", &path, &body).await;
    let (_, same) = set(json!({})).await;
    assert_eq!(same, made);
    let lifted = json!({ "overdraft_nanos": null, "settings": { "requests_per_minute": null } });
    let (status, changed) = set(lifted).await;
    assert_eq!((status, &changed["overdraft_nanos"]), (200, &Value::Null));
    assert_eq!(changed["requests_per_minute"], Value::Null);
    assert_eq!(changed["time_zone"], "Europe/Berlin", "what is not named stays");
    assert_eq!(set(json!({ "status": "suspended" })).await.1["status"], "suspended");
    assert_eq!(origin.as_admin("/api/v1/accounts/acme").await.1["status"], "suspended");

    for (body, field) in [
        (json!({ "status": "gone" }), "status"),
        (json!({ "group": "two words" }), "group"),
        (json!({ "overdraft_nanos": -1 }), "overdraft_nanos"),
        (json!({ "overdraft_nanos": 1.5 }), "overdraft_nanos"),
        (json!({ "overdraft_nanos": 9_223_372_036_854_775_808_u64 }), "overdraft_nanos"),
        (json!({ "settings": { "concurrent_calls": 0 } }), "concurrent_calls"),
        (json!({ "settings": { "time_zone": "Mars" } }), "time_zone"),
        (json!({ "settings": { "credential": "a b" } }), "credential"),
        (json!({ "settings": { "credentials": "a" } }), "settings.credentials"),
        (json!({ "balance": 5 }), "balance"),
    ] {
        let (status, refused) = set(body).await;
        assert_eq!((status, &refused["error"]["param"]), (400, &json!(field)), "{refused}");
    }
    let create = async |body: Value| origin.admin_acts("POST", "/api/v1/accounts", &body).await;
    for (body, status, field) in [
        (json!({}), 400, "name"),
        (json!({ "name": "" }), 400, "name"),
        (json!({ "name": "a\u{0}b" }), 400, "name"),
        (json!({ "name": "x".repeat(201) }), 400, "name"),
        (json!({ "name": "acme" }), 409, "name"),
        (json!({ "name": "b", "grant_nanos": -1 }), 400, "grant_nanos"),
    ] {
        let (got, refused) = create(body).await;
        assert_eq!((got, &refused["error"]["param"]), (status, &json!(field)), "{refused}");
    }
    assert_eq!(create(json!({ "name": "b", "journal": "nowhere" })).await.0, 404);
    let hostile = "'); DROP TABLE account; --";
    assert_eq!(create(json!({ "name": hostile })).await.0, 201);

    let (_, first) = origin.as_admin("/api/v1/accounts?limit=1").await;
    assert_eq!(first["items"][0]["name"], "acme");
    let cursor = first["next_cursor"].as_str().unwrap();
    let (_, second) = origin.as_admin(&format!("/api/v1/accounts?limit=1&cursor={cursor}")).await;
    assert_eq!(second["items"][0]["name"], hostile);
    assert_eq!(second["next_cursor"], Value::Null);
    let (status, refused) = origin.as_admin("/api/v1/accounts?cursor=nowhere").await;
    assert_eq!((status, &refused["error"]["param"]), (400, &json!("cursor")));
}

#[tokio::test]
async fn a_body_is_json_within_its_bound() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    let post = async |kind: &'static str, body: String| {
        let request = origin.client.post(format!("{}/api/v1/accounts", origin.url));
        let request = request.basic_auth("admin", Some(crate::tester::PASSWORD)).body(body);
        let reply = request.header("content-type", kind).send().await.unwrap();
        crate::tester::read(reply).await
    };
    let code = |reply: (u16, Value)| (reply.0, reply.1["error"]["code"].clone());
    let named = r#"{"name":"a"}"#;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        assert_eq!(code(post(kind, named.to_owned()).await), (415, json!("body_kind")));
    }
    let json = "application/json";
    assert_eq!(code(post(json, "{".to_owned()).await), (400, json!("body_invalid")));
    assert_eq!(code(post(json, "[".repeat(60_000)).await), (400, json!("body_invalid")));
    assert_eq!(code(post(json, " ".repeat(65_537)).await), (413, json!("body_too_large")));
    assert_eq!(post(json, format!("{}{named}", " ".repeat(65_000))).await.0, 201);
}
