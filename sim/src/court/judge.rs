//! What became durable, held against the laws.

use meter::account::{Overdraft, Status};
use meter::entry::{Ending, Entry};
use meter::journal::{CallNo, HOLD_LIFE_MAX_MS, Hold, RECENT_MAX, UNNAMED_LIFE_MAX_MS};
use meter::outcome::Source;
use meter::price::{Price, Terms};
use meter::usage::WorkIds;

use crate::shelf::Seen;
use crate::upstream::Work;
use crate::world::Call;

use super::{Case, Court, Docket, Ended};

/// So many rows back every call is known to its journal, the finished ones too: more than so many never
/// overtake a call that is open.
const KNOWN_ROWS_MIN: CallNo = RECENT_MAX as CallNo / 2;

/// How long after its time a call without a name is ended at the latest.
const LATE_MAX_MS: u64 = 60 * 60 * 1_000;

impl Court {
    /// Looks at something that is durable now.
    pub(crate) fn judge(&mut self, case: &Case<'_>, seen: Seen) {
        if self.benches[case.journal].excepted.is_some() {
            // Enough is kept in mind that upstream's own law can still be looked at.
            if let Seen::Held(hold) = seen {
                self.dockets[case.number].hold = Some(hold.amount);
            }
            return;
        }
        match seen {
            Seen::Held(hold) => self.judge_hold(case, &hold),
            Seen::Learned(hold) => {
                self.dockets[case.number].named |= hold.ids.can_be_asked();
                self.dockets[case.number].is_known |= is_made(&hold.ids);
            }
            Seen::Ended(entry) => self.judge_entry(case, &entry),
        }
    }

    fn judge_hold(&mut self, case: &Case<'_>, hold: &Hold) {
        let Case { number, call, journal, local, .. } = *case;
        if self.dockets[number].hold.is_some() {
            return self.break_law("a call is let in once", call.id.to_string());
        }
        self.dockets[number] = Docket {
            hold: Some(hold.amount),
            terms: Some(hold.terms),
            row: hold.call_no,
            admitted_at: local,
            seen_at: local,
            stored_at: local,
            named: hold.ids.can_be_asked(),
            ..Docket::default()
        };
        self.held[call.account] += i128::from(hold.amount.get());
        self.benches[journal].open.insert(number);
        self.benches[journal].newest = hold.call_no;
        self.check_entrance(case, hold);
    }

    /// The call was let in by what its journal had been told.
    fn check_entrance(&mut self, case: &Case<'_>, hold: &Hold) {
        let Case { call, journal, ledger, .. } = *case;
        let bench = &self.benches[journal];
        let id = &call.id;
        let Some(account) = bench.accounts.get(&call.account) else {
            return self.break_law("an account that is not known may not call", id.to_string());
        };
        if account.status == Status::Suspended {
            return self.break_law("a suspended account may not call", id.to_string());
        }
        if bench.revoked.contains(&call.key) {
            return self.break_law("a revoked key may not call", id.to_string());
        }
        let book = ledger.books.get(&bench.book);
        let terms = book.and_then(|book| book.terms(&account.id, &account.group, &call.asked).ok());
        if book.is_some() && terms != Some(hold.terms) {
            let detail = format!("{id}: {:?}, the book says {terms:?}", hold.terms);
            return self.break_law("a price is the one in force at admission", detail);
        }
        if let Overdraft::Limit(limit) = account.overdraft {
            let used = self.spent[call.account] + self.held[call.account];
            let means = i128::from(account.credits.get()) + i128::from(limit.get());
            if used > means {
                let detail = format!("{id}: {used} of {means} nanos are spent and held");
                self.break_law("no account is let in beyond its means", detail);
            }
        }
    }

    fn judge_entry(&mut self, case: &Case<'_>, entry: &Entry) {
        let Case { number, call, journal, .. } = *case;
        let id = &call.id;
        let tail = self.tail(journal);
        let facts = &entry.facts;
        let is_next = entry.tail.seq == tail.seq + 1;
        if !is_next || tail.total.plus(facts.amount) != Ok(entry.tail.total) {
            let detail = format!("{id}: {:?} behind {tail:?}", entry.tail);
            return self.break_law("entries follow each other", detail);
        }
        self.benches[journal].tail = Some(entry.tail);
        self.benches[journal].made_at.push(case.now);
        let docket = &self.dockets[number];
        if let Some(ended) = docket.ended {
            let detail = format!("{id}: {ended:?}, and then {:?} {}", facts.ending, facts.amount);
            return self.break_law("a call ends once", detail);
        }
        let Some(hold) = docket.hold else {
            return self.break_law("a call that ends was held", id.to_string());
        };
        let tokens = facts.reading.usage.map(|usage| usage.total);
        let charged = charge(docket.terms, call, facts.ending, tokens);
        if charged != i128::from(facts.amount.get()) {
            let detail = format!("{id}: {} nanos, its terms give {charged}", facts.amount);
            return self.break_law("a charge is what its terms and reading give", detail);
        }
        let is_unknown = facts.lacks_usage();
        let is_old = self.is_old(case);
        let is_by_call = facts.ending == Ending::Settled && tokens.is_none();
        let ended = Ended { amount: facts.amount, is_unknown, is_by_call, is_old };
        self.dockets[number].ended = Some(ended);
        self.dockets[number].is_known = is_made(&facts.ids);
        self.spent[call.account] += i128::from(facts.amount.get());
        self.held[call.account] -= i128::from(hold.get());
        self.benches[journal].open.remove(&number);
        match facts.ending {
            Ending::Settled => self.judge_settled(case, entry, tokens),
            Ending::Released => self.judge_released(case),
            Ending::Expired => self.judge_expired(case),
        }
    }

