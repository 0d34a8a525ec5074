//! The RTCP feedback of browsers.

use proto::rtp::{
    feedback::{self, Feedback},
    rtcp,
};

/// No browser lacks more at once, says the reader.
const MOST_LOST: usize = 1024;

/// Takes the bytes as a compound packet.
///
/// # Panics
/// If it says more than fits into it, or what can be written is not read back.
pub fn feedback(data: &[u8]) {
    assert!(feedback::read(data).count() <= data.len() / 4);
    feedback::read(data).for_each(|item| check(data, item));
}

fn check(data: &[u8], item: Feedback<'_>) {
    match item {
        Feedback::Nack(nack) => assert!(nack.lost().count() <= MOST_LOST),
        Feedback::Report { from, block } => {
            let written = rtcp::write_receiver_report(from, Some(&block), "");
            assert_eq!(feedback::read(&written).next(), Some(item));
            assert!(
                block
                    .round_trip(media::Wall::from_micros(0))
                    .is_none_or(|trip| trip.as_secs() < 1 << 15)
            );
        }
        Feedback::Dlrr(answer) => {
            let mut written = Vec::new();
            feedback::put_dlrr(&mut written, 1, &answer);
            assert!(feedback::read(&written).eq([item]));
        }
        Feedback::TransportWide(packet) => {
            assert!(packet.len() % 4 == 0 && data.windows(packet.len()).any(|part| part == packet));
        }
        Feedback::PictureLoss { .. }
        | Feedback::KeyframeRequest { .. }
        | Feedback::Bitrate { .. }
        | Feedback::Goodbye { .. }
        | Feedback::ReceiverTime { .. } => {}
    }
}
