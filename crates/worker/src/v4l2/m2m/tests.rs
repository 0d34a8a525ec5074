use super::{
    fake::{self, Heard, Script},
    *,
};
use crate::{
    decoder::{Decoded, Decoder},
    picture::I420,
};
use media::{Mono, Payload, bits::split_annex_b, h264};
use proto::ipc::Coded;
use std::time::Duration;

const WISH: Wish = Wish {
    width: 176,
    height: 100,
    fps: 25,
    gop: 10,
    bitrate: 1_000_000,
    colour: Colour { full_range: false, matrix: Some(1) },
};

fn at(millis: u64) -> Mono {
    Mono::from_nanos(millis * 1_000_000)
}

fn session(script: Script) -> (Session<u64>, Heard) {
    let (encoder, heard) = fake::encoder(script);
    (Session::start(encoder, &WISH).unwrap(), heard)
}

/// Of one grey, which grows by number.
fn picture(number: u64) -> I420 {
    let mut picture = I420::new(176, 100);
    let [(y, ..), ..] = picture.planes_mut();
    y.fill(20 + 5 * number as u8);
    picture
}

fn put(session: &mut Session<u64>, number: u64) -> bool {
    session.put(&picture(number), at(40 * number), number, at(40 * number + 5)).unwrap()
}

fn take(session: &mut Session<u64>) -> Option<Done<u64>> {
    session.take().unwrap()
}

#[test]
fn each_picture_comes_out_as_it_went_in_with_what_belongs_to_it() {
    let (mut session, _) = session(Script::default());
    let (mut decoder, mut decoded) = (Decoder::new().unwrap(), None::<Decoded>);
    for number in 0..25 {
        assert!(put(&mut session, number));
        let done = take(&mut session).unwrap();
        assert_eq!((done.tag, done.damaged, done.left_out), (Some(number), false, 0));
        let payload: Payload = split_annex_b(&done.bytes).collect();
        let key = h264::is_key(&payload);
        assert_eq!(key, number.is_multiple_of(10), "{number}");
        let coded = Coded {
            pts: number as i64,
            key,
            show: true,
            captured: at(0),
            received: at(0),
            payload,
        };
        assert!(decoder.decode(&coded, &mut decoded).unwrap());
        let shown = &decoded.as_ref().unwrap().picture;
        assert_eq!(
            (shown.width(), shown.height()),
            (176, 100),
            "what is around the picture is left out"
        );
        let [y, ..] = shown.planes();
        let off = y.iter().map(|luma| luma.abs_diff(20 + 5 * number as u8)).max();
        assert!(off < Some(8), "{off:?} in {number}");
    }
}

#[test]
fn the_level_is_told_before_sizes_and_again_behind_them() {
    let (encoder, heard) = fake::encoder(Script::default());
    let wish = Wish { width: 1920, height: 1080, fps: 60, bitrate: 8_000_000, ..WISH };
    let _session = Session::<()>::start(encoder, &wish).unwrap();
    let settings = ["profile 1", "level 13", "bitrate 8000000", "headers repeated"];
    let formats = ["makes H264 1920x1080", "takes YU12 1920x1080", "shows 1920x1080"];
    assert_eq!(
        *heard.borrow(),
        [&settings[..], &formats, &settings].concat(),
        "this one refuses 1080p60 at level 4"
    );
}

#[test]
fn what_it_does_not_take_is_said_in_words() {
    let (encoder, _) = fake::encoder(Script::default());
    let Err(why) = Session::<()>::start(encoder, &Wish { width: 2560, height: 1440, ..WISH })
    else {
        panic!()
    };
    assert_eq!(why.to_string(), "it does not take 2560x1440; it would make 1920x1440");
}

#[test]
fn parameter_sets_alone_are_no_picture() {
    let (mut session, _) = session(Script { sets_alone: true, ..Script::default() });
    put(&mut session, 0);
    let (sets, first) = (take(&mut session).unwrap(), take(&mut session).unwrap());
    assert_eq!((sets.tag, first.tag, session.in_flight()), (None, Some(0), 0));
}

#[test]
fn pictures_are_matched_by_time_or_else_by_order() {
    for copies_times in [true, false] {
        let (mut session, _) = session(Script { copies_times, ..Script::default() });
        put(&mut session, 1);
        // The same time again, as of a driver whose clock is coarse.
        session.put(&picture(1), at(40), 2, at(90)).unwrap();
        assert_eq!(
            [take(&mut session), take(&mut session)]
                .map(|done| done.map(|d| (d.tag.unwrap(), d.by_time))),
            [1, 2].map(|n| Some((n, copies_times)))
        );
    }
}

#[test]
fn one_that_holds_pictures_gets_more_and_no_more_than_needed() {
    let (mut session, _) = session(Script { holds: 2, ..Script::default() });
    assert!(put(&mut session, 0) && put(&mut session, 1));
    assert_eq!(take(&mut session), None);
    assert!(!put(&mut session, 2), "two are in it already");
    assert_eq!(
        session.due(at(86)),
        Some(at(45 + 80)),
        "then there is room for one that moves them"
    );
    assert!(session.put(&picture(3), at(120), 3, at(126)).unwrap());
    assert_eq!(take(&mut session).unwrap().tag, Some(0));
    assert_eq!(session.due(at(126)), Some(at(126 + 79) + Duration::from_millis(1)));
}

#[test]
fn silence_is_a_failure_and_so_is_a_device_that_is_gone() {
    let (mut session, _) = session(Script { silent_after: 1, ..Script::default() });
    put(&mut session, 0);
    take(&mut session).unwrap();
    assert_eq!(
        (session.due(at(9)), session.check(at(5000)).is_ok()),
        (None, true),
        "nothing is in it"
    );
    put(&mut session, 1);
    assert_eq!((take(&mut session), session.due(at(50))), (None, Some(at(1045))));
    assert!(session.check(at(1044)).is_ok());
    assert_eq!(
        session.check(at(1045)).unwrap_err().to_string(),
        "it has given nothing for a second"
    );
    let (mut session, _) = self::session(Script { gone_after: 1, ..Script::default() });
    put(&mut session, 0);
    assert_eq!(
        session.take().unwrap_err().to_string(),
        "taking a coded picture: no such device (ENODEV)"
    );
}

#[test]
fn keyframes_can_be_asked_for_while_it_runs() {
    let (mut session, heard) = session(Script::default());
    let mut keys = Vec::new();
    for number in 0..8 {
        if number == 4 {
            assert!(session.force_keyframe());
        }
        put(&mut session, number);
        let payload: Payload = split_annex_b(&take(&mut session).unwrap().bytes).collect();
        keys.extend(h264::is_key(&payload).then_some(number));
    }
    assert_eq!(keys, [0, 4]);
    assert_eq!(heard.borrow().last().unwrap(), "keyframe");
}
