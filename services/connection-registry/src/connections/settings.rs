//! What a merchant chose for a connection: merged, read, and checked beyond its types.

use serde_json::Value;
use storelink_adapter_api::Descriptor;
use storelink_events::Violation;
use storelink_events::connection::ConnectionSettings;
use storelink_events::wording::without_value;
use storelink_model::{Quantity, Timestamp};
use time::Duration;

use super::fields;
use crate::problem::{Answer, FieldError, Problem, catalogue};

/// What an order may become in the ERP (MetaKocka sheet, section 2).
const DOCUMENT_TYPES: [&str; 6] = [
    "sales_order",
    "sales_offer",
    "sales_bill_domestic",
    "sales_bill_foreign",
    "sales_bill_retail",
    "warehouse_packing_list",
];
const MOST_WAREHOUSES: usize = 100;
/// A start further ahead than this is a slip of the pen.
const LATEST_START: Duration = Duration::days(1);

/// `current` with a JSON merge patch (RFC 7396) applied: null brings a member's default back. That
/// of the order start is `created`, the moment in which the connection was made: a later one would
/// forget orders that were wanted already.
///
/// # Errors
/// [`catalogue::INVALID`] with a pointer to each member that is wrong.
pub(crate) fn patched(
    descriptor: &Descriptor,
    current: &ConnectionSettings,
    patch: Value,
    created: Timestamp,
) -> Answer<ConnectionSettings> {
    check_objects(&patch)?;
    let mut merged = serde_json::to_value(current).map_err(Problem::internal)?;
    merge(&mut merged, patch);
    if let Value::Object(members) = &mut merged {
        let start = || Value::String(created.to_string());
        members
            .entry("order_start".to_owned())
            .or_insert_with(start);
    }
    let mut settings = ConnectionSettings::parse_strict(&merged)
        .map_err(|violations| refused(violations.into_iter().map(entered).collect()))?;
    let errors = violations(descriptor, &settings);
    settings.options.retain(|_, value| !value.is_null());
    if errors.is_empty() {
        return Ok(settings);
    }
    Err(refused(errors))
}

fn refused(errors: Vec<FieldError>) -> Problem {
    Problem::new(catalogue::INVALID).errors(errors)
}

/// A violation of the settings as one of the body they stand in.
fn entered(violation: Violation) -> FieldError {
    let pointer = format!("/settings{}", violation.pointer);
    FieldError::new(pointer, violation.code, without_value(&violation.detail))
}

/// Lists would be taken for the members in their order.
fn check_objects(patch: &Value) -> Answer<()> {
    let refuse = |pointer: &str| {
        Err(Problem::member(
            pointer,
            "member.invalid",
            "it must be an object",
        ))
    };
    if !patch.is_object() {
        return refuse("/settings");
    }
    for member in ["price_list", "options"] {
        if patch
            .get(member)
            .is_some_and(|value| !value.is_object() && !value.is_null())
        {
            return refuse(&format!("/settings/{member}"));
        }
    }
    Ok(())
}

