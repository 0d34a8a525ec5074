//! Encoders in hardware, as the kernel offers them: its virtual one, `vicodec`, in a virtual
//! machine. What it makes is no H.264 (but FWHT, which is as good for the conversation), so what
//! cameras make of it is seen with one that lies about that.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do, and a virtual machine tells by its output"
)]

use anyhow::Result;
use harness::{Guest, http};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;
use std::{fs, path::Path, time::Duration};
use worker::{
    clock,
    picture::I420,
    v4l2::{
        FourCc,
        m2m::{Done, Encoder, Session, Wish},
    },
};

const SOON: Duration = Guest::SOON;
/// `source` of the first two differs from the third's in who may encode.
const CAMERAS: &str = "\
raw: { source: \"v4l2:/dev/video0?width=640&height=360&fps=15\" }
planes: { source: \"v4l2:/dev/video1?width=320&height=180&fps=15&encoder=software\" }
hard: { source: \"v4l2:/dev/video0?width=320&height=180&fps=15&encoder=hardware\", on_demand: true }";

fn start(guest: &Guest, camera: &str) -> Result<Value> {
    let answer = http::request(
        guest.http(),
        "POST",
        &format!("/api/v1/cameras/{camera}/start?timeout=15"),
        &[],
        b"",
    )?;
    answer.json()
}

fn stop(guest: &Guest, camera: &str) -> Result<()> {
    http::request(guest.http(), "POST", &format!("/api/v1/cameras/{camera}/stop"), &[], b"")
        .map(drop)
}

fn wait_for_words(guest: &Guest, camera: &str, words: &str) {
    let event = guest.log().wait_for(words, SOON, |event| {
        event["camera"] == camera && event.to_string().contains(words)
    });
    event.unwrap();
}

#[test]
fn encoders_of_a_virtual_machine_are_used_and_found_out() {
    let program = std::env::current_exe().unwrap();
    let Some(guest) = Guest::start_with(CAMERAS, Some(&program)).unwrap() else { return };
    for planar in [0, 1] {
        let told = guest.order(&format!("encoder={planar}")).unwrap();
        println!("{told}");
        assert!(told.contains("1 passed") && told.trim().ends_with("done"), "{told}");
    }
    cameras_are_encoded_in_software_where_nothing_else_is(&guest);
    hardware_that_is_asked_for_and_missing_is_told_in_words(&guest);
    an_encoder_that_lies_costs_a_second_and_no_camera(&guest);
}

fn cameras_are_encoded_in_software_where_nothing_else_is(guest: &Guest) {
    for camera in ["raw", "planes"] {
        wait_for_words(guest, camera, "encoded in software");
        let live = guest.wait_for_words(camera, "live", "").unwrap();
        let told =
            (&live["tracks"][0]["codec"], &live["tracks"][0]["width"], &live["capture_clock"]);
        let width = if camera == "raw" { 640 } else { 320 };
        assert_eq!(told, (&"h264".into(), &width.into(), &"sensor".into()), "{live}");
    }
    assert_eq!(guest.order("honest").unwrap().trim(), "done");
    let devices: Value = serde_json::from_str(&guest.order("devices").unwrap()).unwrap();
    assert_eq!(devices["encoders"], Value::Array(Vec::new()), "it makes no H.264: {devices}");
    assert_eq!(devices["cameras"].as_array().unwrap().len(), 2, "{devices}");
}

fn hardware_that_is_asked_for_and_missing_is_told_in_words(guest: &Guest) {
    stop(guest, "raw").unwrap();
    let words = "this machine has none for 320x180: /dev/video2 (vicodec) makes FWHT; ";
    let answer = start(guest, "hard").unwrap().to_string();
    assert!(answer.contains("encoder=hardware") && answer.contains(words), "{answer}");
    stop(guest, "hard").unwrap();
    start(guest, "raw").unwrap();
    assert_eq!(
        guest.wait_for_words("raw", "live", "").unwrap()["state"],
        "live",
        "by itself a camera passes it over"
    );
    stop(guest, "raw").unwrap();
}

fn an_encoder_that_lies_costs_a_second_and_no_camera(guest: &Guest) {
    assert_eq!(guest.order("liar").unwrap().trim(), "done");
    let devices: Value = serde_json::from_str(&guest.order("devices").unwrap()).unwrap();
    let liar = &devices["encoders"][0];
    assert_eq!(
        (&liar["driver"], liar["takes"].as_array().map(Vec::len)),
        (&"vicodec".into(), Some(2)),
        "{devices}"
    );
    start(guest, "raw").unwrap();
    wait_for_words(guest, "raw", "encoded by vicodec (vicodec, ");
    wait_for_words(guest, "raw", "encoded in software from now on");
    guest.wait_for_words("raw", "live", "").unwrap();
    let restarts = &guest.camera("raw").unwrap()["restarts"];
    assert!(restarts.is_null() || *restarts == 0, "the worker goes on: {restarts}");
    stop(guest, "raw").unwrap();
    let answer = start(guest, "hard").unwrap().to_string();
    assert!(answer.contains("it does not take 320x180; it would make 640x360"), "{answer}");
}

// ---- what runs in the virtual machine ----

const FPS: u16 = 30;
const PICTURES: u64 = 36;
/// The virtual driver knows 1 to 16.
const GOP: u16 = 12;

/// A picture of a few shades, another for each number.
fn picture(width: usize, height: usize, number: u64) -> I420 {
    let options =
        worker::picture::Options { name: number.to_string(), width, height, fps: FPS, noise: 0 };
    worker::picture::Picture::new(&options).draw(clock::now()).clone()
}

fn open() -> Encoder {
    let nodes = (0..16).map(|n| format!("/dev/video{n}"));
    let mut refused = Vec::new();
    for node in nodes.filter(|node| Path::new(node).exists()) {
        match Encoder::open(Path::new(&node), FourCc::new(*b"FWHT")) {
            Ok(encoder) => return encoder,
            Err(why) => refused.push(why),
        }
    }
    panic!("no encoder: {refused:?}")
}

fn session(width: u32, height: u32) -> Session<u64> {
    let wish =
        Wish { width, height, fps: FPS, gop: GOP, bitrate: 1_000_000, colour: Default::default() };
    Session::start(open(), &wish).unwrap()
}

fn wait(session: &Session<u64>) {
    let mut polled = [PollFd::new(session.fd().unwrap(), PollFlags::POLLIN)];
    poll(&mut polled, PollTimeout::from(2000_u16)).unwrap();
}

/// Puts a picture in as soon as there is room, and takes all that comes out meanwhile.
fn put(session: &mut Session<u64>, picture: &I420, number: u64, done: &mut Vec<Done<u64>>) {
    while !session.put(picture, clock::mono(), number, clock::mono()).unwrap() {
        wait(session);
        done.extend(session.take().unwrap());
    }
    done.extend(session.take().unwrap());
}

fn drain(session: &mut Session<u64>, done: &mut Vec<Done<u64>>) {
    while session.in_flight() > 0 {
        wait(session);
        done.extend(session.take().unwrap());
        session.check(clock::mono()).unwrap();
    }
}

/// Width, height and whether it is a keyframe, of a picture's head (`fwht_cframe_hdr`).
fn head(coded: &[u8]) -> (u32, u32, bool) {
    assert_eq!(coded[..8], [0x4f, 0x4f, 0x4f, 0x4f, 0xff, 0xff, 0xff, 0xff]);
    let number = |at: usize| u32::from_be_bytes(coded[at..at + 4].try_into().unwrap());
    (number(12), number(16), number(20) & 1 << 10 != 0)
}

/// Every picture comes out once, in order, with what belongs to it, of its own size, and with
/// keyframes as asked for.
fn all_come_out(width: u32, height: u32) {
    let (mut one, mut other) = (session(width, height), session(640, 360));
    let (mut done, mut of_other) = (Vec::new(), Vec::new());
    let drawn = [0, 1, 2].map(|number| picture(width as usize, height as usize, number));
    let of_another = picture(640, 360, 9);
    let began = clock::mono();
    for number in 0..PICTURES {
        put(&mut one, &drawn[number as usize % drawn.len()], number, &mut done);
        if number % 4 == 0 {
            put(&mut other, &of_another, 1000 + number, &mut of_other);
        }
    }
    drain(&mut one, &mut done);
    drain(&mut other, &mut of_other);
    let tags: Vec<_> = done.iter().map(|d| d.tag.unwrap()).collect();
    assert_eq!(tags, (0..PICTURES).collect::<Vec<_>>());
    let heads: Vec<_> = done.iter().map(|d| head(&d.bytes)).collect();
    assert!(heads.iter().all(|(w, h, _)| (*w, *h) == (width, height)), "{heads:?}");
    assert!(heads.iter().step_by(GOP.into()).all(|(.., key)| *key), "{heads:?}");
    assert_eq!(
        heads.iter().filter(|(.., key)| *key).count() as u64,
        PICTURES / u64::from(GOP),
        "{heads:?}"
    );
    assert!(
        done.iter().chain(&of_other).all(|d| d.by_time && !d.damaged && d.left_out == 0),
        "times are carried through"
    );
    assert_eq!(
        of_other.iter().map(|d| d.tag.unwrap()).max(),
        Some(1000 + PICTURES - 4),
        "two at a time do not mix"
    );
    assert!(!one.force_keyframe(), "this driver does not know it, and nothing breaks");
    println!("{width}x{height}: {} of {PICTURES} in {:?}", done.len(), clock::mono().since(began));
}

/// A device that goes away in the middle is noticed, and said in words.
fn its_end_is_noticed() {
    let mut session = session(640, 360);
    let (image, mut done) = (picture(640, 360, 1), Vec::new());
    put(&mut session, &image, 0, &mut done);
    let driver = Path::new("/sys/bus/platform/drivers/vicodec");
    fs::write(driver.join("unbind"), "vicodec.0").unwrap();
    let why = (1..20).find_map(|number| {
        let now = clock::mono();
        session.put(&image, now, number, now).and_then(|_| session.take()).err()
    });
    let why = why.unwrap().to_string();
    println!("after its end: {why}");
    assert!(why.contains("no such device"), "{why}");
    drop(session);
    fs::write(driver.join("bind"), "vicodec.0").unwrap();
}

#[test]
#[ignore = "run by the other test, in a virtual machine"]
fn in_the_guest() {
    // A size that the driver rounds up, so that rows and what is around the picture matter.
    all_come_out(652, 364);
    let why = Session::<u64>::start(
        open(),
        &Wish {
            width: 8000,
            height: 64,
            fps: FPS,
            gop: GOP,
            bitrate: 1,
            colour: Default::default(),
        },
    );
    assert!(why.err().unwrap().to_string().starts_with("it does not take 8000x64"));
    its_end_is_noticed();
}
