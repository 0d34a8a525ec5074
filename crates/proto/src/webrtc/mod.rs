//! WebRTC without I/O, in three parts.
//!
//! - The connection: ICE (RFC 8445), DTLS (RFC 6347) and what SRTP needs of them (RFC 5764), of one
//!   peer ([`Session`]). ICE and DTLS themselves are the crates `is` and `dimpl`, known to this
//!   module alone. They want [`std::time::Instant`]s, so here `now` is one.
//! - The negotiation: an [`offer`] is read, [`send_negotiation`] chooses what a viewer is sent,
//!   [`receive_negotiation`] what a publisher may send, [`answer`] writes the answer; [`trickle`]
//!   reads what follows it.
//! - The way of a frame to one viewer, which passes no state machine: [`timeline`] gives its
//!   timestamps, [`egress`] writes its packets, encrypted, right into the buffer that is sent
//!   ([`batch`]), and [`history`] remembers enough to make a lost packet again. Policies are small:
//!   [`pacing`] (how fast), [`playout`] (how long browsers hold back), [`resend`] (how much is
//!   repaired). [`wheel`] says which viewer wants to be woken.

pub mod answer;
pub mod batch;
mod dtls;
pub mod egress;
mod framing;
pub mod history;
mod ice;
pub mod offer;
pub mod pacing;
pub mod playout;
pub mod receive_negotiation;
pub mod resend;
mod sdp_line;
pub mod send_negotiation;
mod session;
pub mod timeline;
pub mod trickle;
pub mod wheel;

pub use dtls::{Certificate, CertificateError, Fingerprint};
pub use framing::{Deframer, MAX_FRAME, TooLong, write_frame};
pub use ice::{Credentials, Path, Transport};
pub use session::{Datagram, Event, Handled, Output, Remote, Session, SessionError};
