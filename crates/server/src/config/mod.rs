//! The config: read from YAML and the environment, understood as a whole, every mistake told with
//! its place.

mod camera;
mod environment;
mod loader;
mod plan;
mod problem;
mod section;
mod source;
mod tree;
mod values;
mod watch;

pub(crate) use camera::{Camera, Input};
pub(crate) use loader::Loader;
pub(crate) use plan::{Plan, StreamChange};
pub(crate) use problem::Problems;
pub(crate) use source::{
    Certificate, ExecCommand, FileSource, HttpSource, RpicamDriver, RpicamEncoder, RpicamSource,
    RtspSource, Source, TestSource, UdpSource, V4l2Source,
};

use environment::Environment;
use problem::{Gathered, Place};
use section::Section;
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    rc::Rc,
    sync::Arc,
};
use tree::Node;

/// Everything that can be configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Config {
    /// Where to listen.
    pub(crate) listen: Listen,
    /// WebRTC.
    pub(crate) webrtc: WebRtc,
    /// How much there may be at once.
    pub(crate) limits: Limits,
    /// Where the server keeps what it has to remember.
    pub(crate) state_dir: StateDir,
    /// The cameras by name.
    pub(crate) cameras: BTreeMap<Arc<str>, Camera>,
}

/// The `state_dir` key.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) enum StateDir {
    /// Where systemd or a package made one.
    #[default]
    Usual,
    /// Here.
    At(PathBuf),
    /// Nothing is remembered.
    Off,
}

/// The addresses to listen on; `None` is off.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Listen {
    /// Dashboard, API, WHEP, metrics.
    pub(crate) http: Option<SocketAddr>,
    /// RTSP publish and play.
    pub(crate) rtsp: Option<SocketAddr>,
    /// All WebRTC media.
    pub(crate) webrtc: Option<SocketAddr>,
}

/// The `webrtc` section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct WebRtc {
    /// Media may go over TCP where a browser's network blocks UDP.
    pub(crate) tcp: bool,
    /// Addresses to offer beside those of this machine.
    pub(crate) hosts: Vec<IpAddr>,
}

/// The `limits` section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// Viewers at once, all protocols and cameras together.
    pub(crate) viewers: usize,
}

impl Default for WebRtc {
    fn default() -> Self {
        Self { tcp: true, hosts: Vec::new() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { viewers: 1000 }
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            http: Some((Ipv4Addr::LOCALHOST, 8080).into()),
            rtsp: Some((Ipv4Addr::LOCALHOST, 8554).into()),
            webrtc: Some((Ipv4Addr::UNSPECIFIED, 8189).into()),
        }
    }
}

impl Config {
    /// One camera `demo`, and nothing but loopback ports.
    ///
    /// # Errors
    /// What is wrong with `source`.
    pub(crate) fn demo(source: &str) -> Result<Self, String> {
        let camera = Camera::new(source.parse()?);
        let listen =
            Listen { webrtc: Some((Ipv4Addr::LOCALHOST, 8189).into()), ..Listen::default() };
        let cameras = BTreeMap::from([("demo".into(), camera)]);
        Ok(Self {
            listen,
            webrtc: WebRtc::default(),
            limits: Limits::default(),
            state_dir: StateDir::Off,
            cameras,
        })
    }

    /// The same, but listening where these say.
    pub(crate) fn listening_on(
        mut self,
        http: Option<SocketAddr>,
        rtsp: Option<SocketAddr>,
        webrtc: Option<SocketAddr>,
    ) -> Self {
        self.listen.http = http.or(self.listen.http);
        self.listen.rtsp = rtsp.or(self.listen.rtsp);
        self.listen.webrtc = webrtc.or(self.listen.webrtc);
        self
    }

    /// Every stream by its name: `CAMERA`, and behind it its renditions as `CAMERA/RENDITION`.
    pub(crate) fn streams(&self) -> BTreeMap<Arc<str>, &Input> {
        let mut streams = BTreeMap::new();
        for (name, camera) in &self.cameras {
            let renditions = camera
                .renditions
                .iter()
                .map(|(rendition, input)| (format!("{name}/{rendition}").into(), input));
            streams.insert(name.clone(), &camera.input);
            streams.extend(renditions);
        }
        streams
    }

