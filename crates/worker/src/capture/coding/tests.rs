use super::*;
use crate::v4l2::m2m::fake::{self, Heard, Script};
use media::{Codec, h264};

const OPTIONS: encoder::Options = encoder::Options { fps: 25, gop: 10, bitrate: 500_000 };
const BT709: Colour = Colour { full_range: false, matrix: Some(1) };
const SIZE: (u32, u32) = (176, 100);

fn at(millis: u64) -> Mono {
    Mono::from_nanos(millis * 1_000_000)
}

fn hardware(scripts: &[Script]) -> (Looked, Vec<Heard>) {
    let (encoders, heard) = scripts.iter().cloned().map(fake::encoder).unzip();
    (Looked { encoders, others: vec!["/dev/video10 (decoder) makes YU12".into()] }, heard)
}

fn coding(choice: EncoderChoice, scripts: &[Script]) -> Coding {
    Coding::new(choice, hardware(scripts).0, SIZE, OPTIONS, BT709).unwrap()
}

fn words(coding: &mut Coding) -> String {
    coding.notes().into_iter().map(|(_, words)| words).collect::<Vec<_>>().join("; ")
}

/// Puts in a picture and returns all that comes of it.
fn encode(coding: &mut Coding, sets: &mut Sets, number: u64) -> Result<Vec<Ready>, Refused> {
    let picture = I420::new(SIZE.0 as usize, SIZE.1 as usize);
    let (captured, now) = (at(number * 40), at(number * 40 + 9));
    let mut ready: Vec<_> = coding
        .put(&picture, When { captured, sensed: true, drawn: now }, now, sets)?
        .into_iter()
        .collect();
    while let Some(more) = coding.collect(now, sets)? {
        ready.push(more);
    }
    Ok(ready)
}

/// All frames of so many pictures: number, key, number of units, whether it says anew what the
/// stream consists of.
fn frames(
    coding: &mut Coding,
    sets: &mut Sets,
    numbers: std::ops::Range<u64>,
) -> Vec<(u64, bool, usize, bool)> {
    let all = numbers.flat_map(|number| encode(coding, sets, number).ok().unwrap());
    let told = all.map(|r| {
        (r.when.captured.as_nanos() / 40_000_000, r.key, r.payload.len(), r.codec.is_some())
    });
    told.collect()
}

#[test]
fn hardware_is_used_where_there_is_some_and_each_frame_has_its_own_time() {
    let (mut coding, mut sets) =
        (coding(EncoderChoice::Auto, &[Script::default()]), Sets::default());
    assert_eq!(words(&mut coding), "encoded by played (script, /dev/video11)");
    let frames = frames(&mut coding, &mut sets, 1..13);
    assert_eq!(frames.iter().map(|f| f.0).collect::<Vec<_>>(), (1..13).collect::<Vec<_>>());
    assert_eq!(
        (frames[0], frames[1], frames[10]),
        ((1, true, 3, true), (2, false, 1, false), (11, true, 3, false))
    );
    assert_eq!(coding.skipped(), 0);
}

#[test]
fn parameter_sets_that_came_once_are_in_every_keyframe() {
    let script = Script { sets_alone: true, ..Script::default() };
    let (mut coding, mut sets) = (coding(EncoderChoice::Auto, &[script]), Sets::default());
    let keys: Vec<_> =
        frames(&mut coding, &mut sets, 1..22).into_iter().filter(|(_, key, ..)| *key).collect();
    assert_eq!(keys, [(1, true, 3, true), (11, true, 3, false), (21, true, 3, false)]);
}

#[test]
fn players_are_told_what_the_samples_mean_whatever_the_hardware_says() {
    let mut coding = coding(EncoderChoice::Auto, &[Script::default()]);
    let first = encode(&mut coding, &mut Sets::of_colour(BT709), 1).ok().unwrap().remove(0);
    let (sps, pps) = h264::find_sets(&first.payload).unwrap();
    let told = h264::ParameterSets::parse(sps.clone(), pps.clone()).unwrap();
    assert_eq!((told.colour(), told.video.width, told.video.height), (BT709, 176, 100));
    assert!(matches!(first.codec, Some(Codec::H264(Some(sets))) if sets.colour() == BT709));
}

#[test]
fn the_processors_take_over_where_the_hardware_does_not_take_the_pictures() {
    let small = Script { largest: (96, 96), ..Script::default() };
    let mut coding = coding(EncoderChoice::Auto, std::slice::from_ref(&small));
    let words = words(&mut coding);
    let expected = "encoded in software, for the hardware cannot be used: played (script, /dev/video11): it does not take 176x100";
    assert!(words.starts_with(expected), "{words}");
    assert_eq!(frames(&mut coding, &mut Sets::default(), 1..4).len(), 3);
    let mut coding = self::coding(EncoderChoice::Auto, &[small, Script::default()]);
    assert_eq!(
        self::words(&mut coding),
        "encoded by played (script, /dev/video11)",
        "another takes them"
    );
}

