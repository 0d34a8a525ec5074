//! The streams that dial out, cameras and renditions alike, and which module dials for which kind
//! of source.

use super::House;
use crate::{
    cameras::{Camera, Order, Origin, Restarts, SourceControl},
    config::{
        Certificate, ExecCommand, FileSource, HttpSource, Input, RpicamDriver, RpicamEncoder,
        RpicamSource, RtspSource, Source, TestSource, UdpSource, V4l2Source,
    },
    controls::Desk,
    slate,
    source::{
        exec::{ExecSource, Program},
        file::{self, FilePlay},
        http::{HttpPull, Target, Trust},
        rpicam::{self, Rpicam},
        rtsp::Pull,
        udp::{self, UdpListen},
        worker::{Local, WorkerSource},
    },
    stillness,
    supervise::{Command, Policy, Supervisor, SupervisorHandle, supervise},
    workers::Spawner,
};
use futures::future::join_all;
use hub::StreamOptions;
use proto::ipc::{Capture, TestPicture};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio_util::sync::DropGuard;

/// A source on demand runs on for this long after its last viewer: people reload pages.
const LINGER: Duration = Duration::from_secs(10);

/// The sources that run.
pub(super) struct Sources {
    house: House,
    running: BTreeMap<Arc<str>, Supervisor>,
    slates: BTreeMap<Arc<str>, DropGuard>,
    /// Those who look whether pictures stand still.
    lookers: BTreeMap<Arc<str>, DropGuard>,
}

impl Sources {
    /// None yet.
    pub(super) fn new(house: House) -> Self {
        Self { house, running: BTreeMap::new(), slates: BTreeMap::new(), lookers: BTreeMap::new() }
    }

    /// Adds a camera or rendition, or changes the one of this name, and starts its source if it has
    /// one of its own.
    pub(super) fn start(&mut self, name: &Arc<str>, config: &Input) {
        let (cameras, now) = (&self.house.cameras, self.house.clock.now());
        let origin = Origin {
            text: config.source.to_string().into(),
            publishable: config.source == Source::Publish,
            on_demand: config.on_demand,
        };
        let options =
            StreamOptions { stall_after: config.policy.stall_after, ..StreamOptions::default() };
        let camera = cameras.add(name, origin, options, now);
        let stopped = self.holds(&camera);
        camera.controls().expect(has_controls(&config.source));
        camera.controls().remember(self.house.settings.of(name));
        camera.stillness().expect(freeze_policy(config));
        let supervisor =
            dial(&self.house, &config.source, &camera, Policy { stopped, ..policy(config) });
        camera.set_source_control(
            supervisor
                .as_ref()
                .map(|s| Arc::new(SupervisorHandle::clone(s)) as Arc<dyn SourceControl>),
        );
        self.watch(&camera, config);
        self.running.extend(supervisor.map(|s| (name.clone(), s)));
    }

    /// Applies all keys but those of the source to a stream that runs on.
    pub(super) fn adjust(&mut self, name: &Arc<str>, config: &Input) {
        let Ok(camera) = self.house.cameras.get(name) else { return };
        let stall_after = config.policy.stall_after;
        camera.stream().set_stall_after(stall_after);
        if let Some(supervisor) = self.running.get(name) {
            supervisor.set_stall_after(stall_after);
        }
        camera.stillness().adjust(freeze_policy(config));
        self.watch(&camera, config);
    }

    /// Starts, or ends, what looks after the picture of a camera.
    fn watch(&mut self, camera: &Arc<Camera>, config: &Input) {
        let (house, name) = (&self.house, camera.name());
        let look = || house.pictures.look(camera);
        keep(&mut self.lookers, name, freeze_policy(config).is_some(), look);
        let stream = camera.stream();
        let slate = || slate::keep(stream.clone(), house.spawner.clone(), house.clock);
        keep(&mut self.slates, name, config.policy.slate, slate);
    }

