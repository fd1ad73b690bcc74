//! Every kind of bad event on the subject of an ERP: refused with a code and a pointer to the member,
//! kept for a person, counted exactly; what stands beside it is applied, and the consumer goes on.

mod cases;

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use storelink_bus::{DeadLetters, Publication};
use storelink_events::erp::CODES;
use storelink_lanes::kind::{Price, Stock};
use storelink_test_support::eventually::eventually;

use cases::{Case, good, items, strange, whole};

use crate::intake::rejections;
use crate::world::{PATIENCE, World};

async fn letters(world: &World) -> anyhow::Result<Vec<storelink_bus::DeadLetter>> {
    Ok(DeadLetters::new(&world.bus)
        .list("dead.ERP_STOCK.>", 0, 10_000)
        .await?)
}

#[tokio::test]
async fn every_kind_of_bad_event_is_refused_kept_and_counted_and_the_rest_applied()
-> anyhow::Result<()> {
    let world = World::sqlite().await?;
    world.tenants_are_known().await?;
    let publisher = world.start::<Stock>().await?;
    let cases: Vec<Case> = whole()
        .into_iter()
        .chain(items())
        .chain(strange()?)
        .collect();
    ensure!(cases.len() > 90, "{} cases", cases.len());
    for case in &cases {
        let publication = Publication::new("erp.acme.stock.changed", case.payload.clone());
        let published = world
            .bus
            .publish(publication.headers(case.headers.clone()))
            .await;
        published.with_context(|| case.name.clone())?;
    }
    let bad: Vec<&Case> = cases
        .iter()
        .filter(|case| !case.refused.is_empty())
        .collect();

    // Each is answered once, with exactly its refusals.
    let mut told = BTreeMap::new();
    for rejection in rejections(&world, bad.len()).await? {
        let violations = rejection["violations"]
            .as_array()
            .context("no violations")?;
        let refused: Vec<(String, String)> = violations
            .iter()
            .map(|one| (text(&one["code"]), text(&one["pointer"])))
            .collect();
        let long = violations
            .iter()
            .any(|one| text(&one["detail"]).len() > 800);
        ensure!(!long, "{rejection}");
        *told
            .entry((refused, rejection["partly_accepted"] == true))
            .or_insert(0) += 1;
    }
    let mut expected = BTreeMap::new();
    for case in &bad {
        let refused = case.refused.iter();
        let refused: Vec<_> = refused
            .map(|(code, at)| ((*code).to_owned(), at.clone()))
            .collect();
        *expected.entry((refused, case.taken)).or_insert(0) += 1;
    }
    let codes = expected.keys().flat_map(|(refused, _)| refused);
    for (code, _) in codes {
        ensure!(
            CODES.iter().any(|known| known.code == code),
            "{code} is not explained"
        );
    }
    ensure!(told == expected, "told {told:#?}\nexpected {expected:#?}");

    // Each is kept once, unchanged, with its code.
    eventually("all are kept", PATIENCE, async || {
        ensure!(letters(&world).await?.len() >= bad.len());
        Ok(())
    })
    .await?;
    let letters = letters(&world).await?;
    ensure!(
        letters.len() == bad.len(),
        "{} letters of {}",
        letters.len(),
        bad.len()
    );
    // Those of one batch are kept side by side, in no order.
    for case in &bad {
        let letter = letters
            .iter()
            .find(|letter| letter.payload == case.payload)
            .with_context(|| format!("{} is not kept", case.name))?;
        let code = case.refused.first().map(|(code, _)| *code);
        ensure!(
            Some(letter.reason.code.as_str()) == code,
            "{}: {letter:?}",
            case.name
        );
    }

    // What stood beside them is applied, and the consumer goes on.
    world.level("the last", "7", 1).await?;
    let connection = world.link().await?;
    for sku in cases
        .iter()
        .filter(|case| case.taken)
        .map(|case| case.name.as_str())
        .chain(["the last"])
    {
        eventually(sku, PATIENCE, async || {
            let answer = world.sku::<Stock>(&connection.id, sku).await?;
            let known = answer.erp.iter().find(|value| value.source == "main");
            ensure!(known.is_some_and(|known| known.value == "7"), "{answer:?}");
            Ok(())
        })
        .await?;
    }
    ensure!(rejections(&world, bad.len()).await?.len() == bad.len());
    ensure!(publisher.is_ready());
    publisher.stop().await
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_event_of_an_unknown_tenant_is_refused_and_one_of_a_new_tenant_waits()
-> anyhow::Result<()> {
    let world = World::sqlite().await?;
    world.tenants_are_known().await?;
    let publisher = world.start::<Stock>().await?;
    let mut event = good("A");
    event["tenant"] = json!("nobody");
    let publication = Publication::new("erp.nobody.stock.changed", event.to_string());
    world.bus.publish(publication).await?;
    let mut event = good("B");
    event["tenant"] = json!("late");
    let publication = Publication::new("erp.late.stock.changed", event.to_string());
    world.bus.publish(publication).await?;
    // The registry makes it known a moment later.
    world.tenant_is_known("late").await?;
    let letters = eventually("the first is kept", PATIENCE, async || {
        let letters = letters(&world).await?;
        ensure!(!letters.is_empty());
        Ok(letters)
    })
    .await?;
    ensure!(
        letters.len() == 1 && letters[0].reason.code == "event.tenant_unknown",
        "{letters:?}"
    );
    ensure!(
        letters[0].subject == "erp.nobody.stock.changed",
        "{letters:?}"
    );
    eventually("the other is taken", PATIENCE, async || {
        let mut stream = world.bus.jetstream().get_stream("STOCK").await?;
        ensure!(stream.info().await?.state.messages == 1);
        let last = stream
            .direct_get_last_for_subject("stock.late.main.B")
            .await;
        ensure!(last.is_ok(), "{last:?}");
        Ok(())
    })
    .await?;
    publisher.stop().await
}

#[tokio::test]
async fn an_event_that_is_too_large_is_refused_to_its_publisher_and_the_largest_is_kept()
-> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let publisher = world.start::<Stock>().await?;
    for bytes in [1024 * 1024 + 1, 2 * 1024 * 1024, 9 * 1024 * 1024] {
        let publication = Publication::new("erp.acme.stock.changed", vec![b' '; bytes]);
        ensure!(world.bus.publish(publication).await.is_err(), "{bytes}");
    }
    // With room for its subject; the broker counts that, too.
    let largest = vec![b'['; 1024 * 1024 - 100];
    let publication = Publication::new("erp.acme.stock.changed", largest.clone());
    world.bus.publish(publication).await?;
    let rejected = rejections(&world, 1).await?;
    ensure!(
        !rejected[0]["violations"][0]["code"].is_null(),
        "{rejected:?}"
    );
    eventually("it is kept", PATIENCE, async || {
        let letters = letters(&world).await?;
        ensure!(letters.len() == 1 && letters[0].payload == largest);
        Ok(())
    })
    .await?;
    publisher.stop().await
}

