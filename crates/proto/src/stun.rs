//! Whose packet is it? The only thing read before a connection checks the packet itself (RFC 8489
//! §5, §14.3).

/// USERNAME.
const USERNAME: u16 = 0x0006;
/// Binding request.
const BINDING: [u8; 2] = [0x00, 0x01];
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Our half of the user name in a binding request: which connection it is for. Proves nothing.
pub fn local_ufrag(packet: &[u8]) -> Option<&str> {
    let header = packet.get(..20)?;
    if header[..2] != BINDING || header[4..8] != MAGIC_COOKIE {
        return None;
    }
    let mut rest = packet.get(20..)?;
    loop {
        let (head, body) = rest.split_at_checked(4)?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = body.get(..length)?;
        if u16::from_be_bytes([head[0], head[1]]) == USERNAME {
            return std::str::from_utf8(value).ok()?.split(':').next();
        }
        rest = body.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut p = [&BINDING[..], &[0, 0], &MAGIC_COOKIE, &[9; 12]].concat();
        for (kind, value) in attributes {
            p.extend(kind.to_be_bytes());
            p.extend((value.len() as u16).to_be_bytes());
            p.extend(*value);
            p.resize(p.len().next_multiple_of(4), 0);
        }
        p
    }

    #[test]
    fn finds_our_half_behind_other_attributes() {
        let p = request(&[(0x8022, b"software"), (0x0024, b"abc"), (USERNAME, b"ours:theirs")]);
        assert_eq!(local_ufrag(&p), Some("ours"));
        assert_eq!(local_ufrag(&request(&[(0x8022, b"x")])), None);
    }

    proptest! {
        #[test]
        fn never_panics(noise in prop::collection::vec(any::<u8>(), 0..64), cut in 0usize..40) {
            let _ = local_ufrag(&noise);
            let mut p = request(&[(USERNAME, b"ours:theirs")]);
            p.truncate(cut);
            p.extend(noise);
            let _ = local_ufrag(&p);
        }
    }
}
