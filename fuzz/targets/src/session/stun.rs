//! STUN packets that are authentic, whatever else they are (RFC 8489 §5, §14.5).

use aws_lc_rs::hmac;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const REQUEST: u16 = 0x0001;
const SUCCESS: u16 = 0x0101;
const USERNAME: u16 = 0x0006;
const INTEGRITY: u16 = 0x0008;
const MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const NOMINATE: u16 = 0x0025;
const CONTROLLING: u16 = 0x802a;

/// A check by a peer that knows `password`. `alone`: with nothing but the user name and `more`.
pub(super) fn request(
    user: &str,
    nominate: bool,
    alone: bool,
    more: &[u8],
    password: &str,
) -> Vec<u8> {
    let mut packet = begin(REQUEST, [7; 12]);
    put(&mut packet, USERNAME, user.as_bytes());
    if !alone {
        put(&mut packet, PRIORITY, &[0x6e, 0, 1, 0xff]);
        put(&mut packet, CONTROLLING, &[9; 8]);
    }
    if nominate {
        put(&mut packet, NOMINATE, &[]);
    }
    finish(packet, more, password)
}

/// The answer to a check of ours.
pub(super) fn response(transaction: [u8; 12], more: &[u8], password: &str) -> Vec<u8> {
    let mut packet = begin(SUCCESS, transaction);
    put(
        &mut packet,
        MAPPED_ADDRESS,
        &[0, 1, 0x21 ^ 3, 0x12 ^ 0xe8, 0x21 ^ 127, 0x12, 0xa4, 0x42 ^ 1],
    );
    finish(packet, more, password)
}

pub(super) fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4)
}

/// The transaction of a request.
pub(super) fn transaction(datagram: &[u8]) -> Option<[u8; 12]> {
    datagram.get(8..20).filter(|_| datagram.starts_with(&REQUEST.to_be_bytes()))?.try_into().ok()
}

fn begin(kind: u16, transaction: [u8; 12]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &[0, 0], &COOKIE, &transaction].concat()
}

fn put(packet: &mut Vec<u8>, kind: u16, value: &[u8]) {
    packet.extend(kind.to_be_bytes());
    packet.extend((value.len() as u16).to_be_bytes());
    packet.extend(value);
    packet.resize(packet.len().next_multiple_of(4), 0);
}

/// `more` is taken as attributes, wherever they end.
fn finish(mut packet: Vec<u8>, more: &[u8], password: &str) -> Vec<u8> {
    packet.extend(more);
    packet.resize(packet.len().next_multiple_of(4), 0);
    let len = (packet.len() + 24 - 20) as u16;
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    let tag = hmac::sign(&key, &packet);
    put(&mut packet, INTEGRITY, tag.as_ref());
    packet
}