fn violations(descriptor: &Descriptor, settings: &ConnectionSettings) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut refuse = |member: &str, code: &str, detail: String| {
        errors.push(FieldError::new(format!("/settings/{member}"), code, detail));
    };
    if settings.order_start > Timestamp::now().saturating_add(LATEST_START) {
        refuse(
            "order_start",
            "settings.order_start",
            "it is more than one day ahead".to_owned(),
        );
    }
    if settings.reserve < Quantity::ZERO {
        refuse("reserve", "settings.reserve", "it is below zero".to_owned());
    }
    if settings.warehouses.len() > MOST_WAREHOUSES {
        let detail = format!("there are more than {MOST_WAREHOUSES}");
        refuse("warehouses", "settings.warehouses", detail);
    }
    for (index, warehouse) in settings.warehouses.iter().enumerate() {
        if settings
            .warehouses
            .iter()
            .take(index)
            .any(|earlier| earlier == warehouse)
        {
            let detail = "this warehouse stands there twice".to_owned();
            refuse(
                &format!("warehouses/{index}"),
                "settings.warehouse_twice",
                detail,
            );
        }
    }
    if !DOCUMENT_TYPES.contains(&settings.order_document_type.as_str()) {
        let detail = format!("it must be one of {}", DOCUMENT_TYPES.join(", "));
        refuse(
            "order_document_type",
            "settings.order_document_type",
            detail,
        );
    }
    for (member, text, longest) in [
        ("order_prefix", &settings.order_prefix, 20),
        ("company_group", &settings.company_group, 60),
    ] {
        if text.chars().count() > longest || text.chars().any(char::is_control) {
            let detail = format!(
                "it must have at most {longest} characters, none of them a control character"
            );
            refuse(member, "settings.text", detail);
        }
    }
    for (member, number, least, most) in [
        (
            "requests_per_minute",
            settings.requests_per_minute.unwrap_or(1),
            1,
            60_000,
        ),
        ("concurrency", settings.concurrency.unwrap_or(1), 1, 16),
        ("zero_limit_percent", settings.zero_limit_percent, 1, 100),
        ("price_factor_limit", settings.price_factor_limit, 2, 1_000),
    ] {
        if !(least..=most).contains(&number) {
            refuse(
                member,
                "settings.range",
                format!("it must be {least} to {most}"),
            );
        }
    }
    fields::check_options(descriptor, &settings.options, &mut errors);
    errors
}

