//! One RTSP connection: bytes in pieces of any size, a host that decides anyhow, and time.

use crate::Input;
use media::Mono;
use proto::rtsp::{Answer, Ask, Event, Options, Refusal, Server, StatusCode, StreamInfo};
use std::time::Duration;

/// Operations are the low two bits of a byte each: 0, 1 bytes from the client behind one or two
/// bytes of length, 2 as many half seconds pass as the next byte says, 3 a sign of life. The other
/// bits decide how questions are answered.
///
/// # Panics
/// If a promise of [`Server`] is broken.
pub fn rtsp(data: &[u8]) {
    let mut input = Input(data);
    let now = Mono::from_nanos(1_000_000_000);
    let mut client = Client { server: Server::new(now, Options::new("fuzz")), now, closed: false };
    while let Some(op) = input.byte() {
        if client.operate(op, &mut input).is_none() {
            break;
        }
        client.drain(op >> 2);
    }
}

struct Client {
    server: Server,
    now: Mono,
    closed: bool,
}

impl Client {
    fn operate(&mut self, op: u8, input: &mut Input<'_>) -> Option<()> {
        match op & 3 {
            0 => self.server.handle_input(self.now, input.short()?),
            1 => self.server.handle_input(self.now, input.long()?),
            2 => {
                self.now = self.now + Duration::from_millis(500) * input.byte()?.into();
                self.server.handle_timeout(self.now);
            }
            _ => self.server.handle_activity(self.now),
        }
        Some(())
    }

    fn drain(&mut self, will: u8) {
        loop {
            while let Some(output) = self.server.poll_output() {
                assert!(!output.is_empty());
            }
            let Some(event) = self.server.poll_event() else { break };
            assert!(!self.closed, "nothing comes behind the end: {event:?}");
            match event {
                Event::Question(question) => {
                    assert!(!self.server.listens(), "no other event before the answer");
                    self.server.answer(self.now, answer(&question.ask, will));
                }
                Event::Data { track, .. } => assert!(self.server.channels(track).is_some()),
                Event::Closed(reason) => {
                    assert!(!reason.is_empty());
                    self.closed = true;
                }
                Event::Paused | Event::Ended(_) => {}
            }
        }
        assert!(self.server.poll_timeout().is_none_or(|due| due > self.now), "a timer is overdue");
    }
}

/// What a host would say, or a refusal, or an answer to something else.
fn answer(ask: &Ask, will: u8) -> Answer {
    if will & 7 == 7 {
        return Answer::Refused(Refusal::new(StatusCode::NotFound, "no such camera"));
    }
    match (ask, will & 8 != 0) {
        (Ask::Describe, false) => Answer::Description("v=0\r\n".into()),
        (Ask::Announce(_), false) => {
            Answer::Announced((0..will >> 4).map(|i| format!("streamid={i}")).collect())
        }
        (Ask::Setup { track, .. }, false) => Answer::Setup {
            track: track.unwrap_or(0),
            ssrc: Some(7),
            ports: (will & 16 != 0).then_some((5000, 5001)),
        },
        (Ask::Play, false) => {
            Answer::Playing(vec![StreamInfo { track: 0, sequence: 1, timestamp: Some(2) }])
        }
        _ => Answer::Recording,
    }
}
