//! What to change in a camera, from what was measured. Each piece names the effect, the cause and
//! the setting.

use super::report::{ClockReport, Report, TrackReport};

/// Keyframe intervals above this make every join and every repair slow.
const LONG_GOP: f64 = 4.0;
/// Sender clocks further off than this make the latency shown useless.
const CLOCK_OFF_MS: f64 = 500.0;
/// Media clocks that are further off than any crystal, and than the error of a short look.
const CLOCK_RATE_PERCENT: f64 = 3.0;
/// A watch shorter than this says nothing of clock rates, and may have missed sender reports, which
/// come every 5 s or so.
const LONG_WATCH: f64 = 4.5;
/// Bits a second that weak links and many viewers feel.
const HEAVY: u64 = 12_000_000;

/// Advice, most important first.
pub(super) fn advice(report: &Report) -> Vec<String> {
    let mut out = Vec::new();
    let udp = report.transport == Some("udp");
    for track in &report.tracks {
        match track.is_video() {
            true => video(track, report.seconds, &mut out),
            false => audio(track, &mut out),
        }
        loss(track, udp, &mut out);
    }
    // A picture of our own making has no camera's clock.
    if report.transport.is_some() {
        clock(&report.clock, report.seconds, &mut out);
    }
    out
}

fn video(track: &TrackReport, seconds: f64, out: &mut Vec<String>) {
    if track.b_frames {
        out.push(
            "B-frames: browsers cannot play this by WebRTC; switch B-frames off in the camera, or choose the Baseline profile"
                .into(),
        );
    }
    if track.codec == "h265" {
        out.push(
            "H.265: by WebRTC few browsers play it, with hardware decoders only; choose H.264 if every browser is to play this"
                .into(),
        );
    }
    match (track.keyframe_interval_s, track.keyframe_interval_range_s) {
        (Some(interval), _) if interval > LONG_GOP => out.push(format!(
            "a keyframe comes only every {interval} s: after a loss the picture stays broken as long; set the keyframe interval (GOP, I-frame interval) to 1 or 2 s"
        )),
        (_, Some((least, most))) if most > LONG_GOP && most > 2.0 * least => out.push(format!(
            "keyframes come after {least} to {most} s: switch off the camera's \"smart\" or \"plus\" codec, and set a fixed interval of 1 or 2 s"
        )),
        (None, _) if seconds >= LONG_WATCH => out.push(format!(
            "no second keyframe within {seconds} s: set the keyframe interval (GOP, I-frame interval) to 1 or 2 s"
        )),
        _ => {}
    }
    if let (Some(fps), Some(nominal)) = (track.fps, track.fps_nominal)
        && (fps / nominal - 1.0).abs() > 0.2
    {
        out.push(format!(
            "the stream says {nominal} fps and brings {fps}: check the frame rate, and the exposure time in the dark"
        ));
    }
    if track.bitrate.is_some_and(|bits| bits > HEAVY) {
        out.push(format!(
            "{} Mbit/s is much for Wi-Fi and for many viewers: use the camera's second stream for them",
            track.bitrate.unwrap_or(0) / 1_000_000
        ));
    }
}

fn audio(track: &TrackReport, out: &mut Vec<String>) {
    if track.codec == "aac" {
        out.push("AAC sound: WebRTC does not carry it, so browsers will be silent there; choose Opus or G.711 in the camera if sound matters".into());
    }
}

fn loss(track: &TrackReport, udp: bool, out: &mut Vec<String>) {
    let (Some(packets), Some(lost)) = (track.packets, track.packets_lost) else { return };
    if lost == 0 {
        return;
    }
    let percent = lost as f64 * 100.0 / (packets + lost) as f64;
    let next = match udp {
        true => "use TCP: leave ?transport=udp away",
        false => {
            "over TCP nothing is lost on the way, so the camera itself drops packets: lower its bitrate, or close other viewers of it"
        }
    };
    out.push(format!("{percent:.2} % of the {} packets are lost: {next}", track.kind));
}

