use meter::account::{Account, Limits, Overdraft, Settings, Status};
use meter::entry::{Hash, Tail};
use meter::ids::Group;
use meter::journal::Order;
use meter::money::Nanos;
use meter::oauth::RegisteredKey;
use meter::price::PriceBook;
use meter::usage::Usage;
use meter::wire::book::BookDoc;
use meter::wire::entry::EntryDoc;
use meter::wire::pull::{
    AccountDoc, ActionDoc, Changes, OrderDoc, PULL_VERSION, PullReply, PullRequest, TailDoc,
};

use super::{entry, explained, pinned, read, unreadable};
use meter::wire::registered::RegisteredKeyDoc;
use meter::wire::settings::LimitsDoc;

const LIMITED: &str =
    r#"{"id":"acc_1","status":"suspended","group":"vip","overdraft_nanos":0,"credits_nanos":-5}"#;
const UNLIMITED: &str = r#"{"id":"acc_2","status":"active","group":"default","credits_nanos":9007199254740993,"settings":{"requests_per_minute":60,"concurrent_calls":4,"daily_budget_nanos":7,"day_offset_minutes":-300,"credential":"second","keeps_user_ids":true,"balance_events":true}}"#;

fn limited() -> Account {
    Account {
        id: "acc_1".parse().unwrap(),
        status: Status::Suspended,
        group: "vip".parse().unwrap(),
        overdraft: Overdraft::Limit(Nanos::ZERO),
        credits: Nanos::new(-5),
        settings: Settings::default(),
    }
}

fn unlimited() -> Account {
    Account {
        id: "acc_2".parse().unwrap(),
        status: Status::Active,
        group: Group::standard(),
        overdraft: Overdraft::Unlimited,
        credits: Nanos::new(9_007_199_254_740_993),
        settings: Settings {
            limits: Limits {
                requests_per_minute: Some(60),
                concurrent_calls: Some(4),
                daily_budget: Some(Nanos::new(7)),
            },
            day_offset_minutes: -300,
            credential: Some("second".parse().unwrap()),
            keeps_user_ids: true,
            balance_events: true,
        },
    }
}

#[test]
fn an_account_is_what_it_was() {
    for (account, json) in [(limited(), LIMITED), (unlimited(), UNLIMITED)] {
        pinned(&AccountDoc::from(&account), json);
        assert_eq!(Account::try_from(&read::<AccountDoc>(json)), Ok(account));
    }
    let odd: AccountDoc = read(&LIMITED.replace("suspended", "asleep"));
    assert_eq!(Account::try_from(&odd).unwrap_err().field, "status");
}

