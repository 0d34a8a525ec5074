//! Sound: AAC (RFC 3640, `AAC-hbr` and its kin), Opus (RFC 7587), G.711 (RFC 3551).

use super::{Counters, Frame, order::Sequenced, track::Output};
use crate::{
    rtp::send::MAX_PAYLOAD,
    sdp::{AuHeaders, Format},
};
use bytes::Bytes;
use media::{Codec, Mono, aac::AudioSpecificConfig, bits::BitReader};
use smallvec::smallvec;
use std::collections::VecDeque;

/// Most AUs of a packet; real senders bring a dozen.
const MAX_AUS: usize = 128;

/// Collects the frames of one track.
#[derive(Debug)]
pub(super) struct AudioReceiver {
    packing: Packing,
    after_loss: bool,
    pub(super) counters: Counters,
}

#[derive(Debug)]
enum Packing {
    /// A packet is a frame.
    Whole,
    /// A packet is any number of samples of this many bytes together.
    Samples(usize),
    Aac(Aac),
}

#[derive(Debug)]
struct Aac {
    widths: AuHeaders,
    /// Length of a frame in ticks of the RTP clock.
    frame_ticks: i64,
    partial: Option<Partial>,
}

/// A frame that arrives in fragments.
#[derive(Debug)]
struct Partial {
    timestamp: u32,
    first_at: Mono,
    size: usize,
    bytes: Vec<u8>,
}

impl AudioReceiver {
    pub(super) fn new(format: &Format) -> Self {
        let packing = match &format.codec {
            Codec::Aac(aac) => Packing::Aac(Aac {
                widths: format.au_headers,
                frame_ticks: AudioSpecificConfig::parse(&aac.config)
                    .map_or(1024, |c| c.frame_ticks(format.clock_rate)),
                partial: None,
            }),
            Codec::G711 { channels, .. } => Packing::Samples(usize::from(*channels).max(1)),
            _ => Packing::Whole,
        };
        Self { packing, after_loss: false, counters: Counters::default() }
    }

    pub(super) fn handle(&mut self, packet: &Sequenced, out: &mut VecDeque<Output>) {
        if packet.gap {
            self.after_loss = true;
            if let Packing::Aac(Aac { partial: partial @ Some(_), .. }) = &mut self.packing {
                *partial = None;
                self.counters.dropped += 1;
            }
        }
        let before = out.len();
        match &mut self.packing {
            Packing::Whole => out.extend(
                (!packet.packet.payload.is_empty())
                    .then(|| frame(packet, 0, &packet.packet.payload)),
            ),
            Packing::Samples(bytes) => samples(packet, *bytes, out),
            Packing::Aac(aac) => aac.handle(packet, &mut self.counters, out),
        }
        if let Some(Output::Frame(first)) = out.get_mut(before) {
            first.after_loss = std::mem::take(&mut self.after_loss);
        }
    }

    /// The stream begins anew.
    pub(super) fn abandon(&mut self) {
        if let Packing::Aac(aac) = &mut self.packing {
            self.counters.dropped += u64::from(aac.partial.take().is_some());
        }
    }
}

fn frame(packet: &Sequenced, ticks: i64, bytes: &[u8]) -> Output {
    Output::Frame(Frame {
        timestamp: packet.packet.timestamp,
        ticks,
        first_at: packet.at,
        last_at: packet.at,
        key: true,
        after_loss: false,
        payload: smallvec![Bytes::copy_from_slice(bytes)],
    })
}

/// Cuts long packets, so that every unit fits into one packet again: G.711 has no fragments.
fn samples(packet: &Sequenced, sample: usize, out: &mut VecDeque<Output>) {
    let most = MAX_PAYLOAD - MAX_PAYLOAD % sample;
    for (i, part) in packet.packet.payload.chunks(most).enumerate() {
        out.push_back(frame(packet, (i * most / sample) as i64, part));
    }
}

impl Aac {
    fn handle(&mut self, packet: &Sequenced, counters: &mut Counters, out: &mut VecDeque<Output>) {
        let rtp = &packet.packet;
        let dropped = self.partial.take_if(|p| p.timestamp != rtp.timestamp).is_some();
        counters.dropped += u64::from(dropped);
        if rtp.payload.is_empty() {
            return;
        }
        let whole = self.sizes(&rtp.payload).is_some_and(|(sizes, data)| match sizes[..] {
            [size] if size > data.len() => self.collect(packet, size, data, out),
            _ => self.deliver(packet, &sizes, data, out),
        });
        if !whole {
            counters.malformed += 1;
            counters.dropped += u64::from(self.partial.take().is_some());
        }
    }

    /// Reads the AU headers section (RFC 3640 §3.2.1): sizes in bytes of the AUs, and what follows.
    /// `None` if it does not fit, there are too many, or they are interleaved.
    fn sizes<'a>(&self, payload: &'a [u8]) -> Option<(Vec<usize>, &'a [u8])> {
        let (length, rest) = payload.split_first_chunk::<2>()?;
        let mut bits = u32::from(u16::from_be_bytes(*length));
        let (headers, data) = rest.split_at_checked(bits.div_ceil(8) as usize)?;
        let mut reader = BitReader::new(headers);
        let mut sizes = Vec::new();
        while bits > 0 {
            let index = if sizes.is_empty() { self.widths.index } else { self.widths.index_delta };
            bits = bits.checked_sub(u32::from(self.widths.size + index))?;
            sizes.push(reader.bits(self.widths.size.into())? as usize);
            if reader.bits(index.into())? != 0 || sizes.len() > MAX_AUS {
                return None;
            }
        }
        Some((sizes, data))
    }

    fn deliver(
        &mut self,
        packet: &Sequenced,
        sizes: &[usize],
        mut data: &[u8],
        out: &mut VecDeque<Output>,
    ) -> bool {
        for (i, size) in sizes.iter().enumerate() {
            let Some((au, tail)) = data.split_at_checked(*size) else { return false };
            data = tail;
            if !au.is_empty() {
                out.push_back(frame(packet, i as i64 * self.frame_ticks, au));
            }
        }
        data.is_empty()
    }

    /// Takes a fragment of an AU; every fragment tells the size of the whole.
    fn collect(
        &mut self,
        packet: &Sequenced,
        size: usize,
        data: &[u8],
        out: &mut VecDeque<Output>,
    ) -> bool {
        let fresh = || Partial {
            timestamp: packet.packet.timestamp,
            first_at: packet.at,
            size,
            bytes: Vec::new(),
        };
        let partial = self.partial.get_or_insert_with(fresh);
        if partial.size != size || partial.bytes.len() + data.len() > size {
            return false;
        }
        partial.bytes.extend_from_slice(data);
        partial.first_at = partial.first_at.min(packet.at);
        if partial.bytes.len() == size
            && let Some(whole) = self.partial.take()
            && let Output::Frame(mut frame) = frame(packet, 0, &whole.bytes)
        {
            frame.first_at = whole.first_at;
            out.push_back(Output::Frame(frame));
        }
        true
    }
}
