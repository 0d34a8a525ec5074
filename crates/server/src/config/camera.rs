//! The `cameras` section: what each camera's streams are made from (`source`, `on_demand`: a change
//! restarts the source), and how they are treated (all other keys: a change applies while the
//! stream runs).

use super::{Source, problem::Place, section::Section, values};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// One camera.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Camera {
    /// Its own picture.
    pub(crate) input: Input,
    /// The same picture in other sizes, by name.
    pub(crate) renditions: BTreeMap<Arc<str>, Input>,
    /// Viewers at once, all protocols and renditions together; `None` is as many as the server
    /// takes.
    pub(crate) max_viewers: Option<usize>,
    /// The name for people, where the camera's own is not enough.
    pub(crate) title: Option<Arc<str>>,
}

/// What a stream, a camera's own or a rendition's, is made from, and how it is treated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Input {
    /// Where the picture comes from.
    pub(crate) source: Source,
    /// The source runs only while the stream has readers.
    pub(crate) on_demand: bool,
    /// How the stream is treated, whatever it is made from.
    pub(crate) policy: InputPolicy,
}

/// How a stream is treated. A change applies to the running stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct InputPolicy {
    /// Without a frame for this long the stream is stalled.
    pub(crate) stall_after: Duration,
    /// While there is no picture, players are shown why.
    pub(crate) slate: bool,
    /// A picture that has not changed for this long is frozen; `None` is never.
    pub(crate) frozen_after: Option<Duration>,
    /// Then the source is restarted.
    pub(crate) frozen_restart: bool,
}

/// The shortest and longest times without a frame that make a camera stalled.
const STALL: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(3600));
/// The shortest and longest times without a change that make a picture frozen.
const FROZEN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));
/// The most viewers that a limit may allow: far beyond what one machine serves, so a larger number
/// is a slip of the hand.
const MOST_VIEWERS: usize = 100_000;
/// The longest title, in characters: what a tile of the page has room for.
const LONGEST_TITLE: usize = 80;
/// Keys of later versions.
const NOT_YET: &[&str] = &["record", "motion"];

pub(super) fn viewers(text: &str) -> Result<usize, String> {
    values::count_within(text, 1, MOST_VIEWERS)
}

fn title(text: &str) -> Result<Arc<str>, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("a title needs at least one character; leave the key out for none".to_owned()),
        1..=LONGEST_TITLE if !text.contains(char::is_control) => Ok(text.into()),
        1..=LONGEST_TITLE => Err("a title is one line without control characters".to_owned()),
        n => Err(format!("a title of {n} characters is too long; use at most {LONGEST_TITLE}")),
    }
}

/// Reads the section `cameras`.
pub(super) fn read_all(section: Section<'_>) -> BTreeMap<Arc<str>, Camera> {
    let problems = section.problems();
    let mut cameras = BTreeMap::new();
    for (entry, path) in section.names() {
        if let Err(text) = values::camera_name(&entry.key) {
            problems.add(&entry.place, path.as_str(), text);
        }
        let place = entry.place.clone();
        if let Some(camera) = Camera::read(Section::new(path, entry.node, problems), &place) {
            cameras.insert(entry.key.into(), camera);
        }
    }
    cameras
}

impl Camera {
    /// A camera of this source, and otherwise as by default.
    pub(super) fn new(source: Source) -> Self {
        let (renditions, max_viewers, title) = (BTreeMap::new(), None, None);
        Self { input: Input::new(source), renditions, max_viewers, title }
    }

    fn read(mut section: Section<'_>, place: &Place) -> Option<Self> {
        let input = Input::read(&mut section, place, "camera", Input::new(Source::Publish));
        // Mistakes in renditions are told even if the camera itself cannot be understood.
        let like = input.clone().unwrap_or(Input::new(Source::Publish));
        let renditions = renditions(section.section("renditions"), &like);
        let max_viewers = section.value("max_viewers", viewers);
        let title = section.value("title", title);
        section.not_yet(NOT_YET);
        section.finish();
        Some(Self { input: input?, renditions, max_viewers, title })
    }

