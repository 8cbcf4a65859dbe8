//! Accounts, prices and history of new-api: brought over once, all or nothing.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use origin::draw;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::commands::{answer, weir};
use crate::tester::Tester;

/// The tables as the fork that prices workflows makes them (contract §8.4), with the columns that are
/// read and some that are not.
const SCHEMA: &str = "
    CREATE TABLE users (id integer PRIMARY KEY AUTOINCREMENT, username text UNIQUE, password text,
        display_name text, role integer DEFAULT 1, status integer DEFAULT 1, email text,
        access_token char(32), quota integer DEFAULT 0, used_quota integer DEFAULT 0,
        request_count integer DEFAULT 0, \"group\" varchar(64) DEFAULT 'default', aff_code varchar(32),
        setting text, remark varchar(255), deleted_at datetime);
    CREATE TABLE abilities (\"group\" varchar(64), model varchar(255), channel_id integer,
        enabled numeric, priority bigint DEFAULT 0, weight integer, tag text, workflow_price integer,
        channel_ratio real DEFAULT 1, PRIMARY KEY (\"group\", model, channel_id));
    CREATE TABLE options (key text PRIMARY KEY, value text);
    CREATE TABLE logs (id integer PRIMARY KEY AUTOINCREMENT, user_id integer, created_at bigint,
        type integer, content text, username text DEFAULT '', token_name text DEFAULT '',
        model_name text DEFAULT '', quota integer DEFAULT 0, prompt_tokens integer DEFAULT 0,
        completion_tokens integer DEFAULT 0, use_time integer DEFAULT 0, is_stream numeric,
        channel_id integer, token_id integer DEFAULT 0, \"group\" text, ip text DEFAULT '', other text);";

/// A small company: a root, a customer in a group, one in arrears, one blocked, one deleted.
const ROWS: &str = r#"
    INSERT INTO users (id, username, password, role, status, quota, used_quota, "group") VALUES
        (1, 'root', '$2a$10$x', 100, 1, 0, 0, 'default'),
        (2, '李娜', '$2a$10$x', 1, 1, 500000, 1200365, 'vip'),
        (3, 'Robert''); DROP TABLE account; --', '$2a$10$x', 1, 1, -365, 365, 'default'),
        (4, 'blocked', '$2a$10$x', 1, 2, 7, 0, 'svip');
    INSERT INTO users (id, username, quota, deleted_at) VALUES (5, 'gone', 99, '2025-10-01 00:00:00');
    INSERT INTO abilities ("group", model, channel_id, enabled, workflow_price, channel_ratio) VALUES
        ('default', '7480000000000000001', 1, 1, 500000, 1),
        ('vip', '7480000000000000001', 1, 1, 500000, 1),
        ('vip', '7480000000000000002', 2, 1, NULL, 1.2),
        ('default', 'gpt-4o', 3, 1, NULL, 1),
        ('default', '7480000000000000009', 3, 0, 1, 1);
    INSERT INTO options (key, value) VALUES
        ('ModelPrice', '{"7480000000000000002":0.1,"7480000000000000003":5e-06,"dall-e-3":0.04}'),
        ('GroupRatio', '{"default":1,"vip":0.8,"svip":1.5}'),
        ('QuotaPerUnit', '500000'),
        ('SMTPToken', 'a secret of theirs');
    INSERT INTO logs (id, user_id, created_at, type, content, token_name, model_name, quota,
                      prompt_tokens, completion_tokens, use_time, is_stream) VALUES
        (1, 2, 1763600000, 1, '通过在线充值', '', '', 1700365, 0, 0, 0, 0),
        (2, 2, 1763600100, 2, 'a secret prompt', 'app', '7480000000000000001', 1200000, 0, 0, 4, 1),
        (3, 2, 1763600200, 2, '', 'app', '7480000000000000004', 365, 300, 65, 2, 0),
        (4, 3, 1763600300, 2, '', 'x''); DROP TABLE entry; --', '7480000000000000004', 365, 300, 65, 2, 0),
        (5, 1, 1763600400, 3, 'somebody was promoted', '', '', 0, 0, 0, 0, 0),
        (6, 2, 1763600500, 5, 'upstream failed', 'app', '7480000000000000004', 0, 0, 0, 0, 0),
        (7, 5, 1763600600, 2, '', 'old', '7480000000000000004', 9, 0, 0, 0, 0);"#;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(draw::id("weir-import-").unwrap());
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A database with these rows.
    fn database(&self, name: &str, statements: &[&str]) -> String {
        let path = self.0.join(name);
        let connection = Connection::open(&path).unwrap();
        for statements in statements {
            connection.execute_batch(statements).unwrap();
        }
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn import<'a>(file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["import", "new-api", file], more].concat()
}

/// What a wrong copy is refused with.
async fn refused(tester: &Tester, file: &str, more: &[&str]) -> String {
    let before = everything(tester).await;
    let (code, _, told) = weir(tester, &import(file, more)).await;
    assert!(code == 1 || code == 2, "{file} {more:?}: {code}: {told}");
    assert_eq!(everything(tester).await, before, "half of it was kept: {told}");
    told
}

/// How many rows each table that an import writes to has.
async fn everything(tester: &Tester) -> Vec<i64> {
    let sql = "SELECT unnest(ARRAY[(SELECT count(*) FROM account), (SELECT count(*) FROM credit),
        (SELECT sum(credits_nanos)::bigint FROM balance), (SELECT count(*) FROM price_book),
        (SELECT count(*) FROM audit), (SELECT count(*) FROM imported_account),
        (SELECT count(*) FROM imported_price), (SELECT count(*) FROM imported_call),
        (SELECT sum(revision)::bigint FROM journal)])";
    let rows: Vec<Option<i64>> = sqlx::query_scalar(sql).fetch_all(&tester.pool).await.unwrap();
    rows.into_iter().map(Option::unwrap_or_default).collect()
}

#[tokio::test]
async fn a_copy_is_brought_over_whole_and_a_second_time_changes_nothing() {
    let (tester, folder) = (Tester::new().await, Folder::new());
    let file = folder.database("one-api.db", &[SCHEMA, ROWS]);
    let original = fs::read(&file).unwrap();

    let untouched = everything(&tester).await;
    let would = answer(&tester, &import(&file, &["--dry-run"])).await;
    assert_eq!(everything(&tester).await, untouched, "a dry run keeps nothing");

    let did = answer(&tester, &import(&file, &[])).await;
    assert_eq!(would["dry_run"], true);
    for part in ["accounts", "prices", "groups", "price_book", "history", "missing"] {
        assert_eq!(would[part], did[part], "{part}");
    }
    // 500,000 − 365 + 7 quota, at 2,000 nano each.
    assert_eq!(
        did["accounts"],
        json!({ "new": 4, "known": 0, "deleted": 1, "credited_nanos": 999_284_000, "changed": [] })
    );
    assert_eq!(
        did["prices"],
        json!({
            "new": [
                "7480000000000000001: 500000 quota a call",
                "7480000000000000002: 60000 quota a call",
                "7480000000000000003: 2.5 quota a call",
            ],
            "known": 0, "kept": [], "passed_over": 1,
        })
    );
    assert_eq!(did["groups"]["new"], json!(["svip: 1.5", "vip: 0.8"]));
    assert_eq!(
        did["history"],
        json!({ "new": 4, "known": 0, "others": 2, "of_nobody": 1, "senseless": 0 })
    );

    let customer = answer(&tester, &["account", "show", "李娜"]).await;
    assert_eq!(
        (
            &customer["group"],
            &customer["status"],
            &customer["balance_quota"],
            &customer["overdraft_nanos"]
        ),
        (&json!("vip"), &json!("active"), &json!("500000"), &json!(0))
    );
    let hostile = answer(&tester, &["account", "show", "Robert'); DROP TABLE account; --"]).await;
    assert_eq!(hostile["balance_quota"], "-365");
    let blocked = answer(&tester, &["account", "show", "blocked"]).await;
    assert_eq!((&blocked["status"], &blocked["group"]), (&json!("suspended"), &json!("svip")));
    let reference: String =
        sqlx::query_scalar("SELECT reference FROM credit WHERE kind = 'adjustment'")
            .fetch_one(&tester.pool)
            .await
            .unwrap();
    assert_eq!(reference, "new-api:main:user:3");

    let kept = everything(&tester).await;
    let again = answer(&tester, &import(&file, &[])).await;
    assert_eq!(everything(&tester).await, kept, "{again}");
    assert_eq!((&again["accounts"]["known"], &again["history"]["known"]), (&json!(4), &json!(4)));
    assert_eq!((&again["prices"]["known"], &again["price_book"]), (&json!(3), &Value::Null));
    let (_, told, _) = weir(&tester, &import(&file, &[])).await;
    assert!(told.starts_with("Nothing is new."), "{told}");
    assert_eq!(fs::read(&file).unwrap(), original, "their file is only read");
}

#[tokio::test]
async fn history_is_told_to_whom_it_belongs_and_is_no_part_of_any_sum() {
    let (tester, folder) = (Tester::new().await, Folder::new());
    let file = folder.database("one-api.db", &[SCHEMA, ROWS]);
    answer(&tester, &import(&file, &[])).await;
    let customer = origin::account::find(&tester.pool, "李娜").await.unwrap();
    let key = tester.key(&customer, None).await.key;
    let origin = tester.serve().await;
    let (status, page) = origin.as_caller("/api/v1/history?limit=2", &key).await;
    assert_eq!(status, 200, "{page}");
    let want = json!({
        "instance": "main", "log_id": 3, "account_id": customer.account_id,
        "at": "2025-11-20T00:56:40.000Z", "kind": "consume", "model": "7480000000000000004",
        "token_name": "app", "amount_nanos": 730_000, "amount_quota": "365", "input_tokens": 300,
        "output_tokens": 65, "duration_s": 2, "is_stream": false,
    });
    assert_eq!(page["items"][0], want);
    let cursor = page["next_cursor"].as_str().unwrap();
    let (_, rest) = origin.as_caller(&format!("/api/v1/history?cursor={cursor}"), &key).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (1, &Value::Null));
    assert_eq!(rest["items"][0]["kind"], "top_up");
    assert_eq!(origin.as_caller("/api/v1/history?account=root", &key).await.0, 403);
    assert_eq!(origin.as_admin("/api/v1/history?cursor=x").await.0, 400);
    let (_, all) = origin.as_admin("/api/v1/history").await;
    assert_eq!(all["items"].as_array().unwrap().len(), 4);
    let by_hand =
        answer(&tester, &["report", "history", "--account", "李娜", "--limit", "2"]).await;
    assert_eq!(by_hand, page);

    let (_, balance) = origin.as_caller("/api/v1/token-usage/balance", &key).await;
    assert_eq!((&balance["balance_quota"], &balance["spent_nanos"]), (&json!("500000"), &json!(0)));
    let sums = tester.sums().await;
    assert_eq!((sums.balances, sums.rollups), ((0, 0), (0, 0)));
    let secrets: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM imported_call c WHERE c::text LIKE '%secret%' OR c::text LIKE '%充值%'",
    )
    .fetch_one(&tester.pool)
    .await
    .unwrap();
    assert_eq!(secrets, 0, "what was said there is not brought over");
}

