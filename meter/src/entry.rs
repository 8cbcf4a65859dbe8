//! One finished call, as a link in its journal's chain.
//!
//! An entry never changes. Its `seq` is its predecessor's plus one, it carries the running total of its
//! journal, and its hash covers its own facts and its predecessor's hash, so that a missing, doubled,
//! reordered or altered entry shows wherever the chain is walked.

use sha2::{Digest as _, Sha256};

use crate::ids::{AccountId, CallId, Group, KeyId};
use crate::money::{Nanos, OutOfRange};
use crate::outcome::{Reading, Source};
use crate::price::{Price, Terms};
use crate::request::Asked;
use crate::time::UnixMs;
use crate::usage::WorkIds;
use crate::usage::cost::{Cost, Currency};

/// How a call ended. Every admitted call ends in exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Charged by its reading.
    Settled,
    /// Failed or never began; costs nothing.
    Released,
    /// Whether it succeeded could not be found out; costs nothing, and is a finding.
    Expired,
}

impl Ending {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }

    /// The ending with this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Settled, Self::Released, Self::Expired].into_iter().find(|e| e.name() == name)
    }
}

/// A link of the chain: everything up to and including one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// The entry's number, and thereby the count of entries so far.
    pub seq: u64,
    /// The sum of all amounts so far.
    pub total: Nanos,
    /// The entry's hash.
    pub hash: Hash,
}

impl Tail {
    /// Before the first entry.
    pub const START: Self = Self { seq: 0, total: Nanos::ZERO, hash: Hash([0; 32]) };
}

/// A SHA-256 hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The hash of some bytes, as `sha256sum` computes it.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The hash over several parts, the borders between them included.
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut form = Form(Sha256::new());
        for part in parts {
            form.bytes(part);
        }
        Self(form.0.finalize().into())
    }
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::str::FromStr for Hash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let mut bytes = [0; 32];
        let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        if text.len() != 64 || !text.bytes().all(is_digit) {
            return Err(NotAHash);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| NotAHash)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NotAHash)?;
        }
        Ok(Self(bytes))
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 hash in hexadecimal")]
pub struct NotAHash;

/// What happened in one call: an entry before it is chained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Which call.
    pub call: CallId,
    /// Who pays.
    pub account: AccountId,
    /// Which key was used.
    pub key: KeyId,
    /// What was called, and what it is priced by.
    pub asked: Asked,
    /// The account's group when the call was admitted.
    pub group: Group,
    /// The price frozen at admission.
    pub terms: Terms,
    /// When it was let in.
    pub admitted_at: UnixMs,
    /// When it ended.
    pub finished_at: UnixMs,
    /// How it ended.
    pub ending: Ending,
    /// The HTTP status of upstream's reply; `None` when there was none.
    pub status: Option<u16>,
    /// Coze's business code, when the reply had one.
    pub code: Option<i64>,
    /// What was known about usage.
    pub reading: Reading,
    /// An earlier usage in the same stream was larger.
    pub usage_fell: bool,
    /// Upstream's ids of the work.
    pub ids: WorkIds,
    /// What it cost.
    pub amount: Nanos,
}

/// One finished call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What happened.
    pub facts: Facts,
    /// Where it stands in the chain.
    pub tail: Tail,
}

impl Entry {
    /// The entry that follows `before`.
    pub fn chain(facts: Facts, before: &Tail) -> Result<Self, OutOfRange> {
        let seq = before.seq.checked_add(1).ok_or(OutOfRange)?;
        let total = before.total.plus(facts.amount)?;
        let hash = facts.hash(&before.hash, seq, total);
        Ok(Self { facts, tail: Tail { seq, total, hash } })
    }

    /// Whether this is the entry that follows `before`, unaltered.
    pub fn follows(&self, before: &Tail) -> bool {
        Self::chain(self.facts.clone(), before).is_ok_and(|expected| expected.tail == self.tail)
    }
}

impl Facts {
    /// What the call should have cost by its own terms and reading: nothing unless it was settled.
    pub fn derived_amount(&self) -> Result<Nanos, OutOfRange> {
        match self.ending {
            Ending::Settled => self.terms.charge(self.asked.units, &self.reading),
            Ending::Released | Ending::Expired => Ok(Nanos::ZERO),
        }
    }

