//! What goes wrong.

use crate::court::{Case, Excepted, Restored};
use crate::fault::Kind;
use crate::object::Dies;
use crate::plan::Fault;
use crate::shelf::{Seen, Shelf};

use meter::time::UnixMs;

use super::{Event, World};

/// Most messages of one link that something will happen to at the same time.
const ARMED_MAX: usize = 3;

impl<S: Shelf> World<S> {
    /// Something goes wrong, now or with the next message.
    pub(super) fn go_wrong(&mut self, at: usize) {
        let Fault { kind, .. } = self.plan.faults[at];
        match kind {
            Kind::Message(link, form) => {
                let armed = self.armed.entry(link).or_default();
                if armed.len() < ARMED_MAX {
                    armed.push_back(form);
                }
                // It is counted when it takes effect.
            }
            Kind::StreamCut => self.cuts = (self.cuts + 1).min(2),
            Kind::ReplyBroken => self.breaks = (self.breaks + 1).min(2),
            Kind::PageGarbled(garble) => {
                if self.garbles.len() < ARMED_MAX {
                    self.garbles.push_back(garble);
                }
            }
            Kind::EdgeDies(edge) => {
                self.count(kind);
                self.edge_dies(edge);
            }
            Kind::JournalDies(journal) => {
                self.count(kind);
                self.object_dies(journal);
            }
            Kind::JournalDiesBefore(journal) => {
                self.count(kind);
                self.object_dies_with_next(journal, Dies::Before);
            }
            Kind::JournalDiesAfter(journal) => {
                self.count(kind);
                self.object_dies_with_next(journal, Dies::After);
            }
            Kind::DiskFull(journal, ms) => self.fill_disk(journal, ms, kind),
            Kind::DiskFullHalfway(journal) => {
                self.count(kind);
                self.places[journal].object.tap.fills_halfway.set(true);
            }
            Kind::DiskSlow(journal, ms) => {
                self.count(kind);
                self.places[journal].slow_until = self.now + ms;
            }
            Kind::ClockJumps(journal, ms) => {
                self.count(kind);
                let place = &mut self.places[journal];
                place.skew_ms += ms;
                place.ring_at = None;
                self.court.clock_jumped(journal);
                self.await_ring(journal);
            }
            Kind::OriginDies(origin) => {
                self.count(kind);
                self.origin_dies(origin);
            }
            Kind::UpstreamDown(ms) => {
                self.count(kind);
                self.upstream_down_until = self.now + ms;
            }
            Kind::JournalRestored(journal) => self.restore_journal(journal, kind),
            Kind::JournalLost(journal) => self.lose_journal(journal, kind),
            Kind::LedgerRestored => self.restore_ledger(kind),
        }
    }

    fn restore_journal(&mut self, journal: usize, kind: Kind) {
        let Some((copy, seq)) = self.places[journal].copy.take() else { return };
        self.count(kind);
        let posted = self.ledger.journals[journal].cursor.tail.seq;
        // With nothing posted that the copy lacks, the ledger is no witness: what was lost was known to
        // nobody but the journal itself.
        let must_be_noticed = posted > seq;
        self.court.except(journal, Excepted { must_be_noticed, is_lost: false });
        let local = self.local(journal);
        let object = &mut self.places[journal].object;
        object.restore(&copy);
        object.alarm = Some(local.plus_ms(1_000));
        self.await_ring(journal);
    }

    fn lose_journal(&mut self, journal: usize, kind: Kind) {
        self.count(kind);
        let must_be_noticed = self.ledger.journals[journal].cursor.epoch.is_some();
        self.court.except(journal, Excepted { must_be_noticed, is_lost: true });
        self.places[journal].object.lose();
        self.await_ring(journal);
    }

    fn restore_ledger(&mut self, kind: Kind) {
        let Some(backup) = self.backup.take() else { return };
        self.count(kind);
        self.ledger = backup;
        let rows = self.ledger.journals.iter().enumerate();
        let restored = rows.map(|(journal, row)| Restored {
            applied: self.court.applied(journal),
            revision: row.revision,
        });
        let restored = restored.collect();
        self.court.restored = Some(restored);
        self.unseen = (0..self.places.len()).collect();
        for origin in 0..self.origins.len() {
            self.origin_dies(origin);
        }
        // What upstream billed is taken in again from its files.
        for (call, id, tokens) in std::mem::take(&mut self.told_records) {
            self.after(1_000, Event::Record { call, id, tokens });
        }
    }

    /// What is durable is held against the laws.
    pub(super) fn judge(&mut self, journal: usize, seen: Seen, local: UnixMs) {
        let Some(number) = self.call_number(seen.call().as_str()) else {
            let detail = seen.call().to_string();
            return self.court.break_law("every call was made by somebody", detail);
        };
        if matches!(seen, Seen::Held(_)) {
            self.tally.admitted += 1;
        }
        let call = &self.calls[number];
        let work = call.work.map(|work| &self.works[work]);
        let (ledger, now) = (&self.ledger, self.now);
        self.court.judge(&Case { number, call, work, ledger, journal, local, now }, seen);
    }

    /// Nothing goes wrong any more.
    pub(super) fn faults_stop(&mut self) {
        self.armed.clear();
        (self.cuts, self.breaks) = (0, 0);
        self.garbles.clear();
        self.upstream_down_until = 0;
        for place in &mut self.places {
            place.object.tap.is_full.set(false);
            place.object.tap.fills_halfway.set(false);
            place.object.dies = None;
            place.slow_until = 0;
        }
    }
}
