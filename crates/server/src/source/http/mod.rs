//! HTTP pull: cameras and scripts that answer a GET with JPEG files, either without end
//! (`multipart/x-mixed-replace`) or one by one (`image/jpeg`), which is then asked for again and
//! again.
//!
//! What is absent on purpose: retries (see [`crate::supervise`]), and following redirects, for a
//! password would follow them.

mod dial;
mod faults;
mod target;
mod tls;

pub(crate) use target::Target;
pub(crate) use tls::Trust;

use crate::supervise::{Context, Exit, Source};
use bytes::{Bytes, BytesMut};
use dial::{Answer, Connection, Content};
use hub::Publisher;
use media::{AccessUnit, Catalog, Codec, Mono, Timing, TrackId, VideoParams, jpeg};
use proto::multipart::{MAX_FILE, Reader};
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};

/// Ticks a second of published pictures.
const CLOCK_RATE: u32 = 90_000;

/// A camera that is asked by HTTP.
pub(crate) struct HttpPull {
    target: Target,
}

impl HttpPull {
    /// Asks the camera at `target`.
    pub(crate) const fn new(target: Target) -> Self {
        Self { target }
    }

    async fn pull(&self, ctx: &Context) -> Exit {
        let mut desk = Desk { ctx, label: self.target.label().clone(), publisher: None };
        let exit = match self.watch(&mut desk).await {
            Ok(()) => faults::closed(&self.target),
            Err(exit) => exit,
        };
        if let Some((publisher, _)) = desk.publisher {
            publisher.finish(ctx.clock.now(), exit.words.clone());
        }
        exit
    }

    async fn watch(&self, desk: &mut Desk<'_>) -> Result<(), Exit> {
        let mut connection = Connection::open(&self.target).await?;
        let answer = connection.ask().await?;
        tracing::info!(camera = %desk.ctx.stream.name(), source = %desk.label, kind = answer.content.as_str(), "connected");
        match answer.content {
            Content::Endless => self.follow(answer, desk).await,
            Content::Single => self.repeat(connection, answer, desk).await,
        }
    }

    /// Takes files out of an answer until it ends.
    async fn follow(&self, mut answer: Answer, desk: &mut Desk<'_>) -> Result<(), Exit> {
        let mut reader = Reader::default();
        while let Some(bytes) = answer.next(&self.target).await? {
            let now = desk.ctx.clock.now();
            reader.push(&bytes);
            while let Some(file) =
                reader.poll().map_err(|fault| faults::content(&self.target, &fault))?
            {
                desk.publish(now, file)?;
            }
        }
        Ok(())
    }

    /// Asks for one file after the other, as often as the target says.
    async fn repeat(
        &self,
        mut connection: Connection<'_>,
        mut answer: Answer,
        desk: &mut Desk<'_>,
    ) -> Result<(), Exit> {
        let mut due = Instant::now();
        loop {
            let file = self.whole(&mut answer).await?;
            desk.publish(desk.ctx.clock.now(), file)?;
            due = (due + self.target.interval()).max(Instant::now());
            sleep_until(due).await;
            answer = connection.ask_again().await?;
        }
    }

    async fn whole(&self, answer: &mut Answer) -> Result<Bytes, Exit> {
        let mut file = BytesMut::new();
        while let Some(bytes) = answer.next(&self.target).await? {
            if file.len() + bytes.len() > MAX_FILE {
                return Err(faults::content(&self.target, &proto::multipart::Fault::TooLarge));
            }
            file.extend_from_slice(&bytes);
        }
        Ok(file.freeze())
    }
}

impl Source for HttpPull {
    fn label(&self) -> Arc<str> {
        self.target.label().clone()
    }

    async fn run(&mut self, ctx: Context) -> Exit {
        ctx.until_stopped(self.pull(&ctx)).await
    }
}

/// Where files become published units.
struct Desk<'a> {
    ctx: &'a Context,
    label: Arc<str>,
    publisher: Option<(Publisher, VideoParams)>,
}

impl Desk<'_> {
    /// Publishes a file that came at this time. Cameras tell no time of capture that could be
    /// trusted.
    fn publish(&mut self, now: Mono, file: Bytes) -> Result<(), Exit> {
        let Some((width, height)) = jpeg::size(&file) else {
            return Err(faults::unreadable(&self.label));
        };
        let video = VideoParams { width, height, fps: None, max_reorder: Some(0) };
        let pts =
            i64::try_from(u128::from(now.as_nanos()) * u128::from(CLOCK_RATE) / 1_000_000_000)
                .unwrap_or_default();
        let unit = AccessUnit::new(
            TrackId(0),
            pts,
            true,
            Timing::arrived(now),
            [file].into_iter().collect(),
        );
        let catalog = || Catalog::new([(Codec::Mjpeg(video), CLOCK_RATE)]);
        let (publisher, known) = match &mut self.publisher {
            Some(present) => (&mut present.0, &mut present.1),
            none => {
                let present = none.insert((self.ctx.publish(&self.label, catalog())?, video));
                (&mut present.0, &mut present.1)
            }
        };
        if *known != video {
            publisher.set_catalog(catalog())?;
            *known = video;
        }
        publisher.push(now, unit)?;
        Ok(())
    }
}
