//! A webhook as the store keeps it (sheet section 7). The simulator keeps webhooks but sends nothing.

/// One webhook.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) topic: String,
    pub(crate) delivery_url: String,
    pub(crate) secret: String,
    pub(crate) created: i64,
    pub(crate) modified: Option<i64>,
}

/// The store's own events behind a topic; none for a topic it does not know (recording 207).
pub(crate) fn hooks_of(topic: &str) -> Option<Vec<&'static str>> {
    Some(match topic {
        "order.created" => vec!["woocommerce_new_order"],
        "order.updated" => vec!["woocommerce_update_order", "woocommerce_order_refunded"],
        "order.deleted" => vec!["wp_trash_post", "woocommerce_trash_order"],
        "order.restored" => vec!["untrashed_post"],
        "product.created" => vec![
            "woocommerce_process_product_meta",
            "woocommerce_new_product",
        ],
        "product.updated" => vec![
            "woocommerce_process_product_meta",
            "woocommerce_update_product",
            "woocommerce_update_product_variation",
        ],
        "product.deleted" => vec!["wp_trash_post"],
        "product.restored" => vec!["untrashed_post"],
        "customer.created" => vec!["user_register"],
        "customer.updated" => vec!["profile_update"],
        "customer.deleted" => vec!["delete_user"],
        "coupon.created" => vec!["woocommerce_process_shop_coupon_meta"],
        "coupon.updated" => vec!["woocommerce_update_coupon"],
        "coupon.deleted" => vec!["wp_trash_post"],
        other if other.starts_with("action.") && other.len() > "action.".len() => Vec::new(),
        _ => return None,
    })
}
