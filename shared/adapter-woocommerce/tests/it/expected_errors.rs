//! Refusals and faults as they were recorded.

use crate::playing::Way;
use crate::replay::Case;

pub(crate) const CASES: &[Case] = &[
    Case {
        recording: "02-auth-none-tls",
        way: Way::Orders,
        facts: &[
            "error woocommerce.credentials_not_seen attention",
            r#"text The store answered as if no key had been sent: the key is not known any more, or something on the way takes it off. The store says: "Sorry, you cannot list resources." (woocommerce_rest_cannot_view)."#,
        ],
    },
    Case {
        recording: "03-auth-unknown-key-basic",
        way: Way::Orders,
        facts: &[
            "error woocommerce.credentials_not_seen attention",
            r#"text The store answered as if no key had been sent: the key is not known any more, or something on the way takes it off. The store says: "Sorry, you cannot list resources." (woocommerce_rest_cannot_view)."#,
        ],
    },
    Case {
        recording: "04-auth-wrong-secret-basic",
        way: Way::Orders,
        facts: &[
            "error woocommerce.secret_wrong attention",
            r#"text The store knows the consumer key, but the consumer secret does not belong to it. The store says: "Consumer secret is invalid." (woocommerce_rest_authentication_error)."#,
        ],
    },
    Case {
        recording: "05-auth-basic-over-plain-http",
        way: Way::Orders,
        facts: &[
            "error woocommerce.credentials_not_seen attention",
            r#"text The store answered as if no key had been sent: the key is not known any more, or something on the way takes it off. The store says: "Sorry, you cannot list resources." (woocommerce_rest_cannot_view)."#,
        ],
    },
    Case {
        recording: "08-auth-query-string-plain-http",
        way: Way::Orders,
        facts: &[
            "error woocommerce.credentials_not_seen attention",
            r#"text The store answered as if no key had been sent: the key is not known any more, or something on the way takes it off. The store says: "Sorry, you cannot list resources." (woocommerce_rest_cannot_view)."#,
        ],
    },
    Case {
        recording: "09-auth-header-stripped",
        way: Way::Orders,
        facts: &[
            "error woocommerce.credentials_not_seen attention",
            r#"text The store answered as if no key had been sent: the key is not known any more, or something on the way takes it off. The store says: "Sorry, you cannot list resources." (woocommerce_rest_cannot_view)."#,
        ],
    },
    Case {
        recording: "107-stock-put-decimal",
        way: Way::Stock,
        facts: &[
            "error woocommerce.request_refused rejected",
            r#"text The store refused a request as wrong. The store says: "Invalid parameter(s): stock_quantity" (rest_invalid_param: stock_quantity)."#,
        ],
    },
    Case {
        recording: "109-stock-put-garbage",
        way: Way::Stock,
        facts: &[
            "error woocommerce.request_refused rejected",
            r#"text The store refused a request as wrong. The store says: "Invalid parameter(s): stock_quantity" (rest_invalid_param: stock_quantity)."#,
        ],
    },
    Case {
        recording: "11-auth-read-key-writes",
        way: Way::Stock,
        facts: &[
            "error woocommerce.key_read_only attention",
            r#"text The key may read but not write. The store says: "The API key provided does not have write permissions." (woocommerce_rest_authentication_error)."#,
        ],
    },
    Case {
        recording: "115-variation-under-wrong-parent",
        way: Way::Stock,
        facts: &[
            "error woocommerce.not_found rejected",
            r#"text The store has no such article or order. The store says: "Invalid ID." (woocommerce_rest_product_variation_invalid_id)."#,
        ],
    },
    Case {
        recording: "116-variation-by-product-route",
        way: Way::Stock,
        facts: &[
            "error woocommerce.request_refused rejected",
            r#"text The store refused a request as wrong. The store says: "To manipulate product variations you should use the /products/&lt;product_id&gt;/variations/&lt;id&gt; endpoint." (woocommerce_rest_invalid_product_id)."#,
        ],
    },
    Case {
        recording: "12-auth-write-key-reads",
        way: Way::Orders,
        facts: &[
            "error woocommerce.key_write_only attention",
            r#"text The key may write but not read. The store says: "The API key provided does not have read permissions." (woocommerce_rest_authentication_error)."#,
        ],
    },
    Case {
        recording: "121-price-put-number",
        way: Way::Price("24.90", None),
        facts: &[
            "error woocommerce.request_refused rejected",
            r#"text The store refused a request as wrong. The store says: "Invalid parameter(s): regular_price" (rest_invalid_param: regular_price)."#,
        ],
    },
    Case {
        recording: "133-put-invalid-json",
        way: Way::Stock,
        facts: &[
            "error woocommerce.request_refused rejected",
            r#"text The store refused a request as wrong. The store says: "Invalid JSON body passed." (rest_invalid_json)."#,
        ],
    },
    Case {
        recording: "136-put-duplicate-sku",
        way: Way::Stock,
        facts: &[
            "error woocommerce.request_refused rejected",
            r#"text The store refused a request as wrong. The store says: "Invalid or duplicated SKU." (product_invalid_sku)."#,
        ],
    },
    Case {
        recording: "137-post-product-duplicate-sku",
        way: Way::Stock,
        facts: &[
            "error woocommerce.request_refused rejected",
            r#"text The store refused a request as wrong. The store says: "Invalid or duplicated SKU." (product_invalid_sku)."#,
        ],
    },
    Case {
        recording: "14-auth-key-of-deleted-user",
        way: Way::Orders,
        facts: &[
            "error woocommerce.credentials_not_seen attention",
            r#"text The store answered as if no key had been sent: the key is not known any more, or something on the way takes it off. The store says: "Sorry, you cannot list resources." (woocommerce_rest_cannot_view)."#,
        ],
    },
    Case {
        recording: "142-batch-101",
        way: Way::Stock,
        facts: &["error woocommerce.batch_too_large rejected smaller-batch"],
    },
    Case {
        recording: "144-batch-60-create-41-update",
        way: Way::Stock,
        facts: &["error woocommerce.batch_too_large rejected smaller-batch"],
    },
    Case {
        recording: "151-order-put-status-unknown",
        way: Way::Order,
        facts: &[
            "error woocommerce.request_refused rejected",
            r#"text The store refused a request as wrong. The store says: "Invalid parameter(s): status" (rest_invalid_param: status)."#,
        ],
    },
    Case {
        recording: "159-order-refund-too-much",
        way: Way::Order,
        facts: &[
            "error woocommerce.business_refusal rejected",
            r#"text The store refused the request for a reason of its own. The store says: "Invalid refund amount." (woocommerce_rest_cannot_create_order_refund)."#,
        ],
    },
    Case {
        recording: "161b-order-delete-twice",
        way: Way::Order,
        facts: &[
            "error woocommerce.already_deleted rejected",
            r#"text It is in the store's trash already. The store says: "The shop_order has already been deleted." (woocommerce_rest_already_trashed)."#,
        ],
    },
    Case {
        recording: "170-env-maintenance",
        way: Way::Orders,
        facts: &["error woocommerce.maintenance limited 30s"],
    },
    Case {
        recording: "170b-env-maintenance-html",
        way: Way::Orders,
        facts: &["error woocommerce.maintenance limited 30s"],
    },
    Case {
        recording: "171-env-rest-disabled",
        way: Way::Orders,
        facts: &[
            "error woocommerce.api_closed attention",
            r#"text A security plugin closes the store's interface. The store says: "The REST API on this site is restricted." (rest_cannot_access)."#,
        ],
    },
    Case {
        recording: "174-env-php-fatal-json",
        way: Way::Orders,
        facts: &[
            "error woocommerce.plugin_crash transient",
            r#"text The store's program crashed: a plugin or the theme has a fault. The store says: "There has been a critical error on this website. Learn more about troubleshooting WordPress." (internal_server_error)."#,
        ],
    },
    Case {
        recording: "175-env-php-fatal-html",
        way: Way::Orders,
        facts: &[
            "error woocommerce.server_error transient",
            r#"text The store's server reported a fault of its own. Seen: status 500, text/html, "WordPress &rsaquo; Error html { background: #f1f1f1; } body { background: #fff; border: 1px solid #ccd0d4; color: #444; font-family: -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, Oxygen-Sans,"."#,
        ],
    },
    Case {
        recording: "176-env-database-down",
        way: Way::Orders,
        facts: &[
            "error woocommerce.database_down transient",
            r#"text WordPress stopped before it could answer, mostly because its database cannot be reached. The store says: "Error establishing a database connection" (wp_die)."#,
        ],
    },
    Case {
        recording: "177-env-plain-permalinks",
        way: Way::Orders,
        facts: &["error woocommerce.permalinks_plain attention"],
    },
    Case {
        recording: "177b-env-plain-permalinks-follow",
        way: Way::Orders,
        facts: &["error woocommerce.permalinks_plain attention"],
    },
    Case {
        recording: "178-env-rest-route-with-key",
        way: Way::Orders,
        facts: &[
            "error woocommerce.credentials_not_seen attention",
            r#"text The store answered as if no key had been sent: the key is not known any more, or something on the way takes it off. The store says: "Sorry, you cannot list resources." (woocommerce_rest_cannot_view)."#,
        ],
    },
    Case {
        recording: "18-oauth-nonce-reused",
        way: Way::Orders,
        facts: &[
            "error woocommerce.nonce_refused transient",
            r#"text The store saw the same request twice and refused the second one. The store says: "Invalid nonce - nonce has already been used." (woocommerce_rest_authentication_error)."#,
        ],
    },
    Case {
        recording: "180-env-no-rewrite",
        way: Way::Orders,
        facts: &[
            "error woocommerce.api_not_found attention",
            r#"text At this address nothing answers as a WordPress store. Seen: status 404, text/html, "404 Not Found 404 Not Found nginx/1.22.1"."#,
        ],
    },
    Case {
        recording: "182-env-502",
        way: Way::Orders,
        facts: &[
            "error woocommerce.gateway transient",
            r#"text The web server answers, but PHP behind it is down. Seen: status 502, text/html, "502 Bad Gateway 502 Bad Gateway nginx/1.22.1"."#,
        ],
    },
    Case {
        recording: "184-env-413-nginx",
        way: Way::Stock,
        facts: &["error woocommerce.body_too_large rejected smaller-batch"],
    },
    Case {
        recording: "185-env-429",
        way: Way::Orders,
        facts: &["error woocommerce.rate_limited limited 30s"],
    },
    Case {
        recording: "186-env-403-firewall",
        way: Way::Orders,
        facts: &[
            "error woocommerce.firewall attention",
            r#"text A firewall in front of the store refuses our requests. Seen: status 403, text/html, "403 Forbidden 403 Forbidden nginx/1.22.1"."#,
        ],
    },
    Case {
        recording: "19-oauth-bad-signature",
        way: Way::Orders,
        facts: &[
            "error woocommerce.signature_refused attention",
            r#"text The store computes another signature than we do: the consumer secret is wrong, or the store's own address is spelled in another way than the one entered. The store says: "Invalid signature - provided signature does not match." (woocommerce_rest_authentication_error)."#,
        ],
    },
    Case {
        recording: "20-oauth-unknown-key",
        way: Way::Orders,
        facts: &[
            "error woocommerce.key_unknown attention",
            r#"text The store does not know this consumer key. The store says: "Consumer key is invalid." (woocommerce_rest_authentication_error)."#,
        ],
    },
    Case {
        recording: "21-oauth-timestamp-too-old",
        way: Way::Orders,
        facts: &[
            "error woocommerce.clock_differs attention",
            r#"text The store's clock and ours differ. The store says: "Invalid timestamp." (woocommerce_rest_authentication_error)."#,
        ],
    },
    Case {
        recording: "22-oauth-missing-parameter",
        way: Way::Orders,
        facts: &[
            "error woocommerce.parameters_stripped attention",
            r#"text Something between us and the store takes parameters off our requests. The store says: "Missing OAuth parameter oauth_nonce" (woocommerce_rest_authentication_missing_parameter)."#,
        ],
    },
    Case {
        recording: "221-hook-same-delivery-id-first",
        way: Way::Orders,
        facts: &[
            "error woocommerce.answer_not_understood transient",
            "text The store's answer could not be read. Seen: the answer is not JSON: ok.",
        ],
    },
    Case {
        recording: "222-hook-same-delivery-id-second",
        way: Way::Orders,
        facts: &[
            "error woocommerce.answer_not_understood transient",
            "text The store's answer could not be read. Seen: the answer is not JSON: ok.",
        ],
    },
    Case {
        recording: "23-oauth-method-plaintext",
        way: Way::Orders,
        facts: &[
            "error woocommerce.credentials_refused attention",
            r#"text The store refused the key in words that are not known here. The store says: "Invalid signature - signature method is invalid." (woocommerce_rest_authentication_error)."#,
        ],
    },
    Case {
        recording: "25-oauth-signed-with-wrong-host",
        way: Way::Orders,
        facts: &[
            "error woocommerce.signature_refused attention",
            r#"text The store computes another signature than we do: the consumer secret is wrong, or the store's own address is spelled in another way than the one entered. The store says: "Invalid signature - provided signature does not match." (woocommerce_rest_authentication_error)."#,
        ],
    },
    Case {
        recording: "27-oauth-link-header-followed",
        way: Way::Orders,
        facts: &[
            "error woocommerce.signature_refused attention",
            r#"text The store computes another signature than we do: the consumer secret is wrong, or the store's own address is spelled in another way than the one entered. The store says: "Invalid signature - provided signature does not match." (woocommerce_rest_authentication_error)."#,
        ],
    },
    Case {
        recording: "301-v79-variations-flat",
        way: Way::ProductList,
        facts: &[
            "error woocommerce.route_missing attention",
            r#"text WooCommerce does not know this call: it is switched off or too old. The store says: "No route was found matching the URL and request method." (rest_no_route)."#,
        ],
    },
    Case {
        recording: "305-v79-batch-102",
        way: Way::Stock,
        facts: &["error woocommerce.batch_too_large rejected smaller-batch"],
    },
    Case {
        recording: "33-products-per-page-101",
        way: Way::Products,
        facts: &[
            "error woocommerce.request_refused rejected",
            r#"text The store refused a request as wrong. The store says: "Invalid parameter(s): per_page" (rest_invalid_param: per_page)."#,
        ],
    },
    Case {
        recording: "34-products-orderby-bogus",
        way: Way::Products,
        facts: &[
            "error woocommerce.request_refused rejected",
            r#"text The store refused a request as wrong. The store says: "Invalid parameter(s): orderby" (rest_invalid_param: orderby)."#,
        ],
    },
    Case {
        recording: "48-products-unknown-id",
        way: Way::Products,
        facts: &[
            "error woocommerce.not_found rejected",
            r#"text The store has no such article or order. The store says: "Invalid ID." (woocommerce_rest_product_invalid_id)."#,
        ],
    },
    Case {
        recording: "49-route-unknown",
        way: Way::Products,
        facts: &[
            "error woocommerce.route_missing attention",
            r#"text WooCommerce does not know this call: it is switched off or too old. The store says: "No route was found matching the URL and request method." (rest_no_route)."#,
        ],
    },
    Case {
        recording: "50-product-id-not-number",
        way: Way::Products,
        facts: &[
            "error woocommerce.route_missing attention",
            r#"text WooCommerce does not know this call: it is switched off or too old. The store says: "No route was found matching the URL and request method." (rest_no_route)."#,
        ],
    },
    Case {
        recording: "66-orders-modified-after-local",
        way: Way::OrderList,
        facts: &["error woocommerce.modified_filter_ignored attention"],
    },
    Case {
        recording: "68-orders-status-unknown",
        way: Way::Orders,
        facts: &[
            "error woocommerce.request_refused rejected",
            r#"text The store refused a request as wrong. The store says: "Invalid parameter(s): status" (rest_invalid_param: status)."#,
        ],
    },
    Case {
        recording: "70-orders-date-garbage",
        way: Way::Orders,
        facts: &[
            "error woocommerce.request_refused rejected",
            r#"text The store refused a request as wrong. The store says: "Invalid parameter(s): modified_after" (rest_invalid_param: modified_after)."#,
        ],
    },
    Case {
        recording: "97-trap-fraction-of-second",
        way: Way::OrderList,
        facts: &["error woocommerce.modified_filter_ignored attention"],
    },
    Case {
        recording: "98-date-only",
        way: Way::Orders,
        facts: &[
            "error woocommerce.request_refused rejected",
            r#"text The store refused a request as wrong. The store says: "Invalid parameter(s): modified_after" (rest_invalid_param: modified_after)."#,
        ],
    },
    Case {
        recording: "183-env-504",
        way: Way::Stock,
        facts: &[
            "error woocommerce.gateway_timeout transient outcome-unknown smaller-batch",
            r#"text The store took longer than its web server waits. Whether the work was done is not known; it is sent again in smaller pieces. Seen: status 504, text/html, "504 Gateway Time-out 504 Gateway Time-out nginx/1.22.1"."#,
        ],
    },
];
