//! Worker processes as the server sees them: this binary executes itself as the worker.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "this is a test, although it has a main function"
)]

use bytes::Buf;
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::signal::{Signal, kill},
    sys::socket::{AddressFamily, SockFlag, SockType, socket},
    unistd::Pid,
};
use proto::ipc::{
    Coded, Frame, Incoming, Job, Outgoing, Picture, TestPicture, ToServer, ToWorker, Want,
};
use std::{
    io::{BufRead, BufReader, IsTerminal, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("worker") => return worker::main(),
        Some("probe") => return probe(),
        Some("server") => return doomed_server(),
        _ => {}
    }
    let tests: [(&str, fn()); 8] = [
        ("frames_flow_and_wishes_are_heard", frames_flow_and_wishes_are_heard),
        (
            "pictures_are_made_of_the_newest_frame_for_whoever_wants_some",
            pictures_are_made_of_the_newest_frame_for_whoever_wants_some,
        ),
        ("the_sandbox_holds", the_sandbox_holds),
        ("the_end_of_the_socket_ends_the_worker", the_end_of_the_socket_ends_the_worker),
        ("a_killed_server_takes_its_worker_with_it", a_killed_server_takes_its_worker_with_it),
        (
            "nothing_is_inherited_but_the_standard_streams",
            nothing_is_inherited_but_the_standard_streams,
        ),
        ("a_fault_is_told_in_words", a_fault_is_told_in_words),
        ("started_by_hand_it_says_so", started_by_hand_it_says_so),
    ];
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    for (name, test) in tests.into_iter().filter(|(name, _)| name.contains(&filter)) {
        test();
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

fn itself(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(role);
    command
}

/// A worker and the server's end of its socket.
struct Worker {
    child: Child,
    socket: UnixStream,
    incoming: Incoming<ToServer>,
}

impl Worker {
    fn start(job: TestPicture) -> Self {
        Self::begin(Job::TestPicture(job))
    }

    fn begin(job: Job) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let child = itself("worker").stdin(OwnedFd::from(theirs)).spawn().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut worker = Self { child, socket: ours, incoming: Incoming::default() };
        worker.tell(&ToWorker::Start(job));
        worker
    }

    fn tell(&mut self, message: &ToWorker) {
        let mut out = Outgoing::default();
        out.push(message).unwrap();
        self.socket.write_all(&out.copy_to_bytes(out.remaining())).unwrap();
    }

    fn hear(&mut self) -> ToServer {
        loop {
            if let Some(message) = self.incoming.poll().unwrap() {
                return message;
            }
            let mut piece = [0; 65_536];
            let n = self.socket.read(&mut piece).expect("a message in time");
            assert!(n > 0, "the worker hung up");
            self.incoming.buffer().extend_from_slice(&piece[..n]);
        }
    }

    fn frame(&mut self) -> Frame {
        loop {
            if let ToServer::Frame(frame) = self.hear() {
                return frame;
            }
        }
    }

    fn picture(&mut self) -> Picture {
        loop {
            match self.hear() {
                ToServer::Picture(picture) => return picture,
                ToServer::Failed(text) => panic!("{text}"),
                _ => {}
            }
        }
    }

    fn exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child.kill().unwrap();
        panic!("the worker did not exit");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn job() -> TestPicture {
    TestPicture {
        name: "desk".into(),
        width: 320,
        height: 180,
        fps: 30,
        gop: 1000,
        bitrate: 500_000,
        noise: 0,
    }
}

fn frames_flow_and_wishes_are_heard() {
    let mut worker = Worker::start(job());
    assert_eq!(worker.hear(), ToServer::Hello { pid: worker.child.id() });
    let mut next = worker.hear();
    while let ToServer::Log(_, text) = next {
        eprintln!("note: on this machine, {text}");
        next = worker.hear();
    }
    let ToServer::Tracks(catalog) = next else { panic!("{next:?}") };
    assert_eq!(catalog.video().unwrap().codec.to_string(), "h264 320x180");
    let first = worker.frame();
    assert!(first.key && first.encoded >= first.captured);
    let second = worker.frame();
    assert!(!second.key && (1000..90_000).contains(&(second.pts - first.pts)));
    worker.tell(&ToWorker::ForceKeyframe);
    assert!((0..30).any(|_| worker.frame().key), "a keyframe on demand");
    let progress = std::iter::repeat_with(|| worker.hear())
        .find_map(|m| if let ToServer::Heartbeat(p) = m { Some(p) } else { None });
    assert!(progress.is_some_and(|p| p.frames > 0 && p.newest.is_some()));
    worker.tell(&ToWorker::Stop);
    assert_eq!(worker.exit().code(), Some(0));
}

fn pictures_are_made_of_the_newest_frame_for_whoever_wants_some() {
    let mut camera = Worker::start(job());
    let mut worker = Worker::begin(Job::Pictures { name: "desk".into() });
    let want = |id, width, quality, interval_us| Want { id, width, quality, interval_us };
    worker.tell(&ToWorker::Want(vec![
        want(1, 0, 80, 0),
        want(2, 160, 80, 0),
        want(3, 160, 20, 0),
        want(4, 0, 50, 60_000_000),
    ]));
    let mut feed = |worker: &mut Worker, show| {
        let Frame { pts, key, captured, encoded: received, payload, .. } = camera.frame();
        worker.tell(&ToWorker::Decode(Coded { pts, key, show, captured, received, payload }));
        captured
    };
    for _ in 0..5 {
        feed(&mut worker, false);
    }
    let newest = feed(&mut worker, true);
    let pictures: Vec<_> = (0..4).map(|_| worker.picture()).collect();
    assert!(pictures.iter().all(|p| p.captured == newest), "of the newest only");
    assert!(
        pictures
            .iter()
            .all(|p| p.captured <= p.received && p.received <= p.decoded && p.decoded <= p.encoded)
    );
    let of = |id| pictures.iter().find(|p| p.want == id).unwrap();
    assert_eq!(
        [1, 2, 3, 4].map(|id| (of(id).width, of(id).height)),
        [(320, 180), (160, 90), (160, 90), (320, 180)]
    );
    assert!(of(3).jpeg.len() < of(2).jpeg.len() && of(2).jpeg.starts_with(&[0xff, 0xd8]));
    let next = feed(&mut worker, true);
    let pictures: Vec<_> = (0..3).map(|_| worker.picture()).collect();
    assert!(
        pictures.iter().all(|p| p.captured == next && p.want != 4),
        "one a minute was enough for the fourth"
    );
    // Who comes later gets the picture that is there.
    worker.tell(&ToWorker::Want(vec![want(9, 64, 80, 0)]));
    let held = worker.picture();
    assert_eq!((held.want, held.captured, held.width), (9, next, 64));
    worker.tell(&ToWorker::Stop);
    assert_eq!(worker.exit().code(), Some(0));
}

fn the_end_of_the_socket_ends_the_worker() {
    let mut worker = Worker::start(job());
    worker.frame();
    worker.socket.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(worker.exit().code(), Some(0));
}

fn nothing_is_inherited_but_the_standard_streams() {
    let leak = std::fs::File::open("/dev/null").unwrap();
    fcntl(&leak, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let mut worker = Worker::start(job());
    worker.frame();
    let open = std::fs::read_dir(format!("/proc/{}/fd", worker.child.id())).unwrap().count();
    // The socket is there twice: as standard input, and as the worker's own.
    assert_eq!(open, 4);
}

fn a_fault_is_told_in_words() {
    let mut worker = Worker::start(TestPicture { width: 0, height: 0, ..job() });
    let text = loop {
        if let ToServer::Failed(text) = worker.hear() {
            break text;
        }
    };
    assert!(text.contains("encoder"), "{text}");
    assert_eq!(worker.exit().code(), Some(1));
}

fn started_by_hand_it_says_so() {
    let output = itself("worker").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("started by the server"));
}

/// Runs inside the sandbox: tries what must not work and prints how it ended.
fn probe() -> ExitCode {
    let filtered = std::env::args().nth(2).as_deref() == Some("filtered");
    let mut missing = worker::sandbox::enter();
    if filtered {
        // As of a worker that has a camera.
        missing.extend(worker::sandbox::filter_calls(Some(b'V')).err());
    }
    missing.iter().for_each(|m| println!("missing: {m}"));
    let ended = |r: Result<(), Errno>| r.map_or_else(|e| e.to_string(), |()| "possible".to_owned());
    let of_io = |e: std::io::Error| Errno::from_raw(e.raw_os_error().unwrap_or(0));
    println!("open {}", ended(std::fs::File::open("/etc/passwd").map(drop).map_err(of_io)));
    println!(
        "create {}",
        ended(std::fs::File::create("/tmp/neverblink-probe").map(drop).map_err(of_io))
    );
    println!("exec {}", ended(Command::new("/bin/true").status().map(drop).map_err(of_io)));
    println!(
        "socket {}",
        ended(socket(AddressFamily::Inet, SockType::Datagram, SockFlag::empty(), None).map(drop))
    );
    // Asks the terminal, or what is there in its place.
    println!("terminal {} {}", std::io::stderr().is_terminal(), std::io::Error::last_os_error());
    println!("signal {}", ended(kill(nix::unistd::getppid(), None)));
    println!(
        "dump {:?}",
        nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_CORE).ok().map(|l| l.1)
    );
    ExitCode::SUCCESS
}

fn the_sandbox_holds() {
    for role in ["filtered", "fenced"] {
        let output = itself("probe").arg(role).stderr(Stdio::inherit()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{role}: {text} {}", output.status);
        if text.contains("missing:") {
            let required = std::env::var_os("NEVERBLINK_TOOLS_REQUIRED").is_some();
            assert!(!required, "this machine cannot: {text}");
            eprintln!("SKIPPED in part, this machine cannot: {text}");
            continue;
        }
        let tried: &[&str] = if role == "filtered" {
            &["open", "create", "exec", "socket", "terminal", "signal"]
        } else {
            &["open", "create", "exec"]
        };
        for what in tried {
            let line = text.lines().find(|line| line.starts_with(what)).unwrap();
            assert!(
                line.contains("EPERM") || line.contains("os error 1)") || line.contains("EACCES"),
                "{role}: {line}"
            );
        }
    }
}

/// Plays a server: starts a worker, and a bystander that keeps the worker's socket open, and then
/// just lives.
#[expect(clippy::zombie_processes, reason = "this process is killed before its children end")]
fn doomed_server() -> ExitCode {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let worker = itself("worker").stdin(OwnedFd::from(theirs)).spawn().unwrap();
    let mut out = Outgoing::default();
    out.push(&ToWorker::Start(Job::TestPicture(job()))).unwrap();
    (&ours).write_all(&out.copy_to_bytes(out.remaining())).unwrap();
    (&ours).read_exact(&mut [0; 1000]).unwrap();
    let bystander = Command::new("sleep")
        .arg("60")
        .stdin(OwnedFd::from(ours))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    println!("{} {}", worker.id(), bystander.id());
    std::thread::sleep(Duration::from_secs(60));
    ExitCode::FAILURE
}

fn a_killed_server_takes_its_worker_with_it() {
    let mut server = itself("server").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pids: Vec<i32> = line.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    let [worker, bystander] = pids[..] else { panic!("{line}") };
    let worker = Pid::from_raw(worker);
    assert_eq!(kill(worker, None), Ok(()));
    server.kill().unwrap();
    server.wait().unwrap();
    let deadline = Instant::now() + PATIENCE;
    let gone = || is_gone(worker);
    while !gone() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    let gone = gone();
    kill(Pid::from_raw(bystander), Signal::SIGKILL).unwrap();
    assert!(gone, "the worker lives on without its server");
}

/// True for a zombie too: whoever adopts it may be slow to bury it.
fn is_gone(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_none_or(|rest| rest.trim_start().is_empty() || rest.trim_start().starts_with('Z'))
}
