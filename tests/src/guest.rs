//! A virtual machine with cameras: Debian's kernel with its virtual camera driver (`vivid`), and
//! the server under test.

use crate::{
    Process, binary, http, process, repository, skip, skip_without, wait::wait_for_words,
    wait_until,
};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

/// The kernel, its drivers and the server come up within this time; without hardware's help every
/// instruction is interpreted.
const BOOT: Duration = Duration::from_secs(120);
/// Exit code of what this machine cannot do.
const CANNOT: i32 = 77;
/// The ports in the virtual machine: of the server, and of what does there what a test wants.
const PORTS: [u16; 3] = [8080, 8554, 8081];

/// A running virtual machine. Dropping it ends it.
pub struct Guest {
    process: Process,
    server: SocketAddr,
    rtsp: SocketAddr,
    helper: SocketAddr,
    _directory: TempDir,
}

impl Guest {
    /// Everything takes longer where a processor is played by a program.
    pub const SOON: Duration = Duration::from_secs(60);

    /// Starts one with these cameras, YAML of the section's content, and waits until its server
    /// answers. `None` if this machine cannot, which is said loudly.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(cameras: &str) -> Result<Option<Self>> {
        Self::start_with(cameras, None)
    }

    /// The same with a program, and the kernel's virtual encoder to be loaded.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_with(cameras: &str, program: Option<&Path>) -> Result<Option<Self>> {
        if skip_without(&["qemu-system-x86_64", "busybox", "depmod"]) {
            return Ok(None);
        }
        let directory = TempDir::with_prefix("neverblink-guest-")?;
        let Some(kernel) = build(directory.path(), cameras, program)? else { return Ok(None) };
        let monitor = directory.path().join("monitor");
        let mut process = Process::spawn("qemu", &mut qemu(&kernel, &monitor))?;
        let ports = ports(&mut process, &monitor)?;
        let [server, rtsp, helper] =
            ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let guest = Self { process, server, rtsp, helper, _directory: directory };
        wait_until("the virtual machine's server", BOOT, || {
            http::get(guest.server, "/health").ok()
        })
        .with_context(|| format!("it said:\n{}", guest.process.log().tail(30)))?;
        Ok(Some(guest))
    }

    /// The server's HTTP address.
    pub fn http(&self) -> SocketAddr {
        self.server
    }

    /// Where the server plays a camera by RTSP.
    pub fn rtsp_url(&self, camera: &str) -> String {
        format!("rtsp://{}/{camera}", self.rtsp)
    }

    /// What the server and the kernel wrote.
    pub fn log(&self) -> &crate::Log {
        self.process.log()
    }

    /// What the API says of a camera.
    ///
    /// # Errors
    /// If there is no answer.
    pub fn camera(&self, name: &str) -> Result<Value> {
        http::get(self.server, &format!("/api/v1/cameras/{name}"))?.json()
    }

    /// As [`crate::Server::wait_for_words`], within [`Self::SOON`].
    ///
    /// # Errors
    /// If that does not happen.
    pub fn wait_for_words(&self, camera: &str, state: &str, words: &str) -> Result<Value> {
        wait_for_words(camera, state, words, Self::SOON, || self.camera(camera))
    }

    /// Has something done in the virtual machine: see `tests/peers/vivid/do`.
    ///
    /// # Errors
    /// If there is no answer.
    pub fn order(&self, what: &str) -> Result<String> {
        Ok(http::get(self.helper, &format!("/cgi-bin/do?{what}"))?.text())
    }
}

/// Unpacks the kernel and puts together what the machine is started with; the path of the kernel.
fn build(directory: &Path, cameras: &str, program: Option<&Path>) -> Result<Option<String>> {
    let config = directory.join("neverblink.yml");
    let mut yaml = "listen: { http: \"0.0.0.0:8080\", rtsp: \"0.0.0.0:8554\" }\nstate_dir: \"off\"\ncameras:\n".to_owned();
    cameras.lines().for_each(|line| yaml.push_str(&format!("  {line}\n")));
    std::fs::write(&config, yaml)?;
    let kept = repository().join("target/vivid");
    std::fs::create_dir_all(&kept)?;
    let script = repository().join("tests/peers/vivid/build");
    let output = Command::new(script)
        .arg(&kept)
        .arg(binary("neverblink")?)
        .arg(&config)
        .args(program)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(CANNOT) {
        skip(&format!("no virtual machine with cameras: {}", said.trim()));
        return Ok(None);
    }
    ensure!(output.status.success(), "the virtual machine cannot be built: {said}");
    Ok(Some(String::from_utf8(output.stdout)?.trim().to_owned()))
}

fn qemu(kernel: &str, monitor: &Path) -> Command {
    // Where the processor helps it is some ten times as fast.
    let fast = std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok()
        && has_virtualisation();
    let initramfs = repository().join("target/vivid/initramfs");
    let forwards = PORTS.map(|port| format!("hostfwd=tcp:127.0.0.1:0-:{port}")).join(",");
    let mut command = process::command(
        "qemu-system-x86_64",
        ["-nodefaults", "-no-reboot", "-display", "none", "-m", "768"],
    );
    command.args([
        "-accel",
        if fast { "kvm" } else { "tcg,thread=multi" },
        "-cpu",
        "max",
        "-smp",
        "2",
    ]);
    command
        .args([
            "-kernel",
            kernel,
            "-append",
            "console=ttyS0 quiet panic=-1 lsm=landlock",
            "-initrd",
        ])
        .arg(initramfs);
    command.args([
        "-serial",
        "stdio",
        "-monitor",
        &format!("unix:{},server=on,wait=off", monitor.display()),
    ]);
    command.args([
        "-netdev",
        &format!("user,id=net,restrict=on,{forwards}"),
        "-device",
        "e1000,netdev=net",
    ]);
    command
}

fn has_virtualisation() -> bool {
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    flags.split_whitespace().any(|flag| matches!(flag, "vmx" | "svm"))
}

/// Ports of this machine that lead to [`PORTS`], as the machine's monitor tells: the system chose
/// them.
fn ports(process: &mut Process, monitor: &Path) -> Result<[u16; PORTS.len()]> {
    let mut last = String::new();
    let found = wait_until("the virtual machine's ports", Duration::from_secs(20), || {
        if !process.is_running() {
            return Some(None);
        }
        last = ask(monitor).unwrap_or_default();
        let to = |port: u16| {
            // `TCP[HOST_FORWARD]  12       127.0.0.1 41234       10.0.2.15  8080     0     0`
            let line = last.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            line.filter(|words| words.get(5) == Some(&port.to_string().as_str()))
                .find_map(|words| words.get(3)?.parse().ok())
        };
        Some(Some([to(PORTS[0])?, to(PORTS[1])?, to(PORTS[2])?]))
    });
    match found.with_context(|| format!("the monitor said: {last}"))? {
        Some(ports) => Ok(ports),
        None => bail!("qemu has ended: {}", process.log().tail(10)),
    }
}

fn ask(monitor: &Path) -> Result<String> {
    let mut socket = UnixStream::connect(monitor)?;
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    socket.write_all(b"info usernet\n")?;
    let (mut said, mut piece) = (Vec::new(), [0; 4096]);
    // It says nothing of where it ends, so what follows within a moment is all.
    while let Ok(n @ 1..) = socket.read(&mut piece) {
        said.extend_from_slice(&piece[..n]);
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}