#[tokio::test]
async fn a_newer_copy_adds_only_what_is_new() {
    let (tester, folder) = (Tester::new().await, Folder::new());
    let file = folder.database("one-api.db", &[SCHEMA, ROWS]);
    answer(&tester, &import(&file, &[])).await;
    answer(&tester, &["price", "set", "--workflow", "7480000000000000001", "--per-call", "9"])
        .await;
    let newer = r#"
        UPDATE users SET quota = 400000, "group" = 'svip' WHERE id = 2;
        UPDATE abilities SET workflow_price = 600000 WHERE model = '7480000000000000001';
        UPDATE options SET value = '{"7480000000000000002":0.1,"7480000000000000005":1}'
            WHERE key = 'ModelPrice';
        INSERT INTO users (id, username, quota) VALUES (6, 'new', 1000);
        INSERT INTO logs (id, user_id, created_at, type, quota) VALUES
            (8, 2, 1763600700, 2, 100000), (9, 6, 1763600800, 2, 1);"#;
    folder.database("one-api.db", &[newer]);
    let did = answer(&tester, &import(&file, &[])).await;
    assert_eq!(
        did["accounts"],
        json!({ "new": 1, "known": 4, "deleted": 1, "credited_nanos": 2_000_000,
                "changed": ["李娜: 500000 then, 400000 now"] })
    );
    assert_eq!(did["prices"]["new"], json!(["7480000000000000005: 500000 quota a call"]));
    let kept = "7480000000000000001: 600000 quota a call; it was changed there since";
    assert_eq!(did["prices"]["kept"], json!([kept]));
    assert_eq!((&did["history"]["new"], &did["history"]["known"]), (&json!(2), &json!(4)));
    let customer = answer(&tester, &["account", "show", "李娜"]).await;
    assert_eq!(
        (&customer["balance_quota"], &customer["group"]),
        (&json!("500000"), &json!("vip")),
        "what is here is ours by now"
    );
}

