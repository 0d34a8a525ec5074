//! ICE on the crate `is`: proves that packets come from who made the offer, and finds the way back.

use aws_lc_rs::hmac;
use is::{Candidate, IceAgent, IceAgentEvent, IceCreds, Protocol, Sha1HmacProvider, stun};
use std::{net::SocketAddr, time::Instant};

/// Candidate pairs tried at once; a hostile offer could bring thousands.
const MAX_PAIRS: usize = 32;

/// How a datagram travels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Transport {
    /// As UDP datagrams.
    Udp,
    /// Framed over a TCP connection that the browser opened (RFC 4571, RFC 6544).
    Tcp,
}

impl Transport {
    /// The word of SDP.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }

    const fn protocol(self) -> Protocol {
        match self {
            Self::Udp => Protocol::Udp,
            Self::Tcp => Protocol::Tcp,
        }
    }
}

/// Where packets go, or came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Path {
    /// How.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// The browser's, or its router's.
    pub remote: SocketAddr,
}

/// A user name fragment and a password (RFC 8445 §5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Names the session in every check.
    pub ufrag: String,
    /// Known to both sides only.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

impl From<&Credentials> for IceCreds {
    fn from(c: &Credentials) -> Self {
        Self { ufrag: c.ufrag.clone(), pass: c.password.clone() }
    }
}

/// What ICE has found out.
pub(super) enum Found {
    /// Packets go this way from now on.
    Path(Path),
    /// The way works, or no longer does.
    Alive(bool),
}

/// The agent of one session, always controlled: who offers controls (RFC 8445 §6.1.1).
pub(super) struct Agent {
    agent: IceAgent,
    locals: Vec<(Transport, SocketAddr)>,
}

impl Agent {
    pub(super) fn new(locals: &[(Transport, SocketAddr)], remote: &Credentials) -> Self {
        let mut agent = IceAgent::with_hmac(IceCreds::new(), &Hmac);
        agent.set_max_candidate_pairs(MAX_PAIRS);
        agent.set_remote_credentials(remote.into());
        let mut this = Self { agent, locals: Vec::new() };
        locals.iter().for_each(|(transport, address)| this.add_local(*transport, *address));
        this
    }

    /// Refused are only addresses that no packet comes from, and those known already.
    fn add_local(&mut self, transport: Transport, address: SocketAddr) {
        let candidate = candidate(transport, address, self.locals.len());
        self.locals.push((transport, address));
        if let Some(candidate) = candidate {
            self.agent.add_local_candidate(candidate);
        }
    }

    pub(super) fn add_remote(&mut self, candidate: &str) {
        // Active ones over TCP connect to us by themselves; host names need a resolver that this
        // server does not ask.
        if let Ok(candidate) = Candidate::from_sdp_string(candidate).map_err(drop)
            && candidate.proto() == Protocol::Udp
        {
            self.agent.add_remote_candidate(candidate);
        }
    }

    pub(super) fn credentials(&self) -> Credentials {
        let local = self.agent.local_credentials();
        Credentials { ufrag: local.ufrag.clone(), password: local.pass.clone() }
    }

    /// Candidate lines for the answer, without `a=`.
    pub(super) fn candidates(&self) -> Vec<String> {
        let ufrag = |line: String| line.split(" ufrag ").next().unwrap_or_default().to_owned();
        self.agent.local_candidates().map(|c| ufrag(c.to_sdp_string())).collect()
    }

    /// New credentials of both sides (RFC 8445 §9). Media goes on over the old path meanwhile.
    pub(super) fn restart(&mut self, remote: &Credentials) {
        self.agent.ice_restart(IceCreds::new(), true);
        self.agent.set_remote_credentials(remote.into());
    }

    /// Takes a STUN packet; false if it is not authentic.
    pub(super) fn handle_packet(&mut self, now: Instant, path: Path, data: &[u8]) -> bool {
        let Ok(message) = stun::StunMessage::parse(data) else { return false };
        if !self.agent.accepts_message(&message) {
            return false;
        }
        if !self.locals.contains(&(path.transport, path.local)) {
            // An interface that came up after the answer was written.
            self.add_local(path.transport, path.local);
        }
        let (proto, source, destination) = (path.transport.protocol(), path.remote, path.local);
        self.agent.handle_packet(now, stun::StunPacket { proto, source, destination, message })
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.agent.handle_timeout(now);
    }

