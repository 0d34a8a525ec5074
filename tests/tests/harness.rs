//! The harness itself: what it promises to the other tests.

use harness::{
    Camera, DEADLINE, Player, Process, PublisherOptions, has_tool, http, lan, relay, skip_without,
    wait_until,
};
use nix::{errno::Errno, sys::signal::kill};
use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, UdpSocket},
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
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
        assert_eq!(
            (response.status, response.text().as_str(), response.header("x-odd")),
            (200, "hello", Some("a:b"))
        );
        server.join().unwrap();
    }
}

#[test]
fn knows_which_tools_there_are() {
    assert!(has_tool("sh"));
    assert!(!has_tool("no-such-tool-anywhere"));
}

#[test]
fn the_relay_delays_both_ways_and_loses_what_it_should() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let way = relay::Way { delay: Duration::from_millis(20), loss_down: 10, loss_up: 0, seed: 1 };
    let relay = relay::Relay::start(server.local_addr().unwrap(), way).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    for socket in [&client, &server] {
        socket.set_read_timeout(Some(SOON)).unwrap();
    }
    let start = Instant::now();
    client.send_to(b"ping", relay.address()).unwrap();
    let mut data = [0; 100];
    let (_, back) = server.recv_from(&mut data).unwrap();
    for _ in 0..1000 {
        server.send_to(b"pong", back).unwrap();
        thread::sleep(Duration::from_micros(20));
    }
    let (length, _) = client.recv_from(&mut data).unwrap();
    assert_eq!(&data[..length], b"pong");
    assert!(start.elapsed() >= Duration::from_millis(40), "{:?}", start.elapsed());
    let carried = relay.carried();
    let count =
        || (carried.down.load(Ordering::Relaxed), carried.lost_down.load(Ordering::Relaxed));
    wait_until("a thousand packets", SOON, || (count().0 + count().1 == 1000).then_some(()))
        .unwrap();
    assert!((60..140).contains(&count().1), "{:?}", count());
}

#[test]
fn a_lan_has_two_hosts_and_loses_packets() {
    lan::on_a_lan(|lan| {
        let listener = TcpListener::bind((lan::SERVER, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = format!("exec 3<>/dev/tcp/{}/{port}; echo hello >&3", lan::SERVER);
        let _caller =
            Process::spawn("caller", &mut lan.at_viewer("bash", ["-c", &script])).unwrap();
        let (stream, from) = listener.accept().unwrap();
        assert_eq!(from.ip(), lan::VIEWER);
        assert_eq!(BufReader::new(stream).lines().next().unwrap().unwrap(), "hello");
        assert_eq!(udp_answer(lan), "y");
        lan.lose(100).unwrap();
        assert_eq!(udp_answer(lan), "nothing");
        lan.lose(0).unwrap();
        assert_eq!(udp_answer(lan), "y");
        lan.block_udp().unwrap();
        assert_eq!(udp_answer(lan), "nothing");
    });
}

/// What the viewer hears after having sent a packet to the server, which says `y`. Bash reads one
/// byte a packet.
fn udp_answer(lan: &lan::Lan) -> String {
    let server = UdpSocket::bind((lan::SERVER, 0)).expect("a socket");
    let port = server.local_addr().expect("an address").port();
    let script = format!(
        "exec 3<>/dev/udp/{}/{port}; {{ echo >&3; }} 2>/dev/null; read -t 1 -n 1 -u 3 line; echo ${{line:-nothing}}",
        lan::SERVER
    );
    let viewer =
        Process::spawn("viewer", &mut lan.at_viewer("bash", ["-c", &script])).expect("bash");
    server.set_read_timeout(Some(Duration::from_secs(1))).expect("a time-out");
    // A firewall may have kept it from being sent.
    if let Ok((_, viewers)) = server.recv_from(&mut [0; 100]) {
        server.send_to(b"y", viewers).expect("a way back");
    }
    viewer.log().wait_for_line("the viewer's word", SOON, |l| !l.is_empty()).expect("a word")
}

/// Both players and the camera, without a server between.
#[test]
fn the_peers_understand_each_other() {
    let Some(camera) = Camera::start(&PublisherOptions::default()).unwrap() else { return };
    if skip_without(&["ffmpeg", "gst-launch-1.0"]) {
        return;
    }
    for transport in ["tcp", "udp"] {
        for player in
            [Player::ffmpeg(&camera.url(), transport), Player::gstreamer(&camera.url(), transport)]
        {
            let player = player.unwrap();
            player.wait_for_frames(30, DEADLINE).unwrap();
        }
    }
}