#[tokio::test]
async fn prices_that_are_here_already_stay() {
    let (tester, folder) = (Tester::new().await, Folder::new());
    answer(&tester, &["price", "set", "--workflow", "7480000000000000001", "--per-call", "9"])
        .await;
    answer(&tester, &["price", "group", "vip", "2"]).await;
    let file = folder.database("one-api.db", &[SCHEMA, ROWS]);
    let did = answer(&tester, &import(&file, &[])).await;
    let kept = "7480000000000000001: 500000 quota a call; here it is 9 quota a call";
    assert_eq!(did["prices"]["kept"], json!([kept]));
    assert_eq!(did["groups"]["kept"], json!(["vip: 0.8; here it is 2"]));
    let again = answer(&tester, &import(&file, &[])).await;
    assert_eq!((&again["prices"]["kept"], &again["prices"]["known"]), (&json!([]), &json!(3)));
}

#[tokio::test]
async fn an_account_that_is_called_alike_and_another_new_api_are_told_apart() {
    let (tester, folder) = (Tester::new().await, Folder::new());
    tester.account("root").await;
    let file = folder.database("one-api.db", &[SCHEMA, ROWS]);
    let told = refused(&tester, &file, &[]).await;
    assert!(told.contains("\"root\" already") && told.contains("--prefix"), "{told}");
    answer(&tester, &import(&file, &["--prefix", "old-"])).await;
    assert_eq!(answer(&tester, &["account", "show", "old-root"]).await["name"], "old-root");

    let other = "INSERT INTO users (id, username, quota) VALUES (2, 'somebody else', 5);";
    let other = folder.database("other.db", &[SCHEMA, other]);
    let told = refused(&tester, &other, &[]).await;
    assert!(told.contains("--instance") && told.contains("--renamed"), "{told}");
    let did = answer(&tester, &import(&other, &["--instance", "second"])).await;
    assert_eq!(did["accounts"]["new"], 1);

    let log = "INSERT INTO users (id, username, quota) VALUES (2, '李娜', 5);
               INSERT INTO logs (id, user_id, created_at, type, quota) VALUES (2, 2, 1763600100, 2, 1);";
    let log = folder.database("log.db", &[SCHEMA, log]);
    let told = refused(&tester, &log, &[]).await;
    assert!(told.contains("logs, id 2 was something else"), "{told}");
}

