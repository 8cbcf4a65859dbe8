//! The store, as a journal's desk uses it.

use meter::entry::Hash;
use meter::ids::{AccountId, UpstreamId};
use meter::journal::{Effect, IdempotencyKey, Kept, MemoName, OwnedName, Rows};
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

    fn clear_up(&self, ack: u64, now: UnixMs) -> Result<u64, SqlError> {
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

    fn owned_at(&self, name: &OwnedName, now: UnixMs) -> Result<Option<UnixMs>, SqlError> {
        self.owned_at(name, now)
    }

    fn keep_owned(&self, name: &OwnedName, now: UnixMs) -> Result<(), SqlError> {
        self.keep_owned(name, now)
    }

    fn made_in(
        &self,
        rows: Rows,
        account: &AccountId,
        work: &UpstreamId,
    ) -> Result<bool, SqlError> {
        self.made_in(rows, account, work)
    }

    fn forget_owned(&self, behind: Option<&str>, now: UnixMs) -> Result<Option<String>, SqlError> {
        self.forget_owned(behind, now)
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
