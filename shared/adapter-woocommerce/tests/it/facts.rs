//! Typed results as short lines, so that an expectation can name every value.

use storelink_adapter_api::{
    AdapterError, Article, Diagnosis, ErrorClass, ItemOutcome, OrderPage, OrderReading,
    ProductPage, ProductReading, StockKeeping,
};
use storelink_order::{Address, Charge, Order};

pub(crate) type Facts = Vec<String>;

pub(crate) fn of_orders(page: &OrderPage) -> Facts {
    let mut facts = vec![format!("orders {}", page.orders.len())];
    facts.push(format!("more {}", page.next.is_some()));
    facts.extend(page.orders.iter().flat_map(of_reading));
    facts
}

pub(crate) fn of_reading(reading: &OrderReading) -> Facts {
    let id = &reading.external_id;
    let modified = reading.modified.map_or("?".into(), |at| at.to_string());
    let created = reading.created.map_or("?".into(), |at| at.to_string());
    match &reading.order {
        Ok(order) => of_order(order),
        Err(unreadable) => vec![format!(
            "order {id} created={created} modified={modified} {}: {}",
            unreadable.code, unreadable.text
        )],
    }
}

fn of_order(order: &Order) -> Facts {
    let id = &order.external_id;
    let mut facts = vec![format!(
        "order {id} number={} {:?} {} {} digits={} total={} tax={}",
        order.number,
        order.state,
        order.store_status,
        order.currency,
        order.digits,
        order.total,
        order.total_tax
    )];
    let mut add = |text: String| facts.push(format!("{id} {text}"));
    add(format!(
        "created={} modified={}",
        order.created, order.modified
    ));
    let customer = &order.customer;
    add(format!(
        "customer {:?} {:?} {:?} vat={:?}",
        customer.external_id, customer.email, customer.phone, customer.vat_id
    ));
    add(format!("billing {}", address(&order.billing)));
    add(format!(
        "shipping {}",
        order.shipping.as_ref().map_or("none".into(), address)
    ));
    let payment = &order.payment;
    add(format!(
        "payment {} {:?} {:?} paid={:?}",
        payment.method,
        payment.title,
        payment.transaction_id,
        payment.paid.map(|at| at.to_string())
    ));
    for line in &order.lines {
        let options: Vec<String> = line
            .options
            .iter()
            .map(|option| format!("{}={}", option.name, option.value))
            .collect();
        add(format!(
            "line {} {:?} sku={:?} {}/{} x{} before={} net={} tax={} rate={} [{}]",
            line.external_id,
            line.name,
            line.sku.as_ref().map(storelink_model::Sku::as_str),
            line.product.as_deref().unwrap_or("-"),
            line.variation.as_deref().unwrap_or("-"),
            line.quantity,
            line.net_before_discount,
            line.net,
            line.tax,
            line.tax_rate.map_or("-".into(), |rate| rate.to_string()),
            options.join("; ")
        ));
    }
    order
        .shipping_charges
        .iter()
        .for_each(|line| add(format!("delivery {}", charge(line))));
    order
        .fees
        .iter()
        .for_each(|line| add(format!("fee {}", charge(line))));
    for discount in &order.discounts {
        add(format!(
            "discount {} {} {}",
            discount.code, discount.net, discount.tax
        ));
    }
    for refund in &order.refunds {
        add(format!(
            "refund {} {} {:?} {}",
            refund.external_id,
            refund.amount,
            refund.reason,
            refund.created.map_or("?".into(), |at| at.to_string())
        ));
        for line in &refund.lines {
            add(format!(
                "refund {} line={:?} sku={:?} x{} net={} tax={}",
                refund.external_id,
                line.line,
                line.sku.as_ref().map(storelink_model::Sku::as_str),
                line.quantity,
                line.net,
                line.tax
            ));
        }
    }
    if !order.note.is_empty() {
        add(format!("note {:?}", order.note));
    }
    let sum = order.check_sum();
    // As many digits as the store's total has: zero has none of its own.
    let (mut computed, stated) = (sum.computed.decimal(), sum.stated.decimal());
    computed.rescale(computed.scale().max(stated.scale()));
    add(format!("sum {:?} {computed} of {stated}", sum.verdict));
    facts
}

