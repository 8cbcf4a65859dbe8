//! Bugs that were found once, each as small as it gets, so that they are not found again.

#![cfg(test)]

use std::collections::BTreeMap;

use meter::account::{Account, Limits, Overdraft, Settings, Status};
use meter::entry::{Ending, Facts};
use meter::ids::{AccountId, CallId, Group};
use meter::journal::{
    ASK_PAUSE_MAX_MS, ASK_PAUSE_MIN_MS, Admission, CallNo, Change, Decision, Effect, Entrance,
    Hold, Journal, MARK_EVERY, Mark, Order, QUIET_MAX_MS, RECENT_MAX, Report, SIGN_STORED_EVERY_MS,
    Settled, Spent, Stored, UNNAMED_LIFE_MAX_MS,
};
use meter::money::Nanos;
use meter::outcome::{Outcome, Told, decide};
use meter::price::{Price, PriceBook, Scope};
use meter::refusal::Reason;
use meter::request::{Asked, SubjectKind};
use meter::route::Operation;
use meter::sse::Event;
use meter::time::UnixMs;
use meter::usage::coze_chat::{self, ChatStream};
use meter::usage::coze_workflow::{self, WorkflowStream};
use meter::usage::{Observed, Stage, Usage, WorkIds};

const NOW: UnixMs = UnixMs::new(1_764_000_000_000);

// --- readers -------------------------------------------------------------------------------------

