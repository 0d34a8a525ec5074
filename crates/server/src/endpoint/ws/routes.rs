//! HTTP: the request that becomes a WebSocket.

use super::{
    Access,
    feed::{Feed, Wish},
    message::Format,
    session::Session,
};
use crate::{
    connection::Connection,
    error::ApiError,
    viewers::{JoinRequest, Protocol, ViewerTransport},
};
use axum::{
    Extension, Router,
    extract::{
        ConnectInfo, Path, Query, State, WebSocketUpgrade, rejection::QueryRejection,
        ws::rejection::WebSocketUpgradeRejection,
    },
    http::StatusCode,
    response::Response,
    routing::get,
};
use serde::Deserialize;
use std::{net::SocketAddr, sync::Arc};

/// A viewer has little to say.
const MAX_MESSAGE: usize = 1024;
/// What is read at once of the little that a viewer says.
const READ_BUFFER: usize = 1024;

pub(super) fn router(access: Access) -> Router {
    Router::new()
        .route("/live/{camera}/ws", get(camera))
        .route("/live/{camera}/{rendition}/ws", get(rendition))
        .with_state(access)
}

/// The query.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default = "units")]
    format: Format,
    /// `1` asks for sound. `0` is the default, because sound costs data and delay.
    #[serde(default)]
    audio: u8,
}

fn units() -> Format {
    Format::Units
}

type Wanted = Result<Query<Asked>, QueryRejection>;
type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// The connection that the request came by.
struct Peer {
    address: Option<SocketAddr>,
    connection: Option<Connection>,
}

type Came = (Option<Extension<ConnectInfo<SocketAddr>>>, Option<Extension<Connection>>);

async fn camera(
    State(access): State<Access>,
    Path(camera): Path<String>,
    wanted: Wanted,
    came: Came,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    begin(access, &camera, wanted, came.into(), upgrade)
}

async fn rendition(
    State(access): State<Access>,
    Path((camera, rendition)): Path<(String, String)>,
    wanted: Wanted,
    came: Came,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    begin(access, &format!("{camera}/{rendition}"), wanted, came.into(), upgrade)
}

/// Refuses in HTTP what is to be refused: within a WebSocket it would be too late. A page that
/// cannot read the answer to its upgrade asks the same by an ordinary GET.
fn begin(
    access: Access,
    name: &str,
    wanted: Wanted,
    peer: Peer,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    let stream = access.cameras.play(name)?;
    let Query(Asked { format, audio }) = wanted.map_err(|error| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "bad_query",
            error.body_text(),
            "known here: format=units, format=fmp4, audio=1",
        )
    })?;
    let ended = access.stop.child_token();
    let end = ended.clone();
    let request = JoinRequest {
        protocol: Protocol::WebSocket,
        stream: name,
        end: Arc::new(move |_| end.cancel()),
    };
    let handle = access.viewers.join(request, access.clock.pair())?;
    let upgrade = upgrade.map_err(|_| {
        let hint = "open it as ws:// or wss://, in a page by `new WebSocket`";
        ApiError::new(
            StatusCode::UPGRADE_REQUIRED,
            "websocket_wanted",
            "this address is for WebSockets",
            hint,
        )
    })?;
    peer.connection.iter().for_each(Connection::carry_live);
    handle.set_connected(ViewerTransport::Tcp, peer.address);
    let feed = Feed::new(&stream, Wish { format, audio: audio != 0 }, access.clock);
    let session = Session { feed, handle, ended, clock: access.clock, format };
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER)
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE);
    Ok(upgrade.write_buffer_size(0).on_upgrade(async move |socket| {
        // The server waits for its tasks when it stops, so that viewers are told.
        let _ = access.tasks.spawn(session.run(socket)).await;
    }))
}

impl From<Came> for Peer {
    fn from((address, connection): Came) -> Self {
        Self {
            address: address.map(|Extension(info)| info.0),
            connection: connection.map(|Extension(c)| c),
        }
    }
}
