//! HLS against ffmpeg, GStreamer, and a client that knows the rules of low latency.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{DEADLINE, Flasher, Process, Server, command, http, skip_without, wait_until};
use std::{
    thread,
    time::{Duration, Instant},
};

fn server() -> Server {
    Server::with_cameras(
        "avc: { source: publish }\nhevc: { source: publish }\nown: { source: 'test:?width=640&height=360&fps=30&gop=30' }",
    )
    .unwrap()
}

/// The reader that knows the rules of draft-pantos-hls-rfc8216bis and nothing of this server.
#[allow(dead_code, reason = "the tests of the muxer use all of it")]
#[path = "../../crates/proto/src/hls/checker.rs"]
mod checker;

#[test]
fn playlists_keep_to_the_rules_from_one_to_the_next() {
    let server = server();
    let _avc = (!skip_without(&["ffmpeg"]))
        .then(|| Flasher::h264_and_aac(&server.rtsp_url("avc")).unwrap());
    for camera in ["own"].into_iter().chain(_avc.as_ref().map(|_| "avc")) {
        server.wait_for_state(camera, "live").unwrap();
        assert_eq!(
            http::get(server.http(), &format!("/live/{camera}/index.m3u8")).unwrap().status,
            200
        );
        let mut text = Playlist::get(&server, camera, "");
        let mut known = checker::read(&text.text);
        for _ in 0..60 {
            let (sequence, parts) = text.edge();
            let next = format!("?_HLS_msn={sequence}&_HLS_part={parts}");
            text = Playlist::get(&server, camera, &next);
            let now = checker::read(&text.text);
            // Sources of the real world are not even to the tick.
            now.check(checker::Rules { even: false });
            now.check_after(&known);
            let delta = Playlist::get(&server, camera, &format!("{next}&_HLS_skip=YES"));
            let delta = checker::read(&delta.text);
            let mut whole = delta.applied_to(&known);
            // A client carries the map on.
            whole.segments[0].map.clone_from(&known.segments[0].map);
            // It was asked for later, so it may be newer than the full playlist.
            whole.check_after(&now);
            known = now;
        }
    }
}

/// A media playlist, as far as these tests read it.
struct Playlist {
    text: String,
}

impl Playlist {
    fn get(server: &Server, camera: &str, query: &str) -> Self {
        let answer =
            http::get(server.http(), &format!("/live/{camera}/hls/media.m3u8{query}")).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        Self { text: answer.text() }
    }

    fn value(&self, tag: &str) -> &str {
        self.text
            .lines()
            .find_map(|l| l.strip_prefix(tag))
            .unwrap_or_else(|| panic!("no {tag} in {}", self.text))
    }

    /// The sequence number of the segment that is growing, and how many parts of it are there.
    fn edge(&self) -> (u64, usize) {
        let first: u64 = self.value("#EXT-X-MEDIA-SEQUENCE:").parse().unwrap();
        let complete = self.text.matches("#EXTINF").count() as u64;
        let open = self.text.rsplit("#EXTINF").next().unwrap();
        (first + complete, open.matches("#EXT-X-PART:").count())
    }

    fn hint(&self) -> String {
        self.value("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=").trim_matches('"').to_owned()
    }
}

/// What ffmpeg complains about when it decodes some seconds, and the pictures it decoded.
fn decode(url: &str, start: &str, seconds: u32) -> (Vec<String>, u64) {
    let seconds = seconds.to_string();
    let args = [
        "-hide_banner",
        "-nostdin",
        "-loglevel",
        "error",
        "-live_start_index",
        start,
        "-i",
        url,
        "-t",
        &seconds,
    ];
    let mut ffmpeg = command("ffmpeg", args);
    ffmpeg.args(["-enc_time_base", "-1", "-f", "null", "-progress", "pipe:1", "-nostats", "-"]);
    let mut process = Process::spawn("ffmpeg", &mut ffmpeg).unwrap();
    process.wait(Duration::from_secs(40)).unwrap();
    let lines = process.log().lines();
    let complaints = lines.iter().filter(|l| !l.is_empty() && !l.contains('=')).cloned().collect();
    (
        complaints,
        lines.iter().rev().find_map(|l| l.strip_prefix("frame=")?.trim().parse().ok()).unwrap_or(0),
    )
}