/// Contract §3, "error place" (line 362): the top-level code is only about the retrieve call itself.
#[test]
fn a_question_about_a_chat_that_upstream_turned_down_releases_nothing() {
    for code in [4100, 4009, 5000, 4001] {
        let body = format!(r#"{{"code":{code},"msg":"no"}}"#);
        let observed = coze_chat::read_retrieved(body.as_bytes());
        let outcome = decide(Some(200), &observed, Told::ByAsking, true);
        assert_eq!(outcome, Outcome::AskLater, "code {code}");
    }
}

fn chat_completed(data: &str) -> Observed {
    let mut stream = ChatStream::new();
    let name = b"conversation.chat.completed";
    stream.take(Event { name, data: data.as_bytes(), truncated: false });
    stream.finish()
}

/// Contract §10 and `usage/count.rs`: what is no count is no number, and never an error.
#[test]
fn an_absurd_count_does_not_hide_that_the_chat_completed() {
    let observed =
        chat_completed(r#"{"id":"1","status":"completed","usage":{"token_count":1e400}}"#);
    assert_eq!(observed.stage, Stage::Completed);
}

/// Contract §9 no. 44: some servers write ids as numbers. The usage beside one is still usage.
#[test]
fn an_id_that_is_a_number_does_not_hide_the_usage_beside_it() {
    let observed = chat_completed(r#"{"id":1,"status":"completed","usage":{"token_count":140}}"#);
    assert_eq!(observed.usage.map(|usage| usage.total), Some(140));
}

/// Contract §2.3 (line 305): keep the last non-null usage; `token` is what came before there was one.
#[test]
fn an_old_token_counter_behind_a_usage_does_not_take_its_place() {
    let mut stream = WorkflowStream::new();
    let mut message = |data: &str| {
        stream.take(Event { name: b"Message", data: data.as_bytes(), truncated: false });
    };
    message(r#"{"content":"a","usage":{"token_count":365,"input_count":310,"output_count":55}}"#);
    message(r#"{"content":"b","token":0,"cost":"0"}"#);
    assert_eq!(stream.finish().usage.map(|usage| usage.total), Some(365));
}

/// Contract §0 rule 1: an *absent* code is success. A list of nothing is no run reply at all, and a code
/// that is not understood is not absent.
#[test]
fn what_is_no_run_reply_is_not_a_completed_run() {
    for body in ["[]", r#"{"code":"invalid_param","msg":"no"}"#] {
        assert_ne!(coze_workflow::read_run(body.as_bytes()).stage, Stage::Completed, "{body}");
    }
}

// --- journal -------------------------------------------------------------------------------------

/// A journal of two accounts that may always call, at one nano a token.
fn journal() -> Journal {
    let mut journal = Journal::load(Stored::nothing(), 1, NOW);
    let _ = journal.apply(change());
    journal
}

fn change() -> Change {
    let account = |id: &str| Account {
        id: id.parse().unwrap(),
        status: Status::Active,
        group: Group::standard(),
        overdraft: Overdraft::Unlimited,
        credits: Nanos::ZERO,
        settings: Settings::default(),
    };
    let nano = Nanos::new(1_000_000);
    let price = Price::PerToken { input_per_million: nano, output_per_million: nano };
    let prices = BTreeMap::from([(Scope::Coze, price)]);
    let book = Some(PriceBook { version: 1, prices, ..PriceBook::initial() });
    Change { upto: 1, accounts: vec![account("a"), account("b")], book, ..Change::default() }
}

fn call(id: &str) -> CallId {
    id.parse().unwrap()
}

fn account(id: &str) -> AccountId {
    id.parse().unwrap()
}

fn asks(id: &str, account: &str, resumes: Option<&str>) -> Admission {
    let workflow = "7480".parse().unwrap();
    let asked = Asked::new(Operation::WorkflowStreamRun, SubjectKind::Workflow, workflow);
    let resumes = resumes.map(|event| event.parse().unwrap());
    Admission {
        call: id.parse().unwrap(),
        account: account.parse().unwrap(),
        key: "k".parse().unwrap(),
        limits: Limits::default(),
        asked: Asked { resumes, ..asked },
        attempt: None,
        session: None,
    }
}

#[track_caller]
fn admit(journal: &mut Journal, asks: Admission) -> Vec<Effect> {
    let Decision { reply, effects } = journal.admit(asks, None, NOW);
    assert!(matches!(reply, Entrance::Admitted(_)), "{reply:?}");
    effects
}

fn of_run(stage: Stage, tokens: u64) -> Report {
    let usage = Some(Usage { total: tokens, ..Usage::default() });
    let ids = WorkIds { execution: Some("x".parse().unwrap()), ..WorkIds::default() };
    let observed = Observed { stage, usage, ids, ..Observed::nothing() };
    Report { status: Some(200), observed }
}

fn entry(effects: &[Effect]) -> &Facts {
    let finish = effects.iter().find_map(|effect| match effect {
        Effect::Finish(_, entry) => Some(&entry.facts),
        _ => None,
    });
    finish.expect("the call is finished")
}

/// Contract §9 no. 12 and 18: an interrupted leg and the leg that resumes it are two charges. The caller
/// has the interrupt before the journal has the settlement, and may resume in between.
#[test]
fn an_interrupted_run_is_billed_even_when_its_resume_arrives_before_its_settlement() {
    let mut journal = journal();
    admit(&mut journal, asks("first", "a", None));
    admit(&mut journal, asks("resume", "a", Some("x/1")));
    let settled = journal.settle(&call("first"), of_run(Stage::Interrupted, 50), None, NOW);
    let facts = entry(&settled.effects);
    assert_eq!((facts.ending, facts.amount), (Ending::Settled, Nanos::new(50)));
}

/// The same race with a first leg whose execution was noted: the open resume is not told what the first
/// leg was billed, and is billed the whole when upstream is asked.
#[test]
fn a_whole_execution_that_upstream_states_is_billed_once_over_its_legs() {
    let mut journal = journal();
    admit(&mut journal, asks("first", "a", None));
    let _ = journal.note(&call("first"), of_run(Stage::Running, 0).observed.ids, NOW);
    admit(&mut journal, asks("resume", "a", Some("x/1")));
    let _ = journal.settle(&call("first"), of_run(Stage::Interrupted, 50), None, NOW);
    let _ = journal.answer(&call("resume"), of_run(Stage::Completed, 120), NOW);
    assert_eq!(journal.tail().total, Nanos::new(120));
}

/// `journal/mod.rs`, invariants: any command may come twice; the second changes nothing. After a load,
/// only the entries behind the last mark are remembered: right after a mark none is, and an admission
/// that comes again is held, billed and entered a second time.
#[test]
fn a_finished_call_is_not_admitted_again_after_a_mark_and_a_reload() {
    let mut journal = journal();
    let mut mark: Option<(Mark, Vec<(AccountId, Spent)>)> = None;
    let mut earlier = Vec::new();
    for number in 1..=MARK_EVERY {
        let id = format!("c{number}");
        admit(&mut journal, asks(&id, "a", None));
        let report = Report {
            observed: Observed { ids: WorkIds::default(), ..of_run(Stage::Completed, 1).observed },
            status: Some(200),
        };
        for effect in journal.settle(&call(&id), report, None, NOW).effects {
            match effect {
                Effect::Mark(made, spent, _) => mark = Some((made, spent)),
                Effect::Finish(_, entry) => earlier.push(entry),
                _ => {}
            }
        }
    }
    let (mark, spent) = mark.expect("a mark was made");
    let Change { accounts, book, upto, .. } = change();
    let spent_by = |id: &AccountId| spent.iter().find(|(spender, _)| spender == id);
    let stored = Stored {
        mark,
        accounts: accounts
            .into_iter()
            .map(|it| (it.clone(), spent_by(&it.id).map_or_else(Spent::default, |it| it.1.clone())))
            .collect(),
        book,
        next_book: None,
        applied: upto,
        earlier,
        ..Stored::nothing()
    };
    let mut journal = Journal::load(stored, MARK_EVERY + 1, NOW);
    let again = journal.admit(asks(&format!("c{MARK_EVERY}"), "a", None), None, NOW);
    assert!(!matches!(again.reply, Entrance::Admitted(_)), "{:?}", again.reply);
}

/// `entry.rs`: the status is that of upstream's reply to the call. A question of ours that failed is
/// another reply.
#[test]
fn a_failed_question_leaves_no_trace_in_the_status_of_a_call() {
    let mut journal = journal();
    admit(&mut journal, asks("c", "a", None));
    let _ = journal.note(&call("c"), of_run(Stage::Running, 0).observed.ids, NOW);
    let failed = Report { status: Some(500), observed: Observed::nothing() };
    let _ = journal.answer(&call("c"), failed, NOW);
    let settled = journal.answer(&call("c"), of_run(Stage::Completed, 9), NOW);
    assert_ne!(entry(&settled.effects).status, Some(500));
}

/// `account.rs`: held is the sum of the open holds. It is kept saturating, and saturated it loses count.
#[test]
fn holds_of_absurd_amounts_are_still_counted_one_by_one() {
    let mut journal = Journal::load(Stored::nothing(), 1, NOW);
    let half = Price::PerCall { amount: Nanos::new(i64::MAX / 2 + 1) };
    let book =
        PriceBook { prices: BTreeMap::from([(Scope::Coze, half)]), ..change().book.unwrap() };
    let _ = journal.apply(Change { book: Some(book), ..change() });
    admit(&mut journal, asks("one", "a", None));
    // Two of them cannot be counted together, so the second is not let in.
    let second = journal.admit(asks("two", "a", None), None, NOW);
    assert_eq!(second.reply, Entrance::Refused(Reason::BalanceExhausted.into()));
    let failed = Report { status: Some(500), observed: Observed::nothing() };
    let _ = journal.settle(&call("one"), failed, None, NOW);
    let open: i64 = journal.holds().map(|hold: &Hold| hold.amount.get()).sum();
    assert_eq!(journal.standing(&account("a")).unwrap().held, Nanos::new(open));
}

/// `journal/mod.rs`: the pause between two questions doubles up to a minute. Doubled as bits, it ran out
/// of them after an hour of asking, and upstream was then asked without any pause at all.
#[test]
fn upstream_is_never_asked_without_a_pause_however_often_it_was_asked() {
    let mut journal = journal();
    admit(&mut journal, asks("c", "a", None));
    let _ = journal.note(&call("c"), of_run(Stage::Running, 0).observed.ids, NOW);
    let mut now = NOW.plus_ms(QUIET_MAX_MS);
    for question in 0..200 {
        assert_eq!(journal.look_after(now, 10).reply.len(), 1, "question {question}");
        let next = journal.wake_at().expect("the call is still open");
        let pause_ms = next.since(now);
        assert!((ASK_PAUSE_MIN_MS..=ASK_PAUSE_MAX_MS).contains(&pause_ms), "{pause_ms} ms");
        now = next;
    }
}

fn of_chat(stage: Stage, tokens: Option<u64>) -> Report {
    let usage = tokens.map(|total| Usage { total, ..Usage::default() });
    let id = |text: &str| Some(text.parse().unwrap());
    let ids = WorkIds { chat: id("chat"), conversation: id("conv"), ..WorkIds::default() };
    let observed = Observed { stage, usage, ids, ..Observed::nothing() };
    Report { status: Some(200), observed }
}

fn asks_for_chat(id: &str) -> Admission {
    let asked = Asked::new(Operation::Chat, SubjectKind::Bot, "7490".parse().unwrap());
    Admission { asked, ..asks(id, "a", None) }
}

/// Contract §4.3: tool outputs go on with the same chat. That one request was turned down says nothing
/// about the chat, which has used something and still waits: it was let go for nothing.
#[test]
fn tool_outputs_that_were_turned_down_do_not_let_the_chat_go_for_nothing() {
    for refused in [
        Report { status: Some(429), observed: Observed::nothing() },
        Report {
            observed: Observed { ids: WorkIds::default(), ..of_chat(Stage::Failed, None).observed },
            status: Some(200),
        },
    ] {
        for used in [Some(50), None] {
            let mut journal = journal();
            admit(&mut journal, asks_for_chat("c"));
            let _ = journal.settle(&call("c"), of_chat(Stage::AwaitsTools, used), None, NOW);
            let chat = "chat".parse().unwrap();
            assert!(journal.go_on(&account("a"), &"k".parse().unwrap(), &chat, NOW).is_ok());
            let turned_down = journal.settle(&call("c"), refused.clone(), None, NOW);
            assert_eq!(turned_down.reply, Settled::Open, "{refused:?} {used:?}");
            let done = journal.answer(&call("c"), of_chat(Stage::Completed, Some(70)), NOW);
            assert_eq!(entry(&done.effects).amount, Nanos::new(70));
        }
    }
}

/// The same chat fails at last: nothing more was used, and what was reported before stays used.
#[test]
fn a_chat_that_fails_after_its_tools_is_charged_what_was_reported_before() {
    let mut journal = journal();
    admit(&mut journal, asks_for_chat("c"));
    let _ = journal.settle(&call("c"), of_chat(Stage::AwaitsTools, Some(50)), None, NOW);
    let failed = journal.answer(&call("c"), of_chat(Stage::Failed, None), NOW);
    assert_eq!(entry(&failed.effects).amount, Nanos::new(50));
}

/// `bill/complete.rs`: a call that upstream can be asked about is left to the journal. The origin orders by
/// what it was told last, which may be long ago: meanwhile the call has got its name, and goes on.
#[test]
fn the_bill_does_not_end_a_call_that_has_got_a_name_meanwhile() {
    let mut journal = journal();
    admit(&mut journal, asks_for_chat("c"));
    let _ = journal.settle(&call("c"), of_chat(Stage::AwaitsTools, Some(50)), None, NOW);
    let bill = Order::Bill(Some(Usage { total: 50, ..Usage::default() }));
    let ordered = journal.obey(&call("c"), bill, NOW);
    assert_eq!((ordered.reply, ordered.effects), (Settled::Open, Vec::new()));
    let done = journal.answer(&call("c"), of_chat(Stage::Completed, Some(70)), NOW);
    assert_eq!(entry(&done.effects).amount, Nanos::new(70));
}

/// Finishes so many other calls, so that what was finished before them is forgotten.
fn forget_earlier_calls(journal: &mut Journal, others: usize) {
    for number in 0..others {
        let id = format!("other{number}");
        admit(journal, asks(&id, "b", None));
        let failed = Report { status: Some(500), observed: Observed::nothing() };
        let _ = journal.settle(&call(&id), failed, None, NOW);
    }
}

fn silent(stage: Stage) -> Report {
    let report = of_run(stage, 0);
    Report { observed: Observed { usage: None, ..report.observed }, ..report }
}

/// `journal/recent.rs`: what was billed for a run went with the oldest of its calls, although a newer leg
/// was still remembered: the next leg was then billed the whole once more.
#[test]
fn what_was_billed_for_a_run_is_remembered_as_long_as_its_newest_leg() {
    let mut journal = journal();
    admit(&mut journal, asks("first", "a", None));
    let _ = journal.settle(&call("first"), of_run(Stage::Interrupted, 50), None, NOW);
    forget_earlier_calls(&mut journal, RECENT_MAX / 2);
    admit(&mut journal, asks("second", "a", Some("x/1")));
    let _ = journal.settle(&call("second"), of_run(Stage::Interrupted, 20), None, NOW);
    for number in 0..=RECENT_MAX / 2 {
        let id = format!("more{number}");
        admit(&mut journal, asks(&id, "b", None));
        let failed = Report { status: Some(500), observed: Observed::nothing() };
        let _ = journal.settle(&call(&id), failed, None, NOW);
    }
    admit(&mut journal, asks("third", "a", Some("x/2")));
    let _ = journal.settle(&call("third"), silent(Stage::Completed), None, NOW);
    let third = journal.answer(&call("third"), of_run(Stage::Completed, 100), NOW);
    assert_eq!(entry(&third.effects).amount, Nanos::new(30));
}

/// An interrupt is answered after so many other calls that its own is forgotten. What upstream states is
/// the whole run; how much of it was billed before is not known any more, and not guessed.
#[test]
fn a_resume_of_a_run_that_is_forgotten_is_not_billed_the_whole() {
    let mut journal = journal();
    admit(&mut journal, asks("first", "a", None));
    let _ = journal.settle(&call("first"), of_run(Stage::Interrupted, 50), None, NOW);
    forget_earlier_calls(&mut journal, RECENT_MAX + 1);
    admit(&mut journal, asks("resume", "a", Some("x/1")));
    let _ = journal.settle(&call("resume"), silent(Stage::Completed), None, NOW);
    let resume = journal.answer(&call("resume"), of_run(Stage::Completed, 70), NOW);
    let facts = entry(&resume.effects);
    assert_eq!((facts.amount, facts.lacks_usage()), (Nanos::ZERO, true));
}

/// `journal/legs.rs`: while the first leg is open, a leg that came later was told nothing of those between
/// them, and billed the whole with what they had been billed already.
#[test]
fn the_whole_of_a_run_is_billed_less_its_legs_while_the_first_one_is_open() {
    for others in [0, RECENT_MAX + 1] {
        let mut journal = journal();
        admit(&mut journal, asks("first", "a", None));
        let _ = journal.settle(&call("first"), silent(Stage::Interrupted), None, NOW);
        admit(&mut journal, asks("second", "a", Some("x/1")));
        let _ = journal.settle(&call("second"), of_run(Stage::Interrupted, 20), None, NOW);
        forget_earlier_calls(&mut journal, others);
        admit(&mut journal, asks("third", "a", Some("x/2")));
        let _ = journal.settle(&call("third"), silent(Stage::Completed), None, NOW);
        let third = journal.answer(&call("third"), of_run(Stage::Completed, 100), NOW);
        assert_eq!(entry(&third.effects).amount, Nanos::new(80));
        let first = journal.answer(&call("first"), of_run(Stage::Completed, 100), NOW);
        assert_eq!(entry(&first.effects).amount, Nanos::ZERO);
    }
}

/// The same leg's own reply tells what it used itself, and is billed by that.
#[test]
fn a_resume_of_a_run_that_is_forgotten_is_billed_by_its_own_reply() {
    let mut journal = journal();
    admit(&mut journal, asks("resume", "a", Some("x/1")));
    let resume = journal.settle(&call("resume"), of_run(Stage::Completed, 20), None, NOW);
    assert_eq!(entry(&resume.effects).amount, Nanos::new(20));
}

/// A leg whose usage upstream did not tell is completed by the bill. The whole that it tells later holds that
/// leg, too: charged under another one it would be charged twice.
#[test]
fn the_whole_of_a_run_is_not_billed_when_a_leg_of_it_is_left_to_the_bill() {
    let mut journal = journal();
    admit(&mut journal, asks("first", "a", None));
    let _ = journal.settle(&call("first"), silent(Stage::Interrupted), None, NOW);
    admit(&mut journal, asks("resume", "a", Some("x/1")));
    let _ = journal.settle(&call("resume"), silent(Stage::Completed), None, NOW);
    let resume = journal.answer(&call("resume"), silent(Stage::Completed), NOW);
    assert!(entry(&resume.effects).lacks_usage());
    let first = journal.answer(&call("first"), of_run(Stage::Completed, 70), NOW);
    assert!(entry(&first.effects).lacks_usage());
    assert_eq!(journal.tail().total, Nanos::ZERO);
}

/// The journal as it is after it was loaded from these rows, which nothing but holds has changed.
fn reloaded(holds: &BTreeMap<CallNo, Hold>, now: UnixMs) -> Journal {
    let Change { accounts, book, upto, .. } = change();
    let stored = Stored {
        accounts: accounts.into_iter().map(|it| (it, Spent::default())).collect(),
        book,
        applied: upto,
        holds: holds.values().cloned().collect(),
        ..Stored::nothing()
    };
    Journal::load(stored, 1, now)
}

/// Stores what changed of the holds, and says how many rows that were.
fn store(holds: &mut BTreeMap<CallNo, Hold>, effects: Vec<Effect>) -> u64 {
    let rows = effects.len() as u64;
    for effect in effects {
        match effect {
            Effect::InsertHold(hold) | Effect::UpdateHold(hold) => {
                holds.insert(hold.call_no, hold);
            }
            Effect::Finish(call_no, _) => drop(holds.remove(&call_no)),
            _ => {}
        }
    }
    rows
}

/// `journal/load.rs`: an object is loaded anew whenever it was idle for a minute, and each load was taken for
/// a sign of life. A call that broke off without a name stayed open for 25 hours and not 20 minutes.
#[test]
fn a_call_without_a_name_is_not_waited_for_anew_after_each_reload() {
    let mut holds = BTreeMap::new();
    store(&mut holds, admit(&mut journal(), asks("c", "a", None)));
    for minute in (1..20).map(|minute| minute * 60_000) {
        let mut journal = reloaded(&holds, NOW.plus_ms(minute));
        assert_eq!(journal.wake_at(), Some(NOW.plus_ms(UNNAMED_LIFE_MAX_MS)));
        assert!(journal.look_after(NOW.plus_ms(minute), 9).effects.is_empty());
    }
    let end = NOW.plus_ms(UNNAMED_LIFE_MAX_MS);
    let ended = reloaded(&holds, end).look_after(end, 9);
    assert_eq!(entry(&ended.effects).ending, Ending::Expired);
}

/// The same for a call in somebody's hands: its signs of life outlive the object, for a row every five minutes.
#[test]
fn a_call_without_a_name_that_gives_signs_of_life_outlives_every_reload() {
    let mut holds = BTreeMap::new();
    store(&mut holds, admit(&mut journal(), asks("c", "a", None)));
    let (mut rows, minutes) = (0, 120);
    for minute in 1..=minutes {
        let now = NOW.plus_ms(minute * 60_000);
        let mut journal = reloaded(&holds, now);
        assert!(journal.look_after(now, 9).effects.is_empty(), "minute {minute}");
        rows += store(&mut holds, journal.note(&call("c"), WorkIds::default(), now).effects);
    }
    assert_eq!(rows, minutes * 60_000 / SIGN_STORED_EVERY_MS);
}

/// A call whose reply told nothing waits for the bill from its reply's end on, whatever is loaded anew.
#[test]
fn the_bill_is_waited_for_from_the_end_of_the_reply_after_a_reload_too() {
    let mut holds = BTreeMap::new();
    let mut journal = journal();
    store(&mut holds, admit(&mut journal, asks("c", "a", None)));
    let over = NOW.plus_ms(10 * 60_000);
    let cut = Report { status: None, observed: Observed::nothing() };
    let settled = journal.settle_stamped(&call("c"), cut, None, over);
    assert_eq!(settled.reply, Settled::Open);
    store(&mut holds, settled.effects);
    let wake_at = reloaded(&holds, over).wake_at();
    assert_eq!(wake_at, Some(over.plus_ms(UNNAMED_LIFE_MAX_MS)));
}

/// The same object asked upstream after 1, 2, 4 … seconds again each time that it had been loaded: about a run
/// of 24 hours every few seconds, and not every minute.
#[test]
fn the_pauses_between_questions_do_not_begin_anew_with_each_reload() {
    let mut holds = BTreeMap::new();
    let mut journal = journal();
    store(&mut holds, admit(&mut journal, asks("c", "a", None)));
    let ids = of_run(Stage::Running, 0).observed.ids;
    store(&mut holds, journal.note(&call("c"), ids, NOW).effects);
    for (age_ms, pause_ms) in [
        (0, ASK_PAUSE_MIN_MS),
        (8_000, 8_000),
        (ASK_PAUSE_MAX_MS, ASK_PAUSE_MAX_MS),
        (10 * 60 * ASK_PAUSE_MAX_MS, ASK_PAUSE_MAX_MS),
    ] {
        let now = NOW.plus_ms(age_ms);
        let mut journal = reloaded(&holds, now);
        assert_eq!(journal.look_after(now, 9).reply.len(), 1, "nobody else may look after it");
        assert_eq!(journal.wake_at(), Some(now.plus_ms(pause_ms)));
    }
}
