//! What other services may ask about orders.

use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;
use storelink_bus::Bus;
use storelink_bus::rpc::{Endpoint, Fault, RpcError};
use storelink_events::rpc::{
    self, OrderSummary, OrdersQuestion, Page, PageQuestion, Parked, Retried, RetryParked,
};
use storelink_events::subject;
use storelink_model::{OrderId, Timestamp};
use storelink_persistence::{Arg, Row, args};
use tokio_util::sync::CancellationToken;

use crate::fresh_read::{self, Wanted};
use crate::ledger::HeldOrders;
use crate::relay::Relay;
use crate::{IngestError, SERVICE};

const LARGEST_PAGE: u32 = 500;

/// Answers questions. Clones share it.
#[derive(Clone)]
pub(crate) struct Questions {
    pub(crate) held: HeldOrders,
    pub(crate) relay: Relay,
    pub(crate) bus: Bus,
}

impl Questions {
    /// Answers until cancelled.
    pub(crate) async fn serve(self, cancel: CancellationToken) -> Result<(), RpcError> {
        let orders = self.on(
            rpc::ORDERS,
            cancel.clone(),
            |own, question: OrdersQuestion| async move { own.orders(question).await },
        );
        let parked = self.on(
            rpc::PARKED,
            cancel.clone(),
            |own, question: PageQuestion| async move { own.parked(question).await },
        );
        let retry = self.on(
            rpc::RETRY_PARKED,
            cancel,
            |own, question: RetryParked| async move { own.retry(question).await },
        );
        futures::try_join!(orders, parked, retry).map(drop)
    }

    async fn on<Q, A, F, H>(
        &self,
        verb: &str,
        cancel: CancellationToken,
        answer: H,
    ) -> Result<(), RpcError>
    where
        H: Fn(Self, Q) -> F + Send + Sync + 'static,
        Q: DeserializeOwned + Send + 'static,
        A: Serialize + Send + 'static,
        F: Future<Output = Result<A, IngestError>> + Send + 'static,
    {
        let own = self.clone();
        let endpoint = Endpoint::<Q>::new(&self.bus, subject::rpc(SERVICE, verb), SERVICE);
        endpoint
            .serve(
                move |call| {
                    let answer = answer(own.clone(), call.request);
                    async move { answer.await.map_err(|error| fault(&error)) }
                },
                cancel,
            )
            .await
    }

    /// Orders, newest first.
    async fn orders(&self, question: OrdersQuestion) -> Result<Page<OrderSummary>, IngestError> {
        let OrdersQuestion { page, number } = question;
        let limit = limit(&page);
        let connection = page
            .connection
            .as_ref()
            .map_or("", |connection| connection.as_str());
        // Ids are texts that begin with `ord_`: every one of them is below a tilde.
        let before = page.after.as_deref().unwrap_or("~");
        let mut wanted: Vec<Arg> = args![page.tenant.as_str(), connection, before, limit + 1];
        let database = self.held.database();
        let rows = match number {
            None => {
                const PAGE: &str = "SELECT o.*, p.code AS parked_code, p.text AS parked_text, \
                    (SELECT COUNT(*) FROM revisions r WHERE r.order_id = o.id \
                     AND r.published IS NOT NULL) AS published \
                    FROM orders o LEFT JOIN parked p ON p.order_id = o.id \
                    WHERE o.tenant = $1 AND ($2 = '' OR o.connection = $2) AND o.id < $3 \
                    ORDER BY o.id DESC LIMIT $4";
                database.fetch_all(PAGE, wanted).await?
            }
            Some(number) => {
                const NUMBERED: &str = "SELECT o.*, p.code AS parked_code, p.text AS parked_text, \
                    (SELECT COUNT(*) FROM revisions r WHERE r.order_id = o.id \
                     AND r.published IS NOT NULL) AS published \
                    FROM orders o LEFT JOIN parked p ON p.order_id = o.id \
                    WHERE o.tenant = $1 AND ($2 = '' OR o.connection = $2) AND o.id < $3 \
                    AND (o.number = $5 OR o.external_id = $5) \
                    ORDER BY o.id DESC LIMIT $4";
                wanted.push(number.replace('\0', "").into());
                database.fetch_all(NUMBERED, wanted).await?
            }
        };
        page_of(&rows, limit, summary, |order| order.id.to_string())
    }

