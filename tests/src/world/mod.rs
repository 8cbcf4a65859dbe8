//! Everything the stand-in remembers, behind one lock.
//!
//! The lock is taken inside [`Upstream::read`] and [`Upstream::change`], which take a closure, so it
//! cannot be held across an await. Whoever waits for something to happen watches [`Upstream::until`].

// Ids and log ids, drawn from counters.
pub(crate) mod ids;
// The record of billable work.
pub(crate) mod works;
// The works as JSON lines on disk.
pub(crate) mod journal_file;
// The record of requests.
pub(crate) mod seen;
// Behaviours per bot or workflow, and the gates that hold streams.
pub(crate) mod subjects;
// Chats and conversations.
pub(crate) mod chats;
// Files that were uploaded.
pub(crate) mod files;
// The callbacks of the bill.
pub(crate) mod callbacks;
// OAuth apps, and the tokens given to them.
pub(crate) mod tokens;
// Workflow executions.
pub(crate) mod executions;
// Dify's runs and conversations.
pub(crate) mod runs;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use self::callbacks::{Callbacks, Subscription};
use self::chats::{Chats, Conversations};
use self::executions::Executions;
use self::files::Files;
use self::ids::Ids;
use self::journal_file::JournalFile;
use self::runs::Runs;
use self::seen::Seen;
use self::subjects::Subjects;
use self::tokens::Tokens;
use self::works::{Ending, Status, Work, Works};
use crate::config::Config;

/// Nobody waits longer than this for something to happen.
pub(crate) const WAIT_MS_MAX: u64 = 60_000;

/// The state and what it is reached through. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Upstream {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    world: Mutex<World>,
    changes: watch::Sender<u64>,
}

/// The state itself.
pub(crate) struct World {
    pub(crate) ids: Ids,
    pub(crate) works: Works,
    pub(crate) chats: Chats,
    pub(crate) conversations: Conversations,
    pub(crate) executions: Executions,
    pub(crate) runs: Runs,
    pub(crate) subjects: Subjects,
    pub(crate) seen: Seen,
    pub(crate) files: Files,
    pub(crate) tokens: Tokens,
    pub(crate) callbacks: Callbacks,
}

impl Upstream {
    pub(crate) fn new(config: Config) -> anyhow::Result<Self> {
        let mut works = Works::default();
        if let Some(path) = &config.journal_file {
            let (journal, earlier) = JournalFile::open(path)?;
            works.take_up(journal, earlier);
        }
        let mut world = World {
            ids: Ids::starting_at(config.first_id.max(works.ids_end())),
            works,
            chats: Chats::default(),
            conversations: Conversations::default(),
            executions: Executions::default(),
            runs: Runs::default(),
            subjects: Subjects::default(),
            seen: Seen::default(),
            files: Files::default(),
            tokens: Tokens::default(),
            callbacks: Callbacks::default(),
        };
        world.restore();
        let changes = watch::Sender::new(0);
        Ok(Self { inner: Arc::new(Inner { config, world: Mutex::new(world), changes }) })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.inner.config
    }

    pub(crate) fn now_seconds(&self) -> i64 {
        self.inner.config.clock.now_seconds()
    }

    /// Looks at the state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.inner.world.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state and wakes those who wait for a change.
    pub(crate) fn change<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let result = act(&mut self.inner.world.lock().unwrap_or_else(PoisonError::into_inner));
        self.inner.changes.send_modify(|count| *count = count.wrapping_add(1));
        result
    }

    /// Tells of every change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// Waits until the state answers yes, at most so long; says whether it did.
    pub(crate) async fn until(
        &self,
        within_ms: u64,
        mut holds: impl FnMut(&World) -> bool,
    ) -> bool {
        let mut changes = self.inner.changes.subscribe();
        let wait = async {
            while !self.read(&mut holds) {
                if changes.changed().await.is_err() {
                    break;
                }
            }
        };
        let longest = Duration::from_millis(within_ms.min(WAIT_MS_MAX));
        tokio::time::timeout(longest, wait).await.is_ok()
    }
}

impl World {
    /// Accepts a unit of work; the oldest is forgotten when there are too many.
    pub(crate) fn accept(&mut self, work: Work, plan: works::Plan) -> u64 {
        let (no, forgotten) = self.works.accept(work, plan);
        if let Some(work) = forgotten {
            self.chats.forget(work.chat_id.as_deref());
            self.executions.forget(work.execute_id.as_deref());
        }
        no
    }

    /// Ends a unit of work, unless something else ended it before.
    pub(crate) fn end(&mut self, no: u64, ending: Ending) {
        if !self.works.end(no, ending) {
            return;
        }
        if let Some(job) = self.works.get(no).filter(|job| job.work.billable) {
            self.callbacks.owe(&job.work);
        }
        let Some(chat) = self.works.get(no).and_then(|job| job.work.chat_id.as_deref()) else {
            return;
        };
        if let Some((conversation_id, message)) = self.chats.answer_of(chat, ending) {
            self.conversations.say(&conversation_id, message);
        }
    }

    /// From now on charges are told there; `None` ends it.
    pub(crate) fn subscribe(&mut self, subscription: Option<Subscription>) {
        let from_the_start = subscription.as_ref().is_some_and(|it| it.from_the_start);
        self.callbacks.subscribe(subscription);
        if from_the_start {
            for job in self.works.all().filter(|job| job.work.billable) {
                self.callbacks.owe(&job.work);
            }
        }
    }

    /// Counts a poll and gives the work as this poll sees it. The poll that uses up the last "still
    /// running" ends the work, so the next one sees it done.
    pub(crate) fn poll(&mut self, no: u64) -> Option<Work> {
        let job = self.works.get_mut(no)?;
        let seen = job.work.clone();
        if seen.status == Status::Running && job.plan.polls_left > 0 {
            job.plan.polls_left = job.plan.polls_left.saturating_sub(1);
            if let Some(ending) = job.plan.ending.filter(|_| job.plan.polls_left == 0) {
                self.end(no, ending);
            }
        }
        Some(seen)
    }

    /// Forgets everything but the ids already given out, so that none is given out twice.
    pub(crate) fn reset(&mut self) {
        self.works.clear();
        self.chats = Chats::default();
        self.conversations = Conversations::default();
        self.executions = Executions::default();
        self.runs = Runs::default();
        self.subjects = Subjects::default();
        self.files = Files::default();
        self.tokens = Tokens::default();
        self.callbacks = Callbacks::default();
        self.seen.clear();
    }

    /// Makes works read back from a journal file answer to polls again.
    fn restore(&mut self) {
        for job in self.works.all() {
            self.chats.restore(job);
            self.executions.restore(job);
        }
    }
}
