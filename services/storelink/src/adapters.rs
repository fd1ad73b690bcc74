//! The one place where platforms are registered.

use storelink_adapter_api::Adapters;
use storelink_adapter_woocommerce::WooCommerce;

/// Every platform that this program can link.
pub(crate) fn all() -> Adapters {
    Adapters::default().with(WooCommerce::new())
}
