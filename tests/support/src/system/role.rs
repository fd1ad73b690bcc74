//! The roles as separate processes.

use std::fmt;

/// A role that `storelink serve` runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// API and connections.
    ConnectionRegistry,
    /// Reads WooCommerce stores.
    WooCommercePoller,
    /// Keeps the ledger of orders.
    OrderIngest,
    /// Keeps the listings.
    ProductCatalog,
    /// Writes stock.
    StockPublisher,
    /// Writes prices.
    PricePublisher,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::ConnectionRegistry,
        Self::WooCommercePoller,
        Self::OrderIngest,
        Self::ProductCatalog,
        Self::StockPublisher,
        Self::PricePublisher,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ConnectionRegistry => "connection-registry",
            Self::WooCommercePoller => "poller",
            Self::OrderIngest => "order-ingest",
            Self::ProductCatalog => "product-catalog",
            Self::StockPublisher => "stock-publisher",
            Self::PricePublisher => "price-publisher",
        }
    }

    /// The name of its user on the broker.
    #[must_use]
    pub fn broker_user(self) -> &'static str {
        match self {
            Self::WooCommercePoller => "poller-woocommerce",
            _ => self.name(),
        }
    }

    /// The role of a process by its name, such as `stock-publisher-2`.
    #[must_use]
    pub fn of_process(process: &str) -> Option<Self> {
        let is_replica = |rest: &str| rest.is_empty() || rest.starts_with('-');
        let runs = |role: &Self| process.strip_prefix(role.name()).is_some_and(is_replica);
        Self::ALL.into_iter().find(runs)
    }

    /// The arguments that start it.
    #[must_use]
    pub fn arguments(self) -> Vec<String> {
        let mut arguments = vec!["serve".to_owned(), self.name().to_owned()];
        if self == Self::WooCommercePoller {
            arguments.extend(["--platform".to_owned(), "woocommerce".to_owned()]);
        }
        arguments
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
