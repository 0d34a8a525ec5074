//! One viewer: asks for playlists and parts as hls.js does in its low-latency mode, and plays them
//! on paper.

use super::{
    Shared,
    connection::Connection,
    playlist::{self, Part, Playlist},
};
use anyhow::{Context as _, bail};
use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

/// The measurements of one viewer.
#[derive(Default)]
pub(super) struct Seen {
    /// From its beginning to its first part.
    pub(super) first_part: Option<Duration>,
    /// From each request for a part to its last byte.
    pub(super) answers: Vec<Duration>,
    /// Times that a part it wanted was no longer listed.
    pub(super) missed: u64,
    /// Times that a part came after its time to be shown.
    pub(super) stalls: u64,
    pub(super) fault: Option<String>,
}

/// Playlists and parts come by connections of their own, as a blocked request holds its connection.
pub(super) struct Viewer<'a> {
    shared: &'a Shared,
    lists: Connection,
    files: Connection,
    /// The path of the media playlist.
    media: String,
    begun: Instant,
    /// When the next part is to be shown.
    due: Option<Instant>,
    counted: u64,
    seen: Seen,
}

impl<'a> Viewer<'a> {
    pub(super) fn new(shared: &'a Shared) -> Self {
        let [lists, files] = [(); 2].map(|()| Connection::new(&shared.authority));
        let (begun, seen) = (Instant::now(), Seen::default());
        Self { shared, lists, files, media: String::new(), begun, due: None, counted: 0, seen }
    }

    /// Watches until told to stop.
    pub(super) fn watch(mut self) -> Seen {
        if let Err(e) = self.play() {
            self.seen.fault = Some(format!("{e:#}"));
        }
        self.seen
    }

    fn play(&mut self) -> anyhow::Result<()> {
        let mut list = self.open()?;
        let mut wanted = list.beginning().to_vec();
        let mut last = wanted.last().context("no parts are listed")?.uri.clone();
        while !self.shared.stop.load(Relaxed) {
            let path = self.reload(&list);
            self.lists.ask(&path)?;
            // Parts are fetched while the next playlist is waited for.
            for part in wanted {
                self.fetch(&part, list.hold_back)?;
            }
            list = Playlist::parse(&self.lists.text(&path)?);
            let (new, missed) = list.behind(&last);
            self.seen.missed += u64::from(missed && self.shared.measures());
            wanted = new.to_vec();
            last = wanted.last().map_or(last, |part| part.uri.clone());
        }
        Ok(())
    }

    fn open(&mut self) -> anyhow::Result<Playlist> {
        let index = self.shared.path.clone();
        self.lists.ask(&index)?;
        let variants = self.lists.text(&index)?;
        self.media =
            playlist::join(&index, playlist::variant(&variants).context("no variant is listed")?);
        self.lists.ask(&self.media)?;
        let list = Playlist::parse(&self.lists.text(&self.media.clone())?);
        if !list.blocks {
            bail!("the server does not do low-latency HLS");
        }
        if let Some(init) = &list.init {
            let init = playlist::join(&self.media, init);
            self.files.ask(&init)?;
            self.files.answer(&init)?;
        }
        Ok(list)
    }

    fn reload(&self, list: &Playlist) -> String {
        let (msn, part) = list.next;
        let skip = if list.skips { "&_HLS_skip=YES" } else { "" };
        let mark = if self.media.contains('?') { '&' } else { '?' };
        format!("{}{mark}_HLS_msn={msn}&_HLS_part={part}{skip}", self.media)
    }

    fn fetch(&mut self, part: &Part, hold_back: Duration) -> anyhow::Result<()> {
        let path = playlist::join(&self.media, &part.uri);
        let asked = Instant::now();
        self.files.ask(&path)?;
        self.files.answer(&path)?;
        let now = Instant::now();
        if self.seen.first_part.is_none() {
            self.seen.first_part = Some(now - self.begun);
        }
        let stalled = self.show(now, part.duration, hold_back);
        if self.shared.measures() {
            self.seen.answers.push(now - asked);
            self.seen.stalls += u64::from(stalled);
        }
        let received = self.lists.received + self.files.received;
        self.shared.bytes.fetch_add(received - self.counted, Relaxed);
        self.counted = received;
        Ok(())
    }

    /// A part that came at `now` is shown when the one before it ends; true if that was before.
    fn show(&mut self, now: Instant, duration: Duration, hold_back: Duration) -> bool {
        let due = *self.due.get_or_insert(now + hold_back);
        let late = now > due;
        self.due = Some(if late { now + hold_back } else { due } + duration);
        late
    }
}
