use super::*;
use futures::FutureExt;
use hub::StreamOptions;
use media::{Aac, Codec, Timing, TrackId};

const MS: u64 = 1_000_000;

fn ms(ms: u64) -> Mono {
    Mono::from_nanos(ms * MS)
}

fn video() -> (Codec, u32) {
    (Codec::H264(None), 90_000)
}

fn aac(config: &'static [u8]) -> (Codec, u32) {
    (Codec::Aac(Aac { config: Bytes::from_static(config), rate: 48_000, channels: 2 }), 48_000)
}

fn stream() -> Arc<Stream> {
    Stream::new("cam", StreamOptions::default(), ms(0))
}

fn unit(track: u8, pts: i64, key: bool, at: u64) -> AccessUnit {
    let payload = [Bytes::from_static(&[0x65, 1, 2, 3])].into_iter().collect();
    AccessUnit::new(TrackId(track), pts, key, Timing::arrived(ms(at)), payload)
}

/// All packets that leave now: track, sequence number, timestamp.
fn drain(player: &mut Player, now: u64) -> Vec<(usize, u16, u32)> {
    let mut out = Vec::new();
    while let Some(event) = player.next().now_or_never() {
        match event {
            Event::Catalog(catalog) => player.follow(&catalog),
            Event::Unit(unit, _) => {
                let Some((track, packets)) = player.packets(ms(now), &unit) else { continue };
                out.extend(packets.map(|(h, _)| {
                    (
                        track,
                        u16::from_be_bytes([h[2], h[3]]),
                        u32::from_be_bytes([h[4], h[5], h[6], h[7]]),
                    )
                }));
            }
            _ => {}
        }
    }
    out
}

#[test]
fn rtp_info_names_the_first_packets() {
    let stream = stream();
    let catalog = Catalog::new([video(), aac(b"a")]);
    let publisher = stream.publish(ms(0), "t", catalog.clone()).unwrap();
    publisher.push(ms(0), unit(0, 0, true, 0)).unwrap();
    publisher.push(ms(33), unit(0, 3000, true, 33)).unwrap();
    publisher.push(ms(33), unit(1, 1600, true, 33)).unwrap();
    let mut player = Player::new(stream, Arc::new(catalog), false);
    assert_eq!(player.set_up(None).unwrap_err().status, StatusCode::AggregateOperationNotAllowed);
    assert_eq!(player.set_up(Some(2)).unwrap_err().status, StatusCode::NotFound);
    player.set_up(Some(0)).unwrap();
    player.set_up(Some(1)).unwrap();
    assert_eq!(player.set_up(Some(1)).unwrap_err().status, StatusCode::MethodNotValidInThisState);
    let infos = player.play();
    let packets = drain(&mut player, 40);
    for (info, packet) in infos.iter().zip(&packets) {
        assert_eq!(
            (info.track, info.sequence, info.timestamp),
            (packet.0, packet.1, Some(packet.2))
        );
    }
    assert_eq!((infos.len(), packets.len()), (2, 2));
}

#[test]
fn numbers_run_on_from_publisher_to_publisher() {
    let stream = stream();
    let catalog = Catalog::new([video()]);
    let publisher = stream.publish(ms(0), "one", catalog.clone()).unwrap();
    publisher.push(ms(0), unit(0, 500, true, 0)).unwrap();
    let mut player = Player::new(stream.clone(), Arc::new(catalog.clone()), false);
    player.set_up(None).unwrap();
    player.play();
    let before = drain(&mut player, 0)[0];
    publisher.finish(ms(100), "gone");
    let publisher = stream.publish(ms(10_000), "two", catalog).unwrap();
    publisher.push(ms(10_000), unit(0, 777_777, true, 10_000)).unwrap();
    let after = drain(&mut player, 10_000)[0];
    assert_eq!(after.1, before.1.wrapping_add(1));
    assert_eq!(after.2.wrapping_sub(before.2), 900_000);
}

