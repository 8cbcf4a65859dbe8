//! The console, as a browser without scripts sees it.

use meter::wire::explained::OpenDoc;
use reqwest::header::{HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Client, redirect};
use serde_json::json;

use crate::facts::{run, still_open};
use crate::tester::{J0, PASSWORD, Served, Tester};

/// What is tried wherever somebody may write something.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";

/// A browser that keeps its cookie and follows nothing by itself.
struct Browser {
    client: Client,
    url: String,
    cookie: String,
}

impl Browser {
    async fn signed_in(origin: &Served) -> Self {
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        let mut browser = Self { client, url: origin.url.clone(), cookie: String::new() };
        let form = [("user", "admin"), ("password", PASSWORD), ("to", "/console/calls")];
        let (status, headers, _) = browser.post("/console/login", &form).await;
        assert_eq!((status, headers[LOCATION].to_str().unwrap()), (303, "/console/calls"));
        let cookie = headers[SET_COOKIE].to_str().unwrap();
        cookie.split(';').next().unwrap().clone_into(&mut browser.cookie);
        browser
    }

    async fn get(&self, path: &str) -> (u16, HeaderMap, String) {
        let request = self.client.get(format!("{}{path}", self.url)).header("cookie", &self.cookie);
        let reply = request.send().await.unwrap();
        (reply.status().as_u16(), reply.headers().clone(), reply.text().await.unwrap())
    }

    /// As a form on a page of this site is sent.
    async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, HeaderMap, String) {
        self.send(path, form, "same-origin").await
    }

    async fn send(
        &self,
        path: &str,
        form: &[(&str, &str)],
        from: &str,
    ) -> (u16, HeaderMap, String) {
        let mut body = String::new();
        for (name, value) in form {
            body = format!("{body}{name}=");
            for byte in value.bytes() {
                body = format!("{body}%{byte:02X}");
            }
            body.push('&');
        }
        let request =
            self.client.post(format!("{}{path}", self.url)).header("cookie", &self.cookie);
        let request = request.header("sec-fetch-site", from);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let reply = request.body(body).send().await.unwrap();
        (reply.status().as_u16(), reply.headers().clone(), reply.text().await.unwrap())
    }

    async fn page(&self, path: &str) -> String {
        let (status, headers, page) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {page}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(headers["x-frame-options"], "DENY");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        page
    }
}

#[tokio::test]
async fn every_page_shows_what_there_is_and_runs_nothing_that_was_typed() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    let body = json!({ "name": HOSTILE });
    let (_, account) = origin.admin_acts("POST", "/api/v1/accounts", &body).await;
    let id = account["account_id"].as_str().unwrap();
    let key = json!({ "account": id, "name": HOSTILE });
    assert_eq!(origin.admin_acts("POST", "/api/v1/keys", &key).await.0, 201);
    let credit = json!({ "account": id, "kind": "top_up", "amount_nanos": 3_000_000_000_i64,
                         "reason": HOSTILE, "reference": HOSTILE });
    assert_eq!(origin.admin_acts("POST", "/api/v1/credits", &credit).await.0, 201);
    let facts = run(1, id, 7);
    let call = facts.call.to_string();
    let open: OpenDoc = still_open(run(2, id, 7));
    let open_call = open.hold.call.clone();
    tester.edge.journal(J0, |journal| {
        journal.finish(facts);
        journal.open = vec![open];
        journal.open_holds = 1;
    });
    tester.pull_all().await;
    let insert = "INSERT INTO finding (journal_id, code, epoch, seq, detail)
                  VALUES ('j0', 'gap', 'e', 9, $1)";
    sqlx::query(insert).bind(HOSTILE).execute(&tester.pool).await.unwrap();

    let browser = Browser::signed_in(&origin).await;
    let account_page = format!("/console/accounts/{id}");
    let (call_page, open_page) =
        (format!("/console/calls/{call}"), format!("/console/calls/{open_call}"));
    for (path, want) in [
        ("/console", "Open findings"),
        ("/console/accounts", "&lt;script&gt;"),
        (&account_page, "&lt;img src=x onerror=alert(1)&gt;"),
        ("/console/calls", &call),
        ("/console/calls?account=&workflow=&bot=&ending=settled", &call),
        (&call_page, "the same to the nano"),
        (&open_page, "It was open when its journal was last pulled"),
        (
            "/console/calls?from=2025-11-21&to=2025-11-21&key=",
            "/api/v1/calls.csv?from=2025%2D11%2D21",
        ),
        ("/console/reports?date=2025-11-21&account=", "&lt;script&gt;"),
        ("/console/reports/anomalies?date=2025-11-21", "Charged by the default price"),
        ("/console/reports/drift", "Every sum is the same wherever it stands"),
        ("/console/prices", "Price book"),
        ("/console/findings", "&lt;script&gt;"),
        ("/console/findings?state=resolved", "None: the edge and the ledger agree"),
        ("/console/audit", "account.create"),
    ] {
        let page = browser.page(path).await;
        assert!(page.contains(want), "{path} does not show {want}: {page}");
        for dangerous in ["<script", "<img", "onerror=alert(1)>", "javascript:", "style="] {
            let harmless = page.replace("onerror=alert(1)&gt;", "");
            assert!(!harmless.contains(dangerous), "{path} holds {dangerous}");
        }
    }
    let hostile_state = browser.get("/console/findings?state=%3Cscript%3E").await;
    assert!(hostile_state.0 == 400 && !hostile_state.2.contains("<script"));
    let (_, _, missing) = browser.get("/console/accounts/%3Cscript%3E").await;
    assert!(missing.contains("&lt;script&gt;") && !missing.contains("<script"), "{missing}");
}

