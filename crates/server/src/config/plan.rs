//! From one config to the next, without touching what stays the same.

use super::{Config, Input};
use std::sync::Arc;

/// What must be done to run a new config in place of an old one. Streams are cameras, `CAMERA`, and
/// renditions, `CAMERA/RENDITION`; each stands alone, so a camera's viewers do not feel a change of
/// its renditions.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Plan {
    /// Streams to take away.
    pub(crate) remove: Vec<Arc<str>>,
    /// Streams that are new.
    pub(crate) add: Vec<(Arc<str>, Input)>,
    /// Streams of which keys changed; their readers stay.
    pub(crate) change: Vec<StreamChange>,
    /// Keys that changed but take effect only when the server is started again.
    pub(crate) needs_restart: Vec<&'static str>,
}

/// What changes about a stream that stays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StreamChange {
    /// Its name: `CAMERA`, or `CAMERA/RENDITION`.
    pub(crate) name: Arc<str>,
    /// How it is to be.
    pub(crate) input: Input,
    /// The keys that changed; those of the camera as a whole are with its own stream.
    pub(crate) keys: Vec<&'static str>,
    /// The source must be restarted; otherwise the change applies while it runs.
    pub(crate) restart: bool,
}

impl Plan {
    /// The way from `old` to `new`. The limit of the server is no part of it: it is looked up when
    /// a viewer comes.
    pub(crate) fn new(old: &Config, new: &Config) -> Self {
        let (were, are) = (old.streams(), new.streams());
        let named = |(name, input): (&Arc<str>, &&Input)| (name.clone(), (*input).clone());
        let gone = were.keys().filter(|name| !are.contains_key(*name));
        let come = are.iter().filter(|(name, _)| !were.contains_key(*name));
        let change = are.iter().filter_map(|(name, input)| {
            let was = were.get(name)?;
            let cameras = old.cameras.get(name).zip(new.cameras.get(name));
            let of_camera = cameras.map(|(old, new)| new.changed_keys(old)).unwrap_or_default();
            let keys = [input.changed_keys(was), of_camera].concat();
            let (input, restart) = ((*input).clone(), input.restarts(was));
            (!keys.is_empty()).then(|| StreamChange { name: name.clone(), input, keys, restart })
        });
        let fixed = [
            ("listen.http", old.listen.http != new.listen.http),
            ("listen.rtsp", old.listen.rtsp != new.listen.rtsp),
            ("listen.webrtc", old.listen.webrtc != new.listen.webrtc),
            ("webrtc", old.webrtc != new.webrtc),
            ("state_dir", old.state_dir != new.state_dir),
        ];
        Self {
            remove: gone.cloned().collect(),
            add: come.map(named).collect(),
            change: change.collect(),
            needs_restart: fixed
                .iter()
                .filter(|(_, changed)| *changed)
                .map(|(key, _)| *key)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(yaml: &str) -> Config {
        Config::parse(&"nb.yml".into(), yaml, &Default::default()).unwrap()
    }

    fn plan(old: &str, new: &str) -> Plan {
        Plan::new(&config(old), &config(new))
    }

    fn names(streams: &[(Arc<str>, Input)]) -> Vec<&str> {
        streams.iter().map(|(name, _)| &**name).collect()
    }

    fn changes(plan: &Plan) -> Vec<(&str, &[&'static str], bool)> {
        plan.change.iter().map(|c| (&*c.name, &*c.keys, c.restart)).collect()
    }

    #[test]
    fn only_what_differs_is_touched() {
        let old = "cameras:\n  same: { source: publish }\n  gone: { source: publish }\n  moved: { source: 'rtsp://a/1' }\n";
        let new = "cameras:\n  new: { source: publish }\n  moved: { source: 'rtsp://a/2' }\n  same: { source: publish }\n";
        let plan = plan(old, new);
        assert_eq!(names(&plan.add), ["new"]);
        assert_eq!(changes(&plan), [("moved", &["source"][..], true)]);
        assert_eq!(plan.remove, ["gone".into()]);
        assert!(plan.needs_restart.is_empty());
    }

    #[test]
    fn renditions_come_and_go_beside_their_camera() {
        let with = |renditions: &str| {
            format!("cameras: {{ a: {{ source: publish, renditions: {renditions} }} }}")
        };
        let way = plan(
            &with(
                "{ gone: { source: publish }, moved: { source: 'rtsp://a/1' }, same: { source: publish } }",
            ),
            &with(
                "{ new: { source: publish }, moved: { source: 'rtsp://a/2' }, same: { source: publish } }",
            ),
        );
        assert_eq!(names(&way.add), ["a/new"]);
        assert_eq!(changes(&way), [("a/moved", &["source"][..], true)]);
        assert_eq!(way.remove, ["a/gone".into()]);
        let all = plan(&with("{ sd: { source: publish } }"), "");
        assert_eq!(all.remove, ["a".into(), "a/sd".into()]);
    }

    #[test]
    fn a_new_password_is_a_new_source() {
        let plan = plan(
            "cameras: { a: { source: 'rtsp://u:1@a/' } }",
            "cameras: { a: { source: 'rtsp://u:2@a/' } }",
        );
        assert_eq!(changes(&plan), [("a", &["source"][..], true)]);
    }

    #[test]
    fn what_is_no_source_changes_while_all_runs_on() {
        let old = "cameras: { a: { source: publish, renditions: { sd: { source: publish } } } }";
        let new = "limits: { viewers: 5 }\ncameras: { a: { source: publish, max_viewers: 2, \
                   title: Front door, stall_after: 2s, renditions: { sd: { source: publish, \
                   slate: true, frozen_after: off } } } }";
        let plan = plan(old, new);
        let own = ["stall_after", "max_viewers", "title"];
        let sd = ["stall_after", "slate", "frozen_after"];
        assert_eq!(changes(&plan), [("a", &own[..], false), ("a/sd", &sd[..], false)]);
        assert!(plan.add.is_empty() && plan.remove.is_empty());
    }

    #[test]
    fn on_demand_decides_whether_the_source_runs() {
        let config = |keys: &str| format!("cameras: {{ a: {{ source: publish, {keys} }} }}");
        let plan = plan(&config("slate: true"), &config("on_demand: true"));
        assert_eq!(changes(&plan), [("a", &["on_demand", "slate"][..], true)]);
    }

    #[test]
    fn words_and_order_are_nothing_to_do() {
        let plan = plan(
            "listen: { http: ':1' }\nwebrtc:\n",
            "# a comment\nwebrtc: { hosts: [] }\nlisten:\n  http: 0.0.0.0:1",
        );
        assert_eq!(plan, Plan::default());
    }

    #[test]
    fn what_cannot_be_changed_while_running_is_named() {
        let plan = plan(
            "listen: { http: ':1' }",
            "listen: { http: ':2', rtsp: off }\nwebrtc: { hosts: [192.0.2.1] }",
        );
        assert_eq!(plan.needs_restart, ["listen.http", "listen.rtsp", "webrtc"]);
    }
}
