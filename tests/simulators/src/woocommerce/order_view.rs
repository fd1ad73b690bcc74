//! Orders, refunds and notes as the API shows them (recordings 60, 71 to 82, 155, 157, 303, 307).

use rust_decimal::Decimal;
use serde_json::Value;

use super::json::{Digits, Fields, JsonText, Members, ToJson};
use super::money::{currency_symbol, tax_text, text as amount, unit_price_digits};
use super::order::{
    Content, FeeLine, Line, LineMeta, Note, Order, Refund, ShippingLine, TaxLine, Taxes,
};
use super::product::{Kind, Product};
use super::product_view::shown_sku;
use super::view::{Link, ONE, READ_DELETE, View};
use crate::action::AddressSpec;

/// Writes an order without its links.
pub(crate) fn write_order(
    text: &mut JsonText,
    order: &Order,
    view: View<'_>,
    fields: Option<&Fields>,
) {
    let money = |value: Decimal| amount(value, view.decimals);
    let local = |moment: Option<i64>| moment.map(|moment| view.site.local_text(moment));
    let gmt = |moment: Option<i64>| moment.map(super::site_time::SiteTime::gmt_text);
    text.object(fields, |o| {
        o.put("id", &order.id);
        o.put("parent_id", &0_u64);
        o.put("status", &order.status);
        o.put("currency", &order.currency);
        o.put("version", view.version.number());
        o.put("prices_include_tax", &order.prices_include_tax);
        o.put("date_created", &local(Some(order.created)));
        o.put("date_modified", &local(Some(order.modified)));
        o.put("discount_total", &money(order.sums.discount_total));
        o.put("discount_tax", &money(order.sums.discount_tax));
        o.put("shipping_total", &money(order.sums.shipping_total));
        o.put("shipping_tax", &money(order.sums.shipping_tax));
        o.put("cart_tax", &money(order.sums.cart_tax));
        o.put("total", &money(order.sums.total));
        o.put("total_tax", &money(order.sums.total_tax));
        o.put("customer_id", &order.customer_id);
        o.put("order_key", &order.order_key);
        o.object("billing", |a| address(a, &order.billing, true));
        o.object("shipping", |a| address(a, &order.shipping, false));
        o.put("payment_method", &order.payment_method);
        o.put("payment_method_title", &order.payment_method_title);
        o.put("transaction_id", &order.transaction_id);
        o.put("customer_ip_address", &order.customer_ip_address);
        o.put("customer_user_agent", &order.customer_user_agent);
        o.put("created_via", &order.created_via);
        o.put("customer_note", &order.customer_note);
        o.put("date_completed", &local(order.completed));
        o.put("date_paid", &local(order.paid));
        o.put("cart_hash", &order.cart_hash);
        o.put("number", &order.number);
        o.put("meta_data", order.meta.as_slice());
        write_lines(o, &order.content, view);
        write_taxes(o, &order.content, view);
        write_shipping(o, &order.content, view);
        write_fees(o, &order.content, view);
        o.put("coupon_lines", order.content.coupon_lines.as_slice());
        o.list("refunds", newest_first(&order.refunds), |text, refund| {
            short_refund(text, refund, view)
        });
        o.put("payment_url", &payment_url(order, view));
        o.put("is_editable", &order.is_editable());
        o.put("needs_payment", &order.needs_payment());
        o.put("needs_processing", &needs_processing(order, view));
        o.put("date_created_gmt", &gmt(Some(order.created)));
        o.put("date_modified_gmt", &gmt(Some(order.modified)));
        o.put("date_completed_gmt", &gmt(order.completed));
        o.put("date_paid_gmt", &gmt(order.paid));
        o.put("currency_symbol", currency_symbol(&order.currency));
    });
}

/// The links of an order.
pub(crate) fn order_links(object: &mut Members<'_>, order: &Order, view: View<'_>) {
    let own = format!("orders/{}", order.id);
    let mut others = Vec::new();
    if view.version.is_new() {
        let path = format!("{own}/actions/email_templates");
        others.push((
            "email_templates",
            Link {
                path,
                embeddable: true,
            },
        ));
    }
    if order.customer_id > 0 {
        let path = format!("customers/{}", order.customer_id);
        others.push((
            "customer",
            Link {
                path,
                embeddable: false,
            },
        ));
    }
    view.links(object, &own, ONE, "orders", &others);
}