fn address(address: &Address) -> String {
    [
        &address.first_name,
        &address.last_name,
        &address.company,
        &address.line1,
        &address.line2,
        &address.postcode,
        &address.city,
        &address.state,
        &address.country,
        &address.phone,
    ]
    .map(String::as_str)
    .join("|")
}

fn charge(charge: &Charge) -> String {
    let rate = charge.tax_rate.map_or("-".into(), |rate| rate.to_string());
    format!(
        "{} {:?} net={} tax={} rate={rate}",
        charge.code, charge.name, charge.net, charge.tax
    )
}

pub(crate) fn of_products(page: &ProductPage) -> Facts {
    let mut facts = vec![format!("products {}", page.products.len())];
    facts.push(format!("more {}", page.next.is_some()));
    facts.extend(page.products.iter().flat_map(of_product));
    facts
}

fn of_product(product: &ProductReading) -> Facts {
    let modified = product.modified.map_or("?".into(), |at| at.to_string());
    let mut facts = vec![format!(
        "product {} {:?} modified={modified}",
        product.external_id, product.name
    )];
    facts.extend(product.articles.iter().map(of_article));
    facts
}

fn of_article(article: &Article) -> String {
    let ids = &article.ids;
    let stock = match article.stock {
        StockKeeping::Own => "own",
        StockKeeping::Shared => "shared",
        StockKeeping::Off => "off",
    };
    let mut text = format!(
        "article {}/{}/{} sku={:?} {:?} active={} stock={stock} quantity={} price={} sale={}",
        ids.product,
        ids.variation.as_deref().unwrap_or("-"),
        ids.stock_row.as_deref().unwrap_or("-"),
        article.sku.as_ref().map(storelink_model::Sku::as_str),
        article.name,
        article.active,
        article
            .quantity
            .map_or("-".into(), |quantity| quantity.to_string()),
        article.price.map_or("-".into(), |price| price.to_string()),
        article
            .sale_price
            .map_or("-".into(), |price| price.to_string()),
    );
    if let Some(barcode) = &article.barcode {
        text.push_str(&format!(" barcode={barcode}"));
    }
    text
}

pub(crate) fn of_outcomes(ids: &[String], outcomes: &[ItemOutcome]) -> Facts {
    assert_eq!(ids.len(), outcomes.len(), "one outcome per item");
    ids.iter()
        .zip(outcomes)
        .map(|(id, outcome)| match outcome {
            ItemOutcome::Confirmed => format!("{id} confirmed"),
            ItemOutcome::Unknown => format!("{id} unknown"),
            ItemOutcome::Rejected { code, text } => format!("{id} {code}: {text}"),
        })
        .collect()
}

pub(crate) fn of_error(error: &AdapterError) -> Facts {
    let class = match error.class {
        ErrorClass::Transient => "transient".to_owned(),
        ErrorClass::Limited { pause } => format!("limited {}s", pause.as_secs()),
        ErrorClass::Attention => "attention".to_owned(),
        ErrorClass::Rejected => "rejected".to_owned(),
    };
    let mut line = format!("error {} {class}", error.code);
    if error.outcome_unknown {
        line.push_str(" outcome-unknown");
    }
    if error.smaller_batch {
        line.push_str(" smaller-batch");
    }
    vec![line, format!("text {}", error.text)]
}

pub(crate) fn of_diagnosis(diagnosis: &Diagnosis) -> Facts {
    let mut facts: Facts = diagnosis
        .checks
        .iter()
        .map(|check| {
            let code = check.code.as_deref().unwrap_or("-");
            format!(
                "{} {:?} {code} {}",
                check.name, check.status, check.evidence
            )
        })
        .collect();
    let profile = &diagnosis.profile;
    facts.push(format!(
        "profile version={:?} home={:?} zone={:?} currency={:?} digits={:?} with_tax={:?}",
        profile.version,
        profile.home,
        profile.time_zone,
        profile
            .currency
            .as_ref()
            .map(storelink_model::Currency::as_str),
        profile.currency_digits,
        profile.prices_include_tax
    ));
    facts.extend(
        profile
            .facts
            .iter()
            .map(|(name, value)| format!("fact {name}={value}")),
    );
    facts
}
