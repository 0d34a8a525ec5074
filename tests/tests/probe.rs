//! `neverblink probe`, against real cameras.

use anyhow::Result;
use harness::{Camera, Process, Publisher, PublisherOptions, Server, binary, skip_without};
use serde_json::Value;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(40);

/// Runs a probe to its end: exit code, what it printed as JSON if it was to, and everything it
/// said.
fn probe(arguments: &[&str]) -> Result<(i32, Value, String)> {
    let mut process =
        Process::start("probe", binary("neverblink")?, ["probe"].iter().chain(arguments))?;
    let status = process.wait(SOON)?;
    let lines = process.log().lines();
    let json: String =
        lines.iter().skip_while(|l| *l != "{").cloned().collect::<Vec<_>>().join("\n");
    Ok((
        status.code().unwrap_or(-1),
        serde_json::from_str(&json).unwrap_or_default(),
        lines.join("\n"),
    ))
}

fn advice(report: &Value) -> String {
    let list = report["advice"].as_array().into_iter().flatten();
    list.filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_good_camera_is_measured_and_left_in_peace() {
    let options =
        PublisherOptions { width: 640, height: 360, gop: 60, ..PublisherOptions::default() };
    let Some(camera) = Camera::start_at(0, Some("admin:right"), &options).unwrap() else { return };
    let url = camera.url().replace("rtsp://", "rtsp://admin:right@");
    let (code, report, said) = probe(&[&url, "--json", "--seconds", "7"]).unwrap();
    assert_eq!(
        (code, &report["error"], &report["transport"]),
        (0, &Value::Null, &"tcp".into()),
        "{said}"
    );
    let track = &report["tracks"][0];
    assert_eq!(
        (&track["codec"], &track["width"], &track["height"]),
        (&"h264".into(), &640.into(), &360.into())
    );
    assert_eq!(
        (&track["profile"], &track["b_frames"], &track["packets_lost"]),
        (&"Constrained Baseline".into(), &false.into(), &0.into())
    );
    let number = |name: &str| track[name].as_f64().unwrap_or_else(|| panic!("{name}: {report:#}"));
    assert!((number("fps") - 30.0).abs() < 2.0, "{report:#}");
    assert_eq!(number("keyframe_interval_frames"), 60.0);
    assert!((number("keyframe_interval_s") - 2.0).abs() < 0.2);
    assert!(number("packets") > 200.0 && number("bitrate") > 100_000.0);
    // The camera runs on this machine, so its clock is ours.
    assert!(report["clock"]["sender_reports"].as_u64().unwrap() >= 1, "{report:#}");
    assert!(report["clock"]["offset_ms"].as_f64().unwrap().abs() < 200.0, "{report:#}");
    assert!(!said.contains("right"), "{said}");
    assert_eq!(advice(&report), "");
}

#[test]
fn b_frames_rare_keyframes_and_sound_that_browsers_cannot_hear_are_told() {
    if skip_without(&["ffmpeg"]) {
        return;
    }
    let server = Server::with_cameras("front: { source: publish }").unwrap();
    let x264 = "-c:v libx264 -preset ultrafast -bf 2 -b_strategy 0 -g 300 -b:v 300k -pix_fmt yuv420p -map 0:v -map 1:a -c:a aac";
    let options = PublisherOptions {
        width: 320,
        height: 240,
        encoder: Some(x264.split(' ').map(str::to_owned).collect()),
        more: "-f lavfi -i sine=frequency=440:sample_rate=48000"
            .split(' ')
            .map(str::to_owned)
            .collect(),
        ..PublisherOptions::default()
    };
    let _camera = Publisher::start_with(&server.rtsp_url("front"), &options).unwrap();
    server.wait_for_state("front", "live").unwrap();
    let (code, report, said) = probe(&[&server.rtsp_url("front"), "--json"]).unwrap();
    assert_eq!(code, 0, "{said}");
    let kinds: Vec<_> =
        report["tracks"].as_array().unwrap().iter().map(|t| t["codec"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["h264", "aac"], "{report:#}");
    assert_eq!(report["tracks"][0]["b_frames"], true, "{report:#}");
    let advice = advice(&report);
    for words in ["B-frames: browsers cannot", "eyframe", "AAC sound"] {
        assert!(advice.contains(words), "{words} in {advice}");
    }
}

#[test]
fn the_test_picture_is_probed_without_a_server() {
    let (code, report, said) =
        probe(&["test:?width=320&height=240&fps=20&gop=10", "--json", "--seconds", "2"]).unwrap();
    let track = &report["tracks"][0];
    assert_eq!(
        (code, &track["width"], &track["keyframe_interval_frames"]),
        (0, &320.into(), &10.into()),
        "{said}"
    );
    let (code, _, said) = probe(&["test:?width=320&height=240", "--seconds", "1"]).unwrap();
    assert!(
        code == 0 && said.contains("h264 Constrained Baseline") && said.contains("320x240"),
        "{said}"
    );
}

#[test]
fn exit_codes_tell_failure_from_wrong_usage() {
    let (code, report, _) = probe(&["rtsp://127.0.0.1:1/x", "--json"]).unwrap();
    assert_eq!(code, 1);
    assert!(
        report["error"].as_str().unwrap().contains("127.0.0.1:1 refuses the connection"),
        "{report}"
    );
    for wrong in [&["publish"][..], &["rtps://x/"], &[], &["test:", "--seconds", "0"]] {
        let (code, _, said) = probe(wrong).unwrap();
        assert_eq!(code, 2, "{wrong:?}: {said}");
        assert!(!said.is_empty());
    }
}