    fn judge_settled(&mut self, case: &Case<'_>, entry: &Entry, tokens: Option<u64>) {
        let Case { number, call, work, now, .. } = *case;
        let id = &call.id;
        let Some(work) = work else {
            return self.break_law("nothing is charged for what never began", id.to_string());
        };
        let Some(tokens) = tokens else {
            let is_excused = work.told_no_usage
                || entry.facts.reading.source == Source::Bill
                || self.is_share_lost(case);
            let needs = entry.facts.terms.price.needs_usage();
            if needs && !is_excused {
                self.break_law("usage is asked for before it is given up", id.to_string());
            }
            return;
        };
        let used = work.used(now);
        let billed = self.billed.entry(call.work.unwrap_or_default()).or_default();
        *billed += tokens;
        let billed = *billed;
        if billed > used {
            let detail =
                format!("{id}: {billed} tokens are billed for {}, {used} were used", work.name());
            return self.break_law("nothing is charged twice", detail);
        }
        let is_old = self.is_old(case);
        if !work.kind.is_run() && billed < used && !is_old {
            let detail = format!("{id}: {billed} of {used} tokens are billed for {}", work.name());
            self.break_law("nothing that was used is lost", detail);
        }
        let _ = number;
    }

    /// Only what used nothing is let go for nothing. A run's leg may have been charged with another one;
    /// its legs are looked at together when all is over.
    fn judge_released(&mut self, case: &Case<'_>) {
        let Case { number, call, work, now, .. } = *case;
        let Some(work) = work.filter(|work| !work.kind.is_run()) else { return };
        let own = work.legs.iter().filter(|leg| leg.call == number).map(Work::charged).sum::<u64>();
        if own > 0 || work.is_running(now) {
            let detail = format!("{}: {own} tokens of {}", call.id, work.name());
            self.break_law("nothing that was used is let go", detail);
        }
    }

    /// A call is given up only when nobody could have learned more.
    fn judge_expired(&mut self, case: &Case<'_>) {
        let Case { number, call, work, local, .. } = *case;
        let docket = &self.dockets[number];
        let is_quiet = local.since(docket.seen_at) >= UNNAMED_LIFE_MAX_MS;
        let is_unnamed = !docket.named && (is_quiet || docket.told_nothing);
        let was_told = work.is_some_and(|work| work.told_no_usage);
        let is_late = local.since(docket.seen_at) >= UNNAMED_LIFE_MAX_MS + LATE_MAX_MS;
        if !docket.named && !docket.jumped && is_late {
            let detail = format!("{}: {docket:?}", call.id);
            return self.break_law("a call without a name is not waited for longer", detail);
        }
        if !is_unnamed && !was_told && !self.is_old(case) && !self.is_share_lost(case) {
            let detail = format!("{}: {docket:?}", call.id);
            self.break_law("a call is given up only when nobody can tell", detail);
        }
    }

    /// Upstream states a run as a whole, and how much of it is this leg's cannot be known: what another leg
    /// used could not be learned, or the first one ended so long ago that its journal need not know of it.
    fn is_share_lost(&self, case: &Case<'_>) -> bool {
        let Some(work) = case.work.filter(|work| work.kind.is_run()) else { return false };
        let mut others = work.legs.iter().filter(|leg| leg.call != case.number);
        let is_unknown = |call: usize| self.dockets[call].ended.is_some_and(|it| it.is_unknown);
        let first = work.legs.first().map_or(case.number, |leg| leg.call);
        let rows_since = self.benches[case.journal].newest.saturating_sub(self.dockets[first].row);
        others.any(|leg| is_unknown(leg.call))
            || first != case.number && rows_since >= KNOWN_ROWS_MIN
    }

    /// The call is as old as a call may get.
    fn is_old(&self, case: &Case<'_>) -> bool {
        case.local.since(self.dockets[case.number].admitted_at) >= HOLD_LIFE_MAX_MS
    }
}

/// Whether these name a chat or a run.
fn is_made(ids: &WorkIds) -> bool {
    ids.chat.is_some() || ids.execution.is_some()
}

/// What a call costs, by an arithmetic of its own: prices here are whole nanos, ratios whole numbers.
pub(crate) fn charge(
    terms: Option<Terms>,
    call: &Call,
    ending: Ending,
    tokens: Option<u64>,
) -> i128 {
    let Some(Terms { price, ratio, .. }) = terms else { return 0 };
    if ending != Ending::Settled {
        return 0;
    }
    let ratio = i128::from(ratio.ppm()) / 1_000_000;
    let plain = match price {
        Price::PerCall { amount } => i128::from(amount.get()),
        Price::PerToken { input_per_million, .. } => {
            let rate = i128::from(input_per_million.get()) / 1_000_000;
            i128::from(tokens.unwrap_or_default()) * rate
        }
        Price::PerUnit { amount } => i128::from(amount.get()) * i128::from(call.asked.units),
        Price::CostPlus { .. } | Price::Free => 0,
    };
    plain * ratio
}
