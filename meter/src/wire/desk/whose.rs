//! Requests that name things: let in if all of them are the account's.

use crate::apart::{self, Named};
use crate::entry::Entry;
use crate::ids::{AccountId, KeyId, UpstreamId};
use crate::journal::{OWNED_REFRESH_MS, OwnedName, Whose};
use crate::route::{Kind, Provider};
use crate::time::UnixMs;
use crate::wire::command::{NamedDoc, ReplyDoc};

use super::{Desk, Problem, Storage, refused};

impl<S: Storage> Desk<S> {
    /// Lets a request in that is not metered.
    pub(super) fn enter(
        &self,
        account: &AccountId,
        key: &KeyId,
        names: &[NamedDoc],
        now: UnixMs,
    ) -> Result<ReplyDoc, Problem<S::Error>> {
        if let Err(reason) = self.journal.enter(account, key) {
            return Ok(refused(reason));
        }
        if let Some(refused) = self.not_theirs(account, names, now)? {
            return Ok(refused);
        }
        let sender = (&self.journal.sender(account, None)).into();
        Ok(ReplyDoc::Ok { sender, keeps_user_ids: self.keeps_user_ids(account) })
    }

    /// Lets a chat go on that waits for its tools.
    pub(super) fn go_on(
        &mut self,
        account: &AccountId,
        key: &KeyId,
        chat: &UpstreamId,
        names: &[NamedDoc],
        now: UnixMs,
    ) -> Result<ReplyDoc, Problem<S::Error>> {
        if self.journal.enter(account, key).is_ok()
            && let Some(refused) = self.not_theirs(account, names, now)?
        {
            return Ok(refused);
        }
        Ok(match self.journal.go_on(account, key, chat, now) {
            Ok((call, sender)) => {
                ReplyDoc::GoesOn { call: call.to_string(), sender: (&sender).into() }
            }
            Err(reason) => refused(reason),
        })
    }

    /// The refusal of a request that names something else than the account's own things.
    pub(super) fn not_theirs(
        &self,
        account: &AccountId,
        names: &[NamedDoc],
        now: UnixMs,
    ) -> Result<Option<ReplyDoc>, Problem<S::Error>> {
        for doc in names {
            let thing: Named = doc.try_into()?;
            if !self.is_theirs(account, &thing, now)? {
                let refusal = apart::unknown(thing.kind).into();
                return Ok(Some(if self.journal.may_make(account, thing.kind) {
                    ReplyDoc::NotYet(refusal)
                } else {
                    ReplyDoc::Refused(refusal)
                }));
            }
        }
        Ok(None)
    }

    fn is_theirs(
        &self,
        account: &AccountId,
        named: &Named,
        now: UnixMs,
    ) -> Result<bool, Problem<S::Error>> {
        match self.journal.whose(account, named) {
            Whose::Theirs => Ok(true),
            Whose::Kept(name) => {
                let kept = self.store.owned_at(&name, now).map_err(Problem::Storage)?;
                let is_conversation = named.kind == Kind::Conversation;
                Ok(kept.is_some() || (is_conversation && self.journal.runs_in(account, &named.id)))
            }
            Whose::In(places) => {
                for rows in places {
                    let made = self.store.made_in(rows, account, &named.id);
                    if made.map_err(Problem::Storage)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// Keeps whose a finished call's conversation is: once, and then at most once a day while it is used.
    /// Dify keeps conversations apart by their users' names.
    pub(super) fn own_conversation(
        &self,
        entry: &Entry,
        now: UnixMs,
    ) -> Result<(), Problem<S::Error>> {
        let facts = &entry.facts;
        let is_coze = facts.asked.operation.provider() == Provider::Coze;
        let Some(id) = facts.ids.conversation.clone().filter(|_| is_coze) else { return Ok(()) };
        let name = OwnedName::new(&facts.account, &Named { kind: Kind::Conversation, id });
        let kept_at = self.store.owned_at(&name, now).map_err(Problem::Storage)?;
        if kept_at.is_some_and(|kept_at| now.since(kept_at) < OWNED_REFRESH_MS) {
            return Ok(());
        }
        self.store.keep_owned(&name, now).map_err(Problem::Storage)
    }

    pub(super) fn keeps_user_ids(&self, account: &AccountId) -> bool {
        let standing = self.journal.standing(account);
        standing.is_some_and(|standing| standing.account.settings.keeps_user_ids)
    }
}