#[tokio::test]
async fn who_is_not_signed_in_is_asked_to_and_comes_back() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
    let nobody = Browser { client, url: origin.url.clone(), cookie: String::new() };
    let (status, headers, _) = nobody.get("/").await;
    assert_eq!((status, headers[LOCATION].to_str().unwrap()), (303, "/console"));
    let (status, headers, _) = nobody.get("/console/calls?ending=settled").await;
    let login = headers[LOCATION].to_str().unwrap().to_owned();
    assert_eq!(status, 303);
    let form = nobody.page(&login).await;
    assert!(form.contains(r#"value="/console/calls?ending=settled""#), "{form}");
    let evil = nobody.page("/console/login?to=https://evil.example").await;
    assert!(!evil.contains("evil.example"));

    let wrong = [("user", HOSTILE), ("password", "wrong")];
    let (status, headers, page) = nobody.post("/console/login", &wrong).await;
    assert_eq!((status, headers.get(SET_COOKIE)), (401, None));
    assert!(page.contains("the name or the password is wrong") && !page.contains("<script"));
    let right = [("user", "admin"), ("password", PASSWORD)];
    assert_eq!(nobody.send("/console/login", &right, "cross-site").await.0, 403);

    let browser = Browser::signed_in(&origin).await;
    assert_eq!(browser.send("/console/logout", &[], "cross-site").await.0, 403);
    assert_eq!(browser.get("/console").await.0, 200);
    let (status, headers, _) = browser.post("/console/logout", &[]).await;
    assert_eq!(status, 303);
    assert!(headers[SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(browser.get("/console").await.0, 303, "the session has ended, not only the cookie");
}

#[tokio::test]
async fn the_language_is_the_browsers_until_another_is_chosen() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    let browser = Browser::signed_in(&origin).await;
    assert!(browser.page("/console").await.contains("<html lang=\"en\">"));
    let chosen = "/console/language/zh?to=%2Fconsole%2Faccounts";
    let (status, headers, _) = browser.get(chosen).await;
    assert_eq!((status, headers[LOCATION].to_str().unwrap()), (303, "/console/accounts"));
    let language = headers[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    let chinese = Browser { cookie: format!("{}; {language}", browser.cookie), ..browser };
    let page = chinese.page("/console/accounts").await;
    assert!(page.contains("<html lang=\"zh\">") && page.contains("还没有账户"), "{page}");
    let (_, headers, _) = chinese.get("/console/language/zh?to=//evil.example").await;
    assert_eq!(headers[LOCATION].to_str().unwrap(), "/console");
}

#[tokio::test]
async fn an_administrator_says_what_became_of_a_finding_and_nobody_else_does() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    let insert = "INSERT INTO finding (journal_id, code, epoch, seq, detail)
                  VALUES ('j0', 'gap', 'e', 9, 'an entry is missing') RETURNING finding_id";
    let id: i64 = sqlx::query_scalar(insert).fetch_one(&tester.pool).await.unwrap();
    let id = id.to_string();
    let browser = Browser::signed_in(&origin).await;
    let form = [("finding", id.as_str()), ("state", "explained"), ("reason", "restored a backup")];
    assert_eq!(browser.send("/console/findings", &form, "cross-site").await.0, 403);
    let blank = [("finding", id.as_str()), ("state", "explained"), ("reason", " ")];
    assert_eq!(browser.post("/console/findings", &blank).await.0, 400);
    assert_eq!(browser.post("/console/findings", &[("finding", "x")]).await.0, 400);
    assert_eq!(browser.post("/console/findings", &form).await.0, 303);
    let page = browser.page("/console/findings?state=explained").await;
    assert!(page.contains("admin: restored a backup"), "{page}");
}

#[tokio::test]
async fn planned_prices_are_shown_beside_those_in_force() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    let price = json!({ "kind": "per_call", "amount_nanos": 10_000 });
    let body =
        json!({ "subject": "7480", "price": price, "from": "2099-12-01", "reason": HOSTILE });
    assert_eq!(origin.admin_acts("PUT", "/api/v1/prices", &body).await.0, 200);
    let page = Browser::signed_in(&origin).await.page("/console/prices").await;
    for want in ["Price book 1", "Planned", "2099-12-01", "in force", "planned", "&lt;script&gt;"] {
        assert!(page.contains(want), "{want}: {page}");
    }
    assert!(!page.contains("5 quota a call</td>"), "what is planned is not in force: {page}");
    assert!(!page.contains("<script"), "{page}");
}