#[test]
fn ffmpeg_plays_all_of_them_from_any_place_without_a_complaint() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let server = server();
    let _avc = Flasher::h264_and_aac(&server.rtsp_url("avc")).unwrap();
    let _hevc = Flasher::h265_and_opus(&server.rtsp_url("hevc")).unwrap();
    for (camera, codecs) in
        [("avc", "avc1.42c01e,mp4a.40.2"), ("hevc", "hvc1."), ("own", "avc1.42c01e\"")]
    {
        server.wait_for_state(camera, "live").unwrap();
        let variants = http::get(server.http(), &format!("/live/{camera}/index.m3u8")).unwrap();
        assert!(variants.text().contains(&format!("CODECS=\"{codecs}")), "{}", variants.text());
        assert!(variants.text().contains(",RESOLUTION=640x360,FRAME-RATE="), "{}", variants.text());
        for start in ["-1", "-3", "0"] {
            let (complaints, frames) =
                decode(&server.url(&format!("/live/{camera}/index.m3u8")), start, 3);
            assert!(
                complaints.is_empty() && frames >= 60,
                "{camera} from {start}: {frames} frames, {complaints:?}"
            );
        }
    }
}

#[test]
fn gstreamer_plays_both() {
    if skip_without(&["ffmpeg", "gst-launch-1.0"]) {
        return;
    }
    let server = server();
    let _avc = Flasher::h264_and_aac(&server.rtsp_url("avc")).unwrap();
    let _hevc = Flasher::h265_and_opus(&server.rtsp_url("hevc")).unwrap();
    for camera in ["avc", "hevc"] {
        server.wait_for_state(camera, "live").unwrap();
        let url = server.url(&format!("/live/{camera}/index.m3u8"));
        let line = format!(
            "-q uridecodebin3 uri={url} ! video/x-raw ! fakesink num-buffers=90 sync=false"
        );
        let mut gst =
            Process::spawn("gstreamer", &mut command("gst-launch-1.0", line.split_whitespace()))
                .unwrap();
        assert!(
            gst.wait(Duration::from_secs(30)).unwrap().success(),
            "{camera}: {}",
            gst.log().tail(20)
        );
        let complaints: Vec<_> =
            gst.log().lines().into_iter().filter(|l| l.contains("ERROR")).collect();
        assert!(complaints.is_empty(), "{camera}: {complaints:?}");
    }
}

#[test]
fn requests_wait_for_their_part_all_together() {
    let server = server();
    server.wait_for_state("own", "live").unwrap();
    wait_until("a playlist", DEADLINE, || {
        http::get(server.http(), "/live/own/index.m3u8").ok().filter(|a| a.status == 200)
    })
    .unwrap();
    let now = Playlist::get(&server, "own", "");
    let (sequence, parts) = now.edge();
    let wanted = format!("?_HLS_msn={}&_HLS_part=0", sequence + 1);
    let begun = Instant::now();
    thread::scope(|scope| {
        let asked: Vec<_> = (0..20)
            .map(|i| {
                let query = format!("{wanted}{}", if i % 2 == 0 { "&_HLS_skip=YES" } else { "" });
                let server = &server;
                scope.spawn(move || (Playlist::get(server, "own", &query).edge(), begun.elapsed()))
            })
            .collect();
        let answers: Vec<_> = asked.into_iter().map(|a| a.join().unwrap()).collect();
        // Delta updates leave segments out, so only the full ones tell the number.
        assert!(
            answers.iter().skip(1).step_by(2).all(|((s, p), _)| *s == sequence + 1 && *p >= 1),
            "{answers:?} after {sequence}/{parts}"
        );
        let times: Vec<_> = answers.iter().map(|(_, at)| *at).collect();
        let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        assert!(
            *first < Duration::from_secs(3) && *last - *first < Duration::from_millis(500),
            "{times:?}"
        );
    });
    assert!(
        begun.elapsed() > Duration::from_millis(50) || parts >= 9,
        "it cannot have been there yet"
    );
}

