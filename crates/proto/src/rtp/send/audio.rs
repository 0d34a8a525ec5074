//! Sound: AAC (RFC 3640 §3.3.6, `AAC-hbr`), Opus (RFC 7587) and G.711 (RFC 3551 §4.5.14).

use super::MAX_PAYLOAD;
use bytes::Bytes;
use media::RtpFragment;
use smallvec::SmallVec;

/// Bytes of the AU headers section with one header: its length in bits, then 13 bits of size and 3
/// of index.
const AU_SECTION: usize = 4;
/// The largest frame that 13 bits of size can announce; AAC's own limit is 768 bytes a channel.
const MAX_AU: usize = (1 << 13) - 1;

/// One AU a packet, so that nothing waits for the next frame; an AU too large for one packet is
/// fragmented, and every fragment announces the size of the whole (RFC 3640 §3.2.3.1).
pub(super) fn aac(payload: &[Bytes]) -> Vec<RtpFragment> {
    payload.iter().filter(|au| au.len() <= MAX_AU).flat_map(fragment_au).collect()
}

fn fragment_au(au: &Bytes) -> impl Iterator<Item = RtpFragment> {
    let size = (au.len() as u16) << 3;
    let head = SmallVec::from([0, 16, (size >> 8) as u8, size as u8]);
    slices(au, MAX_PAYLOAD - AU_SECTION).map(move |body| RtpFragment { head: head.clone(), body })
}

fn slices(whole: &Bytes, len: usize) -> impl Iterator<Item = Bytes> {
    (0..whole.len()).step_by(len).map(move |at| whole.slice(at..whole.len().min(at + len)))
}

/// Formats whose packet is the frame itself.
pub(super) fn whole(payload: &[Bytes]) -> Vec<RtpFragment> {
    payload.iter().map(|body| RtpFragment { head: SmallVec::new(), body: body.clone() }).collect()
}
