//! Attribute lines of a medium (RFC 8866 §6): as tolerant as cameras demand.

/// The attributes of one medium.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'a>(&'a [sdp_types::Attribute]);

/// `a=rtpmap` (RFC 8866 §6.6).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RtpMap<'a> {
    /// Encoding name as written.
    pub(super) encoding: &'a str,
    pub(super) clock_rate: u32,
    /// Channels, if told.
    pub(super) channels: Option<u8>,
}

impl<'a> Attributes<'a> {
    pub(super) fn new(attributes: &'a [sdp_types::Attribute]) -> Self {
        Self(attributes)
    }

    /// The value of the first attribute of that name.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        self.values(name).next()
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |a| a.attribute.eq_ignore_ascii_case(name))
            .filter_map(|a| a.value.as_deref())
            .map(str::trim)
    }

    /// What an attribute like `rtpmap` or `fmtp` says of a payload type.
    fn of_payload_type(&self, name: &str, payload_type: u8) -> Option<&'a str> {
        self.values(name).find_map(|value| {
            let (number, rest) = value.split_once(|c: char| c.is_ascii_whitespace())?;
            (number.parse() == Ok(payload_type)).then(|| rest.trim())
        })
    }

    pub(super) fn rtpmap(&self, payload_type: u8) -> Option<RtpMap<'a>> {
        let mut fields = self.of_payload_type("rtpmap", payload_type)?.split('/').map(str::trim);
        let encoding = fields.next().filter(|name| !name.is_empty())?;
        let clock_rate = fields.next()?.parse().ok().filter(|rate| *rate > 0)?;
        let channels = fields.next().and_then(|n| n.parse().ok());
        Some(RtpMap { encoding, clock_rate, channels })
    }

    pub(super) fn fmtp(&self, payload_type: u8) -> Parameters<'a> {
        Parameters(self.of_payload_type("fmtp", payload_type).unwrap_or(""))
    }
}

/// `a=fmtp`: names and values between semicolons, as the codecs' RFCs have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameters<'a>(&'a str);

impl<'a> Parameters<'a> {
    /// The value of a parameter; names are compared without case. A value may hold `=` itself
    /// (base64).
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        let mut pairs = self.0.split(';').filter_map(|p| p.split_once('='));
        pairs
            .find(|(n, _)| n.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().trim_matches('"'))
    }

    /// A number, 0 if it is not told; `None` if it is told and no number.
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.get(name).map_or(Some(0), |value| value.parse().ok())
    }
}
