//! The adapter against whole simulated stores, which check signatures and keep what is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use storelink_adapter_api::{
    Article, Credentials, DiagnosisStatus, ErrorClass, ItemOutcome, OrderReading, OrderWindow,
    PriceWrite, ProductWindow, SalePrice, StockKeeping, StockWrite, StoreAccess, StoreAdapter,
    ValueKind,
};
use storelink_adapter_woocommerce::WooCommerce;
use storelink_model::Timestamp;
use storelink_order::{OrderState, SumVerdict};
use storelink_outbound_http::OutboundPolicy;
use storelink_simulators::woocommerce::{ApiKey, Permission, Role, StoreSpec};
use storelink_simulators::{
    Action, CouponSpec, Fault, FaultEffect, FaultMatch, FaultPage, FeeSpec, Noise, OrderSpec,
    RefundSpec, Requests, ShippingSpec, Simulators, StoreHandle,
};

use crate::rig;

pub(crate) async fn store(spec: StoreSpec) -> (Simulators, StoreHandle) {
    let simulators = Simulators::new();
    let store = simulators.add_store(spec).await.unwrap();
    (simulators, store)
}

pub(crate) fn unverified(store: &StoreHandle) -> StoreAccess {
    let mut access = rig::access(store.url().parse().unwrap(), OutboundPolicy::loopback());
    let pair = ApiKey::default_pair();
    let mut credentials = Credentials::default();
    credentials.set("consumer_key", pair.key.into());
    credentials.set("consumer_secret", pair.secret.into());
    access.credentials = Arc::new(credentials);
    access.profile = Arc::default();
    access
}

/// Access with the profile that verification found.
pub(crate) async fn verified(store: &StoreHandle) -> StoreAccess {
    let mut access = unverified(store);
    let diagnosis = WooCommerce::new().verify(&access).await;
    assert_eq!(diagnosis.status(), DiagnosisStatus::Green, "{diagnosis:#?}");
    access.profile = Arc::new(diagnosis.profile);
    access
}

fn delivery(net: &str) -> ShippingSpec {
    ShippingSpec {
        method_id: "flat_rate".into(),
        method_title: "Delivery".into(),
        total: net.parse().unwrap(),
        ..ShippingSpec::default()
    }
}

fn fee(net: &str) -> FeeSpec {
    FeeSpec {
        name: "Fee".into(),
        total: net.parse().unwrap(),
        ..FeeSpec::default()
    }
}

pub(crate) async fn articles(access: &StoreAccess) -> Vec<Article> {
    let window = ProductWindow {
        modified_since: None,
    };
    let (mut all, mut position) = (Vec::new(), None);
    loop {
        let adapter = WooCommerce::new();
        let page = adapter
            .read_products(access, &window, position.as_ref())
            .await
            .unwrap();
        all.extend(
            page.products
                .into_iter()
                .flat_map(|product| product.articles),
        );
        let Some(next) = page.next else { break };
        position = Some(next);
    }
    all.sort_by(|left, right| left.ids.cmp(&right.ids));
    all.dedup_by(|left, right| left.ids == right.ids);
    all
}

async fn orders(access: &StoreAccess, since: Timestamp) -> BTreeMap<String, OrderReading> {
    let window = OrderWindow {
        modified_since: since,
    };
    let (mut all, mut position) = (BTreeMap::new(), None);
    loop {
        let adapter = WooCommerce::new();
        let page = adapter
            .read_orders(access, &window, position.as_ref())
            .await
            .unwrap();
        all.extend(
            page.orders
                .into_iter()
                .map(|order| (order.external_id.clone(), order)),
        );
        let Some(next) = page.next else { return all };
        position = Some(next);
    }
}

