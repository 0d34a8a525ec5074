//! Publishers who want to begin.

use super::{FIRST_ETAG, Refusal, Secret, Service};
use crate::{
    endpoint::webrtc::{publisher::Arrival, shard::Command},
    publication::Publication,
};
use hub::Stream;
use proto::webrtc::Session;
use proto::webrtc::{
    answer, offer::Offer, receive_negotiation::ReceiveNegotiation, trickle::TrickleFragment,
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::Ordering::Relaxed},
};

/// What a new publisher is told.
pub(in crate::endpoint::webrtc) struct Accepted {
    pub(in crate::endpoint::webrtc) answer: String,
    pub(in crate::endpoint::webrtc) secret: Secret,
    pub(in crate::endpoint::webrtc) etag: u64,
}

impl Service {
    /// Answers the offer of somebody who wants to publish. `peer` is who asks, `host` the address
    /// by which they reached us.
    pub(in crate::endpoint::webrtc) async fn publish(
        &self,
        stream: &Arc<Stream>,
        offer: &str,
        peer: Option<SocketAddr>,
        host: Option<IpAddr>,
    ) -> Result<Accepted, Refusal> {
        let candidates = TrickleFragment::parse(offer).candidates;
        let offer = Offer::parse(offer)?;
        let ReceiveNegotiation { choice, lanes, numbers } = ReceiveNegotiation::of(&offer)?;
        let now = self.clock.now();
        let by = peer
            .map_or_else(|| "whip publisher".to_owned(), |peer| format!("whip publisher {peer}"));
        let formats = lanes.iter().map(|lane| &lane.format);
        let publication = Publication::begin(now, stream, &by, formats)
            .map_err(|refused| Refusal::Busy { name: stream.name().clone(), refused })?;
        let session = Session::accept(
            self.clock.instant(now),
            &self.certificate,
            &offer.remote,
            &self.addresses(host),
        );
        let answer = answer::write(&offer, &choice, None, &session, &self.certificate);
        let id = self.publishers.fetch_add(1, Relaxed);
        let stats = self.stats.camera(stream.name());
        let arrival =
            Box::new(Arrival { session, lanes, numbers, publication, by, candidates, stats });
        let secret = self.open(id, offer.remote.credentials.ufrag, &answer)?;
        self.begin(id, |done| Command::Publish { id, arrival, done }).await?;
        Ok(Accepted { answer, secret, etag: FIRST_ETAG })
    }
}
