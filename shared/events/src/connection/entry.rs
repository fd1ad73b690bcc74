//! Settings as a person enters them: what is not known is refused instead of ignored.

use serde_json::Value;

use super::ConnectionSettings;
use crate::{Violation, pointer};

impl ConnectionSettings {
    /// The names of all members.
    #[must_use]
    pub fn known_members() -> &'static [&'static str] {
        &[
            "order_start",
            "warehouses",
            "reserve",
            "price_list",
            "order_document_type",
            "order_prefix",
            "company_group",
            "time_zone",
            "requests_per_minute",
            "concurrency",
            "only_active_products",
            "observe_only",
            "zero_limit_percent",
            "price_factor_limit",
            "rounding",
            "options",
        ]
    }

    /// Reads settings of our own API: a member that is not known is refused, also inside the price
    /// list. `options` are the platform's; they are checked against its descriptor elsewhere.
    ///
    /// # Errors
    /// One violation for each unknown member, and one for the first member that is missing or wrong;
    /// the pointers begin at the settings. Codes: `member.unknown`, `member.missing`,
    /// `member.invalid`.
    pub fn parse_strict(settings: &Value) -> Result<Self, Vec<Violation>> {
        let mut violations = unknown(settings, "", Self::known_members());
        if let Some(list) = settings.get("price_list") {
            violations.extend(unknown(
                list,
                "/price_list",
                &["code", "audience", "format"],
            ));
        }
        match serde_path_to_error::deserialize::<_, Self>(settings) {
            Ok(read) if violations.is_empty() => return Ok(read),
            Ok(_) => {}
            Err(error) => violations.push(wrong(&error)),
        }
        Err(violations)
    }
}

fn unknown(object: &Value, base: &str, known: &[&str]) -> Vec<Violation> {
    let members = object.as_object().into_iter().flatten();
    let unknown = members.filter(|(name, _)| !known.contains(&name.as_str()));
    unknown
        .map(|(name, _)| {
            let pointer = format!("{base}/{}", pointer::escaped(name));
            Violation::new(pointer, "member.unknown", "there is no such member")
        })
        .collect()
}

fn wrong(error: &serde_path_to_error::Error<serde_json::Error>) -> Violation {
    let place = pointer::of(error.path());
    let detail = error.inner().to_string();
    let missing = detail
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next());
    match missing {
        Some(member) => Violation::new(
            format!("{place}/{}", pointer::escaped(member)),
            "member.missing",
            "it must be there",
        ),
        None => Violation::new(place, "member.invalid", detail),
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde_json::json;

    use super::*;
    use crate::connection::PriceListChoice;

    fn refused(settings: &Value) -> Vec<(String, String)> {
        let violations = ConnectionSettings::parse_strict(settings).unwrap_err();
        let found = violations.into_iter();
        found.map(|found| (found.pointer, found.code)).collect()
    }

    fn entered(member: &str, value: Value) -> Value {
        let mut settings = json!({ "order_start": "2026-11-22T00:00:00Z" });
        settings[member] = value;
        settings
    }

    #[test]
    fn members_of_a_later_release_are_ignored_on_reading_and_refused_on_entry() {
        let settings = json!({
            "order_start": "2026-11-22T00:00:00Z", "later_member": 1,
            "price_list": { "code": "B2C", "audience": "b2c", "later/member": true },
        });
        let read: ConnectionSettings = serde_json::from_value(settings.clone()).unwrap();
        assert_eq!(read.price_list.unwrap().code.as_str(), "B2C");
        assert_eq!(read.zero_limit_percent, 30);
        assert!(read.only_active_products);
        assert_eq!(
            refused(&settings),
            [
                ("/later_member".into(), "member.unknown".into()),
                ("/price_list/later~1member".into(), "member.unknown".into()),
            ]
        );
    }

    #[test]
    fn a_record_without_its_start_is_refused() {
        assert!(serde_json::from_value::<ConnectionSettings>(json!({})).is_err());
        assert_eq!(
            refused(&json!({})),
            [("/order_start".into(), "member.missing".into())]
        );
    }

    #[test]
    fn wrong_members_are_pointed_to() {
        for (settings, pointer, code) in [
            (
                entered("rounding", json!("up")),
                "/rounding",
                "member.invalid",
            ),
            (
                entered("warehouses", json!(["a", ""])),
                "/warehouses/1",
                "member.invalid",
            ),
            (
                entered("order_start", json!("2026-02-31T00:00:00Z")),
                "/order_start",
                "member.invalid",
            ),
            (
                entered("time_zone", json!("Mars/Olympus")),
                "/time_zone",
                "member.invalid",
            ),
            (
                entered("price_list", json!({"audience": "b2c"})),
                "/price_list/code",
                "member.missing",
            ),
            (json!("none"), "", "member.invalid"),
        ] {
            assert_eq!(
                refused(&settings),
                [(pointer.into(), code.into())],
                "{settings}"
            );
        }
    }

    #[test]
    fn the_defaults_are_always_the_same_and_import_nothing() {
        let settings = ConnectionSettings::default();
        assert_eq!(settings, ConnectionSettings::default());
        assert_eq!(settings.order_start, storelink_model::Timestamp::MAX);
        let written = serde_json::to_value(&settings).unwrap();
        assert_eq!(
            ConnectionSettings::parse_strict(&written),
            Ok(settings.clone())
        );
        let sparse = json!({ "order_start": settings.order_start.to_string() });
        assert_eq!(ConnectionSettings::parse_strict(&sparse), Ok(settings));
    }

    #[test]
    fn the_known_members_are_those_of_the_types() {
        let members = |schema: schemars::Schema| -> Vec<String> {
            let properties = schema.get("properties").and_then(Value::as_object).unwrap();
            properties.keys().cloned().collect()
        };
        let mut known = ConnectionSettings::known_members().to_vec();
        known.sort_unstable();
        let mut found = members(schemars::schema_for!(ConnectionSettings));
        found.sort_unstable();
        assert_eq!(known, found);
        let mut list = members(schemars::schema_for!(PriceListChoice));
        list.sort_unstable();
        assert_eq!(list, ["audience", "code", "format"]);
        assert_eq!(PriceListChoice::schema_name(), "PriceListChoice");
    }

    #[test]
    fn the_schema_holds_no_clock() {
        let text = schemars::schema_for!(ConnectionSettings)
            .as_value()
            .to_string();
        assert_eq!(
            text,
            schemars::schema_for!(ConnectionSettings)
                .as_value()
                .to_string()
        );
        let schema: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(schema["required"], json!(["order_start"]));
        assert_eq!(schema["properties"]["order_start"].get("default"), None);
    }
}
