//! Pictures: H.264 (RFC 6184, packetization mode 1) and H.265 (RFC 7798).
//!
//! Small NAL units that follow each other (parameter sets, SEI, small slices) share an aggregation
//! packet, large ones are fragmented, and what lies between is a packet as it is.

use super::{
    MAX_PAYLOAD,
    runs::{Part, fragment_size},
};
use bytes::{Bytes, BytesMut};
use media::{RtpFragment, h264, h265};
use smallvec::{SmallVec, smallvec};

/// Packet types of RFC 6184 §5.4.
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
/// Packet types of RFC 7798 §4.4.
const AP: u8 = 48;
const FU: u8 = 49;
/// First and last fragment of a NAL unit, in the last byte of a fragment's head.
const START: u8 = 0x80;
const END: u8 = 0x40;

/// Which of the two payload formats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Syntax {
    H264,
    H265,
}

impl Syntax {
    /// Bytes of a NAL unit's header, which are also those of an aggregation packet's.
    fn nal_header(self) -> usize {
        match self {
            Self::H264 => 1,
            Self::H265 => 2,
        }
    }

    fn fragment_head_len(self) -> usize {
        self.nal_header() + 1
    }

    fn fragment_head(self, nal: &[u8], flags: u8) -> SmallVec<[u8; 4]> {
        match self {
            Self::H264 => smallvec![nal[0] & 0xe0 | FU_A, flags | h264::nal_type(nal)],
            Self::H265 => smallvec![nal[0] & 0x81 | FU << 1, nal[1], flags | h265::nal_type(nal)],
        }
    }

    /// The header speaks for all units within: the most important of H.264 (§5.7), the lowest
    /// layers of H.265 (§4.4.2).
    fn aggregation_head(self, nals: &[Bytes]) -> SmallVec<[u8; 4]> {
        match self {
            Self::H264 => {
                let forbidden = nals.iter().fold(0, |f, n| f | n[0] & 0x80);
                let importance = nals.iter().map(|n| n[0] & 0x60).max().unwrap_or(0);
                smallvec![forbidden | importance | STAP_A]
            }
            Self::H265 => {
                let forbidden = nals.iter().fold(0, |f, n| f | n[0] & 0x80);
                let layer = nals
                    .iter()
                    .map(|n| u16::from_be_bytes([n[0], n[1]]) >> 3 & 0x3f)
                    .min()
                    .unwrap_or(0);
                let temporal = nals.iter().map(|n| n[1] & 7).min().unwrap_or(1);
                smallvec![forbidden | AP << 1 | (layer >> 5) as u8, (layer << 3) as u8 | temporal]
            }
        }
    }
}

/// Cuts the NAL units of a frame. Units without even a header are left out.
pub(super) fn pack(nals: &[Bytes], syntax: Syntax) -> Vec<RtpFragment> {
    let nals: SmallVec<[Bytes; 8]> =
        nals.iter().filter(|n| n.len() > syntax.nal_header()).cloned().collect();
    let groups = group(&nals, syntax);
    let size = fragment_size(
        &parts(&groups, syntax),
        syntax.fragment_head_len(),
        MAX_PAYLOAD - syntax.fragment_head_len(),
    );
    let mut out =
        Vec::with_capacity(groups.len() + nals.iter().map(Bytes::len).sum::<usize>() / size);
    for group in groups {
        match group {
            [nal] if nal.len() > MAX_PAYLOAD => fragment(nal, size, syntax, &mut out),
            [nal] => out.push(RtpFragment { head: SmallVec::new(), body: nal.clone() }),
            nals => out.push(aggregate(nals, syntax)),
        }
    }
    out
}

/// Units that go into one packet together. A unit larger than a packet is a group of its own.
fn group(nals: &[Bytes], syntax: Syntax) -> SmallVec<[&[Bytes]; 8]> {
    let mut groups = SmallVec::new();
    let mut rest = nals;
    while !rest.is_empty() {
        let mut len = syntax.nal_header();
        let fitting = rest.iter().take_while(|nal| {
            len += 2 + nal.len();
            len <= MAX_PAYLOAD
        });
        let (group, tail) = rest.split_at(fitting.count().max(1));
        groups.push(group);
        rest = tail;
    }
    groups
}

fn parts(groups: &[&[Bytes]], syntax: Syntax) -> SmallVec<[Part; 8]> {
    let part = |group: &&[Bytes]| match group {
        [nal] if nal.len() > MAX_PAYLOAD => Part::Fragmented(nal.len() - syntax.nal_header()),
        [nal] => Part::Packet(nal.len()),
        nals => Part::Packet(syntax.nal_header() + nals.iter().map(|n| 2 + n.len()).sum::<usize>()),
    };
    groups.iter().map(part).collect()
}

fn fragment(nal: &Bytes, size: usize, syntax: Syntax, out: &mut Vec<RtpFragment>) {
    let from = syntax.nal_header();
    for at in (from..nal.len()).step_by(size) {
        let end = nal.len().min(at + size);
        let start_flag = if at == from { START } else { 0 };
        let end_flag = if end == nal.len() { END } else { 0 };
        out.push(RtpFragment {
            head: syntax.fragment_head(nal, start_flag | end_flag),
            body: nal.slice(at..end),
        });
    }
}

/// The only place that copies: an aggregation packet interleaves lengths, and is no larger than one
/// packet.
fn aggregate(nals: &[Bytes], syntax: Syntax) -> RtpFragment {
    let mut body = BytesMut::with_capacity(nals.iter().map(|n| 2 + n.len()).sum());
    for nal in nals {
        body.extend_from_slice(&(nal.len() as u16).to_be_bytes());
        body.extend_from_slice(nal);
    }
    RtpFragment { head: syntax.aggregation_head(nals), body: body.freeze() }
}