#[test]
fn hardware_is_left_alone_where_software_is_asked_for() {
    let (looked, heard) = hardware(&[Script::default()]);
    let mut coding = Coding::new(EncoderChoice::Software, looked, SIZE, OPTIONS, BT709).unwrap();
    assert_eq!((words(&mut coding).as_str(), heard[0].borrow().len()), ("encoded in software", 0));
    let mut coding = self::coding(EncoderChoice::Auto, &[]);
    assert_eq!(words(&mut coding), "encoded in software");
}

#[test]
fn when_it_fails_the_next_picture_is_a_keyframe_of_the_processors() {
    let script = Script { gone_after: 3, ..Script::default() };
    let (mut coding, mut sets) = (coding(EncoderChoice::Auto, &[script]), Sets::default());
    let mut all = frames(&mut coding, &mut sets, 1..3);
    // It goes while it has the third.
    all.extend(frames(&mut coding, &mut sets, 3..7));
    assert_eq!(all.iter().map(|f| f.0).collect::<Vec<_>>(), [1, 2, 4, 5, 6]);
    assert_eq!(
        all[2],
        (4, true, 3, true),
        "players are told of the other encoder's parameter sets"
    );
    let words = words(&mut coding);
    assert!(
        words.ends_with("has failed: taking a coded picture: no such device (ENODEV); encoded in software from now on"),
        "{words}"
    );
    assert_eq!((coding.skipped(), coding.fd().is_none(), coding.due(at(0))), (1, true, None));
}

#[test]
fn when_it_falls_silent_the_processors_take_over_after_a_second() {
    let script = Script { silent_after: 2, ..Script::default() };
    let (mut coding, mut sets) = (coding(EncoderChoice::Auto, &[script]), Sets::default());
    assert_eq!(frames(&mut coding, &mut sets, 1..4).len(), 2);
    assert_eq!(coding.due(at(500)), Some(at(3 * 40 + 9 + 1000)));
    assert!(coding.collect(at(1128), &mut sets).ok().unwrap().is_none() && coding.fd().is_none());
    assert!(matches!(coding.coder, Coder::Hardware(_)));
    assert!(coding.collect(at(1129), &mut sets).ok().unwrap().is_none());
    assert_eq!(frames(&mut coding, &mut sets, 30..31), [(30, true, 3, true)]);
}

#[test]
fn nothing_takes_over_from_hardware_that_was_asked_for() {
    let small = Script { largest: (96, 96), ..Script::default() };
    for (scripts, expected) in [
        (
            &[][..],
            "and this machine has none for 176x100: /dev/video10 (decoder) makes YU12; encoder=auto encodes in software",
        ),
        (
            &[small],
            "and this machine has none for 176x100: played (script, /dev/video11): it does not take",
        ),
    ] {
        let Err(Fault::Camera(Loss::Refused, words)) =
            Coding::new(EncoderChoice::Hardware, hardware(scripts).0, SIZE, OPTIONS, BT709)
        else {
            panic!()
        };
        assert!(
            words.starts_with("encoder=hardware: a device that takes YU12 or NV12")
                && words.contains(expected),
            "{words}"
        );
    }
    let mut coding =
        coding(EncoderChoice::Hardware, &[Script { gone_after: 1, ..Script::default() }]);
    let Err(Refused::Hardware(words)) = encode(&mut coding, &mut Sets::default(), 1) else {
        panic!()
    };
    assert!(words.contains("the encoder played") && words.contains("ENODEV"), "{words}");
}

#[test]
fn after_damage_it_goes_on_at_a_keyframe_that_was_asked_for() {
    let (looked, heard) = hardware(&[Script { damaged: vec![3], ..Script::default() }]);
    let mut coding = Coding::new(EncoderChoice::Auto, looked, SIZE, OPTIONS, BT709).unwrap();
    let frames = frames(&mut coding, &mut Sets::default(), 1..8);
    assert_eq!(
        frames.iter().map(|f| (f.0, f.1)).collect::<Vec<_>>()[2..],
        [(3, false), (5, true), (6, false), (7, false)]
    );
    assert_eq!((heard[0].borrow().last().unwrap().as_str(), coding.skipped()), ("keyframe", 1));
}

#[test]
fn one_that_gives_nothing_but_damage_is_given_up() {
    let script = Script { damaged: (2..100).collect(), ..Script::default() };
    let (mut coding, mut sets) = (coding(EncoderChoice::Auto, &[script]), Sets::default());
    let frames = frames(&mut coding, &mut sets, 1..20);
    assert_eq!(frames[2], (11, true, 3, true));
    assert!(words(&mut coding).contains("has failed: 8 pictures in a row were no good"));
}

#[test]
fn a_keyframe_can_be_asked_for_when_the_processors_take_over() {
    let (looked, _) = hardware(&[Script { gone_after: 2, ..Script::default() }]);
    let mut coding = Coding::new(EncoderChoice::Auto, looked, SIZE, OPTIONS, BT709).unwrap();
    let mut sets = Sets::default();
    frames(&mut coding, &mut sets, 1..4);
    assert!(coding.fd().is_none());
    coding.force_keyframe();
    let key = &encode(&mut coding, &mut sets, 9).ok().unwrap()[0];
    assert!(key.key && h264::is_key(&key.payload));
}
