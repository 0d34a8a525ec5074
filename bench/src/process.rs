//! The resources that processes and the machine use, from `/proc`.

use anyhow::Context as _;
use nix::{
    sys::resource::{UsageWho, getrusage},
    unistd::{SysconfVar, sysconf},
};
use serde::Serialize;

/// Processors count as used up if a smaller share of them is idle.
const USED_UP_BELOW: f64 = 0.1;

/// A reading of another process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerUse {
    /// Processor seconds of all its threads, in user and kernel mode, since it started. Its
    /// children are not in it.
    pub(crate) cpu_seconds: f64,
    /// Processor seconds of its living children, for instance of the encoder.
    pub(crate) children_cpu_seconds: f64,
    /// Bytes of memory resident.
    pub(crate) rss: u64,
    /// Open file descriptors; `None` if it belongs to another user.
    pub(crate) descriptors: Option<usize>,
}

impl ServerUse {
    pub(crate) fn read(pid: u32) -> anyhow::Result<Self> {
        let statm = std::fs::read_to_string(format!("/proc/{pid}/statm"))
            .with_context(|| format!("no process {pid}"))?;
        let rss: u64 =
            statm.split(' ').nth(1).and_then(|n| n.parse().ok()).context("/proc statm")?;
        let page = sysconf(SysconfVar::PAGE_SIZE)?.unwrap_or(4096).cast_unsigned();
        Ok(Self {
            cpu_seconds: cpu_seconds(pid).context("/proc stat")?,
            children_cpu_seconds: children(pid).into_iter().filter_map(cpu_seconds).sum(),
            rss: rss * page,
            descriptors: std::fs::read_dir(format!("/proc/{pid}/fd")).ok().map(Iterator::count),
        })
    }
}

/// Processor seconds of the whole machine since it started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MachineUse {
    busy: f64,
    idle: f64,
}

/// The shares of the processors, in processors.
#[derive(Clone, Copy, Serialize, Debug)]
pub(crate) struct Shares {
    pub(crate) server: f64,
    /// The server's children, for instance the encoder.
    pub(crate) children: f64,
    pub(crate) client: f64,
    /// All other processes, and interrupts that no process is charged for.
    pub(crate) others: f64,
    pub(crate) idle: f64,
}

impl Shares {
    /// The process that used most; none, where much was left over.
    pub(crate) fn most(&self) -> &'static str {
        let Self { server, children, client, others, idle } = *self;
        let all = server + children + client + others + idle;
        let users = [
            (server, "the server"),
            (children, "its children"),
            (client, "the client"),
            (others, "others"),
        ];
        match users.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((_, name)) if idle < all * USED_UP_BELOW => name,
            _ => "none, they are not used up",
        }
    }
}

/// All that is read at the beginning and at the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) server: Option<ServerUse>,
    pub(crate) client_cpu_seconds: f64,
    machine: MachineUse,
}

impl Reading {
    pub(crate) fn take(server: Option<u32>) -> anyhow::Result<Self> {
        let server =
            server.map(ServerUse::read).transpose().context("cannot read what the server uses")?;
        let stat = std::fs::read_to_string("/proc/stat")?;
        let machine = machine(&stat, ticks_per_second()).context("/proc/stat")?;
        Ok(Self { server, client_cpu_seconds: own_cpu_seconds(UsageWho::RUSAGE_SELF)?, machine })
    }

    /// Returns the shares of the processors in the `seconds` since `before`.
    pub(crate) fn shares_since(&self, before: &Self, seconds: f64) -> Shares {
        let of_server = |field: fn(&ServerUse) -> f64| match (&self.server, &before.server) {
            (Some(now), Some(then)) => (field(now) - field(then)).max(0.0) / seconds,
            _ => 0.0,
        };
        let server = of_server(|s| s.cpu_seconds);
        let children = of_server(|s| s.children_cpu_seconds);
        let client = (self.client_cpu_seconds - before.client_cpu_seconds) / seconds;
        let busy = (self.machine.busy - before.machine.busy) / seconds;
        let idle = (self.machine.idle - before.machine.idle) / seconds;
        Shares {
            server,
            children,
            client,
            others: (busy - server - children - client).max(0.0),
            idle,
        }
    }
}

/// Processor seconds of this process or thread.
pub(crate) fn own_cpu_seconds(who: UsageWho) -> anyhow::Result<f64> {
    let usage = getrusage(who)?;
    let seconds = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

fn ticks_per_second() -> f64 {
    sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100) as f64
}

fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(cpu_ticks(&stat)? as f64 / ticks_per_second())
}

/// Processes that any thread of `pid` has started and that live.
fn children(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|t| std::fs::read_to_string(t.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace().filter_map(|n| n.parse().ok()).collect::<Vec<u32>>()
        })
        .collect()
}

/// `utime` and `stime`, the 14th and 15th field; the second, the name, may contain spaces and
/// parentheses.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal; guests
/// are within user.
fn machine(stat: &str, ticks_per_second: f64) -> Option<MachineUse> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<f64> = line.split_whitespace().filter_map(|n| n.parse::<f64>().ok()).collect();
    let idle = fields.get(3)? + fields.get(4)?;
    let all: f64 = fields.iter().take(8).sum();
    Some(MachineUse { busy: (all - idle) / ticks_per_second, idle: idle / ticks_per_second })
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
        let this = ServerUse::read(std::process::id()).unwrap();
        assert!(this.rss > 100_000 && this.descriptors > Some(2));
        assert!(ServerUse::read(u32::MAX).is_err());
    }

    #[test]
    fn the_machine_is_busy_or_idle() {
        let machine = machine("cpu  100 0 50 800 40 0 10 0 70 0\ncpu0 1 2 3\n", 100.0).unwrap();
        assert!((machine.busy - 1.6).abs() < 1e-9 && (machine.idle - 8.4).abs() < 1e-9);
    }

    #[test]
    fn who_burns_most_matters_only_when_nothing_is_left() {
        let shares =
            |client, idle| Shares { server: 0.6, children: 0.1, client, others: 0.2, idle };
        assert_eq!(shares(1.0, 0.1).most(), "the client");
        assert_eq!(shares(0.4, 0.1).most(), "the server");
        assert_eq!(shares(0.4, 0.7).most(), "none, they are not used up");
    }

    #[test]
    fn a_child_is_not_its_parent() {
        let mut child = std::process::Command::new("sleep").arg("9").spawn().unwrap();
        let found = children(std::process::id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&child.id()), "{found:?}");
    }
}
