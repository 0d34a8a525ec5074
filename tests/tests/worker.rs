//! Workers of the real server: they die, hang and are orphaned, and the camera goes on.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use anyhow::Result;
use harness::{Server, wait_until};
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);
const PICTURE: &str =
    "desk: { source: 'test:?width=320&height=180&fps=30&gop=300&bitrate=300000', stall_after: 3s }";

fn server() -> Result<(Server, Pid)> {
    let server = Server::with_cameras(PICTURE)?;
    server.wait_for_state("desk", "live")?;
    let worker = the_worker(&server)?;
    Ok((server, worker))
}

fn the_worker(server: &Server) -> Result<Pid> {
    let [worker] = wait_until("one worker", SOON, || <[Pid; 1]>::try_from(server.workers()).ok())?;
    Ok(worker)
}

/// Waits until the camera is live again after `restarts` restarts, and returns what is said of it
/// then.
fn live_again(server: &Server, restarts: u64) -> Result<Value> {
    let again = |c: &Value| c["state"] == "live" && c["restarts"] == restarts;
    wait_until("live again", SOON, || server.camera("desk").ok().filter(again))
}

#[test]
fn a_killed_worker_is_replaced_within_a_second_and_the_cause_is_told() {
    let (server, worker) = server().unwrap();
    let killed = Instant::now();
    kill(worker, Signal::SIGKILL).unwrap();
    let camera = live_again(&server, 1).unwrap();
    let took = killed.elapsed();
    assert!(took <= Duration::from_secs(1), "{took:?}");
    assert_ne!(the_worker(&server).unwrap(), worker);
    let cause = camera["last_restart"]["cause"].as_str().unwrap();
    assert!(cause.contains("killed by signal 9 (SIGKILL)"), "{cause}");
    let told = |e: &Value| {
        e["fault"] == "crashed" && e["reason"].as_str().is_some_and(|r| r.contains("SIGKILL"))
    };
    server.log().wait_for("the cause in the log", SOON, told).unwrap();
}

#[test]
fn a_worker_that_hangs_is_killed_and_replaced() {
    let (server, worker) = server().unwrap();
    kill(worker, Signal::SIGSTOP).unwrap();
    let camera = live_again(&server, 1).unwrap();
    assert!(
        camera["last_restart"]["cause"]
            .as_str()
            .is_some_and(|c| c.contains("no frame") || c.contains("sign of life")),
        "{camera}"
    );
    wait_until("the end of the hanging worker", SOON, || {
        (kill(worker, None) == Err(Errno::ESRCH)).then_some(())
    })
    .unwrap();
}

#[test]
fn the_server_runs_ahead_of_ordinary_programs_and_its_workers_do_not() {
    let (server, worker) = server().unwrap();
    let own = nice_of(Pid::this());
    let expected = if own == 0.0 && may_run_ahead() { -10.0 } else { own };
    assert_eq!(server.metric("neverblink_process_nice").unwrap(), expected);
    assert!(nice_of(worker) >= 0.0);
}

/// By its capabilities, of which `CAP_SYS_NICE` is number 23.
fn may_run_ahead() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let capabilities = status.lines().find_map(|l| l.strip_prefix("CapEff:")).unwrap().trim();
    u64::from_str_radix(capabilities, 16).unwrap() >> 23 & 1 == 1
}

/// How far a process stands back (`proc_pid_stat(5)`, field 19).
fn nice_of(process: Pid) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    after_name.split(' ').nth(16).unwrap().parse().unwrap()
}

#[test]
fn a_killed_server_leaves_no_worker() {
    let (mut server, worker) = server().unwrap();
    server.process().kill();
    wait_until("the end of the orphan", SOON, || is_gone(worker).then_some(())).unwrap();
}

/// True for a zombie too: whoever adopts it may be slow to bury it.
fn is_gone(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_none_or(|rest| rest.trim_start().is_empty() || rest.trim_start().starts_with('Z'))
}

#[test]
fn a_worker_runs_with_no_new_privileges_and_a_filter_of_system_calls() {
    let (_server, worker) = server().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{worker}/status")).unwrap();
    let field = |name: &str| {
        status
            .lines()
            .find_map(|l| l.strip_prefix(name))
            .map(str::trim)
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!((&*field("NoNewPrivs:"), &*field("Threads:")), ("1", "1"));
    assert_eq!(field("Seccomp:"), "2", "the filter of system calls is in force");
}
