//! A browser: says what arrives, asks for what does not, shows what it can decode.

use crate::link::Packet;
use bytes::Bytes;
use proto::rtp::twcc;
use std::collections::{BTreeMap, BTreeSet};

/// A browser that only receives asks again after this long.
const ASK_AGAIN: i64 = 100_000;
/// What the kernel keeps for a process that does not read.
const KERNEL: usize = 212_992;
/// The browser's clock.
const EPOCH: i64 = 987_654_321_000;

/// A frame that was shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) captured: i64,
    pub(crate) at: i64,
}

impl Shown {
    pub(crate) const fn latency(&self) -> i64 {
        self.at - self.captured
    }
}

struct Partial {
    key: bool,
    captured: i64,
    of: usize,
    got: BTreeSet<u64>,
}

#[derive(Default)]
pub(crate) struct Viewer {
    pub(crate) shown: Vec<Shown>,
    arrivals: BTreeMap<u64, i64>,
    next_report: u64,
    newest_transport: u64,
    count: u8,
    frames: BTreeMap<u64, Partial>,
    next_frame: u64,
    missing: BTreeMap<u64, i64>,
    newest_media: Option<u64>,
    /// What waits in the kernel while the process does not run.
    unread: Vec<Packet>,
}

impl Viewer {
    pub(crate) fn receive(&mut self, now: i64, packets: Vec<Packet>, running: bool) {
        for packet in packets {
            if self.unread.iter().map(|p| p.bytes).sum::<usize>() + packet.bytes <= KERNEL {
                self.unread.push(packet);
            }
        }
        if running {
            std::mem::take(&mut self.unread).into_iter().for_each(|packet| self.take(now, packet));
        }
    }

    fn take(&mut self, now: i64, packet: Packet) {
        let newest = self.newest_transport;
        let number = newest.wrapping_add_signed(i64::from(
            packet.transport.wrapping_sub(newest as u16).cast_signed(),
        ));
        self.newest_transport = newest.max(number);
        self.arrivals.insert(number, now);
        let first_missing = self.newest_media.map_or(packet.media, |newest| newest + 1);
        self.missing.extend((first_missing..packet.media).map(|lost| (lost, now)));
        self.missing.remove(&packet.media);
        self.newest_media = Some(self.newest_media.unwrap_or(0).max(packet.media));
        if packet.frame >= self.next_frame {
            let fresh = Partial {
                key: packet.key,
                captured: packet.captured,
                of: packet.of,
                got: BTreeSet::new(),
            };
            self.frames.entry(packet.frame).or_insert(fresh).got.insert(packet.media);
            self.show(now);
        }
    }

    fn show(&mut self, now: i64) {
        loop {
            let complete = |(position, frame): &(&u64, &Partial)| {
                frame.got.len() == frame.of && (frame.key || **position == self.next_frame)
            };
            let Some((position, frame)) = self.frames.iter().find(complete) else { return };
            self.shown.push(Shown { captured: frame.captured, at: now });
            self.next_frame = position + 1;
            self.frames = self.frames.split_off(&self.next_frame);
        }
    }

    /// What is asked for now.
    pub(crate) fn nacks(&mut self, now: i64) -> Vec<u64> {
        let newest = self.newest_media.unwrap_or(0);
        self.missing.retain(|media, _| media + 1000 > newest);
        let due: Vec<_> =
            self.missing.iter().filter(|(_, at)| **at <= now).map(|(media, _)| *media).collect();
        for media in &due {
            self.missing.insert(*media, now + ASK_AGAIN);
        }
        due
    }

    /// What arrived since the last report.
    pub(crate) fn feedback(&mut self) -> Option<Bytes> {
        let newest = *self.arrivals.last_key_value()?.0;
        if newest < self.next_report {
            self.arrivals.clear();
            return None;
        }
        let first = if self.next_report == 0 {
            *self.arrivals.first_key_value()?.0
        } else {
            self.next_report
        };
        let ticks = |number| {
            self.arrivals
                .get(&number)
                .map(|at| (at + EPOCH + at / 20_000).div_euclid(twcc::TICK_MICROS))
        };
        let arrivals: Vec<_> = (first..=newest).map(ticks).collect();
        let bytes = twcc::write(1, 2, self.count, first as u16, &arrivals)?;
        self.count = self.count.wrapping_add(1);
        self.next_report = newest + 1;
        self.arrivals.clear();
        Some(bytes)
    }
}
