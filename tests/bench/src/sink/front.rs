//! The listener of a sink.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::batch::{self, Row};
use super::book::{Book, Tally};
use super::catalogue::Page;
use crate::clock::now_us;

const BATCHES: &str = "/wp-json/wc/v3/products/batch";
const PRODUCTS: &str = "/wp-json/wc/v3/products";
/// What answers without a look at what is sent.
const TRIVIAL: &str = "/trivial";
const BODY_LIMIT: usize = 8 * 1024 * 1024;
const BEHIND_LIMIT: Duration = Duration::from_secs(30);
/// How long a store that is down asks to be left alone, seconds.
const DOWN_SECONDS: u16 = 2;

/// A store front with its listener, which ends when this is dropped.
pub(crate) struct Sink {
    front: Arc<Front>,
    listener: JoinHandle<()>,
}

struct Front {
    address: SocketAddr,
    articles: usize,
    tally: Arc<Tally>,
    book: Mutex<Book>,
    /// The simulated store that answers what the front does not.
    behind: OnceLock<SocketAddr>,
    delay_us: AtomicU64,
    is_down: AtomicBool,
    refused: AtomicU64,
    open: AtomicU32,
    most_open: AtomicU32,
}

impl Sink {
    /// Listens on a free port for a store of so many articles.
    pub(crate) async fn open(articles: usize, tally: Arc<Tally>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let front = Arc::new(Front {
            address: listener.local_addr()?,
            articles,
            tally,
            book: Mutex::new(Book::of(articles)),
            behind: OnceLock::new(),
            delay_us: AtomicU64::new(0),
            is_down: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            open: AtomicU32::new(0),
            most_open: AtomicU32::new(0),
        });
        let listener = tokio::spawn(listen(Arc::clone(&front), listener));
        Ok(Self { front, listener })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.front.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.front.address)
    }

    /// What the front does not know is answered by the store at this address from now on.
    pub(crate) fn put_before(&self, store: SocketAddr) {
        self.front.behind.set(store).ok();
    }

    /// Every batch takes so much longer to be answered.
    pub(crate) fn set_delay(&self, delay: Duration) {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.front.delay_us.store(micros, Ordering::SeqCst);
    }

    /// A store that is down answers everything with 503 and asks to be left alone for two seconds.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.front.is_down.store(is_down, Ordering::SeqCst);
    }

    /// Requests that came while the store was down.
    pub(crate) fn refused(&self) -> u64 {
        self.front.refused.load(Ordering::SeqCst)
    }

    /// The most batches that were open at once since this was asked last.
    pub(crate) fn most_open(&self) -> u64 {
        self.front.most_open.swap(0, Ordering::SeqCst).into()
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.front.book()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn listen(front: Arc<Front>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve(Arc::clone(&front), stream));
            }
            // No file descriptor is left, or the client has gone already.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn serve(front: Arc<Front>, stream: TcpStream) {
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request| {
        let front = Arc::clone(&front);
        async move { Ok::<_, Infallible>(front.answer(request).await) }
    });
    // It ends with an error when the client has gone, which is its right.
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await
        .ok();
}

impl Front {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if self.is_down.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            let mut refusal = status(StatusCode::SERVICE_UNAVAILABLE);
            refusal
                .headers_mut()
                .insert(RETRY_AFTER, DOWN_SECONDS.into());
            return refusal;
        }
        let (parts, body) = request.into_parts();
        let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
            return status(StatusCode::BAD_REQUEST);
        };
        let body = body.to_bytes();
        match parts.uri.path() {
            BATCHES if parts.method == Method::POST => {
                if let Some(rows) = batch::rows(&body) {
                    return self.take(&rows).await;
                }
            }
            PRODUCTS if parts.method == Method::GET => {
                if let Some(page) = parts.uri.query().and_then(Page::of) {
                    return page.answer(&self.book(), self.articles);
                }
            }
            TRIVIAL => return json("{}"),
            _ => {}
        }
        self.answered_behind(&parts, body).await
    }

    async fn take(&self, rows: &[Row]) -> Response<Full<Bytes>> {
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_open.fetch_max(open, Ordering::SeqCst);
        let delay = self.delay_us.load(Ordering::SeqCst);
        if delay > 0 {
            tokio::time::sleep(Duration::from_micros(delay)).await;
        }
        let at_us = now_us();
        let reached = self.book().take(rows, at_us, self.tally.wanted());
        self.tally.add(reached, at_us);
        self.open.fetch_sub(1, Ordering::SeqCst);
        json(batch::confirmation(rows))
    }

    async fn answered_behind(
        &self,
        parts: &hyper::http::request::Parts,
        body: Bytes,
    ) -> Response<Full<Bytes>> {
        let Some(store) = self.behind.get() else {
            return status(StatusCode::NOT_FOUND);
        };
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = parts.headers.iter();
        let request = storelink_simulators::Request {
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: headers
                .map(|(name, value)| (name.as_str().to_owned(), text(value)))
                .collect(),
            body,
        };
        match storelink_simulators::send(*store, request, BEHIND_LIMIT).await {
            Ok(answer) => passed_on(answer),
            Err(_) => status(StatusCode::BAD_GATEWAY),
        }
    }
}

fn passed_on(answer: storelink_simulators::Answer) -> Response<Full<Bytes>> {
    // How the body is framed is between each two who talk.
    let framing = [
        "connection",
        "content-length",
        "transfer-encoding",
        "keep-alive",
    ];
    let mut builder = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        if !framing.contains(&name.as_str()) {
            builder = builder.header(name, value);
        }
    }
    builder
        .body(Full::new(answer.body))
        .unwrap_or_else(|_| status(StatusCode::BAD_GATEWAY))
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// An answer with this document.
pub(crate) fn json(text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    let kind = HeaderValue::from_static("application/json; charset=UTF-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
