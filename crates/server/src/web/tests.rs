use super::*;
use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
    response::Response,
};
use tower::ServiceExt;

async fn fetch(path: &str, headers: &[(HeaderName, &str)]) -> Response {
    let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(name, *value));
    router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn the_page_comes_with_its_headers() {
    let response = fetch("/", &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    assert!(response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'none'"));
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
    for known in [tag.clone(), format!("\"x\", {tag}"), tag.trim_start_matches("W/").to_owned(), "*".to_owned()] {
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

/// The page promises to make no request to a third party: the content security policy enforces it, and no file may
/// even name another host but the namespaces that formats demand.
#[test]
fn no_file_names_another_host() {
    for name in Files::iter() {
        let text = String::from_utf8(Files::get(&name).unwrap().data.to_vec()).unwrap();
        for (at, _) in text.match_indices("://") {
            let host: String = text[at + 3..].chars().take_while(|c| !"/\"'` \n<".contains(*c)).collect();
            assert!(["www.w3.org", "www.webrtc.org"].contains(&host.as_str()), "{name} names {host}");
        }
    }
}

#[test]
fn the_page_stays_small() {
    let total: usize = Files::iter().map(|name| Files::get(&name).unwrap().data.len()).sum();
    assert!(total < 60 * 1024, "{total} bytes");
}
