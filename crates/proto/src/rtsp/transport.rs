//! The `Transport` header (RFC 2326 §12.39), read leniently: cameras and clients put all sorts of
//! things into it.

use std::fmt;

/// How packets travel, as the client wishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lower {
    /// Within the RTSP connection, on these two channels; `None` leaves the choice to the server.
    Interleaved(Option<(u8, u8)>),
    /// To these two UDP ports of the client.
    Udp {
        /// For RTP.
        rtp: u16,
        /// For RTCP.
        rtcp: u16,
    },
}

/// One transport a client offers that can be served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transport {
    /// The profile as the client spelled it, for the answer: `RTP/AVP`, `RTP/AVP/UDP`,
    /// `RTP/AVP/TCP`.
    profile: String,
    /// How packets travel.
    pub lower: Lower,
    /// `mode`, in lower case and without quotes.
    pub(super) mode: Option<String>,
}

impl Transport {
    /// The first transport in the header's value that can be served: RTP/AVP, unicast, over TCP or
    /// UDP.
    pub fn choose(header: &str) -> Option<Self> {
        header.split(',').find_map(|spec| Self::parse(spec.trim()))
    }

    fn parse(spec: &str) -> Option<Self> {
        let mut parts = spec.split(';').map(str::trim);
        let profile = parts.next()?.to_ascii_uppercase();
        let (mut mode, mut interleaved, mut ports) = (None, None, None);
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "multicast" => return None,
                "mode" => mode = Some(value.trim_matches('"').to_ascii_lowercase()),
                "interleaved" => interleaved = Some(pair::<u8>(value)?),
                "client_port" => ports = Some(pair::<u16>(value)?),
                _ => {}
            }
        }
        let lower = match profile.as_str() {
            "RTP/AVP/TCP" => Lower::Interleaved(interleaved),
            "RTP/AVP" | "RTP/AVP/UDP" => {
                ports.filter(|(rtp, _)| *rtp != 0).map(|(rtp, rtcp)| Lower::Udp { rtp, rtcp })?
            }
            _ => return None,
        };
        Some(Self { profile, lower, mode })
    }
}

/// `a-b`, or `a`, which means `a` and the next.
fn pair<T: std::str::FromStr + TryFrom<u32> + Into<u32> + Copy>(value: &str) -> Option<(T, T)> {
    let (first, second) = value.split_once('-').map_or((value, None), |(a, b)| (a, Some(b)));
    let first: T = first.trim().parse().ok()?;
    let second = match second {
        Some(text) => text.trim().parse().ok()?,
        None => T::try_from(first.into() + 1).ok()?,
    };
    Some((first, second))
}

/// The header of an answer to SETUP.
pub(super) struct Agreed<'a> {
    pub(super) transport: &'a Transport,
    pub(super) channels: Option<(u8, u8)>,
    pub(super) server_ports: Option<(u16, u16)>,
    pub(super) ssrc: Option<u32>,
    pub(super) record: bool,
}

impl fmt::Display for Agreed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};unicast", self.transport.profile)?;
        if let Lower::Udp { rtp, rtcp } = self.transport.lower {
            write!(f, ";client_port={rtp}-{rtcp}")?;
        }
        if let Some((rtp, rtcp)) = self.server_ports {
            write!(f, ";server_port={rtp}-{rtcp}")?;
        }
        if let Some((rtp, rtcp)) = self.channels {
            write!(f, ";interleaved={rtp}-{rtcp}")?;
        }
        if let Some(ssrc) = self.ssrc {
            write!(f, ";ssrc={ssrc:08X}")?;
        }
        f.write_str(if self.record { ";mode=record" } else { ";mode=play" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_clients_send() {
        let lower = |h| Transport::choose(h).map(|t| t.lower);
        assert_eq!(
            lower("RTP/AVP/TCP;unicast;interleaved=2-3;mode=record"),
            Some(Lower::Interleaved(Some((2, 3))))
        );
        assert_eq!(lower("RTP/AVP/TCP;unicast"), Some(Lower::Interleaved(None)));
        assert_eq!(
            lower("RTP/AVP/UDP;unicast;client_port=5000-5001"),
            Some(Lower::Udp { rtp: 5000, rtcp: 5001 })
        );
        assert_eq!(
            lower("RTP/AVP;unicast;client_port=5000"),
            Some(Lower::Udp { rtp: 5000, rtcp: 5001 })
        );
        assert_eq!(
            lower(
                "RTP/SAVP;unicast;client_port=1-2, RTP/AVP;multicast,RTP/AVP/TCP;interleaved=0-1"
            ),
            Some(Lower::Interleaved(Some((0, 1))))
        );
        let useless = [
            "",
            "RTP/AVP",
            "RTP/AVP;multicast;port=1-2",
            "RAW/RAW/UDP;unicast",
            "RTP/AVP;client_port=0",
            "RTP/AVP;client_port=65535",
        ];
        for header in useless {
            assert_eq!(lower(header), None, "{header}");
        }
        assert_eq!(
            Transport::choose("RTP/AVP/TCP;mode=\"RECORD\"").and_then(|t| t.mode).as_deref(),
            Some("record")
        );
    }

    #[test]
    fn writes_the_answer() {
        let transport = Transport::choose("RTP/AVP/UDP;unicast;client_port=5000-5001").unwrap();
        let agreed = Agreed {
            transport: &transport,
            channels: None,
            server_ports: Some((6000, 6001)),
            ssrc: Some(0xab),
            record: false,
        };
        assert_eq!(
            agreed.to_string(),
            "RTP/AVP/UDP;unicast;client_port=5000-5001;server_port=6000-6001;ssrc=000000AB;mode=play"
        );
    }

    proptest! {
        #[test]
        fn never_panics(header in "[ -~]{0,80}", tail in "RTP/AVP(/TCP)?(;(client_port|interleaved|mode)=[0-9\"-]{0,6}){0,3}") {
            let _ = (Transport::choose(&header), Transport::choose(&tail));
        }
    }
}
