//! What the browser says of what it got, and what is done about it.

use super::{
    Context, Phase, REPLAY_INTERVAL, Viewer, account,
    link::{Link, PACKET_OVERHEAD},
};
use media::RtpFragments;
use proto::rtp::{
    feedback::{Dlrr, Feedback, read},
    rtcp::ReportBlock,
};
use proto::webrtc::{history::LostPacket, resend::ResendCause};
use std::{sync::atomic::Ordering::Relaxed, time::Duration};

/// A request within this time of its repair has crossed it, however short the way.
const LEAST_PAUSE: Duration = Duration::from_millis(5);
/// A browser that does not know the round trip asks again after this time.
const MOST_PAUSE: Duration = Duration::from_millis(90);

impl Viewer {
    /// Reads a decrypted compound packet.
    pub(super) fn handle_rtcp(&mut self, cx: &mut Context<'_>, packet: &[u8]) {
        for item in read(packet) {
            match item {
                Feedback::Report { block, .. } => self.handle_report(cx, &block),
                Feedback::Nack(nack) => {
                    cx.feed.stats.nacks.fetch_add(1, Relaxed);
                    nack.lost().for_each(|low| self.handle_lost(cx, low));
                }
                Feedback::PictureLoss { .. } => self.handle_keyframe_wanted(cx),
                // One that repeats its number is the same request, sent again.
                Feedback::KeyframeRequest { sequence, .. }
                    if self.full_request.replace(sequence) != Some(sequence) =>
                {
                    self.handle_keyframe_wanted(cx);
                }
                Feedback::TransportWide(packet) => {
                    if let Some(link) = &mut self.link {
                        link.handle_feedback(cx.now, packet);
                    }
                }
                Feedback::ReceiverTime { from, ntp } => {
                    self.answer_clock(cx, &Dlrr::new(from, ntp, Duration::ZERO));
                }
                _ => {}
            }
        }
    }

    /// A browser that only receives learns the round trip from this, and asks for lost packets
    /// sooner.
    fn answer_clock(&mut self, cx: &mut Context<'_>, answer: &Dlrr) {
        if let (Some(egress), Some(route)) = (&mut self.egress, self.route) {
            cx.out.write(route, account(cx.feed, &self.handle), |out| {
                egress.write_clock(out, answer);
            });
        }
    }

    /// The newest group of pictures is sent again at once, which helps whatever the camera does;
    /// and the camera is asked.
    fn handle_keyframe_wanted(&mut self, cx: &mut Context<'_>) {
        cx.feed.stats.plis.fetch_add(1, Relaxed);
        self.reader.request_keyframe(cx.now);
        let recently = self.replayed.is_some_and(|at| cx.now.since(at) < REPLAY_INTERVAL);
        if self.phase == Phase::Playing && !self.catching_up && !recently {
            self.jump(cx.now);
        }
    }

    fn handle_report(&mut self, cx: &mut Context<'_>, report: &ReportBlock) {
        let Some(egress) = self.egress.as_ref().filter(|e| e.is_video(report.ssrc)) else { return };
        let measured = egress.round_trip(cx.now, report.last_report, report.since_last_report);
        if let Some(rtt) = measured.or_else(|| self.session.rtt()) {
            self.rtt = rtt;
            self.playout.set_rtt(cx.now, rtt);
            self.handle.facts.rtt.set_time(rtt);
        }
        self.loss = f32::from(report.fraction_lost) / 256.0;
        self.handle.facts.loss.set_share(self.loss);
        self.handle.facts.playout.set_time(self.playout.delay(cx.now).0);
        self.pacer.set_need(cx.feed.rate(cx.now));
        self.tell_of_link(cx);
    }

    /// For the list of viewers, the metrics and the page.
    fn tell_of_link(&mut self, cx: &Context<'_>) {
        let Some(link) = &self.link else { return };
        let limited = link.is_limited(cx.now);
        if limited && !link.condition(cx.now).skipping {
            self.playout.forget();
        }
        // Of a link that carries more than the stream nothing certain is known.
        self.handle.facts.estimate.update(link.carries().filter(|_| limited));
        self.handle.facts.needed.update(link.needs());
        self.set_limited(cx, limited);
    }

    /// Frames are left out because the link carries too little, or no longer.
    pub(super) fn set_limited(&self, cx: &Context<'_>, limited: bool) {
        if limited != self.handle.is_link_limited() {
            let (camera, viewer) = (cx.feed.stream.name(), self.handle.id());
            let kbit = |rate: Option<u64>| rate.map(|bits| bits / 1000);
            let (carries_kbit, needs_kbit) =
                self.link.as_ref().map_or((None, None), |l| (kbit(l.carries()), kbit(l.needs())));
            match limited {
                true => tracing::info!(
                    %camera, viewer, carries_kbit, needs_kbit,
                    "this viewer's link carries less than the stream: frames are left out so that the rest is not late"
                ),
                false => {
                    tracing::info!(%camera, viewer, "this viewer's link carries the whole stream again");
                }
            }
        }
        self.handle.set_link_limited(limited);
    }

    /// A packet did not arrive: it is sent again, unless its repair is on its way.
    fn handle_lost(&mut self, cx: &mut Context<'_>, low: u16) {
        if !self.egress.as_ref().is_some_and(|e| e.repairs()) {
            return;
        }
        let Some(lost) = self.history.find(cx.now, low) else {
            cx.feed.stats.retransmits_refused.fetch_add(1, Relaxed);
            return;
        };
        let pause = self.rtt.clamp(LEAST_PAUSE, MOST_PAUSE);
        if !self.history.may_repair(cx.now, lost.sequence, pause) {
            return;
        }
        self.pacer.handle_loss(cx.now);
        self.playout.handle_loss(cx.now);
        if self.repair(cx, &lost, ResendCause::Asked) {
            // On a link that is full, a repair that is not needed costs a frame.
            if self.link.as_ref().and_then(|link| link.pace(cx.now)).is_none() {
                self.echoes.add(cx.now, lost.sequence, self.loss);
            }
            self.handle.retransmitted(1);
        } else {
            cx.feed.stats.retransmits_refused.fetch_add(1, Relaxed);
        }
    }

    /// Sends a repair once more, in case the first one was lost too.
    pub(super) fn echo(&mut self, cx: &mut Context<'_>, sequence: u64) {
        if let Some(lost) = self.history.get(cx.now, sequence) {
            self.repair(cx, &lost, ResendCause::Redundant);
        }
    }

    /// False if the frame is no longer held, or more is asked for than the link should get.
    fn repair(&mut self, cx: &mut Context<'_>, lost: &LostPacket, cause: ResendCause) -> bool {
        let Some(unit) = cx.feed.stream.unit_at(lost.position) else { return false };
        // It was sent, so it was cut.
        let cut = unit.rtp_fragments(|_| RtpFragments::default());
        let Some(fragment) = cut.fragments.get(lost.fragment) else { return false };
        if !self.resends.allow(cx.now, fragment.len(), cause) {
            return false;
        }
        let stamp = self.stamp(cx, &unit, lost.timestamp);
        let (Some(egress), Some(route)) = (&mut self.egress, self.route) else { return false };
        let account = account(cx.feed, &self.handle);
        self.pacer.sent(fragment.len() + PACKET_OVERHEAD);
        let link = &mut self.link;
        cx.out.write(route, account, |out| {
            let start = out.len();
            let number = egress.write_repair(out, &stamp, fragment, lost.sequence, lost.marker);
            Link::count(link, cx.now, number, out.len() - start);
        });
        true
    }
}
