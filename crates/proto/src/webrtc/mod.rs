//! One browser's WebRTC connection without its media: ICE (RFC 8445), DTLS (RFC 6347) and what SRTP
//! needs of them (RFC 5764). What is sent over it is made elsewhere ([`crate::srtp`],
//! [`crate::rtp`]), so that a frame to a thousand viewers passes no state machine.
//!
//! ICE and DTLS themselves are the crates `is` and `dimpl`, known to this module alone. They want
//! [`std::time::Instant`]s, so here `now` is one.

mod dtls;
mod framing;
mod ice;
mod session;

pub use dtls::{Certificate, CertificateError, Fingerprint};
pub use framing::{Deframer, MAX_FRAME, TooLong, write_frame};
pub use ice::{Credentials, Path, Transport};
pub use session::{Datagram, Event, Handled, Output, Remote, Session, SessionError};
