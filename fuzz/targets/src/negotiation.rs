//! What WebRTC peers say before media flows: offers, what follows them, and packets over TCP.

use media::{Catalog, Codec};
use proto::webrtc::{
    Deframer, MAX_FRAME,
    offer::Offer,
    receive_negotiation::ReceiveNegotiation,
    send_negotiation::NegotiatedFormats,
    trickle::{self, TrickleFragment},
    write_frame,
};

/// Candidates that a fragment may bring.
const MAX_CANDIDATES: usize = 64;

/// Takes the bytes as an offer, and as a fragment of one.
///
/// # Panics
/// If what is chosen was not offered or carries no codec of the camera, or a fragment that is
/// written is read otherwise.
pub fn negotiation(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let fragment = TrickleFragment::parse(&text);
    assert!(fragment.candidates.len() <= MAX_CANDIDATES);
    if let Some(credentials) = &fragment.credentials {
        let section = trickle::first_section(&text);
        let written = trickle::write(&section, credentials, &fragment.candidates);
        assert_eq!(TrickleFragment::parse(&written), fragment, "{written}");
    }
    let Ok(offer) = Offer::parse(&text) else { return };
    send(&offer);
    if let Ok(taken) = ReceiveNegotiation::of(&offer) {
        assert!(matches!(taken.lanes.len(), 1 | 2));
        let chosen = [&taken.choice.video, &taken.choice.audio].into_iter().flatten();
        assert_eq!(chosen.count(), taken.lanes.len());
    }
}

/// What a viewer is sent of each kind of picture.
fn send(offer: &Offer) {
    for codec in [Codec::H264(None), Codec::H265(None)] {
        let catalog = Catalog::new([(codec.clone(), 90_000)]);
        let Ok(choice) = NegotiatedFormats::new(offer, Some(&catalog)) else { continue };
        assert!(choice.carries(&codec));
        let chosen = choice.video.expect("a picture");
        assert!(offer.formats(media::MediaKind::Video).contains(&chosen));
    }
}

/// Takes the bytes as a stream of packets with their lengths (RFC 4571); the first byte says in
/// what pieces it comes.
///
/// # Panics
/// If the pieces make a difference, or a packet is longer than it may be or is read otherwise than
/// it was written.
pub fn framing(data: &[u8]) {
    let Some((&size, stream)) = data.split_first() else { return };
    let whole = frames(stream.chunks(stream.len().max(1)));
    assert_eq!(frames(stream.chunks(usize::from(size) + 1)), whole);
    let mut written = Vec::new();
    for frame in &whole {
        assert!(!frame.is_empty() && frame.len() <= MAX_FRAME);
        write_frame(&mut written, frame);
    }
    assert_eq!(frames(std::iter::once(&written[..])), whole);
}

/// The packets up to the end, or to a length that is too much.
fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let mut deframer = Deframer::default();
    let mut found = Vec::new();
    for piece in pieces {
        deframer.push(piece);
        loop {
            match deframer.next_frame() {
                Ok(Some(frame)) => found.push(frame.to_vec()),
                Ok(None) => break,
                Err(_) => return found,
            }
        }
    }
    found
}
