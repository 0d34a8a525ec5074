//! The resources that a process uses.

use anyhow::{Context, Result};
use nix::unistd::{Pid, SysconfVar, sysconf};
use std::{fs, time::Duration};

/// A process's use of the machine at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Open file descriptors.
    pub descriptors: usize,
    /// Resident memory in bytes.
    pub resident: u64,
    /// Processor time since its start, user and system.
    pub cpu: Duration,
    /// Threads.
    pub threads: usize,
}

impl Usage {
    /// Reads `/proc` for `pid`.
    ///
    /// # Errors
    /// If there is no such process, or it is another user's.
    pub fn of(pid: Pid) -> Result<Self> {
        let descriptors =
            fs::read_dir(format!("/proc/{pid}/fd")).context("process is gone")?.count();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The second field is the program's name in brackets and may hold anything.
        let fields: Vec<_> =
            stat.rsplit_once(')').context("odd stat")?.1.split_whitespace().collect();
        let field =
            |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok()).context("short stat");
        let ticks = field(11)? + field(12)?;
        let resident = field(21)? * system(SysconfVar::PAGE_SIZE);
        let cpu = Duration::from_secs(ticks) / u32::try_from(system(SysconfVar::CLK_TCK))?;
        Ok(Self { descriptors, resident, cpu, threads: usize::try_from(field(17)?)? })
    }
}

fn system(var: SysconfVar) -> u64 {
    sysconf(var).ok().flatten().and_then(|v| u64::try_from(v).ok()).unwrap_or(1)
}

/// True if a word of the command line of `pid` is `word`.
pub(crate) fn is_called_with(pid: Pid, word: &str) -> bool {
    fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| line.split(|byte| *byte == 0).any(|part| part == word.as_bytes()))
}

/// The children of `pid`, for example a server's workers.
pub fn children(pid: Pid) -> Vec<Pid> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|t| fs::read_to_string(t.path().join("children")).ok());
    lists
        .flat_map(|l| {
            l.split_whitespace()
                .filter_map(|p| p.parse().ok())
                .map(Pid::from_raw)
                .collect::<Vec<_>>()
        })
        .collect()
}
