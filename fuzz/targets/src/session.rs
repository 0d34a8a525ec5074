//! A whole WebRTC session on our side of the port, and a browser whose packets are lost, changed
//! and mixed with inventions.

mod browser;
mod stun;

use crate::Input;
use browser::Browser;
use proto::webrtc::{
    Certificate, Credentials, Event, Handled, Output, Path, Remote, Session, SessionError,
    Transport,
};
use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    sync::LazyLock,
    time::{Duration, Instant},
};

/// Far more than a session has to say after any one input.
const OUTPUTS: usize = 200;
/// Wake-ups at one instant, after which a session is taken to spin.
const WAKES: usize = 20;
/// A step of time.
const STEP: Duration = Duration::from_millis(20);

static CERTIFICATE: LazyLock<Certificate> =
    LazyLock::new(|| Certificate::generate().expect("random numbers"));

/// Operations, the low three bits of a byte each:
/// - 0 a STUN packet with the right password. Bit 3: it nominates. Bit 4: it comes from another
///   address. Bit 5: it answers the session's own check. Bit 6: the attributes behind one byte of
///   length are in it, bit 7: and those alone.
/// - 1 the browser's next datagram arrives, 2 is lost, 3 arrives with a bit flipped (two bytes say
///   which). Bit 3: it is not forgotten.
/// - 4 the browser hears all that was sent to it. Bit 3: nothing of it.
/// - 5 time passes, 20 ms times the next byte
/// - 6 anything, behind two bytes of length. Bit 3: from an address never heard of.
/// - 7 feedback, encrypted, behind one byte of length. Bit 3: with a bit flipped. Bit 4: the
///   browser says goodbye. Bit 5: we do.
///
/// # Panics
/// If a session that has keys is ended by what has none, if it spins, or if feedback is not what
/// was sent.
pub fn session(data: &[u8]) {
    let mut input = Input(data);
    let mut talk = Talk::new();
    while let Some(op) = input.byte() {
        match talk.operate(op, &mut input) {
            Some(Ok(())) => talk.settle(),
            Some(Err(error)) => {
                assert!(!talk.connected, "ended by an outsider: {error}");
                break;
            }
            None => break,
        }
    }
}

struct Talk {
    now: Instant,
    session: Session,
    browser: Browser,
    /// Datagrams on their way to the browser.
    down: VecDeque<Vec<u8>>,
    /// The newest transaction that the session began.
    asked: Option<[u8; 12]>,
    connected: bool,
}

fn path(other: bool) -> Path {
    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Path {
        transport: Transport::Udp,
        local: address(1000),
        remote: address(2000 + u16::from(other)),
    }
}

impl Talk {
    fn new() -> Self {
        let now = Instant::now();
        let browser = Browser::new(now);
        let credentials =
            Credentials { ufrag: "them".into(), password: "their password, which is long".into() };
        let remote = Remote { credentials, fingerprint: browser.fingerprint() };
        let session =
            Session::accept(now, &CERTIFICATE, &remote, &[(Transport::Udp, path(false).local)]);
        Self { now, session, browser, down: VecDeque::new(), asked: None, connected: false }
    }

    fn operate(&mut self, op: u8, input: &mut Input<'_>) -> Option<Result<(), SessionError>> {
        let bit = |n: u8| op >> n & 1 != 0;
        match op & 7 {
            0 => {
                let more = if bit(6) { input.short()? } else { &[] };
                let packet = self.stun(bit(3), bit(5), bit(7), more);
                Some(self.hear(path(bit(4)), packet).map(drop))
            }
            1..=3 => {
                let place = if op & 7 == 3 { Some(input.word()?) } else { None };
                let Some(mut datagram) = self.browser.next(bit(3)).filter(|_| op & 7 != 2) else {
                    return Some(Ok(()));
                };
                place.into_iter().for_each(|place| flip(&mut datagram, place));
                Some(self.hear(path(false), datagram).map(drop))
            }
            4 => {
                self.down
                    .drain(..)
                    .filter(|_| !bit(3))
                    .for_each(|datagram| self.browser.hear(self.now, &datagram));
                Some(Ok(()))
            }
            5 => Some(self.pass(STEP * u32::from(input.byte()?))),
            6 => {
                let noise = input.long()?.to_vec();
                Some(
                    self.hear(
                        if bit(3) {
                            Path { remote: ([192, 0, 2, 1], 1).into(), ..path(false) }
                        } else {
                            path(false)
                        },
                        noise,
                    )
                    .map(drop),
                )
            }
            _ => Some(self.speak(bit(3), bit(4), bit(5), input.short()?)),
        }
    }

