//! Which charge of upstream's is which call of ours.
//!
//! A charge with a stamp belongs to the call that it names. The others carry no name of ours, so they are
//! matched by what both sides know: bot or workflow, tokens in and out, and the time. That proves nothing
//! where several are alike, so a pair counts only where one call and one charge fit each other and
//! nothing else; anything else stays unmatched.
//!
//! Records with the same root and entity are one charge (contract §1.7: the root links the records of one
//! turn). Where such a group fits no call its records are tried by themselves.
//!
//! # Invariants
//! - A charge belongs to one call at most, and one with a stamp to no other than the one it names.
//! - The order of calls and charges does not matter.
//!
//! # Bounds
//! Time grows with the number of calls and charges, times its logarithm.

use std::collections::HashMap;

use super::Record;
use crate::ids::{AccountId, CallId};
use crate::request::{Subject, SubjectKind};
use crate::stamp::Stamp;
use crate::time::UnixMs;

/// How far from its call a charge without a stamp may have been consumed. Upstream tells it to the second.
pub const NEAR_MS: u64 = 5_000;

/// A call of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Which one.
    pub call: CallId,
    /// Who pays.
    pub account: AccountId,
    /// What was called.
    pub subject: Subject,
    /// When it was let in.
    pub admitted_at: UnixMs,
    /// When it ended.
    pub finished_at: UnixMs,
    /// Tokens in and out, where both are known.
    pub tokens: Option<(u64, u64)>,
}

/// A charge of upstream's: a record of its bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The call that its request was stamped with.
    pub stamp: Option<Stamp>,
    /// What it is booked on, where that is a bot or a workflow.
    pub subject: Option<Subject>,
    /// What links it to others of the same turn.
    pub root: Option<String>,
    /// When it was consumed.
    pub consumed_at: UnixMs,
    /// Tokens in and out.
    pub tokens: (u64, u64),
}

impl From<&Record> for Charge {
    fn from(record: &Record) -> Self {
        Self {
            stamp: record.stamp(),
            subject: subject(record.entity_kind, record.entity.as_deref()),
            root: record.root.clone(),
            consumed_at: record.consumed_at,
            tokens: record.tokens(),
        }
    }
}

/// What a record is booked on, where that is something a call names: 1 is a bot, 2 a workflow.
pub fn subject(entity_kind: Option<u64>, entity: Option<&str>) -> Option<Subject> {
    let kind = match entity_kind {
        Some(1) => SubjectKind::Bot,
        Some(2) => SubjectKind::Workflow,
        _ => return None,
    };
    Some(Subject { kind, id: entity?.parse().ok()? })
}

/// Which charges belong to which call, each by its place in what was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matches {
    /// For each call its charges, in their order; empty for a call that is ours only.
    pub of_call: Vec<Vec<usize>>,
    /// The charges that are theirs only, in their order.
    pub unmatched: Vec<usize>,
}

/// Finds the call of each charge.
pub fn compare(calls: &[Call], charges: &[Charge]) -> Matches {
    let mut of_call = vec![Vec::new(); calls.len()];
    let mut unstamped = Vec::new();
    let by_id: HashMap<&CallId, usize> =
        calls.iter().enumerate().map(|(place, call)| (&call.call, place)).collect();
    for (place, charge) in charges.iter().enumerate() {
        let Some(stamp) = &charge.stamp else {
            unstamped.push(place);
            continue;
        };
        let named = by_id.get(&stamp.call).copied();
        // A stamp that names another account than the call's is not one of ours.
        let named = named.filter(|at| calls.get(*at).is_some_and(|c| c.account == stamp.account));
        if let Some(charges) = named.and_then(|at| of_call.get_mut(at)) {
            charges.push(place);
        }
    }
    let groups = group(charges, &unstamped);
    let left = match_facts(calls, charges, groups, &mut of_call);
    let alone = left.into_iter().filter(|group| group.len() > 1);
    let alone = alone.flatten().map(|place| vec![place]).collect();
    match_facts(calls, charges, alone, &mut of_call);
    let mut is_matched = vec![false; charges.len()];
    for charges in &mut of_call {
        charges.sort_unstable();
        for charge in charges {
            if let Some(matched) = is_matched.get_mut(*charge) {
                *matched = true;
            }
        }
    }
    let unmatched = is_matched.iter().enumerate().filter(|(_, matched)| !**matched);
    Matches { unmatched: unmatched.map(|(place, _)| place).collect(), of_call }
}

