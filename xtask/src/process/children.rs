//! The children of a process, as the system lists them.

use anyhow::Result;

/// The ids of the processes that `parent` started and that still run.
#[cfg(target_os = "linux")]
pub(super) fn of(parent: u32) -> Result<Vec<u32>> {
    use std::fs;

    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // Who ends while we read is nobody's child any more.
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let its_parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        if its_parent.is_some_and(|id| id.trim().parse() == Ok(parent)) {
            children.push(pid);
        }
    }
    Ok(children)
}

/// The ids of the processes that `parent` started and that still run.
#[cfg(not(target_os = "linux"))]
pub(super) fn of(parent: u32) -> Result<Vec<u32>> {
    use std::process::Command;

    let table = crate::command::output_of(Command::new("ps").args(["-A", "-o", "ppid=,pid="]))?;
    let ids = |line: &str| -> Option<(u32, u32)> {
        let mut fields = line.split_whitespace();
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let of_parent = |(its_parent, pid)| (its_parent == parent).then_some(pid);
    Ok(table.lines().filter_map(ids).filter_map(of_parent).collect())
}

#[cfg(test)]
mod tests {
    use std::process::{self, Command};

    use super::*;

    #[test]
    fn a_child_is_listed_until_it_is_waited_for() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(of(process::id()).unwrap().contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!of(process::id()).unwrap().contains(&child.id()));
    }
}