    fn stun(&self, nominate: bool, answer: bool, alone: bool, more: &[u8]) -> Vec<u8> {
        let ours = self.session.credentials();
        if answer {
            let transaction = self.asked.unwrap_or_default();
            return stun::response(transaction, more, "their password, which is long");
        }
        stun::request(&format!("{}:them", ours.ufrag), nominate, alone, more, &ours.password)
    }

    /// True if it was feedback.
    fn hear(&mut self, path: Path, mut datagram: Vec<u8>) -> Result<Option<Vec<u8>>, SessionError> {
        Ok(match self.session.handle_datagram(self.now, path, &mut datagram)? {
            Handled::Rtcp(packet) => Some(packet.to_vec()),
            Handled::Foreign | Handled::Taken | Handled::Rtp(_) => None,
        })
    }

    fn pass(&mut self, time: Duration) -> Result<(), SessionError> {
        self.now += time;
        self.browser.pass(self.now);
        self.session.handle_timeout(self.now)
    }

    fn speak(
        &mut self,
        flipped: bool,
        bye: bool,
        close: bool,
        body: &[u8],
    ) -> Result<(), SessionError> {
        if bye {
            self.browser.close();
        }
        if close {
            self.session.close();
        }
        let Some((clear, mut sealed)) = self.browser.feedback(body) else { return Ok(()) };
        if flipped {
            flip(&mut sealed, body.len() as u16 * 7);
        }
        let heard = self.hear(path(false), sealed)?;
        assert!(heard.is_none_or(|heard| !flipped && heard == clear));
        Ok(())
    }

    /// Takes all that the session wants, and wakes it when it wants to be woken now.
    fn settle(&mut self) {
        for _ in 0..WAKES {
            let at = self.take();
            if at > self.now {
                return;
            }
            if self.session.handle_timeout(self.now).is_err() {
                return;
            }
        }
        panic!("wants to be woken again and again");
    }

    fn take(&mut self) -> Instant {
        for _ in 0..OUTPUTS {
            match self.session.poll() {
                Output::Datagram(datagram) if stun::is_stun(&datagram.contents) => {
                    self.asked = stun::transaction(&datagram.contents).or(self.asked);
                }
                Output::Datagram(datagram) => self.down.push_back(datagram.contents),
                Output::Event(Event::Connected) => {
                    assert!(!std::mem::replace(&mut self.connected, true));
                    self.check_keys();
                }
                Output::Event(Event::Moved(_) | Event::Path { .. } | Event::Closed) => {}
                Output::Idle(at) => return at,
            }
        }
        panic!("never falls silent");
    }

    /// What we send, the browser can open, if it has got so far.
    fn check_keys(&mut self) {
        let sender = self.session.take_sender().expect("keys, since it is connected");
        let mut packet = vec![0x80; 40];
        assert_eq!(sender.protect_rtp(&mut packet, 0, 12, 0x8080), Ok(()));
        self.browser.expect(packet);
    }
}

fn flip(datagram: &mut [u8], place: u16) {
    let bit = usize::from(place) % (8 * datagram.len()).max(1);
    datagram.iter_mut().skip(bit / 8).take(1).for_each(|byte| *byte ^= 1 << (bit % 8));
}
