//! Addresses below `wc/v3` and the methods each takes.

use super::spec::Version;

/// One address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Orders,
    OrdersBatch,
    Order(u64),
    OrderRefunds(u64),
    OrderRefund(u64, u64),
    OrderNotes(u64),
    OrderNote(u64, u64),
    Refunds,
    Products,
    ProductsBatch,
    Product(u64),
    ProductVariations(u64),
    ProductVariationsBatch(u64),
    ProductVariation(u64, u64),
    Variations,
    SystemStatus,
    Settings(&'a str),
    Setting(&'a str, &'a str),
    Taxes,
    CurrentCurrency,
    PaymentGateways,
    OrderTotals,
    Webhooks,
    Webhook(u64),
}

impl<'a> Route<'a> {
    /// Finds the address of a path below `wc/v3/`; ids must be numbers (recording 50).
    pub(crate) fn find(path: &'a str, version: Version) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let id = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
        };
        Some(match parts.as_slice() {
            ["orders"] => Self::Orders,
            ["orders", "batch"] => Self::OrdersBatch,
            ["orders", order] => Self::Order(id(order)?),
            ["orders", order, "refunds"] => Self::OrderRefunds(id(order)?),
            ["orders", order, "refunds", refund] => Self::OrderRefund(id(order)?, id(refund)?),
            ["orders", order, "notes"] => Self::OrderNotes(id(order)?),
            ["orders", order, "notes", note] => Self::OrderNote(id(order)?, id(note)?),
            ["refunds"] if version.is_new() => Self::Refunds,
            ["products"] => Self::Products,
            ["products", "batch"] => Self::ProductsBatch,
            ["products", product] => Self::Product(id(product)?),
            ["products", product, "variations"] => Self::ProductVariations(id(product)?),
            ["products", product, "variations", "batch"] => {
                Self::ProductVariationsBatch(id(product)?)
            }
            ["products", product, "variations", variation] => {
                Self::ProductVariation(id(product)?, id(variation)?)
            }
            ["variations"] if version.is_new() => Self::Variations,
            ["system_status"] => Self::SystemStatus,
            ["settings", group @ ("general" | "tax")] => Self::Settings(group),
            ["settings", group @ ("general" | "tax"), setting] => Self::Setting(group, setting),
            ["taxes"] => Self::Taxes,
            ["data", "currencies", "current"] => Self::CurrentCurrency,
            ["payment_gateways"] => Self::PaymentGateways,
            ["reports", "orders", "totals"] => Self::OrderTotals,
            ["webhooks"] => Self::Webhooks,
            ["webhooks", webhook] => Self::Webhook(id(webhook)?),
            _ => return None,
        })
    }

    /// Methods that the address takes, as the Allow header lists them.
    pub(crate) fn methods(&self) -> &'static [&'static str] {
        match self {
            Self::Orders | Self::Products | Self::ProductVariations(_) | Self::OrderRefunds(_) => {
                &["GET", "POST"]
            }
            Self::OrderNotes(_) | Self::Webhooks | Self::Taxes => &["GET", "POST"],
            Self::OrdersBatch | Self::ProductsBatch | Self::ProductVariationsBatch(_) => {
                &["POST", "PUT", "PATCH"]
            }
            Self::Order(_) | Self::Product(_) | Self::ProductVariation(..) | Self::Webhook(_) => {
                &["GET", "POST", "PUT", "PATCH", "DELETE"]
            }
            Self::OrderRefund(..) | Self::OrderNote(..) => &["GET", "DELETE"],
            _ => &["GET"],
        }
    }

    /// Whether the address takes the method; HEAD goes with GET, OPTIONS with all.
    pub(crate) fn takes(&self, method: &str) -> bool {
        match method {
            "OPTIONS" => true,
            "HEAD" => self.methods().contains(&"GET"),
            other => self.methods().contains(&other),
        }
    }
}
