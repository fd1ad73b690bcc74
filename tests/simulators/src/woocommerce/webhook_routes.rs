//! Webhooks: kept, listed and changed as recorded (200 to 208, 219, 220), but never sent.

use serde_json::{Value, json};

use super::call::{Call, Handled, Output, single};
use super::error::{Invalid, RestError, Verb};
use super::json::{JsonText, Members};
use super::listing::Paging;
use super::params::{ListKind, ListQuery, ORDER_ORDER};
use super::site_time::webhook_name_date;
use super::state::State;
use super::view::{ONE, View};
use super::webhook::{Webhook, hooks_of};

/// `GET webhooks`, newest first.
pub(crate) fn list(call: &Call<'_>, state: &State) -> Handled {
    let mut invalid = Invalid::default();
    let kind = ListKind {
        order_names: &ORDER_ORDER,
        order_tables: false,
    };
    let query = ListQuery::read(&call.params, &kind, &call.config.site, &mut invalid);
    invalid.finish()?;
    call.require(Verb::List)?;
    let status = call.params.text("status").unwrap_or("all");
    let found: Vec<u64> = state
        .webhooks
        .values()
        .rev()
        .filter(|webhook| status == "all" || webhook.status == status)
        .map(|webhook| webhook.id)
        .collect();
    let mut text = JsonText::default();
    text.list(query.page_of(&found), |text, id| {
        if let Some(webhook) = state.webhooks.get(&id) {
            text.append(shown(call, call.view(state, false), webhook));
        }
    });
    let mut output = Output::ok(text);
    output.paging = Some(Paging::new(query.page, query.per_page, found.len()));
    output.link_query = call.link_query(&[]);
    Ok(output)
}

/// `GET webhooks/<id>`; the secret is never shown.
pub(crate) fn read(call: &Call<'_>, state: &State, id: u64) -> Handled {
    let webhook = webhook_of(state, id)?;
    call.require(Verb::View)?;
    Ok(Output::ok(shown(call, call.view(state, false), webhook)))
}

/// `POST webhooks`.
pub(crate) fn add(call: &mut Call<'_>, state: &mut State) -> Handled {
    let missing: Vec<&str> = ["topic", "delivery_url"]
        .into_iter()
        .filter(|name| call.params.get(name).is_none())
        .collect();
    if !missing.is_empty() {
        return Err(RestError::missing_parameters(&missing));
    }
    call.require(Verb::Create)?;
    let text = |name: &str| call.params.text(name).map(str::to_owned);
    let topic = checked_topic(&text("topic").unwrap_or_default())?;
    let delivery_url = checked_url(&text("delivery_url").unwrap_or_default())?;
    let id = state.next_webhook();
    let name = text("name")
        .unwrap_or_else(|| format!("Webhook created on {}", webhook_name_date(call.now)));
    let webhook = Webhook {
        id,
        name,
        status: text("status").unwrap_or_else(|| "active".to_owned()),
        topic,
        delivery_url,
        secret: text("secret").unwrap_or_else(|| format!("made-up-{id}")),
        created: call.now,
        modified: None,
    };
    call.work.changed(
        ("webhook", id, 0, ""),
        "topic",
        Value::Null,
        json!(webhook.topic),
    );
    let body = shown(call, call.view(state, true), &webhook);
    // The answer to the creation shows no change yet, later ones do (recordings 201, 205).
    state.webhooks.insert(
        id,
        Webhook {
            modified: Some(call.now),
            ..webhook
        },
    );
    Ok(Output::created(body, call.api(&format!("webhooks/{id}"))))
}

/// `PUT webhooks/<id>`.
pub(crate) fn write(call: &mut Call<'_>, state: &mut State, id: u64) -> Handled {
    call.require(Verb::Edit)?;
    let mut webhook = webhook_of(state, id)?.clone();
    let text = |name: &str| call.params.text(name).map(str::to_owned);
    if let Some(topic) = text("topic") {
        webhook.topic = checked_topic(&topic)?;
    }
    if let Some(url) = text("delivery_url") {
        webhook.delivery_url = checked_url(&url)?;
    }
    let old = json!(webhook.status);
    let slots = [
        ("name", &mut webhook.name),
        ("status", &mut webhook.status),
        ("secret", &mut webhook.secret),
    ];
    for (name, slot) in slots {
        if let Some(value) = text(name) {
            *slot = value;
        }
    }
    webhook.modified = Some(call.now);
    call.work
        .changed(("webhook", id, 0, ""), "status", old, json!(webhook.status));
    let body = shown(call, call.view(state, true), &webhook);
    state.webhooks.insert(id, webhook);
    Ok(Output::ok(body))
}

/// `DELETE webhooks/<id>`: only for good, never to the trash.
pub(crate) fn delete(call: &mut Call<'_>, state: &mut State, id: u64) -> Handled {
    call.require(Verb::Delete)?;
    if !call.params.flag("force") {
        let message = "Webhooks do not support trashing.";
        return Err(RestError::new(
            501,
            "woocommerce_rest_trash_not_supported",
            message,
        ));
    }
    let body = shown(call, call.view(state, true), webhook_of(state, id)?);
    state.webhooks.remove(&id);
    call.work
        .changed(("webhook", id, 0, ""), "status", Value::Null, Value::Null);
    Ok(Output::ok(body))
}

fn webhook_of(state: &State, id: u64) -> Result<&Webhook, RestError> {
    let missing = || {
        RestError::new(
            404,
            "woocommerce_rest_shop_webhook_invalid_id",
            "Invalid ID.",
        )
    };
    state.webhooks.get(&id).ok_or_else(missing)
}

fn checked_topic(topic: &str) -> Result<String, RestError> {
    let message = "Webhook topic is required and must be valid.";
    let refused = || RestError::new(400, "woocommerce_rest_shop_webhook_invalid_topic", message);
    hooks_of(topic)
        .map(|_| topic.to_owned())
        .ok_or_else(refused)
}

fn checked_url(url: &str) -> Result<String, RestError> {
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(url.to_owned());
    }
    let message = "Webhook delivery URL must be a valid URL starting with http:// or https://.";
    Err(RestError::new(
        400,
        "woocommerce_rest_shop_webhook_invalid_delivery_url",
        message,
    ))
}

fn shown(call: &Call<'_>, view: View<'_>, webhook: &Webhook) -> JsonText {
    single(
        call.fields().as_ref(),
        |text, fields| text.object(fields, |o| members(o, webhook, view)),
        |o| view.links(o, &format!("webhooks/{}", webhook.id), ONE, "webhooks", &[]),
    )
}

fn members(o: &mut Members<'_>, webhook: &Webhook, view: View<'_>) {
    let (resource, event) = webhook
        .topic
        .split_once('.')
        .unwrap_or((&webhook.topic, ""));
    o.put("id", &webhook.id);
    o.put("name", &webhook.name);
    o.put("status", &webhook.status);
    o.put("topic", &webhook.topic);
    o.put("resource", resource);
    o.put("event", event);
    let hooks = hooks_of(&webhook.topic).unwrap_or_default();
    o.list("hooks", hooks, |text, hook| text.string(hook));
    o.put("delivery_url", &webhook.delivery_url);
    o.moment("date_created", Some(webhook.created), view.site);
    o.moment("date_modified", webhook.modified, view.site);
}