fn clock(clock: &ClockReport, seconds: f64, out: &mut Vec<String>) {
    match clock.offset_ms {
        Some(offset) if offset.abs() > CLOCK_OFF_MS => out.push(format!(
            "the camera's clock is {:.1} s {} ours: set both by the same NTP server, else the latency shown lacks the camera's part",
            offset.abs() / 1000.0,
            if offset > 0.0 { "behind" } else { "ahead of" },
        )),
        None if seconds >= LONG_WATCH => out.push(
            "the camera has not told its time (no RTCP sender reports): the latency shown will lack the camera's part".into(),
        ),
        _ => {}
    }
    if let Some(error) =
        clock.rate_error_percent.filter(|e| e.abs() > CLOCK_RATE_PERCENT && seconds >= LONG_WATCH)
    {
        out.push(format!(
            "the stream's timestamps run {:.1} % too {}: check the camera's frame rate",
            error.abs(),
            if error > 0.0 { "fast" } else { "slow" }
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Report {
        let video = TrackReport {
            kind: "video",
            codec: "h264",
            fps: Some(25.0),
            fps_nominal: Some(25.0),
            keyframe_interval_s: Some(2.0),
            keyframe_interval_range_s: Some((2.0, 2.0)),
            packets: Some(1000),
            packets_lost: Some(0),
            ..TrackReport::default()
        };
        let clock = ClockReport {
            offset_ms: Some(1.5),
            sender_reports: 1,
            capture_told: 0.5,
            rate_error_percent: Some(0.2),
        };
        Report {
            transport: Some("tcp"),
            seconds: 5.0,
            tracks: vec![video],
            clock,
            ..Report::default()
        }
    }

    /// The only piece of advice after a change to a good camera.
    fn told(change: impl FnOnce(&mut Report, usize)) -> String {
        let mut report = good();
        change(&mut report, 0);
        let advice = advice(&report);
        assert_eq!(advice.len(), 1, "{advice:?}");
        advice.into_iter().next().unwrap()
    }

    #[test]
    fn a_good_camera_is_left_in_peace() {
        assert!(advice(&good()).is_empty());
    }

    #[test]
    fn each_fault_is_told_with_its_setting() {
        assert!(told(|r, n| r.tracks[n].b_frames = true).contains("WebRTC"));
        assert!(told(|r, n| r.tracks[n].codec = "h265").contains("choose H.264"));
        assert!(told(|r, n| r.tracks[n].keyframe_interval_s = Some(10.0)).contains("every 10 s"));
        assert!(
            told(|r, n| r.tracks[n].keyframe_interval_range_s = Some((1.0, 9.0))).contains("smart")
        );
        assert!(
            told(|r, n| r.tracks[n].keyframe_interval_s = None)
                .contains("no second keyframe within 5 s")
        );
        assert!(told(|r, n| r.tracks[n].fps = Some(12.5)).contains("says 25 fps and brings 12.5"));
        assert!(told(|r, n| r.tracks[n].bitrate = Some(16_000_000)).contains("16 Mbit/s"));
        assert!(
            told(|r, n| r.tracks[n].packets_lost = Some(10))
                .contains("0.99 % of the video packets are lost: over TCP")
        );
        assert!(told(|r, _| r.clock.offset_ms = Some(-4000.0)).contains("4.0 s ahead of ours"));
        assert!(told(|r, _| r.clock.offset_ms = None).contains("no RTCP sender reports"));
        assert!(told(|r, _| r.clock.rate_error_percent = Some(-50.0)).contains("50.0 % too slow"));
        let sound = TrackReport { kind: "audio", codec: "aac", ..TrackReport::default() };
        assert!(told(|r, _| r.tracks.push(sound)).contains("Opus or G.711"));
    }

    #[test]
    fn loss_over_udp_has_its_own_cure() {
        let advice = told(|r, n| {
            r.transport = Some("udp");
            r.tracks[n].packets_lost = Some(10);
        });
        assert!(advice.contains("use TCP"));
    }
}
