//! The whole receiver: what a sender cut is put together again, whatever the network did.

mod network;

use super::*;
use crate::{
    rtp::send::{TrackSender, TrackSetup},
    sdp::Format,
};
use bytes::Bytes;
use media::{AccessUnit, Codec, Timing, TrackId};

const RATE: u32 = 90_000;

fn ms(ms: u64) -> Mono {
    Mono::from_nanos(ms * 1_000_000)
}

fn receiver(format: &Format, transport: Transport) -> TrackReceiver {
    TrackReceiver::new(TrackId(0), format, transport)
}

fn setup(first_sequence: u16, timestamp_offset: u32) -> TrackSetup {
    TrackSetup { ssrc: 7, payload_type: 96, clock_rate: RATE, first_sequence, timestamp_offset, cname: String::new() }
}

/// What our own sender makes of units.
fn packets_of(codec: &Codec, setup: TrackSetup, units: &[AccessUnit]) -> Vec<Bytes> {
    let mut sender = TrackSender::new(setup, codec.clone());
    let join = |(head, fragment): ([u8; 12], &media::RtpFragment)| [&head, &fragment.head[..], &fragment.body].concat().into();
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
