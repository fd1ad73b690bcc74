//! The index and what a store tells about itself (recordings 01, 85 to 91).

use serde_json::{Value, json};

use super::call::{Call, Handled, Output};
use super::error::{RestError, Verb};
use super::json::{Digits, JsonText, Members, ToJson};
use super::money::currency_symbol;
use super::spec::StoreSpec;
use super::state::State;
use super::view::View;

/// `GET /wp-json/`: needs no key.
pub(crate) fn index(call: &Call<'_>) -> Output {
    let spec = &call.config.spec;
    let mut text = JsonText::default();
    text.object(call.fields().as_ref(), |o| {
        o.put("name", &spec.title);
        o.put("description", "");
        o.put("url", &call.config.home);
        o.put("home", &call.config.home);
        o.put(
            "gmt_offset",
            &Digits(call.config.site.offset_hours(call.now)),
        );
        o.put("timezone_string", call.config.site.name());
        let namespaces = namespaces(spec);
        o.list("namespaces", namespaces, |text, name| text.string(name));
        o.put("authentication", &json!([]));
        o.put("routes", &json!({}));
    });
    Output {
        is_index: true,
        ..Output::ok(text)
    }
}

fn namespaces(spec: &StoreSpec) -> Vec<&'static str> {
    let mut names = vec!["oembed/1.0", "wc/v3", "wc/v1"];
    if spec.version.is_new() {
        names.push("wc/pos/v1/catalog");
    }
    names.extend([
        "jetpack/v4",
        "wc-admin",
        "wc-analytics",
        "wc/store",
        "wc/store/v1",
        "wc/private",
        "wc/v2",
    ]);
    if spec.version.is_new() {
        names.push("wc-admin-email");
    }
    names.push("wc-telemetry");
    if spec.version.is_new() {
        names.extend(["wccom-site/v3", "wp-abilities/v1"]);
    }
    names.extend(["wp/v2", "wp-site-health/v1", "wp-block-editor/v1"]);
    names
}

/// `GET system_status`: the parts that a client has use for.
pub(crate) fn system_status(call: &Call<'_>, state: &State) -> Handled {
    call.require(Verb::List)?;
    let spec = &call.config.spec;
    let mut text = JsonText::default();
    text.object(call.fields().as_ref(), |o| {
        o.put("environment", &environment(&call.config.home, spec));
        o.put(
            "database",
            &json!({"wc_database_version": spec.version.number(), "database_prefix": "wp_"}),
        );
        o.put("active_plugins", &json!([]));
        o.put("inactive_plugins", &json!([]));
        o.put(
            "dropins_mu_plugins",
            &json!({"dropins": [], "mu_plugins": []}),
        );
        o.put(
            "theme",
            &json!({"name": "Simulated", "version": "1.0", "is_child_theme": false}),
        );
        o.put("settings", &shop_settings(spec));
        o.put(
            "security",
            &json!({"secure_connection": false, "hide_errors": true}),
        );
        o.put("pages", &json!([]));
        o.put(
            "post_type_counts",
            &json!([{"type": "product", "count": state.products.len().to_string()}]),
        );
    });
    Ok(Output::ok(text))
}

fn environment(home: &str, spec: &StoreSpec) -> Value {
    json!({
        "home_url": home,
        "site_url": home,
        "version": spec.version.number(),
        "log_directory_writable": true,
        "wp_version": spec.version.wordpress(),
        "wp_multisite": false,
        "wp_memory_limit": 536_870_912,
        "wp_debug_mode": false,
        "wp_cron": false,
        "wp_environment_type": "production",
        "language": "en_US",
        "server_info": "nginx/1.22.1",
        "php_version": "8.2.36",
        "php_post_max_size": 8_388_608,
        "php_max_execution_time": 300,
        "default_timezone": "UTC",
    })
}