    /// Whether the call succeeded and yet its usage stayed unknown where the price needs it.
    pub fn lacks_usage(&self) -> bool {
        let is_missing = match self.terms.price {
            Price::PerToken { .. } => self.reading.source == Source::Missing,
            // Where no token was used there was nothing to pay for.
            Price::CostPlus { .. } => {
                self.reading.usage.is_none_or(|usage| usage.cost.is_none() && usage.is_some_used())
            }
            Price::PerCall { .. } | Price::PerUnit { .. } | Price::Free => false,
        };
        match self.ending {
            Ending::Settled => is_missing,
            Ending::Released => false,
            Ending::Expired => true,
        }
    }

    /// What the work cost upstream, where upstream said so.
    pub fn upstream_cost(&self) -> Option<Cost> {
        self.reading.usage.and_then(|usage| usage.cost)
    }

    /// The currency in which upstream stated a cost that the price needs and nobody converts.
    pub fn foreign_currency(&self) -> Option<Currency> {
        let needs_cost = matches!(self.terms.price, Price::CostPlus { .. });
        let cost = self.upstream_cost().filter(|_| needs_cost && self.ending == Ending::Settled)?;
        (cost.currency != Currency::USD).then_some(cost.currency)
    }

    /// The hash over a canonical form: each field in a fixed order, each with its length in front, so
    /// that no two different entries have the same form.
    fn hash(&self, before: &Hash, seq: u64, total: Nanos) -> Hash {
        let mut form = Form(Sha256::new());
        form.bytes(b"weir-entry-1");
        form.bytes(&before.0);
        form.integer(Some(seq.into()));
        form.integer(Some(total.get().into()));
        form.text(Some(self.call.as_str()));
        form.text(Some(self.account.as_str()));
        form.text(Some(self.key.as_str()));
        form.text(Some(self.asked.operation.name()));
        form.text(Some(self.asked.subject.kind.name()));
        form.text(Some(self.asked.subject.id.as_str()));
        form.integer(Some(self.asked.units.into()));
        form.text(self.asked.resumes.as_ref().map(crate::ids::UpstreamId::as_str));
        form.text(Some(self.group.as_str()));
        form.integer(Some(self.terms.book.into()));
        match self.terms.price {
            Price::PerCall { amount } => {
                form.text(Some("per_call"));
                form.integer(Some(amount.get().into()));
            }
            Price::PerToken { input_per_million, output_per_million } => {
                form.text(Some("per_token"));
                form.integer(Some(input_per_million.get().into()));
                form.integer(Some(output_per_million.get().into()));
            }
            Price::PerUnit { amount } => {
                form.text(Some("per_unit"));
                form.integer(Some(amount.get().into()));
            }
            Price::CostPlus { margin, step } => {
                form.text(Some("cost_plus"));
                form.integer(Some(margin.ppm().into()));
                form.integer(Some(step.get().into()));
            }
            Price::Free => form.text(Some("free")),
        }
        form.integer(Some(self.terms.ratio.ppm().into()));
        form.integer(Some(self.admitted_at.get().into()));
        form.integer(Some(self.finished_at.get().into()));
        form.text(Some(self.ending.name()));
        form.integer(self.status.map(i128::from));
        form.integer(self.code.map(i128::from));
        form.text(Some(self.reading.source.name()));
        let usage = self.reading.usage;
        form.integer(usage.and_then(|usage| usage.input).map(i128::from));
        form.integer(usage.and_then(|usage| usage.output).map(i128::from));
        form.integer(usage.map(|usage| usage.total.into()));
        form.integer(Some(self.usage_fell.into()));
        for id in [&self.ids.chat, &self.ids.conversation, &self.ids.execution, &self.ids.log] {
            form.text(id.as_ref().map(crate::ids::UpstreamId::as_str));
        }
        form.integer(Some(self.amount.get().into()));
        // Entries had no cost at first, and one without it keeps the form that it had then.
        if let Some(Cost { amount, currency }) = self.upstream_cost() {
            form.integer(Some(amount.get().into()));
            form.text(Some(currency.as_str()));
        }
        Hash(form.0.finalize().into())
    }
}

/// Fields, written so that their borders are part of what is hashed.
struct Form(Sha256);

impl Form {
    fn bytes(&mut self, bytes: &[u8]) {
        // Lengths fit: every field is bounded far below 4 GiB.
        self.0.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.0.update(bytes);
    }

    fn text(&mut self, text: Option<&str>) {
        self.0.update([u8::from(text.is_some())]);
        self.bytes(text.unwrap_or_default().as_bytes());
    }

    fn integer(&mut self, integer: Option<i128>) {
        self.0.update([u8::from(integer.is_some())]);
        self.0.update(integer.unwrap_or_default().to_be_bytes());
    }
}