    /// Keeps a stream held that was stopped by command; true if so.
    fn holds(&self, camera: &Camera) -> bool {
        let since = self.house.stops.since(camera.name());
        match since {
            Some(since) => {
                camera.stay_stopped(since, self.house.clock.pair());
                tracing::info!(camera = %camera.name(), %since, "stopped by command before, and stays so");
            }
            None => drop(camera.stream().enable()),
        }
        since.is_some()
    }

    /// Stops the source of a camera or rendition and sends away whoever publishes to it; its
    /// readers stay.
    pub(super) async fn stop(&mut self, name: &Arc<str>, reason: &str) {
        self.slates.remove(name);
        self.lookers.remove(name);
        if let Some(supervisor) = self.running.remove(name) {
            supervisor.shutdown().await;
        }
        if let Ok(stream) = self.house.cameras.play(name) {
            stream.kick_publisher(self.house.clock.now(), reason);
        }
    }

    /// Stops all sources at once.
    pub(super) async fn shutdown(self) {
        drop((self.slates, self.lookers));
        join_all(self.running.into_values().map(Supervisor::shutdown)).await;
    }
}

/// Leaves a task as it is that runs and is wanted.
fn keep(
    tasks: &mut BTreeMap<Arc<str>, DropGuard>,
    name: &Arc<str>,
    wanted: bool,
    start: impl FnOnce() -> DropGuard,
) {
    if !wanted {
        tasks.remove(name);
    } else if !tasks.contains_key(name) {
        tasks.insert(name.clone(), start());
    }
}

/// The kinds of sources that have controls while they run.
fn has_controls(source: &Source) -> bool {
    matches!(source, Source::Rpicam(_) | Source::V4l2(_))
}

/// When its picture is frozen. The test picture is never.
fn freeze_policy(config: &Input) -> Option<stillness::Policy> {
    let looked_at = !matches!(config.source, Source::Test(_));
    let after = config.policy.frozen_after.filter(|_| looked_at)?;
    Some(stillness::Policy { after, restart: config.policy.frozen_restart })
}

fn policy(config: &Input) -> Policy {
    Policy {
        stall_after: config.policy.stall_after,
        on_demand: config.on_demand.then_some(LINGER),
        ..Policy::default()
    }
}

/// Starts what reaches this kind of source; `None` if it comes to us by itself.
fn dial(house: &House, source: &Source, camera: &Camera, policy: Policy) -> Option<Supervisor> {
    let stream = camera.stream().clone();
    match source {
        Source::Publish => None,
        Source::Rtsp(rtsp) => Some(supervise(pull(rtsp), stream, policy, house.clock)),
        Source::Http(http) => Some(supervise(ask(http), stream, policy, house.clock)),
        Source::Exec(exec) => Some(supervise(execute(exec), stream, policy, house.clock)),
        // One that has ended stays so, and is silent.
        Source::File(file) => Some(supervise(
            play(file),
            stream,
            Policy { waits: !file.repeat, ..policy },
            house.clock,
        )),
        // Whoever waits is not at fault for silence.
        Source::Udp(udp) => {
            Some(supervise(listen(udp), stream, Policy { waits: true, ..policy }, house.clock))
        }
        Source::Rpicam(pi) => {
            Some(supervise(drive(pi, camera.controls().clone()), stream, policy, house.clock))
        }
        Source::V4l2(local) => {
            let about =
                Local { desk: camera.controls().clone(), eye: camera.stillness().eye(false) };
            let source = capture(house.spawner.clone(), stream.name(), local, about);
            Some(supervise(source, stream, policy, house.clock))
        }
        Source::Test(test) => {
            let source = test_picture(house.spawner.clone(), stream.name(), test);
            Some(supervise(source, stream, policy, house.clock))
        }
    }
}

/// What dials an RTSP camera.
pub(crate) fn pull(source: &RtspSource) -> Pull {
    let login = source.credentials.as_ref().map(|c| (c.user.as_str(), c.password.reveal()));
    Pull::new(&source.url, login, source.to_string())
}

