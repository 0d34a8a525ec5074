//! The whole receiver: what a sender cut is put together again, whatever the network did.

mod audio;
mod network;
mod senders;
mod times;

use super::*;
use crate::{
    rtp::{
        Packet,
        send::{TrackSender, TrackSetup},
    },
    sdp::Format,
};
use bytes::Bytes;
use media::{AccessUnit, Codec, Timing, TrackId};

const RATE: u32 = 90_000;

fn ms(ms: u64) -> Mono {
    Mono::from_nanos(ms * 1_000_000)
}

fn h264() -> Format {
    Format::new(96, RATE, Codec::H264(None))
}

fn receiver(format: &Format, transport: Transport) -> TrackReceiver {
    TrackReceiver::new(TrackId(0), format, transport)
}

/// A packet of a sender made by hand.
fn packet(sequence: u16, timestamp: u32, marker: bool, payload: &[u8]) -> Bytes {
    from_sender(7, sequence, timestamp, marker, payload)
}

fn from_sender(ssrc: u32, sequence: u16, timestamp: u32, marker: bool, payload: &[u8]) -> Bytes {
    Packet {
        payload_type: 96,
        marker,
        sequence,
        timestamp,
        ssrc,
        payload: Bytes::copy_from_slice(payload),
    }
    .to_bytes()
}

fn setup(first_sequence: u16, timestamp_offset: u32) -> TrackSetup {
    TrackSetup {
        ssrc: 7,
        payload_type: 96,
        clock_rate: RATE,
        first_sequence,
        timestamp_offset,
        cname: String::new(),
    }
}

/// What our own sender makes of units.
fn packets_of(codec: &Codec, setup: TrackSetup, units: &[AccessUnit]) -> Vec<Bytes> {
    let mut sender = TrackSender::new(setup, codec.clone());
    let join = |(head, fragment): ([u8; 12], &media::RtpFragment)| {
        [&head, &fragment.head[..], &fragment.body].concat().into()
    };
    units.iter().flat_map(|unit| sender.packets(unit).map(join).collect::<Vec<_>>()).collect()
}

fn unit(pts: i64, nals: &[&[u8]]) -> AccessUnit {
    let payload = nals.iter().map(|n| Bytes::copy_from_slice(n)).collect();
    AccessUnit::new(TrackId(0), pts, false, Timing::arrived(ms(0)), payload)
}

/// Everything received so far; codec changes apart.
fn drain(r: &mut TrackReceiver) -> (Vec<AccessUnit>, Vec<Codec>) {
    let (mut units, mut codecs) = (Vec::new(), Vec::new());
    while let Some(received) = r.poll() {
        match received {
            Received::Unit(unit) => units.push(unit),
            Received::Codec(codec) => codecs.push(codec),
        }
    }
    (units, codecs)
}

fn units(r: &mut TrackReceiver) -> Vec<AccessUnit> {
    drain(r).0
}

/// The first bytes of each NAL unit of each frame.
fn heads(units: &[AccessUnit]) -> Vec<Vec<u8>> {
    units.iter().map(|u| u.payload.iter().map(|n| n[0]).collect()).collect()
}
