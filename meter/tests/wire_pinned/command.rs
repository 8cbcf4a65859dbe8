use meter::account::Limits;
use meter::apart::Named;
use meter::entry::{Ending, Hash};
use meter::journal::{Admission, Attempt, IdempotencyKey, KeptReply, Report, Settled};
use meter::money::Nanos;
use meter::outcome::Source;
use meter::rate::Rate;
use meter::refusal::{Reason, Refusal};
use meter::request::{Asked, SubjectKind};
use meter::route::{Kind, Operation};
use meter::usage::cost::Cost;
use meter::usage::{Observed, Stage, Usage, WorkIds};
use meter::wire::command::{
    AdmitDoc, AttemptDoc, CommandDoc, KeptReplyDoc, NamedDoc, ReplyDoc, ReportDoc, StandingDoc,
};
use meter::wire::credential::SenderDoc;
use meter::wire::entry::WorkIdsDoc;
use meter::wire::explained::ExplainedDoc;
use meter::wire::pull::{PULL_VERSION, PullReply, PullRequest, TailDoc};
use meter::wire::refusal::RefusalDoc;

use super::{pinned, read, unreadable};

const FULL: &str = r#"{"status":200,"stage":"completed","code":0,"input_tokens":310,"output_tokens":55,"total_tokens":365,"usage_fell":true,"chat_id":"7561","conversation_id":"7562","execute_id":"7563","log_id":"2025112601"}"#;
const BARE: &str = r#"{"stage":"unknown"}"#;

fn full() -> Report {
    Report {
        status: Some(200),
        observed: Observed {
            stage: Stage::Completed,
            usage: Some(Usage { input: Some(310), output: Some(55), total: 365, cost: None }),
            code: Some(0),
            ids: WorkIds {
                chat: Some("7561".parse().unwrap()),
                conversation: Some("7562".parse().unwrap()),
                execution: Some("7563".parse().unwrap()),
                log: Some("2025112601".parse().unwrap()),
            },
            usage_fell: true,
        },
    }
}

fn bare() -> Report {
    Report { status: None, observed: Observed::nothing() }
}

