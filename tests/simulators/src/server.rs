//! The listener of one store: takes connections, lets the faults decide, asks the platform, writes the ledger.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::clock::{lock, utc_micros};
use crate::faults::{FaultPage, Noise, Plan};
use crate::http::{Reply, Request};
use crate::ledger::{LedgerEntry, Source};
use crate::platform::Work;
use crate::simulators::StoreInner;

/// Largest request body taken, bytes.
const BODY_LIMIT: usize = 32 * 1024 * 1024;

/// How often a store that refuses connections looks whether it still should.
const REFUSAL_CHECK: Duration = Duration::from_millis(20);

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed without an answer")]
struct Closed;

/// Binds an address; the port may be taken again at once after a close.
pub(crate) fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1_024)
}

/// Serves a store until it is stopped. While it refuses connections there is no listener at all.
pub(crate) async fn serve(store: Arc<StoreInner>, listener: TcpListener, stop: CancellationToken) {
    let mut listener = Some(listener);
    let mut connections = CancellationToken::new();
    loop {
        let refuses = lock(&store.faults).refuses_connections();
        if refuses && listener.is_some() {
            listener = None;
            connections.cancel();
            connections = CancellationToken::new();
        } else if !refuses && listener.is_none() {
            listener = bind(store.address).ok();
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = store.faults_changed.notified() => {}
            // The end of a refusal by time is not announced.
            () = tokio::time::sleep(REFUSAL_CHECK), if listener.is_none() => {}
            stream = next_connection(listener.as_ref()) => {
                tokio::spawn(connection(Arc::clone(&store), stream, connections.clone()));
            }
        }
    }
    connections.cancel();
}

async fn next_connection(listener: Option<&TcpListener>) -> TcpStream {
    match listener {
        Some(listener) => accept(listener).await,
        None => std::future::pending().await,
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        // Fails when the process has no file descriptor left, or the client has gone already.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(REFUSAL_CHECK).await;
            continue;
        };
        // The answer of a small write would otherwise wait for the client's acknowledgement.
        if stream.set_nodelay(true).is_ok() {
            return stream;
        }
    }
}

async fn connection(store: Arc<StoreInner>, stream: TcpStream, cut: CancellationToken) {
    let service = service_fn(move |request| exchange(Arc::clone(&store), request));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.auto_date_header(false);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    // An error here is a client that went away or a fault that closed the connection: both are wanted.
    tokio::select! {
        () = cut.cancelled() => {}
        _ = serving => {}
    }
}

async fn exchange(
    store: Arc<StoreInner>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, Closed> {
    let Ok(request) = receive(request).await else {
        return Err(Closed);
    };
    // A task of its own: like PHP, the work goes on when the client has gone away.
    let handle = tokio::spawn(handle(store, request));
    match handle.await {
        Ok(Some(reply)) => Ok(response(reply)),
        _ => Err(Closed),
    }
}

async fn receive(request: hyper::Request<Incoming>) -> Result<Request, Closed> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_LIMIT)
        .collect()
        .await
        .map_err(|_| Closed)?
        .to_bytes();
    let headers = parts.headers.iter();
    let headers = headers
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    Ok(Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers,
        body,
    })
}

async fn handle(store: Arc<StoreInner>, mut request: Request) -> Option<Reply> {
    if request.is_write() {
        store.writes.fetch_add(1, Ordering::SeqCst);
    }
    let in_flight = store.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    let number = store.next_request.fetch_add(1, Ordering::SeqCst);
    let began = Instant::now();
    let mut entry = new_entry(&store, &request, in_flight);
    lock(&store.under_way).insert(number, entry.under_way());
    let plan = lock(&store.faults).plan(&request);
    entry.faults.clone_from(&plan.names);
    if plan.drop_authorization {
        request.headers.retain(|(name, _)| name != "authorization");
    }
    let reply = match plan.gateway_limit.filter(|limit| plan.delay > *limit) {
        Some(limit) => {
            tokio::spawn(apply_late(Arc::clone(&store), request.clone(), plan.delay));
            tokio::time::sleep(limit).await;
            Some(store.platform.page(&FaultPage::GatewayTimeout, &request))
        }
        None => {
            tokio::time::sleep(plan.delay).await;
            carry_out(&store, &request, &plan, &mut entry).await
        }
    };
    let reply = reply.map(|reply| finish(&store, &request, reply, &plan));
    store.in_flight.fetch_sub(1, Ordering::SeqCst);
    lock(&store.under_way).remove(&number);
    entry.duration_us = micros(began.elapsed());
    entry.status = reply.as_ref().map(|reply| reply.status);
    entry.answer_bytes = reply.as_ref().map_or(0, |reply| reply.body.len() as u64);
    store.ledger.append(entry);
    reply
}

