//! Pictures of an H.265 stream, by an `ffmpeg` of the user's: one process for each width and
//! quality.
//!
//! It is given the stream as fragments of MP4, one frame each, and gives pictures back as SMJPEG.
//! Both frame what they carry, so no picture waits for the next, and both carry times, so that each
//! picture finds the frame that it was made of.

use super::{
    Jpeg,
    board::Board,
    lock,
    room::{MAX_LAG, NEW, Retry},
    smjpeg::{Nonsense, Smjpeg},
    tally::Tally,
};
use crate::{clock::Clock, workers::Tail};
use hub::{Event, ReaderKind, ReaderOptions, Start, Stream, Subscriber};
use media::{
    AccessUnit, Catalog, MediaKind, Mono, Thin, Track,
    mp4::{self, Fragmenter},
    time::rescale,
};
use proto::ipc::Picture;
use std::{
    collections::VecDeque,
    io,
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{ChildStdin, ChildStdout, Command},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// Frames that wait for their picture; beyond that the oldest are forgotten.
const MAX_IN_FLIGHT: usize = 512;
/// A process that has made nothing of so many frames for this long hangs.
const HANGS: (usize, Duration) = (60, Duration::from_secs(4));
/// Times are whole milliseconds on their way back.
const NEAR: u32 = 2;

/// Where `ffmpeg` is on this machine.
pub(super) fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join("ffmpeg"))
        .find(|file| file.is_file())
}

/// What makes pictures of one width and quality.
pub(super) struct Film {
    pub(super) program: PathBuf,
    pub(super) stream: Arc<Stream>,
    pub(super) board: Arc<Board>,
    pub(super) tally: Arc<Tally>,
    pub(super) clock: Clock,
    pub(super) width: u16,
    pub(super) quality: u8,
    /// Of the keyframes, without being counted as a reader.
    pub(super) keys_only: bool,
}

/// How a process came to its end.
enum End {
    /// The stream's parameters are others now, which takes another beginning.
    Changed,
    /// The stream is gone for good.
    Over,
    HungUp,
    Hangs,
    Nonsense,
    NotStarted(io::Error),
}

/// A frame whose picture is not there yet.
#[derive(Clone, Copy)]
struct Frame {
    /// Milliseconds in the file.
    at: u32,
    captured: Mono,
    received: Mono,
    show: bool,
}