#[test]
fn a_report_is_what_it_was() {
    for (report, json) in [(full(), FULL), (bare(), BARE)] {
        pinned(&ReportDoc::from(&report), json);
        assert_eq!(Report::try_from(&read::<ReportDoc>(json)), Ok(report));
    }
    let usage = Usage { total: 9, cost: Cost::read("0.014704", "USD"), ..Usage::default() };
    let costing = Report {
        observed: Observed { stage: Stage::Completed, usage: Some(usage), ..Observed::nothing() },
        ..bare()
    };
    let json =
        r#"{"stage":"completed","total_tokens":9,"cost":{"nanos":14704000,"currency":"USD"}}"#;
    pinned(&ReportDoc::from(&costing), json);
    assert_eq!(Report::try_from(&read::<ReportDoc>(json)), Ok(costing));
    for stage in Stage::ALL {
        let report = Report { observed: Observed { stage, ..Observed::nothing() }, ..bare() };
        let json = format!(r#"{{"stage":"{}"}}"#, stage.name());
        assert_eq!(Report::try_from(&read::<ReportDoc>(&json)), Ok(report));
    }
    let odd: ReportDoc = read(r#"{"stage":"dreaming"}"#);
    assert_eq!(Report::try_from(&odd).unwrap_err().field, "stage");
    // A report says how far the work got, or it says nothing at all.
    assert_eq!(Report::try_from(&read::<ReportDoc>("{}")).unwrap_err().field, "stage");
}

fn admission() -> Admission {
    Admission {
        call: "c1".parse().unwrap(),
        account: "acc_1".parse().unwrap(),
        key: "key_1".parse().unwrap(),
        limits: Limits::default(),
        asked: Asked::new(Operation::Chat, SubjectKind::Bot, "7490".parse().unwrap()),
        attempt: None,
        session: None,
    }
}

#[track_caller]
fn pinned_admission(admission: &Admission, json: &str) {
    let doc = AdmitDoc::from(admission);
    assert_eq!(Admission::try_from(&doc).as_ref(), Ok(admission));
    pinned(&CommandDoc::Admit(doc), json);
}

#[test]
fn an_admission_is_what_it_was() {
    pinned_admission(
        &admission(),
        r#"{"do":"admit","call":"c1","account":"acc_1","key":"key_1","operation":"chat","subject_kind":"bot","subject":"7490"}"#,
    );
    let asked = admission().asked;
    let resumes = Some("7563/9".parse().unwrap());
    let key = IdempotencyKey::new(&admission().account, "order 66").unwrap();
    let attempt = Some(Attempt { key, request: Hash([0xab; 32]) });
    let limits = Limits {
        requests_per_minute: Some(60),
        concurrent_calls: Some(3),
        daily_budget: Some(Nanos::new(5)),
    };
    let asked = Asked { units: 12, resumes, ..asked };
    let session = Some("5e".parse().unwrap());
    let full = Admission { limits, asked, attempt, session, ..admission() };
    let hash = "ab".repeat(32);
    pinned_admission(
        &full,
        &format!(
            r#"{{"do":"admit","call":"c1","account":"acc_1","key":"key_1","limits":{{"requests_per_minute":60,"concurrent_calls":3,"daily_budget_nanos":5}},"operation":"chat","subject_kind":"bot","subject":"7490","units":12,"resumes":"7563/9","attempt":{{"key":"order 66","request":"{hash}"}},"session":"5e"}}"#
        ),
    );
}

#[test]
fn an_idempotency_key_that_is_none_is_refused_by_its_field() {
    for key in ["", "a\u{7}", "clé", &"k".repeat(256)] {
        let mut doc = AdmitDoc::from(&admission());
        doc.attempt = Some(AttemptDoc { key: key.to_owned(), request: "ab".repeat(32) });
        assert_eq!(Admission::try_from(&doc).unwrap_err().field, "attempt", "{key:?}");
    }
}

#[test]
fn every_operation_and_subject_has_the_name_it_had() {
    let names: Vec<_> = Operation::ALL.iter().map(|operation| operation.name()).collect();
    assert_eq!(
        names,
        [
            "chat",
            "tool_outputs",
            "workflow_run",
            "workflow_stream_run",
            "workflow_stream_resume",
            "workflow_resume",
            "chatflow",
            "audio_speech",
            "audio_transcription",
            "audio_room",
            "voice_clone",
            "plugin_tool",
            "chat_socket",
            "speech_socket",
            "transcription_socket",
            "interpretation_socket",
            "dify_chat",
            "dify_completion",
            "dify_workflow",
            "dify_suggested",
            "dify_audio_to_text",
            "dify_text_to_audio",
        ]
    );
    let kinds = SubjectKind::ALL.map(SubjectKind::name);
    assert_eq!(kinds, ["bot", "workflow", "voice", "plugin", "app", "service"]);
}

#[test]
fn every_stage_and_source_has_the_name_it_had() {
    use Source::{Bill, Missing, Operator, Reported, Retrieved};
    assert_eq!(
        Stage::ALL.map(Stage::name),
        [
            "unknown",
            "running",
            "awaits_tools",
            "interrupted",
            "completed",
            "failed",
            "canceled",
            "cut"
        ]
    );
    let sources = [Reported, Retrieved, Missing, Operator, Bill].map(Source::name);
    assert_eq!(sources, ["reported", "retrieved", "missing", "operator", "bill"]);
}

fn file() -> NamedDoc {
    NamedDoc { kind: "file".to_owned(), id: "7570".to_owned() }
}

#[test]
fn every_kind_of_thing_has_the_name_it_had() {
    let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names, ["conversation", "chat", "execution", "file"]);
    let thing = Named { kind: Kind::File, id: "7570".parse().unwrap() };
    assert_eq!(NamedDoc::from(&thing), file());
    assert_eq!(Named::try_from(&file()), Ok(thing));
    let bad = NamedDoc { kind: "wish".to_owned(), ..file() };
    assert_eq!(Named::try_from(&bad).unwrap_err().field, "kind");
}

#[test]
fn every_command_is_what_it_was() {
    let (account, key) = ("acc_1".to_owned(), "key_1".to_owned());
    let call = || "c1".to_owned();
    let enter =
        |names| CommandDoc::Enter { account: "acc_1".to_owned(), key: "key_1".to_owned(), names };
    pinned(&enter(Vec::new()), r#"{"do":"enter","account":"acc_1","key":"key_1"}"#);
    pinned(
        &enter(vec![file()]),
        r#"{"do":"enter","account":"acc_1","key":"key_1","names":[{"kind":"file","id":"7570"}]}"#,
    );
    let ids = WorkIdsDoc { chat_id: Some("7561".to_owned()), ..WorkIdsDoc::default() };
    pinned(
        &CommandDoc::Sight { call: call(), ids },
        r#"{"do":"sight","call":"c1","ids":{"chat_id":"7561"}}"#,
    );
    pinned(
        &CommandDoc::Own { account: account.clone(), made: file() },
        r#"{"do":"own","account":"acc_1","made":{"kind":"file","id":"7570"}}"#,
    );
    let ids = WorkIdsDoc { chat_id: Some("7561".to_owned()), ..WorkIdsDoc::default() };
    pinned(
        &CommandDoc::Note { call: call(), ids },
        r#"{"do":"note","call":"c1","ids":{"chat_id":"7561"}}"#,
    );
    pinned(
        &CommandDoc::Settle { call: call(), report: (&bare()).into(), reply: None, stamped: false },
        r#"{"do":"settle","call":"c1","report":{"stage":"unknown"}}"#,
    );
    let reply = Some(KeptReplyDoc { status: 200, body: "{\"code\":0}".to_owned() });
    pinned(
        &CommandDoc::Settle { call: call(), report: (&bare()).into(), reply, stamped: false },
        r#"{"do":"settle","call":"c1","report":{"stage":"unknown"},"reply":{"status":200,"body":"{\"code\":0}"}}"#,
    );
    pinned(
        &CommandDoc::Settle { call: call(), report: (&bare()).into(), reply: None, stamped: true },
        r#"{"do":"settle","call":"c1","report":{"stage":"unknown"},"stamped":true}"#,
    );
    let go_on = |names| CommandDoc::GoOn {
        account: "acc_1".to_owned(),
        key: "key_1".to_owned(),
        chat: "7561".to_owned(),
        names,
    };
    pinned(&go_on(Vec::new()), r#"{"do":"go_on","account":"acc_1","key":"key_1","chat":"7561"}"#);
    pinned(
        &go_on(vec![file()]),
        r#"{"do":"go_on","account":"acc_1","key":"key_1","chat":"7561","names":[{"kind":"file","id":"7570"}]}"#,
    );
    pinned(
        &CommandDoc::Explain { account: account.clone(), key: key.clone(), call: call() },
        r#"{"do":"explain","account":"acc_1","key":"key_1","call":"c1"}"#,
    );
    pinned(
        &CommandDoc::Follow { account: account.clone(), report: (&full()).into() },
        &format!(r#"{{"do":"follow","account":"acc_1","report":{FULL}}}"#),
    );
    pinned(
        &CommandDoc::Stand { account, key },
        r#"{"do":"stand","account":"acc_1","key":"key_1"}"#,
    );
    pinned(&CommandDoc::Registered, r#"{"do":"registered"}"#);
    let (account, key) = ("acc_1".to_owned(), "reg_1".to_owned());
    pinned(
        &CommandDoc::Redeem { account, key, statement: "ab".repeat(32), until_ms: 9 },
        &format!(
            r#"{{"do":"redeem","account":"acc_1","key":"reg_1","statement":"{}","until_ms":9}}"#,
            "ab".repeat(32)
        ),
    );
    let pull = PullRequest {
        v: PULL_VERSION,
        epoch: None,
        ack: 3,
        limit: 9,
        changes: None,
        billed: Vec::new(),
    };
    pinned(&CommandDoc::Pull(pull), r#"{"do":"pull","v":1,"ack":3,"limit":9}"#);
    unreadable::<CommandDoc>(r#"{"do":"fly"}"#, "unknown variant `fly`");
    unreadable::<CommandDoc>(r#"{"call":"c1"}"#, "missing field `do`");
}

#[test]
fn every_reply_is_what_it_was() {
    let sender = SenderDoc::default();
    let second =
        || SenderDoc { credential: Some("second".to_owned()), session: Some("5e".to_owned()) };
    pinned(&ReplyDoc::Ok { sender: sender.clone(), keeps_user_ids: false }, r#"{"is":"ok"}"#);
    pinned(
        &ReplyDoc::Ok { sender: second(), keeps_user_ids: true },
        r#"{"is":"ok","credential":"second","session":"5e","keeps_user_ids":true}"#,
    );
    pinned(
        &ReplyDoc::Admitted {
            hold_nanos: 5,
            balance_nanos: -7,
            rate: None,
            sender: sender.clone(),
            balance_events: false,
            keeps_user_ids: false,
        },
        r#"{"is":"admitted","hold_nanos":5,"balance_nanos":-7}"#,
    );
    let rate = Rate { limit: 60, remaining: 0, reset_s: 61 };
    pinned(
        &ReplyDoc::Admitted {
            hold_nanos: 5,
            balance_nanos: -7,
            rate: Some(rate.into()),
            sender: second(),
            balance_events: true,
            keeps_user_ids: true,
        },
        r#"{"is":"admitted","hold_nanos":5,"balance_nanos":-7,"rate":{"limit":60,"remaining":0,"reset_s":61},"credential":"second","session":"5e","balance_events":true,"keeps_user_ids":true}"#,
    );
    pinned(&ReplyDoc::GoesOn { call: "c1".to_owned(), sender }, r#"{"is":"goes_on","call":"c1"}"#);
    pinned(
        &ReplyDoc::GoesOn { call: "c1".to_owned(), sender: second() },
        r#"{"is":"goes_on","call":"c1","credential":"second","session":"5e"}"#,
    );
    pinned(&ReplyDoc::Redeemed, r#"{"is":"redeemed"}"#);
    pinned(&ReplyDoc::Registered { keys: Vec::new() }, r#"{"is":"registered","keys":[]}"#);
    pinned(&ReplyDoc::Used { call: "c1".to_owned() }, r#"{"is":"used","call":"c1"}"#);
    let kept = KeptReply { status: 200, body: "{}".to_owned() };
    let reply = KeptReplyDoc::from(&kept);
    assert_eq!(KeptReply::from(reply.clone()), kept);
    pinned(
        &ReplyDoc::Replayed { call: "c1".to_owned(), reply },
        r#"{"is":"replayed","call":"c1","reply":{"status":200,"body":"{}"}}"#,
    );
    let ending = "settled".to_owned();
    pinned(
        &ReplyDoc::Explained(ExplainedDoc::Finished { ending, amount_nanos: 5 }),
        r#"{"is":"explained","state":"finished","ending":"settled","amount_nanos":5}"#,
    );
    let refusal = Refusal::from(Reason::BalanceExhausted);
    let doc = RefusalDoc::from(refusal.clone());
    assert_eq!(Refusal::from(doc.clone()), refusal);
    pinned(&ReplyDoc::Refused(doc.clone()), r#"{"is":"refused","reason":"balance_exhausted"}"#);
    pinned(&ReplyDoc::NotYet(doc), r#"{"is":"not_yet","reason":"balance_exhausted"}"#);
    let limited = Refusal::with_detail(Reason::RateLimited, "the key").retry_after(7);
    let limited = Refusal { rate: Some(rate), ..limited };
    let doc = RefusalDoc::from(limited.clone());
    assert_eq!(Refusal::from(doc.clone()), limited);
    pinned(
        &ReplyDoc::Refused(doc),
        r#"{"is":"refused","reason":"rate_limited","detail":"the key","retry_after_s":7,"rate":{"limit":60,"remaining":0,"reset_s":61}}"#,
    );
    pinned(
        &ReplyDoc::Memo { value: "7480 7502".to_owned(), kept_at_ms: 7 },
        r#"{"is":"memo","value":"7480 7502","kept_at_ms":7}"#,
    );
    let standing = StandingDoc { credits_nanos: 9, spent_nanos: 4, held_nanos: 2 };
    pinned(
        &ReplyDoc::Standing(standing),
        r#"{"is":"standing","credits_nanos":9,"spent_nanos":4,"held_nanos":2}"#,
    );
    let page = PullReply {
        v: PULL_VERSION,
        journal: String::new(),
        epoch: "e1".to_owned(),
        applied: 0,
        entries: Vec::new(),
        head: TailDoc { seq: 0, total_nanos: 0, hash: "00".to_owned() },
        open_holds: 0,
        open: Vec::new(),
        oldest_hold_at_ms: None,
    };
    pinned(
        &ReplyDoc::Page(page),
        r#"{"is":"page","v":1,"journal":"","epoch":"e1","applied":0,"entries":[],"head":{"seq":0,"total_nanos":0,"hash":"00"},"open_holds":0,"open":[]}"#,
    );
    unreadable::<ReplyDoc>(r#"{"is":"perhaps"}"#, "unknown variant `perhaps`");
}

#[test]
fn how_a_call_stands_is_told_as_it_was() {
    let finished = |ending| Settled::Finished {
        ending,
        amount: Nanos::new(9_007_199_254_740_993),
        balance: Nanos::new(-1),
    };
    for (settled, json) in [
        (
            finished(Ending::Settled),
            r#"{"is":"finished","ending":"settled","amount_nanos":9007199254740993,"balance_nanos":-1}"#,
        ),
        (
            finished(Ending::Released),
            r#"{"is":"finished","ending":"released","amount_nanos":9007199254740993,"balance_nanos":-1}"#,
        ),
        (
            finished(Ending::Expired),
            r#"{"is":"finished","ending":"expired","amount_nanos":9007199254740993,"balance_nanos":-1}"#,
        ),
        (Settled::Open, r#"{"is":"open"}"#),
        (Settled::Unknown, r#"{"is":"unknown"}"#),
    ] {
        pinned(&ReplyDoc::from(&settled), json);
        assert_eq!(read::<ReplyDoc>(json).settled(), Ok(settled));
    }
    let ok = ReplyDoc::Ok { sender: SenderDoc::default(), keeps_user_ids: false };
    assert_eq!(ok.settled().unwrap_err().field, "is");
}

#[test]
fn a_memo_is_kept_and_recalled_as_it_was() {
    let (account, name) = ("acc_1".to_owned(), "task/c1".to_owned());
    let value = Some("7480 7502".to_owned());
    pinned(
        &CommandDoc::KeepMemo { account: account.clone(), name: name.clone(), value },
        r#"{"do":"keep_memo","account":"acc_1","name":"task/c1","value":"7480 7502"}"#,
    );
    pinned(
        &CommandDoc::KeepMemo { account: account.clone(), name: name.clone(), value: None },
        r#"{"do":"keep_memo","account":"acc_1","name":"task/c1"}"#,
    );
    pinned(
        &CommandDoc::RecallMemo { account, key: "key_1".to_owned(), name },
        r#"{"do":"recall_memo","account":"acc_1","key":"key_1","name":"task/c1"}"#,
    );
}