/// The records of one turn together; one without a root is alone.
fn group(charges: &[Charge], unstamped: &[usize]) -> Vec<Vec<usize>> {
    let mut alone = Vec::new();
    let mut turns: HashMap<(&str, &Subject), Vec<usize>> = HashMap::new();
    for place in unstamped {
        let Some(charge) = charges.get(*place) else { continue };
        match (charge.root.as_deref(), &charge.subject) {
            (Some(root), Some(subject)) => turns.entry((root, subject)).or_default().push(*place),
            _ => alone.push(vec![*place]),
        }
    }
    alone.extend(turns.into_values());
    alone
}

/// Several records as one charge.
struct Joint {
    records: Vec<usize>,
    /// When the last of them was consumed.
    at: UnixMs,
}

/// What has to be equal on both sides.
type Alike<'a> = (&'a Subject, (u64, u64));

/// Matches groups with calls that have no charge yet; gives back the groups that fit none.
fn match_facts(
    calls: &[Call],
    charges: &[Charge],
    groups: Vec<Vec<usize>>,
    of_call: &mut [Vec<usize>],
) -> Vec<Vec<usize>> {
    let mut left = Vec::new();
    let mut alike: HashMap<Alike<'_>, (Vec<usize>, Vec<Joint>)> = HashMap::new();
    for records in groups {
        match joint(charges, &records) {
            Some((key, at)) => alike.entry(key).or_default().1.push(Joint { records, at }),
            None => left.push(records),
        }
    }
    for (place, call) in calls.iter().enumerate() {
        let is_free = of_call.get(place).is_some_and(Vec::is_empty);
        let Some(tokens) = call.tokens.filter(|_| is_free) else { continue };
        if let Some((calls, _)) = alike.get_mut(&(&call.subject, tokens)) {
            calls.push(place);
        }
    }
    for (places, mut joints) in alike.into_values() {
        joints.sort_unstable_by_key(|joint| joint.at);
        let pairs = pairs(calls, &places, &joints);
        for (joint, place) in joints.into_iter().zip(pairs) {
            match place.and_then(|place| of_call.get_mut(place)) {
                Some(charges) => charges.extend(joint.records),
                None => left.push(joint.records),
            }
        }
    }
    left
}

/// What a group has to be equal in, and when it was consumed; `None` for one that nothing can be told by.
fn joint<'a>(charges: &'a [Charge], records: &[usize]) -> Option<(Alike<'a>, UnixMs)> {
    let members: Vec<&Charge> = records.iter().filter_map(|place| charges.get(*place)).collect();
    let subject = members.first()?.subject.as_ref()?;
    let (mut input, mut output, mut at) = (0_u64, 0_u64, UnixMs::new(0));
    for charge in members {
        input = input.checked_add(charge.tokens.0)?;
        output = output.checked_add(charge.tokens.1)?;
        at = at.max(charge.consumed_at);
    }
    // Whatever used nothing is alike.
    (input > 0 || output > 0).then_some(((subject, (input, output)), at))
}