#[tokio::test]
async fn what_makes_no_sense_is_told_at_once_and_nothing_of_it_is_kept() {
    let (tester, folder) = (Tester::new().await, Folder::new());
    for (name, statement, want) in [
        (
            "quota",
            "UPDATE users SET quota = 'NaN' WHERE id = 2",
            "users, id 2: `quota` \"NaN\" is not a decimal",
        ),
        (
            "fraction",
            "UPDATE users SET quota = 1.5 WHERE id = 2",
            "`quota` 1.5 is not a whole number",
        ),
        ("null", "UPDATE users SET quota = NULL WHERE id = 2", "users, id 2: `quota` is empty"),
        ("wrap", "UPDATE users SET quota = -2147483648 WHERE id = 2", "--balance"),
        ("cap", "UPDATE users SET quota = 2147483647 WHERE id = 2", "32-bit"),
        ("huge", "UPDATE users SET quota = 9000000000000000000 WHERE id = 2", "out of range"),
        (
            "much",
            "UPDATE users SET quota = 6000000000000 WHERE id = 2",
            "more than one credit gives",
        ),
        (
            "bytes",
            "UPDATE users SET username = CAST(x'ff' AS TEXT) WHERE id = 2",
            "username is no text",
        ),
        ("group", "UPDATE users SET \"group\" = 'VIP 客户' WHERE id = 2", "--group"),
        (
            "price",
            "UPDATE options SET value = '{\"7480\": \"NaN\"}' WHERE key = 'ModelPrice'",
            "ModelPrice",
        ),
        (
            "fine",
            "UPDATE options SET value = '{\"7480\": 0.30000000000000004}' WHERE key = 'ModelPrice'",
            "finer",
        ),
        (
            "two",
            "UPDATE abilities SET workflow_price = 7 WHERE channel_id = 1 AND \"group\" = 'vip'",
            "--price",
        ),
        (
            "ratio",
            "UPDATE options SET value = '{\"vip\": -1}' WHERE key = 'GroupRatio'",
            "GroupRatio",
        ),
        ("unit", "UPDATE options SET value = '3' WHERE key = 'QuotaPerUnit'", "quota_per_unit"),
        ("log", "UPDATE logs SET quota = 'x' WHERE id = 3", "logs, id 3: `quota` \"x\""),
        ("time", "UPDATE logs SET created_at = 0 WHERE id = 3", "`created_at` 0 is not a time"),
        ("column", "ALTER TABLE users DROP COLUMN quota", "users has no quota"),
        ("table", "DROP TABLE users", "no table users"),
    ] {
        let file = folder.database(&format!("{name}.db"), &[SCHEMA, ROWS, statement]);
        let told = refused(&tester, &file, &[]).await;
        assert!(told.contains(want), "{name}: {told}");
    }
    let two =
        "UPDATE users SET quota = 'a' WHERE id = 2; UPDATE users SET quota = 'b' WHERE id = 3";
    let file = folder.database("several.db", &[SCHEMA, ROWS, two]);
    let told = refused(&tester, &file, &[]).await;
    assert!(told.contains("id 2") && told.contains("id 3"), "{told}");
}

