use super::*;
use futures::FutureExt;
use hub::{Publisher, StreamOptions};
use media::{Codec, Mono, Timing, TrackId, h264::ParameterSets};

/// What x264 writes for 1280x720.
const SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x1f, 0xac, 0xb2, 0x00, 0xa0, 0x0b, 0x74, 0x20, 0x00, 0x00, 0x03, 0x00, 0x20,
    0x00, 0x00, 0x07, 0x91, 0xe3, 0x06, 0x49,
];

fn catalog() -> Catalog {
    let sets =
        ParameterSets::parse(Bytes::from_static(SPS), Bytes::from_static(&[0x68, 0xea])).unwrap();
    Catalog::new([
        (Codec::H264(Some(Arc::new(sets))), 90_000),
        (Codec::Opus { channels: 2 }, 48_000),
    ])
}

struct Camera {
    clock: Clock,
    begun: Mono,
    stream: Arc<Stream>,
    publisher: Publisher,
}

impl Camera {
    fn new(catalog: Catalog) -> Self {
        let clock = Clock::new();
        let begun = clock.now();
        let stream = Stream::new("cam", StreamOptions::default(), begun);
        let publisher = stream.publish(begun, "a test", catalog).unwrap();
        Self { clock, begun, stream, publisher }
    }

    /// A picture, and the sound that was recorded with it.
    fn push(&self, ms: u64, key: bool) {
        let at = self.begun + Duration::from_millis(ms);
        let payload = |nal: &'static [u8]| [Bytes::from_static(nal)].into_iter().collect();
        let picture = payload(if key { &[0x65, 1, 2, 3] } else { &[0x41, 1, 2] });
        let unit = |track, ticks: u64, key, payload| {
            AccessUnit::new(TrackId(track), ticks as i64, key, Timing::arrived(at), payload)
        };
        self.publisher.push(at, unit(0, ms * 90, key, picture)).unwrap();
        self.publisher.push(at, unit(1, ms * 48, true, payload(&[0x78, 9]))).unwrap();
    }

    fn watch(&self, format: Format, audio: bool) -> Feed {
        Feed::new(&self.stream, Wish { format, audio }, self.clock)
    }
}

/// All that is there, in words: the type of what is said, the kind of what is sent.
fn told(feed: &mut Feed) -> Vec<String> {
    std::iter::from_fn(|| feed.next().now_or_never()).map(|output| word(&output)).collect()
}

fn word(output: &Output) -> String {
    match output {
        Output::Text(text) => {
            let said: serde_json::Value = serde_json::from_str(text).unwrap();
            said["type"].as_str().unwrap().to_owned()
        }
        Output::Media(bytes, _) => match (bytes[0], bytes[1] & 1) {
            (1, 1) => "key".into(),
            (1, _) => "picture".into(),
            (2, _) => "sound".into(),
            (3, _) => "init".into(),
            (4, _) => format!("fragment of {}", bytes[3]),
            (kind, _) => format!("{kind}?"),
        },
        Output::Skipped(units) => format!("skipped {units}"),
        Output::End => "end".into(),
    }
}

fn number(message: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(message[at..at + 8].try_into().unwrap())
}

#[test]
fn units_begin_with_the_newest_keyframe_and_what_a_decoder_must_know() {
    let camera = Camera::new(catalog());
    for (ms, key) in [(0, true), (33, false), (66, true), (100, false)] {
        camera.push(ms, key);
    }
    let mut feed = camera.watch(Format::Units, false);
    let Some(Output::Text(tracks)) = feed.next().now_or_never() else { panic!("no tracks") };
    let tracks: serde_json::Value = serde_json::from_str(&tracks).unwrap();
    assert_eq!(tracks["tracks"].as_array().unwrap().len(), 1, "no sound was asked for");
    assert_eq!(tracks["tracks"][0]["codec"], "avc1.64001f");
    assert!(tracks["tracks"][0]["description"].as_str().unwrap().starts_with("AWQAH"), "{tracks}");
    let Some(Output::Media(key, true)) = feed.next().now_or_never() else { panic!("no picture") };
    assert_eq!(
        (key[0], key[1], key[2]),
        (1, 1 | 4 | 3 << 4, 24),
        "a key, overtaken already, by arrival"
    );
    assert_eq!(number(&key, 8), 66_000);
    let wall = camera.clock.pair().wall_at(camera.begun + Duration::from_millis(66)).as_micros();
    assert!((number(&key, 16) - wall).abs() < 1000);
    assert_eq!(&key[24..], [0, 0, 0, 4, 0x65, 1, 2, 3], "behind its length");
    assert_eq!(told(&mut feed), ["picture", "state"]);
}

