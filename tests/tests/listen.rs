//! Where the server listens: by IPv6, and not at all.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{DEADLINE, OFFER, Player, Server, ServerOptions, http, skip, skip_without};
use nix::unistd::Pid;
use std::{
    fs,
    net::{Ipv6Addr, TcpListener},
    path::PathBuf,
};

const CAMERA: &str = "cam: { source: 'test:?width=320&height=180&fps=30&gop=30' }";
const SDP: [(&str, &str); 1] = [("Content-Type", "application/sdp")];

#[test]
fn what_is_off_opens_no_port_and_the_rest_serves() {
    let mut server = Server::start(ServerOptions {
        cameras: CAMERA.into(),
        more: "listen: { http: '127.0.0.1:0', rtsp: off, webrtc: off }".into(),
        ..ServerOptions::default()
    })
    .unwrap();
    server.wait_for_state("cam", "live").unwrap();
    assert_eq!((server.rtsp().port(), server.webrtc().port()), (0, 0));
    let pid = server.process().pid();
    assert_eq!((open_ports(pid, "tcp"), open_ports(pid, "udp")), (1, 0), "HTTP alone");
    assert_eq!(http::get(server.http(), "/live/cam/snapshot.jpg").unwrap().status, 200);
    assert_eq!(http::get(server.http(), "/live/cam/index.m3u8").unwrap().status, 200);
    let answer =
        http::request(server.http(), "POST", "/live/cam/whep", &SDP, OFFER.as_bytes()).unwrap();
    assert_eq!(answer.status, 404, "{}", answer.text());
}

/// How many sockets of a process wait for strangers (`proc_net_tcp(5)`).
fn open_ports(process: Pid, protocol: &str) -> usize {
    let inode = |link: PathBuf| {
        Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
    };
    let files = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    let own: Vec<_> = links.filter_map(inode).collect();
    let table = fs::read_to_string(format!("/proc/{process}/net/{protocol}")).unwrap();
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    // A TCP socket that listens is in state 0A, a UDP socket without a peer in 07.
    rows.filter(|row| matches!(row[3], "0A" | "07") && own.iter().any(|i| i == row[9])).count()
}

#[test]
fn every_port_serves_by_ipv6() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return skip("this machine has no IPv6");
    }
    let server = Server::start(ServerOptions {
        cameras: CAMERA.into(),
        host: Ipv6Addr::LOCALHOST.into(),
        ..ServerOptions::default()
    })
    .unwrap();
    server.wait_for_state("cam", "live").unwrap();
    assert!(server.http().is_ipv6() && server.rtsp().is_ipv6() && server.webrtc().is_ipv6());
    assert_eq!(http::get(server.http(), "/live/cam/snapshot.jpg").unwrap().status, 200);
    let player = Player::ffmpeg(&server.rtsp_url("cam"), "tcp").unwrap();
    player.wait_for_frames(30, DEADLINE).unwrap();
    let answer =
        http::request(server.http(), "POST", "/live/cam/whep", &SDP, OFFER.as_bytes()).unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    let port = server.webrtc().port();
    let candidate = |line: &str| line.starts_with("a=candidate") && line.contains(" ::1 ");
    let candidates: Vec<_> =
        answer.text().lines().filter(|l| candidate(l)).map(str::to_owned).collect();
    assert!(candidates.iter().any(|c| c.contains(&port.to_string())), "{}", answer.text());
}