/// Writes a refund; the flat list also names the order (recording 79).
pub(crate) fn write_refund(
    text: &mut JsonText,
    refund: &Refund,
    view: View<'_>,
    flat: bool,
    fields: Option<&Fields>,
) {
    text.object(fields, |o| {
        o.put("id", &refund.id);
        if flat {
            o.put("parent_id", &refund.order_id);
        }
        o.moment("date_created", Some(refund.created), view.site);
        o.put("amount", &amount(refund.amount, view.decimals));
        o.put("reason", &refund.reason);
        o.put("refunded_by", &refund.refunded_by);
        o.put("refunded_payment", &false);
        o.put("meta_data", refund.meta.as_slice());
        write_lines(o, &refund.content, view);
        write_shipping(o, &refund.content, view);
        write_taxes(o, &refund.content, view);
        write_fees(o, &refund.content, view);
    });
}

/// The links of a refund.
pub(crate) fn refund_links(object: &mut Members<'_>, refund: &Refund, view: View<'_>) {
    let order = format!("orders/{}", refund.order_id);
    let (own, all) = (
        format!("{order}/refunds/{}", refund.id),
        format!("{order}/refunds"),
    );
    let up = Link {
        path: order,
        embeddable: false,
    };
    view.links(object, &own, READ_DELETE, &all, &[("up", up)]);
}

/// Writes a note.
pub(crate) fn write_note(
    text: &mut JsonText,
    note: &Note,
    view: View<'_>,
    fields: Option<&Fields>,
) {
    text.object(fields, |o| {
        o.put("id", &note.id);
        o.put("author", &note.author);
        o.moment("date_created", Some(note.created), view.site);
        o.put("note", &note.text);
        o.put("customer_note", &note.for_customer);
    });
}

/// The links of a note.
pub(crate) fn note_links(object: &mut Members<'_>, order: u64, note: &Note, view: View<'_>) {
    let order = format!("orders/{order}");
    let (own, all) = (
        format!("{order}/notes/{}", note.id),
        format!("{order}/notes"),
    );
    let up = Link {
        path: order,
        embeddable: false,
    };
    view.links(object, &own, READ_DELETE, &all, &[("up", up)]);
}

fn address(object: &mut Members<'_>, address: &AddressSpec, billing: bool) {
    object.put("first_name", &address.first_name);
    object.put("last_name", &address.last_name);
    object.put("company", &address.company);
    object.put("address_1", &address.address_1);
    object.put("address_2", &address.address_2);
    object.put("city", &address.city);
    object.put("state", &address.state);
    object.put("postcode", &address.postcode);
    object.put("country", &address.country);
    if billing {
        object.put("email", &address.email);
    }
    object.put("phone", &address.phone);
}

fn write_lines(object: &mut Members<'_>, content: &Content, view: View<'_>) {
    object.list("line_items", &content.lines, |text, line| {
        text.object(None, |o| write_line(o, line, view));
    });
}

fn write_line(o: &mut Members<'_>, line: &Line, view: View<'_>) {
    let tax = |taxes: &Taxes| amount(taxes.values().copied().sum(), view.decimals);
    let article = article(line, view);
    o.put("id", &line.id);
    o.put("name", &line.name);
    o.put("product_id", &known(line.product_id, view));
    o.put("variation_id", &known(line.variation_id, view));
    o.put("quantity", &line.quantity);
    o.put("tax_class", &line.tax_class);
    o.put("subtotal", &amount(line.subtotal, view.decimals));
    o.put("subtotal_tax", &tax(&line.subtotal_taxes));
    o.put("total", &amount(line.total, view.decimals));
    o.put("total_tax", &tax(&line.taxes));
    write_tax_amounts(o, &line.taxes, Some(&line.subtotal_taxes), view);
    o.put("meta_data", line.meta.as_slice());
    o.put("sku", &article.map(|product| shown_sku(product, view)));
    if view.version.is_new() {
        o.put(
            "global_unique_id",
            &article.map(|product| product.plain("global_unique_id")),
        );
    }
    o.put(
        "price",
        &Digits(unit_price_digits(line.total, line.quantity)),
    );
    o.object("image", |image| {
        // A product without a picture has the id "", everything else 0.
        match article {
            Some(product) if product.kind != Kind::Variation => image.put("id", ""),
            _ => image.put("id", &0_u64),
        }
        image.put("src", "");
    });
    let parent = article.and_then(|product| view.state.parent_of(product));
    o.put("parent_name", &parent.map(|parent| parent.name.clone()));
}

/// The article of a line as it is now: SKU and picture are looked up at the moment of the call (75b).
fn article<'a>(line: &Line, view: View<'a>) -> Option<&'a Product> {
    let id = if line.variation_id > 0 {
        line.variation_id
    } else {
        line.product_id
    };
    view.state.products.get(&id)
}