    /// What it amounts to, in a few words.
    pub(crate) fn summary(&self) -> String {
        let names: Vec<&str> = self.cameras.keys().map(|name| &**name).collect();
        match names.len() {
            0 => "no cameras".to_owned(),
            1 => format!("1 camera ({})", names[0]),
            n => format!("{n} cameras ({})", names.join(", ")),
        }
    }

    /// Reads YAML and the environment. `file` names the YAML in problems.
    fn parse(file: &Rc<str>, yaml: &str, environment: &Environment) -> Result<Self, Problems> {
        let mut root = tree::parse(file, yaml)?;
        let problems = Gathered::default();
        environment::interpolate(&mut root, "", environment, &problems);
        environment::overlay(&mut root, environment, &problems);
        Self::read(root, problems)
    }

    /// Understands a tree.
    fn read(root: Node, problems: Gathered) -> Result<Self, Problems> {
        let mut root = Section::new(String::new(), root, &problems);
        let listen = Listen::read(root.section("listen"));
        let webrtc = WebRtc::read(root.section("webrtc"));
        let limits = Limits::read(root.section("limits"));
        let state_dir = root.value("state_dir", state_dir).unwrap_or_default();
        let cameras = camera::read_all(root.section("cameras"));
        root.finish();
        let config = Self { listen, webrtc, limits, state_dir, cameras };
        problems.unless_any(config)
    }
}

impl Listen {
    fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let http = section.placed("http", values::listen);
        let rtsp = section.placed("rtsp", values::listen);
        let webrtc = section.placed("webrtc", values::listen);
        let addr = |read: &Option<(Option<SocketAddr>, Place)>, default| {
            read.as_ref().map_or(default, |(addr, _)| *addr)
        };
        let listen = Self {
            http: addr(&http, default.http),
            rtsp: addr(&rtsp, default.rtsp),
            webrtc: addr(&webrtc, default.webrtc),
        };
        let place = |read: Option<(_, Place)>| read.map(|(_, place)| place);
        listen.check_ports(&section, [place(http), place(rtsp), place(webrtc)]);
        section.finish();
        listen
    }

    /// All three are TCP ports too, so no two may be the same.
    fn check_ports(&self, section: &Section<'_>, places: [Option<Place>; 3]) {
        let all = [("http", self.http), ("rtsp", self.rtsp), ("webrtc", self.webrtc)];
        for (i, (key, addr)) in all.iter().enumerate() {
            let clash = all[..i].iter().find(|(_, other)| clash(*addr, *other));
            if let Some((other, _)) = clash {
                let place = places[i]
                    .as_ref()
                    .or(places[..i].iter().flatten().last())
                    .unwrap_or(section.place());
                let text =
                    format!("the same port as {}.{other}; give each its own", section.path());
                section.problems().add(place, format!("{}.{key}", section.path()), text);
            }
        }
    }
}

fn clash(a: Option<SocketAddr>, b: Option<SocketAddr>) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return false };
    let same_host = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && same_host
}

impl WebRtc {
    fn read(mut section: Section<'_>) -> Self {
        let tcp = section.value("tcp", values::switch).unwrap_or(Self::default().tcp);
        let hosts = section.list("hosts", values::ip).unwrap_or_default();
        section.finish();
        Self { tcp, hosts }
    }
}

impl Limits {
    fn read(mut section: Section<'_>) -> Self {
        let viewers = section.value("viewers", camera::viewers);
        section.finish();
        Self { viewers: viewers.unwrap_or(Self::default().viewers) }
    }
}

fn state_dir(text: &str) -> Result<StateDir, String> {
    match text {
        // What YAML makes of a bare `off`.
        "off" | "false" => Ok(StateDir::Off),
        path if path.starts_with('/') => Ok(StateDir::At(path.into())),
        _ => {
            Err(format!("{text:?} is no whole path; write for example /var/lib/neverblink, or off"))
        }
    }
}

#[cfg(test)]
mod tests;
