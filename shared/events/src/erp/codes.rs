//! Every code with which an event of an ERP is refused.

/// One code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusalCode {
    /// As it stands in `event.rejected` and in the answer of `POST /v1/events`.
    pub code: &'static str,
    /// Where its JSON pointer leads.
    pub pointer: &'static str,
    /// What happened.
    pub cause: &'static str,
    /// What the publisher does about it.
    pub remedy: &'static str,
}

const fn code(
    code: &'static str,
    pointer: &'static str,
    cause: &'static str,
    remedy: &'static str,
) -> RefusalCode {
    RefusalCode {
        code,
        pointer,
        cause,
        remedy,
    }
}

/// All of them, whole events first.
pub const CODES: &[RefusalCode] = &[
    code(
        "event.too_large",
        "the event",
        "It is larger than 1 MiB.",
        "Split it.",
    ),
    code(
        "event.not_json",
        "the event",
        "It is not one JSON value in UTF-8, or nested too deeply.",
        "Send JSON.",
    ),
    code(
        "event.subject",
        "the event",
        "The subject names no tenant.",
        "Publish on erp.<tenant>.stock.changed, .price.changed or .product.changed.",
    ),
    code(
        "event.specversion",
        "/specversion",
        "It is not 1.0.",
        "Send CloudEvents 1.0.",
    ),
    code(
        "event.id",
        "/id",
        "It is empty or longer than 128 bytes.",
        "Give each event an id of its own.",
    ),
    code(
        "event.type",
        "/type",
        "No such type, or not one of this subject.",
        "Send the type that belongs to the subject, with its version.",
    ),
    code(
        "event.content_type",
        "/datacontenttype",
        "It is not JSON in UTF-8.",
        "Send application/json, or leave it out.",
    ),
    code(
        "event.tenant",
        "/tenant",
        "It is another tenant than that of the subject or the token.",
        "Correct one of the two.",
    ),
    code(
        "event.tenant_unknown",
        "/tenant",
        "This installation has no such tenant.",
        "Correct the name, or add the tenant; then have the parked event tried again.",
    ),
    code(
        "event.time_in_future",
        "/time",
        "It is more than 60 s ahead where the time decides which value is later.",
        "Correct the publisher's clock, or send revisions.",
    ),
    code(
        "event.item_count",
        "/data/items",
        "There are no items, or more than 1,000.",
        "Split the event.",
    ),
    code(
        "event.member_missing",
        "the member",
        "It must be there.",
        "Add it.",
    ),
    code(
        "event.member_twice",
        "the member",
        "It stands there twice.",
        "Send it once.",
    ),
    code(
        "event.member_invalid",
        "the member",
        "It holds no such value; the detail says what was expected.",
        "Correct it.",
    ),
    code(
        "event.price_missing",
        "the item or its sale",
        "It has neither net nor gross.",
        "Send one or both.",
    ),
    code(
        "event.revision",
        "/data/items/<n>/revision",
        "It is beyond 63 bits.",
        "Send smaller revisions.",
    ),
    code(
        "event.sku_twice",
        "/data/items/<n>/sku",
        "The SKU stands in this event more than once.",
        "Send each SKU once in an event.",
    ),
    code(
        "event.version_order",
        "/data/items/<n>/revision",
        "The warehouse or price list is ordered by revision and the item has none, or by time and it has one.",
        "Keep to what the first event of the warehouse or list had.",
    ),
    code(
        "event.revision_conflict",
        "/data/items/<n>/revision",
        "Another value was published with the same revision.",
        "Send the right value with a higher revision.",
    ),
    code(
        "event.not_stored",
        "the event",
        "The database refuses it for good; the text says why.",
        "Correct what the text names, or report it.",
    ),
    code(
        "catalog.row_refused",
        "/data/items",
        "The database refuses the products for good; the text says why.",
        "Correct what the text names, or report it.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_say_what_to_do() {
        let codes: BTreeSet<_> = CODES.iter().map(|one| one.code).collect();
        assert_eq!(codes.len(), CODES.len());
        assert!(
            CODES
                .iter()
                .all(|one| one.cause.ends_with('.') && one.remedy.ends_with('.'))
        );
    }
}