#[tokio::test]
async fn what_cannot_be_told_from_the_copy_is_decided_by_hand() {
    let (tester, folder) = (Tester::new().await, Folder::new());
    let odd = "UPDATE users SET quota = -2147483648, \"group\" = 'VIP 客户' WHERE id = 2;
               UPDATE abilities SET workflow_price = 7 WHERE channel_id = 1 AND \"group\" = 'vip';
               UPDATE options SET value = '{\"VIP 客户\": 0.5}' WHERE key = 'GroupRatio';
               UPDATE logs SET quota = 'x' WHERE id = 3";
    let file = folder.database("odd.db", &[SCHEMA, ROWS, odd]);
    let decided = [
        "--balance",
        "2=500000",
        "--group",
        "VIP 客户=vip",
        "--price",
        "7480000000000000001=8",
        "--history",
        "sensible",
        "--quota-per-unit",
        "1000000",
        "--overdraft",
        "unlimited",
    ];
    let did = answer(&tester, &import(&file, &decided)).await;
    assert_eq!((&did["history"]["senseless"], &did["history"]["new"]), (&json!(1), &json!(3)));
    assert_eq!(did["groups"]["new"], json!(["vip: 0.5"]));
    assert_eq!(did["prices"]["new"][0], "7480000000000000001: 8 quota a call");
    let customer = answer(&tester, &["account", "show", "李娜"]).await;
    // Half as much as at 500,000 to the unit.
    assert_eq!(
        (&customer["credits_nanos"], &customer["overdraft_nanos"]),
        (&json!(500_000_000), &Value::Null)
    );
    for (option, value) in [
        ("--balance", "77=1"),
        ("--price", "7480000000000000077=1"),
        ("--quota-per-unit", "3"),
        ("--instance", "a b"),
        ("--group", "x"),
    ] {
        refused(&tester, &file, &[option, value]).await;
    }
}

