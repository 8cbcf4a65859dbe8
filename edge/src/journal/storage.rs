//! The store, as a journal's desk uses it.

use meter::entry::Hash;
use meter::journal::{Effect, IdempotencyKey, Kept, MemoName};
use meter::oauth::Redemption;
use meter::time::UnixMs;
use meter::wire::desk::Storage;
use meter::wire::entry::EntryDoc;
use meter::wire::registered::RegisteredKeyDoc;

use super::sql::{Sql, SqlError};
use super::store::Store;

impl<S: Sql> Storage for Store<S> {
    type Error = SqlError;

    fn keep(&self, effects: &[Effect], now: UnixMs) -> Result<(), SqlError> {
        self.keep(effects, now)
    }

    fn kept(&self, key: &IdempotencyKey) -> Result<Option<Kept>, SqlError> {
        self.kept(key)
    }

    fn page(&self, ack: u64, limit: u32) -> Result<Vec<EntryDoc>, SqlError> {
        self.page(ack, limit)
    }

    fn clear_up(&self, ack: u64, now: UnixMs) -> Result<(), SqlError> {
        self.clear_up(ack, now)
    }

    fn forget_keys(&self, now: UnixMs) -> Result<(), SqlError> {
        self.forget_keys(now)
    }

    fn keep_memo(&self, name: &MemoName, value: Option<&str>, now: UnixMs) -> Result<(), SqlError> {
        self.keep_memo(name, value, now)
    }

    fn memo(&self, name: &MemoName, now: UnixMs) -> Result<Option<(String, UnixMs)>, SqlError> {
        self.memo(name, now)
    }

    fn forget_memos(&self, now: UnixMs) -> Result<(), SqlError> {
        self.forget_memos(now)
    }

    fn keep_registered(&self, keys: &[RegisteredKeyDoc]) -> Result<(), SqlError> {
        self.keep_registered(keys)
    }

    fn registered(&self) -> Result<Vec<RegisteredKeyDoc>, SqlError> {
        self.registered()
    }

    fn redeem(&self, statement: Hash, until: UnixMs, now: UnixMs) -> Result<Redemption, SqlError> {
        self.redeem(statement, until, now)
    }

    fn forget_redeemed(&self, now: UnixMs) -> Result<(), SqlError> {
        self.forget_redeemed(now)
    }
}
