use super::{tables::crc, *};
use crate::{
    Aac, AccessUnit, Catalog, Codec, G711Law,
    mp4::tests::{aac, h264, h265, unit},
};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A frame as read back.
#[derive(Clone, Default, PartialEq, Debug)]
struct PesFrame {
    pid: u16,
    pts: u64,
    dts: u64,
    clock: Option<u64>,
    random_access: bool,
    bytes: Vec<u8>,
    /// Which one it is in the order of their beginnings.
    number: usize,
}

/// Takes a stream apart as §2.4.3 says, checking what every packet must hold.
#[derive(Default)]
struct StreamReader {
    counters: BTreeMap<u16, u8>,
    open: BTreeMap<u16, PesFrame>,
    frames: Vec<PesFrame>,
    tables: Vec<(u16, Vec<u8>)>,
}

impl StreamReader {
    fn read(mut self, stream: &[u8]) -> Self {
        assert_eq!(stream.len() % PACKET, 0);
        stream.chunks(PACKET).for_each(|p| self.packet(p));
        let open: Vec<u16> = self.open.keys().copied().collect();
        open.into_iter().for_each(|pid| self.close(pid));
        self.frames.sort_by_key(|f| f.number);
        self
    }

    fn packet(&mut self, packet: &[u8]) {
        assert_eq!(packet[0], 0x47);
        let (start, pid) =
            (packet[1] & 0x40 != 0, u16::from_be_bytes([packet[1] & 0x1f, packet[2]]));
        let counter = packet[3] & 15;
        let before = self.counters.insert(pid, counter);
        assert!(before.is_none_or(|b| (b + 1) & 15 == counter), "packets of {pid} are counted");
        let (mut payload, mut clock, mut random_access) = (&packet[4..], None, false);
        if packet[3] & 0x20 != 0 {
            let (field, rest) = payload[1..].split_at(payload[0].into());
            payload = rest;
            if let Some(flags) = field.first() {
                random_access = flags & 0x40 != 0;
                clock = (flags & 0x10 != 0)
                    .then(|| field[1..6].iter().fold(0, |c, b| c << 8 | u64::from(*b)) >> 7);
            }
        }
        if pid == 0 || pid == 0x1000 {
            let section = &payload[1..];
            let length = usize::from(u16::from_be_bytes([section[1] & 0x0f, section[2]])) + 3;
            assert_eq!(crc(&section[..length]), 0);
            self.tables.push((pid, section[..length].to_vec()));
        } else if start {
            self.close(pid);
            self.open.insert(
                pid,
                PesFrame {
                    pid,
                    clock,
                    random_access,
                    number: self.frames.len() + self.open.len(),
                    bytes: payload.to_vec(),
                    ..PesFrame::default()
                },
            );
        } else {
            self.open.get_mut(&pid).unwrap().bytes.extend_from_slice(payload);
        }
    }

    fn close(&mut self, pid: u16) {
        let Some(mut frame) = self.open.remove(&pid) else { return };
        let head = frame.bytes.clone();
        assert_eq!(head[..3], [0, 0, 1]);
        let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
        assert!(length == 0 || length + 6 == head.len(), "the length is right");
        frame.pts = time(&head[9..14]);
        frame.dts = if head[7] >> 6 == 3 { time(&head[14..19]) } else { frame.pts };
        frame.bytes.drain(..9 + usize::from(head[8]));
        self.frames.push(frame);
    }
}

fn time(b: &[u8]) -> u64 {
    assert!(b[0] & b[2] & b[4] & 1 == 1);
    (u64::from(b[0]) >> 1 & 7) << 30
        | u64::from(b[1]) << 22
        | u64::from(b[2] >> 1) << 15
        | u64::from(b[3]) << 7
        | u64::from(b[4] >> 1)
}

fn mux(muxer: &mut TsMuxer, units: &[std::sync::Arc<AccessUnit>]) -> StreamReader {
    let mut out = Vec::new();
    units.iter().for_each(|u| muxer.push(u, &mut out));
    StreamReader::default().read(&out)
}

#[test]
fn pictures_and_sound_come_back_with_their_times() {
    let mut muxer = TsMuxer::new(&Catalog::new([(h264(), 90_000), (aac(), 48_000)])).unwrap();
    let large = vec![0x65; 1000];
    let read = mux(
        &mut muxer,
        &[
            unit(1, 0, true, &[&[9]]),
            unit(0, 90_000, true, &[&[0x09, 0x10], &[0x67], &[0x68], &large]),
            unit(1, 48_480, true, &[&[1, 2, 3]]),
            unit(0, 93_000, false, &[&[0x41, 1]]),
        ],
    );
    let [first, sound, second] = &read.frames[..] else { panic!("{:?}", read.frames) };
    assert_eq!(
        (first.pts, first.dts, first.clock, first.random_access),
        (90_000, 90_000, Some(72_000), true)
    );
    let whole =
        [&[0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67, 0, 0, 0, 1, 0x68, 0, 0, 0, 1][..], &large]
            .concat();
    assert_eq!(first.bytes, whole, "one delimiter, start codes");
    assert_eq!((sound.pts, sound.clock), (90_900, None));
    assert_eq!(sound.bytes, [&[0xff, 0xf1, 0x4c, 0x80, 1, 0x5f, 0xfc][..], &[1, 2, 3]].concat());
    assert_eq!((second.pts, second.random_access, second.clock), (93_000, false, Some(75_000)));
    assert_eq!(second.bytes, [0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x41, 1]);
    assert_eq!(read.tables.len(), 2);
    let map = &read.tables[1].1;
    assert_eq!(map[12..map.len() - 4], [0x1b, 0xe1, 0, 0xf0, 0, 0x0f, 0xe1, 1, 0xf0, 0]);
}

