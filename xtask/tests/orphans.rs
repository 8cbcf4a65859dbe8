//! Nothing is left behind by a program that is killed.
#![expect(clippy::unwrap_used, reason = "what a test cannot set up, it fails at")]

use std::env::current_exe;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use xtask::process::Process;
use xtask::scratch::Scratch;

/// The one who is killed: it starts a program, says which, and waits for its end.
#[test]
#[ignore = "started by the test below"]
fn victim() {
    let mut command = Command::new("sleep");
    command.arg("600");
    let scratch = Scratch::new("orphan test").unwrap();
    let mut child = Process::new("sleeper", command, scratch.path(), || true);
    child.start().unwrap();
    println!("\nleft {} {}", child.pid().unwrap(), scratch.path().display());
    sleep(Duration::from_mins(10));
}

#[test]
fn what_a_killed_program_started_ends_with_it() {
    let mut victim = Command::new(current_exe().unwrap())
        .args(["--ignored", "--exact", "victim", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let left = lines.map_while(Result::ok).find_map(|line| {
        let (pid, folder) = line.strip_prefix("left ")?.split_once(' ')?;
        Some((pid.parse::<u32>().unwrap(), PathBuf::from(folder)))
    });
    let (child, folder) = left.unwrap();
    assert!(runs(child) && folder.is_dir());

    victim.kill().unwrap();
    victim.wait().unwrap();

    let deadline = Instant::now() + Duration::from_secs(20);
    while runs(child) || folder.exists() {
        assert!(Instant::now() < deadline, "{child} or {} is left", folder.display());
        sleep(Duration::from_millis(20));
    }
}

/// Whether a process is there and is not only waiting to be buried.
fn runs(pid: u32) -> bool {
    let state = if cfg!(target_os = "linux") {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let state = status.lines().find_map(|line| line.strip_prefix("State:"));
        state.unwrap_or_default().to_owned()
    } else {
        let ps = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
        String::from_utf8_lossy(&ps.stdout).into_owned()
    };
    let state = state.trim();
    !state.is_empty() && !state.starts_with('Z')
}