fn shop_settings(spec: &StoreSpec) -> Value {
    let mut settings = json!({
        "api_enabled": false,
        "force_ssl": false,
        "currency": spec.currency,
        "currency_symbol": currency_symbol(&spec.currency),
        "currency_position": "right_space",
        "thousand_separator": ".",
        "decimal_separator": spec.decimal_separator,
        "number_of_decimals": spec.decimals,
    });
    if spec.version.is_new() {
        settings["HPOS_enabled"] = json!(true);
        settings["order_datastore"] =
            json!("Automattic\\WooCommerce\\Internal\\DataStores\\Orders\\OrdersTableDataStore");
    }
    settings
}

/// `GET settings/general` and `settings/tax`: id and value of the items a client has use for.
pub(crate) fn settings(call: &Call<'_>, state: &State, group: &str) -> Handled {
    call.require(Verb::List)?;
    let mut text = JsonText::default();
    text.list(
        setting_values(&call.config.spec, group),
        |text, (id, value)| {
            text.object(None, |o| {
                setting(o, call.view(state, false), group, id, &value)
            });
        },
    );
    Ok(Output::ok(text))
}

/// `GET settings/<group>/<id>`.
pub(crate) fn one_setting(call: &Call<'_>, state: &State, group: &str, id: &str) -> Handled {
    call.require(Verb::View)?;
    let found = setting_values(&call.config.spec, group)
        .into_iter()
        .find(|(name, _)| *name == id);
    let (id, value) = found
        .ok_or_else(|| RestError::new(404, "rest_setting_setting_invalid", "Invalid setting."))?;
    let mut text = JsonText::default();
    let view = call.view(state, false);
    text.object(call.fields().as_ref(), |o| {
        setting(o, view, group, id, &value)
    });
    Ok(Output::ok(text))
}

fn setting(o: &mut Members<'_>, view: View<'_>, group: &str, id: &str, value: &str) {
    o.put("id", id);
    o.put("value", value);
    let all = format!("settings/{group}");
    let methods = ["GET", "POST", "PUT", "PATCH"];
    view.links(o, &format!("{all}/{id}"), &methods, &all, &[]);
}

fn setting_values(spec: &StoreSpec, group: &str) -> Vec<(&'static str, String)> {
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    if group == "tax" {
        return vec![
            (
                "woocommerce_prices_include_tax",
                yes_no(spec.prices_include_tax),
            ),
            ("woocommerce_tax_based_on", "shipping".to_owned()),
            ("woocommerce_shipping_tax_class", "inherit".to_owned()),
            (
                "woocommerce_tax_round_at_subtotal",
                yes_no(spec.round_at_subtotal),
            ),
            ("woocommerce_tax_classes", String::new()),
            ("woocommerce_tax_display_shop", "excl".to_owned()),
            ("woocommerce_tax_display_cart", "excl".to_owned()),
            ("woocommerce_price_display_suffix", String::new()),
            ("woocommerce_tax_total_display", "itemized".to_owned()),
        ];
    }
    let text = str::to_owned;
    vec![
        ("woocommerce_store_address", text("")),
        ("woocommerce_store_address_2", text("")),
        ("woocommerce_store_city", text("")),
        ("woocommerce_default_country", spec.country.clone()),
        ("woocommerce_store_postcode", text("")),
        ("woocommerce_allowed_countries", text("all")),
        ("woocommerce_all_except_countries", text("")),
        ("woocommerce_specific_allowed_countries", text("")),
        ("woocommerce_ship_to_countries", text("")),
        ("woocommerce_specific_ship_to_countries", text("")),
        ("woocommerce_default_customer_address", text("base")),
        ("woocommerce_address_autocomplete_enabled", text("no")),
        ("woocommerce_calc_taxes", text("yes")),
        ("woocommerce_enable_coupons", text("yes")),
        ("woocommerce_calc_discounts_sequentially", text("no")),
        ("woocommerce_currency", spec.currency.clone()),
        ("woocommerce_currency_pos", "right_space".to_owned()),
        ("woocommerce_price_thousand_sep", ".".to_owned()),
        (
            "woocommerce_price_decimal_sep",
            spec.decimal_separator.clone(),
        ),
        ("woocommerce_price_num_decimals", spec.decimals.to_string()),
    ]
}

