//! The reports of a receiving browser: receiver reports (RFC 3550 §6.4.2) and transport-wide
//! feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use std::time::Duration;

/// Packets described by one feedback message at most; the rest waits for the next.
const MAX_STATUSES: usize = 1024;
/// Ticks of the RTP clock of video in a second.
const CLOCK: f64 = 90_000.0;

/// Reception of one stream, for receiver reports. Times are since any one instant.
#[derive(Default)]
pub(super) struct Reception {
    first: Option<u64>,
    newest: u64,
    received: u64,
    /// Expected and received at the last report.
    reported: (u64, u64),
    transit: Option<f64>,
    jitter: f64,
    /// The middle of the NTP time in the last sender report, and when that came.
    sender_report: Option<(u32, Duration)>,
}

impl Reception {
    /// Takes a packet's extended sequence number and timestamp.
    pub(super) fn packet(&mut self, sequence: u64, timestamp: u32, at: Duration) {
        self.first = Some(self.first.map_or(sequence, |first| first.min(sequence)));
        self.newest = self.newest.max(sequence);
        self.received += 1;
        let transit = at.as_secs_f64() * CLOCK - f64::from(timestamp);
        // Beyond half the range the timestamp has begun again.
        let change =
            self.transit.map(|before| (transit - before).abs()).filter(|d| *d < f64::from(1 << 31));
        self.jitter += (change.unwrap_or(self.jitter) - self.jitter) / 16.0;
        self.transit = Some(transit);
    }

    /// Looks for a sender report in a decrypted compound packet.
    pub(super) fn compound(&mut self, mut packet: &[u8], at: Duration) {
        while let [_, kind, high, low, ..] = packet {
            let len = 4 * (usize::from(u16::from_be_bytes([*high, *low])) + 1);
            if *kind == 200
                && let Some(middle) = packet.get(10..14).and_then(<[u8]>::first_chunk)
            {
                self.sender_report = Some((u32::from_be_bytes(*middle), at));
            }
            packet = packet.get(len..).unwrap_or_default();
        }
    }

    /// A receiver report; `None` before the first packet.
    pub(super) fn report(&mut self, from: u32, media: u32, now: Duration) -> Option<Vec<u8>> {
        let expected = self.newest - self.first? + 1;
        let lost = expected.saturating_sub(self.received);
        let (expected_before, received_before) =
            std::mem::replace(&mut self.reported, (expected, self.received));
        let (recently, arrived) = (expected - expected_before, self.received - received_before);
        let fraction = recently.saturating_sub(arrived) * 256 / recently.max(1);
        let (middle, since) = self
            .sender_report
            .map_or((0, 0), |(middle, at)| (middle, compact(now.saturating_sub(at))));
        let mut out = vec![0x81, 201, 0, 7];
        let loss = (fraction.min(255) as u32) << 24 | (lost.min(0x7f_ffff) as u32);
        // The sequence number with its count of rounds; we begin in the second.
        let newest = (self.newest - (1 << 16)) as u32;
        let fields = [from, media, loss, newest, self.jitter as u32, middle, since];
        fields.iter().for_each(|field| out.extend(field.to_be_bytes()));
        Some(out)
    }
}

/// In units of 1/65536 s.
fn compact(time: Duration) -> u32 {
    (time.as_secs_f64() * 65_536.0) as u32
}

/// Transport-wide feedback on what has arrived since the last.
#[derive(Default)]
pub(super) struct Feedback {
    /// Transport-wide sequence numbers that have arrived, and when.
    arrived: Vec<(u16, Duration)>,
    /// The first that has not been reported on.
    next: Option<u16>,
    count: u8,
}

impl Feedback {
    pub(super) fn packet(&mut self, sequence: u16, at: Duration) {
        self.next.get_or_insert(sequence);
        self.arrived.push((sequence, at));
    }

    /// A feedback message; `None` if there is no news.
    pub(super) fn report(&mut self, from: u32, media: u32) -> Option<Vec<u8>> {
        let base = self.next?;
        let mut arrived: Vec<(usize, Duration)> =
            self.arrived.drain(..).map(|(s, at)| (usize::from(s.wrapping_sub(base)), at)).collect();
        // What comes after its successor was reported on has been reported lost, and is left so.
        arrived.retain(|(offset, _)| *offset < MAX_STATUSES);
        arrived.sort_unstable_by_key(|(offset, _)| *offset);
        arrived.dedup_by_key(|(offset, _)| *offset);
        let (last, first_at) = (arrived.last()?.0, arrived.first()?.1);
        self.next = Some(base.wrapping_add(last as u16 + 1));
        let count = self.count;
        self.count = count.wrapping_add(1);
        Some(message(from, media, base, last + 1, first_at, count, &arrived))
    }
}