#[test]
fn tracks_whose_codec_changes_fall_silent_and_come_back() {
    let stream = stream();
    let told = Catalog::new([video(), aac(b"a")]);
    let mut player = Player::new(stream.clone(), Arc::new(told.clone()), false);
    player.set_up(Some(0)).unwrap();
    player.set_up(Some(1)).unwrap();
    player.play();
    let mut heard = |at: u64, catalog: Catalog, tracks: u8| {
        let publisher = stream.publish(ms(at), "t", catalog).unwrap();
        (0..tracks).for_each(|t| publisher.push(ms(at), unit(t, 0, true, at)).unwrap());
        drain(&mut player, at).iter().map(|p| p.0).collect::<Vec<_>>()
    };
    assert_eq!(heard(0, told.clone(), 2), [0, 1]);
    assert_eq!(heard(10_000, Catalog::new([video(), aac(b"b")]), 2), [0]);
    assert_eq!(heard(20_000, Catalog::new([aac(b"a"), video()]), 2), [1, 0]);
    assert_eq!(heard(30_000, Catalog::new([(Codec::H265(None), 90_000)]), 1), [0; 0]);
    assert_eq!(heard(40_000, told, 2), [0, 1]);
}

#[test]
fn a_pause_reads_nothing() {
    let stream = stream();
    let publisher = stream.publish(ms(0), "t", Catalog::new([video()])).unwrap();
    publisher.push(ms(0), unit(0, 0, true, 0)).unwrap();
    let mut player = Player::new(stream.clone(), stream.catalog().unwrap(), false);
    player.set_up(None).unwrap();
    player.play();
    player.pause();
    assert!(drain(&mut player, 0).is_empty());
    assert_eq!(stream.demand().borrow().readers(), 0);
    player.play();
    assert_eq!(drain(&mut player, 0).len(), 1);
}

/// What a report says: the wall clock in µs, and the ticks that belong to it.
fn reported(player: &mut Player, index: usize, at: u64) -> Option<(i64, u32)> {
    let clocks = ClockPair {
        mono: ms(at),
        wall: media::Wall::from_micros(1_700_000_000_000_000 + at as i64 * 1000),
    };
    let bytes = player.report(index, &clocks)?;
    let report = proto::rtp::rtcp::sender_reports(&bytes).next().unwrap();
    Some((report.wall().as_micros(), report.timestamp))
}

#[test]
fn all_tracks_report_by_one_clock_however_late_their_units_come() {
    let stream = stream();
    let catalog = Catalog::new([aac(b"a"), video()]);
    let publisher = stream.publish(ms(1000), "t", catalog.clone()).unwrap();
    // Sound and picture of the same moment, the picture 120 ms later by its encoder.
    publisher.push(ms(1000), unit(1, 0, true, 1120)).unwrap();
    publisher.push(ms(1000), unit(0, 0, true, 1000)).unwrap();
    let mut player = Player::new(stream, Arc::new(catalog), false);
    player.set_up(Some(0)).unwrap();
    player.set_up(Some(1)).unwrap();
    player.play();
    assert_eq!(reported(&mut player, 0, 1120), None, "nothing to report by yet");
    let first = drain(&mut player, 1120);
    let zero = |track: usize| first.iter().find(|p| p.0 == track).unwrap().2;
    let apart = |player: &mut Player, at: u64| {
        let (sound, picture) =
            (reported(player, 0, at).unwrap(), reported(player, 1, at + 3).unwrap());
        // Where on the wall clock each puts its first unit.
        let began = |(wall, ticks): (i64, u32), track, rate: i64| {
            wall - i64::from(ticks.wrapping_sub(zero(track)).cast_signed()) * 1_000_000 / rate
        };
        began(picture, 1, 90_000) - began(sound, 0, 48_000)
    };
    assert!(apart(&mut player, 1130).abs() <= 25, "µs apart");
    assert_eq!(reported(&mut player, 0, 2000), None, "not due");
    assert!(apart(&mut player, 7000).abs() <= 25, "µs apart");
}