async fn carry_out(
    store: &Arc<StoreInner>,
    request: &Request,
    plan: &Plan,
    entry: &mut LedgerEntry,
) -> Option<Reply> {
    if plan.close_before {
        return None;
    }
    if let Some(page) = &plan.page {
        return Some(store.platform.page(page, request));
    }
    if let Some((after, hold)) = plan.late {
        tokio::spawn(apply_late(Arc::clone(store), request.clone(), after));
        tokio::time::sleep(hold).await;
        return None;
    }
    let mut work = Work {
        row_limit: plan.row_limit,
        plain_permalinks: plan.plain_permalinks,
        ..Work::default()
    };
    let reply = store.platform.answer(request, &mut work);
    entry.effects = work.effects;
    if plan.close_after {
        return None;
    }
    match &plan.page_after {
        Some(page) => Some(store.platform.page(page, request)),
        None => Some(reply),
    }
}

/// Does the work of a request long after its connection was given up.
async fn apply_late(store: Arc<StoreInner>, request: Request, after: Duration) {
    tokio::time::sleep(after).await;
    let began = Instant::now();
    let mut entry = new_entry(&store, &request, store.in_flight.load(Ordering::SeqCst));
    entry.source = Source::Late;
    let mut work = Work::default();
    let reply = store.platform.answer(&request, &mut work);
    entry.effects = work.effects;
    entry.status = Some(reply.status);
    entry.duration_us = micros(began.elapsed());
    store.ledger.append(entry);
}

fn finish(store: &StoreInner, request: &Request, mut reply: Reply, plan: &Plan) -> Reply {
    for noise in &plan.noise {
        reply.body = with_noise(*noise, &reply.body);
    }
    if let Some(length) = plan.truncate {
        reply.body.truncate(length);
    }
    if request.method == "HEAD" {
        reply.body.clear();
    }
    reply
        .headers
        .insert(0, ("Date".to_owned(), store.platform.date_header()));
    reply
}

fn with_noise(noise: Noise, body: &Bytes) -> Bytes {
    const WARNING: &[u8] = b"<br />\n<b>Warning</b>:  Undefined variable $settings in \
<b>/var/www/shop/wp-content/plugins/broken/broken.php</b> on line <b>2</b><br />\n<br />\n\
<b>Warning</b>:  Trying to access array offset on value of type null in \
<b>/var/www/shop/wp-content/plugins/broken/broken.php</b> on line <b>2</b><br />\n";
    let parts: [&[u8]; 2] = match noise {
        Noise::Warning => [WARNING, body],
        Noise::ByteOrderMark => ["\u{feff}".as_bytes(), body],
        Noise::CommentAfter => [body, b"\n<!-- Page cached by Speedy Cache -->"],
    };
    parts.concat().into()
}

fn response(reply: Reply) -> hyper::Response<Full<Bytes>> {
    let mut builder = hyper::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        builder = builder.header(name, value);
    }
    builder.body(Full::new(reply.body)).unwrap_or_else(|_| {
        let mut broken = hyper::Response::new(Full::new(Bytes::from_static(b"unsendable header")));
        *broken.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        broken
    })
}

fn new_entry(store: &StoreInner, request: &Request, in_flight: u32) -> LedgerEntry {
    let body = if store.ledger_bodies {
        String::from_utf8_lossy(&request.body).into_owned()
    } else {
        String::new()
    };
    LedgerEntry {
        seq: 0,
        store: store.name.clone(),
        source: Source::Request,
        agent: request.header("user-agent").unwrap_or_default().to_owned(),
        started_us: utc_micros(),
        started_mono_us: store.ledger.mono_us(),
        duration_us: 0,
        in_flight,
        method: request.method.clone(),
        path: request.path.clone(),
        query: request.query.clone(),
        body,
        status: None,
        answer_bytes: 0,
        faults: Vec::new(),
        effects: Vec::new(),
    }
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Serves one handler on a listener until it is stopped; used by the control API.
pub(crate) async fn serve_simple<F, R>(listener: TcpListener, stop: CancellationToken, handler: F)
where
    F: Fn(Request) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Reply> + Send + 'static,
{
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            stream = accept(&listener) => stream,
        };
        let handler = handler.clone();
        let service = service_fn(move |request| {
            let handler = handler.clone();
            async move {
                let reply = match receive(request).await {
                    Ok(request) => handler(request).await,
                    Err(Closed) => Reply::new(400, "text/plain", "body not readable"),
                };
                Ok::<_, Infallible>(response(reply))
            }
        });
        let cut = stop.clone();
        tokio::spawn(async move {
            let builder = hyper::server::conn::http1::Builder::new();
            let serving = builder.serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                () = cut.cancelled() => {}
                _ = serving => {}
            }
        });
    }
}
