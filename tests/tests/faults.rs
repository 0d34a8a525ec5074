//! The fault matrix: everything that goes wrong with cameras of every kind, all at once on one
//! server, before the eyes of viewers.
//!
//! For each fault: the state that is shown, the reason in words, and the time to recover. No viewer
//! is disconnected, and a camera that nothing happens to is not affected.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use harness::{
    Browser, Camera, Clip, Line, Measured, Player, Process, PublisherOptions, Server, WebCamera,
    command,
    faults::{Course, Everyone, Fault, Patient, treat_all, wait_until_well},
    http, skip_without, wait_until,
};
use std::time::{Duration, Instant};

/// How long a fault lasts that is not over at once.
const LASTS: Duration = Duration::from_secs(5);
/// The bystander is measured in pieces of this length, in seconds.
const PIECE: f64 = 10.0;
/// Of the watched cameras, one is struck by nothing.
const BYSTANDER: &str = "bystander";

/// What must be seen of a fault.
enum Expected {
    /// Nothing but a live camera, though frames may be missing for a moment.
    Live,
    /// A state, for a reason with these words.
    Told(&'static [&'static str], &'static str),
    /// It may be over before the next look at the state: these words are in a state's reason or in
    /// the cause of the last restart.
    Brief(&'static str),
}

fn expected(camera: &str, fault: Fault) -> Expected {
    use Expected::{Brief, Live, Told};
    const DOWN: &[&str] = &["offline", "stalled"];
    match (camera, fault) {
        (_, Fault::Ahead | Fault::Back) | ("sent" | "command", Fault::Wrapped) => Live,
        ("sent" | "command" | "file", Fault::Resized) => Live,
        ("pulled", Fault::Wrapped) => Brief("the connection"),
        ("pushed", Fault::Wrapped) => Brief("publisher"),
        ("made", Fault::Killed) => Brief("SIGKILL"),
        (_, Fault::Stopped) => Told(&["stalled"], "no frame for 2 s"),
        ("pulled" | "web", Fault::Closed) => Told(&["offline"], "refuses the connection"),
        ("pulled" | "web", Fault::Killed | Fault::Resized) => Told(&["offline"], "the connection"),
        ("pushed", Fault::Killed | Fault::Resized | Fault::Closed) => {
            Told(&["offline"], "publisher")
        }
        ("whip", Fault::Killed) => Told(&["stalled"], "no frame for 2 s"),
        ("pi", Fault::Killed) => Told(&["offline"], "was killed by SIGKILL"),
        ("pi", Fault::Exits) => Told(&["offline"], "another process uses the camera"),
        ("command", Fault::Killed) => Told(&["offline"], "was killed by SIGKILL"),
        ("command", Fault::Exits) => {
            Told(&["offline"], "has ended with status 3: the sensor does not answer")
        }
        ("sent", Fault::Killed) => Told(&["stalled"], "no frame for 2 s"),
        ("sent", Fault::Garbage) => Told(&["offline"], "is no MPEG-TS any more"),
        ("command", Fault::Garbage) => {
            Told(&["offline"], "python3 writes noise in place of MPEG-TS")
        }
        ("file", Fault::Gone) => Told(&["offline"], "film.mp4: check its name and its folder"),
        ("file", Fault::Garbage) => {
            Told(&["offline"], "film.mp4 is no MP4, Matroska, MPEG-TS or FLV: convert it")
        }
        ("file", Fault::Cut) => Told(
            &["offline"],
            "film.mp4 is broken: the end of the file where its index names a frame",
        ),
        ("file", Fault::Locked) => {
            Told(&["offline"], "film.mp4 may not be read: see to the permissions")
        }
        ("pulled", Fault::Garbage) => Told(DOWN, "sends something that is no RTSP"),
        ("pushed", Fault::Garbage) => Told(DOWN, "not an RTSP message"),
        ("web", Fault::Garbage) => Brief("something that is no HTTP"),
        _ => panic!("what {camera} tells of {fault:?} belongs into this table"),
    }
}

#[test]
fn whatever_happens_to_one_camera_is_told_and_passes_and_no_other_notices() {
    if skip_without(&["ffmpeg", "curl"]) {
        return;
    }
    let Some(browser) = Browser::start().unwrap() else { return };
    let Some(everyone) = Everyone::start().unwrap() else { return };
    let Some(locked) = Locked::start() else { return };
    let server = everyone
        .server(&format!("{BYSTANDER}: {{ source: publish }}\n{}", locked.cameras()))
        .unwrap();
    // It is encoded already: what is measured is the server, and not how ten encoders share this
    // machine's processors.
    let clip = Clip::make().unwrap();
    let _bystander = clip.publish(&server.rtsp_url(BYSTANDER)).unwrap();
    let all_courses = |patient: &mut dyn Patient| all_courses(patient, &server);
    let (courses, bystander) = treat_all(everyone.patients, &server, all_courses, |mut ward| {
        let viewers = Viewers::watch(&browser, &server, ward.names());
        let mut pieces = Vec::new();
        ward.begin();
        while !ward.is_done().unwrap() {
            pieces.push(browser.measure(BYSTANDER, PIECE).unwrap());
        }
        viewers.are_all_there(&server);
        (ward.into_reports(), pieces)
    })
    .unwrap();
    locked.are_told_and_opened(&server);
    let mut lines: Vec<_> = courses.into_iter().flatten().map(|course| line(&course)).collect();
    let mut line = Line::new("faults: what a camera shows that nothing happens to");
    let least = bystander.iter().map(Measured::decoded_fps).fold(f64::INFINITY, f64::min);
    line.at_least("least fps in 10 s", least, 29.5, 25.0);
    line.seen("seconds", bystander.iter().map(|piece| piece.seconds).sum());
    lines.push(line);
    Line::finish_all(&lines);
}

/// One fault after the other. Whatever was learned from the one before about waiting is forgotten.
fn all_courses(patient: &mut dyn Patient, server: &Server) -> anyhow::Result<Vec<Course>> {
    let mut courses = Vec::new();
    for fault in patient.faults() {
        if patient.source() != "publish" {
            restart(server, patient.name())?;
        }
        let falls = matches!(expected(patient.name(), *fault), Expected::Told(..));
        let at_once = matches!(fault, Fault::Killed | Fault::Stopped)
            || *fault == Fault::Exits && patient.name() == "command";
        let lasts = if at_once { Duration::ZERO } else { LASTS };
        courses.push(Course::take(patient, *fault, server, lasts, falls)?);
    }
    Ok(courses)
}

fn restart(server: &Server, name: &str) -> anyhow::Result<()> {
    let asked = Instant::now();
    http::request(server.http(), "POST", &format!("/api/v1/cameras/{name}/restart"), &[], b"")?;
    wait_until(&format!("{name} begun anew"), Duration::from_secs(20), || {
        let camera = server.camera(name).ok()?;
        let since = Duration::from_millis(camera["since_ms"].as_u64()?);
        (camera["state"] == "live" && since < asked.elapsed()).then_some(())
    })
}

fn line(course: &Course) -> Line {
    let Course { camera, fault, told, restarted, .. } = course;
    let words = told
        .iter()
        .map(|(state, reason)| format!("{state}: {reason}"))
        .chain(restarted.iter().map(|cause| format!("restarted: {cause}")))
        .collect::<Vec<_>>()
        .join(" | ");
    let mut line = Line::new(&format!("faults: {camera} {fault:?} [{words}]").to_lowercase());
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    if let Some(after) = course.told_after {
        line.seen("told after ms", ms(after));
    }
    match expected(camera, *fault) {
        Expected::Live => {
            line.at_most("longest gap ms", ms(course.longest_gap), 1500.0, 4000.0);
        }
        Expected::Told(states, words) => {
            line.at_least("told", f64::from(u8::from(course.was_told(states, words))), 1.0, 1.0);
        }
        Expected::Brief(words) => {
            let told = course.was_told(&["offline", "stalled", "connecting"], words)
                || restarted.as_ref().is_some_and(|cause| cause.contains(words));
            line.at_least("told", f64::from(u8::from(told)), 1.0, 1.0);
        }
    }
    line.at_most("back after ms", ms(course.back_after), 10_000.0, 30_000.0);
    line
}

/// One for each camera, and a second one for some.
struct Viewers<'a> {
    browser: &'a Browser,
    sessions: Vec<(String, String)>,
    players: Vec<(String, Player)>,
    /// JPEG files are for those who read them.
    reader: Process,
}