    pub(super) fn deadline(&mut self) -> Option<Instant> {
        self.agent.poll_timeout()
    }

    pub(super) fn poll_transmit(&mut self) -> Option<(Path, Vec<u8>)> {
        let t = self.agent.poll_transmit()?;
        let transport = if t.proto == Protocol::Udp { Transport::Udp } else { Transport::Tcp };
        Some((Path { transport, local: t.source, remote: t.destination }, t.contents.into()))
    }

    pub(super) fn poll(&mut self) -> Option<Found> {
        loop {
            match self.agent.poll_event()? {
                IceAgentEvent::NominatedSend { proto, source, destination } => {
                    let transport =
                        if proto == Protocol::Udp { Transport::Udp } else { Transport::Tcp };
                    return Some(Found::Path(Path {
                        transport,
                        local: source,
                        remote: destination,
                    }));
                }
                IceAgentEvent::IceConnectionStateChange(state) if state.is_connected() => {
                    return Some(Found::Alive(true));
                }
                IceAgentEvent::IceConnectionStateChange(state) if state.is_disconnected() => {
                    return Some(Found::Alive(false));
                }
                _ => {}
            }
        }
    }

    /// As the newest checks measured it.
    pub(super) fn rtt(&self) -> Option<std::time::Duration> {
        self.agent.nominated_pair_rtt()
    }
}

/// `number` tells those of one session apart.
fn candidate(transport: Transport, address: SocketAddr, number: usize) -> Option<Candidate> {
    match transport {
        Transport::Udp => Candidate::host(address, Protocol::Udp).ok(),
        Transport::Tcp => {
            let (ip, port, priority) =
                (address.ip(), address.port(), tcp_priority(address, number));
            Candidate::from_sdp_string(&format!(
                "candidate:t{number} 1 tcp {priority} {ip} {port} typ host tcptype passive"
            ))
            .ok()
        }
    }
}

/// Of a passive host candidate (RFC 6544 §4.2): below all of UDP, as browsers rank their own, and
/// falling with `number`.
fn tcp_priority(address: SocketAddr, number: usize) -> u32 {
    const TYPE: u32 = 90;
    const PASSIVE: u32 = 4;
    const COMPONENT: u32 = 1;
    let number = u32::try_from(number).unwrap_or(u32::MAX).min(4000);
    let other = 8191 - 2 * number - u32::from(address.is_ipv4());
    TYPE << 24 | (PASSIVE << 13 | other) << 8 | (256 - COMPONENT)
}

/// HMAC-SHA1 of STUN (RFC 8489 §14.5).
#[derive(Debug)]
struct Hmac;

impl Sha1HmacProvider for Hmac {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
        let mut context = hmac::Context::with_key(&key);
        payloads.iter().for_each(|p| context.update(p));
        let mut out = [0; 20];
        out.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_is_offered_after_udp_and_ranked_below_it() {
        let at = |transport, last| (transport, SocketAddr::from(([192, 0, 2, last], 8189)));
        let locals = [
            at(Transport::Udp, 1),
            at(Transport::Udp, 2),
            at(Transport::Tcp, 1),
            at(Transport::Tcp, 2),
        ];
        let remote =
            Credentials { ufrag: "abcd".into(), password: "abcdefghijklmnopqrstuvwx".into() };
        let lines = Agent::new(&locals, &remote).candidates();
        let word = |line: &String, n: usize| line.split(' ').nth(n).unwrap().to_owned();
        assert_eq!(
            lines.iter().map(|l| word(l, 2)).collect::<Vec<_>>(),
            ["udp", "udp", "tcp", "tcp"]
        );
        let priorities: Vec<u32> = lines.iter().map(|l| word(l, 3).parse().unwrap()).collect();
        assert!(priorities.is_sorted_by(|a, b| a > b), "{lines:?}");
        // Type preference 90, direction preference 4 (RFC 6544 §4.2).
        assert!(priorities[2..].iter().all(|p| p >> 24 == 90 && (p >> 21) & 7 == 4), "{lines:?}");
        assert!(
            lines[2].ends_with(" 192.0.2.1 8189 typ host tcptype passive")
                && word(&lines[2], 0) != word(&lines[3], 0)
        );
    }
}
