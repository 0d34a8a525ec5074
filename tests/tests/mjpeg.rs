//! JPEG for whatever shows images and nothing else: multipart streams and snapshots, from a worker
//! that decodes.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{
    DEADLINE, Line, Publisher, PublisherOptions, Server, ServerOptions, command, http,
    skip_without, wait_until, wall_clock,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

const PICTURE: &str = "test:?width=1280&height=720&fps=30&gop=30";
const SMALL: &str = "test:?width=320&height=180&fps=30&gop=120";

fn server(cameras: &str) -> Server {
    let server = Server::with_cameras(cameras).unwrap();
    server.wait_for_state("cam", "live").unwrap();
    server
}

fn ffprobe(args: &[&str]) -> String {
    let output =
        command("ffprobe", ["-v", "error", "-of", "csv=p=0"].iter().chain(args)).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{args:?}: {errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn ffprobe_reads_the_multipart_with_and_without_headers_of_its_own() {
    if skip_without(&["ffprobe"]) {
        return;
    }
    let server = server(&format!("cam: {{ source: '{SMALL}' }}"));
    for query in ["", "?headers=1", "?width=160&fps=10"] {
        let url = server.url(&format!("/live/cam/mjpeg{query}"));
        let show = "stream=codec_name,width,height,nb_read_frames";
        let seen = ffprobe(&[
            "-f",
            "mpjpeg",
            "-read_intervals",
            "%+#20",
            "-count_frames",
            "-show_entries",
            show,
            &url,
        ]);
        let size = if query.contains("width") { "160,90" } else { "320,180" };
        assert_eq!(seen, format!("mjpeg,{size},20"), "{query}");
    }
}

/// One connection that reads parts.
struct Watcher {
    stream: TcpStream,
    /// What was read and not looked through.
    rest: Vec<u8>,
    pictures: u64,
}

/// The headers of each part, once.
const PART: &[u8] = b"Content-Type: image/jpeg\r\n";

impl Watcher {
    fn new(server: &Server, path: &str) -> Self {
        let mut stream = TcpStream::connect(server.http()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", server.http()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { stream, rest: Vec::new(), pictures: 0 }
    }

    /// Takes what is there.
    fn read(&mut self) {
        let mut piece = [0; 65_536];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => panic!("the server hung up"),
                Ok(n) => self.count(&piece[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) => panic!("{e}"),
            }
        }
    }

    fn count(&mut self, piece: &[u8]) {
        self.rest.extend_from_slice(piece);
        self.pictures += self.rest.windows(PART.len()).filter(|w| *w == PART).count() as u64;
        let keep = self.rest.len().saturating_sub(PART.len() - 1);
        self.rest.drain(..keep);
    }
}

fn watchers(server: &Server, count: usize, path: &str) -> Vec<Watcher> {
    let all: Vec<_> = (0..count).map(|_| Watcher::new(server, path)).collect();
    all.iter().for_each(|w| w.stream.set_nonblocking(true).unwrap());
    all
}

/// Reads all for `time`.
fn read_for(watchers: &mut [Watcher], time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        watchers.iter_mut().for_each(Watcher::read);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn two_hundred_viewers_share_one_decoding_and_one_encoding_and_those_who_stop_cost_nothing() {
    let server = server(&format!("cam: {{ source: '{SMALL}' }}"));
    let path = "/live/cam/mjpeg?fps=15";
    let mut readers = watchers(&server, 180, path);
    let stopped = watchers(&server, 20, path);
    read_for(&mut readers, Duration::from_secs(4));
    let counts = || {
        let of =
            |name: &str| server.metric(&format!("neverblink_{name}{{camera=\"cam\"}}")).unwrap();
        [of("pictures_decoded_total"), of("pictures_encoded_total"), of("camera_frames_total")]
    };
    let (before, resident) = (counts(), server.usage().unwrap().resident);
    let seen: u64 = readers.iter().map(|w| w.pictures).sum();
    read_for(&mut readers, Duration::from_secs(8));
    let [decoded, encoded, frames] = [0, 1, 2].map(|i| counts()[i] - before[i]);
    let grown = server.usage().unwrap().resident as f64 - resident as f64;
    let shown = (readers.iter().map(|w| w.pictures).sum::<u64>() - seen) as f64 / 180.0;
    let viewers = server.metric(r#"neverblink_viewers{camera="cam",protocol="mjpeg"}"#).unwrap();
    let mut line = Line::new("200 viewers of JPEG, 20 of them stopped, for 8 s");
    line.seen("viewers", viewers).seen("frames", frames).seen("pictures each reader got", shown);
    // Heartbeats, which tell of decoding, come once a second.
    line.at_most("decoded", decoded, frames + 45.0, frames + 45.0);
    line.at_most("encoded", encoded, frames / 2.0 + 15.0, frames / 2.0 + 30.0);
    line.at_least("encoded", encoded, frames / 2.0 * 0.9, frames / 2.0 * 0.5);
    line.at_least(
        "share of the encoded that each reader got, %",
        100.0 * shown / encoded,
        90.0,
        70.0,
    );
    line.at_most("memory grew by MiB", grown / f64::from(1 << 20), 4.0, 8.0);
    line.finish();
    assert_eq!(
        (viewers, server.metric(r#"neverblink_pictures_workers{camera="cam"}"#).unwrap()),
        (200.0, 1.0)
    );
    drop(stopped);
}

/// The process that makes the pictures of `cam`.
fn picture_worker(server: &Server) -> Option<Pid> {
    let named = |pid: &Pid| {
        fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|name| name.trim() == "nbjpeg:cam")
    };
    server.workers().into_iter().find(named)
}

#[test]
fn a_killed_worker_is_replaced_within_a_second_on_the_same_connections() {
    let server = server(&format!("cam: {{ source: '{SMALL}' }}"));
    let mut readers = watchers(&server, 10, "/live/cam/mjpeg");
    let all_see = |readers: &mut [Watcher], least: u64| {
        let begun = Instant::now();
        let goals: Vec<_> = readers.iter().map(|r| r.pictures + least).collect();
        wait_until("pictures for everybody", DEADLINE, || {
            readers.iter_mut().for_each(Watcher::read);
            readers.iter().zip(&goals).all(|(r, goal)| r.pictures >= *goal).then_some(())
        })
        .unwrap();
        begun.elapsed()
    };
    all_see(&mut readers, 10);
    let worker = picture_worker(&server).unwrap();
    kill(worker, Signal::SIGKILL).unwrap();
    wait_until("its end", DEADLINE, || (picture_worker(&server) != Some(worker)).then_some(()))
        .unwrap();
    readers.iter_mut().for_each(Watcher::read);
    let took = all_see(&mut readers, 2);
    let mut line = Line::new(
        "the worker that decodes is killed while ten watch: from its end to two more pictures for all",
    );
    line.at_most("ms", took.as_secs_f64() * 1000.0, 1000.0, 1500.0);
    line.finish();
    assert!(picture_worker(&server).is_some_and(|new| new != worker));
    assert_eq!(
        server.metric(r#"neverblink_pictures_worker_restarts_total{camera="cam"}"#).unwrap(),
        1.0
    );
}

/// A snapshot, and how long it took in milliseconds.
fn snapshot(server: &Server, path: &str) -> (http::Response, f64) {
    let begun = Instant::now();
    let answer = http::get(server.http(), path).unwrap();
    (answer, begun.elapsed().as_secs_f64() * 1000.0)
}

#[test]
fn snapshots_come_at_once_and_are_young() {
    let server = server(&format!(
        "cam: {{ source: '{PICTURE}' }}\ncold: {{ source: '{PICTURE}', on_demand: true }}"
    ));
    // The keyframe before may be a second old, so that the worker has something to catch up with.
    std::thread::sleep(Duration::from_millis(1700));
    let (first, to_first) = snapshot(&server, "/live/cam/snapshot.jpg");
    let (cold, to_cold) = snapshot(&server, "/live/cold/snapshot.jpg?width=640");
    let mut warm: Vec<_> = (0..7)
        .map(|i| snapshot(&server, &format!("/live/cam/snapshot.jpg?quality={}", 70 + i)).1)
        .collect();
    warm.sort_by(f64::total_cmp);
    let captured: f64 = cold.header("x-timestamp").unwrap().parse().unwrap();
    let age = wall_clock() / 1e3 - captured;
    let mut line = Line::new("a snapshot of 1280x720, from the request to its last byte");
    line.at_most("ms from a camera that runs, the worker does not yet", to_first, 100.0, 1000.0);
    line.at_most("ms with a worker that runs, median", warm[3], 100.0, 300.0);
    line.at_most("ms from a camera that was off", to_cold, 2000.0, 4000.0);
    line.finish();
    assert!((0.0..5.0).contains(&age), "{age} s old");
    assert_eq!(
        (first.status, cold.status, first.header("content-type")),
        (200, 200, Some("image/jpeg"))
    );
    if !skip_without(&["ffprobe"]) {
        for (picture, size) in [(&first, "1280,720"), (&cold, "640,360")] {
            let file = server.directory().join("snapshot.jpg");
            fs::write(&file, &picture.body).unwrap();
            let show = "stream=codec_name,width,height,pix_fmt,color_range";
            assert_eq!(
                ffprobe(&["-show_entries", show, file.to_str().unwrap()]),
                format!("mjpeg,{size},yuvj420p,pc")
            );
        }
    }
}

#[test]
fn a_crowd_shares_a_snapshot_and_max_age_decides_how_old_it_may_be() {
    let server = server(&format!("cam: {{ source: '{SMALL}' }}"));
    let at = |query: &str| {
        let answer = http::get(server.http(), &format!("/live/cam/snapshot.jpg{query}")).unwrap();
        answer.header("x-timestamp").unwrap().parse::<f64>().unwrap()
    };
    let first = at("?max_age=60");
    assert_eq!(at("?max_age=60"), first, "shared");
    std::thread::sleep(Duration::from_millis(200));
    assert!(at("?max_age=0") > first, "a new one");
    // The worker goes home when nobody asks any more.
    wait_until("the end of the worker", DEADLINE, || {
        picture_worker(&server).is_none().then_some(())
    })
    .unwrap();
}

#[test]
fn whoever_asks_in_vain_is_told_why() {
    let server = server(&format!(
        "cam: {{ source: '{SMALL}' }}\nnone: {{ source: publish }}\ndead: {{ source: 'rtsp://127.0.0.1:9/x', on_demand: true }}"
    ));
    let asked = |path: &str| {
        let begun = Instant::now();
        let answer = http::get(server.http(), path).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(5), "{path} took {:?}", begun.elapsed());
        let error = answer.json().unwrap()["error"].clone();
        (
            answer.status,
            error["code"].as_str().unwrap().to_owned(),
            format!("{} {}", error["message"], error["hint"]),
        )
    };
    for kind in ["mjpeg", "snapshot.jpg"] {
        let (status, code, text) = asked(&format!("/live/none/{kind}"));
        assert_eq!((status, &*code), (503, "camera_not_live"));
        assert!(text.contains("nobody has published"), "{text}");
        let (status, _, text) = asked(&format!("/live/dead/{kind}"));
        assert!(status == 503 && text.contains("refuses the connection"), "{status} {text}");
        let (status, code, text) = asked(&format!("/live/cam/{kind}?width=1"));
        assert_eq!((status, &*code), (400, "bad_query"));
        assert!(text.contains("width=1") && text.contains("16 to 8192"), "{text}");
        assert_eq!(asked(&format!("/live/nope/{kind}")).0, 404);
        assert_eq!(asked(&format!("/live/cam/sd/{kind}")).1, "rendition_not_found");
    }
    let _crowd: Vec<_> = (0..8)
        .map(|i| Watcher::new(&server, &format!("/live/cam/mjpeg?width={}&fps=1", 100 + i)))
        .collect();
    let eight = || {
        server
            .metric(r#"neverblink_viewers{camera="cam",protocol="mjpeg"}"#)
            .is_ok_and(|n| n == 8.0)
    };
    wait_until("eight kinds", DEADLINE, || eight().then_some(())).unwrap();
    let (status, code, text) = asked("/live/cam/mjpeg");
    assert_eq!((status, &*code), (503, "too_many_kinds_of_pictures"));
    assert!(text.contains("width=100&quality=80"), "{text}");
    assert_eq!(
        http::get(server.http(), "/live/cam/snapshot.jpg?width=107&quality=80&max_age=60")
            .unwrap()
            .status,
        200
    );
}

fn h265(server: &Server, bframes: u32) -> Publisher {
    let x265 = format!("keyint=30:bframes={bframes}:scenecut=0:log-level=none:frame-threads=1");
    let encoder = Some(
        ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", &x265]
            .map(String::from)
            .to_vec(),
    );
    let options =
        PublisherOptions { width: 640, height: 360, encoder, ..PublisherOptions::default() };
    let publisher = Publisher::start_with(&server.rtsp_url("cam"), &options).unwrap();
    server.wait_for_state("cam", "live").unwrap();
    publisher
}

/// The processes that decode H.265.
fn decoders(server: &Server) -> Vec<Pid> {
    let named = |pid: &Pid| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "ffmpeg")
    };
    server.workers().into_iter().filter(named).collect()
}

#[test]
fn h265_is_shown_by_an_ffmpeg_of_its_own_that_is_replaced_when_it_dies() {
    if skip_without(&["ffmpeg", "ffprobe"]) {
        return;
    }
    let server = Server::with_cameras("cam: { source: publish }").unwrap();
    let _publisher = h265(&server, 2);
    let (cold, to_cold) = snapshot(&server, "/live/cam/snapshot.jpg");
    assert_eq!(cold.status, 200, "{}", cold.text());
    let small = snapshot(&server, "/live/cam/snapshot.jpg?width=321&quality=40").0;
    for (picture, size) in [(&cold, "640,360"), (&small, "320,180")] {
        let file = server.directory().join("snapshot.jpg");
        fs::write(&file, &picture.body).unwrap();
        let show = "stream=codec_name,width,height,pix_fmt,color_range";
        assert_eq!(
            ffprobe(&["-show_entries", show, file.to_str().unwrap()]),
            format!("mjpeg,{size},yuvj420p,pc")
        );
    }
    let numbers = frame_numbers(&server, 640, 360, 40);
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    assert!(numbers[39] - numbers[0] < 60, "{numbers:?}");

    let mut readers = watchers(&server, 10, "/live/cam/mjpeg");
    let see = |readers: &mut [Watcher], least: u64| {
        let goals: Vec<_> = readers.iter().map(|r| r.pictures + least).collect();
        wait_until("pictures for everybody", DEADLINE, || {
            readers.iter_mut().for_each(Watcher::read);
            readers.iter().zip(&goals).all(|(r, goal)| r.pictures >= *goal).then_some(())
        })
        .unwrap();
    };
    see(&mut readers, 10);
    let before = decoders(&server);
    before.iter().for_each(|pid| kill(*pid, Signal::SIGKILL).unwrap());
    wait_until("their end", DEADLINE, || {
        before.iter().all(|pid| !decoders(&server).contains(pid)).then_some(())
    })
    .unwrap();
    let begun = Instant::now();
    readers.iter_mut().for_each(Watcher::read);
    see(&mut readers, 2);
    let took = begun.elapsed();
    let warm = snapshot(&server, "/live/cam/snapshot.jpg").0;
    let captured: f64 = warm.header("x-timestamp").unwrap().parse().unwrap();
    let mut line = Line::new("H.265 of 640x360 as JPEG by ffmpeg");
    line.at_most("ms to the first snapshot", to_cold, 1000.0, 4000.0);
    line.at_most(
        "ms from the end of the decoder to two more pictures for ten",
        took.as_secs_f64() * 1e3,
        1000.0,
        4000.0,
    );
    line.at_most(
        "ms from arrival to a snapshot",
        (wall_clock() / 1e3 - captured) * 1e3,
        500.0,
        2000.0,
    );
    line.finish();
    drop(readers);
    wait_until("the end of all", DEADLINE, || decoders(&server).is_empty().then_some(())).unwrap();
}

#[test]
fn h265_is_refused_with_a_hint_where_there_is_no_ffmpeg() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    // The harness starts the server by setpriv; nothing else is there.
    let (poor, path) = (tempfile::tempdir().unwrap(), std::env::var_os("PATH").unwrap());
    let setpriv =
        std::env::split_paths(&path).map(|d| d.join("setpriv")).find(|f| f.is_file()).unwrap();
    std::os::unix::fs::symlink(setpriv, poor.path().join("setpriv")).unwrap();
    let environment = vec![("PATH".into(), poor.path().to_str().unwrap().to_owned())];
    let cameras = "cam: { source: publish }".into();
    let server =
        Server::start(ServerOptions { cameras, environment, ..ServerOptions::default() }).unwrap();
    let _publisher = h265(&server, 0);
    let answer = http::get(server.http(), "/live/cam/snapshot.jpg").unwrap();
    let error = answer.json().unwrap()["error"].clone();
    assert_eq!((answer.status, error["code"].as_str()), (501, Some("codec_not_decoded")));
    assert!(error["message"].as_str().unwrap().contains("h265"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("ffmpeg"), "{error}");
}

/// High profile with reordered frames, as many cameras send by default.
#[test]
fn reordered_frames_are_shown_in_order() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let server = Server::with_cameras("cam: { source: publish }").unwrap();
    let encoder =
        ["-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "30", "-pix_fmt", "yuv420p"];
    let encoder = Some(encoder.map(String::from).to_vec());
    let options =
        PublisherOptions { width: 640, height: 360, encoder, ..PublisherOptions::default() };
    let _publisher = Publisher::start_with(&server.rtsp_url("cam"), &options).unwrap();
    server.wait_for_state("cam", "live").unwrap();
    let numbers = frame_numbers(&server, 640, 360, 40);
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    assert!(numbers[39] - numbers[0] < 60, "{numbers:?}");
}

/// The numbers that the clock in the picture shows, of `count` pictures as ffmpeg decodes them.
fn frame_numbers(server: &Server, width: usize, height: usize, count: usize) -> Vec<i64> {
    let url = server.url("/live/cam/mjpeg");
    let count_text = count.to_string();
    let args = [
        "-v",
        "error",
        "-f",
        "mpjpeg",
        "-i",
        &url,
        "-frames:v",
        &count_text,
        "-vsync",
        "0",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "gray",
        "-",
    ];
    let output = command("ffmpeg", args).output().unwrap();
    assert_eq!(
        output.stdout.len(),
        width * height * count,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
        .stdout
        .chunks(width * height)
        .map(|picture| frame_number(picture, width, height))
        .collect()
}

/// The upper half of the second row of the clock that programs read:
/// `crates/worker/src/picture/clock.rs` specifies it.
fn frame_number(luma: &[u8], width: usize, height: usize) -> i64 {
    let cell = |column: usize, row: usize| {
        luma[(2 * row + 1) * height / 90 * width + (2 * column + 1) * width / 160]
    };
    assert!(
        cell(2, 3) > 200 && cell(3, 3) < 50,
        "full range, and a clock: {} {}",
        cell(2, 3),
        cell(3, 3)
    );
    (4..20).fold(0, |number, column| number << 1 | i64::from(cell(column, 3) > 128))
}