impl<'a> Viewers<'a> {
    fn watch(browser: &'a Browser, server: &Server, names: &[String]) -> Self {
        let mut sessions = Vec::new();
        for name in
            names.iter().map(String::as_str).chain([BYSTANDER]).filter(|name| *name != "web")
        {
            browser.watch(name, &server.whep_url(name)).unwrap();
            sessions.push((name.to_owned(), browser.session(name).unwrap().session));
        }
        let players = ["pulled", "command"]
            .map(|name| (name.to_owned(), Player::ffmpeg(&server.rtsp_url(name), "tcp").unwrap()));
        let mut curl = command(
            "curl",
            [
                "-sSN",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code} after %{time_total} s",
                &server.url("/live/web/mjpeg"),
            ],
        );
        let reader = Process::spawn("curl", &mut curl).unwrap();
        // Whoever comes to a camera that is away is told so at once; only who is there stays.
        let reads = || {
            let viewers = server.json("/api/v1/viewers?protocol=mjpeg").ok()?;
            (viewers["viewers"][0]["frames_sent"].as_u64()? > 0).then_some(())
        };
        wait_until("the reader of JPEG files reading", Duration::from_secs(20), reads).unwrap();
        Self { browser, sessions, players: players.into(), reader }
    }

    /// The same sessions, and new pictures in each.
    fn are_all_there(mut self, server: &Server) {
        for (name, session) in &self.sessions {
            wait_until_well(server, name).unwrap();
            let now = self.browser.session(name).unwrap();
            assert_eq!((now.state.as_str(), &now.session), ("connected", session), "{name}");
            assert!(self.browser.measure(name, 1.0).unwrap().fps > 15.0, "{name} shows nothing");
        }
        for (name, player) in &mut self.players {
            assert!(player.process().is_running(), "the RTSP player of {name} has ended");
            player.wait_for_frames(30, Duration::from_secs(20)).unwrap();
        }
        assert!(
            self.reader.is_running(),
            "the reader of JPEG files has ended: {:?}",
            self.reader.log().lines()
        );
    }
}

