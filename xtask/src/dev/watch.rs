//! Waiting for Ctrl-C, and meanwhile for parts that die.
//!
//! A part that dies is reported with the end of its log and started again, so that one may kill it to
//! see what happens. One that dies over and over ends everything.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::process::Process;
use crate::report;
use crate::stack::Stack;

/// How often we look whether all parts still run.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// More deaths than this within [`DEATHS_WITHIN`] end everything.
const DEATHS_MAX: usize = 5;
const DEATHS_WITHIN: Duration = Duration::from_mins(1);

/// Answers when somebody asked us to stop. `changed` is called when a part was started again.
pub(super) fn until_stopped(
    stack: &mut Stack,
    changed: impl Fn(&mut Stack) -> Result<()>,
) -> Result<()> {
    let (asked, stop) = mpsc::channel();
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        // Later ones change nothing: stopping is bounded anyway.
        let _ = signals.forever().next().map(|signal| asked.send(signal));
        signals.forever().for_each(drop);
    });
    let mut deaths = Vec::new();
    loop {
        if stop.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
            return Ok(());
        }
        let mut died = false;
        // The database first, since the origin cannot start without it.
        for part in stack.processes().rev() {
            died |= start_again_if_dead(part, &mut deaths)?;
        }
        if died {
            changed(stack)?;
        }
    }
}

fn start_again_if_dead(part: &mut Process, deaths: &mut Vec<Instant>) -> Result<bool> {
    let Some(status) = part.take_if_ended()? else { return Ok(false) };
    let (name, log) = (part.name(), part.log_tail());
    report::line(&format!("weir: {name} died ({status}). The end of its log:\n{log}"));
    deaths.retain(|death| death.elapsed() < DEATHS_WITHIN);
    deaths.push(Instant::now());
    if deaths.len() > DEATHS_MAX {
        bail!("{DEATHS_MAX} deaths within {} s are enough", DEATHS_WITHIN.as_secs());
    }
    part.start()?;
    report::line(&format!("weir: {name} runs again"));
    Ok(true)
}
