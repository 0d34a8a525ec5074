//! Requests: what is valid when.

use super::super::{
    message::{self, METHODS, Refusal, StatusCode},
    target::Target,
    transport::Transport,
};
use super::{
    Asked, Handled, Server,
    session::Session,
    types::{Ask, Event, Question, Usage},
};
use bytes::Bytes;
use rtsp_types::{Method, Request, Url, Version, headers};

impl Server {
    pub(super) fn handle_request(&mut self, request: &Request<Bytes>) {
        let cseq = request.header(&headers::CSEQ).map(|v| v.as_str().trim());
        let handled = match cseq
            .filter(|c| !c.is_empty() && c.len() <= 10 && c.bytes().all(|b| b.is_ascii_digit()))
        {
            None => Err(Refusal::new(
                StatusCode::BadRequest,
                "the CSeq header is missing or not a number",
            )),
            Some(cseq) => self.check(request).and_then(|()| self.dispatch(request, cseq)),
        };
        if let Err(refusal) = handled {
            self.output.push_back(message::write(&refusal.response(cseq)));
        }
    }

    /// What is the same for all methods.
    fn check(&self, request: &Request<Bytes>) -> Handled {
        if request.version() != Version::V1_0 {
            return Err(Refusal::new(
                StatusCode::RTSPVersionNotSupported,
                "this server speaks RTSP/1.0",
            ));
        }
        if let Some(options) = request.header(&headers::REQUIRE) {
            return Err(Refusal::new(StatusCode::OptionNotSupported, options.as_str()));
        }
        let given = request
            .header(&headers::SESSION)
            .map(|v| v.as_str().split(';').next().unwrap_or_default().trim());
        let known = self.session.as_ref().filter(|s| s.told).map(|s| s.id.as_str());
        let needed = message::needs_session(request.method())
            || (request.method() == Method::Setup && known.is_some());
        if (needed && given.is_none()) || (given.is_some() && given != known) {
            return Err(Refusal::new(
                StatusCode::SessionNotFound,
                "there is no such session on this connection",
            ));
        }
        Ok(())
    }

    fn dispatch(&mut self, request: &Request<Bytes>, cseq: &str) -> Handled {
        match request.method() {
            Method::Options => self.grant(cseq, [(headers::PUBLIC, METHODS.to_owned())]),
            Method::GetParameter | Method::SetParameter => self.grant(cseq, []),
            Method::Describe => self.ask(request, cseq, Ask::Describe)?,
            Method::Announce => self.announce(request, cseq)?,
            Method::Setup => self.set_up(request, cseq)?,
            Method::Play => self.play(request, cseq)?,
            Method::Record => self.record(request, cseq)?,
            Method::Pause => self.pause(cseq)?,
            Method::Teardown => self.tear_down(cseq),
            _ => {
                return Err(Refusal::new(
                    StatusCode::NotImplemented,
                    "this server does not know the method",
                ));
            }
        }
        Ok(())
    }

    fn announce(&mut self, request: &Request<Bytes>, cseq: &str) -> Handled {
        if self.session.is_some() {
            return Err(wrong_state("this connection already has a session"));
        }
        let kind =
            request.header(&headers::CONTENT_TYPE).map(|v| v.as_str().trim().to_ascii_lowercase());
        if kind.is_some_and(|k| !k.starts_with("application/sdp")) {
            return Err(Refusal::new(
                StatusCode::UnsupportedMediaType,
                "ANNOUNCE takes a body of type application/sdp",
            ));
        }
        self.ask(request, cseq, Ask::Announce(request.body().clone()))
    }

    fn set_up(&mut self, request: &Request<Bytes>, cseq: &str) -> Handled {
        let uri = uri(request)?;
        let header = request.header(&headers::TRANSPORT).map_or("", |v| v.as_str());
        let Some(transport) = Transport::choose(header) else {
            let detail = "offer RTP/AVP/TCP;unicast;interleaved or RTP/AVP;unicast;client_port";
            return Err(Refusal::new(StatusCode::UnsupportedTransport, detail));
        };
        let target = parse_target(uri)?;
        let (usage, track) = match &self.session {
            Some(session) => {
                (session.usage, session.check_setup(uri.as_str(), &target, &transport)?)
            }
            None if transport.mode.as_deref().is_some_and(|m| m != "play") => {
                return Err(wrong_state("ANNOUNCE comes before SETUP with mode=record"));
            }
            None => (Usage::Play, target.track),
        };
        let lower = transport.lower;
        self.ask(request, cseq, Ask::Setup { usage, track, lower })?;
        self.asked.iter_mut().for_each(|asked| asked.transport = Some(transport.clone()));
        Ok(())
    }

    fn play(&mut self, request: &Request<Bytes>, cseq: &str) -> Handled {
        let session = self.session_for(Usage::Play, "a publishing session cannot play")?;
        if session.active {
            self.grant(cseq, []);
            return Ok(());
        }
        self.ask(request, cseq, Ask::Play)
    }

    fn record(&mut self, request: &Request<Bytes>, cseq: &str) -> Handled {
        let session = self.session_for(Usage::Record, "a playing session cannot publish")?;
        if session.active {
            return Err(wrong_state("already recording"));
        }
        self.ask(request, cseq, Ask::Record)
    }

    fn session_for(&self, usage: Usage, otherwise: &str) -> Result<&Session, Refusal> {
        self.session.as_ref().filter(|s| s.usage == usage).ok_or_else(|| wrong_state(otherwise))
    }

    fn pause(&mut self, cseq: &str) -> Handled {
        if let Some(session) = &mut self.session {
            session.active = false;
        }
        self.events.push_back(Event::Paused);
        self.grant(cseq, []);
        Ok(())
    }

    fn tear_down(&mut self, cseq: &str) {
        self.session = None;
        self.events.push_back(Event::Ended("the client ended the session".into()));
        self.grant(cseq, []);
    }

    /// Hands a question to the host; the answer is sent by [`Self::answer`].
    fn ask(&mut self, request: &Request<Bytes>, cseq: &str, ask: Ask) -> Handled {
        let uri = uri(request)?;
        // PLAY and RECORD act on the session, whatever URI they carry.
        let name = match (&self.session, &ask) {
            (Some(session), Ask::Setup { .. } | Ask::Play | Ask::Record) => session.name.clone(),
            _ => parse_target(uri)?.name,
        };
        let question = Question { name, ask };
        let base = base(uri, &question.name);
        self.asked = Some(Asked {
            cseq: cseq.to_owned(),
            base,
            transport: None,
            question: question.clone(),
        });
        self.events.push_back(Event::Question(question));
        Ok(())
    }
}

pub(super) fn wrong_state(detail: &str) -> Refusal {
    Refusal::new(StatusCode::MethodNotValidInThisState, detail)
}

fn uri(request: &Request<Bytes>) -> Result<&Url, Refusal> {
    request.request_uri().ok_or_else(|| {
        Refusal::new(StatusCode::BadRequest, "this method needs the URI of a camera")
    })
}

fn parse_target(uri: &Url) -> Result<Target, Refusal> {
    let missing =
        || Refusal::new(StatusCode::NotFound, "the URI names no camera, use rtsp://HOST/CAMERA");
    Target::parse(uri.as_str()).ok_or_else(missing)
}

/// The stream's URI as the client knows this server, free of credentials.
fn base(uri: &Url, name: &str) -> String {
    let host = uri.host_str().unwrap_or_default();
    let port = uri.port().map_or_else(String::new, |p| format!(":{p}"));
    format!("rtsp://{host}{port}/{name}/")
}
