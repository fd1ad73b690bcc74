use storelink_events::connection::{Audience, PriceListChoice};
use storelink_model::Version;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-22T12:00:00Z")
}

fn value(net: Option<&str>, gross: Option<&str>, rate: Option<&str>) -> PriceValue {
    PriceValue {
        currency: "EUR".parse().unwrap(),
        net: net.map(|text| text.parse().unwrap()),
        gross: gross.map(|text| text.parse().unwrap()),
        tax_rate: rate.map(|text| text.parse().unwrap()),
        sale: None,
    }
}

fn sale(gross: &str, from: Option<&str>, until: Option<&str>) -> SaleItem {
    let gross = Some(gross.parse().unwrap());
    SaleItem {
        net: None,
        gross,
        from: from.map(at),
        until: until.map(at),
    }
}

fn wanted_in(audience: Audience, currency: &str, value: PriceValue) -> WantedResult<WantedPrice> {
    let choice = PriceListChoice {
        code: "B2C".parse().unwrap(),
        audience,
        format: None,
    };
    let settings = ConnectionSettings {
        price_list: Some(choice),
        ..ConnectionSettings::default()
    };
    let profile = CapabilityProfile {
        currency: Some(currency.parse().unwrap()),
        ..CapabilityProfile::default()
    };
    Price::wanted(
        &settings,
        &profile,
        &[Some(&Box::new(value))],
        Quantity::ZERO,
        now(),
    )
}

fn gross(value: PriceValue) -> WantedResult<WantedPrice> {
    wanted_in(Audience::Consumers, "EUR", value)
}

fn net(value: PriceValue) -> WantedResult<WantedPrice> {
    wanted_in(Audience::Businesses, "EUR", value)
}

fn code(result: WantedResult<WantedPrice>) -> (&'static str, bool) {
    let refused = result.unwrap_err();
    (refused.code, refused.parks)
}

#[test]
fn consumers_see_gross_and_businesses_net() {
    let both = value(Some("10.00"), Some("12.20"), Some("22"));
    assert_eq!(
        gross(both.clone()).unwrap().unwrap().regular.to_string(),
        "12.20"
    );
    assert_eq!(net(both).unwrap().unwrap().regular.to_string(), "10.00");
}

#[test]
fn a_missing_side_is_computed_from_a_known_rate_alone() {
    let only_net = value(Some("20.4098"), None, Some("22"));
    assert_eq!(
        gross(only_net).unwrap().unwrap().regular.to_string(),
        "24.90"
    );
    let only_gross = value(None, Some("24.90"), Some("22"));
    assert_eq!(
        net(only_gross).unwrap().unwrap().regular.to_string(),
        "20.4098"
    );
    let unknown = value(Some("10"), None, None);
    assert_eq!(code(gross(unknown)), ("price.tax_rate_unknown", true));
}

#[test]
fn zero_negative_and_empty_prices_are_parked() {
    assert_eq!(
        code(gross(value(None, Some("0.00"), None))),
        ("price.not_positive", true)
    );
    assert_eq!(
        code(gross(value(None, Some("-1"), None))),
        ("price.not_positive", true)
    );
    assert_eq!(
        code(gross(value(None, None, Some("22")))),
        ("price.empty", true)
    );
    let tiny = value(Some("0.001"), None, Some("22"));
    assert_eq!(code(gross(tiny)), ("price.not_positive", true));
}

#[test]
fn a_foreign_currency_is_parked() {
    let result = wanted_in(Audience::Consumers, "SEK", value(None, Some("9.90"), None));
    assert_eq!(code(result), ("price.currency_differs", true));
}

#[test]
fn a_sale_goes_out_with_its_dates_until_it_ends() {
    let mut running = value(None, Some("12.20"), None);
    running.sale = Some(sale("9.90", None, Some("2026-11-23T00:00:00Z")));
    let wanted = gross(running.clone()).unwrap().unwrap();
    let wanted_sale = wanted.sale.as_ref().unwrap();
    assert_eq!(wanted_sale.price.to_string(), "9.90");
    assert_eq!(wanted_sale.until, Some(at("2026-11-23T00:00:00Z")));
    assert_eq!(
        Price::describe_wanted(&wanted),
        "12.20 gross, sale 9.90 until 2026-11-23T00:00:00Z"
    );
    assert_eq!(
        Price::next_boundary(&[Some(&Box::new(running.clone()))], now()),
        Some(at("2026-11-23T00:00:00Z"))
    );

    running.sale = Some(sale("9.90", None, Some("2026-11-22T12:00:00Z")));
    assert_eq!(gross(running).unwrap().unwrap().sale, None);
}

#[test]
fn a_sale_that_ends_before_it_begins_is_parked() {
    let mut wrong = value(None, Some("12.20"), None);
    wrong.sale = Some(sale(
        "9.90",
        Some("2026-12-02T00:00:00Z"),
        Some("2026-12-01T00:00:00Z"),
    ));
    assert_eq!(code(gross(wrong)), ("price.sale_window", true));
}

#[test]
fn a_list_that_never_reported_makes_it_wait() {
    let choice = PriceListChoice {
        code: "B2C".parse().unwrap(),
        audience: Audience::Consumers,
        format: None,
    };
    let settings = ConnectionSettings {
        price_list: Some(choice),
        ..ConnectionSettings::default()
    };
    let result = Price::wanted(
        &settings,
        &CapabilityProfile::default(),
        &[None],
        Quantity::ZERO,
        now(),
    );
    assert_eq!(code(result), ("price.never_reported", false));
    let none = ConnectionSettings::default();
    assert_eq!(
        Price::wanted(
            &none,
            &CapabilityProfile::default(),
            &[],
            Quantity::ZERO,
            now()
        ),
        Ok(None)
    );
}

#[test]
fn entries_come_back_from_the_stream_and_from_sql() {
    let mut given = value(Some("10.00"), None, Some("22"));
    given.sale = Some(sale("9.90", Some("2026-12-01T00:00:00Z"), None));
    let key = LevelKey {
        tenant: "acme".parse().unwrap(),
        source: "B2C".parse().unwrap(),
        sku: "A".parse().unwrap(),
    };
    let level = Level {
        value: Box::new(given.clone()),
        version: Version::Time(5),
        time: Timestamp::from_micros(5),
    };
    assert_eq!(
        Price::decode(&Price::encode(&key, &level)).unwrap(),
        (key, level)
    );
    let text = Price::value_to_text(&Box::new(given.clone()));
    assert_eq!(Price::value_from_text(&text), Some(Box::new(given)));
}
