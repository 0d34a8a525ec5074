//! `udp://…`.

use std::{fmt, net::SocketAddr};

/// Where MPEG-TS is waited for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct UdpSource {
    /// An address of this machine, or a multicast group.
    pub(crate) address: SocketAddr,
    /// By which interface a group is joined; any that leads there if none is named.
    pub(crate) interface: Option<String>,
}

impl fmt::Display for UdpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "udp://{}", self.address)?;
        self.interface.as_ref().map_or(Ok(()), |name| write!(f, "?interface={name}"))
    }
}

/// Nothing is secret here: there is nobody to log in with.
pub(super) fn parse(text: &str) -> Result<UdpSource, String> {
    const EXAMPLE: &str =
        "write udp://0.0.0.0:9999, or a multicast group as udp://239.0.0.1:9999?interface=eth0";
    let (address, options) =
        text.trim_start_matches("udp:").trim_start_matches('/').split_once('?').map_or_else(
            || (text.trim_start_matches("udp:").trim_start_matches('/'), ""),
            |(address, options)| (address, options),
        );
    // As ffmpeg writes the addresses at which it listens.
    let address = address.trim_start_matches('@').trim_end_matches('/');
    let address = match address.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => address.to_owned(),
    };
    let address: SocketAddr = address
        .parse()
        .map_err(|_| format!("{address:?} is no address with a port to listen at; {EXAMPLE}"))?;
    if address.port() == 0 {
        return Err(format!("a port is needed to which the camera sends; {EXAMPLE}"));
    }
    let mut source = UdpSource { address, interface: None };
    for (key, value) in url::form_urlencoded::parse(options.as_bytes()) {
        match &*key {
            "interface" if address.ip().is_multicast() => {
                source.interface = Some(value.into_owned());
            }
            "interface" => {
                return Err(
                    "interface is for multicast groups; name an address of this machine instead"
                        .to_owned(),
                );
            }
            _ => return Err(format!("unknown option {key:?}; known: interface")),
        }
    }
    Ok(source)
}
