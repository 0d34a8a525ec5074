//! What the process takes from the machine, and how the machine is.

use super::{Exposition, Kind};
use nix::sys::{
    resource::{Resource, UsageWho, getrlimit, getrusage},
    time::TimeVal,
};
use rustix::process::getpriority_process;
use std::{fs, time::Duration};

/// Writes all families about the process and the machine; what the system does not tell is left
/// out.
pub(super) fn expose(out: &mut Exposition, uptime: Duration, panics: u64) {
    process(out, uptime, panics);
    host(out);
}

fn process(out: &mut Exposition, uptime: Duration, panics: u64) {
    use Kind::{Counter, Gauge};
    let mut add = |name, kind, help: &str, value| out.single(name, kind, help, value);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = |key| field(&status, key).map(|kib| kib * 1024.0);
    let cpu = getrusage(UsageWho::RUSAGE_SELF)
        .ok()
        .map(|u| seconds(u.user_time()) + seconds(u.system_time()));
    let fds = fs::read_dir("/proc/self/fd").ok().map(|fds| fds.count() as f64);
    let max_fds = getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft as f64);
    add(
        "neverblink_process_cpu_seconds_total",
        Counter,
        "Processor time of the server, without its workers.",
        cpu,
    );
    add("neverblink_process_resident_memory_bytes", Gauge, "Memory in RAM.", kib("VmRSS"));
    add(
        "neverblink_process_peak_memory_bytes",
        Gauge,
        "The most memory it ever had in RAM.",
        kib("VmHWM"),
    );
    add("neverblink_process_threads", Gauge, "Threads.", field(&status, "Threads"));
    let nice = getpriority_process(None).ok().map(f64::from);
    add("neverblink_process_nice", Gauge, "Below zero it runs ahead of ordinary programs.", nice);
    add("neverblink_process_open_fds", Gauge, "Open file descriptors.", fds);
    add("neverblink_process_max_fds", Gauge, "File descriptors it may open.", max_fds);
    add(
        "neverblink_process_uptime_seconds",
        Gauge,
        "Time since it was started.",
        Some(uptime.as_secs_f64()),
    );
    add(
        "neverblink_process_panics_total",
        Counter,
        "Internal errors, contained.",
        Some(panics as f64),
    );
}

fn host(out: &mut Exposition) {
    let mut add = |name, help: &str, value| out.single(name, Kind::Gauge, help, value);
    let load = fs::read_to_string("/proc/loadavg").ok();
    let load = load.as_ref().and_then(|text| text.split(' ').next()?.parse().ok());
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let cpus = std::thread::available_parallelism().ok().map(|n| n.get() as f64);
    add("neverblink_host_load1", "Load of the last minute.", load);
    add("neverblink_host_cpus", "Processors that the server may use.", cpus);
    add(
        "neverblink_host_memory_bytes",
        "Memory of the machine.",
        field(&memory, "MemTotal").map(|kib| kib * 1024.0),
    );
    add(
        "neverblink_host_memory_available_bytes",
        "Memory to be had.",
        field(&memory, "MemAvailable").map(|kib| kib * 1024.0),
    );
}

/// The number behind `key:` in a file of `/proc`.
fn field(text: &str, key: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_measured() {
        let mut out = Exposition::default();
        expose(&mut out, Duration::from_secs(5), 1);
        let text = out.finish();
        let value = |name: &str| {
            text.lines().find_map(|l| l.strip_prefix(name)?.trim().parse::<f64>().ok()).unwrap()
        };
        assert!(value("neverblink_process_resident_memory_bytes ") > 1e5);
        assert!(value("neverblink_process_open_fds ") >= 3.0);
        assert!(
            value("neverblink_host_memory_bytes ")
                > value("neverblink_host_memory_available_bytes ")
        );
        assert_eq!(
            (
                value("neverblink_process_uptime_seconds "),
                value("neverblink_process_panics_total ")
            ),
            (5.0, 1.0)
        );
    }
}
