//! What the origin says: accounts, revoked keys, books.

use std::collections::BTreeMap;

use meter::account::{Account, Limits, Overdraft, Settings, Status};
use meter::ids::{AccountId, Group, KeyId};
use meter::journal::Change;
use meter::money::{Nanos, Ratio};
use meter::price::plan::Dated;
use meter::price::{Price, PriceBook, Scope};
use meter::time::UnixMs;
use proptest::prelude::*;
use proptest::sample::select;

/// Accounts have numbers below this; the journal does not know the last one at first.
pub(crate) const ACCOUNTS: u8 = 4;
/// Keys that may be revoked have numbers below this.
pub(crate) const KEYS: u8 = 3;
const BOOKS: u8 = 3;
/// When a model's time begins.
pub(crate) const BEGAN_MS: u64 = 1_764_000_000_000;

/// One thing that the origin says.
#[derive(Debug, Clone)]
pub(crate) enum News {
    Nothing,
    Account {
        number: u8,
        credits: i64,
        overdraft: Option<i64>,
        suspended: bool,
        vip: bool,
        limits: Limits,
    },
    Revoke(u8),
    Book(u8),
    /// A book now, and another from a time on.
    Planned(u8, u8, u64),
}

impl News {
    pub(crate) fn change(&self, upto: u64) -> Change {
        let nothing = Change { upto, ..Change::default() };
        match *self {
            Self::Nothing => nothing,
            Self::Account { .. } => Change { accounts: vec![self.account()], ..nothing },
            Self::Revoke(key) => Change { revoked_keys: vec![key_id(key)], ..nothing },
            Self::Book(number) => Change { book: Some(book(number)), ..nothing },
            Self::Planned(now, next, starts_at) => {
                let next = Dated { starts_at: UnixMs::new(starts_at), book: book(next) };
                Change { book: Some(book(now)), next_book: Some(next), ..nothing }
            }
        }
    }

    fn account(&self) -> Account {
        let Self::Account { number, credits, overdraft, suspended, vip, limits } = *self else {
            panic!("{self:?} is not about an account");
        };
        let unlimited = Overdraft::Unlimited;
        Account {
            id: account_id(number),
            status: if suspended { Status::Suspended } else { Status::Active },
            group: if vip { "vip".parse().unwrap() } else { Group::standard() },
            overdraft: overdraft.map_or(unlimited, |limit| Overdraft::Limit(Nanos::new(limit))),
            credits: Nanos::new(credits),
            settings: Settings {
                limits,
                credential: vip.then(|| "second".parse().unwrap()),
                ..Settings::default()
            },
        }
    }
}

/// What a journal knows at first: an account that may always call, and two that may until their money
/// is spent.
pub(crate) fn first_change() -> Change {
    let account = |number, credits, overdraft| {
        let limits = Limits::default();
        News::Account { number, credits, overdraft, suspended: false, vip: false, limits }.account()
    };
    let accounts = [account(0, 0, None), account(1, 3_000, Some(0)), account(2, 2_000, Some(500))];
    Change { accounts: accounts.to_vec(), ..News::Book(0).change(1) }
}

pub(crate) fn account_id(account: u8) -> AccountId {
    format!("acc_{account}").parse().unwrap()
}

pub(crate) fn key_id(key: u8) -> KeyId {
    format!("key_{key}").parse().unwrap()
}

/// Books that price two workflows and a voice, one of them not at all in the last.
fn book(number: u8) -> PriceBook {
    let scope = |subject: &str| Scope::Subject(subject.parse().unwrap());
    let per_call = Price::PerCall { amount: Nanos::new(400 + i64::from(number)) };
    let one_nano = Nanos::new(1_000_000);
    let per_token = Price::PerToken { input_per_million: one_nano, output_per_million: one_nano };
    let per_unit = Price::PerUnit { amount: Nanos::new(60) };
    let mut prices = BTreeMap::from([(scope("per_call"), per_call), (scope("per_unit"), per_unit)]);
    if number + 1 < BOOKS {
        prices.insert(scope("per_token"), per_token);
    }
    let groups = BTreeMap::from([("vip".parse().unwrap(), Ratio::from_ppm(1_500_000))]);
    PriceBook { version: number.into(), deny_unpriced: true, groups, prices }
}

/// Limits that a few calls reach.
fn any_limits() -> impl Strategy<Value = Limits> {
    let none = || Limits::default();
    select(vec![
        none(),
        none(),
        Limits { requests_per_minute: Some(2), ..none() },
        Limits { concurrent_calls: Some(1), ..none() },
        Limits { daily_budget: Some(Nanos::new(900)), ..none() },
    ])
}

/// What a key says that it may do.
pub(crate) fn limits_of_key(key: u8) -> Limits {
    let none = Limits::default();
    match key {
        1 => Limits { requests_per_minute: Some(3), concurrent_calls: Some(2), ..none },
        2 => Limits { daily_budget: Some(Nanos::new(1_500)), ..none },
        _ => none,
    }
}

pub(crate) fn any_news() -> impl Strategy<Value = News> {
    let overdraft = prop::option::of(select(vec![0, 700]));
    let account = (0..ACCOUNTS, 0..6i64, overdraft, any::<bool>(), any::<bool>(), any_limits());
    prop_oneof![
        1 => Just(News::Nothing),
        4 => account.prop_map(|(number, thousands, overdraft, suspended, vip, limits)| {
            News::Account { number, credits: thousands * 1_000, overdraft, suspended, vip, limits }
        }),
        1 => (0..KEYS).prop_map(News::Revoke),
        2 => (0..BOOKS).prop_map(News::Book),
        2 => (0..BOOKS, 0..BOOKS, 0..40_000_u64)
            .prop_map(|(now, next, ms)| News::Planned(now, next, BEGAN_MS + ms)),
    ]
}
