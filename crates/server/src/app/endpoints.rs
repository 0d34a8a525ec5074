//! The ports, and which module serves which.

use super::{House, browsers, jpegs};
use crate::{
    config::Config,
    endpoint::{
        hls::{self, Hls},
        http::{self, ConfigState, Http},
        mjpeg, progressive,
        rtsp::{self, Rtsp},
        webrtc::{self, Webrtc},
        ws,
    },
    pictures::Pictures,
    telemetry::Metrics,
    web,
};
use anyhow::Context;
use axum::Router;
use std::{future::Future, io, net::SocketAddr, sync::Arc};
use tokio::sync::watch;

/// The addresses really bound.
#[derive(Default)]
pub(super) struct Bound {
    http: Option<SocketAddr>,
    rtsp: Option<SocketAddr>,
    webrtc: Option<SocketAddr>,
}

/// The ports, held and not yet served: who connects meanwhile waits.
pub(super) struct Ports {
    http: Option<Http>,
    rtsp: Option<Rtsp>,
    webrtc: Option<Webrtc>,
}

/// Binds every port: one that is taken is told before anything has begun.
///
/// # Errors
/// The port that cannot be bound, the key that asked for it, and why.
pub(super) async fn hold(house: &House, config: &Config, any_port: bool) -> anyhow::Result<Ports> {
    let http = bind("http", config.listen.http, any_port, Http::bind).await?;
    let rtsp = bind("rtsp", config.listen.rtsp, any_port, Rtsp::bind).await?;

    let options = webrtc::Options { tcp: config.webrtc.tcp, hosts: config.webrtc.hosts.clone() };
    let bind_webrtc = |addr| {
        Webrtc::bind(
            addr,
            house.cameras.clone(),
            house.viewers.clone(),
            house.clock,
            options.clone(),
        )
    };
    let webrtc = bind("webrtc", config.listen.webrtc, any_port, bind_webrtc).await?;
    Ok(Ports { http, rtsp, webrtc })
}

/// Serves every port. The cameras are known by now: a page that comes back to a server that has
/// just been started would otherwise be told that they are gone.
pub(super) fn serve(
    house: &House,
    Ports { http, rtsp, webrtc }: Ports,
    state: watch::Receiver<ConfigState>,
) -> Bound {
    let mut bound = Bound::default();
    let pictures = house.pictures.clone();
    let browsers = browsers::collector(
        webrtc.as_ref().map(Webrtc::stats).unwrap_or_default(),
        house.cameras.clone(),
    );
    let metrics = Metrics {
        cameras: house.cameras.clone(),
        viewers: house.viewers.clone(),
        clock: house.clock,
        started: house.clock.now(),
        panics: house.telemetry.panics.clone(),
        collectors: vec![browsers, jpegs::collector(pictures.clone())],
    };
    let hls = hls(house);
    let api = http::Api {
        first_segment: first_segment(hls.clone()),
        cameras: house.cameras.clone(),
        clock: house.clock,
        config: state,
        viewers: house.viewers.clone(),
        settings: house.settings.clone(),
        stops: house.stops.clone(),
        stop: house.stop.clone(),
    };
    let mut router = Router::new()
        .merge(api.router())
        .merge(metrics.router())
        .merge(web::router())
        .merge(hls.router())
        .merge(players(house, pictures));
    if let Some(webrtc) = webrtc {
        bound.webrtc = Some(webrtc.local_addr());
        router = router.merge(webrtc.router());
        house.tasks.spawn(webrtc.run(house.stop.clone()));
    }
    if let Some(http) = http {
        bound.http = Some(http.local_addr());
        house.tasks.spawn(http.run(http::finish(router), house.stop.clone()));
    }
    if let Some(rtsp) = rtsp {
        bound.rtsp = Some(rtsp.local_addr());
        let access = rtsp::Access {
            cameras: house.cameras.clone(),
            clock: house.clock,
            viewers: house.viewers.clone(),
        };
        house.tasks.spawn(rtsp.run(access, house.stop.clone()));
    }
    bound
}

fn hls(house: &House) -> Hls {
    Hls::new(hls::Access {
        cameras: house.cameras.clone(),
        clock: house.clock,
        viewers: house.viewers.clone(),
        tasks: house.tasks.clone(),
        stop: house.stop.clone(),
    })
}

fn first_segment(hls: Hls) -> http::FirstSegment {
    Arc::new(move |name| {
        let hls = hls.clone();
        Box::pin(async move { hls.first_segment(&name).await })
    })
}

/// What else plays over HTTP, or begins as HTTP.
fn players(house: &House, pictures: Pictures) -> Router {
    let progressive = progressive::Access {
        cameras: house.cameras.clone(),
        clock: house.clock,
        viewers: house.viewers.clone(),
        stop: house.stop.clone(),
    };
    let ws = ws::Access {
        cameras: house.cameras.clone(),
        clock: house.clock,
        viewers: house.viewers.clone(),
        tasks: house.tasks.clone(),
        stop: house.stop.clone(),
    };
    let mjpeg = mjpeg::Access {
        cameras: house.cameras.clone(),
        pictures,
        clock: house.clock,
        viewers: house.viewers.clone(),
        stop: house.stop.clone(),
    };
    progressive::router(progressive).merge(ws::router(ws)).merge(mjpeg::router(mjpeg))
}

/// Binds one port. With `any_port`, a taken port is replaced by a free one.
async fn bind<T, F: Future<Output = io::Result<T>>>(
    key: &str,
    addr: Option<SocketAddr>,
    any_port: bool,
    bind: impl Fn(SocketAddr) -> F,
) -> anyhow::Result<Option<T>> {
    let Some(addr) = addr else { return Ok(None) };
    let mut done = bind(addr).await;
    if any_port && done.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::AddrInUse) {
        done = bind(SocketAddr::new(addr.ip(), 0)).await;
    }
    done.map(Some).with_context(|| format!("cannot listen on {addr} (listen.{key})"))
}

impl Bound {
    /// Tells where the server is: in the log for programs, and on stdout for a person who runs the
    /// demo.
    #[allow(clippy::print_stdout, reason = "the demo prints the URL to open")]
    pub(super) fn announce(&self, demo: bool) {
        let show = |addr: Option<SocketAddr>| {
            addr.map_or_else(|| "off".to_owned(), |addr| addr.to_string())
        };
        tracing::info!(
            http = show(self.http),
            rtsp = show(self.rtsp),
            webrtc = show(self.webrtc),
            "listening"
        );
        if let (true, Some(http)) = (demo, self.http) {
            println!("Open http://{http}/");
        }
    }
}
