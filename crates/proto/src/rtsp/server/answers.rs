//! Answers: what follows from the host's decisions.

use super::super::{
    message::{self, Refusal, StatusCode},
    target,
};
use super::{
    Asked, Handled, MAX_TRACKS, Server,
    session::Session,
    types::{Answer, Ask, StreamInfo, Usage},
};
use bytes::Bytes;
use media::Mono;
use rtsp_types::{HeaderName, headers};

impl Server {
    /// Decides the open question. Does nothing if there is none.
    pub fn answer(&mut self, now: Mono, answer: Answer) {
        self.now = now;
        let Some(asked) = self.asked.take() else { return };
        self.heard = now;
        if let Err(refusal) = self.settle(&asked, answer) {
            self.output.push_back(message::write(&refusal.response(Some(&asked.cseq))));
        }
    }

    fn settle(&mut self, asked: &Asked, answer: Answer) -> Handled {
        match (&asked.question.ask, answer) {
            (_, Answer::Refused(refusal)) => return Err(refusal),
            (Ask::Describe, Answer::Description(sdp)) => self.described(asked, sdp),
            (Ask::Announce(_), Answer::Announced(controls)) => self.announced(asked, controls)?,
            (&Ask::Setup { usage, .. }, Answer::Setup { track, ssrc, ports }) => {
                return self.was_set_up(asked, usage, track, ssrc, ports);
            }
            (Ask::Play, Answer::Playing(infos)) => self.plays(asked, &infos),
            (Ask::Record, Answer::Recording) => {
                self.activate();
                self.grant(&asked.cseq, []);
            }
            _ => {
                return Err(Refusal::new(
                    StatusCode::InternalServerError,
                    "the question was answered with something else",
                ));
            }
        }
        Ok(())
    }

    fn described(&mut self, asked: &Asked, sdp: String) {
        let fields = [
            (headers::CONTENT_BASE, asked.base.clone()),
            (headers::CONTENT_TYPE, "application/sdp".to_owned()),
        ];
        self.output.push_back(message::write(&message::ok(&asked.cseq, fields, sdp.into())));
    }

    fn announced(&mut self, asked: &Asked, controls: Vec<String>) -> Handled {
        if controls.is_empty() || controls.len() > MAX_TRACKS {
            return Err(Refusal::new(
                StatusCode::BadRequest,
                format!("between 1 and {MAX_TRACKS} tracks can be published"),
            ));
        }
        self.begin_session(Usage::Record, asked.question.name.clone(), controls);
        self.grant(&asked.cseq, []);
        Ok(())
    }

    fn was_set_up(
        &mut self,
        asked: &Asked,
        usage: Usage,
        track: usize,
        ssrc: Option<u32>,
        server_ports: Option<(u16, u16)>,
    ) -> Handled {
        let Some(transport) = asked.transport.clone() else { return Ok(()) };
        if self.session.is_none() {
            self.begin_session(usage, asked.question.name.clone(), Vec::new());
        }
        let Some(session) = &mut self.session else { return Ok(()) };
        let value = session.add(track, transport, ssrc, server_ports)?;
        session.told = true;
        self.grant(&asked.cseq, [(headers::TRANSPORT, value)]);
        Ok(())
    }

    fn begin_session(&mut self, usage: Usage, name: String, controls: Vec<String>) {
        self.sessions += 1;
        let id = format!("{}{}", self.options.session_id, self.sessions);
        self.session = Some(Session::new(id, usage, name, controls));
    }

    fn plays(&mut self, asked: &Asked, infos: &[StreamInfo]) {
        self.activate();
        let entry = |info: &StreamInfo| {
            let time = info.timestamp.map_or_else(String::new, |t| format!(";rtptime={t}"));
            format!(
                "url={}{}{};seq={}{time}",
                asked.base,
                target::TRACK_PREFIX,
                info.track,
                info.sequence
            )
        };
        let rtp_info = infos.iter().map(entry).collect::<Vec<_>>().join(",");
        self.grant(
            &asked.cseq,
            [(headers::RANGE, "npt=now-".to_owned()), (headers::RTP_INFO, rtp_info)],
        );
    }

    fn activate(&mut self) {
        self.session.iter_mut().for_each(|session| session.active = true);
    }

    /// Answers 200 with these headers, and the session's name if the client knows it.
    pub(super) fn grant<const N: usize>(&mut self, cseq: &str, fields: [(HeaderName, String); N]) {
        let told = self.session.as_ref().filter(|s| s.told);
        let id = told.map(|s| {
            (headers::SESSION, format!("{};timeout={}", s.id, self.options.session.as_secs()))
        });
        let response = message::ok(cseq, id.into_iter().chain(fields), Bytes::new());
        self.output.push_back(message::write(&response));
    }
}
