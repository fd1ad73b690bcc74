//! The shop's own facts: version, currency, tax mode, webhooks. A key of a small user may not ask for
//! them; that is a warning and no failure, since orders and stock work without them.

use serde_json::Value;
use storelink_adapter_api::{AdapterError, ErrorClass, Purpose};

use crate::api::{Api, Call};
use crate::codes::{self, Code};
use crate::verify::Findings;

/// Since then the store can be asked for what has changed since a moment (sheet section 10).
const OLDEST: (u32, u32) = (5, 8);
/// Since then there is a list of all variations of all products (sheet section 10).
const FLAT_VARIATIONS: (u32, u32) = (10, 3);

pub(crate) async fn look(api: &Api<'_>, findings: &mut Findings) {
    system(api, findings).await;
    currency(api, findings).await;
    tax_mode(api, findings).await;
    webhooks(api, findings).await;
}

async fn system(api: &Api<'_>, findings: &mut Findings) {
    let call = Call::get(
        "system_status",
        &[("_fields", "environment,settings,theme")],
    );
    let curl = api.request(&call).as_curl();
    let status = match api.ask::<Value>(&call, Purpose::Verify).await {
        Ok(answer) => answer.value,
        Err(error) => return unknown("version", &error, curl, findings),
    };
    let text = |path: &str| {
        status
            .pointer(path)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    if let Some(hpos) = status
        .pointer("/settings/HPOS_enabled")
        .and_then(Value::as_bool)
    {
        findings.fact("hpos", hpos);
    }
    let currency = text("/settings/currency").and_then(|code| code.parse().ok());
    findings.profile.currency = currency;
    let digits = status
        .pointer("/settings/number_of_decimals")
        .and_then(number);
    findings.profile.currency_digits = digits.filter(|digits| *digits <= 6);
    let mut seen = Vec::new();
    for (fact, title, path) in [
        ("wordpress", "WordPress", "/environment/wp_version"),
        ("php", "PHP", "/environment/php_version"),
    ] {
        if let Some(version) = text(path) {
            seen.push(format!("{title} {version}"));
            findings.fact(fact, version);
        }
    }
    if let (Some(theme), Some(version)) = (text("/theme/name"), text("/theme/version")) {
        seen.push(format!("theme {theme} {version}"));
        findings.fact("theme", format!("{theme} {version}"));
    }
    let Some(version) = text("/environment/version") else {
        let why = "The system status names no version.";
        return findings.warning("version", codes::SETTINGS_NOT_READABLE, why, curl);
    };
    seen.insert(0, format!("WooCommerce {version}"));
    let seen = seen.join(", ");
    findings.profile.version = Some(version.clone());
    match release(&version) {
        Some(release) if release < OLDEST => {
            let error = codes::VERSION_TOO_OLD.error_with(ErrorClass::Attention, &seen);
            findings.failed("version", &error, curl);
        }
        release => {
            findings.fact(
                "flat_variations",
                release.is_some_and(|at| at >= FLAT_VARIATIONS),
            );
            findings.passed("version", seen, curl);
        }
    }
}

async fn currency(api: &Api<'_>, findings: &mut Findings) {
    let call = Call::get("data/currencies/current", &[]);
    let curl = api.request(&call).as_curl();
    if findings.profile.currency.is_none() {
        match api.ask::<Value>(&call, Purpose::Verify).await {
            Ok(answer) => {
                let code = answer.value.get("code").and_then(Value::as_str);
                findings.profile.currency = code.and_then(|code| code.parse().ok());
            }
            Err(error) => return unknown("currency", &error, curl, findings),
        }
    }
    let evidence = match (&findings.profile.currency, findings.profile.currency_digits) {
        (Some(currency), Some(digits)) => format!("{currency} with {digits} decimals."),
        (Some(currency), None) => format!("{currency}; its decimals are taken from each order."),
        (None, _) => {
            let why = "The store names no currency.";
            return findings.warning("currency", codes::SETTINGS_NOT_READABLE, why, curl);
        }
    };
    findings.passed("currency", evidence, curl);
}

async fn tax_mode(api: &Api<'_>, findings: &mut Findings) {
    let call = Call::get("settings/tax", &[]);
    let curl = api.request(&call).as_curl();
    let settings = match api.ask::<Vec<Value>>(&call, Purpose::Verify).await {
        Ok(answer) => answer.value,
        Err(error) => return unknown("tax_mode", &error, curl, findings),
    };
    let wanted = |setting: &&Value| {
        setting.get("id").and_then(Value::as_str) == Some("woocommerce_prices_include_tax")
    };
    let value = settings
        .iter()
        .find(wanted)
        .and_then(|setting| setting.get("value")?.as_str());
    match value {
        Some("yes") => {
            findings.profile.prices_include_tax = Some(true);
            findings.warning("tax_mode", codes::PRICES_WITH_TAX, "Prices with tax.", curl);
        }
        Some("no") => {
            findings.profile.prices_include_tax = Some(false);
            findings.passed("tax_mode", "Prices without tax.", curl);
        }
        _ => {
            let why = "The tax settings do not say it.";
            findings.warning("tax_mode", codes::SETTINGS_NOT_READABLE, why, curl);
        }
    }
}

async fn webhooks(api: &Api<'_>, findings: &mut Findings) {
    let call = Call::get("webhooks", &[("per_page", "1"), ("_fields", "id")]);
    let curl = api.request(&call).as_curl();
    match api.ask::<Vec<Value>>(&call, Purpose::Verify).await {
        Ok(_) => findings.passed("webhooks", "The key may set up webhooks.", curl),
        Err(error) => {
            findings.warning("webhooks", codes::WEBHOOKS_NOT_ALLOWED, error.text, curl);
        }
    }
}

fn unknown(name: &str, error: &AdapterError, curl: String, findings: &mut Findings) {
    let of_rights = [
        codes::RIGHTS_MISSING,
        codes::CREDENTIALS_NOT_SEEN,
        codes::API_CLOSED,
    ];
    let rights = of_rights.iter().any(|code| code.code == error.code);
    let code = match Code::find(error.code) {
        Some(code) if !rights => *code,
        _ => codes::SETTINGS_NOT_READABLE,
    };
    findings.warning(name, code, error.text.clone(), curl);
}

/// Major and minor number of a version such as `11.0.1` or `10.3.0-beta.1`.
fn release(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn number(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        other => other.as_str()?.parse().ok(),
    }
}

/// An offset in hours (`1`, `-3.5`, also as a text) as `+01:00`.
pub(crate) fn offset_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        other => other.as_str()?.to_owned(),
    };
    let hours = rust_decimal::Decimal::from_str_exact(&text).ok()?;
    let minutes = i64::try_from(hours * rust_decimal::Decimal::from(60)).ok()?;
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.abs();
    Some(format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60))
}