#[test]
fn the_hinted_part_is_sent_when_it_is_there_and_files_last_for_ever() {
    let server = server();
    server.wait_for_state("own", "live").unwrap();
    wait_until("a playlist", DEADLINE, || {
        http::get(server.http(), "/live/own/index.m3u8").ok().filter(|a| a.status == 200)
    })
    .unwrap();
    for _ in 0..5 {
        let (hint, begun) = (Playlist::get(&server, "own", "").hint(), Instant::now());
        let part = http::get(server.http(), &format!("/live/own/hls/{hint}")).unwrap();
        assert_eq!((part.status, &part.body[4..8]), (200, &b"moof"[..]));
        assert_eq!(part.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert!(Playlist::get(&server, "own", "").text.contains(&hint), "and it is listed then");
    }
    let now = Playlist::get(&server, "own", "");
    let segment = now.text.lines().find(|l| l.starts_with("seg-")).unwrap();
    let init = now.value("#EXT-X-MAP:URI=").trim_matches('"');
    let whole = http::get(server.http(), &format!("/live/own/hls/{segment}")).unwrap();
    assert_eq!(
        (whole.status, whole.header("content-type"), &whole.body[4..8]),
        (200, Some("video/mp4"), &b"moof"[..])
    );
    assert_eq!(
        &http::get(server.http(), &format!("/live/own/hls/{init}")).unwrap().body[4..8],
        b"ftyp"
    );
    let zipped = http::request(
        server.http(),
        "GET",
        "/live/own/hls/media.m3u8",
        &[("accept-encoding", "gzip")],
        b"",
    )
    .unwrap();
    assert_eq!(
        (zipped.header("content-encoding"), &zipped.body[..2]),
        (Some("gzip"), &[0x1f, 0x8b][..])
    );
    assert_eq!(
        (zipped.header("cache-control"), zipped.header("access-control-allow-origin")),
        (Some("public, max-age=1"), Some("*"))
    );
    assert!(zipped.body.len() * 3 < now.text.len());
    let viewers = server.json("/api/v1/viewers?protocol=hls").unwrap();
    let viewer = &viewers["viewers"][0];
    assert_eq!(
        (viewers["viewers"].as_array().map(Vec::len), &viewer["camera"]),
        (Some(1), &"own".into()),
        "{viewers}"
    );
    assert!(viewer["frames_sent"].as_u64().unwrap() >= 15, "{viewers}");
}

#[test]
fn what_cannot_be_had_is_told() {
    let server = server();
    server.wait_for_state("own", "live").unwrap();
    let get = |path: &str| {
        let answer = http::get(server.http(), path).unwrap();
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        (answer.status, answer.json().unwrap()["error"]["code"].as_str().unwrap().to_owned())
    };
    assert_eq!(get("/live/nobody/index.m3u8"), (404, "camera_not_found".to_owned()));
    assert_eq!(get("/live/avc/index.m3u8"), (503, "camera_not_live".to_owned()));
    assert_eq!(get("/live/own/sd/index.m3u8"), (404, "rendition_not_found".to_owned()));
    assert_eq!(http::get(server.http(), "/live/own/index.m3u8").unwrap().status, 200);
    let (sequence, _) = Playlist::get(&server, "own", "").edge();
    assert_eq!(get("/live/own/hls/seg-0-1.m4s"), (404, "file_not_found".to_owned()));
    assert_eq!(get("/live/own/hls/media.m3u8?_HLS_part=1"), (400, "bad_directives".to_owned()));
    assert_eq!(
        get(&format!("/live/own/hls/media.m3u8?_HLS_msn={}", sequence + 9)),
        (400, "bad_directives".to_owned())
    );
}

#[test]
fn another_publisher_is_a_discontinuity_that_ffmpeg_plays_across() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let server = server();
    let mut first = Flasher::h264_and_aac(&server.rtsp_url("avc")).unwrap();
    server.wait_for_state("avc", "live").unwrap();
    assert_eq!(http::get(server.http(), "/live/avc/index.m3u8").unwrap().status, 200);
    thread::scope(|scope| {
        let player = scope.spawn(|| decode(&server.url("/live/avc/index.m3u8"), "-1", 8));
        // Long enough for the player to have begun.
        wait_until("some segments", DEADLINE, || {
            (Playlist::get(&server, "avc", "").text.matches("EXTINF").count() >= 4).then_some(())
        })
        .unwrap();
        first.kill();
        server.wait_for_state("avc", "offline").unwrap();
        let _second = Flasher::smaller(&server.rtsp_url("avc")).unwrap();
        let now = wait_until("a discontinuity", Duration::from_secs(20), || {
            let now = Playlist::get(&server, "avc", "");
            now.text.contains("#EXT-X-DISCONTINUITY\n#EXT-X-MAP").then_some(now)
        })
        .unwrap();
        assert_eq!(now.text.matches("#EXT-X-MAP").count(), 2);
        let (complaints, frames) = player.join().unwrap();
        assert!(frames > 200, "{frames} frames, {complaints:?}");
    });
}

#[test]
fn the_muxer_ends_when_nobody_asks_and_an_on_demand_source_with_it() {
    let server =
        Server::with_cameras("own: { source: 'test:?width=320&height=240', on_demand: true }")
            .unwrap();
    assert_eq!(server.camera("own").unwrap()["state"], "offline");
    let begun = Instant::now();
    let first = http::get(server.http(), "/live/own/index.m3u8").unwrap();
    assert_eq!(first.status, 200, "it was started for this request: {}", first.text());
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    let run = Playlist::get(&server, "own", "").hint();
    let ended = wait_until("its end", Duration::from_secs(60), || {
        (server.camera("own").unwrap()["state"] == "offline").then_some(())
    });
    ended.unwrap();
    assert_eq!(http::get(server.http(), "/live/own/index.m3u8").unwrap().status, 200);
    assert_ne!(
        Playlist::get(&server, "own", "").hint()[..13],
        run[..13],
        "nothing of the run before"
    );
}
