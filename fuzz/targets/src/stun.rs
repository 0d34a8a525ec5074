//! The first look at a datagram on the WebRTC port.

/// Takes the bytes as a STUN packet.
///
/// # Panics
/// If a user name is found that is not in the packet, or that is more than our half of it.
pub fn stun(data: &[u8]) {
    if let Some(name) = proto::stun::local_ufrag(data) {
        assert!(data.len() >= 24 && data[0] == 0 && !name.contains(':'));
        assert!(name.is_empty() || data.windows(name.len()).any(|part| part == name.as_bytes()));
    }
}