impl Film {
    /// Keeps a process until `stop`; one that ends by itself is replaced.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut retry = Retry::new();
        loop {
            let begun = Instant::now();
            let Some((end, words)) = stop.run_until_cancelled(self.process()).await else { return };
            let cause = match end {
                End::Over => return,
                End::Changed => continue,
                End::HungUp => "has ended".to_owned(),
                End::Hangs => format!(
                    "has made nothing of what it was given for {} s and was killed",
                    HANGS.1.as_secs()
                ),
                End::Nonsense => "wrote something else than pictures and was killed".to_owned(),
                End::NotStarted(e) => format!("cannot be started: {e}"),
            };
            self.tally.restarted();
            retry.after(begun.elapsed());
            tracing::warn!(camera = %self.stream.name(), said = words, "ffmpeg, which decodes H.265, {cause}; it is replaced");
            if stop.run_until_cancelled(tokio::time::sleep_until(retry.at)).await.is_none() {
                return;
            }
        }
    }

    /// Runs a process to its end; its last words with it.
    async fn process(&self) -> (End, String) {
        let mut child = match self.command().spawn() {
            Ok(child) => child,
            Err(e) => return (End::NotStarted(e), String::new()),
        };
        let mut words = Tail::follow(child.stderr.take());
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return (End::HungUp, String::new());
        };
        let options =
            ReaderOptions { kind: ReaderKind::Decoder, start: Start::NewestKey, max_lag: MAX_LAG };
        let subscriber = if self.keys_only {
            self.stream.observe(options)
        } else {
            self.stream.subscribe(options)
        };
        let flight = Mutex::new(VecDeque::new());
        let end = tokio::select! {
            end = self.listen(stdout, &flight) => end,
            end = feed(subscriber, stdin, &flight, self.keys_only) => end,
            () = watch(&flight) => End::Hangs,
        };
        // Fails only if it is gone already.
        let _ = child.kill().await;
        (end, words.last_lines().await)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args([
            "-hide_banner",
            "-nostats",
            "-loglevel",
            "error",
            "-flags",
            "low_delay",
            "-threads",
            "1",
        ]);
        command.args([
            "-probesize",
            "32",
            "-analyzeduration",
            "0",
            "-f",
            "mp4",
            "-i",
            "pipe:0",
            "-map",
            "0:v:0",
        ]);
        // Times as they are: counted in frames of a guessed rate, two of them would be the same.
        command.args([
            "-vsync",
            "passthrough",
            "-copyts",
            "-enc_time_base",
            "-1",
            "-vf",
            &self.filter(),
            "-pix_fmt",
            "yuvj420p",
            "-c:v",
            "mjpeg",
        ]);
        command.args(["-qmin", "1", "-q:v", &quantiser(self.quality).to_string(), "-threads", "1"]);
        command.args(["-flush_packets", "1", "-f", "smjpeg", "pipe:1"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // As for workers: passwords may be in the server's environment, and Ctrl-C in a terminal is
        // for the server alone.
        command.env_clear().current_dir("/").process_group(0).kill_on_drop(true);
        command
    }

    /// To the width, and to the colours of JPEG.
    fn filter(&self) -> String {
        let width = match self.width & !1 {
            0 => "iw".to_owned(),
            width => format!("min({width}\\,iw)"),
        };
        format!("scale=w={width}:h=-2:out_color_matrix=bt601:out_range=pc")
    }

    async fn listen(&self, mut stdout: ChildStdout, flight: &Mutex<VecDeque<Frame>>) -> End {
        let (mut pictures, mut thin) = (Smjpeg::default(), Thin::new(Duration::ZERO));
        loop {
            if !stdout.read_buf(pictures.buffer()).await.is_ok_and(|n| n > 0) {
                return End::HungUp;
            }
            loop {
                match pictures.poll() {
                    Ok(Some((at, jpeg))) => {
                        if let Some(frame) = take(&mut lock(flight), at) {
                            self.show(&frame, jpeg, &mut thin);
                        }
                    }
                    Ok(None) => break,
                    Err(Nonsense) => return End::Nonsense,
                }
            }
        }
    }

    fn show(&self, frame: &Frame, jpeg: bytes::Bytes, thin: &mut Thin) {
        self.tally.decoded(1, 0);
        if !frame.show {
            return;
        }
        let (now, Frame { captured, received, .. }) = (self.clock.now(), *frame);
        let picture = Picture {
            want: 0,
            width: 0,
            height: 0,
            captured,
            received,
            decoded: now,
            encoded: now,
            jpeg,
        };
        if self.board.show_like((self.width, self.quality), thin, captured, |number| {
            Jpeg::new(picture, number, now)
        }) {
            self.tally.encoded();
        }
    }
}

