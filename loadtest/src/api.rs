//! An HTTP/1.1 client of the gateway's public API, over kept connections.
//!
//! One request at a time per connection; as many connections as the caller wants. Plain HTTP only:
//! the load test runs beside the gateway, not behind its proxy.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// The time limit of a request; above all of the gateway's own limits.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Errors of a request to the gateway.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The URL cannot be used.
    #[error("`{0}` is no URL of the form http://host[:port]")]
    Url(String),
    /// The key contains characters that a header cannot hold.
    #[error("the API key has characters that a header cannot hold")]
    Key,
    /// The gateway cannot be reached. Nothing was sent.
    #[error("cannot connect to {url}: {error}")]
    Connect {
        /// The URL.
        url: String,
        /// The cause.
        error: std::io::Error,
    },
    /// The connection broke. Whether the gateway received the request is unknown.
    #[error("the connection broke: {0}")]
    Transport(#[from] hyper::Error),
    /// No response in time. Whether the gateway received the request is unknown.
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// A response with an unexpected status.
    #[error("{request} was answered {status}: {body}")]
    Unexpected {
        /// The request.
        request: String,
        /// The status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
}

/// The gateway's address.
#[derive(Clone, Debug)]
pub struct Endpoint {
    authority: String,
    host: HeaderValue,
}

impl Endpoint {
    /// Parses `http://host[:port]`.
    pub fn new(url: &str) -> Result<Self, ApiError> {
        let wrong = || ApiError::Url(url.to_owned());
        let uri: hyper::Uri = url.parse().map_err(|_| wrong())?;
        let plain = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/") && uri.query().is_none();
        let authority = uri.authority().filter(|_| plain).ok_or_else(wrong)?;
        let port = authority.port_u16().unwrap_or(80);
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| wrong())?;
        Ok(Self { authority: format!("{}:{port}", authority.host()), host })
    }

    /// Returns the WebSocket URL of a path on the same host.
    pub fn websocket(&self, path: &str) -> String {
        format!("ws://{}{path}", self.authority)
    }
}

/// The API key of a client.
#[derive(Clone, Debug)]
pub struct Credentials(HeaderValue);

impl Credentials {
    /// Parses an API key.
    pub fn new(key: &str) -> Result<Self, ApiError> {
        let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| ApiError::Key)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// Returns the header's value.
    pub fn header(&self) -> &HeaderValue {
        &self.0
    }
}

/// A response.
#[derive(Debug)]
pub struct ApiReply {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// One connection: opens when needed, and again after it broke.
pub struct ApiConnection {
    endpoint: Endpoint,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl ApiConnection {
    /// Creates a connection that opens at the first request.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, sender: None }
    }

    /// Sends one request and waits for its response.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        key: Option<&Credentials>,
        body: Option<Bytes>,
    ) -> Result<ApiReply, ApiError> {
        let request = self.request(method, path, key, body);
        tokio::time::timeout(TIMEOUT, self.exchange(request)).await.unwrap_or(Err(ApiError::Timeout))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        key: Option<&Credentials>,
        body: Option<Bytes>,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body.clone().unwrap_or_default()));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect("paths are made of routes and ids");
        let headers = request.headers_mut();
        headers.insert(HOST, self.endpoint.host.clone());
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(Credentials(value)) = key {
            headers.insert(AUTHORIZATION, value.clone());
        }
        request
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<ApiReply, ApiError> {
        let open = match self.sender.take() {
            Some(mut sender) => sender.ready().await.is_ok().then_some(sender),
            None => None,
        };
        let mut sender = match open {
            Some(sender) => sender,
            None => connect(&self.endpoint).await?,
        };
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        // Only now: the rest of an abandoned response must not be taken for the next one.
        self.sender = Some(sender);
        Ok(ApiReply { status, body })
    }

    /// Connects now, so that the first request is not delayed.
    pub async fn warm_up(&mut self) -> Result<(), ApiError> {
        self.json(Method::GET, "/v1/markets?limit=1", None, None, &[200]).await.map(drop)
    }

    /// Sends a request that must succeed: its response must have one of `statuses` and a JSON body.
    pub async fn json(
        &mut self,
        method: Method,
        path: &str,
        key: Option<&Credentials>,
        body: Option<&Value>,
        statuses: &[u16],
    ) -> Result<(u16, Value), ApiError> {
        let bytes = body.map(|body| Bytes::from(body.to_string()));
        let reply = self.send(method.clone(), path, key, bytes).await?;
        let value = serde_json::from_slice(&reply.body).ok().filter(|_| statuses.contains(&reply.status));
        value.map(|value| (reply.status, value)).ok_or_else(|| ApiError::Unexpected {
            request: format!("{method} {path}"),
            status: reply.status,
            body: String::from_utf8_lossy(&reply.body).chars().take(400).collect(),
        })
    }
}

async fn connect(endpoint: &Endpoint) -> Result<SendRequest<Full<Bytes>>, ApiError> {
    let error = |error| ApiError::Connect { url: endpoint.authority.clone(), error };
    let stream = TcpStream::connect(&endpoint.authority).await.map_err(error)?;
    stream.set_nodelay(true).map_err(error)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // The sender reports the connection's end.
        let _ = connection.await;
    });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_plain_http_without_a_path() {
        assert_eq!(Endpoint::new("http://127.0.0.1:8080/").unwrap().authority, "127.0.0.1:8080");
        assert_eq!(Endpoint::new("http://gateway").unwrap().authority, "gateway:80");
        for wrong in ["https://x", "127.0.0.1:80", "http://x/v1", "", "http://x?y"] {
            assert!(matches!(Endpoint::new(wrong), Err(ApiError::Url(_))), "{wrong}");
        }
    }
}