/// Cameras that are configured wrongly.
struct Locked {
    rtsp: Camera,
    web: WebCamera,
}

impl Locked {
    fn start() -> Option<Self> {
        let options = PublisherOptions {
            width: 160,
            height: 120,
            bitrate: 100_000,
            ..PublisherOptions::default()
        };
        let rtsp = Camera::start_at(0, Some("admin:right"), &options).unwrap()?;
        Some(Self { rtsp, web: WebCamera::start_at(0, Some("admin:right"), &options).unwrap() })
    }

    fn cameras(&self) -> String {
        let (rtsp, web) = (self.rtsp.port(), self.web.port());
        format!(
            "locked-rtsp: {{ source: 'rtsp://admin:hunter22@127.0.0.1:{rtsp}/camera' }}\n\
             locked-web: {{ source: 'http://admin:hunter22@127.0.0.1:{web}/' }}\n\
             lost-rtsp: {{ source: 'rtsp://admin:right@no-such-camera.invalid:{rtsp}/camera' }}\n\
             lost-web: {{ source: 'http://admin:right@no-such-camera.invalid:{web}/' }}\n"
        )
    }

    /// Each says why, and is live once the config is right.
    fn are_told_and_opened(&self, server: &Server) {
        const WORDS: [(&str, &str); 4] = [
            ("locked-rtsp", "wrong user or password"),
            ("locked-web", "wrong user or password"),
            ("lost-rtsp", "the name no-such-camera.invalid cannot be resolved"),
            ("lost-web", "the name no-such-camera.invalid cannot be resolved"),
        ];
        for (name, words) in WORDS {
            let camera = server.wait_for_state(name, "offline").unwrap();
            assert!(camera["reason"].as_str().unwrap().contains(words), "{camera}");
        }
        let mended = server
            .yaml()
            .replace("hunter22", "right")
            .replace("no-such-camera.invalid", "127.0.0.1");
        let before = Instant::now();
        server.reload(&mended).unwrap();
        for (name, _) in WORDS {
            wait_until(&format!("{name} being live"), Duration::from_secs(20), || {
                (server.camera(name).ok()?["state"] == "live").then_some(())
            })
            .unwrap();
        }
        let mut line =
            Line::new("faults: wrong passwords and names in the config, mended by a reload");
        line.at_most(
            "all four live after ms",
            before.elapsed().as_secs_f64() * 1e3,
            5000.0,
            20_000.0,
        );
        line.finish();
    }
}