    /// Parked orders, oldest first.
    async fn parked(&self, question: PageQuestion) -> Result<Page<Parked>, IngestError> {
        let limit = limit(&question);
        let connection = question
            .connection
            .as_ref()
            .map_or("", |connection| connection.as_str());
        let rows = self
            .held
            .database()
            .fetch_all(
                "SELECT * FROM parked WHERE tenant = $1 AND ($2 = '' OR connection = $2) \
                 AND order_id > $3 ORDER BY order_id LIMIT $4",
                args![
                    question.tenant.as_str(),
                    connection,
                    question.after.as_deref().unwrap_or_default(),
                    limit + 1
                ],
            )
            .await?;
        page_of(&rows, limit, parked, |parked| parked.id.clone())
    }

    /// Looks at a parked order again with the settings of now, and else has the store asked.
    async fn retry(&self, question: RetryParked) -> Result<Retried, IngestError> {
        let Ok(order) = question.id.parse::<OrderId>() else {
            return Ok(Retried { found: false });
        };
        let Some(found) = self.held.reassess(&question.tenant, &order).await? else {
            return Ok(Retried { found: false });
        };
        // An event that the broker refused is tried at once, not after its pause.
        let at_once = "UPDATE outbox SET due = 0 WHERE chain = $1 AND published IS NULL";
        self.held
            .database()
            .execute(at_once, args![order.as_str()])
            .await?;
        self.relay.wake();
        if !found.released {
            let wanted = Wanted {
                tenant: &question.tenant,
                connection: &found.connection,
                platform: &found.platform,
                external_id: &found.external_id,
                trace: None,
            };
            // A job that is there already will do: whoever asked can ask again.
            fresh_read::ask(&self.bus, wanted).await?;
        }
        Ok(Retried { found: true })
    }
}

fn fault(error: &IngestError) -> Fault {
    tracing::warn!(code = error.code(), %error, "a question is not answered");
    Fault::new(error.code(), error.to_string())
}

fn limit(page: &PageQuestion) -> i64 {
    i64::from(page.limit.clamp(1, LARGEST_PAGE))
}

/// One row more than asked for says that there is a next page.
fn page_of<T>(
    rows: &[Row],
    limit: i64,
    read: impl Fn(&Row) -> Result<T, IngestError>,
    key: impl Fn(&T) -> String,
) -> Result<Page<T>, IngestError> {
    let limit = usize::try_from(limit).unwrap_or_default();
    let items = rows
        .iter()
        .take(limit)
        .map(read)
        .collect::<Result<Vec<T>, _>>()?;
    let next = if rows.len() > limit {
        items.last().map(key)
    } else {
        None
    };
    Ok(Page { items, next })
}

fn summary(row: &Row) -> Result<OrderSummary, IngestError> {
    let parked = match (row.opt_text("parked_code")?, row.opt_text("parked_text")?) {
        (Some(code), Some(text)) => Some(format!("{code}: {text}")),
        _ => None,
    };
    Ok(OrderSummary {
        id: row
            .text("id")?
            .parse()
            .map_err(IngestError::stored("an order's id"))?,
        connection: row
            .text("connection")?
            .parse()
            .map_err(IngestError::stored("a connection"))?,
        external_id: row.text("external_id")?,
        number: row.opt_text("number")?,
        revision: row.int("revision")?.unsigned_abs(),
        state: row.opt_text("state")?,
        total: row.opt_text("total")?,
        first_seen: Timestamp::from_micros(row.int("first_seen")?),
        changed: Timestamp::from_micros(row.int("changed")?),
        published: row.int("published")?.unsigned_abs(),
        parked,
    })
}

fn parked(row: &Row) -> Result<Parked, IngestError> {
    let connection = row.text("connection")?.parse();
    Ok(Parked {
        id: row.text("order_id")?,
        connection: Some(connection.map_err(IngestError::stored("a connection"))?),
        entity: "order".to_owned(),
        sku: None,
        external_id: Some(row.text("external_id")?),
        code: row.text("code")?,
        text: row.text("text")?,
        since: Timestamp::from_micros(row.int("since")?),
    })
}