#[tokio::test]
async fn a_reply_to_another_services_subject_reaches_nobody_as_a_question() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    let publisher = world.start::<Stock>().await?;
    let client = world.bus.client();
    for reply in [
        "rpc.stock-publisher.sku",
        "rpc.stock-publisher.status",
        "hub.acme.order.received.x.1",
    ] {
        let payload = good("A").to_string();
        client
            .publish_with_reply("erp.acme.stock.changed", reply, payload.into())
            .await?;
    }
    client.flush().await?;
    eventually("the events are taken", PATIENCE, async || {
        let answer = world.sku::<Stock>(&store.id, "A").await?;
        ensure!(
            answer.erp.first().is_some_and(|known| known.value == "7"),
            "{answer:?}"
        );
        Ok(())
    })
    .await?;
    ensure!(letters(&world).await?.is_empty());
    publisher.stop().await
}

#[tokio::test]
async fn an_id_that_is_used_again_for_other_data_hides_nothing() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    let publisher = world.start::<Stock>().await?;
    let with = |quantity: &str, revision: u64| {
        let mut event = good("A");
        event["data"]["items"][0]["quantity"] = json!(quantity);
        event["data"]["items"][0]["revision"] = json!(revision);
        Publication::new("erp.acme.stock.changed", event.to_string())
    };
    world.bus.publish(with("7", 1)).await?;
    world.bus.publish(with("8", 2)).await?;
    // The same revision for another value: nobody could say which of them counts.
    world.bus.publish(with("9", 2)).await?;
    let rejected = rejections(&world, 1).await?;
    ensure!(
        rejected[0]["violations"][0]["code"] == "event.revision_conflict",
        "{rejected:?}"
    );
    ensure!(
        rejected[0]["violations"][0]["pointer"] == "/data/items/0/revision",
        "{rejected:?}"
    );
    let answer = world.sku::<Stock>(&store.id, "A").await?;
    ensure!(
        answer.erp.first().is_some_and(|known| known.value == "8"),
        "{answer:?}"
    );
    publisher.stop().await
}