/// RFC 7396, but that null for a member which is not there stays: an unknown one is refused.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(members) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(into) = target else { return };
    for (name, value) in members {
        if value.is_null() && into.remove(&name).is_some() {
            continue;
        }
        merge(into.entry(name).or_insert(Value::Null), value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connections::test_descriptor;

    fn codes(patch: Value) -> Vec<(String, String)> {
        let now = Timestamp::now();
        let current = ConnectionSettings::starting(now);
        match patched(&test_descriptor(), &current, patch, now) {
            Ok(_) => Vec::new(),
            Err(problem) => problem
                .errors
                .into_iter()
                .map(|error| (error.pointer, error.code))
                .collect(),
        }
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_brings_the_default_back() {
        let descriptor = test_descriptor();
        let first = json!({"warehouses": ["main"], "reserve": "2", "zero_limit_percent": 50});
        let created: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let settings = ConnectionSettings::starting(created);
        let settings = patched(&descriptor, &settings, first, created).unwrap();
        assert_eq!(settings.reserve.to_string(), "2");
        let second = json!({"reserve": null, "price_list": {"code": "B2C", "audience": "b2c"}});
        let settings = patched(&descriptor, &settings, second, created).unwrap();
        assert_eq!(settings.reserve, Quantity::ZERO);
        assert_eq!(settings.zero_limit_percent, 50);
        assert_eq!(settings.price_list.unwrap().code.as_str(), "B2C");
    }

    #[test]
    fn without_a_start_orders_are_taken_over_from_the_making_of_the_connection_on() {
        let descriptor = test_descriptor();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let created = at("2026-11-01T00:00:00Z");
        let chosen = ConnectionSettings::starting(at("2026-10-01T00:00:00Z"));
        for (patch, start) in [
            (json!({"order_start": null}), "2026-11-01T00:00:00Z"),
            (json!({"reserve": "1"}), "2026-10-01T00:00:00Z"),
        ] {
            let settings = patched(&descriptor, &chosen, patch, created).unwrap();
            assert_eq!(settings.order_start, at(start));
        }
    }

    #[test]
    fn null_takes_away_what_is_known_only() {
        let descriptor = test_descriptor();
        let now = Timestamp::now();
        let current = ConnectionSettings::starting(now);
        let absent = json!({"options": {"legacy": null}, "price_list": null});
        let settings = patched(&descriptor, &current, absent, now).unwrap();
        assert_eq!(settings, current);
        for (patch, pointer, code) in [
            (
                json!({"colour": null}),
                "/settings/colour",
                "member.unknown",
            ),
            (
                json!({"price_list": {"code": "B2C", "audience": "b2c", "x": null}}),
                "/settings/price_list/x",
                "member.unknown",
            ),
            (
                json!({"options": {"theme": null}}),
                "/settings/options/theme",
                "option.unknown",
            ),
        ] {
            assert_eq!(
                codes(patch.clone()),
                [(pointer.to_owned(), code.to_owned())],
                "{patch}"
            );
        }
    }

    #[test]
    fn a_wrong_value_is_not_repeated() {
        let now = Timestamp::now();
        let current = ConnectionSettings::starting(now);
        for member in ["concurrency", "only_active_products", "rounding", "options"] {
            let mut patch = json!({});
            patch[member] = json!("cs_0123");
            let problem = patched(&test_descriptor(), &current, patch, now).unwrap_err();
            let detail = &problem.errors[0].detail;
            assert!(!detail.contains("cs_0123"), "{member}: {detail}");
        }
    }

    #[test]
    fn every_wrong_member_is_pointed_to() {
        let ahead = Timestamp::now()
            .saturating_add(Duration::days(2))
            .to_string();
        for (patch, pointer, code) in [
            (
                json!({"order_start": ahead}),
                "/settings/order_start",
                "settings.order_start",
            ),
            (
                json!({"order_start": "2026-02-31T00:00:00Z"}),
                "/settings/order_start",
                "member.invalid",
            ),
            (
                json!({"order_start": "2026-02-01"}),
                "/settings/order_start",
                "member.invalid",
            ),
            (
                json!({"reserve": "-1"}),
                "/settings/reserve",
                "settings.reserve",
            ),
            (
                json!({"warehouses": ["a", "a"]}),
                "/settings/warehouses/1",
                "settings.warehouse_twice",
            ),
            (
                json!({"warehouses": [""]}),
                "/settings/warehouses/0",
                "member.invalid",
            ),
            (
                json!({"warehouses": "a"}),
                "/settings/warehouses",
                "member.invalid",
            ),
            (
                json!({"order_document_type": "poem"}),
                "/settings/order_document_type",
                "settings.order_document_type",
            ),
            (
                json!({"company_group": "x".repeat(61)}),
                "/settings/company_group",
                "settings.text",
            ),
            (
                json!({"order_prefix": "a\u{0}"}),
                "/settings/order_prefix",
                "settings.text",
            ),
            (
                json!({"requests_per_minute": 0}),
                "/settings/requests_per_minute",
                "settings.range",
            ),
            (
                json!({"concurrency": 17}),
                "/settings/concurrency",
                "settings.range",
            ),
            (
                json!({"concurrency": -1}),
                "/settings/concurrency",
                "member.invalid",
            ),
            (
                json!({"time_zone": "Mars/Olympus"}),
                "/settings/time_zone",
                "member.invalid",
            ),
            (
                json!({"rounding": "up"}),
                "/settings/rounding",
                "member.invalid",
            ),
            (
                json!({"colour": "red"}),
                "/settings/colour",
                "member.unknown",
            ),
            (
                json!({"price_list": {"audience": "b2c"}}),
                "/settings/price_list/code",
                "member.missing",
            ),
            (
                json!({"options": {"theme": "x"}}),
                "/settings/options/theme",
                "option.unknown",
            ),
            (
                json!({"options": {"legacy": "yes"}}),
                "/settings/options/legacy",
                "option.type",
            ),
            (json!([]), "/settings", "member.invalid"),
            (
                json!({"price_list": ["B2C", "b2c"]}),
                "/settings/price_list",
                "member.invalid",
            ),
        ] {
            assert_eq!(
                codes(patch.clone()),
                [(pointer.to_owned(), code.to_owned())],
                "{patch}"
            );
        }
    }
}