#[tokio::test]
async fn the_base_projects_tables_lack_columns_and_are_read_all_the_same() {
    let (tester, folder) = (Tester::new().await, Folder::new());
    let without = "ALTER TABLE abilities DROP COLUMN workflow_price;
                   ALTER TABLE abilities DROP COLUMN channel_ratio; DROP TABLE logs;
                   ALTER TABLE users DROP COLUMN deleted_at;
                   DELETE FROM options WHERE key <> 'ModelPrice'";
    let file = folder.database("base.db", &[SCHEMA, ROWS, without]);
    let did = answer(&tester, &import(&file, &[])).await;
    assert_eq!((&did["accounts"]["new"], &did["accounts"]["deleted"]), (&json!(5), &json!(0)));
    assert_eq!(did["prices"]["new"].as_array().unwrap().len(), 2);
    assert_eq!(did["prices"]["new"][0], "7480000000000000002: 50000 quota a call");
    assert_eq!((&did["history"]["new"], &did["missing"]), (&json!(0), &json!(["logs"])));
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let (tester, folder) = (Tester::new().await, Folder::new());
    let mut broken = b"SQLite format 3\0".to_vec();
    broken.extend([0x5a; 4096]);
    for (file, want) in [
        (folder.file("text.db", "hello"), "neither a SQLite file"),
        (folder.file("empty.db", ""), "neither a SQLite file"),
        (folder.file("broken.db", broken), "cannot be read as SQLite"),
        (folder.0.join("nowhere.db").to_str().unwrap().to_owned(), "No such file"),
        (folder.0.to_str().unwrap().to_owned(), "names no users.csv"),
    ] {
        let told = refused(&tester, &file, &[]).await;
        assert!(told.contains(want), "{file}: {told}");
    }
}

#[tokio::test]
async fn csv_files_say_the_same_as_the_database() {
    let (tester, folder) = (Tester::new().await, Folder::new());
    // As Excel, Postgres and MySQL write them: a byte order mark, other columns, another order, no value.
    let users = "\u{feff}username,quota,id,\"group\",email,status,deleted_at\r\n\
                 root,0,1,default,,1,NULL\r\n李娜,500000,2,vip,\"a,b\"\"c\",1,\r\n\
                 \"Robert'); DROP TABLE account; --\",-365,3,default,\"two\nlines\",1,\\N\r\n\
                 blocked,7,4,svip,,2,\r\ngone,99,5,default,,1,2025-10-01 00:00:00\r\n";
    folder.file("users.csv", users);
    folder.file(
        "abilities.csv",
        "group,model,channel_id,enabled,workflow_price,channel_ratio\n\
         default,7480000000000000001,1,t,500000,1\nvip,7480000000000000002,2,t,,1.2\n\
         default,7480000000000000009,3,f,1,1\n",
    );
    folder.file(
        "options.csv",
        "key,value\nModelPrice,\"{\"\"7480000000000000002\"\":0.1,\"\"7480000000000000003\"\":5e-06}\"\n\
         GroupRatio,\"{\"\"default\"\":1,\"\"vip\"\":0.8,\"\"svip\"\":1.5}\"\n",
    );
    folder.file(
        "logs.csv",
        "id,user_id,created_at,type,token_name,model_name,quota,prompt_tokens,completion_tokens,use_time,is_stream\n\
         1,2,1763600000,1,,,1700365,0,0,0,f\n2,2,1763600100,2,app,7480000000000000001,1200000,0,0,4,t\n\
         3,2,1763600200,2,app,7480000000000000004,365,300,65,2,f\n\
         4,3,1763600300,2,\"x'); DROP TABLE entry; --\",7480000000000000004,365,300,65,2,f\n",
    );
    let path = folder.0.to_str().unwrap();
    let did = answer(&tester, &import(path, &[])).await;
    assert_eq!((&did["accounts"]["new"], &did["history"]["new"]), (&json!(4), &json!(4)));
    assert_eq!(did["prices"]["new"].as_array().unwrap().len(), 3);
    // The database of the same new-api has nothing more to say.
    let database = folder.database("one-api.db", &[SCHEMA, ROWS]);
    let kept = everything(&tester).await;
    let again = answer(&tester, &import(&database, &[])).await;
    assert_eq!(everything(&tester).await, kept, "{again}");
}

