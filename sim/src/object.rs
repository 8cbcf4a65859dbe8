//! A journal's Durable Object as the platform runs it: memory that may go at any time, storage that stays,
//! one alarm.
//!
//! It does what `edge/src/journal/object_do.rs` does, with the real desk and the real journal: load where
//! needed, carry out a command as one transaction, throw memory away when that failed, and keep an alarm
//! set for when the first open call has to be looked after.

use std::rc::Rc;

use meter::journal::{Journal, Question, Report};
use meter::time::UnixMs;
use meter::wire::command::{CommandDoc, ReplyDoc};
use meter::wire::desk::Desk;

use crate::mutant::Mutant;
use crate::shelf::{Opened, Seen, Shelf, Tap, Watched};

/// Most questions to upstream in one run of the alarm: as the object has it.
const QUESTIONS_MAX: usize = 32;

/// When the object dies, of the next command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dies {
    /// Before it is stored.
    Before,
    /// After it was stored.
    After,
}

/// One journal's object.
pub struct Object<S: Shelf> {
    shelf: S,
    /// What is stored, and whether it can be.
    pub tap: Rc<Tap>,
    memory: Option<Desk<Watched<S::Store>>>,
    /// When the platform wakes it: kept with the storage.
    pub alarm: Option<UnixMs>,
    /// When memory believes that it is woken.
    alarm_known: Option<UnixMs>,
    /// How often memory was lost.
    pub life: u32,
    /// When it dies next.
    pub dies: Option<Dies>,
    epochs: u32,
    name: usize,
    mutant: Option<Mutant>,
}

/// What came of doing something.
#[derive(Debug)]
pub struct Done<T> {
    /// The answer; `None` when there was none.
    pub reply: Option<T>,
    /// What is durable now.
    pub seen: Vec<Seen>,
    /// All of it was stored, whether or not anybody hears of it.
    pub is_stored: bool,
    /// Memory was built anew for it.
    pub is_loaded: bool,
}

impl<S: Shelf> Object<S> {
    /// The object of this number, over its storage.
    pub fn new(name: usize, shelf: S, mutant: Option<Mutant>) -> Self {
        let tap = Rc::new(Tap::default());
        tap.mutant.set(mutant);
        Self {
            shelf,
            tap,
            memory: None,
            alarm: None,
            alarm_known: None,
            life: 0,
            dies: None,
            epochs: 0,
            name,
            mutant,
        }
    }

    /// The journal, if it is in memory.
    pub fn journal(&self) -> Option<&Journal> {
        self.memory.as_ref().map(Desk::journal)
    }

    /// Memory is lost.
    pub fn die(&mut self) {
        self.memory = None;
        self.alarm_known = None;
        self.life += 1;
    }

    /// The storage.
    pub fn shelf(&self) -> &S {
        &self.shelf
    }

    /// The storage becomes what this copy is; the platform begins anew with it.
    pub fn restore(&mut self, copy: &S::Copy) {
        self.die();
        self.shelf.restore(copy);
    }

    /// The storage is lost.
    pub fn lose(&mut self) {
        self.die();
        self.shelf.lose();
        self.epochs += 1;
        self.alarm = None;
    }

    fn load(&mut self, now: UnixMs) -> Result<bool, String> {
        if self.memory.is_some() {
            return Ok(false);
        }
        let new_epoch = format!("j{}e{}", self.name, self.epochs);
        let Opened { store, epoch, mut stored, next } = self.shelf.open(&new_epoch)?;
        match self.mutant {
            Some(Mutant::ForgetsAHoldOnReload) if !stored.holds.is_empty() => {
                stored.holds.remove(0);
            }
            Some(Mutant::ForgetsRevokedKeysOnReload) => stored.revoked.clear(),
            Some(Mutant::WaitsAnewOnReload) => {
                stored.holds.iter_mut().for_each(|hold| hold.seen_at = now);
            }
            _ => {}
        }
        let journal = Journal::load(stored, next, now);
        let store = Watched::new(store, Rc::clone(&self.tap));
        self.memory = Some(Desk::new(store, epoch, journal, now));
        Ok(true)
    }

    /// Carries out a command.
    pub fn command(&mut self, mut command: CommandDoc, now: UnixMs) -> Done<ReplyDoc> {
        let is_note = matches!(command, CommandDoc::Note { .. });
        let is_new = self.memory.is_none();
        if let (Some(Mutant::AppliesOlderChanges), CommandDoc::Pull(pull)) =
            (self.mutant, &mut command)
            && let (Some(changes), Some(desk)) = (&mut pull.changes, &self.memory)
        {
            changes.upto = changes.upto.max(desk.journal().applied() + 1);
        }
        let done = self.transaction(now, |desk| desk.obey(command, now).ok());
        if let Some(reply) = &done.reply {
            let is_due_sooner = match reply {
                ReplyDoc::Admitted { .. } => is_new || self.alarm_known.is_none(),
                ReplyDoc::Open => true,
                _ => is_note || is_new,
            };
            if is_due_sooner {
                self.set_alarm();
            }
        }
        done
    }

    /// The alarm rings: what has to be asked.
    pub fn rings(&mut self, now: UnixMs) -> Done<Vec<Question>> {
        self.alarm = None;
        self.alarm_known = None;
        self.transaction(now, |desk| desk.look_after(now, QUESTIONS_MAX).ok())
    }

    /// An answer of upstream's.
    pub fn take_answer(&mut self, question: &Question, report: Report, now: UnixMs) -> Done<()> {
        self.transaction(now, |desk| desk.take_answer(question, report, now).ok())
    }

    /// Does something as one transaction, or dies with it.
    fn transaction<T>(
        &mut self,
        now: UnixMs,
        run: impl FnOnce(&mut Desk<Watched<S::Store>>) -> Option<T>,
    ) -> Done<T> {
        self.shelf.begin();
        let loaded = self.load(now);
        let is_loaded = loaded == Ok(true);
        let mut reply = match (loaded, &mut self.memory) {
            (Ok(_), Some(desk)) => run(desk),
            _ => None,
        };
        let dies = self.dies.take();
        let is_kept = reply.is_some() && dies != Some(Dies::Before);
        let mut seen = self.tap.drain();
        if is_kept || self.mutant == Some(Mutant::KeepsHalfOfACommand) {
            self.shelf.commit();
        } else {
            self.shelf.roll_back();
        }
        if !is_kept {
            seen.clear();
        }
        if dies == Some(Dies::After) || !is_kept {
            self.die();
            if !(dies.is_some() && self.mutant == Some(Mutant::AnswersBeforeItStores)) {
                reply = None;
            }
        }
        Done { reply, seen, is_stored: is_kept, is_loaded }
    }

    /// Sets the alarm for when something has to be done, unless it is set sooner already.
    pub fn set_alarm(&mut self) {
        let Some(wake_at) = self.memory.as_ref().and_then(|desk| desk.journal().wake_at()) else {
            return;
        };
        if self.alarm_known.is_some_and(|set| set <= wake_at) {
            return;
        }
        self.alarm = Some(wake_at);
        self.alarm_known = Some(wake_at);
    }
}
