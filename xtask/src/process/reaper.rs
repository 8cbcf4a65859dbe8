//! No orphans: what this program started ends with it, even when it is killed.
//!
//! A shell waits at the other end of a pipe and is told of each process group that begins and ends.
//! The pipe closes when this program is gone, for whatever reason, and the shell takes down the
//! groups that are left. A pipe and a shell work alike on Linux and macOS, and need no `unsafe`.
//!
//! Bound: one shell per program, one line per start and end of a process.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};

/// Groups get a moment to end in order, since a database that is killed has to recover later.
const SCRIPT: &str = r#"
groups=
while read -r what group; do
    case $what in
    watch) groups="$groups $group" ;;
    release)
        left=
        for other in $groups; do
            [ "$other" = "$group" ] || left="$left $other"
        done
        groups=$left
        ;;
    esac
done
for group in $groups; do
    kill -INT "-$group"
    kill -CONT "-$group"
done 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    left=
    for group in $groups; do
        kill -0 "-$group" 2>/dev/null && left="$left $group"
    done
    groups=$left
    [ -n "$groups" ] || exit 0
    sleep 0.1
done
for group in $groups; do
    kill -KILL "-$group" 2>/dev/null
done
"#;

static SHELL: Mutex<Option<ChildStdin>> = Mutex::new(None);

/// From now on the group ends with this program.
pub(super) fn watch(group: u32) -> Result<()> {
    tell("watch", group)
}

/// The group has ended; its number may soon belong to somebody else.
pub(super) fn release(group: u32) -> Result<()> {
    tell("release", group)
}

fn tell(what: &str, group: u32) -> Result<()> {
    let mut shell = SHELL.lock().unwrap_or_else(PoisonError::into_inner);
    if shell.is_none() {
        *shell = Some(start()?);
    }
    let pipe = shell.as_mut().context("the shell was just started")?;
    writeln!(pipe, "{what} {group}").context("the shell that cleans up after us is gone")
}

fn start() -> Result<ChildStdin> {
    let shell = Command::new("/bin/sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Away from the terminal's Ctrl-C, which would end it before its work begins.
        .process_group(0)
        .spawn()
        .context("cannot start the shell that cleans up after us")?;
    shell.stdin.context("a pipe was asked for")
}