#[tokio::test]
async fn a_whole_catalogue_is_read_and_its_stock_written_group_by_group() {
    let (_simulators, store) = store(StoreSpec::seeded("shop", 7, 300, 60)).await;
    let access = verified(&store).await;
    assert_eq!(access.profile.fact("auth"), Some("oauth1"));
    let read = articles(&access).await;
    let skus: BTreeSet<&str> = read
        .iter()
        .filter_map(|one| Some(one.sku.as_ref()?.as_str()))
        .collect();
    let there = store.stocks();
    assert_eq!(
        skus,
        there.keys().map(String::as_str).collect::<BTreeSet<_>>()
    );
    assert_eq!(skus.len(), 300);

    let adapter = WooCommerce::new();
    let mut groups: BTreeMap<_, Vec<StockWrite>> = BTreeMap::new();
    let own = read
        .iter()
        .filter(|article| article.stock == StockKeeping::Own);
    for (number, article) in own.enumerate() {
        let group = adapter.write_group(ValueKind::Stock, &article.ids);
        let quantity = (number % 50).to_string().parse().unwrap();
        let write = StockWrite {
            ids: article.ids.clone(),
            quantity,
        };
        groups.entry(group).or_default().push(write);
    }
    assert!(groups.len() > 1, "products and variations");
    let batch = adapter.limits(&access.profile).stock_batch;
    for items in groups.values().flat_map(|items| items.chunks(batch)) {
        let outcomes = adapter.write_stock(&access, items).await.unwrap();
        assert!(
            outcomes
                .iter()
                .all(|outcome| *outcome == ItemOutcome::Confirmed),
            "{outcomes:?}"
        );
    }
    let after = store.stocks();
    let own = read
        .iter()
        .filter(|article| article.stock == StockKeeping::Own);
    for (number, article) in own.enumerate() {
        let sku = article.sku.as_ref().unwrap().as_str();
        assert_eq!(
            after[sku],
            Some(i64::try_from(number % 50).unwrap()),
            "{sku}"
        );
    }
}

/// Far more products with variations than one page may ask the variations of.
#[tokio::test]
async fn a_store_that_sells_variations_alone_is_read_to_its_end() {
    let (_simulators, store) = store(StoreSpec::seeded("shop", 7, 720, 720)).await;
    let access = verified(&store).await;
    let read = tokio::time::timeout(Duration::from_secs(60), articles(&access));
    let read = read.await.expect("the walk ends");
    let codes: BTreeSet<String> = read
        .iter()
        .filter_map(|a| a.sku.clone())
        .map(|sku| sku.to_string())
        .collect();
    let variations = codes.iter().filter(|code| code.starts_with("VAR-")).count();
    assert_eq!((variations, read.len()), (720, 720), "each of them, once");
}

#[tokio::test]
async fn prices_and_sales_are_stored_as_sent() {
    let (_simulators, store) = store(StoreSpec::seeded("shop", 3, 12, 4)).await;
    let access = verified(&store).await;
    let adapter = WooCommerce::new();
    for (number, article) in articles(&access).await.into_iter().enumerate() {
        let sale = (number % 2 == 0).then(|| SalePrice {
            price: "7.90".parse().unwrap(),
            from: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            until: Some("2090-01-01T00:00:00Z".parse().unwrap()),
        });
        let write = PriceWrite {
            ids: article.ids,
            regular: "19.9".parse().unwrap(),
            sale,
        };
        let outcomes = adapter.write_prices(&access, &[write]).await.unwrap();
        assert_eq!(outcomes, [ItemOutcome::Confirmed], "{number}");
    }
    for (number, article) in articles(&access).await.iter().enumerate() {
        let sale = (number % 2 == 0).then(|| "7.90".parse().unwrap());
        assert_eq!(
            (article.price, article.sale_price),
            (Some("19.90".parse().unwrap()), sale)
        );
    }
}