fn message(
    from: u32,
    media: u32,
    base: u16,
    len: usize,
    first_at: Duration,
    count: u8,
    arrived: &[(usize, Duration)],
) -> Vec<u8> {
    let reference = first_at.as_millis() as u32 / 64;
    let mut symbols = vec![0_u16; len];
    let mut deltas = Vec::new();
    let mut before = u64::from(reference) * 256;
    for (offset, at) in arrived {
        // In quarters of a millisecond.
        let quarters = at.as_micros() as u64 / 250;
        let delta =
            (quarters as i64 - before as i64).clamp(i64::from(i16::MIN), i64::from(i16::MAX));
        before = before.saturating_add_signed(delta);
        match u8::try_from(delta) {
            Ok(small) => (symbols[*offset], ()) = (1, deltas.push(small)),
            Err(_) => (symbols[*offset], ()) = (2, deltas.extend((delta as i16).to_be_bytes())),
        }
    }
    // Transport layer feedback, format 15.
    let mut out = vec![0x8f, 205, 0, 0];
    out.extend(from.to_be_bytes());
    out.extend(media.to_be_bytes());
    out.extend(base.to_be_bytes());
    out.extend((len as u16).to_be_bytes());
    out.extend(&reference.to_be_bytes()[1..]);
    out.push(count);
    symbols.chunks(7).for_each(|seven| out.extend(vector(seven).to_be_bytes()));
    out.extend(deltas);
    let padding = out.len().next_multiple_of(4) - out.len();
    if padding > 0 {
        out[0] |= 0x20;
        out.extend(std::iter::repeat_n(0, padding - 1).chain([padding as u8]));
    }
    let words = (out.len() / 4 - 1) as u16;
    out[2..4].copy_from_slice(&words.to_be_bytes());
    out
}

/// Up to seven symbols of two bits.
fn vector(symbols: &[u16]) -> u16 {
    symbols.iter().enumerate().fold(0xc000, |chunk, (n, symbol)| chunk | symbol << (12 - 2 * n))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_report_tells_loss_and_round_trip() {
        let mut r = Reception::default();
        assert_eq!(r.report(1, 2, ms(0)), None);
        let base = 1 << 16;
        (0..100)
            .filter(|n| n % 4 != 3 || *n == 99)
            .for_each(|n| r.packet(base + n, n as u32 * 900, ms(n * 10)));
        let mut sr = vec![0x80, 200, 0, 6];
        sr.extend((1..=24_u8).map(|n| n + 100));
        r.compound(&[vec![0x80, 203, 0, 0], sr].concat(), ms(1000));
        let report = r.report(1, 2, ms(1500)).unwrap();
        assert_eq!(report[..12], [0x81, 201, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(report[12..20], [61, 0, 0, 24, 0, 0, 0, 99]);
        // Even spacing has no jitter; the report was 0.5 s ago.
        assert_eq!(report[20..], [0, 0, 0, 0, 107, 108, 109, 110, 0, 0, 0x80, 0]);
        assert_eq!(r.report(1, 2, ms(1500)).unwrap()[12], 0, "nothing since");
    }

    #[test]
    fn feedback_lists_arrivals_and_holes() {
        let mut f = Feedback::default();
        assert_eq!(f.report(1, 2), None);
        f.packet(65_535, ms(128));
        f.packet(1, ms(129));
        f.packet(2, ms(329));
        let message = f.report(1, 2).unwrap();
        let head = [0xaf, 205, 0, 6, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0, 4, 0, 0, 2, 0];
        assert_eq!(message[..20], head);
        // Arrived, missing, arrived, arrived late; 0, 4 and 800 quarters of a millisecond.
        assert_eq!(message[20..], [0b1101_0001, 0b1000_0000, 0, 4, 3, 32, 0, 2]);
        f.packet(0, ms(330));
        assert_eq!(f.report(1, 2), None, "too late to matter");
        f.packet(3, ms(331));
        assert_eq!(f.report(1, 2).unwrap()[12..16], [0, 3, 0, 1]);
    }
}
