//! Cameras that are files.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{Browser, Line, Process, Server, command, http, skip_without, wait_until};
use serde_json::Value;
use std::{path::PathBuf, time::Duration};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);
/// Of each file.
const FRAMES: usize = 45;

struct Clips(TempDir);

impl Clips {
    fn new() -> Self {
        Self(TempDir::with_prefix("neverblink-clips-").unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A clip of 1.5 s at 30 fps with a tone, made by ffmpeg.
    fn make(&self, name: &str, options: &str) {
        let mut ffmpeg = command(
            "ffmpeg",
            ["-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-f", "lavfi"],
        );
        ffmpeg.args(["-i", "testsrc2=size=320x240:rate=30:duration=1.5", "-f", "lavfi"]);
        ffmpeg.args([
            "-i",
            "sine=frequency=500:sample_rate=48000:duration=1.5",
            "-preset",
            "ultrafast",
            "-g",
            "30",
        ]);
        ffmpeg.args(["-pix_fmt", "yuv420p"]).args(options.split_whitespace()).arg(self.path(name));
        assert!(
            Process::spawn("ffmpeg", &mut ffmpeg).unwrap().wait(SOON).unwrap().success(),
            "{name}"
        );
    }

    fn camera(&self, name: &str, clip: &str, options: &str) -> String {
        format!(
            "{name}: {{ source: 'file:{}{options}', stall_after: 2s }}\n",
            self.path(clip).display()
        )
    }
}

fn wait_for(server: &Server, camera: &str, state: &str, words: &str) -> Value {
    server.wait_for_words(camera, state, words, SOON).unwrap()
}

/// What ffprobe sees of a camera for `seconds`: decode and presentation times of each track, in
/// seconds, as they came.
fn watch(server: &Server, camera: &str, seconds: u32) -> [Vec<(f64, f64)>; 2] {
    let mut probe = command(
        "ffprobe",
        ["-v", "error", "-read_intervals", &format!("%+{seconds}"), "-of", "csv=p=0"],
    );
    probe.args(["-show_entries", "packet=codec_type,pts_time,dts_time", "-probesize", "100000"]);
    probe.arg(server.url(&format!("/live/{camera}/stream.ts")));
    let mut probe = Process::spawn("ffprobe", &mut probe).unwrap();
    assert!(probe.wait(SOON).unwrap().success());
    let lines = probe.log().lines();
    ["video", "audio"].map(|kind| {
        let ours = lines.iter().filter_map(|line| line.strip_prefix(kind)?.strip_prefix(','));
        let times = |line: &str| {
            let mut fields = line.split(',').map_while(|field| field.parse::<f64>().ok());
            let pts = fields.next()?;
            Some((fields.next()?, pts))
        };
        ours.filter_map(times).collect()
    })
}

/// The least and the greatest step.
fn steps(times: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let steps = times.clone().zip(times.skip(1)).map(|(a, b)| b - a);
    steps.fold((f64::MAX, f64::MIN), |(least, most), step| (least.min(step), most.max(step)))
}

#[test]
fn files_of_all_kinds_run_on_across_their_end_as_if_there_were_none() {
    if skip_without(&["ffmpeg", "ffprobe"]) {
        return;
    }
    let clips = Clips::new();
    let h264 = "-c:v libx264 -bf 2 -c:a aac";
    for (name, options) in [
        ("plain.mp4", "-c:v libx264 -bf 0 -c:a aac"),
        ("bframes.mp4", h264),
        ("fragmented.mp4", "-c:v libx264 -bf 2 -c:a aac -movflags frag_keyframe+empty_moov"),
        ("matroska.mkv", "-c:v libx264 -bf 2 -c:a libopus"),
        ("transport.ts", h264),
        ("flash.flv", "-c:v libx264 -bf 2 -c:a aac -ar 44100"),
        ("hevc.mp4", "-c:v libx265 -c:a libopus -x265-params log-level=error:bframes=2"),
    ] {
        clips.make(name, options);
    }
    let names = [
        "plain.mp4",
        "bframes.mp4",
        "fragmented.mp4",
        "matroska.mkv",
        "transport.ts",
        "flash.flv",
        "hevc.mp4",
    ];
    let camera = |name: &&str| clips.camera(name.split('.').next().unwrap(), name, "");
    let server = Server::with_cameras(&names.iter().map(camera).collect::<String>()).unwrap();
    std::thread::scope(|scope| {
        let watches: Vec<_> = names
            .iter()
            .map(|name| {
                let (server, camera) = (&server, name.split('.').next().unwrap());
                (
                    camera,
                    scope.spawn(move || {
                        wait_for(server, camera, "live", "");
                        watch(server, camera, 6)
                    }),
                )
            })
            .collect();
        for (camera, watch) in watches {
            let [video, audio] = watch.join().unwrap();
            // Three rounds, and two seams.
            assert!(video.len() >= 3 * FRAMES, "{camera}: {} frames", video.len());
            let decoded = steps(video.iter().map(|(dts, _)| *dts));
            assert!(
                decoded.0 > 0.031 && decoded.1 < 0.036,
                "{camera}: decode times step by {decoded:?}"
            );
            let mut shown: Vec<_> = video.iter().map(|(_, pts)| *pts).collect();
            shown.sort_by(f64::total_cmp);
            // Those at the very end still lack frames that come later.
            let shown = steps(shown[..shown.len() - 4].iter().copied());
            assert!(
                shown.0 > 0.031 && shown.1 < 0.036,
                "{camera}: presentation times step by {shown:?}"
            );
            let sound = steps(audio.iter().map(|(_, pts)| *pts));
            assert!(sound.0 > 0.0 && sound.1 < 0.07, "{camera}: sound steps by {sound:?}");
            let apart = video.last().unwrap().0 - audio.last().unwrap().0;
            assert!(apart.abs() < 0.3, "{camera}: pictures and sound end {apart} s apart");
        }
    });
    for name in names {
        let camera = server.camera(name.split('.').next().unwrap()).unwrap();
        assert_eq!(
            (&camera["state"], &camera["restarts"]),
            (&"live".into(), &0.into()),
            "{camera}"
        );
    }
}

#[test]
fn chromium_shows_no_seam() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let Some(browser) = Browser::start().unwrap() else { return };
    let clips = Clips::new();
    clips.make("clip.mkv", "-c:v libx264 -bf 0 -c:a libopus");
    let server = Server::with_cameras(&clips.camera("clip", "clip.mkv", "")).unwrap();
    wait_for(&server, "clip", "live", "");
    browser.watch("viewer", &server.whep_url("clip")).unwrap();
    let seen = browser.measure("viewer", 4.0).unwrap();
    Line::new("a file across two of its ends, in Chromium")
        .at_least("fps decoded", seen.decoded_fps(), 29.5, 27.0)
        .at_most("freezes", seen.freezes() as f64, 0.0, 1.0)
        .finish();
    assert_eq!(
        server.metric("neverblink_viewers{camera=\"clip\",protocol=\"webrtc\"}").unwrap(),
        1.0
    );
}

#[test]
fn a_file_that_is_not_to_be_repeated_ends_and_begins_by_command() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let clips = Clips::new();
    clips.make("once.mp4", "-c:v libx264 -an");
    let server = Server::with_cameras(&clips.camera("once", "once.mp4", "?loop=false")).unwrap();
    let frames =
        || server.metric("neverblink_camera_frames_total{camera=\"once\"}").unwrap() as usize;
    wait_for(&server, "once", "offline", "the file has ended");
    assert_eq!(frames(), FRAMES);
    // It stays so for longer than any silence is borne.
    wait_until("three seconds of it", SOON, || {
        (server.camera("once").ok()?["since_ms"].as_u64()? > 3000).then_some(())
    })
    .unwrap();
    assert_eq!(wait_for(&server, "once", "offline", "the file has ended")["restarts"], 0);
    let order =
        http::request(server.http(), "POST", "/api/v1/cameras/once/restart", &[], b"").unwrap();
    assert!(order.status < 300, "{}", order.text());
    wait_until("all frames again", SOON, || (frames() == 2 * FRAMES).then_some(())).unwrap();
}