/// For each charge the one call that it fits, where it is the only one that fits that call, too.
///
/// Sorted by time, the charges that fit a call are neighbours. Each call is counted, and its number added,
/// where its neighbours begin, and taken back where they end; the sums up to a charge then say how many
/// calls fit it, and, where that is one, which.
fn pairs(calls: &[Call], places: &[usize], joints: &[Joint]) -> Vec<Option<usize>> {
    let ranges: Vec<(usize, usize)> = places
        .iter()
        .filter_map(|place| calls.get(*place))
        .map(|call| {
            let begin = UnixMs::new(call.admitted_at.get().saturating_sub(NEAR_MS));
            let end = call.finished_at.plus_ms(NEAR_MS);
            let first = joints.partition_point(|joint| joint.at < begin);
            (first, joints.partition_point(|joint| joint.at <= end))
        })
        .collect();
    let mut steps = vec![(0_i64, 0_i128); joints.len().saturating_add(1)];
    for (number, (first, behind)) in (0_i128..).zip(&ranges) {
        if let Some((count, sum)) = steps.get_mut(*first) {
            (*count, *sum) = (count.saturating_add(1), sum.saturating_add(number));
        }
        if let Some((count, sum)) = steps.get_mut(*behind) {
            (*count, *sum) = (count.saturating_sub(1), sum.saturating_sub(number));
        }
    }
    let (mut count, mut sum) = (0_i64, 0_i128);
    let mut found = Vec::with_capacity(joints.len());
    for ((more, further), joint) in steps.into_iter().zip(0..joints.len()) {
        (count, sum) = (count.saturating_add(more), sum.saturating_add(further));
        let only = usize::try_from(sum).ok().filter(|_| count == 1);
        // And this charge is all that fits the call.
        let only = only.filter(|call| ranges.get(*call) == Some(&(joint, joint.saturating_add(1))));
        found.push(only.and_then(|call| places.get(call)).copied());
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(number: usize, subject: u8, from: u64, to: u64, tokens: Option<(u64, u64)>) -> Call {
        Call {
            call: format!("c{number}").parse().unwrap(),
            account: "acc_1".parse().unwrap(),
            subject: workflow(subject),
            admitted_at: UnixMs::new(from),
            finished_at: UnixMs::new(to),
            tokens,
        }
    }

    fn workflow(number: u8) -> Subject {
        subject(Some(2), Some(&format!("748{number}"))).unwrap()
    }

    fn charge(at: u64, tokens: (u64, u64)) -> Charge {
        let (stamp, root) = (None, None);
        Charge { stamp, subject: Some(workflow(0)), root, consumed_at: UnixMs::new(at), tokens }
    }

    fn stamped(stamp: &str) -> Charge {
        Charge { stamp: Some(stamp.parse().unwrap()), ..charge(0, (9, 9)) }
    }

    #[track_caller]
    fn check(calls: &[Call], charges: &[Charge], want: &[&[usize]], unmatched: &[usize]) {
        let matches = compare(calls, charges);
        assert_eq!(matches.of_call, want);
        assert_eq!(matches.unmatched, unmatched);
    }

    const T: u64 = 1_763_700_000_000;

    #[test]
    fn a_stamp_decides_whatever_the_facts_say() {
        let calls = [call(1, 0, T, T, Some((1, 1))), call(2, 0, T, T, Some((9, 9)))];
        let charges = [stamped("acc_1.c1"), stamped("acc_1.c1"), stamped("acc_1.c3")];
        check(&calls, &charges, &[&[0, 1], &[]], &[2]);
        // Another account's name is somebody else's word.
        check(&calls, &[stamped("acc_2.c1")], &[&[], &[]], &[0]);
    }

    #[test]
    fn without_a_stamp_subject_tokens_and_time_have_to_fit() {
        let calls = [call(1, 0, T, T + 2_000, Some((3, 4)))];
        check(&calls, &[charge(T + 1_000, (3, 4))], &[&[0]], &[]);
        check(&calls, &[charge(T + 2_000 + NEAR_MS, (3, 4))], &[&[0]], &[]);
        check(&calls, &[charge(T - NEAR_MS, (3, 4))], &[&[0]], &[]);
        check(&calls, &[charge(T + 2_001 + NEAR_MS, (3, 4))], &[&[]], &[0]);
        check(&calls, &[charge(T - 1 - NEAR_MS, (3, 4))], &[&[]], &[0]);
        check(&calls, &[charge(T, (4, 3))], &[&[]], &[0]);
        let other = Charge { subject: Some(workflow(1)), ..charge(T, (3, 4)) };
        check(&calls, &[other], &[&[]], &[0]);
        let nothing = Charge { subject: None, ..charge(T, (3, 4)) };
        check(&calls, &[nothing], &[&[]], &[0]);
        // What is not known on our side, or is nothing, fits nothing.
        check(&[call(1, 0, T, T, None)], &[charge(T, (3, 4))], &[&[]], &[0]);
        check(&[call(1, 0, T, T, Some((0, 0)))], &[charge(T, (0, 0))], &[&[]], &[0]);
    }

    #[test]
    fn what_is_not_alone_stays_unmatched() {
        let one = call(1, 0, T, T, Some((3, 4)));
        let two = call(2, 0, T + 1_000, T + 1_000, Some((3, 4)));
        let far = call(3, 0, T + 60_000, T + 60_000, Some((3, 4)));
        let calls = [one.clone(), two, far.clone()];
        check(&calls, &[charge(T, (3, 4))], &[&[], &[], &[]], &[0]);
        check(&calls, &[charge(T + 60_000, (3, 4))], &[&[], &[], &[0]], &[]);
        let charges = [charge(T, (3, 4)), charge(T + 1_000, (3, 4))];
        check(&[one.clone(), far], &charges, &[&[], &[]], &[0, 1]);
        // A call that a stamp names needs no other charge.
        let charges = [charge(T, (3, 4)), stamped("acc_1.c2")];
        check(&calls[..2], &charges, &[&[0], &[1]], &[]);
    }

    #[test]
    fn records_of_one_turn_are_one_charge_and_otherwise_each_by_itself() {
        let turn = |tokens| Charge { root: Some("24".to_owned()), ..charge(T, tokens) };
        let calls = [call(1, 0, T, T, Some((5, 7)))];
        check(&calls, &[turn((2, 3)), turn((3, 4)), charge(T, (1, 1))], &[&[0, 1]], &[2]);
        check(&calls, &[turn((5, 7)), turn((3, 4))], &[&[0]], &[1]);
    }

    #[test]
    fn many_alike_calls_are_compared_in_little_time() {
        let number = 50_000;
        let calls: Vec<_> = (0..number).map(|n| call(n, 0, T, T + 1, Some((3, 4)))).collect();
        let charges: Vec<_> = (0..number).map(|_| charge(T, (3, 4))).collect();
        assert_eq!(compare(&calls, &charges).unmatched.len(), number);
    }

    /// The rule in its own words, by trying everything. Without turns.
    fn naive(calls: &[Call], charges: &[Charge]) -> Vec<Vec<usize>> {
        let mut of_call = vec![Vec::new(); calls.len()];
        for (place, charge) in charges.iter().enumerate() {
            let Some(stamp) = &charge.stamp else { continue };
            let is = |call: &Call| call.call == stamp.call && call.account == stamp.account;
            if let Some(at) = calls.iter().position(is) {
                of_call[at].push(place);
            }
        }
        let stamped = of_call.clone();
        let fits = |at: usize, place: usize| {
            let (call, charge) = (&calls[at], &charges[place]);
            charge.stamp.is_none()
                && stamped[at].is_empty()
                && charge.subject.as_ref() == Some(&call.subject)
                && call.tokens == Some(charge.tokens)
                && charge.tokens != (0, 0)
                && charge.consumed_at.get() + NEAR_MS >= call.admitted_at.get()
                && charge.consumed_at.get() <= call.finished_at.get() + NEAR_MS
        };
        for (at, of_call) in of_call.iter_mut().enumerate() {
            let charges: Vec<_> = (0..charges.len()).filter(|place| fits(at, *place)).collect();
            let [only] = charges[..] else { continue };
            if (0..calls.len()).filter(|other| fits(*other, only)).count() == 1 {
                of_call.push(only);
            }
        }
        of_call
    }

    fn any_calls() -> impl Strategy<Value = Vec<Call>> {
        let one = (0..2u8, 0..40u64, 0..12u64, prop::option::of((0..2u64, 0..2u64)));
        prop::collection::vec(one, 0..12).prop_map(|calls| {
            let call = |(number, (subject, from, length, tokens)): (usize, (_, u64, u64, _))| {
                call(number, subject, T + from * 1_000, T + (from + length) * 1_000, tokens)
            };
            calls.into_iter().enumerate().map(call).collect()
        })
    }

    fn any_charges() -> impl Strategy<Value = Vec<Charge>> {
        let one = (0..2u8, 0..60u64, (0..2u64, 0..2u64), prop::option::weighted(0.2, 0..14u8));
        prop::collection::vec(one, 0..12).prop_map(|charges| {
            let charge = |(subject, at, tokens, stamp): (_, u64, _, Option<u8>)| Charge {
                stamp: stamp.map(|call| format!("acc_1.c{call}").parse().unwrap()),
                subject: Some(workflow(subject)),
                ..charge(T + at * 1_000, tokens)
            };
            charges.into_iter().map(charge).collect()
        })
    }

    proptest! {
        #[test]
        fn it_is_what_trying_everything_gives(calls in any_calls(), charges in any_charges()) {
            let matches = compare(&calls, &charges);
            prop_assert_eq!(&matches.of_call, &naive(&calls, &charges));
            // Nothing is dropped or doubled.
            let mut all: Vec<usize> = matches.of_call.into_iter().flatten().collect();
            all.extend(matches.unmatched);
            all.sort_unstable();
            prop_assert_eq!(all, (0..charges.len()).collect::<Vec<_>>());
        }

        #[test]
        fn the_order_does_not_matter(calls in any_calls(), charges in any_charges(), root in 0..4usize) {
            let charges: Vec<_> = charges
                .into_iter()
                .enumerate()
                .map(|(at, charge)| Charge {
                    root: (at % 4 < root).then(|| (at % 3).to_string()),
                    ..charge
                })
                .collect();
            let named = |calls: &[Call], charges: &[Charge], reversed: bool| {
                let place = |at: usize| if reversed { charges.len() - 1 - at } else { at };
                let matches = compare(calls, charges);
                let mut named: Vec<_> = calls
                    .iter()
                    .zip(matches.of_call)
                    .map(|(call, charges)| {
                        let mut charges: Vec<_> = charges.into_iter().map(place).collect();
                        charges.sort_unstable();
                        (call.call.to_string(), charges)
                    })
                    .collect();
                named.sort();
                named
            };
            let forwards = named(&calls, &charges, false);
            let (mut calls, mut charges) = (calls, charges);
            calls.reverse();
            charges.reverse();
            prop_assert_eq!(forwards, named(&calls, &charges, true));
        }
    }
}