/// `GET taxes`.
pub(crate) fn taxes(call: &Call<'_>, state: &State) -> Handled {
    call.require(Verb::List)?;
    let view = call.view(state, false);
    let rates = &call.config.spec.tax_rates;
    let mut text = JsonText::default();
    text.list(rates, |text, rate| {
        text.object(call.fields().as_ref(), |o| {
            o.put("id", &rate.id);
            o.put("country", &rate.country);
            for empty in ["state", "postcode", "city"] {
                o.put(empty, "");
            }
            o.put("rate", &super::money::text(rate.percent, 4));
            o.put("name", &rate.name);
            o.put("priority", &1_u64);
            o.put("compound", &false);
            o.put("shipping", &true);
            o.put("order", &0_u64);
            o.put(
                "class",
                if rate.class.is_empty() {
                    "standard"
                } else {
                    &rate.class
                },
            );
            o.put("postcodes", &json!([]));
            o.put("cities", &json!([]));
            view.links(
                o,
                &format!("taxes/{}", rate.id),
                super::view::ONE,
                "taxes",
                &[],
            );
        });
    });
    let mut output = Output::ok(text);
    output.paging = Some(super::listing::Paging::new(1, 100, rates.len()));
    Ok(output)
}

/// `GET data/currencies/current`.
pub(crate) fn current_currency(call: &Call<'_>, state: &State) -> Handled {
    call.require(Verb::View)?;
    let code = &call.config.spec.currency;
    let (name, symbol) = match code.as_str() {
        "EUR" => ("Euro", "&euro;"),
        "HUF" => ("Hungarian forint", "&#70;&#116;"),
        "USD" => ("United States (US) dollar", "&#36;"),
        other => (other, currency_symbol(other)),
    };
    let view = call.view(state, false);
    let mut text = JsonText::default();
    text.object(call.fields().as_ref(), |o| {
        o.put("code", code);
        o.put("name", name);
        o.put("symbol", symbol);
        view.links(
            o,
            &format!("data/currencies/{code}"),
            &["GET"],
            "data/currencies",
            &[],
        );
    });
    Ok(Output::ok(text))
}

/// `GET payment_gateways`.
pub(crate) fn payment_gateways(call: &Call<'_>) -> Handled {
    call.require(Verb::List)?;
    let gateways = [
        ("bacs", "Bank transfer", "Direct bank transfer"),
        ("cheque", "Cheque", "Check payments"),
        ("cod", "Cash on delivery", "Cash on delivery"),
    ];
    let mut text = JsonText::default();
    text.list(gateways, |text, (id, title, method)| {
        text.object(call.fields().as_ref(), |o| {
            o.put("id", id);
            o.put("title", title);
            o.put("enabled", &true);
            o.put("method_title", method);
        });
    });
    let mut output = Output::ok(text);
    output.paging = Some(super::listing::Paging::new(1, 100, gateways.len()));
    Ok(output)
}

/// `GET reports/orders/totals`.
pub(crate) fn order_totals(call: &Call<'_>, state: &State) -> Handled {
    call.require(Verb::List)?;
    let statuses = [
        ("pending", "Pending payment"),
        ("processing", "Processing"),
        ("on-hold", "On hold"),
        ("completed", "Completed"),
        ("cancelled", "Cancelled"),
        ("refunded", "Refunded"),
        ("failed", "Failed"),
        ("checkout-draft", "Draft"),
    ];
    let rows = statuses.into_iter().map(|(slug, name)| {
        let total = state
            .orders
            .values()
            .filter(|order| order.status == slug)
            .count();
        json!({"slug": slug, "name": name, "total": total})
    });
    let mut text = JsonText::default();
    Value::Array(rows.collect()).write(&mut text);
    Ok(Output::ok(text))
}
