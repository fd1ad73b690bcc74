//! The smallest possible HTTP client: one request, one connection, nothing added, nothing followed.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::http::Request;

/// Largest answer taken, bytes.
const ANSWER_LIMIT: usize = 256 * 1024 * 1024;

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header names in small letters with values.
    pub headers: Vec<(String, String)>,
    /// The raw body.
    pub body: Bytes,
}

impl Answer {
    /// First value of a header, by its name in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Sends a request to an address over plain HTTP.
///
/// # Errors
/// When there is no connection, no answer in time, or the answer is too large.
pub async fn send(
    address: SocketAddr,
    request: Request,
    timeout: Duration,
) -> std::io::Result<Answer> {
    match tokio::time::timeout(timeout, exchange(address, request)).await {
        Ok(result) => result,
        Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
    }
}

async fn exchange(address: SocketAddr, request: Request) -> std::io::Result<Answer> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let driver = tokio::spawn(connection);
    let target = match request.query.as_str() {
        "" => request.path,
        query => format!("{}?{query}", request.path),
    };
    let mut builder = hyper::Request::builder()
        .method(request.method.as_str())
        .uri(target);
    if !request
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        builder = builder.header("host", address.to_string());
    }
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let outgoing = builder
        .body(Full::new(request.body))
        .map_err(std::io::Error::other)?;
    let (parts, body) = sender
        .send_request(outgoing)
        .await
        .map_err(broken)?
        .into_parts();
    let body = Limited::new(body, ANSWER_LIMIT)
        .collect()
        .await
        .map_err(std::io::Error::other)?;
    driver.abort();
    let headers = parts.headers.iter();
    let headers = headers
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    Ok(Answer {
        status: parts.status.as_u16(),
        headers,
        body: body.to_bytes(),
    })
}

fn broken(error: hyper::Error) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::ConnectionReset, error)
}
