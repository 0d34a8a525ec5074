//! SRTP and SRTCP from a sender to a receiver, over a network that flips bits, repeats and invents.

use crate::Input;
use proto::{
    rtp::Header,
    srtp::{Error, Profile, Receiver, Sender},
};

/// Sources beyond these are refused.
const SOURCES: u32 = 16;
/// How far back a packet of RTP, or of RTCP, may be and still be let in.
const WINDOWS: [u64; 2] = [1024, 128];
/// How far apart two numbers of 16 bits can be told apart.
const HALF_A_ROUND: u64 = 0x8000;

/// The first byte chooses the profile. Then come operations, the low three bits of a byte each:
/// - 0, 1 an RTP packet (0: of source 1, 1: of the source that the next byte names), whose number
///   moves by what the next two bytes say, with a payload behind one byte of length
/// - 2 an RTCP packet with a body behind one byte of length
/// - 3 an earlier packet again: which one says the next byte, from the newest back
/// - 4 the same, with one bit flipped: which one say two bytes more
/// - 5 the same, cut to as many bytes as the next byte says
/// - 6 anything as RTP, 7 anything as RTCP, behind one byte of length
///
/// # Panics
/// If something forged is let in, something is let in twice, or something genuine is refused or
/// comes out changed.
pub fn srtp(data: &[u8]) {
    let mut input = Input(data);
    let Some(mut link) = input.byte().and_then(Link::new) else { return };
    while let Some(op) = input.byte() {
        if link.operate(op & 7, &mut input).is_none() {
            break;
        }
    }
}

/// A packet that was sent.
struct Sent {
    rtcp: bool,
    ssrc: u32,
    index: u64,
    clear: Vec<u8>,
    sealed: Vec<u8>,
    delivered: bool,
}

struct Link {
    sender: Sender,
    receiver: Receiver,
    sent: Vec<Sent>,
    /// Of each source of RTP the index of its newest packet.
    indices: [u64; 32],
    rtcp: u64,
}

impl Link {
    fn new(head: u8) -> Option<Self> {
        let profiles =
            [Profile::AeadAes256Gcm, Profile::AeadAes128Gcm, Profile::Aes128CmHmacSha1_80];
        let profile = profiles[usize::from(head) % profiles.len()];
        let material = vec![head; profile.material_len()];
        let (keys, _) = profile.split(&material)?;
        let (sender, receiver) =
            (Sender::new(profile, &keys).ok()?, Receiver::new(profile, &keys).ok()?);
        Some(Self { sender, receiver, sent: Vec::new(), indices: [0; 32], rtcp: 0 })
    }

    fn operate(&mut self, op: u8, input: &mut Input<'_>) -> Option<()> {
        match op {
            0 => self.rtp(1, input.word()?, input.short()?),
            1 => self.rtp(u32::from(input.byte()? % 32), input.word()?, input.short()?),
            2 => self.rtcp(input.short()?),
            3 => self.deliver(usize::from(input.byte()?)),
            4 => self.flip(usize::from(input.byte()?), usize::from(input.word()?)),
            5 => self.cut(usize::from(input.byte()?), usize::from(input.byte()?)),
            _ => self.invent(op == 7, input.short()?),
        }
        Some(())
    }

    fn rtp(&mut self, ssrc: u32, step: u16, payload: &[u8]) {
        // As far as a receiver can follow.
        let index = self.indices[ssrc as usize] + u64::from(step % 0x4000) + 1;
        self.indices[ssrc as usize] = index;
        let header =
            Header { payload_type: 96, marker: false, sequence: index as u16, timestamp: 0, ssrc };
        let clear = [&header.to_bytes(), payload].concat();
        let mut sealed = clear.clone();
        assert_eq!(self.sender.protect_rtp(&mut sealed, 0, 12, index), Ok(()));
        self.sent.push(Sent { rtcp: false, ssrc, index, clear, sealed, delivered: false });
        self.deliver(0);
    }

    fn rtcp(&mut self, body: &[u8]) {
        let clear = [&[0x80, 201, 0, 1, 0, 0, 0, 1], body].concat();
        let mut sealed = clear.clone();
        assert_eq!(self.sender.protect_rtcp(&mut sealed, 0), Ok(()));
        self.sent.push(Sent {
            rtcp: true,
            ssrc: 1,
            index: self.rtcp,
            clear,
            sealed,
            delivered: false,
        });
        self.rtcp += 1;
        self.deliver(0);
    }

    fn open(&mut self, rtcp: bool, packet: &mut [u8]) -> Result<Vec<u8>, Error> {
        let opened = if rtcp {
            self.receiver.unprotect_rtcp(packet)
        } else {
            self.receiver.unprotect_rtp(packet)
        };
        opened.map(<[u8]>::to_vec)
    }

    /// The packet that was sent `back` packets ago.
    fn pick(&self, back: usize) -> Option<usize> {
        self.sent.len().checked_sub(back + 1)
    }

    fn deliver(&mut self, back: usize) {
        let Some(at) = self.pick(back) else { return };
        let (rtcp, mut packet) = (self.sent[at].rtcp, self.sent[at].sealed.clone());
        let opened = self.open(rtcp, &mut packet);
        let newest = self.delivered(at).map(|s| s.index).max();
        let known = self.delivered(at).next().is_some();
        let sent = &mut self.sent[at];
        match opened {
            Ok(clear) => {
                assert!(clear == sent.clear && !std::mem::replace(&mut sent.delivered, true));
            }
            Err(Error::Replayed) => {
                assert!(
                    sent.delivered
                        || newest.is_some_and(|n| n >= sent.index + WINDOWS[usize::from(rtcp)])
                );
            }
            Err(Error::Sources) => assert!(!known && self.sources() >= SOURCES),
            // So late that its number is taken for one of the next round.
            Err(Error::Forged) if !rtcp => {
                assert!(newest.is_some_and(|n| n >= sent.index + HALF_A_ROUND));
            }
            Err(error) => panic!("{error} though it is genuine"),
        }
    }

    /// What was delivered of the same source.
    fn delivered(&self, at: usize) -> impl Iterator<Item = &Sent> {
        let (rtcp, ssrc) = (self.sent[at].rtcp, self.sent[at].ssrc);
        self.sent.iter().filter(move |s| s.delivered && s.rtcp == rtcp && s.ssrc == ssrc)
    }

    fn sources(&self) -> u32 {
        (0..32)
            .filter(|ssrc| self.sent.iter().any(|s| s.delivered && !s.rtcp && s.ssrc == *ssrc))
            .count() as u32
    }

    fn flip(&mut self, back: usize, bit: usize) {
        let Some(at) = self.pick(back) else { return };
        let (rtcp, mut packet) = (self.sent[at].rtcp, self.sent[at].sealed.clone());
        let bit = bit % (8 * packet.len());
        packet[bit / 8] ^= 1 << (bit % 8);
        assert!(self.open(rtcp, &mut packet).is_err());
    }

    fn cut(&mut self, back: usize, len: usize) {
        let Some(at) = self.pick(back) else { return };
        let (rtcp, mut packet) = (self.sent[at].rtcp, self.sent[at].sealed.clone());
        packet.truncate(len.min(packet.len() - 1));
        assert!(self.open(rtcp, &mut packet).is_err());
    }

    fn invent(&mut self, rtcp: bool, packet: &[u8]) {
        assert!(self.open(rtcp, &mut packet.to_vec()).is_err());
    }
}
