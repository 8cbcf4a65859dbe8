//! What a journal is told, in numbers small enough that commands meet each other.

use meter::credential::Sender;
use meter::entry::Hash;
use meter::ids::{AccountId, CallId, UpstreamId};
use meter::journal::{
    Admission, Attempt, Decision, Entrance, IdempotencyKey, Journal, Kept, KeptReply, Order,
    Question, Report, Settled,
};
use meter::refusal::Reason;
use meter::request::{Asked, SubjectKind};
use meter::route::Operation;
use meter::time::UnixMs;
use meter::usage::{Observed, Stage, Usage, WorkIds};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::news::{ACCOUNTS, KEYS, News, account_id, any_news, key_id, limits_of_key};

/// Calls that are told about at random have numbers below this.
pub(crate) const CALLS: u32 = 12;
/// From this number on they resume the runs of the calls from number zero on.
const FIRST_RESUME: u32 = 8;
/// This call's reply names the work of that one.
const TWIN: u32 = 4;
const TWIN_OF: u32 = 0;
/// Calls from this number on come and go in bursts.
pub(crate) const FIRST_BURST_CALL: u32 = 1_000;
/// More questions than calls can be open.
const QUESTIONS_MAX: usize = 1_000;

/// A call. Who makes it, with which key and for what follows from its number.
pub(crate) type Call = u32;

/// What happens to a journal.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Told(Command),
    /// An earlier command comes once more.
    Again(Index),
    /// Memory is lost, and rebuilt from what was stored.
    Reload,
    /// An earlier command comes once more; before its effects are stored, memory is lost.
    Lost(Index),
    /// So many other calls come and go.
    Burst(u32),
}

/// What a journal is told.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    Admit(Call),
    /// Somebody hands in what a call's tools gave.
    GoOn(Asker, Call),
    Note(Call, Work),
    Settle(Call, Said),
    /// The same of a call that upstream's bill will name.
    SettleStamped(Call, Said),
    /// Somebody asked how a call's work went.
    Follow(Asker, Call, Said),
    Answer(Call, Said),
    /// Time passes, in milliseconds, and the journal looks after its calls.
    LookAfter(u64),
    Apply(u64, News),
    /// An operator ends a call, with so many tokens or for nothing.
    Obey(Call, Option<u64>),
    /// Upstream's bill ends a call, with so many tokens or without counting any.
    Bill(Call, Option<u64>),
}

/// What a journal answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Entrance(Entrance),
    GoesOn(Result<(CallId, Sender), Reason>),
    Settled(Settled),
    Questions(Vec<Question>),
    Done,
}

/// Which account asks about a call's work.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asker {
    Owner,
    Stranger,
}

impl Asker {
    pub(crate) fn account(self, call: Call) -> AccountId {
        match self {
            Self::Owner => account_of(call),
            Self::Stranger => account_of(call + 1),
        }
    }
}

/// What is known of a call's work.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    Nothing,
    Log,
    Chat,
    ChatOfConversation,
    Execution,
}

/// What upstream says of a call's work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    pub(crate) status: Option<u16>,
    pub(crate) stage: Stage,
    pub(crate) tokens: Option<u64>,
    pub(crate) work: Work,
}

/// Puts a command to a journal. `kept` is what is stored under the idempotency key of an admission.
pub(crate) fn put(
    journal: &mut Journal,
    kept: Option<Kept>,
    command: &Command,
    now: UnixMs,
) -> Decision<Reply> {
    match *command {
        Command::Admit(call) => journal
            .admit(admission(call), kept, now)
            .map(|entrance| Reply::Entrance(plain(entrance))),
        Command::GoOn(asker, call) => {
            let (account, key) = (asker.account(call), admission(call).key);
            let gone_on = journal.go_on(&account, &key, &chat_id(call), now);
            Decision { reply: Reply::GoesOn(gone_on), effects: Vec::new() }
        }
        Command::Note(call, work) => {
            journal.note(&call_id(call), ids(call, work), now).map(|()| Reply::Done)
        }
        Command::Settle(call, said) => {
            let reply = Some(reply_of(call));
            journal.settle(&call_id(call), report(call, said), reply, now).map(Reply::Settled)
        }
        Command::SettleStamped(call, said) => {
            let (report, reply) = (report(call, said), Some(reply_of(call)));
            journal.settle_stamped(&call_id(call), report, reply, now).map(Reply::Settled)
        }
        Command::Follow(asker, call, said) => {
            journal.follow(&asker.account(call), report(call, said), now).map(Reply::Settled)
        }
        Command::Answer(call, said) => {
            journal.answer(&call_id(call), report(call, said), now).map(Reply::Settled)
        }
        Command::LookAfter(_) => journal.look_after(now, QUESTIONS_MAX).map(Reply::Questions),
        Command::Apply(upto, ref news) => journal.apply(news.change(upto)).map(|()| Reply::Done),
        Command::Obey(call, tokens) => {
            journal.obey(&call_id(call), order(tokens), now).map(Reply::Settled)
        }
        Command::Bill(call, tokens) => {
            journal.obey(&call_id(call), bill(tokens), now).map(Reply::Settled)
        }
    }
}

