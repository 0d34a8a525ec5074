//! Two hosts on one machine: network namespaces joined by a pair of virtual Ethernet devices.
//!
//! Nothing of it is visible outside: the namespaces have no names and vanish with the test.

use crate::{Process, has_tool, process, skip, wait_until};
use anyhow::{Context, Result, ensure};
use nix::{
    sched::{CloneFlags, unshare},
    unistd::Pid,
};
use std::{
    ffi::OsStr,
    net::{IpAddr, Ipv4Addr},
    process::Command,
    thread,
    time::Duration,
};

/// The server's host, where the test itself runs.
pub const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
/// The viewer's host.
pub const VIEWER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));

/// A network of two hosts. The thread that made it, and what that thread starts, is on [`SERVER`].
pub struct Lan {
    /// Keeps the viewer's namespace.
    viewer: Process,
}

/// Runs `test` on a thread of its own within a new network of two hosts. Says so loudly and does
/// nothing where this machine does not permit that.
///
/// # Panics
/// If `test` does, or the network cannot be set up although permitted.
pub fn on_a_lan(test: impl FnOnce(&Lan) + Send) {
    let missing = ["ip", "nft", "tc", "unshare", "nsenter"].iter().find(|t| !has_tool(t));
    if let Some(tool) = missing {
        return skip(&format!("no `{tool}`"));
    }
    let name = thread::current().name().unwrap_or("test").to_owned();
    let run = || match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => test(&Lan::new().expect("a network of two hosts")),
        Err(e) => {
            skip(&format!("this machine permits no network namespaces ({e}); run it as root"));
        }
    };
    let ended = thread::scope(|scope| {
        thread::Builder::new()
            .name(name)
            .spawn_scoped(scope, run)
            .map(thread::ScopedJoinHandle::join)
    });
    if let Err(panic) = ended.expect("a thread") {
        std::panic::resume_unwind(panic);
    }
}

impl Lan {
    fn new() -> Result<Self> {
        let here = std::fs::read_link("/proc/thread-self/ns/net")?;
        let viewer =
            Process::start("the viewer's host", "unshare", ["--net", "sleep", "infinity"])?;
        let pid = viewer.pid();
        wait_until("the viewer's namespace", Duration::from_secs(5), || {
            let there = std::fs::read_link(format!("/proc/{pid}/ns/net")).ok()?;
            (there != here).then_some(())
        })?;
        run(
            "ip",
            &[
                "link",
                "add",
                "server",
                "type",
                "veth",
                "peer",
                "name",
                "viewer",
                "netns",
                &pid.to_string(),
            ],
        )?;
        // As on a real network every packet is lost or let through by itself; a frame that is
        // handed over as one would be lost as one.
        run("ip", &["link", "set", "server", "gso_max_segs", "1"])?;
        let lan = Self { viewer };
        for (device, address) in [("server", SERVER), ("lo", Ipv4Addr::LOCALHOST.into())] {
            run("ip", &["link", "set", device, "up"])?;
            run("ip", &["address", "replace", &format!("{address}/24"), "dev", device])?;
        }
        lan.run_at_viewer("ip", &["link", "set", "viewer", "up"])?;
        lan.run_at_viewer("ip", &["link", "set", "lo", "up"])?;
        lan.run_at_viewer("ip", &["address", "replace", &format!("{VIEWER}/24"), "dev", "viewer"])?;
        Ok(lan)
    }

    /// A command for [`Process::spawn`] on the viewer's host.
    pub fn at_viewer<A: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = process::command(
            "nsenter",
            ["--target", &self.viewer.pid().to_string(), "--net", "--"],
        );
        command.arg(program).args(args);
        command
    }

    /// The process id that holds the viewer's namespace.
    pub fn viewer(&self) -> Pid {
        self.viewer.pid()
    }

    /// Drops this many percent of the UDP packets that arrive at the viewer, at random; 0 ends
    /// that.
    ///
    /// # Errors
    /// If the firewall refuses.
    pub fn lose(&self, percent: u32) -> Result<()> {
        self.run_at_viewer("nft", &["flush", "ruleset"])?;
        if percent == 0 {
            return Ok(());
        }
        self.run_at_viewer("nft", &[&loss(percent)])
    }

    /// Drops this many percent of the UDP packets that arrive at the server, at random.
    ///
    /// # Errors
    /// If the firewall refuses.
    pub fn lose_at_server(&self, percent: u32) -> Result<()> {
        run("nft", &[&loss(percent)])
    }

    /// Lets no more than this through to the viewer, with the queue that a home router has: 400 ms,
    /// and what does not fit is lost. 0 ends that. `false`, said loudly, if this machine's kernel
    /// cannot do it.
    ///
    /// # Errors
    /// If there is no limit to end.
    pub fn limit(&self, kbit_per_second: u64) -> Result<bool> {
        if kbit_per_second == 0 {
            return run("tc", &["qdisc", "del", "dev", "server", "root"]).map(|()| true);
        }
        let rate = format!("{kbit_per_second}kbit");
        let bucket = ["tbf", "rate", &rate, "burst", "16kb", "latency", "400ms"];
        let limited = run(
            "tc",
            &[["qdisc", "replace", "dev", "server", "root"].as_slice(), &bucket].concat(),
        );
        Ok(limited.map_err(|e| skip(&format!("this kernel has no token buckets: {e:#}"))).is_ok())
    }

    /// Drops all UDP packets that the viewer sends or is sent, as a strict firewall would.
    ///
    /// # Errors
    /// If the firewall refuses.
    pub fn block_udp(&self) -> Result<()> {
        self.block("meta l4proto udp counter drop")
    }

    /// As [`Self::block_udp`], and TCP to and from one port of the server as well.
    ///
    /// # Errors
    /// If the firewall refuses.
    pub fn block_udp_and_tcp_to(&self, port: u16) -> Result<()> {
        self.block(&format!("meta l4proto udp counter drop\ntcp dport {port} counter drop\ntcp sport {port} counter drop"))
    }

    fn block(&self, rules: &str) -> Result<()> {
        let chain = |name: &str| {
            format!("chain {name} {{\ntype filter hook {name} priority 0;\n{rules}\n}}\n")
        };
        self.run_at_viewer("nft", &["flush", "ruleset"])?;
        self.run_at_viewer(
            "nft",
            &[&format!("table inet firewall {{\n{}{}}}\n", chain("input"), chain("output"))],
        )
    }

    fn run_at_viewer(&self, program: &str, args: &[&str]) -> Result<()> {
        complete(&mut self.at_viewer(program, args))
    }
}

/// Rules for a firewall that drops UDP packets at random.
fn loss(percent: u32) -> String {
    let chance = if percent < 100 {
        format!("numgen random mod 1000 < {}", percent * 10)
    } else {
        String::new()
    };
    let hook = "type filter hook input priority 0";
    format!(
        "table inet loss {{\nchain input {{\n{hook};\nmeta l4proto udp {chance} counter drop\n}}\n}}\n"
    )
}

fn run(program: &str, args: &[&str]) -> Result<()> {
    complete(&mut process::command(program, args))
}

fn complete(command: &mut Command) -> Result<()> {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = command.env("PATH", format!("{path}:/usr/sbin:/sbin")).output();
    let output = output.with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
