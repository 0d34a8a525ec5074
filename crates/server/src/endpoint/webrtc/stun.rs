//! Whose packet is it?

pub(super) use proto::stun::local_ufrag;