/// A refusal without its words: the opinion gives a reason, and no more.
fn plain(entrance: Entrance) -> Entrance {
    match entrance {
        Entrance::Refused(refusal) => Entrance::Refused(refusal.reason.into()),
        let_in => let_in,
    }
}

trait Map<T> {
    fn map<U>(self, into: impl FnOnce(T) -> U) -> Decision<U>;
}

impl<T> Map<T> for Decision<T> {
    fn map<U>(self, into: impl FnOnce(T) -> U) -> Decision<U> {
        Decision { reply: into(self.reply), effects: self.effects }
    }
}

pub(crate) fn call_id(call: Call) -> CallId {
    format!("c{call}").parse().unwrap()
}

fn account_of(call: Call) -> AccountId {
    // In bursts it is the account that may always call.
    account_id(if call < FIRST_BURST_CALL { u8::try_from(call).unwrap() % ACCOUNTS } else { 0 })
}

pub(crate) fn admission(call: Call) -> Admission {
    let key = if call < FIRST_BURST_CALL { u8::try_from(call).unwrap() % KEYS } else { KEYS };
    let account = account_of(call);
    Admission {
        call: call_id(call),
        key: key_id(key),
        limits: limits_of_key(key),
        asked: asked(call),
        attempt: attempt(&account, call),
        account,
        session: (call % 2 == 1).then(|| "5e".parse().unwrap()),
    }
}

fn asked(call: Call) -> Asked {
    let id = |id: &str| id.parse().unwrap();
    let run = Operation::WorkflowRun;
    let asked = match call % 5 {
        0 | 1 => Asked::new(run, SubjectKind::Workflow, id("per_call")),
        2 | 3 => Asked::new(run, SubjectKind::Workflow, id("per_token")),
        _ => {
            let speech = Asked::new(Operation::AudioSpeech, SubjectKind::Voice, id("per_unit"));
            return Asked { units: 7, ..speech };
        }
    };
    let is_resume = (FIRST_RESUME..CALLS).contains(&call);
    let event = format!("execution_{}/1", root(call));
    Asked { resumes: is_resume.then(|| id(&event)), ..asked }
}

/// The call whose work it is: a resume continues another call's run, and one call is answered by the
/// work of another that came before it. Any other call has work of its own.
pub(crate) fn root(call: Call) -> Call {
    match call {
        TWIN => TWIN_OF,
        FIRST_RESUME..CALLS => call - FIRST_RESUME,
        _ => call,
    }
}

/// Some calls have an idempotency key: one its own, two the same for the same request, two the same for
/// different ones.
fn attempt(account: &AccountId, call: Call) -> Option<Attempt> {
    let (key, request) = match call {
        0 => ("own", 0),
        2 | 6 => ("same", 0),
        1 => ("same", 1),
        5 => ("same", 2),
        _ => return None,
    };
    let key = IdempotencyKey::new(account, key).unwrap();
    Some(Attempt { key, request: Hash([request; 32]) })
}

pub(crate) fn reply_of(call: Call) -> KeptReply {
    KeptReply { status: 200, body: format!("of c{call}") }
}

pub(crate) fn order(tokens: Option<u64>) -> Order {
    let usage = |total| Usage { total, ..Usage::default() };
    tokens.map_or(Order::Release, |tokens| Order::Settle(Some(usage(tokens))))
}

pub(crate) fn bill(tokens: Option<u64>) -> Order {
    Order::Bill(tokens.map(|total| Usage { total, ..Usage::default() }))
}

pub(crate) fn chat_id(call: Call) -> UpstreamId {
    // What a resume continues is a run; a chat of that name would be another one.
    let call = if call == TWIN { TWIN_OF } else { call };
    format!("chat_{call}").parse().unwrap()
}

