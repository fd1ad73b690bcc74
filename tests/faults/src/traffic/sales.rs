//! Orders in the shops, and what is done to them later.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rust_decimal::Decimal;
use serde_json::json;
use storelink_simulators::{Action, CouponSpec, FeeSpec, OrderSpec, RefundSpec, SimulatorClient};
use tokio::time::Instant;

use super::{Beat, Counts};

/// Orders that are placed at once when some are late.
const MOST_AT_ONCE: u64 = 5;
/// Later changes come within this time.
const LATER_MS: u64 = 8_000;

/// With every so many orders a product gets another name.
const RENAMED_EVERY: u32 = 10;

struct Later {
    due: Instant,
    store: String,
    action: Action,
}

pub(super) async fn go_on(
    counts: Arc<Counts>,
    per_second: u64,
    mut random: StdRng,
    skus: Vec<String>,
    shops: SimulatorClient,
    names: Vec<String>,
) -> anyhow::Result<()> {
    let mut beat = Beat::new(per_second);
    let mut later: VecDeque<Later> = VecDeque::new();
    let mut products = Vec::new();
    for name in &names {
        for article in shops.articles(name).await? {
            products.push((name.clone(), article.product_id));
        }
    }
    while counts.goes_on() {
        for _ in 0..beat.due(MOST_AT_ONCE).await {
            let Some(name) = names.choose(&mut random) else {
                return Ok(());
            };
            let id = shops.place_order(name, order(&mut random, &skus)).await?;
            counts.orders.fetch_add(1, Ordering::SeqCst);
            if random.random_range(0..RENAMED_EVERY) == 0
                && let Some((store, id)) = products.choose(&mut random)
            {
                shops.act(store, &renamed(&mut random, *id)).await?;
            }
            if let Some(action) = change(&mut random, id) {
                let wait = Duration::from_millis(random.random_range(0..LATER_MS));
                later.push_back(Later {
                    due: Instant::now() + wait,
                    store: name.clone(),
                    action,
                });
            }
        }
        carry_out(&counts, shops, &mut later, false).await?;
    }
    // What was planned happens, so that the number of changes follows from the seed.
    carry_out(&counts, shops, &mut later, true).await
}

async fn carry_out(
    counts: &Counts,
    shops: SimulatorClient,
    later: &mut VecDeque<Later>,
    all: bool,
) -> anyhow::Result<()> {
    let now = Instant::now();
    for planned in std::mem::take(later) {
        if all || planned.due <= now {
            shops.act(&planned.store, &planned.action).await?;
            counts.edits.fetch_add(1, Ordering::SeqCst);
        } else {
            later.push_back(planned);
        }
    }
    Ok(())
}

fn order(random: &mut StdRng, skus: &[String]) -> OrderSpec {
    let lines = random.random_range(1..=3);
    let chosen: Vec<(&str, i64)> = skus
        .choose_multiple(random, lines)
        .map(String::as_str)
        .zip([1, 2, 1])
        .collect();
    let mut order = OrderSpec::of(&chosen);
    if random.random_range(0..10) == 0 {
        order.coupon = Some(CouponSpec {
            code: "ten".to_owned(),
            percent: Decimal::TEN,
        });
    }
    if random.random_range(0..10) == 0 {
        order.fees.push(FeeSpec {
            name: "Gift wrap".to_owned(),
            total: Decimal::new(random.random_range(50..400), 2),
            ..FeeSpec::default()
        });
    }
    order
}

fn renamed(random: &mut StdRng, id: u64) -> Action {
    let name = format!(
        "Article {id}, edition {}",
        random.random_range(0..1_000_000)
    );
    Action::EditProduct {
        id,
        members: json!({ "name": name }),
    }
}

/// What will happen to an order, if anything: of a hundred, ten are edited, three cancelled, four
/// refunded in part.
fn change(random: &mut StdRng, id: u64) -> Option<Action> {
    match random.random_range(0..100) {
        0..10 => {
            let note = format!("Please ring twice, {}", random.random_range(0..1_000));
            Some(Action::EditOrder {
                id,
                members: json!({ "customer_note": note }),
            })
        }
        10..13 => {
            let status = "cancelled".to_owned();
            Some(Action::SetOrderStatus { id, status })
        }
        13..17 => Some(Action::Refund {
            id,
            refund: RefundSpec {
                amount: Some(Decimal::ONE),
                reason: "damaged".to_owned(),
                ..RefundSpec::default()
            },
        }),
        _ => None,
    }
}