#[tokio::test]
async fn orders_with_all_that_belongs_to_them_add_up() {
    for spec in [StoreSpec::named("new"), StoreSpec::old("old")] {
        let seeded = StoreSpec::seeded("x", 1, 20, 4);
        let spec = StoreSpec {
            catalogue: seeded.catalogue,
            products: seeded.products,
            ..spec
        };
        let (_simulators, store) = store(spec).await;
        let access = verified(&store).await;
        let began = Timestamp::now().saturating_sub(time::Duration::seconds(5));
        let sku = |at: usize| store.stocks().keys().nth(at).unwrap().clone();
        let of = |at: usize, count: i64| OrderSpec::of(&[(sku(at).as_str(), count)]);
        let plain = store.place_order(of(0, 3)).unwrap();
        let full = store
            .place_order(OrderSpec {
                shipping_lines: vec![delivery("3.99")],
                fees: vec![fee("1.50"), fee("-0.70")],
                coupon: Some(CouponSpec {
                    code: "ten".into(),
                    percent: 10.into(),
                }),
                ..of(1, 7)
            })
            .unwrap();
        let refunded = store.place_order(of(2, 2)).unwrap();
        store
            .refund(
                refunded,
                RefundSpec {
                    amount: Some(1.into()),
                    ..RefundSpec::default()
                },
            )
            .unwrap();
        let cancelled = store.place_order(of(3, 1)).unwrap();
        store.cancel_order(cancelled).unwrap();
        let trashed = store.place_order(of(4, 1)).unwrap();
        store.act(&Action::TrashOrder { id: trashed }).unwrap();

        let read = orders(&access, began).await;
        let ids: BTreeSet<String> = [plain, full, refunded, cancelled, trashed]
            .iter()
            .map(u64::to_string)
            .collect();
        assert_eq!(read.keys().cloned().collect::<BTreeSet<_>>(), ids);
        for reading in read.values() {
            let order = reading.order.as_ref().unwrap();
            let theirs = store.order(reading.external_id.parse().unwrap()).unwrap();
            assert_eq!(order.total.to_string(), theirs["total"].as_str().unwrap());
            assert_ne!(
                order.check_sum().verdict,
                SumVerdict::Differs,
                "{:?}",
                order.check_sum()
            );
            assert_eq!(
                reading.raw.get().parse::<serde_json::Value>().unwrap()["id"],
                theirs["id"]
            );
        }
        let state = |id: u64| read[&id.to_string()].order.as_ref().unwrap().state;
        assert_eq!(state(cancelled), OrderState::Cancelled);
        assert_eq!(state(trashed), OrderState::Cancelled);
        let order = read[&full.to_string()].order.as_ref().unwrap();
        assert_eq!((order.fees.len(), order.discounts.len()), (2, 1));
        let order = read[&refunded.to_string()].order.as_ref().unwrap();
        assert_eq!(order.refunds[0].amount, "1".parse().unwrap());
        let one = WooCommerce::new()
            .read_order(&access, &full.to_string())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(one.raw.get(), read[&full.to_string()].raw.get());
    }
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_the_value_is_there() {
    let (_simulators, store) = store(StoreSpec::seeded("shop", 7, 5, 0)).await;
    let access = verified(&store).await;
    let article = articles(&access)
        .await
        .into_iter()
        .find(|article| article.stock == StockKeeping::Own)
        .unwrap();
    let sku = article.sku.unwrap().as_str().to_owned();
    let fault = |effect| Fault {
        on: FaultMatch {
            requests: Requests::Writes,
            times: Some(1),
            ..FaultMatch::default()
        },
        effect,
    };
    for (quantity, effect, code) in [
        (
            11,
            FaultEffect::ApplyThenAnswer(FaultPage::GatewayTimeout),
            "woocommerce.gateway_timeout",
        ),
        (
            12,
            FaultEffect::ApplyThenAnswer(FaultPage::BadGateway),
            "woocommerce.gateway",
        ),
        (13, FaultEffect::ApplyThenClose, "http.connection_broken"),
    ] {
        store.set_fault(fault(effect));
        let write = StockWrite {
            ids: article.ids.clone(),
            quantity: quantity.to_string().parse().unwrap(),
        };
        let error = WooCommerce::new()
            .write_stock(&access, &[write])
            .await
            .unwrap_err();
        assert_eq!((error.code, error.class), (code, ErrorClass::Transient));
        assert!(error.outcome_unknown, "{code}");
        assert_eq!(store.stocks()[&sku], Some(quantity));
    }
    for (quantity, effect) in [
        (21, FaultEffect::ApplyThenAnswer(FaultPage::Empty)),
        (22, FaultEffect::ApplyThenAnswer(FaultPage::FrontPage)),
        (23, FaultEffect::Truncate(200)),
    ] {
        store.set_fault(fault(effect));
        let write = StockWrite {
            ids: article.ids.clone(),
            quantity: quantity.to_string().parse().unwrap(),
        };
        let outcomes = WooCommerce::new()
            .write_stock(&access, &[write])
            .await
            .unwrap();
        assert_eq!(outcomes, [ItemOutcome::Unknown]);
        assert_eq!(store.stocks()[&sku], Some(quantity));
    }
    for (quantity, noise) in [
        (31, Noise::Warning),
        (32, Noise::ByteOrderMark),
        (33, Noise::CommentAfter),
    ] {
        store.set_fault(fault(FaultEffect::Noise(noise)));
        let write = StockWrite {
            ids: article.ids.clone(),
            quantity: quantity.to_string().parse().unwrap(),
        };
        let outcomes = WooCommerce::new()
            .write_stock(&access, &[write])
            .await
            .unwrap();
        assert_eq!(outcomes, [ItemOutcome::Confirmed], "{noise:?}");
    }
}

#[tokio::test]
async fn verification_names_what_is_wrong_with_a_simulated_store() {
    let key = |permission, role| ApiKey {
        permission,
        role,
        ..ApiKey::default_pair()
    };
    let with_key = |key: ApiKey| StoreSpec {
        keys: vec![key],
        ..StoreSpec::named("shop")
    };
    let fault = |effect| StoreSpec {
        faults: vec![Fault {
            on: FaultMatch::default(),
            effect,
        }],
        ..StoreSpec::named("shop")
    };
    let page = |page| fault(FaultEffect::Answer(page));
    let unknown = ApiKey {
        key: format!("ck_{}", "3".repeat(40)),
        ..ApiKey::default_pair()
    };
    let other_secret = ApiKey {
        secret: format!("cs_{}", "3".repeat(40)),
        ..ApiKey::default_pair()
    };
    for (spec, check, code) in [
        (with_key(unknown), "credentials", "woocommerce.key_unknown"),
        (
            with_key(other_secret),
            "credentials",
            "woocommerce.secret_wrong",
        ),
        (
            with_key(key(Permission::Read, Role::Administrator)),
            "write",
            "woocommerce.key_read_only",
        ),
        (
            with_key(key(Permission::Write, Role::Administrator)),
            "read_orders",
            "woocommerce.key_write_only",
        ),
        (
            with_key(key(Permission::ReadWrite, Role::Customer)),
            "read_orders",
            "woocommerce.rights_missing",
        ),
        (
            with_key(key(Permission::ReadWrite, Role::Deleted)),
            "credentials",
            "woocommerce.key_user_gone",
        ),
        (
            fault(FaultEffect::PlainPermalinks),
            "api",
            "woocommerce.permalinks_plain",
        ),
        (
            page(FaultPage::Maintenance),
            "api",
            "woocommerce.maintenance",
        ),
        (page(FaultPage::FrontPage), "api", "woocommerce.answer_html"),
        (page(FaultPage::ApiClosed), "api", "woocommerce.api_closed"),
        (
            page(FaultPage::NotFound),
            "api",
            "woocommerce.api_not_found",
        ),
        (
            page(FaultPage::Unavailable(None)),
            "api",
            "woocommerce.unavailable",
        ),
        (
            page(FaultPage::Redirect {
                status: 301,
                base: "https://new.invalid".into(),
            }),
            "api",
            "woocommerce.moved",
        ),
        (
            StoreSpec {
                clock_offset: -1_200,
                ..StoreSpec::named("shop")
            },
            "clock",
            "woocommerce.clock_differs",
        ),
    ] {
        let (_simulators, store) = store(spec).await;
        let diagnosis = WooCommerce::new().verify(&unverified(&store)).await;
        let cause = diagnosis
            .cause()
            .unwrap_or_else(|| panic!("{code}: {diagnosis:#?}"));
        assert_eq!(
            (cause.name.as_str(), cause.code.as_deref()),
            (check, Some(code))
        );
        assert!(!cause.remedy.is_empty(), "{code}");
    }
}

#[tokio::test]
async fn a_store_that_calls_itself_by_another_name_is_signed_for_by_that_name() {
    let spec = StoreSpec {
        home: Some("http://www.shop.example".to_owned()),
        ..StoreSpec::seeded("shop", 1, 3, 0)
    };
    let (_simulators, store) = store(spec).await;
    let mut access = unverified(&store);
    access.address = format!("http://{}", store.address()).parse().unwrap();
    let diagnosis = WooCommerce::new().verify(&access).await;
    assert_eq!(diagnosis.status(), DiagnosisStatus::Green, "{diagnosis:#?}");
    assert_eq!(
        diagnosis.profile.fact("signing_address"),
        Some("http://www.shop.example")
    );
    access.profile = Arc::new(diagnosis.profile);
    assert_eq!(articles(&access).await.len(), 3);
}
