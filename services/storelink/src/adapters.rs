//! The one place where platforms are registered.

use storelink_adapter_api::Adapters;
use storelink_adapter_woocommerce::WooCommerce;

/// Every platform that this program can link.
pub(crate) fn all() -> Adapters {
    Adapters::default().with(WooCommerce::new())
}

/// The names of the platforms.
pub(crate) fn names() -> Vec<String> {
    let adapters = all();
    let names = adapters.iter().map(|(platform, _)| platform.to_string());
    names.collect()
}
