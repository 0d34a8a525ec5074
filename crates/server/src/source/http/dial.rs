//! One connection to a camera, and what it answers.

use super::{faults, target::Target};
use crate::supervise::Exit;
use bytes::Bytes;
use http_auth::{PasswordClient, PasswordParams};
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT, WWW_AUTHENTICATE},
};
use hyper_util::rt::TokioIo;
use std::{future::Future, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};

/// From the first packet sent to the head of the answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A connection on which files are asked for.
pub(super) struct Connection<'a> {
    target: &'a Target,
    line: Line,
    /// What the camera's challenge was answered with; digests count their uses.
    login: Option<PasswordClient>,
}

/// The connection itself, and the task that moves its bytes.
struct Line {
    sender: SendRequest<Empty<Bytes>>,
    task: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the camera sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Content {
    /// Files without end.
    Endless,
    /// One file.
    Single,
}

impl Content {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Endless => "multipart JPEG",
            Self::Single => "JPEG snapshots",
        }
    }
}

/// An answer whose head is read.
pub(super) struct Answer {
    pub(super) content: Content,
    body: Incoming,
}

impl Answer {
    /// What comes next; `None` at the end.
    pub(super) async fn next(&mut self, target: &Target) -> Result<Option<Bytes>, Exit> {
        loop {
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(error)) => return Err(faults::broken(target, &error)),
                None => return Ok(None),
            }
        }
    }
}

impl<'a> Connection<'a> {
    /// Dials.
    pub(super) async fn open(target: &'a Target) -> Result<Self, Exit> {
        Ok(Self { target, line: Line::open(target).await?, login: None })
    }

    /// Asks, and logs in if that is wanted.
    pub(super) async fn ask(&mut self) -> Result<Answer, Exit> {
        let response = self.request().await?;
        if response.status() != StatusCode::UNAUTHORIZED
            || self.target.login.is_none()
            || self.login.is_some()
        {
            return self.judge(response);
        }
        self.login = challenge(&response);
        // The answer's body is not worth reading.
        self.line = Line::open(self.target).await?;
        let response = self.request().await?;
        self.judge(response)
    }

    /// Asks once more, on a connection of its own where the camera keeps none.
    pub(super) async fn ask_again(&mut self) -> Result<Answer, Exit> {
        if self.line.sender.is_closed() || self.line.sender.ready().await.is_err() {
            self.line = Line::open(self.target).await?;
        }
        self.ask().await
    }

    async fn request(&mut self) -> Result<Response<Incoming>, Exit> {
        let path = self.target.path();
        let mut request = Request::get(&path)
            .header(HOST, self.target.address())
            .header(USER_AGENT, concat!("neverblink/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "multipart/x-mixed-replace, image/jpeg, */*;q=0.1");
        if let (Some(client), Some((username, password))) = (&mut self.login, &self.target.login) {
            let params =
                PasswordParams { username, password, uri: &path, method: "GET", body: Some(&[]) };
            // One that cannot be answered is refused by the camera, which says so.
            request = client
                .respond(&params)
                .into_iter()
                .fold(request, |request, value| request.header(AUTHORIZATION, value));
        }
        let request = request
            .body(Empty::new())
            .map_err(|_| faults::answered(self.target, StatusCode::BAD_REQUEST.as_u16()))?;
        let response = in_time(self.target, self.line.sender.send_request(request)).await?;
        response.map_err(|error| faults::broken(self.target, &error))
    }

    fn judge(&self, response: Response<Incoming>) -> Result<Answer, Exit> {
        if response.status() != StatusCode::OK {
            return Err(faults::answered(self.target, response.status().as_u16()));
        }
        let kind = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or("nothing it names");
        let content =
            match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
                kind if kind.starts_with("multipart/") => Content::Endless,
                "image/jpeg" | "image/jpg" => Content::Single,
                _ => return Err(faults::no_pictures(self.target, kind)),
            };
        Ok(Answer { content, body: response.into_body() })
    }
}

impl Line {
    async fn open(target: &Target) -> Result<Self, Exit> {
        let port = target.url.port_or_known_default().unwrap_or(80);
        let stream = in_time(target, TcpStream::connect((target.bare_host(), port))).await?;
        let stream = stream.map_err(|error| faults::not_connected(target, &error))?;
        // A request is one packet, and none waits for another.
        let _ = stream.set_nodelay(true);
        match &target.tls {
            None => Self::begin(target, stream).await,
            Some(tls) => {
                Self::begin(target, in_time(target, tls.begin(target, stream)).await??).await
            }
        }
    }

    async fn begin(
        target: &Target,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, Exit> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| faults::broken(target, &error))?;
        // Its end is seen by whoever waits for the answer.
        let task = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, task })
    }
}

async fn in_time<T>(target: &Target, work: impl Future<Output = T>) -> Result<T, Exit> {
    timeout(ANSWER_WITHIN, work).await.map_err(|_| faults::no_answer(target, ANSWER_WITHIN))
}

fn challenge(response: &Response<Incoming>) -> Option<PasswordClient> {
    let values =
        response.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    // Digest is better than Basic, where both are offered.
    let mut clients: Vec<_> =
        values.filter_map(|value| PasswordClient::try_from(value).ok()).collect();
    clients.sort_by_key(|client| matches!(client, PasswordClient::Basic(_)));
    clients.into_iter().next()
}
