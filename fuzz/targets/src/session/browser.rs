//! The other side: a DTLS client, with what SRTP needs of it.

use dimpl::{Config, Dtls, DtlsCertificate, Output, SrtpProfile, certificate};
use proto::{
    srtp::{Profile, Receiver, Sender},
    webrtc::Fingerprint,
};
use std::{
    collections::VecDeque,
    sync::{Arc, LazyLock},
    time::Instant,
};

static IDENTITY: LazyLock<(Arc<Config>, DtlsCertificate)> = LazyLock::new(|| {
    let config = Config::builder().build().expect("the defaults");
    (Arc::new(config), certificate::generate_self_signed_certificate().expect("random numbers"))
});

pub(super) struct Browser {
    /// None if it has failed.
    dtls: Option<Dtls>,
    up: VecDeque<Vec<u8>>,
    keys: Option<(Sender, Receiver)>,
    /// A packet that its keys must open.
    expected: Option<Vec<u8>>,
}

impl Browser {
    pub(super) fn new(now: Instant) -> Self {
        let (config, certificate) = &*IDENTITY;
        let mut dtls = Dtls::new_12(config.clone(), certificate.clone(), now);
        dtls.set_active(true);
        let mut this = Self { dtls: Some(dtls), up: VecDeque::new(), keys: None, expected: None };
        this.pass(now);
        this
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::parse(&format!("sha-256 {}", IDENTITY.1.fingerprint_str()))
            .expect("a fingerprint")
    }

    /// Its oldest datagram not yet sent.
    pub(super) fn next(&mut self, keep: bool) -> Option<Vec<u8>> {
        if keep { self.up.front().cloned() } else { self.up.pop_front() }
    }

    pub(super) fn hear(&mut self, now: Instant, datagram: &[u8]) {
        self.with(|dtls| dtls.handle_timeout(now).and_then(|()| dtls.handle_packet(datagram)));
    }

    pub(super) fn pass(&mut self, now: Instant) {
        self.with(|dtls| dtls.handle_timeout(now));
    }

    pub(super) fn close(&mut self) {
        self.with(Dtls::close);
    }

    /// An encrypted report with `body` in it, and what it is in clear.
    pub(super) fn feedback(&mut self, body: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let (sender, _) = self.keys.as_mut()?;
        let clear = [&[0x80, 201, 0, 1, 0, 0, 0, 1], body].concat();
        let mut sealed = clear.clone();
        sender.protect_rtcp(&mut sealed, 0).ok()?;
        Some((clear, sealed))
    }

    /// The other side has sent this media packet, the first.
    pub(super) fn expect(&mut self, packet: Vec<u8>) {
        self.expected = Some(packet);
        self.check();
    }

    fn check(&mut self) {
        if let Some((_, receiver)) = &mut self.keys
            && let Some(mut packet) = self.expected.take()
        {
            assert!(
                receiver.unprotect_rtp(&mut packet).is_ok(),
                "the two sides have different keys"
            );
        }
    }

    fn with(&mut self, act: impl FnOnce(&mut Dtls) -> Result<(), dimpl::Error>) {
        let Some(dtls) = &mut self.dtls else { return };
        let result = act(dtls);
        self.drain();
        if result.is_err() {
            self.dtls = None;
        }
    }

    fn drain(&mut self) {
        let mut buffer = [0; 2048];
        while let Some(dtls) = &mut self.dtls {
            match dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => self.up.push_back(packet.to_vec()),
                Output::KeyingMaterial(material, profile) => {
                    self.keys = Some(keys(&material, profile));
                }
                Output::Timeout(_) => break,
                _ => {}
            }
        }
        self.check();
    }
}

fn keys(material: &[u8], profile: SrtpProfile) -> (Sender, Receiver) {
    let profile = match profile {
        SrtpProfile::AEAD_AES_256_GCM => Profile::AeadAes256Gcm,
        SrtpProfile::AEAD_AES_128_GCM => Profile::AeadAes128Gcm,
        _ => Profile::Aes128CmHmacSha1_80,
    };
    let (client, server) = profile.split(material).expect("as much as was asked for");
    (Sender::new(profile, &client).expect("keys"), Receiver::new(profile, &server).expect("keys"))
}
