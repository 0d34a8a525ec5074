//! Whole configs, right and wrong.

use super::*;
use std::time::Duration;

fn parse(yaml: &str, environment: &[(&str, &str)]) -> Result<Config, Problems> {
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Config::parse(&"nb.yml".into(), yaml, &environment)
}

fn problems(yaml: &str) -> String {
    parse(yaml, &[]).expect_err(yaml).to_string()
}

const GOOD: &str = "\
listen:
  http: 127.0.0.1:1
  rtsp: off
webrtc:
  tcp: off
  hosts: [203.0.113.7, '2001:db8::7']
limits:
  viewers: 300
state_dir: /srv/nb
cameras:
  front:
    source: rtsp://user:pa%40ss@192.0.2.10/stream1
    stall_after: 10s
    slate: on
    frozen_after: 2m
    frozen_restart: yes
    max_viewers: 20
    renditions:
      sd: { source: publish, stall_after: 2s, frozen_after: off, frozen_restart: no }
      tiny: { source: rtsp://user:pa%40ss@192.0.2.10/stream2, on_demand: yes }
  robot: { source: publish, on_demand: yes }
  test:
    source: test:?width=640&height=360
";

#[test]
fn everything_is_read() {
    let config = parse(GOOD, &[]).unwrap();
    assert_eq!(config.listen.http, Some("127.0.0.1:1".parse().unwrap()));
    assert_eq!(config.listen.rtsp, None);
    assert_eq!(config.listen.webrtc, Listen::default().webrtc);
    assert_eq!(config.state_dir, StateDir::At("/srv/nb".into()));
    assert_eq!(
        parse(&GOOD.replace("/srv/nb", "off"), &[("NEVERBLINK_HOME", "x")]).unwrap().state_dir,
        StateDir::Off
    );
    assert_eq!(
        parse(GOOD, &[("NEVERBLINK_STATE_DIR", "off"), ("NEVERBLINK_HOME", "x")])
            .unwrap()
            .state_dir,
        StateDir::Off
    );
    assert_eq!((config.webrtc.tcp, config.webrtc.hosts.len()), (false, 2));
    let front = &config.cameras["front"];
    let Source::Rtsp(rtsp) = &front.input.source else { panic!("{front:?}") };
    assert_eq!(rtsp.url.as_str(), "rtsp://192.0.2.10/stream1");
    let credentials = rtsp.credentials.as_ref().unwrap();
    assert_eq!((credentials.user.as_str(), credentials.password.reveal()), ("user", "pa@ss"));
    assert_eq!(front.input.policy.stall_after, Duration::from_secs(10));
    assert!(front.input.policy.slate && !config.cameras["robot"].input.policy.slate);
    let frozen = |input: &Input| {
        (input.policy.frozen_after.map(|d| d.as_secs()), input.policy.frozen_restart)
    };
    assert_eq!(
        [&front.input, &front.renditions["sd"], &front.renditions["tiny"]].map(frozen),
        [(Some(120), true), (None, false), (Some(120), true)]
    );
    assert_eq!(frozen(&config.cameras["robot"].input), (Some(30), false));
    assert_eq!(
        (config.limits.viewers, front.max_viewers, config.cameras["robot"].max_viewers),
        (300, Some(20), None)
    );
    assert!(config.cameras["robot"].input.on_demand && !front.input.on_demand);
    let (sd, tiny) = (&front.renditions["sd"], &front.renditions["tiny"]);
    assert_eq!(
        (&sd.source, sd.on_demand, sd.policy.stall_after),
        (&Source::Publish, false, Duration::from_secs(2))
    );
    assert_eq!(
        (tiny.on_demand, tiny.policy.stall_after),
        (true, front.input.policy.stall_after),
        "what is not said is as for the camera"
    );
    let streams = config.streams();
    assert_eq!(
        streams.keys().map(|name| &**name).collect::<Vec<_>>(),
        ["front", "front/sd", "front/tiny", "robot", "test"]
    );
    assert_eq!(streams["front/tiny"], tiny);
    assert_eq!(
        config.cameras["test"].input.source.to_string(),
        "test:?width=640&height=360&fps=30&gop=30&bitrate=2500000"
    );
}

#[test]
fn nothing_at_all_is_a_config() {
    for yaml in ["", "# only a comment\n", "cameras:\n", "cameras: {}\n"] {
        let config = parse(yaml, &[]).unwrap();
        assert_eq!((config.listen, config.cameras.len()), (Listen::default(), 0), "{yaml}");
    }
}

#[test]
fn every_typo_is_told_with_its_line_and_what_would_be_right() {
    let table = [
        (
            "camras:\n  a: { source: publish }",
            "nb.yml:1: camras: unknown key; did you mean \"cameras\"?",
        ),
        (
            "listen:\n  htpp: 127.0.0.1:1",
            "nb.yml:2: listen.htpp: unknown key; did you mean \"http\"?",
        ),
        ("limits:\n  viewer: 3", "nb.yml:2: limits.viewer: unknown key; did you mean \"viewers\"?"),
        (
            "state_dir: var",
            "nb.yml:1: state_dir: \"var\" is no whole path; write for example /var/lib/neverblink, or off",
        ),
        (
            "limits:\n  viewers: 0",
            "nb.yml:2: limits.viewers: 0 is out of bounds; it may be 1 to 100000",
        ),
        (
            "cameras:\n  a:\n    source: publish\n    max_viewers: many",
            "nb.yml:4: cameras.a.max_viewers: \"many\" is no number; write for example 100",
        ),
        (
            "listen:\n  quux: 1",
            "nb.yml:2: listen.quux: unknown key; known here: http, rtsp, webrtc",
        ),
        (
            "cameras:\n  a:\n    sorce: publish\n    source: publish",
            "nb.yml:3: cameras.a.sorce: unknown key; did you mean \"source\"?",
        ),
        (
            "cameras:\n  a:\n    source: publish\n    stall-after: 5s",
            "nb.yml:4: cameras.a.stall-after: unknown key; did you mean \"stall_after\"?",
        ),
        (
            "cameras:\n  a:\n    source: publish\n    record: {}",
            "nb.yml:4: cameras.a.record: not supported by this version yet; remove it",
        ),
        (
            "cameras:\n  a:\n    source: publish\n    renditions:\n      SD:\n        source: publish",
            "nb.yml:5: cameras.a.renditions.SD: a rendition's name is made of a-z, 0-9, _ and -, begins with a letter or digit, \
             and is at most 63 long; for example sd",
        ),
        (
            "cameras:\n  a:\n    source: publish\n    renditions:\n      whep: { source: publish }",
            "nb.yml:5: cameras.a.renditions.whep: \"whep\" means something else in URLs; give the rendition another name, for \
             example sd",
        ),
        (
            "cameras:\n  a:\n    source: publish\n    renditions:\n      sd: { on_demand: true }",
            "nb.yml:5: cameras.a.renditions.sd: this rendition has no source; add `source: rtsp://…` or `source: publish`",
        ),
        (
            "cameras:\n  a:\n    source: publish\n    renditions:\n      sd: { source: publish, renditions: {} }",
            "nb.yml:5: cameras.a.renditions.sd.renditions: unknown key; known here: source, on_demand, stall_after, slate, \
             frozen_after, frozen_restart",
        ),
        (
            "cameras:\n  a:\n    source: publish\n    renditions: sd",
            "nb.yml:4: cameras.a.renditions: expected a section with keys, found a single value",
        ),
        (
            "cameras:\n  a:\n    source: publish\n    rendition: {}",
            "nb.yml:4: cameras.a.rendition: unknown key; did you mean \"renditions\"?",
        ),
        (
            "cameras:\n  a: { sorce: publish }",
            "nb.yml:2: cameras.a.sorce: unknown key; did you mean \"source\"?",
        ),
        (
            "cameras:\n  a: {}",
            "nb.yml:2: cameras.a: this camera has no source; add `source: rtsp://…` or `source: publish`",
        ),
        (
            "cameras:\n  a: publish",
            "nb.yml:2: cameras.a: expected a section with keys, found a single value",
        ),
        (
            "cameras:\n  a:\n    source: [publish]",
            "nb.yml:3: cameras.a.source: expected a single value, found a list",
        ),
        (
            "cameras:\n  a:\n    source:",
            "nb.yml:3: cameras.a.source: expected a single value, found nothing",
        ),
        (
            "cameras:\n  - source: publish",
            "nb.yml:2: cameras: expected a section with keys, found a list",
        ),
        (
            "cameras:\n  Front Door:\n    source: publish",
            "nb.yml:2: cameras.Front Door: a camera's name is made of a-z, 0-9, _ and -, begins with a letter or digit, and is \
             at most 63 long; for example front-door",
        ),
        (
            "cameras:\n  a:\n    source: publish\n    stall_after: 5",
            "nb.yml:4: cameras.a.stall_after: \"5\" is no duration; write a number with a unit, for example 500ms, 5s, 2m or 1h",
        ),
        (
            "cameras:\n  a:\n    source: publish\n    stall_after: 1ms",
            "nb.yml:4: cameras.a.stall_after: 1ms is out of bounds; it may be 500ms to 3600s",
        ),
        (
            "cameras:\n  a:\n    source: publish\n    frozen_after: never",
            "nb.yml:4: cameras.a.frozen_after: \"never\" is no duration; write for example 30s, or off",
        ),
        (
            "cameras:\n  a:\n    source: publish\n    frozen_after: 10ms",
            "nb.yml:4: cameras.a.frozen_after: 10ms is out of bounds; it may be 1s to 86400s",
        ),
        (
            "cameras:\n  a:\n    source: publish\n    frozen_after: off\n    frozen_restart: true",
            "nb.yml:5: cameras.a.frozen_restart: nothing is started anew with frozen_after: off; remove one of them",
        ),
        (
            "cameras:\n  a:\n    source: publish\n    on_demand: maybe",
            "nb.yml:4: cameras.a.on_demand: expected true or false, found \"maybe\"",
        ),
        (
            "listen:\n  http: 127.0.0.1",
            "nb.yml:2: listen.http: \"127.0.0.1\" is no address to listen on; write for example 127.0.0.1:8080, or off",
        ),
        (
            "listen:\n  http: :8554",
            "nb.yml:2: listen.rtsp: the same port as listen.http; give each its own",
        ),
        (
            "listen:\n  http: :1\n  rtsp: :1",
            "nb.yml:3: listen.rtsp: the same port as listen.http; give each its own",
        ),
        (
            "webrtc:\n  hosts: [example]",
            "nb.yml:2: webrtc.hosts[0]: \"example\" is no IP address; write for example 203.0.113.7",
        ),
        (
            "cameras:\n  a:\n    source: https://192.0.2.1/cam#certificate=ab:cd",
            "nb.yml:3: cameras.a.source: certificate is the fingerprint of the camera's certificate (SHA-256, 64 digits of 0-9a-f), or any",
        ),
        (
            "cameras:\n  a:\n    source: http://192.0.2.1/cam#certificate=any",
            "nb.yml:3: cameras.a.source: certificate is for https://… only",
        ),
        (
            "cameras:\n  a:\n    source: ftp://192.0.2.1/cam",
            "nb.yml:3: cameras.a.source: unknown kind of source \"ftp\"; write rtsp://…, rtsps://…, http://… and https://… (JPEG), \
             udp://… (MPEG-TS), exec:COMMAND, file:/PATH, rpicam:0, v4l2:/dev/video0, publish, or test:",
        ),
        (
            "cameras:\n  a:\n    source: srt://192.0.2.1:9000?passphrase=hunter22",
            "nb.yml:3: cameras.a.source: srt: sources are not supported by this version; let ffmpeg carry them: write exec:ffmpeg -i \
             \"srt://…\" -c copy -f mpegts -, with ?mode=listener behind the address to wait for a caller",
        ),
        (
            "cameras:\n  a:\n    source: udp://camera:9999",
            "nb.yml:3: cameras.a.source: \"camera:9999\" is no address with a port to listen at; write udp://0.0.0.0:9999, or a \
             multicast group as udp://239.0.0.1:9999?interface=eth0",
        ),
        (
            "cameras:\n  a:\n    source: udp://:9999?iface=eth0",
            "nb.yml:3: cameras.a.source: unknown option \"iface\"; known: interface",
        ),
        (
            "cameras:\n  a:\n    source: rstp://x/y",
            "nb.yml:3: cameras.a.source: unknown kind of source \"rstp\"; did you mean \"rtsp\"?",
        ),
        (
            "cameras:\n  a:\n    source: publsh",
            "nb.yml:3: cameras.a.source: this is no source; did you mean \"publish\"?",
        ),
        (
            "cameras:\n  a:\n    source: test:?fsp=3",
            "nb.yml:3: cameras.a.source: unknown option \"fsp\" of the test picture; did you mean \"fps\"?",
        ),
        (
            "cameras:\n  a:\n    source: test:?fps=0",
            "nb.yml:3: cameras.a.source: fps=\"0\" is not possible; it may be 1 to 120",
        ),
        (
            "cameras:\n  a:\n    source: test:?width=641",
            "nb.yml:3: cameras.a.source: width=\"641\" is not possible; it must be even",
        ),
        (
            "cameras:\n  a:\n    source: ${CAM}",
            "nb.yml:3: cameras.a.source: environment variable CAM is not set; set it, or write ${CAM:-default}",
        ),
    ];
    for (yaml, expected) in table {
        assert_eq!(problems(yaml), expected, "{yaml}");
    }
}

#[test]
fn what_is_no_yaml_is_told_with_its_line() {
    assert_eq!(
        problems("listen:\n  http: :1\n  http: :2"),
        "nb.yml:3: http: given twice; remove one"
    );
    for (yaml, line) in [
        ("cameras:\n  a: { source: publish", "nb.yml:2: "),
        ("cameras:\n\ta: 1", "nb.yml:2: "),
        ("a: b: c", "nb.yml:1: "),
    ] {
        let told = problems(yaml);
        assert!(told.starts_with(line) && told.lines().count() == 1, "{told}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let told = problems(
        "cameras:\n  A: { source: publish, x: 1 }\n  b: { source: tset:? }\nlisten: { http: x }\nfoo: 1\n",
    );
    let lines: Vec<&str> = told.lines().filter_map(|line| line.split(':').nth(1)).collect();
    assert_eq!(lines, ["2", "2", "3", "4", "5"], "{told}");
}

#[test]
fn the_environment_comes_over_the_file() {
    let environment = [
        ("NEVERBLINK_LISTEN__HTTP", "[::1]:7"),
        ("NEVERBLINK_CAMERAS__FRONT_DOOR__SOURCE", "test:"),
        ("NEVERBLINK_CAMERAS__NEW__SOURCE", "publish"),
        ("NEVERBLINK_CAMERAS__FRONT_DOOR__RENDITIONS__LOW__SOURCE", "publish"),
        ("NEVERBLINK_WEBRTC__HOSTS", "192.0.2.1, 192.0.2.2"),
        ("NEVERBLINK_SOMETHING", "not ours"),
        ("NEVERBLINK_LISTEN__RTSP", ""),
    ];
    let config =
        parse("cameras:\n  front-door: { source: publish, on_demand: true }", &environment)
            .unwrap();
    assert_eq!(config.listen.http, Some("[::1]:7".parse().unwrap()));
    assert_eq!(config.listen.rtsp, Listen::default().rtsp);
    assert_eq!(config.webrtc.hosts.len(), 2);
    assert_eq!(
        config.cameras.keys().map(|name| &**name).collect::<Vec<_>>(),
        ["front-door", "new"]
    );
    assert!(matches!(
        config.cameras["front-door"],
        Camera { input: Input { source: Source::Test(_), on_demand: true, .. }, .. }
    ));
    assert_eq!(config.cameras["front-door"].renditions["low"].source, Source::Publish);
}

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    for (name, value, expected) in [
        (
            "NEVERBLINK_LISTEN__HTPP",
            ":1",
            "environment variable NEVERBLINK_LISTEN__HTPP: listen.htpp: unknown key; did you mean \"http\"?",
        ),
        ("NEVERBLINK_CAMERAS__A__SOURCE__X", "1", "names no key of the config"),
        ("NEVERBLINK_LISTEN____HTTP", ":1", "names no key of the config"),
        (
            "NEVERBLINK_LISTEN__HTTP",
            "x",
            "environment variable NEVERBLINK_LISTEN__HTTP: listen.http: \"x\" is no address",
        ),
    ] {
        let told =
            parse("cameras:\n  a: { source: publish }", &[(name, value)]).unwrap_err().to_string();
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn no_secret_is_ever_shown() {
    let secret = "hunter2";
    for source in [
        format!("rtsp://admin:{secret}@192.0.2.1/a?x=1"),
        format!("rtsp://192.0.2.1/a?user=admin&password={secret}"),
        format!("rtsp://192.0.2.1/user=admin_password={secret}_channel=1"),
        format!("rtsp://:{secret}@192.0.2.1/"),
        format!("http://admin:{secret}@192.0.2.1/?pwd={secret}#fps=3"),
        format!("https://admin:{secret}@192.0.2.1/?pwd={secret}#certificate=any"),
    ] {
        let config = parse(&format!("cameras:\n  a:\n    source: {source:?}"), &[]).unwrap();
        let shown = format!("{config:?} {:#?} {}", config, config.cameras["a"].input.source);
        assert!(!shown.contains(secret), "{shown}");
    }
    for source in [
        format!("rtsp://admin:{secret}@:1/"),
        format!("rtsp://admin:{secret}@host:99999/"),
        format!("admin:{secret}@192.0.2.1"),
        format!("{secret}:admin@192.0.2.1"),
        secret.to_owned(),
        format!("http://admin:{secret}@192.0.2.1/#{secret}"),
        format!("https://admin:{secret}@192.0.2.1/#certificate={secret}"),
        format!("httq://admin:{secret}@192.0.2.1/"),
    ] {
        let told = problems(&format!("cameras:\n  a:\n    source: {source:?}"));
        assert!(!told.contains(secret), "{told}");
    }
}

mod any_input {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_answered(yaml in "[a-z:{}\\[\\]\\-\"'$ \n\t&*!|>]{0,120}") {
            let _ = parse(&yaml, &[]);
        }

        #[test]
        fn mutations_of_a_good_config_are_answered(at in 0..GOOD.len(), with in "[ -~\n]{0,4}") {
            let yaml = format!("{}{with}{}", &GOOD[..at], &GOOD[at..]);
            if let Err(problems) = parse(&yaml, &[]) {
                prop_assert!(problems.to_string().lines().all(|line| line.starts_with("nb.yml:")), "{problems}");
            }
        }
    }
}

#[test]
fn udp_addresses_are_taken_as_ffmpeg_writes_them() {
    let shown = |text: &str| text.parse::<Source>().map(|source| source.to_string());
    assert_eq!(shown("udp://:9999").as_deref(), Ok("udp://0.0.0.0:9999"));
    assert_eq!(
        shown("udp://@239.0.0.1:1234?interface=eth0").as_deref(),
        Ok("udp://239.0.0.1:1234?interface=eth0")
    );
    assert_eq!(shown("udp://[::]:1234/").as_deref(), Ok("udp://[::]:1234"));
    assert!(shown("udp://127.0.0.1:1?interface=lo").is_err() && shown("udp://0.0.0.0:0").is_err());
}

#[test]
fn commands_are_parted_as_by_a_shell_and_show_their_program_alone() {
    let source: Source = "exec:ffmpeg -i 'rtsp://u:hunter22@h/a b' -f mpegts -".parse().unwrap();
    let Source::Exec(command) = &source else { panic!("{source}") };
    assert_eq!(command.words[2], "rtsp://u:hunter22@h/a b");
    assert_eq!(
        (source.to_string(), format!("{source:?}").contains("hunter22")),
        ("exec:ffmpeg …".to_owned(), false)
    );
    let told: Source = "exec+h264:cat 'x y'".parse().unwrap();
    assert_eq!(told.to_string(), "exec+h264:cat …");
    let refused = "exec+h246:cat".parse::<Source>().unwrap_err();
    assert_eq!(refused, "unknown format behind exec+; did you mean exec+h264:?");
    assert!("exec:".parse::<Source>().is_err() && "exec:ffmpeg 'a".parse::<Source>().is_err());
}

#[test]
fn files_are_named_from_the_root() {
    let shown = |text: &str| text.parse::<Source>().map(|source| source.to_string());
    assert_eq!(shown("file:/srv/clip.mp4").as_deref(), Ok("file:/srv/clip.mp4"));
    assert_eq!(
        shown("file:///srv/what?.mp4?loop=false").as_deref(),
        Ok("file:/srv/what?.mp4?loop=false")
    );
    assert_eq!(shown("file:/srv/what?.mp4").as_deref(), Ok("file:/srv/what?.mp4"));
    assert!(shown("file:clip.mp4").unwrap_err().contains("by its path from the root"));
    assert!(shown("file:/a?loop=maybe").unwrap_err().contains("it may be true or false"));
    assert!(shown("file:/a?lop=true").unwrap_err().contains("unknown option"));
}
