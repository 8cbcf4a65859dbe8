//! What the person at the terminal sees: one line per step, and how long it took.
//!
//! Everything goes to standard error; standard output belongs to what a command was asked for.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// How often the seconds of a quiet step are shown anew.
const TICK: Duration = Duration::from_secs(1);

/// A line of its own.
pub fn line(text: &str) {
    // A closed terminal is no reason to stop the work that was asked for.
    let _ = writeln!(stderr(), "{text}");
}

/// A step that prints nothing itself: its seconds are counted on the terminal while it runs.
pub fn quiet_step<T>(title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    let (done, ticks) = mpsc::channel::<()>();
    let shown = title.to_owned();
    let ticker = thread::spawn(move || {
        if !stderr().is_terminal() {
            line(&format!("weir: {shown} …"));
            return;
        }
        while ticks.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            let _ = write!(stderr(), "\rweir: {shown} … {} s", started.elapsed().as_secs());
            let _ = stderr().flush();
        }
        let _ = write!(stderr(), "\r\x1b[2K");
    });
    let result = work();
    drop(done);
    // The ticker ends by itself; a panic in it would only have lost a line on the screen.
    let _ = ticker.join();
    finish(title, started, result)
}

/// A step whose own output is shown, such as cargo's.
pub fn loud_step<T>(title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    line(&format!("weir: {title} …"));
    let started = Instant::now();
    let result = work();
    finish(title, started, result)
}

fn finish<T>(title: &str, started: Instant, result: Result<T>) -> Result<T> {
    let verdict = if result.is_ok() { "done" } else { "FAILED" };
    line(&format!("weir: {title}: {verdict} in {}", seconds(started.elapsed())));
    result
}

/// Seconds with one decimal, such as `3.4 s`.
pub fn seconds(duration: Duration) -> String {
    format!("{}.{} s", duration.as_secs(), duration.subsec_millis() / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_one_decimal() {
        assert_eq!(seconds(Duration::from_millis(12_349)), "12.3 s");
        assert_eq!(seconds(Duration::from_millis(40)), "0.0 s");
    }
}