#[test]
fn a_file_that_is_replaced_is_read_anew_and_one_that_appears_is_found() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let clips = Clips::new();
    let server = Server::with_cameras(&clips.camera("clip", "clip.mp4", "")).unwrap();
    wait_for(&server, "clip", "offline", "there is no file");
    clips.make("first.mp4", "-c:v libx264 -an");
    clips.make("second.mp4", "-c:v libx265 -x265-params log-level=error -an");
    std::fs::rename(clips.path("first.mp4"), clips.path("clip.mp4")).unwrap();
    assert_eq!(wait_for(&server, "clip", "live", "")["tracks"][0]["codec"], "h264");
    std::fs::rename(clips.path("second.mp4"), clips.path("clip.mp4")).unwrap();
    wait_until("the other file", SOON, || {
        let camera = server.camera("clip").ok()?;
        (camera["tracks"][0]["codec"] == "h265" && camera["state"] == "live").then_some(())
    })
    .unwrap();
}

#[test]
fn what_is_wrong_is_told_in_words() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let clips = Clips::new();
    clips.make("old.mp4", "-c:v mpeg4 -c:a aac");
    clips.make("bare.h264", "-c:v libx264 -an -f h264");
    clips.make("good.mp4", "-c:v libx264 -an -movflags faststart");
    let good = std::fs::read(clips.path("good.mp4")).unwrap();
    std::fs::write(clips.path("cut.mp4"), &good[..good.len() * 2 / 3]).unwrap();
    std::fs::write(clips.path("text.mp4"), "this is no film at all").unwrap();
    std::fs::write(clips.path("empty.mp4"), "").unwrap();
    std::fs::create_dir(clips.path("folder")).unwrap();
    let cases = [
        ("missing", "missing.mp4", "check its name and its folder"),
        ("folder", "folder", "is a folder: name a file in it"),
        ("empty", "empty.mp4", "is empty"),
        ("text", "text.mp4", "is no MP4, Matroska, MPEG-TS or FLV: convert it"),
        ("bare", "bare.h264", "holds bare H.264 without times"),
        ("old", "old.mp4", "holds no pictures that can be carried: it has mpeg4; convert it"),
        ("cut", "cut.mp4", "is broken: the end of the file where its index names a frame at byte"),
    ];
    let server = Server::with_cameras(
        &cases.map(|(camera, clip, _)| clips.camera(camera, clip, "")).concat(),
    )
    .unwrap();
    for (camera, _, words) in cases {
        wait_for(&server, camera, "offline", words);
    }
}
