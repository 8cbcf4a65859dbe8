//! Registered keys, and statements that are redeemed once.

use meter::entry::Hash;
use meter::oauth::{REDEEMED_MAX, Redemption};
use meter::wire::registered::RegisteredKeyDoc;
use meter::wire::settings::LimitsDoc;

use super::desk::START;
use super::native::{count, database};
use crate::journal::store::Store;

fn registered(key: &str, kid: &str) -> RegisteredKeyDoc {
    RegisteredKeyDoc {
        key: key.to_owned(),
        account: "acc_1".to_owned(),
        journal: "j0".to_owned(),
        app: "app-1".to_owned(),
        kid: kid.to_owned(),
        public_key: "MIIB".to_owned(),
        scp: None,
        sub_allow: None,
        ips: None,
        lim: LimitsDoc::default(),
        withdrawn: false,
    }
}

#[test]
fn a_registered_key_is_listed_until_it_is_taken_back() {
    let connection = database();
    let (store, _) = Store::open(&connection, || "e1".to_owned()).unwrap();
    let (first, second) = (registered("reg_1", "k1"), registered("reg_2", "k2"));
    store.keep_registered(&[first.clone(), second.clone()]).unwrap();
    // Told twice, it stands once.
    store.keep_registered(std::slice::from_ref(&first)).unwrap();
    assert_eq!(store.registered().unwrap(), [first.clone(), second.clone()]);
    let withdrawn = RegisteredKeyDoc { withdrawn: true, ..first };
    store.keep_registered(std::slice::from_ref(&withdrawn)).unwrap();
    store.keep_registered(&[withdrawn]).unwrap();
    assert_eq!(store.registered().unwrap(), [second]);
}

fn statement(number: usize) -> Hash {
    Hash::of_parts(&[&number.to_be_bytes()])
}

#[test]
fn a_statement_is_redeemed_once_and_forgotten_when_it_is_too_old() {
    let connection = database();
    let (store, _) = Store::open(&connection, || "e1".to_owned()).unwrap();
    let until = START.plus_ms(1_000);
    assert_eq!(store.redeem(statement(1), until, START).unwrap(), Redemption::Done);
    assert_eq!(store.redeem(statement(1), until, START).unwrap(), Redemption::Repeated);
    store.forget_redeemed(START.plus_ms(999)).unwrap();
    assert_eq!(store.redeem(statement(1), until, START).unwrap(), Redemption::Repeated);
    store.forget_redeemed(until).unwrap();
    assert_eq!(count(&connection, "redeemed"), 0);
}

#[test]
fn no_more_statements_are_redeemed_than_can_be_remembered() {
    let connection = database();
    let (store, _) = Store::open(&connection, || "e1".to_owned()).unwrap();
    let until = START.plus_ms(1_000);
    let insert = "INSERT INTO redeemed (statement, until_ms) VALUES (?1, ?2)";
    for number in 1..REDEEMED_MAX {
        let hash = statement(number).to_string();
        connection.execute(insert, (hash, i64::try_from(until.get()).unwrap())).unwrap();
    }
    assert_eq!(store.redeem(statement(0), until, START).unwrap(), Redemption::Done);
    assert_eq!(store.redeem(statement(REDEEMED_MAX), until, START).unwrap(), Redemption::Full);
    // Those that were redeemed are still known, and room is made by those that are too old.
    assert_eq!(store.redeem(statement(1), until, START).unwrap(), Redemption::Repeated);
    let later = until.plus_ms(1);
    assert_eq!(store.redeem(statement(REDEEMED_MAX), later, until).unwrap(), Redemption::Done);
}
