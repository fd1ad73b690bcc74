//! The listener: limits for callers that send slowly or in masses, and an orderly end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Connections at once; more of them wait to be accepted.
const CONNECTIONS: usize = 4_096;
/// A caller that does not finish its headers within this time is sent away.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
const LARGEST_HEADERS: usize = 32 * 1024;
/// How long open requests have at the end.
const LAST_REQUESTS: Duration = Duration::from_secs(15);
/// After an error that accepting again at once would only repeat, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves until cancelled, then lets open requests end.
///
/// # Errors
/// Never today: an error of accepting is waited out.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    cancel: CancellationToken,
) -> io::Result<()> {
    // HTTP/1.1 alone: behind a proxy nothing else arrives, and HTTP/2 brings attacks of its own.
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(LARGEST_HEADERS);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let open = GracefulShutdown::new();
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            biased;
            () = cancel.cancelled() => break,
            accepted = accepted => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let connection = open.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    if timeout(LAST_REQUESTS, open.shutdown()).await.is_err() {
        tracing::warn!("requests did not end in time");
    }
    Ok(())
}