#[test]
fn fragments_come_one_a_frame_behind_an_init_segment() {
    let camera = Camera::new(catalog());
    [(0, true), (33, false)].into_iter().for_each(|(ms, key)| camera.push(ms, key));
    let mut feed = camera.watch(Format::Fmp4, true);
    let words = told(&mut feed);
    let frames = ["fragment of 0", "fragment of 1", "fragment of 0", "fragment of 1"];
    assert_eq!(words, [&["tracks", "init"][..], &frames, &["state"]].concat());
    camera.push(66, false);
    let Some(Output::Media(fragment, true)) = feed.next().now_or_never() else {
        panic!("no picture")
    };
    assert_eq!(number(&fragment, 8), 66_000, "its place in the file");
    assert_eq!(&fragment[28..32], b"moof");
}

#[test]
fn a_slow_viewer_is_told_what_it_lost_and_goes_on_at_a_keyframe() {
    let camera = Camera::new(catalog());
    let mut feed = camera.watch(Format::Units, false);
    camera.push(0, true);
    assert_eq!(told(&mut feed), ["tracks", "key", "state"]);
    (1..40).for_each(|i| camera.push(i * 33, i % 30 == 0));
    let words = told(&mut feed);
    // 29 frames were passed over, and as much sound, which the viewer did not want either.
    assert_eq!(words[..3], ["skipped 58", "skipped", "key"]);
    assert_eq!(words.iter().filter(|w| *w == "picture").count(), 9);
}

#[test]
fn other_parameters_and_other_states_are_told_in_between() {
    let camera = Camera::new(catalog());
    let mut feed = camera.watch(Format::Fmp4, false);
    camera.push(0, true);
    told(&mut feed);
    let mut other = catalog();
    other.tracks.truncate(1);
    if let Codec::H264(Some(sets)) = &mut other.tracks[0].codec {
        *sets =
            Arc::new(ParameterSets { pps: Bytes::from_static(&[0x68, 0xeb]), ..(**sets).clone() });
    }
    camera.publisher.set_catalog(other).unwrap();
    let at = camera.begun + Duration::from_millis(33);
    let payload = [Bytes::from_static(&[0x65, 1])].into_iter().collect();
    camera
        .publisher
        .push(at, AccessUnit::new(TrackId(0), 3000, true, Timing::arrived(at), payload))
        .unwrap();
    assert_eq!(told(&mut feed), ["tracks", "init", "fragment of 0"]);
    let Camera { publisher, stream, clock, .. } = camera;
    publisher.finish(clock.now(), "it went away");
    assert_eq!(told(&mut feed), ["state"]);
    stream.end(clock.now(), "removed");
    // It says so for ever.
    assert_eq!([(); 2].map(|()| word(&feed.next().now_or_never().unwrap())), ["ended", "end"]);
}

#[test]
fn frames_that_are_overtaken_say_so() {
    let camera = Camera::new(catalog());
    (0..6).for_each(|i| camera.push(i * 33, i == 0));
    let mut feed = camera.watch(Format::Units, false);
    let mut behind = Vec::new();
    while let Some(output) = feed.next().now_or_never() {
        if let Output::Media(unit, _) = output {
            behind.push(unit[1] & 4 != 0);
        }
    }
    assert_eq!(behind, [true, true, true, true, true, false], "only the newest is worth showing");
    camera.push(200, false);
    let Some(Output::Media(unit, _)) = feed.next().now_or_never() else { panic!("no picture") };
    assert_eq!(unit[1] & 4, 0);
}

#[test]
fn what_cannot_be_shown_is_said() {
    let camera = Camera::new(Catalog::new([(Codec::Opus { channels: 2 }, 48_000)]));
    let mut feed = camera.watch(Format::Units, false);
    let at = camera.clock.now();
    let payload = [Bytes::from_static(&[0x78, 9])].into_iter().collect();
    camera
        .publisher
        .push(at, AccessUnit::new(TrackId(0), 0, true, Timing::arrived(at), payload))
        .unwrap();
    assert_eq!(told(&mut feed), ["unsupported", "state"]);
}
