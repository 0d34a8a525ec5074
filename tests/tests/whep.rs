//! WHEP as programs see it: status codes, headers, errors. What people see is in `webrtc.rs`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use harness::{OFFER, Server, http};

const SDP: (&str, &str) = ("Content-Type", "application/sdp");
const FRAGMENT: (&str, &str) = ("Content-Type", "application/trickle-ice-sdpfrag");

fn server() -> Server {
    Server::with_cameras("front: { source: publish }").unwrap()
}

fn post(server: &Server, path: &str, headers: &[(&str, &str)], body: &str) -> http::Response {
    http::request(server.http(), "POST", path, headers, body.as_bytes()).unwrap()
}

fn code(answer: &http::Response) -> String {
    let json = answer.json().unwrap();
    assert!(json["error"]["message"].as_str().is_some_and(|m| m.len() > 10), "{json}");
    assert!(json["error"]["hint"].as_str().is_some_and(|h| h.len() > 10), "{json}");
    json["error"]["code"].as_str().unwrap().to_owned()
}

#[test]
fn a_session_from_post_to_delete() {
    let server = server();
    let made = post(&server, "/live/front/whep", &[SDP], OFFER);
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.header("content-type"), Some("application/sdp"));
    assert_eq!(made.header("accept-patch"), Some("application/trickle-ice-sdpfrag"));
    let (location, etag) =
        (made.header("location").unwrap().to_owned(), made.header("etag").unwrap().to_owned());
    let answer = made.text();
    for part in [
        "m=video 9 UDP/TLS/RTP/SAVPF 109 114",
        "a=sendonly",
        "a=setup:passive",
        "playout-delay",
        "a=rtcp-fb:109 nack pli",
    ] {
        assert!(answer.contains(part), "no {part} in {answer}");
    }
    assert!(!answer.contains("transport-cc") && !answer.contains("goog-remb"), "{answer}");
    let candidate = format!(" {} {} typ host", server.webrtc().ip(), server.webrtc().port());
    assert!(answer.contains(&candidate), "no {candidate} in {answer}");

    let delete = || http::request(server.http(), "DELETE", &location, &[], b"").unwrap();
    let patch = |headers: &[(&str, &str)], body: &str| {
        http::request(server.http(), "PATCH", &location, headers, body.as_bytes()).unwrap()
    };
    let trickle = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n\
                   a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n";
    assert_eq!(patch(&[FRAGMENT, ("If-Match", &etag)], trickle).status, 204);
    assert_eq!((patch(&[SDP], trickle).status, patch(&[FRAGMENT], trickle).status), (415, 428));
    assert_eq!(patch(&[FRAGMENT, ("If-Match", "\"no\"")], trickle).status, 412);

    let restart = patch(
        &[FRAGMENT, ("If-Match", "*")],
        "a=ice-ufrag:EFGH\r\na=ice-pwd:ABCDEFGHIJKLMNOPQRSTUVWX\r\n",
    );
    assert_eq!(
        (restart.status, restart.header("content-type")),
        (200, Some("application/trickle-ice-sdpfrag"))
    );
    assert!(
        restart.text().contains("a=ice-pwd:") && restart.text().contains(&candidate),
        "{}",
        restart.text()
    );
    let old_name = answer.lines().find(|l| l.starts_with("a=ice-ufrag:")).unwrap();
    assert!(!restart.text().contains(old_name), "the credentials did not change");
    assert_ne!(restart.header("etag"), Some(&*etag));
    assert_eq!(patch(&[FRAGMENT, ("If-Match", &etag)], trickle).status, 412);

    assert_eq!(delete().status, 200);
    let again = delete();
    assert_eq!((again.status, code(&again).as_str()), (404, "session_not_found"));
    assert_eq!(patch(&[FRAGMENT, ("If-Match", "*")], trickle).status, 404);
}

#[test]
fn what_is_wrong_is_said() {
    let server = server();
    let refused = |path: &str, headers: &[(&str, &str)], body: &str| {
        let answer = post(&server, path, headers, body);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        (answer.status, code(&answer))
    };
    assert_eq!(refused("/live/nobody/whep", &[SDP], OFFER), (404, "camera_not_found".into()));
    assert_eq!(
        refused("/live/front/whep", &[("Content-Type", "text/plain")], OFFER),
        (415, "wrong_content_type".into())
    );
    assert_eq!(refused("/live/front/whep", &[SDP], "hello"), (400, "bad_offer".into()));
    assert_eq!(
        refused("/live/front/whep", &[SDP], &OFFER.replace("H264", "AV1")),
        (406, "codec_not_supported".into())
    );
    assert_eq!(
        refused("/live/front/whep", &[SDP], &format!("{OFFER}{}", "a=x:y\r\n".repeat(6000))),
        (413, "body_too_large".into())
    );
}

#[test]
fn pages_of_others_may_embed_it() {
    let server = server();
    for path in ["/live/front/whep", "/live/front/sd/whep", "/live/front/whep/0123"] {
        let origin = ("Origin", "http://example.test");
        let options =
            |headers: &[_]| http::request(server.http(), "OPTIONS", path, headers, b"").unwrap();
        assert_eq!(options(&[origin]).header("accept-post"), Some("application/sdp"));
        let asked = [
            ("Access-Control-Request-Method", "PATCH"),
            ("Access-Control-Request-Headers", "content-type,if-match"),
        ];
        let preflight = options(&[origin, asked[0], asked[1]]);
        assert_eq!(preflight.status, 204, "{path}");
        assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
        assert!(preflight.header("access-control-allow-headers").unwrap().contains("if-match"));
        assert!(preflight.header("access-control-allow-methods").unwrap().contains("PATCH"));
    }
    let made = post(&server, "/live/front/whep", &[SDP, ("Origin", "http://example.test")], OFFER);
    let exposed = made.header("access-control-expose-headers").unwrap().to_lowercase();
    assert!(
        made.status == 201 && exposed.contains("location") && exposed.contains("etag"),
        "{exposed}"
    );
}

#[test]
fn an_offer_cut_anywhere_leaves_the_server_well() {
    let server = server();
    for end in (0..OFFER.len()).step_by(7) {
        let answer = post(&server, "/live/front/whep", &[SDP], &OFFER[..end]);
        assert!(
            matches!(answer.status, 201 | 400 | 406),
            "{end}: {} {}",
            answer.status,
            answer.text()
        );
    }
    assert_eq!(post(&server, "/live/front/whep", &[SDP], OFFER).status, 201);
}
