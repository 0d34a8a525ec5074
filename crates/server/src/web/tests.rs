use super::*;
use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
    response::Response,
};
use tower::ServiceExt;

async fn fetch(path: &str, headers: &[(HeaderName, &str)]) -> Response {
    let request = headers
        .iter()
        .fold(Request::get(path), |request, (name, value)| request.header(name, *value));
    router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn the_page_comes_with_its_headers() {
    let response = fetch("/", &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    assert!(
        response.headers()[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none'")
    );
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    assert!(String::from_utf8(body.to_vec()).unwrap().contains("app.js"));
}

#[tokio::test]
async fn modules_have_a_type_that_browsers_run() {
    let response = fetch("/app.js", &[]).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
}

#[tokio::test]
async fn a_known_version_is_not_sent_again() {
    let tag = fetch("/", &[]).await.headers()[header::ETAG].to_str().unwrap().to_owned();
    for known in [
        tag.clone(),
        format!("\"x\", {tag}"),
        tag.trim_start_matches("W/").to_owned(),
        "*".to_owned(),
    ] {
        let response = fetch("/", &[(header::IF_NONE_MATCH, &known)]).await;
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
        assert_eq!(response.headers()[header::ETAG], tag);
    }
    assert_eq!(fetch("/", &[(header::IF_NONE_MATCH, "\"other\"")]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn compressed_where_the_browser_can() {
    let response = fetch("/", &[(header::ACCEPT_ENCODING, "gzip")]).await;
    assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
    assert!(!fetch("/", &[]).await.headers().contains_key(header::CONTENT_ENCODING));
}

#[tokio::test]
async fn unknown_paths_are_left_to_others() {
    assert_eq!(fetch("/tests/latency.test.js", &[]).await.status(), StatusCode::NOT_FOUND);
}

/// The content security policy already keeps the page from asking third parties; no file even names
/// another host, but the namespaces that formats demand and an address reserved for documentation
/// (RFC 5737).
#[test]
fn no_file_names_another_host() {
    const HARMLESS: [&str; 3] = ["www.w3.org", "www.webrtc.org", "user:password@192.0.2.10"];
    for name in Files::iter() {
        let text = String::from_utf8(Files::get(&name).unwrap().data.to_vec()).unwrap();
        for (at, _) in text.match_indices("://") {
            let host: String =
                text[at + 3..].chars().take_while(|c| !"/\"'` \n<".contains(*c)).collect();
            assert!(HARMLESS.contains(&host.as_str()), "{name} names {host}");
        }
    }
}

/// What the page loads when it is needed: ways of playing that only some browsers take, and the
/// player for other pages; and what belongs to another page.
const LATER: [&str; 15] = [
    "publish.html",
    "publish.css",
    "publish.js",
    "whip.js",
    "player.js",
    "webcodecs.js",
    "mse.js",
    "hls.js",
    "mjpeg.js",
    "playlist.js",
    "multipart.js",
    "socket.js",
    "media.js",
    "buffer.js",
    "chase.js",
];

fn at_once(name: &str) -> bool {
    !LATER.contains(&name)
}

/// A module that is not preloaded costs the first picture a round trip.
#[test]
fn every_module_that_is_needed_at_once_is_preloaded() {
    let index = String::from_utf8(Files::get(INDEX).unwrap().data.to_vec()).unwrap();
    for name in Files::iter().filter(|name| name.ends_with(".js") && name != "app.js") {
        let preloaded = index.contains(&format!(r#"rel="modulepreload" href="{name}""#));
        assert_eq!(preloaded, at_once(&name), "{name}");
    }
}

/// Most of a module is its comments, and they compress well: what counts is what a phone has to
/// load.
#[tokio::test]
async fn the_page_stays_small() {
    let (mut page, mut all, mut publish) = (0, 0, 0);
    for name in Files::iter() {
        let response = fetch(&path(&name), &[(header::ACCEPT_ENCODING, "gzip")]).await;
        let size = to_bytes(response.into_body(), 1 << 20).await.unwrap().len();
        page += if at_once(&name) { size } else { 0 };
        match name.starts_with("publish.") || name == "whip.js" {
            true => publish += size,
            false => all += size,
        }
    }
    assert!(publish < 10 * 1024, "{publish} bytes");
    assert!(page < 40 * 1024, "{page} bytes");
    assert!(all < 64 * 1024, "{all} bytes");
}