fn known(id: u64, view: View<'_>) -> u64 {
    if view.state.products.contains_key(&id) {
        id
    } else {
        0
    }
}

fn write_tax_amounts(
    object: &mut Members<'_>,
    taxes: &Taxes,
    subtotals: Option<&Taxes>,
    view: View<'_>,
) {
    object.list("taxes", taxes, |text, (rate, total)| {
        text.object(None, |o| {
            o.put("id", rate);
            o.put("total", &tax_text(*total, view.decimals));
            let subtotal = subtotals.and_then(|taxes| taxes.get(rate));
            o.put(
                "subtotal",
                &subtotal.map_or_else(String::new, |tax| tax_text(*tax, view.decimals)),
            );
        });
    });
}

fn write_taxes(object: &mut Members<'_>, content: &Content, view: View<'_>) {
    object.list("tax_lines", &content.tax_lines, |text, line: &TaxLine| {
        text.object(None, |o| {
            o.put("id", &line.id);
            o.put("rate_code", &line.rate_code);
            o.put("rate_id", &line.rate_id);
            o.put("label", &line.label);
            o.put("compound", &false);
            o.put("tax_total", &amount(line.tax_total, view.decimals));
            o.put(
                "shipping_tax_total",
                &amount(line.shipping_tax_total, view.decimals),
            );
            o.put(
                "rate_percent",
                &Digits(line.percent.normalize().to_string()),
            );
            o.put("meta_data", &Value::Array(Vec::new()));
        });
    });
}

fn write_shipping(object: &mut Members<'_>, content: &Content, view: View<'_>) {
    object.list(
        "shipping_lines",
        &content.shipping_lines,
        |text, line: &ShippingLine| {
            text.object(None, |o| {
                o.put("id", &line.id);
                o.put("method_title", &line.method_title);
                o.put("method_id", &line.method_id);
                o.put("instance_id", &line.instance_id);
                o.put("total", &amount(line.total, view.decimals));
                o.put(
                    "total_tax",
                    &amount(line.taxes.values().copied().sum(), view.decimals),
                );
                write_tax_amounts(o, &line.taxes, None, view);
                if view.version.is_new() {
                    o.put("tax_status", "taxable");
                }
                o.put("meta_data", line.meta.as_slice());
            });
        },
    );
}

fn write_fees(object: &mut Members<'_>, content: &Content, view: View<'_>) {
    object.list("fee_lines", &content.fee_lines, |text, line: &FeeLine| {
        text.object(None, |o| {
            o.put("id", &line.id);
            o.put("name", &line.name);
            o.put("tax_class", &line.tax_class);
            o.put("tax_status", &line.tax_status);
            o.put("amount", "");
            o.put("total", &amount(line.total, view.decimals));
            o.put(
                "total_tax",
                &amount(line.taxes.values().copied().sum(), view.decimals),
            );
            write_tax_amounts(o, &line.taxes, None, view);
            o.put("meta_data", line.meta.as_slice());
        });
    });
}

/// Newest first; those of one second stay in the order in which they were made.
fn newest_first(refunds: &[Refund]) -> Vec<&Refund> {
    let mut sorted: Vec<&Refund> = refunds.iter().collect();
    sorted.sort_by_key(|refund| std::cmp::Reverse(refund.created));
    sorted
}

fn short_refund(text: &mut JsonText, refund: &Refund, view: View<'_>) {
    text.object(None, |o| {
        o.put("id", &refund.id);
        o.put("reason", &refund.reason);
        o.put("total", &amount(-refund.amount, view.decimals));
        if view.version.is_new() {
            o.put("total_tax", &amount(-refund.total_tax, view.decimals));
        }
    });
}

fn payment_url(order: &Order, view: View<'_>) -> String {
    format!(
        "{}/checkout/order-pay/{}/?pay_for_order=true&key={}",
        view.home, order.id, order.order_key
    )
}

/// Whether there is anything to pack: a line whose product is gone needs nothing (recording 156).
fn needs_processing(order: &Order, view: View<'_>) -> bool {
    order
        .content
        .lines
        .iter()
        .any(|line| article(line, view).is_some_and(must_be_packed))
}

fn must_be_packed(product: &Product) -> bool {
    let yes = |name: &str| product.plain(name) == Value::Bool(true);
    !(yes("virtual") && yes("downloadable"))
}

impl ToJson for LineMeta {
    fn write(&self, text: &mut JsonText) {
        text.object(None, |o| {
            o.put("id", &self.meta.id);
            o.put("key", &self.meta.key);
            o.put("value", &self.meta.value);
            o.put("display_key", &self.display_key);
            o.put("display_value", &self.display_value);
        });
    }
}
