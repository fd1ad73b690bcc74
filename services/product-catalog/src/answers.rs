//! What others may ask.

use storelink_bus::rpc::{Call, Endpoint, Fault, RpcError};
use storelink_events::internal::{Blocked, Listing};
use storelink_events::rpc::{self, CatalogStatus, ConnectionQuestion, SkuQuestion};
use storelink_events::subject;
use storelink_persistence::{Database, DbError};
use storelink_service::{Connections, ServiceContext};

use crate::choices::only_active;
use crate::listings::listings;
use crate::shard::SHARDS;
use crate::{SERVICE, shard, store};

/// Answers questions from the database.
#[derive(Clone)]
pub(crate) struct Answers {
    pub(crate) database: Database,
    pub(crate) connections: Connections,
}

impl Answers {
    /// Serves until the context's shutdown.
    pub(crate) async fn serve(self, context: &ServiceContext) -> Result<(), RpcError> {
        let endpoint = |verb| Endpoint::new(&context.bus, subject::rpc(SERVICE, verb), SERVICE);
        let (asked, whole) = (self.clone(), self);
        let listing = endpoint(rpc::LISTING).serve(
            move |call: Call<SkuQuestion>| {
                let answers = asked.clone();
                async move { answers.listing(&call.request).await.map_err(fault) }
            },
            context.shutdown.clone(),
        );
        let catalog = Endpoint::new(&context.bus, subject::rpc(SERVICE, rpc::CATALOG), SERVICE)
            .serve(
                move |call: Call<ConnectionQuestion>| {
                    let answers = whole.clone();
                    async move { answers.catalog(&call.request).await.map_err(fault) }
                },
                context.shutdown.clone(),
            );
        tokio::try_join!(listing, catalog)?;
        Ok(())
    }

    async fn listing(&self, question: &SkuQuestion) -> Result<Option<Listing>, DbError> {
        let SkuQuestion { connection, sku } = question;
        let only_active = only_active(&self.connections, connection);
        let articles = store::articles_of_sku(&self.database, connection, sku).await?;
        let shared =
            store::sharers(&self.database, connection, shard::of(sku), only_active).await?;
        Ok(listings(&articles, &shared, only_active).into_iter().next())
    }

    async fn catalog(&self, question: &ConnectionQuestion) -> Result<CatalogStatus, DbError> {
        let connection = &question.connection;
        let only_active = only_active(&self.connections, connection);
        let (missing_codes, left_out) = store::missing(&self.database, connection).await?;
        let mut status = CatalogStatus {
            missing_codes,
            left_out,
            ..CatalogStatus::default()
        };
        for shard in 0..SHARDS {
            let articles = store::articles_of_shard(&self.database, connection, shard).await?;
            let shared = store::sharers(&self.database, connection, shard, only_active).await?;
            for listing in listings(&articles, &shared, only_active) {
                count(&mut status, listing);
            }
        }
        Ok(status)
    }
}

/// Counts a listing and keeps it as a sample while there is room for one of its kind.
fn count(status: &mut CatalogStatus, listing: Listing) {
    status.linked += 1;
    let Some(reason) = listing.stock_blocked.or(listing.price_blocked) else {
        return;
    };
    let counts = &mut status.blocked_counts;
    let of_kind = match reason {
        Blocked::DuplicateCode => &mut counts.duplicate_code,
        Blocked::SharedStock => &mut counts.shared_stock,
        Blocked::StockOff => &mut counts.stock_off,
        Blocked::Inactive => &mut counts.inactive,
    };
    *of_kind += 1;
    if *of_kind > rpc::CATALOG_SAMPLES {
        return;
    }
    if reason == Blocked::DuplicateCode {
        status.duplicate_codes.push(listing.sku.clone());
    }
    status.blocked.push(listing);
}

fn fault(error: DbError) -> Fault {
    Fault::new(error.code(), error.to_string())
}
