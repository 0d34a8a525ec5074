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
    /// Streams whose source must be started anew; their readers stay.
    pub(crate) change: Vec<(Arc<str>, Input)>,
    /// Keys that changed but take effect only when the server is started again.
    pub(crate) needs_restart: Vec<&'static str>,
}

impl Plan {
    /// The way from `old` to `new`. Limits are no part of it: they are looked up when somebody
    /// comes.
    pub(crate) fn new(old: &Config, new: &Config) -> Self {
        let (were, are) = (old.streams(), new.streams());
        let named = |(name, input): (&Arc<str>, &&Input)| (name.clone(), (*input).clone());
        let gone = were.keys().filter(|name| !are.contains_key(*name));
        let come = are.iter().filter(|(name, _)| !were.contains_key(*name));
        let changed =
            are.iter().filter(|(name, input)| were.get(*name).is_some_and(|was| was != *input));
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
            change: changed.map(named).collect(),
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

    #[test]
    fn only_what_differs_is_touched() {
        let old = "cameras:\n  same: { source: publish }\n  gone: { source: publish }\n  moved: { source: 'rtsp://a/1' }\n";
        let new = "cameras:\n  new: { source: publish }\n  moved: { source: 'rtsp://a/2' }\n  same: { source: publish }\n";
        let plan = plan(old, new);
        assert_eq!((names(&plan.add), names(&plan.change)), (vec!["new"], vec!["moved"]));
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
        assert_eq!((names(&way.add), names(&way.change)), (vec!["a/new"], vec!["a/moved"]));
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
        assert_eq!(names(&plan.change), ["a"]);
    }

    #[test]
    fn limits_change_while_all_runs_on() {
        let plan = plan(
            "cameras: { a: { source: publish } }",
            "limits: { viewers: 5 }\ncameras: { a: { source: publish, max_viewers: 2 } }",
        );
        assert_eq!(plan, Plan::default());
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
