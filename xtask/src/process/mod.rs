//! A program that runs beside this one: started, watched, paused, stopped, killed.
//!
//! Each runs in a process group of its own, so that a signal meant for it reaches its children and
//! nobody else, and writes to a log of its own. When this program ends, however it ends, the
//! `reaper` takes down what is left.

mod children; // whom a signal has to reach besides the group
pub(crate) mod reaper; // no orphans
pub mod port; // addresses on this machine
pub mod probe; // asking whether somebody answers

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::command;

/// How long a program may take from its start until it answers.
const START_MAX: Duration = Duration::from_mins(1);

/// How long a program may take to end when asked to; after that it is killed.
const STOP_MAX: Duration = Duration::from_secs(5);

/// How often we look whether another program has come up or ended. It cannot tell us.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How often a program that ends at once is started again, when it is one that may.
const START_ATTEMPTS_MAX: u32 = 100;

/// How much of a log is repeated in a message.
const LOG_LINES_SHOWN: usize = 20;

/// How a program is asked whether it is ready, as often as it takes.
type Ready = Box<dyn Fn() -> bool + Send>;

/// A program that runs beside this one. Dropping it kills it.
pub struct Process {
    name: &'static str,
    command: Command,
    log: PathBuf,
    ready: Ready,
    stop_signal: Signal,
    starts_max: u32,
    child: Option<Child>,
}

impl Process {
    /// A program that is not running yet. It is up when `ready` says so.
    pub fn new(
        name: &'static str,
        command: Command,
        log_folder: &Path,
        ready: impl Fn() -> bool + Send + 'static,
    ) -> Self {
        Self {
            name,
            command,
            log: log_folder.join(format!("{name}.log")),
            ready: Box::new(ready),
            stop_signal: Signal::TERM,
            starts_max: 1,
            child: None,
        }
    }

    /// The signal that asks this program to end, where it is not the usual one.
    #[must_use]
    pub fn stopped_by(mut self, signal: Signal) -> Self {
        self.stop_signal = signal;
        self
    }

    /// This program may refuse to start while its predecessor is still going down.
    #[must_use]
    pub fn started_until_it_stays(mut self) -> Self {
        self.starts_max = START_ATTEMPTS_MAX;
        self
    }

    /// What the program is called in messages and logs.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of its output.
    pub fn log_tail(&self) -> String {
        let end = fs::read(&self.log).map(|bytes| command::tail(&bytes)).unwrap_or_default();
        let lines: Vec<_> = end.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }

    /// Its process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts the program, unless it runs, and waits until it is ready.
    pub fn start(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_MAX;
        let mut starts = 0;
        loop {
            if self.child.is_none() {
                self.spawn()?;
                starts += 1;
            }
            if (self.ready)() {
                return Ok(());
            }
            if let Some(status) = self.take_if_ended()?
                && starts >= self.starts_max
            {
                bail!("{} ended at its start: {status}\n{}", self.name, self.log_tail());
            }
            if Instant::now() > deadline {
                bail!("{} did not become ready\n{}", self.name, self.log_tail());
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn spawn(&mut self) -> Result<()> {
        if let Some(folder) = self.log.parent() {
            fs::create_dir_all(folder)?;
        }
        let log = File::options().create(true).append(true).open(&self.log)?;
        let child = self
            .command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        reaper::watch(child.id())?;
        self.child = Some(child);
        Ok(())
    }

    /// How the program ended, if it did so by itself. It can be started again then.
    pub fn take_if_ended(&mut self) -> Result<Option<ExitStatus>> {
        let Some(child) = &mut self.child else { return Ok(None) };
        let status = child.try_wait()?;
        if status.is_some() {
            reaper::release(child.id())?;
            self.child = None;
        }
        Ok(status)
    }

    /// Kills the program as a power cut would: no clean-up, no last words.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        if let Some(mut child) = self.child.take() {
            child.wait()?;
            reaper::release(child.id())?;
        }
        Ok(())
    }

    /// Asks the program to end, and kills it when it takes too long.
    pub fn stop(&mut self) -> Result<()> {
        self.signal(self.stop_signal)?;
        // A paused program cannot follow.
        self.resume()?;
        let deadline = Instant::now() + STOP_MAX;
        while self.child.is_some() && self.take_if_ended()?.is_none() {
            if Instant::now() > deadline {
                return self.kill();
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Freezes the program: its connections stay open and nothing is answered.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)?;
        // Frozen first, it starts no more of them.
        self.signal_children(Signal::STOP)
    }

    /// Lets a paused program go on.
    pub fn resume(&self) -> Result<()> {
        self.signal_children(Signal::CONT)?;
        self.signal(Signal::CONT)
    }

    /// Sends a signal to the program's group; to nobody when it does not run.
    fn signal(&self, signal: Signal) -> Result<()> {
        self.pid().map_or(Ok(()), |pid| self.signal_group(pid, signal))
    }

    /// Sends a signal to those children that left the group, as Postgres' sessions do.
    fn signal_children(&self, signal: Signal) -> Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        children::of(pid)?.into_iter().try_for_each(|child| self.signal_group(child, signal))
    }

    fn signal_group(&self, leader: u32, signal: Signal) -> Result<()> {
        let group = i32::try_from(leader).ok().and_then(Pid::from_raw);
        let group = group.context("a process id is a positive number")?;
        match kill_process_group(group, signal) {
            // It ended by itself and nobody has noticed yet, or it leads no group.
            Err(rustix::io::Errno::SRCH) => Ok(()),
            other => other.with_context(|| format!("cannot signal {}", self.name)),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What cannot be killed now, the reaper tries again when this program ends.
        let _ = self.kill();
    }
}