    /// The keys of the camera as a whole, its streams left out, that differ from `old`.
    pub(super) fn changed_keys(&self, old: &Self) -> Vec<&'static str> {
        changed([
            ("max_viewers", self.max_viewers != old.max_viewers),
            ("title", self.title != old.title),
        ])
    }
}

fn renditions(section: Section<'_>, like: &Input) -> BTreeMap<Arc<str>, Input> {
    let problems = section.problems();
    let mut renditions = BTreeMap::new();
    for (entry, path) in section.names() {
        if let Err(text) = values::rendition_name(&entry.key) {
            problems.add(&entry.place, path.as_str(), text);
        }
        let mut section = Section::new(path, entry.node, problems);
        let input = Input::read(&mut section, &entry.place, "rendition", like.clone());
        section.finish();
        renditions.extend(input.map(|input| (entry.key.into(), input)));
    }
    renditions
}

impl Input {
    fn new(source: Source) -> Self {
        let policy = InputPolicy {
            stall_after: Duration::from_secs(5),
            slate: false,
            frozen_after: Some(Duration::from_secs(30)),
            frozen_restart: false,
        };
        Self { source, on_demand: false, policy }
    }

    /// Reads the keys of `what`, which is as `default` where nothing is said, but for the source.
    fn read(section: &mut Section<'_>, place: &Place, what: &str, default: Self) -> Option<Self> {
        let lacks_source = section.lacks("source");
        let source = section.value("source", str::parse);
        let on_demand = section.value("on_demand", values::switch);
        let policy = InputPolicy::read(section, default.policy);
        if lacks_source {
            let text =
                format!("this {what} has no source; add `source: rtsp://…` or `source: publish`");
            section.problems().add(place, section.path(), text);
        }
        Some(Self { source: source?, on_demand: on_demand.unwrap_or(default.on_demand), policy })
    }

    /// True if a change from `old` needs a new run of the source.
    pub(super) fn restarts(&self, old: &Self) -> bool {
        (&self.source, self.on_demand) != (&old.source, old.on_demand)
    }

    /// The keys that differ from `old`.
    pub(super) fn changed_keys(&self, old: &Self) -> Vec<&'static str> {
        let (new, was) = (&self.policy, &old.policy);
        changed([
            ("source", self.source != old.source),
            ("on_demand", self.on_demand != old.on_demand),
            ("stall_after", new.stall_after != was.stall_after),
            ("slate", new.slate != was.slate),
            ("frozen_after", new.frozen_after != was.frozen_after),
            ("frozen_restart", new.frozen_restart != was.frozen_restart),
        ])
    }
}

fn changed<const N: usize>(keys: [(&'static str, bool); N]) -> Vec<&'static str> {
    keys.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}

impl InputPolicy {
    fn read(section: &mut Section<'_>, default: Self) -> Self {
        let stall_after =
            section.value("stall_after", |text| values::duration_within(text, STALL.0, STALL.1));
        let slate = section.value("slate", values::switch);
        let frozen_after =
            section.value("frozen_after", |text| values::unless_off(text, FROZEN.0, FROZEN.1));
        let frozen_restart = section.placed("frozen_restart", values::switch);
        let frozen_after = frozen_after.unwrap_or(default.frozen_after);
        if let Some((true, place)) = frozen_restart.as_ref().filter(|_| frozen_after.is_none()) {
            let text = "nothing is started anew with frozen_after: off; remove one of them";
            section.problems().add(place, format!("{}.frozen_restart", section.path()), text);
        }
        Self {
            stall_after: stall_after.unwrap_or(default.stall_after),
            slate: slate.unwrap_or(default.slate),
            frozen_after,
            frozen_restart: frozen_restart.map_or(default.frozen_restart, |(on, _)| on),
        }
    }
}