#[tokio::test]
async fn csv_files_that_make_no_sense_are_refused_by_line() {
    let (tester, folder) = (Tester::new().await, Folder::new());
    let utf_16: Vec<u8> =
        "\u{feff}id,username,quota\n1,a,1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    // 李娜 as GBK has it.
    let gbk = b"id,username,quota\n1,root,0\n2,\xc0\xee\xc4\xc8,5\n".to_vec();
    let endless = [b"id,username,quota\n1,\"".to_vec(), vec![b'a'; 5 << 20]].concat();
    for (content, want) in [
        (utf_16, "UTF-16"),
        (gbk, "line 3 is not UTF-8"),
        (b"id,username\n1,a\n".to_vec(), "names no quota"),
        (b"id;username;quota\n1;a;1\n".to_vec(), "parted by commas"),
        (b"".to_vec(), "names no id"),
        (b"id,username,quota,quota\n1,a,1,1\n".to_vec(), "two columns quota"),
        (b"id,username,quota\n1,a\n".to_vec(), "line: 2"),
        (b"id,username,quota\n1,a,1\n1,b,1\n".to_vec(), "id 1 stands there twice"),
        (b"id,username,quota\n1,a,1\n2,a,1\n".to_vec(), "two are called \"a\""),
        (b"id,username,quota\n1,NULL,1\n".to_vec(), "line 2: `username` is empty"),
        (b"id,username,quota\n1,a,\"1,000\"\n".to_vec(), "line 2: `quota` \"1,000\""),
        (endless, "is a quote open"),
    ] {
        let file = folder.file("users.csv", content);
        let told = refused(&tester, &file, &[]).await;
        assert!(told.contains(want), "{want}: {told}");
    }
}

#[tokio::test]
async fn a_long_log_that_is_stopped_half_way_leaves_nothing_and_then_comes_whole() {
    const ROWS: i64 = 60_000;
    let (tester, folder) = (Tester::new().await, Folder::new());
    let many = format!(
        "INSERT INTO users (id, username, quota) VALUES (1, 'root', 5);
         WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {ROWS})
         INSERT INTO logs (id, user_id, created_at, type, quota) SELECT id, 1, 1700000000 + id, 2, 1 FROM n;"
    );
    let file = folder.database("one-api.db", &[SCHEMA, &many]);
    let before = everything(&tester).await;

    // Whoever holds this keeps the import waiting behind its log rows, where Ctrl-C meets it.
    let mut blocker = tester.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE account IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *blocker)
        .await
        .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.env_clear().env("DATABASE_URL", &tester.database_url).stderr(Stdio::piped());
    let mut running = command.args(import(&file, &[])).spawn().unwrap();
    until_waiting(&tester).await;
    let second = weir(&tester, &import(&file, &["--history", "none"])).await;
    assert!(second.0 == 1 && second.2.contains("another import"), "{second:?}");
    let id = i32::try_from(running.id().unwrap()).unwrap();
    let killed =
        std::process::Command::new("kill").args(["-INT", &id.to_string()]).status().unwrap();
    assert!(killed.success());
    assert!(!running.wait().await.unwrap().success());
    blocker.rollback().await.unwrap();
    until_alone(&tester).await;
    assert_eq!(everything(&tester).await, before);

    let did = answer(&tester, &import(&file, &[])).await;
    assert_eq!(did["history"]["new"], ROWS);
    let kept: i64 = sqlx::query_scalar("SELECT count(DISTINCT log_id) FROM imported_call")
        .fetch_one(&tester.pool)
        .await
        .unwrap();
    assert_eq!(kept, ROWS);
    let again = answer(&tester, &import(&file, &[])).await;
    assert_eq!((&again["history"]["new"], &again["history"]["known"]), (&json!(0), &json!(ROWS)));
}

/// Until somebody waits for the table of accounts.
async fn until_waiting(tester: &Tester) {
    let sql = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'account'::regclass";
    while sqlx::query_scalar::<_, i64>(sql).fetch_one(&tester.pool).await.unwrap() == 0 {}
}

/// Until no other command is connected to the database.
async fn until_alone(tester: &Tester) {
    let sql = "SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'weir'";
    while sqlx::query_scalar::<_, i64>(sql).fetch_one(&tester.pool).await.unwrap() > 0 {}
}
