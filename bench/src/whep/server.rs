//! What another process uses, from `/proc`.

use anyhow::Context as _;
use nix::unistd::{SysconfVar, sysconf};

/// A reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerUse {
    /// Processor seconds of all its threads, in user and kernel mode, since it started.
    pub(super) cpu_seconds: f64,
    /// Bytes of memory resident.
    pub(super) rss: u64,
}

impl ServerUse {
    pub(super) fn read(pid: u32) -> anyhow::Result<Self> {
        let file = |name| std::fs::read_to_string(format!("/proc/{pid}/{name}")).with_context(|| format!("no process {pid}"));
        let stat = file("stat")?;
        let rss: u64 = file("statm")?.split(' ').nth(1).and_then(|n| n.parse().ok()).context("/proc statm")?;
        let ticks = cpu_ticks(&stat).context("/proc stat")?;
        let setting = |var, fallback: i64| sysconf(var).ok().flatten().unwrap_or(fallback);
        let cpu_seconds = ticks as f64 / setting(SysconfVar::CLK_TCK, 100) as f64;
        Ok(Self { cpu_seconds, rss: rss * setting(SysconfVar::PAGE_SIZE, 4096).cast_unsigned() })
    }
}

/// `utime` and `stime`, the 14th and 15th field; the second, the name, may contain spaces and parentheses.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_parenthesis_confuses_nobody() {
        let stat = "12 (nb: a) b) S 1 12 12 0 -1 4194560 100 0 0 0 700 55 0 0 20 0 1 0 5 1 2 3";
        assert_eq!(cpu_ticks(stat), Some(755));
    }

    #[test]
    fn this_process_can_be_read() {
        assert!(ServerUse::read(std::process::id()).unwrap().rss > 100_000);
        assert!(ServerUse::read(u32::MAX).is_err());
    }
}
