//! What verification makes of recorded answers.

use crate::playing::Way;
use crate::replay::Case;

pub(crate) const CASES: &[Case] = &[
    Case {
        recording: "01-index-fields",
        way: Way::Verify,
        facts: &[
            "tls Passed - The certificate of 127.0.0.1 is valid.",
            "api Passed - wc/v3 answers; the store calls itself http://127.0.0.1:8102.",
            "time_zone Passed - Europe/Ljubljana",
            r#"profile version=Some("11.0.1") home=Some("http://127.0.0.1:8102") zone=Some("Europe/Ljubljana") currency=Some("EUR") digits=Some(2) with_tax=Some(false)"#,
        ],
    },
    Case {
        recording: "06-auth-basic-behind-proxy-forwarded-proto",
        way: Way::Verify,
        facts: &["read_orders Passed - The store has 34 orders."],
    },
    Case {
        recording: "07-auth-query-string-tls",
        way: Way::Verify,
        facts: &["read_orders Passed - The store has 34 orders."],
    },
    Case {
        recording: "10-auth-header-stripped-query-string-works",
        way: Way::Verify,
        facts: &["read_orders Passed - The store has 34 orders."],
    },
    Case {
        recording: "13-auth-key-of-customer-user",
        way: Way::Verify,
        facts: &[
            "credentials Passed - Accepted by the Authorization header.",
            r#"read_orders Failed woocommerce.rights_missing The store says: "Sorry, you cannot list resources." (woocommerce_rest_cannot_view)."#,
            "write Skipped - An earlier check failed.",
        ],
    },
    Case {
        recording: "145-batch-empty",
        way: Way::Verify,
        facts: &[
            "write Passed - An empty batch was accepted.",
            "batch Passed - Up to 100 articles in one request.",
        ],
    },
    Case {
        recording: "149-batch-read-only-key",
        way: Way::Verify,
        facts: &[
            "read_orders Passed - The store has 34 orders.",
            r#"write Failed woocommerce.key_read_only The store says: "The API key provided does not have write permissions." (woocommerce_rest_authentication_error)."#,
            "batch Skipped - An earlier check failed.",
        ],
    },
    Case {
        recording: "15-auth-manager-key-reads",
        way: Way::Verify,
        facts: &[
            "credentials Passed - Accepted by the Authorization header.",
            "read_orders Passed - The store has 34 orders.",
        ],
    },
    Case {
        recording: "16-oauth-sha256-ok",
        way: Way::Verify,
        facts: &["read_orders Passed - The store has 34 orders."],
    },
    Case {
        recording: "17-oauth-sha1-ok",
        way: Way::Verify,
        facts: &["read_orders Passed - The store has 34 orders."],
    },
    Case {
        recording: "172-env-php-warning-noise",
        way: Way::Verify,
        facts: &["read_orders Passed - The store has 35 orders."],
    },
    Case {
        recording: "173-env-bom-before-json",
        way: Way::Verify,
        facts: &["read_orders Passed - The store has 35 orders."],
    },
    Case {
        recording: "181-env-redirect-to-https",
        way: Way::Verify,
        facts: &["write Failed woocommerce.moved It leads to https://127.0.0.1:8142."],
    },
    Case {
        recording: "220-webhooks-list-disabled",
        way: Way::Verify,
        facts: &["webhooks Passed - The key may set up webhooks."],
    },
    Case {
        recording: "24-oauth-authorization-header-ok",
        way: Way::Verify,
        facts: &["read_orders Passed - The store has 34 orders."],
    },
    Case {
        recording: "28-query-string-auth-link-leaks-secret",
        way: Way::Verify,
        facts: &["read_orders Passed - The store has 135 orders."],
    },
    Case {
        recording: "85-system-status",
        way: Way::Verify,
        facts: &[
            "version Passed - WooCommerce 11.0.1, WordPress 7.1, PHP 8.2.36, theme Twenty Twenty-Four 1.6",
            "currency Passed - EUR with 2 decimals.",
            r#"profile version=Some("11.0.1") home=Some("http://127.0.0.1:8102") zone=Some("Europe/Ljubljana") currency=Some("EUR") digits=Some(2) with_tax=Some(false)"#,
            r#"fact auth="basic""#,
            "fact flat_variations=true",
            "fact hpos=true",
            r#"fact php="8.2.36""#,
            r#"fact theme="Twenty Twenty-Four 1.6""#,
            r#"fact wordpress="7.1""#,
        ],
    },
    Case {
        recording: "87-settings-tax",
        way: Way::Verify,
        facts: &[
            "tax_mode Passed - Prices without tax.",
            r#"profile version=Some("11.0.1") home=Some("http://127.0.0.1:8102") zone=Some("Europe/Ljubljana") currency=Some("EUR") digits=Some(2) with_tax=Some(false)"#,
        ],
    },
    Case {
        recording: "89-currency-current",
        way: Way::VerifySmallUser,
        facts: &[
            r#"version Warning woocommerce.settings_not_readable The key works, but the WordPress user it belongs to has too few rights. The store says: "Sorry, you cannot list resources." (woocommerce_rest_cannot_view)."#,
            "currency Passed - EUR; its decimals are taken from each order.",
            r#"profile version=None home=Some("http://127.0.0.1:8102") zone=Some("Europe/Ljubljana") currency=Some("EUR") digits=None with_tax=Some(false)"#,
        ],
    },
];
