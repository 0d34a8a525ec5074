//! The thread that reads a file, round by round, a little ahead of what is played.

use super::{Target, faults, order::Order};
use crate::supervise::Exit;
use media::{
    AccessUnit, Catalog, Codec, Track, TrackId,
    container::{
        Demuxed,
        file::{FileReader, Storage},
    },
};
use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
    thread,
};
use tokio::sync::mpsc;

/// What is read ahead.
const AHEAD: usize = 8;
/// So many frames of sound without a picture show that there will be none.
const PATIENCE: usize = 4000;

/// Looked at beforehand, to learn what the file consists of.
const TELLING: usize = 200;

/// What comes out.
#[allow(clippy::large_enum_variant, reason = "most are units, which are moved on at once")]
pub(super) enum Item {
    /// The file begins, for the first time or anew.
    Round,
    /// It consists of this from here on.
    Catalog(Catalog),
    /// A frame, with its decode time in nanoseconds. The first of a round is a keyframe.
    Unit(i64, AccessUnit),
    /// Tracks are left out.
    Ignored(Vec<String>),
    /// It cannot be read further.
    Fault(Exit),
    /// It is not to begin anew.
    End,
}

/// Starts reading; the thread ends soon after the receiver is dropped.
pub(super) fn start(target: Target) -> mpsc::Receiver<Item> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let work = move || {
        let mut rounds = Rounds { target, sender, known: None };
        if let Err(Some(exit)) = rounds.run() {
            rounds.send(Item::Fault(exit)).ok();
        }
    };
    if let Err(error) = thread::Builder::new().name("file".to_owned()).spawn(work) {
        tracing::error!(%error, "no thread to read a file with");
    }
    receiver
}

/// `None` if nobody listens any more.
type Ended = Option<Exit>;

struct Rounds {
    target: Target,
    sender: mpsc::Sender<Item>,
    /// What the file was found to consist of, while it is the same file.
    known: Option<(Seen, Catalog)>,
}

impl Rounds {
    fn send(&self, item: Item) -> Result<(), Ended> {
        self.sender.blocking_send(item).map_err(|_| None)
    }

    fn run(&mut self) -> Result<(), Ended> {
        loop {
            let file = open(&self.target.path)
                .map_err(|error| Some(faults::not_opened(&self.target.path, &error)))?;
            self.send(Item::Round)?;
            let began = file.metadata().ok().map(|metadata| seen(&metadata));
            let known = self.known.take().filter(|(file, _)| Some(*file) == began);
            let known = known.map(|(_, catalog)| catalog).or_else(|| learn(file.try_clone().ok()?));
            let (ended, catalog, played) = self.round(file, known);
            self.known = began.zip(catalog);
            if let Err(Some(exit)) = ended {
                // What was written over while it was read makes no sense, but may by now. One that
                // is still being written is left to the supervisor's patience, or it would be
                // opened again and again without a pause.
                let now = self.target.path.metadata().ok().map(|metadata| seen(&metadata));
                if now.is_none() || now == began || !played {
                    return Err(Some(exit));
                }
                tracing::info!(file = %self.target.path.display(), "changed while it was read; begun anew");
            } else {
                ended?;
            }
            if !self.target.repeat {
                return self.send(Item::End);
            }
        }
    }

    /// Plays it once; what it consists of, too, which may be `known` already, and whether a picture
    /// came of it.
    fn round(
        &self,
        file: File,
        known: Option<Catalog>,
    ) -> (Result<(), Ended>, Option<Catalog>, bool) {
        let mut round = Round {
            rounds: self,
            order: Order::default(),
            catalog: known,
            pictures: None,
            keys: 0,
            without: 0,
        };
        let ended = self.play(file, &mut round);
        (ended, round.catalog, round.keys > 0)
    }

