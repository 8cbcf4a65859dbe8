//! No orphans: what this program started ends with it, even when it is killed.
//!
//! A shell waits at the other end of a pipe and is told of each process group that begins and ends.
//! The pipe closes when this program is gone, for whatever reason, and the shell takes down the
//! groups that are left. A pipe and a shell work alike on Linux and macOS, and need no `unsafe`.
//!
//! It removes temporary folders as well, which nobody else would then.
//!
//! Bound: one shell per program, one line per start and end of a process or folder.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};

/// Groups get a moment to end in order, since a database that is killed has to recover later.
const SCRIPT: &str = r#"
groups=
folders=
while read -r what which; do
    case $what in
    watch) groups="$groups $which" ;;
    release)
        left=
        for group in $groups; do
            [ "$group" = "$which" ] || left="$left $group"
        done
        groups=$left
        ;;
    remove) folders="$folders$which
" ;;
    keep) folders=$(printf %s "$folders" | grep -Fvx -- "$which")"
" ;;
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
    [ -n "$groups" ] || break
    sleep 0.1
done
for group in $groups; do
    kill -KILL "-$group" 2>/dev/null
done
printf %s "$folders" | while read -r folder; do
    [ -z "$folder" ] || rm -rf -- "$folder"
done
"#;

static SHELL: Mutex<Option<ChildStdin>> = Mutex::new(None);

/// From now on the group ends with this program.
pub(super) fn watch(group: u32) -> Result<()> {
    tell("watch", &group.to_string())
}

/// The group has ended; its number may soon belong to somebody else.
pub(super) fn release(group: u32) -> Result<()> {
    tell("release", &group.to_string())
}

/// From now on the folder goes with this program.
pub(crate) fn remove_at_the_end(folder: &Path) -> Result<()> {
    tell("remove", as_line(folder)?)
}

/// The folder stays after all.
pub(crate) fn keep(folder: &Path) -> Result<()> {
    tell("keep", as_line(folder)?)
}

fn as_line(folder: &Path) -> Result<&str> {
    let text = folder.to_str().filter(|text| !text.contains('\n'));
    text.with_context(|| format!("{} has a strange name", folder.display()))
}

fn tell(what: &str, which: &str) -> Result<()> {
    let mut shell = SHELL.lock().unwrap_or_else(PoisonError::into_inner);
    if shell.is_none() {
        *shell = Some(start()?);
    }
    let pipe = shell.as_mut().context("the shell was just started")?;
    writeln!(pipe, "{what} {which}").context("the shell that cleans up after us is gone")
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
