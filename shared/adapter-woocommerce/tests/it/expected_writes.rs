//! What the recorded answers to writes mean, row by row.

use crate::playing::Way;
use crate::replay::Case;

pub(crate) const CASES: &[Case] = &[
    Case {
        recording: "100-stock-put",
        way: Way::Stock,
        facts: &["17 confirmed"],
    },
    Case {
        recording: "101-stock-put-same-value",
        way: Way::Stock,
        facts: &["17 confirmed"],
    },
    Case {
        recording: "102-stock-put-not-managed",
        way: Way::Stock,
        facts: &[
            "16 woocommerce.stock_not_managed: The store keeps no stock for this article, so the quantity was not stored.",
        ],
    },
    Case {
        recording: "103-stock-put-with-manage-stock",
        way: Way::Stock,
        facts: &["16 confirmed"],
    },
    Case {
        recording: "104-stock-put-zero",
        way: Way::Stock,
        facts: &["17 confirmed"],
    },
    Case {
        recording: "105-stock-put-negative",
        way: Way::Stock,
        facts: &[
            "17 woocommerce.stock_not_stored: The store answered without an error but shows another quantity. It shows stock_quantity -4.",
        ],
    },
    Case {
        recording: "106-stock-put-zero-backorders-yes",
        way: Way::Stock,
        facts: &["13 confirmed"],
    },
    Case {
        recording: "108-stock-put-decimal-string",
        way: Way::Stock,
        facts: &["17 confirmed"],
    },
    Case {
        recording: "110-stock-put-null",
        way: Way::Stock,
        facts: &[
            "17 woocommerce.stock_not_stored: The store answered without an error but shows another quantity. It shows stock_quantity 0.",
        ],
    },
    Case {
        recording: "111-stock-put-status-conflict",
        way: Way::Stock,
        facts: &["17 confirmed"],
    },
    Case {
        recording: "112-stock-put-on-variable-parent",
        way: Way::Stock,
        facts: &["64 confirmed"],
    },
    Case {
        recording: "113-stock-put-on-variation-managed-by-parent",
        way: Way::Stock,
        facts: &[
            "68 woocommerce.stock_at_parent: The store keeps the stock of this variation at its parent product, so the quantity was not stored.",
        ],
    },
    Case {
        recording: "114-stock-put-on-variation",
        way: Way::Stock,
        facts: &["60 confirmed"],
    },
    Case {
        recording: "117-stock-put-trashed",
        way: Way::Stock,
        facts: &[
            "54 woocommerce.article_in_trash: The article is in the store's trash; what is written to it has no effect.",
        ],
    },
    Case {
        recording: "118-stock-inventory-delta",
        way: Way::Stock,
        facts: &[
            "17 woocommerce.stock_not_stored: The store answered without an error but shows another quantity. It shows stock_quantity -1.",
        ],
    },
    Case {
        recording: "120-price-put",
        way: Way::Price("24.90", None),
        facts: &["18 confirmed"],
    },
    Case {
        recording: "122-price-put-four-decimals",
        way: Way::Price("24.9016", None),
        facts: &[
            r#"18 woocommerce.price_not_stored: The store answered without an error but shows another price. It shows regular_price "24.901639"."#,
        ],
    },
    Case {
        recording: "123-price-put-comma",
        way: Way::Price("24.90", None),
        facts: &["18 confirmed"],
    },
    Case {
        recording: "124-price-put-thousands",
        way: Way::Price("1234.50", None),
        facts: &["18 confirmed"],
    },
    Case {
        recording: "124b-price-put-ambiguous-dot",
        way: Way::Price("1234", None),
        facts: &[
            r#"18 woocommerce.price_not_stored: The store answered without an error but shows another price. It shows regular_price "1.234"."#,
        ],
    },
    Case {
        recording: "125-price-put-garbage",
        way: Way::Price("24.90", None),
        facts: &[
            r#"18 woocommerce.price_not_stored: The store answered without an error but shows another price. It shows regular_price ""."#,
        ],
    },
    Case {
        recording: "125b-price-put-null",
        way: Way::Price("24.90", None),
        facts: &[
            r#"18 woocommerce.price_not_stored: The store answered without an error but shows another price. It shows regular_price ""."#,
        ],
    },
    Case {
        recording: "126-price-put-sale",
        way: Way::Price("24.90", Some(("19.90", None, None))),
        facts: &["18 confirmed"],
    },
    Case {
        recording: "127-price-put-sale-higher",
        way: Way::Price("1.234", None),
        facts: &["18 confirmed"],
    },
    Case {
        recording: "127b-price-put-lower-regular-drops-sale",
        way: Way::Price("8", Some(("7.99", None, None))),
        facts: &[
            r#"43 woocommerce.price_not_stored: The store answered without an error but shows another price. It shows sale_price ""."#,
        ],
    },
    Case {
        recording: "128-price-put-sale-window",
        way: Way::Price(
            "24.90",
            Some((
                "19.90",
                Some("2026-12-01T00:00:00Z"),
                Some("2026-12-10T00:00:00Z"),
            )),
        ),
        facts: &["18 confirmed"],
    },
    Case {
        recording: "129-price-put-sale-removed",
        way: Way::Price("24.90", None),
        facts: &["18 confirmed"],
    },
    Case {
        recording: "130-price-put-empty-regular",
        way: Way::Price("20.00", None),
        facts: &[
            r#"20 woocommerce.price_not_stored: The store answered without an error but shows another price. It shows regular_price ""."#,
        ],
    },
    Case {
        recording: "131-price-put-on-variable-parent",
        way: Way::Price("1.00", None),
        facts: &[
            r#"57 woocommerce.price_not_stored: The store answered without an error but shows another price. It shows regular_price ""."#,
        ],
    },
    Case {
        recording: "132-price-put-variation",
        way: Way::Price("18.80", None),
        facts: &["58 confirmed"],
    },
    Case {
        recording: "134-put-no-content-type",
        way: Way::Price("1.00", None),
        facts: &[
            r#"18 woocommerce.price_not_stored: The store answered without an error but shows another price. It shows regular_price "24.90"."#,
        ],
    },
    Case {
        recording: "135-put-form-encoded",
        way: Way::Price("21.00", None),
        facts: &["18 confirmed"],
    },
    Case {
        recording: "140-batch-mixed",
        way: Way::Stock,
        facts: &[
            "35 confirmed",
            "36 woocommerce.stock_not_managed: The store keeps no stock for this article, so the quantity was not stored.",
            "37 confirmed",
            r#"999999 woocommerce.article_gone: The article no longer exists in the store. The store says: "Invalid ID." (woocommerce_rest_product_invalid_id)."#,
            "4242 unknown",
            "37 confirmed",
            "38 woocommerce.stock_not_stored: The store answered without an error but shows another quantity. It shows stock_quantity 0.",
            "40 woocommerce.stock_not_managed: The store keeps no stock for this article, so the quantity was not stored.",
            "39 confirmed",
        ],
    },
    Case {
        recording: "141-batch-trimmed-fields",
        way: Way::Stock,
        facts: &["35 unknown", "36 unknown", "37 unknown"],
    },
    Case {
        recording: "143-batch-100",
        way: Way::Stock,
        facts: &[
            "35 confirmed",
            "36 woocommerce.stock_not_managed: The store keeps no stock for this article, so the quantity was not stored.",
            "37 confirmed",
            "38 confirmed",
            "39 confirmed",
            "40 woocommerce.stock_not_managed: The store keeps no stock for this article, so the quantity was not stored.",
            "41 confirmed",
            "42 confirmed",
            "43 confirmed",
            "44 woocommerce.stock_not_managed: The store keeps no stock for this article, so the quantity was not stored.",
            "45 confirmed",
            "46 confirmed",
            "47 confirmed",
            "48 woocommerce.stock_not_managed: The store keeps no stock for this article, so the quantity was not stored.",
            "49 confirmed",
            "50 confirmed",
            "51 confirmed",
            "52 woocommerce.stock_not_managed: The store keeps no stock for this article, so the quantity was not stored.",
        ],
    },
    Case {
        recording: "146-batch-duplicate-id",
        way: Way::Stock,
        facts: &[
            "37 woocommerce.stock_row_twice: Two articles share one stock in the store and were given different quantities; neither was written.",
            "37 woocommerce.stock_row_twice: Two articles share one stock in the store and were given different quantities; neither was written.",
        ],
    },
    Case {
        recording: "147-variations-batch",
        way: Way::Stock,
        facts: &[
            "58 confirmed",
            "59 confirmed",
            r#"72 woocommerce.article_gone: The article no longer exists in the store. The store says: "Invalid ID." (woocommerce_rest_product_variation_invalid_id)."#,
        ],
    },
    Case {
        recording: "148-products-batch-with-variation-id",
        way: Way::Stock,
        facts: &[
            r#"62 woocommerce.article_is_variation: The article has become a variation of another product. The store says: "To manipulate product variations you should use the /products/&lt;product_id&gt;/variations/&lt;id&gt; endpoint." (woocommerce_rest_invalid_product_id)."#,
        ],
    },
    Case {
        recording: "164-product-read-back",
        way: Way::Stock,
        facts: &["37 unknown"],
    },
    Case {
        recording: "172b-env-php-warning-noise-write",
        way: Way::Stock,
        facts: &["37 unknown"],
    },
    Case {
        recording: "26-oauth-put-json-ok",
        way: Way::Stock,
        facts: &["14 unknown"],
    },
];
