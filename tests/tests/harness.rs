//! The harness itself: what it promises to the other tests.

use harness::{Process, has_tool, http, wait_until};
use nix::{errno::Errno, sys::signal::kill};
use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_dropped_process_takes_its_children_with_it() {
    let shell = Process::start("shell", "sh", ["-c", "sleep 1000 & echo $!; wait"]).unwrap();
    let line = shell.log().wait_for_line("the child's id", SOON, |l| !l.is_empty()).unwrap();
    let child = nix::unistd::Pid::from_raw(line.parse().unwrap());
    assert_eq!(kill(child, None), Ok(()));
    drop(shell);
    // Whoever inherits it may take a moment to collect it.
    let state = || std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    let gone = || kill(child, None) == Err(Errno::ESRCH) || state().contains(") Z ");
    wait_until("the child's end", SOON, || gone().then_some(())).unwrap();
}

#[test]
fn events_are_found_wherever_the_logger_puts_the_fields() {
    let script = r#"echo text; echo '{"message":"flat","n":1}'; echo '{"level":"INFO","fields":{"message":"nested","n":2}}' >&2"#;
    let mut shell = Process::start("shell", "sh", ["-c", script]).unwrap();
    assert_eq!(shell.log().wait_for("flat", SOON, |e| e["message"] == "flat").unwrap()["n"], 1);
    assert_eq!(shell.log().wait_for("nested", SOON, |e| e["message"] == "nested").unwrap()["n"], 2);
    assert!(shell.wait(SOON).unwrap().success());
    assert!(shell.log().wait_for("nothing", Duration::from_millis(50), |e| e["n"] == 3).is_err());
}

#[test]
fn reads_bodies_of_every_framing() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Odd: a:b\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Odd: a:b\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Odd: a:b\r\n\r\nhello",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // Closing with the request unread would reset the connection.
            let head = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            head.take_while(|line| !line.is_empty()).for_each(drop);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let response = http::get(address, "/").unwrap();
        assert_eq!((response.status, response.text().as_str(), response.header("x-odd")), (200, "hello", Some("a:b")));
        server.join().unwrap();
    }
}

#[test]
fn knows_which_tools_there_are() {
    assert!(has_tool("sh"));
    assert!(!has_tool("no-such-tool-anywhere"));
}