/// Gives the process the stream, as fast as it takes it: while it is slow the cursor waits in the
/// ring, and then skips.
async fn feed(
    mut subscriber: Subscriber,
    mut stdin: ChildStdin,
    flight: &Mutex<VecDeque<Frame>>,
    keys_only: bool,
) -> End {
    let mut file: Option<(Track, Fragmenter)> = None;
    loop {
        let piece = match subscriber.next().await {
            Event::Catalog(catalog) => match (&file, picture_track(&catalog)) {
                (None, None) => continue,
                (Some((known, _)), Some(track)) if *known == track => continue,
                (None, Some(track)) => {
                    let tracks = [track.clone()];
                    file = Fragmenter::new(&tracks).map(|fragmenter| (track, fragmenter));
                    mp4::init_segment(&tracks)
                }
                _ => return End::Changed,
            },
            Event::Unit(unit, _) if keys_only && !unit.key => continue,
            Event::Unit(unit, _) => {
                if keys_only {
                    file.iter_mut().for_each(|(_, fragmenter)| fragmenter.restart());
                }
                let show = keys_only || subscriber.lag() <= NEW;
                let Some(fragment) = file
                    .as_mut()
                    .and_then(|(track, file)| fragment(track, file, &unit, show, flight))
                else {
                    continue;
                };
                fragment
            }
            Event::Skipped { .. } => {
                file.iter_mut().for_each(|(_, fragmenter)| fragmenter.restart());
                continue;
            }
            Event::Status(_) => continue,
            Event::Ended(_) => return End::Over,
        };
        if stdin.write_all(&piece).await.is_err() {
            return End::HungUp;
        }
    }
}

fn picture_track(catalog: &Catalog) -> Option<Track> {
    mp4::tracks(catalog).into_iter().find(|track| track.codec.kind() == MediaKind::Video)
}

/// A fragment of this one frame, which is noted as on its way.
fn fragment(
    track: &Track,
    file: &mut Fragmenter,
    unit: &Arc<AccessUnit>,
    show: bool,
    flight: &Mutex<VecDeque<Frame>>,
) -> Option<bytes::Bytes> {
    let frame = file.admit(unit)?;
    let at = rescale(frame.pts(), track.timescale, 1000) as u32;
    file.add(frame);
    let piece = file.cut(None, i64::MAX)?.concat();
    let mut flight = lock(flight);
    if flight.len() >= MAX_IN_FLIGHT {
        flight.pop_front();
    }
    flight.push_back(Frame {
        at,
        captured: unit.timing.captured.at,
        received: unit.timing.received,
        show,
    });
    Some(piece)
}

/// The frame that a picture of this time was made of.
fn take(flight: &mut VecDeque<Frame>, at: u32) -> Option<Frame> {
    let far = |frame: &Frame| at.wrapping_sub(frame.at).cast_signed();
    let found = flight.iter().position(|frame| far(frame).unsigned_abs() <= NEAR)?;
    let frame = flight.remove(found);
    // Pictures come in order: what is long before this one has been lost.
    flight.retain(|frame| far(frame) < 1000);
    frame
}

/// Ends when frames go in and no pictures come out.
async fn watch(flight: &Mutex<VecDeque<Frame>>) {
    let mut busy = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        if lock(flight).len() < HANGS.0 {
            busy = Instant::now();
        } else if busy.elapsed() >= HANGS.1 {
            return;
        }
    }
}

/// The scale of ffmpeg's quantiser that comes nearest to a quality of JPEG as libjpeg counts: both
/// multiply much the same table.
fn quantiser(quality: u8) -> u32 {
    let quality = u32::from(quality.clamp(1, 100));
    let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    ((percent * 8 + 50) / 100).clamp(1, 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualities_are_those_of_libjpeg_about() {
        assert_eq!([100, 95, 80, 50, 10, 1].map(quantiser), [1, 1, 3, 8, 31, 31]);
    }

    #[test]
    fn a_picture_finds_its_frame_and_what_was_lost_is_forgotten() {
        let now = Mono::default();
        let frame = |at| Frame { at, captured: now, received: now, show: true };
        // In the order of decoding; the clock wraps.
        let mut flight: VecDeque<_> =
            [u32::MAX - 2000, u32::MAX - 10, 56, 22, 89].map(frame).into();
        assert_eq!(take(&mut flight, u32::MAX - 9).unwrap().at, u32::MAX - 10);
        assert_eq!(flight.iter().map(|f| f.at).collect::<Vec<_>>(), [56, 22, 89]);
        assert_eq!(take(&mut flight, 23).unwrap().at, 22);
        assert!(take(&mut flight, 40).is_none());
    }
}