/// What asks a camera for JPEG files.
pub(crate) fn ask(source: &HttpSource) -> HttpPull {
    let login = source.credentials.as_ref().map(|c| (c.user.as_str(), c.password.reveal()));
    let trust = match source.certificate {
        Certificate::Authorities => Trust::Authorities,
        Certificate::One(fingerprint) => Trust::One(fingerprint),
        Certificate::Any => Trust::Any,
    };
    HttpPull::new(Target::new(&source.url, login, trust, source.fps, source.to_string()))
}

/// What runs a command.
pub(crate) fn execute(command: &ExecCommand) -> ExecSource {
    let ExecCommand { words, format } = command.clone();
    ExecSource::new(Program { words, format }, command.to_string())
}

/// What plays a file.
pub(crate) fn play(source: &FileSource) -> FilePlay {
    let FileSource { path, repeat } = source.clone();
    FilePlay::new(file::Target { path, repeat }, source.to_string())
}

/// What drives the camera of a Raspberry Pi.
pub(crate) fn drive(source: &RpicamSource, desk: Desk) -> Rpicam {
    let RpicamSource {
        camera,
        width,
        height,
        fps,
        gop,
        bitrate,
        hflip,
        vflip,
        driver,
        encoder,
        controls,
    } = source.clone();
    let driver = match driver {
        RpicamDriver::Auto => rpicam::Driver::Auto,
        RpicamDriver::Picamera2 => rpicam::Driver::Picamera2,
        RpicamDriver::RpicamVid => rpicam::Driver::RpicamVid,
    };
    let encoder = match encoder {
        RpicamEncoder::Auto => rpicam::Encoder::Auto,
        RpicamEncoder::Hardware => rpicam::Encoder::Hardware,
        RpicamEncoder::Software => rpicam::Encoder::Software,
    };
    let options = rpicam::Options {
        camera,
        width,
        height,
        fps,
        gop,
        bitrate,
        hflip,
        vflip,
        driver,
        encoder,
        controls,
    };
    Rpicam::new(options, desk, source.to_string())
}

/// What waits for MPEG-TS.
pub(crate) fn listen(source: &UdpSource) -> UdpListen {
    let UdpSource { address, interface } = source.clone();
    UdpListen::new(udp::Target { address, interface }, source.to_string())
}

/// What takes the pictures of a camera of this machine.
pub(crate) fn capture(
    spawner: Spawner,
    name: &str,
    source: &V4l2Source,
    about: Local,
) -> WorkerSource {
    let V4l2Source { device, width, height, fps, format, gop, bitrate, encoder } = source.clone();
    let (name, gop, bitrate) = (name.to_owned(), gop.unwrap_or(0), bitrate.unwrap_or(0));
    let capture = Capture { name, device, width, height, fps, format, gop, bitrate, encoder };
    WorkerSource::camera(spawner, capture, source.to_string(), about)
}

/// What makes the test picture. The bounds of the config fit the types of the job.
pub(crate) fn test_picture(spawner: Spawner, name: &str, test: &TestSource) -> WorkerSource {
    let narrow = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
    let picture = TestPicture {
        name: name.to_owned(),
        width: narrow(test.width),
        height: narrow(test.height),
        fps: narrow(test.fps),
        gop: narrow(test.gop),
        bitrate: test.bitrate,
        noise: u8::try_from(test.noise).unwrap_or(u8::MAX),
    };
    WorkerSource::test_picture(spawner, picture)
}

impl SourceControl for SupervisorHandle {
    fn order(&self, order: Order) {
        self.command(match order {
            Order::Start => Command::Start,
            Order::Stop => Command::Stop,
            Order::Restart => Command::Restart,
            Order::Mend(still) => Command::Mend(still),
        });
    }

    fn restarts(&self) -> Restarts {
        Restarts { by_reason: self.restarts(), last: self.last_fault() }
    }
}