#[test]
fn keyframes_bring_their_sets_and_the_tables() {
    let mut muxer = TsMuxer::new(&Catalog::new([(h264(), 90_000)])).unwrap();
    let frames: Vec<_> =
        (0..5).map(|i| unit(0, i * 90_000, i % 2 == 0, &[&[0x65, i as u8]])).collect();
    let read = mux(&mut muxer, &frames);
    assert_eq!(read.tables.len(), 2 * 5, "at least every 400 ms");
    let sets = |frame: &PesFrame| {
        frame
            .bytes
            .windows(6)
            .filter(|w| w[..4] == [0, 0, 0, 1] && [0x67, 0x68].contains(&w[4]))
            .count()
    };
    assert_eq!(read.frames.iter().map(sets).collect::<Vec<_>>(), [2, 0, 2, 0, 2]);
}

#[test]
fn opus_is_announced_and_behind_its_length() {
    let mut muxer = TsMuxer::new(&Catalog::new([(Codec::Opus { channels: 2 }, 48_000)])).unwrap();
    let read = mux(&mut muxer, &[unit(0, 0, true, &[&[7; 300]]), unit(0, 960, true, &[&[8; 255]])]);
    assert_eq!(read.frames[0].bytes[..5], [0x7f, 0xe0, 255, 45, 7]);
    assert_eq!(read.frames[1].bytes[..5], [0x7f, 0xe0, 255, 0, 8]);
    assert!(read.frames.iter().all(|f| f.clock.is_some()), "sound alone carries the clock");
    assert!(read.tables[1].1.windows(4).any(|w| w == b"Opus"));
}

#[test]
fn what_cannot_be_carried_is_refused() {
    let g711 = Codec::G711 { law: G711Law::A, rate: 8000, channels: 1 };
    assert!(TsMuxer::new(&Catalog::new([(g711, 8000)])).is_none());
    let latm = Codec::Aac(Aac {
        config: Bytes::from_static(&[0xf8, 0xe6, 0x40]),
        rate: 44_100,
        channels: 2,
    });
    assert!(
        TsMuxer::new(&Catalog::new([(latm, 44_100)])).is_none(),
        "an object type that ADTS does not know"
    );
}

#[test]
fn a_change_of_tracks_is_a_new_version_and_counters_go_on() {
    let mut muxer = TsMuxer::new(&Catalog::new([(h264(), 90_000)])).unwrap();
    let mut out = Vec::new();
    muxer.push(&unit(0, 0, true, &[&[0x65; 500]]), &mut out);
    assert!(muxer.set_catalog(&Catalog::new([(h265(), 90_000), (aac(), 48_000)])));
    muxer.push(&unit(0, 3000, false, &[&[0x02, 1]]), &mut out);
    muxer.push(&unit(0, 6000, true, &[&[0x26, 1]]), &mut out);
    let read = StreamReader::default().read(&out);
    assert_eq!(read.frames.len(), 2, "it waits for a keyframe");
    let versions: Vec<_> =
        read.tables.iter().filter(|(pid, _)| *pid == 0x1000).map(|(_, s)| s[5] >> 1 & 31).collect();
    assert_eq!(versions, [0, 1]);
}

proptest! {
    #[test]
    fn whatever_goes_in_comes_out_whole(
        // Two ticks apart at least: one is less than a tick of the sound, and what comes at the
        // same time is left out.
        frames in prop::collection::vec((prop::collection::vec(2u8.., 1..700), 2i64..4000, any::<bool>()), 1..30)
    ) {
        let mut muxer = TsMuxer::new(&Catalog::new([(h264(), 90_000), (Codec::Opus { channels: 1 }, 48_000)])).unwrap();
        let (mut units, mut pts) = (vec![unit(0, 0, true, &[&[0x67], &[0x68], &[0x65]])], 0);
        for (bytes, step, sound) in &frames {
            pts += step;
            let nal = [&[0x41][..], bytes].concat();
            units.push(if *sound { unit(1, pts * 48 / 90, true, &[bytes]) } else { unit(0, pts, false, &[&nal]) });
        }
        let read = mux(&mut muxer, &units);
        prop_assert_eq!(read.frames.len(), units.len());
        for pid in [0x100, 0x101] {
            let of = |f: &&PesFrame| f.pid == pid;
            let sent: Vec<_> = frames.iter().filter(|f| f.2 == (pid == 0x101)).map(|f| &f.0).collect();
            let got: Vec<_> = read.frames.iter().filter(of).skip(usize::from(pid == 0x100)).collect();
            prop_assert!(got.iter().zip(&sent).all(|(g, s)| g.bytes.ends_with(s)));
            prop_assert!(got.windows(2).all(|w| w[0].dts < w[1].dts && w[0].dts <= w[0].pts));
            prop_assert!(got.iter().all(|f| f.clock.is_none_or(|c| c < f.dts)));
        }
    }

    #[test]
    fn any_units_no_panic(units in prop::collection::vec((0u8..3, any::<i64>(), any::<bool>()), 0..40)) {
        let mut muxer = TsMuxer::new(&Catalog::new([(h265(), 90_000), (aac(), 48_000)])).unwrap();
        let mut out = Vec::new();
        for (track, pts, key) in units {
            muxer.push(&unit(track, pts, key, &[&[0x26, 1], &[]]), &mut out);
        }
        prop_assert_eq!(out.len() % PACKET, 0);
    }
}