#[test]
fn a_place_in_the_chain_is_what_it_was() {
    let tail = Tail { seq: 8, total: Nanos::new(12), hash: Hash([0xab; 32]) };
    let json = format!(r#"{{"seq":8,"total_nanos":12,"hash":"{}"}}"#, "ab".repeat(32));
    pinned(&TailDoc::from(&tail), &json);
    assert_eq!(Tail::try_from(&read::<TailDoc>(&json)), Ok(tail));
    let short: TailDoc = read(r#"{"seq":8,"total_nanos":12,"hash":"ab"}"#);
    assert_eq!(Tail::try_from(&short).unwrap_err().field, "hash");
}

#[test]
fn a_request_to_pull_is_what_it_was() {
    let first = PullRequest {
        v: PULL_VERSION,
        epoch: None,
        ack: 0,
        limit: 1_000,
        changes: None,
        billed: Vec::new(),
    };
    pinned(&first, r#"{"v":1,"ack":0,"limit":1000}"#);
    let changes = Changes {
        upto: 7,
        accounts: vec![(&limited()).into(), (&unlimited()).into()],
        revoked_keys: vec!["key_9".to_owned()],
        book: Some(BookDoc { prices: Vec::new(), ..(&PriceBook::initial()).into() }),
        next_book: None,
        registered_keys: Vec::new(),
        orders: vec![OrderDoc { call: "c1".to_owned(), action: ActionDoc::Release, billed: false }],
    };
    let full = PullRequest {
        epoch: Some("e1".to_owned()),
        changes: Some(changes),
        billed: vec!["c9".to_owned()],
        ..first
    };
    let json = format!(
        r#"{{"v":1,"epoch":"e1","ack":0,"limit":1000,"changes":{{"upto":7,"accounts":[{LIMITED},{UNLIMITED}],"revoked_keys":["key_9"],"book":{{"version":0,"deny_unpriced":false,"groups_ppm":{{}},"prices":[]}},"orders":[{{"call":"c1","action":"release"}}]}},"billed":["c9"]}}"#
    );
    pinned(&full, &json);
}

#[test]
fn changes_may_leave_out_what_did_not_change() {
    assert_eq!(read::<Changes>(r#"{"upto":7}"#), Changes { upto: 7, ..Changes::default() });
    unreadable::<Changes>(r#"{"accounts":[]}"#, "missing field `upto`");
}

#[test]
fn an_order_is_what_it_was() {
    let order = |action, billed| OrderDoc { call: "c1".to_owned(), action, billed };
    let usage = Usage { total: 9, ..Usage::default() };
    for (action, json, means) in [
        (ActionDoc::Release, r#"{"call":"c1","action":"release"}"#, Order::Release),
        (
            ActionDoc::Settle { usage: None },
            r#"{"call":"c1","action":"settle"}"#,
            Order::Settle(None),
        ),
        (
            ActionDoc::Settle { usage: Some(usage.into()) },
            r#"{"call":"c1","action":"settle","usage":{"total_tokens":9}}"#,
            Order::Settle(Some(usage)),
        ),
    ] {
        let order = order(action, false);
        assert_eq!(Order::try_from(&order), Ok(means));
        pinned(&order, json);
    }
    let billed = order(ActionDoc::Settle { usage: Some(usage.into()) }, true);
    assert_eq!(Order::try_from(&billed), Ok(Order::Bill(Some(usage))));
    pinned(&billed, r#"{"call":"c1","action":"settle","usage":{"total_tokens":9},"billed":true}"#);
    unreadable::<OrderDoc>(r#"{"call":"c1","action":"forget"}"#, "unknown variant `forget`");
}

#[test]
fn an_answer_of_before_there_were_lists_of_open_calls_is_read() {
    let json = r#"{"v":1,"journal":"j0","epoch":"e1","applied":0,"entries":[],"head":{"seq":0,"total_nanos":0,"hash":""},"open_holds":0}"#;
    assert_eq!(read::<PullReply>(json).open, []);
}

#[test]
fn an_answer_to_a_pull_is_what_it_was() {
    let entry = entry::full();
    let head = TailDoc::from(&entry.tail);
    let quiet = PullReply {
        v: PULL_VERSION,
        journal: "j0".to_owned(),
        epoch: "e1".to_owned(),
        applied: 7,
        entries: Vec::new(),
        head: head.clone(),
        open_holds: 0,
        open: Vec::new(),
        oldest_hold_at_ms: None,
    };
    let head = serde_json::to_string(&head).unwrap();
    pinned(
        &quiet,
        &format!(
            r#"{{"v":1,"journal":"j0","epoch":"e1","applied":7,"entries":[],"head":{head},"open_holds":0,"open":[]}}"#
        ),
    );
    let doc = EntryDoc::from(&entry);
    let busy = PullReply {
        entries: vec![doc.clone()],
        open_holds: 2,
        open: vec![explained::open()],
        oldest_hold_at_ms: Some(1_764_100_000_000),
        ..quiet
    };
    let doc = serde_json::to_string(&doc).unwrap();
    let open = explained::OPEN;
    pinned(
        &busy,
        &format!(
            r#"{{"v":1,"journal":"j0","epoch":"e1","applied":7,"entries":[{doc}],"head":{head},"open_holds":2,"open":[{open}],"oldest_hold_at_ms":1764100000000}}"#
        ),
    );
}

#[test]
fn a_pull_names_its_version_in_both_directions() {
    // Which versions are served is the shells' decision; a message without one is nobody's.
    unreadable::<PullRequest>(r#"{"ack":0,"limit":1}"#, "missing field `v`");
    unreadable::<PullReply>(r#"{"journal":"j0"}"#, "missing field `v`");
}

#[test]
fn a_registered_key_is_what_it_was() {
    let open = RegisteredKeyDoc {
        key: "reg_1".to_owned(),
        account: "acc_1".to_owned(),
        journal: "j3".to_owned(),
        app: "1181".to_owned(),
        kid: "k1".to_owned(),
        public_key: "MIIB".to_owned(),
        scp: None,
        sub_allow: None,
        ips: None,
        lim: LimitsDoc::default(),
        withdrawn: false,
    };
    pinned(
        &open,
        r#"{"key":"reg_1","account":"acc_1","journal":"j3","app":"1181","kid":"k1","public_key":"MIIB"}"#,
    );
    let limited = RegisteredKeyDoc {
        scp: Some(vec!["chat".to_owned()]),
        sub_allow: Some(vec!["7490".to_owned()]),
        ips: Some(vec!["203.0.113.0/24".to_owned()]),
        lim: LimitsDoc { concurrent_calls: Some(3), ..LimitsDoc::default() },
        withdrawn: true,
        ..open.clone()
    };
    pinned(
        &limited,
        r#"{"key":"reg_1","account":"acc_1","journal":"j3","app":"1181","kid":"k1","public_key":"MIIB","scp":["chat"],"sub_allow":["7490"],"ips":["203.0.113.0/24"],"lim":{"concurrent_calls":3},"withdrawn":true}"#,
    );
    assert_eq!(RegisteredKey::try_from(&open).unwrap().public_key, "MIIB");
    let odd = RegisteredKeyDoc { journal: "a b".to_owned(), ..open };
    assert_eq!(RegisteredKey::try_from(&odd).unwrap_err().field, "journal");
    let changes = Changes { upto: 7, registered_keys: vec![limited], ..Changes::default() };
    assert_eq!(read::<Changes>(&serde_json::to_string(&changes).unwrap()), changes);
}