    fn play(&self, file: File, round: &mut Round<'_>) -> Result<(), Ended> {
        let path = &self.target.path;
        let broken = |fault| Some(faults::unreadable(path, &fault));
        let mut reader = FileReader::open(Opened(file)).map_err(broken)?;
        tracing::debug!(file = %path.display(), format = %reader.format(), "begun");
        let mut told = 0;
        loop {
            if reader.ignored().len() > told {
                told = reader.ignored().len();
                self.send(Item::Ignored(reader.ignored().to_vec()))?;
            }
            if reader.is_hopeless() || round.without > PATIENCE {
                return Err(Some(faults::no_pictures(path, reader.ignored())));
            }
            match reader.read() {
                Ok(Some(Demuxed::Catalog(catalog))) => round.catalog(catalog)?,
                Ok(Some(Demuxed::Unit(unit))) => round.unit(unit)?,
                Ok(None) => break,
                Err(fault) => {
                    // What came before is good.
                    round.flush()?;
                    return Err(broken(fault));
                }
            }
        }
        round.flush()?;
        match round {
            Round { keys: 1.., .. } => Ok(()),
            Round { pictures: Some(_), .. } => Err(Some(faults::no_keyframe(path))),
            Round { pictures: None, .. } => Err(Some(faults::no_pictures(path, reader.ignored()))),
        }
    }
}

/// One time through the file.
struct Round<'a> {
    rounds: &'a Rounds,
    order: Order,
    /// What it consists of, as far as that was ever known.
    catalog: Option<Catalog>,
    /// The track with pictures.
    pictures: Option<TrackId>,
    keys: u64,
    /// Frames that came before there were pictures.
    without: usize,
}

impl Round<'_> {
    fn catalog(&mut self, catalog: Catalog) -> Result<(), Ended> {
        self.flush()?;
        self.pictures = catalog.video().map(|track| track.id);
        // What is found out bit by bit was known at the end of the round before, and viewers need
        // not hear of it anew.
        let catalog = match self.catalog.take() {
            Some(known) if becomes(&catalog, &known) => known,
            _ => catalog,
        };
        self.order.set_catalog(&catalog);
        self.catalog = Some(catalog.clone());
        self.rounds.send(Item::Catalog(catalog))
    }

    fn unit(&mut self, unit: AccessUnit) -> Result<(), Ended> {
        let begins = unit.key && Some(unit.track) == self.pictures;
        self.keys += u64::from(begins);
        if self.keys == 0 {
            self.without += usize::from(self.pictures.is_none());
            return Ok(());
        }
        if self.order.jumps(&unit) {
            self.flush()?;
        }
        self.order.push(unit);
        self.drain()
    }

    fn flush(&mut self) -> Result<(), Ended> {
        self.order.flush();
        self.drain()
    }

    fn drain(&mut self) -> Result<(), Ended> {
        while let Some((time, unit)) = self.order.pop() {
            self.rounds.send(Item::Unit(time, unit))?;
        }
        Ok(())
    }
}

/// An open file.
struct Opened(File);

impl Storage for Opened {
    fn read_at(&mut self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        while read < into.len() {
            match self.0.read_at(&mut into[read..], at.saturating_add(read as u64)) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Behind what any file can hold.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => break,
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }
}

/// Opens what can be read from beginning to end, again and again. A pipe would be waited for.
fn open(path: &Path) -> io::Result<File> {
    let kind = path.metadata()?.file_type();
    match kind {
        _ if kind.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        _ if !kind.is_file() => Err(io::ErrorKind::InvalidInput.into()),
        _ => File::open(path),
    }
}

/// By what a file is told from another, or from what it was before.
type Seen = (u64, u64, i64, i64);

fn seen(metadata: &Metadata) -> Seen {
    (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

/// What a file consists of, as far as its beginning tells: some say it bit by bit, and viewers
/// would have to begin anew each time.
fn learn(file: File) -> Option<Catalog> {
    let (mut reader, mut known) = (FileReader::open(Opened(file)).ok()?, None);
    for _ in 0..TELLING {
        match reader.read() {
            Ok(Some(Demuxed::Catalog(catalog))) => known = Some(catalog),
            Ok(Some(Demuxed::Unit(_))) => {}
            Ok(None) | Err(_) => break,
        }
    }
    known
}

/// True if `known` is what `catalog` may turn out to be.
fn becomes(catalog: &Catalog, known: &Catalog) -> bool {
    let same = |(new, old): (&Track, &Track)| match (&new.codec, &old.codec) {
        (Codec::H264(None), Codec::H264(_)) | (Codec::H265(None), Codec::H265(_)) => true,
        (new, old) => new == old,
    };
    catalog.tracks.len() <= known.tracks.len() && catalog.tracks.iter().zip(&known.tracks).all(same)
}