pub(crate) fn ids(call: Call, work: Work) -> WorkIds {
    let id = |kind: &str| Some(format!("{kind}_{call}").parse().unwrap());
    let nothing = WorkIds::default();
    match work {
        Work::Nothing => nothing,
        Work::Log => WorkIds { log: id("log"), ..nothing },
        Work::Chat => WorkIds { chat: Some(chat_id(call)), ..nothing },
        Work::ChatOfConversation => {
            WorkIds { chat: Some(chat_id(call)), conversation: id("conversation"), ..nothing }
        }
        Work::Execution => {
            let execution = format!("execution_{}", root(call)).parse().unwrap();
            WorkIds { execution: Some(execution), ..nothing }
        }
    }
}

pub(crate) fn report(call: Call, said: Said) -> Report {
    let Said { status, stage, tokens, work } = said;
    // No reader believes in the most tokens told here; their charge does not fit in an amount.
    let usage = tokens.map(|total| Usage { total, ..Usage::default() });
    let observed = Observed { stage, usage, ids: ids(call, work), ..Observed::nothing() };
    Report { status, observed }
}

fn any_asker() -> impl Strategy<Value = Asker> {
    select(vec![Asker::Owner, Asker::Owner, Asker::Stranger])
}

fn any_work() -> impl Strategy<Value = Work> {
    use Work::{Chat, ChatOfConversation, Execution, Log, Nothing};
    let chat = [Chat, ChatOfConversation, ChatOfConversation];
    select([&[Nothing, Log][..], &chat, &[Execution; 3]].concat())
}

fn any_tokens() -> impl Strategy<Value = u64> {
    select(vec![0, 1, 20, 300, 4_000, u64::MAX])
}

fn any_said() -> impl Strategy<Value = Said> {
    let status = select(vec![Some(200), Some(200), Some(200), Some(500), None]);
    let tokens = prop::option::of(any_tokens());
    (status, select(Stage::ALL.to_vec()), tokens, any_work())
        .prop_map(|(status, stage, tokens, work)| Said { status, stage, tokens, work })
}

fn any_jump() -> impl Strategy<Value = u64> {
    const SECOND: u64 = 1_000;
    const MINUTE: u64 = 60 * SECOND;
    const HOUR: u64 = 60 * MINUTE;
    select(vec![
        0,
        SECOND,
        5 * SECOND,
        MINUTE,
        91 * SECOND,
        11 * MINUTE,
        20 * MINUTE,
        25 * HOUR,
        31 * 24 * HOUR,
    ])
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        8 => (0..CALLS).prop_map(Command::Admit),
        2 => (any_asker(), 0..CALLS).prop_map(|(asker, call)| Command::GoOn(asker, call)),
        3 => (0..CALLS, any_work()).prop_map(|(call, work)| Command::Note(call, work)),
        6 => (0..CALLS, any_said()).prop_map(|(call, said)| Command::Settle(call, said)),
        2 => (0..CALLS, any_said()).prop_map(|(call, said)| Command::SettleStamped(call, said)),
        3 => (any_asker(), 0..CALLS, any_said())
            .prop_map(|(asker, call, said)| Command::Follow(asker, call, said)),
        3 => (0..CALLS, any_said()).prop_map(|(call, said)| Command::Answer(call, said)),
        3 => any_jump().prop_map(Command::LookAfter),
        1 => (0..CALLS, prop::option::of(any_tokens()))
            .prop_map(|(call, tokens)| Command::Obey(call, tokens)),
        1 => (0..CALLS, prop::option::of(any_tokens()))
            .prop_map(|(call, tokens)| Command::Bill(call, tokens)),
        2 => (0..40u64, any_news()).prop_map(|(upto, news)| Command::Apply(upto, news)),
    ]
}

/// Anything that may happen to a few calls.
pub(crate) fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        20 => any_command().prop_map(Event::Told),
        3 => any::<Index>().prop_map(Event::Again),
        2 => Just(Event::Reload),
        1 => any::<Index>().prop_map(Event::Lost),
    ]
}

/// Anything, and now and then more calls than there are entries between two marks.
pub(crate) fn any_event_or_burst() -> impl Strategy<Value = Event> {
    prop_oneof![12 => any_event(), 1 => (1..1_300u32).prop_map(Event::Burst)]
}
