//! A TCP way to a peer that a test spoils while it is used: silence, garbage, a closed port, time
//! stamps that jump.

use anyhow::Result;
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

/// How often a way looks whether it is still wanted.
const ROUND: Duration = Duration::from_millis(5);
/// Connections remembered, to be cut; older ones end by themselves.
const CONNECTIONS: usize = 64;

/// What a way does with what is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Mode {
    /// It is carried.
    Open,
    /// The media is replaced by noise of the same length.
    Garbage,
    /// There is no way: connections are refused, and those there were are cut.
    Closed,
}

/// In which direction the media goes, seen from the side that connects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Media {
    /// From the one who connects: a publisher.
    Up,
    /// To the one who connects: a player.
    Down,
    /// Likewise, and it is no RTSP: nothing is to be looked for in it.
    Files,
}

impl Media {
    fn is_of(self, connecting: bool) -> bool {
        connecting == (self == Self::Up)
    }
}

/// A running way. Dropping it closes it.
pub struct Way {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    media: Media,
    mode: AtomicU8,
    stop: AtomicBool,
    /// Added to the time stamps of RTP.
    shift: AtomicU32,
    /// The next connection's time stamps begin so that they wrap soon.
    wrap: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

impl Way {
    /// A way to `port` of this host.
    ///
    /// # Errors
    /// If there is no port left.
    pub fn start(to: u16, media: Media) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            media,
            mode: AtomicU8::new(Mode::Open as u8),
            stop: AtomicBool::new(false),
            shift: AtomicU32::new(0),
            wrap: AtomicBool::new(false),
            connections: Mutex::default(),
        });
        let ours = shared.clone();
        thread::Builder::new().name("way".into()).spawn(move || ours.keep(listener, port, to))?;
        Ok(Self { port, shared })
    }

    /// Where it begins.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on.
    pub fn set(&self, mode: Mode) {
        self.shared.mode.store(mode as u8, SeqCst);
        if mode == Mode::Closed {
            self.cut();
        }
    }

    /// Ends all connections; new ones are welcome.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Moves the time stamps of interleaved RTP by so many ticks, from the next frame on.
    pub fn shift(&self, ticks: u32) {
        self.shared.shift.fetch_add(ticks, SeqCst);
    }

    /// Cuts the way, and lets the RTP time of the next connection wrap two seconds after its
    /// beginning.
    pub fn wrap_soon(&self) {
        self.shared.wrap.store(true, SeqCst);
        self.cut();
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        self.shared.cut();
    }
}

impl Shared {
    fn is(&self, mode: Mode) -> bool {
        self.mode.load(SeqCst) == mode as u8
    }

    fn cut(&self) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.drain(..).for_each(|connection| drop(connection.shutdown(Shutdown::Both)));
    }

    fn keep(self: &Arc<Self>, listener: TcpListener, port: u16, to: u16) {
        let mut listener = Some(listener);
        while !self.stop.load(SeqCst) {
            if self.is(Mode::Closed) {
                listener = None;
            } else if let Some(open) = &listener {
                self.welcome(open, to);
            } else {
                listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok();
            }
            thread::sleep(ROUND);
        }
    }

    fn welcome(self: &Arc<Self>, listener: &TcpListener, to: u16) {
        let welcomed = listener.set_nonblocking(true).and_then(|()| listener.accept());
        let Ok((near, _)) = welcomed else { return };
        // A peer that is not there refuses; so do we.
        let Ok(far) = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, to))) else {
            return;
        };
        let _ = near.set_nonblocking(false);
        let first = self.shift.load(SeqCst);
        let wrap = self.wrap.swap(false, SeqCst);
        for (from, into, connecting) in [(&near, &far, true), (&far, &near, false)] {
            let (Ok(from), Ok(into)) = (from.try_clone(), into.try_clone()) else { return };
            let _ = into.set_nodelay(true);
            let (ours, rtp) = (self.clone(), Interleaved::new(first, wrap));
            thread::spawn(move || ours.carry(from, into, ours.media.is_of(connecting), rtp));
        }
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.extend([near, far]);
        let surplus = connections.len().saturating_sub(CONNECTIONS);
        connections.drain(..surplus);
    }

    fn carry(
        &self,
        mut from: TcpStream,
        mut into: TcpStream,
        is_media: bool,
        mut rtp: Interleaved,
    ) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let data = &mut buffer[..length];
            let sent = match is_media {
                true if self.is(Mode::Garbage) => {
                    data.iter_mut().for_each(|byte| *byte = fastrand::u8(..));
                    into.write_all(data)
                }
                true if self.media != Media::Files => {
                    into.write_all(&rtp.pass(data, self.shift.load(SeqCst)))
                }
                _ => into.write_all(data),
            };
            if sent.is_err() {
                break;
            }
        }
        let _ = into.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }
}

/// RTSP's stream of bytes, in which packets of RTP are found (RFC 2326, section 10.12) and their
/// times moved.
struct Interleaved {
    held: Vec<u8>,
    /// As last told.
    seen: u32,
    wanted: u32,
    /// In force since the frame of this time.
    applied: u32,
    wrap: bool,
    time: Option<u32>,
}

impl Interleaved {
    fn new(shift: u32, wrap: bool) -> Self {
        Self { held: Vec::new(), seen: shift, wanted: shift, applied: shift, wrap, time: None }
    }

    /// What can be passed on of all that came so far.
    fn pass(&mut self, data: &[u8], shift: u32) -> Vec<u8> {
        self.wanted = self.wanted.wrapping_add(shift.wrapping_sub(self.seen));
        self.seen = shift;
        self.held.extend_from_slice(data);
        let mut out = Vec::new();
        while !self.held.is_empty() {
            let length = match self.held[..] {
                [b'$', _, high, low, ..] => 4 + usize::from(u16::from_be_bytes([high, low])),
                [b'$', ..] => break,
                _ => self.held.iter().position(|byte| *byte == b'$').unwrap_or(self.held.len()),
            };
            if length > self.held.len() {
                break;
            }
            let mut piece: Vec<u8> = self.held.drain(..length).collect();
            self.mend(&mut piece);
            out.append(&mut piece);
        }
        out
    }

    fn mend(&mut self, piece: &mut [u8]) {
        let at = match piece {
            [b'$', channel, ..] if channel.is_multiple_of(2) && piece.len() >= 16 => 8,
            [b'$', _, _, _, _, 200, ..] if piece.len() >= 24 => 20,
            _ => return,
        };
        let time = u32::from_be_bytes([piece[at], piece[at + 1], piece[at + 2], piece[at + 3]]);
        if at == 8 {
            self.see(time);
        }
        piece[at..at + 4].copy_from_slice(&time.wrapping_add(self.applied).to_be_bytes());
    }

    /// A whole frame is moved, never half of one.
    fn see(&mut self, time: u32) {
        const TWO_SECONDS: u32 = 180_000;
        if std::mem::take(&mut self.wrap) {
            // Whatever is wanted later is wanted on top of this.
            self.applied = 0_u32.wrapping_sub(TWO_SECONDS).wrapping_sub(time);
            self.wanted = self.applied;
        }
        if self.time.replace(time) != Some(time) {
            self.applied = self.wanted;
        }
    }
}
