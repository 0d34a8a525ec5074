//! One viewer's link: packets sent, feedback of any kind about them, frames, and time.

use crate::Input;
use media::Mono;
use proto::{
    congestion::{Condition, Estimator, Frame, Gate, Ladder, Verdict},
    rtp::twcc::{self, Feedback},
};
use std::time::Duration;

/// Operations are the low two bits of a byte each:
/// - 0 packets are sent: as many as the next byte says, of 8 bytes times the other bits
/// - 1 a feedback message, without its header and SSRCs, behind one byte of length; bit 2: a whole
///   compound instead
/// - 2 time passes: as many ms as the next byte says, times eight if bit 2 is set
/// - 3 a frame: bit 2 key, bit 3 disposable, bit 4 catching up, then its size and its age in two
///   bytes each
///
/// # Panics
/// If feedback that was read is not the same after writing and reading it, or a frame is sent that
/// needs one which was not.
pub fn congestion(data: &[u8]) {
    let mut input = Input(data);
    let now = Mono::from_nanos(50_000_000_000);
    let mut viewer = Viewer {
        now,
        link: Estimator::new(),
        gate: Gate::new(),
        ladder: Ladder::new(now, 0),
        sequence: 65_500,
        sent: 0,
        broken: false,
    };
    while let Some(op) = input.byte() {
        if viewer.operate(op, &mut input).is_none() {
            break;
        }
        viewer.check();
    }
}

struct Viewer {
    now: Mono,
    link: Estimator,
    gate: Gate,
    ladder: Ladder,
    sequence: u16,
    sent: u64,
    /// A frame that others need was left out.
    broken: bool,
}

impl Viewer {
    fn operate(&mut self, op: u8, input: &mut Input<'_>) -> Option<()> {
        match op & 3 {
            0 => (0..input.byte()?).for_each(|_| self.send(usize::from(op >> 2) * 8)),
            1 if op & 4 == 0 => self.feedback(&message(input.short()?)),
            1 => self.feedback(input.short()?),
            2 => {
                self.now = self.now
                    + Duration::from_millis(u64::from(input.byte()?) << (3 * (op >> 2 & 1)));
            }
            _ => self.frame(op, input.word()?, input.word()?),
        }
        Some(())
    }

    fn send(&mut self, bytes: usize) {
        self.link.on_sent(self.now, self.sequence, bytes);
        self.sequence = self.sequence.wrapping_add(1);
        self.sent += bytes as u64;
    }

    fn feedback(&mut self, compound: &[u8]) {
        for feedback in twcc::feedbacks(compound) {
            check_written(&feedback);
            self.link.handle_feedback(self.now, &feedback);
        }
    }

    fn frame(&mut self, op: u8, bytes: u16, age: u16) {
        let frame = Frame {
            bytes: bytes.into(),
            key: op & 4 != 0,
            disposable: op & 8 != 0,
            age: Duration::from_millis(age.into()),
            catching_up: op & 16 != 0,
        };
        match self.gate.decide(self.now, &self.link, &frame) {
            Verdict::Send => {
                assert!(frame.key || !self.broken, "no viewer can decode it");
                self.broken &= !frame.key;
                self.send(bytes.into());
            }
            Verdict::Skip(_) => self.broken |= !frame.disposable,
        }
    }

    fn check(&mut self) {
        assert!(self.link.in_flight() + self.link.delivered() <= self.sent);
        assert!(self.link.estimate().is_none_or(|rate| rate >= 32_000));
        assert!(self.link.pace(self.now).is_none_or(|rate| rate >= 32_000));
        assert!((0.0..=1.0).contains(&self.link.loss()));
        assert!(self.link.queue(self.now) <= Duration::from_secs(1 << 31));
        let condition =
            Condition { carries: self.link.estimate(), skipping: self.gate.is_skipping(self.now) };
        let wanted =
            self.ladder.update(self.now, condition, &[Some(2_500_000), None, Some(800_000)]);
        assert!(wanted == 0 || wanted == 2);
        self.ladder.handle_moved(self.now, wanted);
    }
}

/// A feedback message of everything behind its SSRCs.
fn message(body: &[u8]) -> Vec<u8> {
    let mut out = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
    out.extend(body);
    out.resize(out.len().next_multiple_of(4), 0);
    let words = (out.len() / 4 - 1) as u16;
    out[2..4].copy_from_slice(&words.to_be_bytes());
    out
}

fn check_written(feedback: &Feedback<'_>) {
    let arrivals: Vec<_> = feedback.packets().map(|packet| packet.arrival).collect();
    assert_eq!(arrivals.len(), usize::from(feedback.packets));
    let written =
        twcc::write(feedback.sender, feedback.media, feedback.count, feedback.base, &arrivals);
    let Some(bytes) = written else { return };
    let again = Feedback::parse(&bytes).unwrap_or_else(|e| panic!("{e}: {arrivals:?}"));
    assert_eq!(
        (again.sender, again.media, again.count, again.base),
        (feedback.sender, feedback.media, feedback.count, feedback.base)
    );
    // Its reference time may have rolled over.
    let differs = |(read, was): (twcc::Packet, &Option<i64>)| {
        read.arrival.map(|at| at & 0xffff_ffff) != was.map(|at| at & 0xffff_ffff)
    };
    assert!(!again.packets().zip(&arrivals).any(differs), "{arrivals:?}");
}