#[tokio::test]
async fn bad_prices_are_pointed_to_and_good_ones_beside_them_taken() -> anyhow::Result<()> {
    let world = World::sqlite().await?;
    let store = world.link().await?;
    let publisher = world.start::<Price>().await?;
    let price = |price: Value| {
        let mut item = json!({ "sku": "B", "revision": 1 });
        if let (Some(item), Some(price)) = (item.as_object_mut(), price.as_object()) {
            item.extend(price.clone());
        }
        item
    };
    let cases = [
        (
            price(json!({ "gross": "1.1234567" })),
            "/gross",
            "event.member_invalid",
        ),
        (
            price(json!({ "gross": "10000000000000" })),
            "/gross",
            "event.member_invalid",
        ),
        (
            price(json!({ "net": "dear" })),
            "/net",
            "event.member_invalid",
        ),
        (price(json!({})), "", "event.price_missing"),
        (price(json!({ "gross": null })), "", "event.price_missing"),
        (
            price(json!({ "gross": "1", "sale": {} })),
            "/sale",
            "event.price_missing",
        ),
        (
            price(json!({ "gross": "1", "sale": { "gross": "x" } })),
            "/sale/gross",
            "event.member_invalid",
        ),
        (
            price(json!({ "gross": "1", "sale": { "gross": "1", "from": "soon" } })),
            "/sale/from",
            "event.member_invalid",
        ),
        (
            price(json!({ "gross": "1", "tax_rate": "101" })),
            "/tax_rate",
            "event.member_invalid",
        ),
        (
            price(json!({ "gross": "1", "tax_rate": -1 })),
            "/tax_rate",
            "event.member_invalid",
        ),
    ];
    let mut expected = Vec::new();
    for (number, (bad, at, code)) in cases.iter().enumerate() {
        let good = json!({ "sku": format!("good-{number}"), "gross": "2.50", "revision": 1 });
        let data = json!({ "price_list": "B2C", "currency": "EUR", "items": [good, bad] });
        world.event("price", data).await?;
        expected.push(((*code).to_owned(), format!("/data/items/1{at}")));
    }
    for currency in ["EURO", "eur", ""] {
        let item = json!({ "sku": "A", "gross": "2.50", "revision": 1 });
        let data = json!({ "price_list": "B2C", "currency": currency, "items": [item] });
        world.event("price", data).await?;
        expected.push((
            "event.member_invalid".to_owned(),
            "/data/currency".to_owned(),
        ));
    }
    let mut told = Vec::new();
    for rejection in rejections(&world, expected.len()).await? {
        ensure!(
            rejection["violations"].as_array().map(Vec::len) == Some(1),
            "{rejection}"
        );
        let violation = &rejection["violations"][0];
        told.push((text(&violation["code"]), text(&violation["pointer"])));
    }
    told.sort();
    expected.sort();
    ensure!(told == expected, "{told:#?}");
    for number in 0..cases.len() {
        let sku = format!("good-{number}");
        eventually(&sku, PATIENCE, async || {
            let answer = world.sku::<Price>(&store.id, &sku).await?;
            ensure!(answer.erp.len() == 1, "{answer:?}");
            Ok(())
        })
        .await?;
    }
    publisher.stop().await
}
