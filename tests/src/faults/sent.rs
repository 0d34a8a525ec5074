//! A sender of MPEG-TS over UDP.

use super::{Fault, Patient};
use crate::{Process, Server, command, free_udp_port};
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use std::{
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

/// ffmpeg, and a sender of noise from the same address.
pub struct SentCamera {
    name: String,
    ffmpeg: Option<Process>,
    port: u16,
    way: u16,
    noise: Arc<AtomicBool>,
    other: bool,
    offset: u32,
}

impl SentCamera {
    /// Chooses its ports.
    ///
    /// # Errors
    /// If there are none.
    pub fn start(name: &str) -> Result<Self> {
        let (port, noise) = (free_udp_port(), Arc::new(AtomicBool::new(false)));
        let entrance = UdpSocket::bind("127.0.0.1:0")?;
        let way = entrance.local_addr()?.port();
        carry(entrance, port, Arc::downgrade(&noise))?;
        Ok(Self { name: name.into(), ffmpeg: None, port, way, noise, other: false, offset: 0 })
    }

    fn send(&mut self) -> Result<()> {
        self.ffmpeg = None;
        let (size, offset) =
            (if self.other { "480x272" } else { "320x240" }, self.offset.to_string());
        let picture = format!("testsrc2=size={size}:rate=30");
        let mut ffmpeg = command(
            "ffmpeg",
            ["-loglevel", "error", "-nostdin", "-re", "-f", "lavfi", "-i", &picture],
        );
        ffmpeg.args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-g",
            "15",
            "-pix_fmt",
            "yuv420p",
        ]);
        ffmpeg.args(["-output_ts_offset", &offset, "-flush_packets", "1", "-f", "mpegts"]);
        ffmpeg.arg(format!("udp://127.0.0.1:{}?pkt_size=1316", self.way));
        self.ffmpeg = Some(Process::spawn("sender", &mut ffmpeg)?);
        Ok(())
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        self.ffmpeg.as_ref().context("no sender")?.signal(signal)
    }
}

impl Patient for SentCamera {
    fn name(&self) -> &str {
        &self.name
    }

    fn source(&self) -> String {
        format!("udp://127.0.0.1:{}", self.port)
    }

    fn begin(&mut self, _: &Server) -> Result<()> {
        self.send()
    }

    fn faults(&self) -> &'static [Fault] {
        use Fault::*;
        &[Killed, Stopped, Garbage, Resized, Ahead, Back, Wrapped]
    }

    fn strike(&mut self, fault: Fault, _: &Server) -> Result<()> {
        match fault {
            Fault::Stopped => self.signal(Signal::SIGSTOP)?,
            Fault::Garbage => self.noise.store(true, SeqCst),
            Fault::Resized => self.other = !self.other,
            Fault::Ahead => self.offset += 3600,
            Fault::Back => self.offset = self.offset.saturating_sub(3600),
            // 33 bits at 90 kHz, less four seconds.
            Fault::Wrapped => self.offset = 95_440,
            _ => self.ffmpeg = None,
        }
        let goes_on = matches!(fault, Fault::Resized | Fault::Ahead | Fault::Back | Fault::Wrapped);
        if goes_on { self.send() } else { Ok(()) }
    }

    fn heal(&mut self, fault: Fault, _: &Server) -> Result<()> {
        match fault {
            Fault::Stopped => self.signal(Signal::SIGCONT)?,
            Fault::Garbage => self.noise.store(false, SeqCst),
            Fault::Killed => self.send()?,
            _ => {}
        }
        Ok(())
    }
}

/// Carries datagrams to `port` until no test can ask for noise any more.
fn carry(entrance: UdpSocket, port: u16, noise: std::sync::Weak<AtomicBool>) -> Result<()> {
    let out = UdpSocket::bind("127.0.0.1:0")?;
    entrance.set_read_timeout(Some(Duration::from_millis(100)))?;
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Some(noise) = noise.upgrade() {
            let Ok(length) = entrance.recv(&mut buffer) else { continue };
            if noise.load(SeqCst) {
                buffer[..length].iter_mut().for_each(|byte| *byte = fastrand::u8(..));
            }
            let _ = out.send_to(&buffer[..length], ("127.0.0.1", port));
        }
    });
    Ok(())
}
