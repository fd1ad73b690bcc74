//! Orders in the shops, and what is done to them later.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use storelink_simulators::{
    Action, AddressSpec, CouponSpec, FeeSpec, OrderSpec, RefundLineSpec, RefundSpec, ShippingSpec,
    SimulatorClient,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::calls::Call;
use super::{Beat, Counts};
use crate::stage::{Stage, Way};

/// Orders that are placed at once when some are late.
const MOST_AT_ONCE: u64 = 5;
/// A later change comes within this time of the one before it.
const LATER_MS: u64 = 2_700;
/// With every so many orders a product gets another name.
const RENAMED_EVERY: u32 = 10;

/// A store as it sells.
#[derive(Debug, Clone)]
pub(super) struct Shop {
    name: String,
    connection: String,
    calls: bool,
    /// Of all shops' orders, its part.
    part: u32,
    /// When it sells nothing any more; none when it goes on.
    closes: Option<Instant>,
}

impl Shop {
    /// The shops of a stage. Those that call get a fifth of the orders where others do not.
    pub(super) fn all(stage: &Stage, scheduled_for: Duration) -> Vec<Self> {
        let shops = stage.links.iter().zip(&stage.ways);
        let shop = |(link, way): (&storelink_test_support::world::LinkedStore, &Way)| Self {
            name: link.plan.name.clone(),
            connection: link.connection.clone(),
            calls: *way == Way::Called,
            part: if *way == Way::Called { 1 } else { 2 },
            closes: match way {
                Way::Scheduled => Instant::now().checked_add(scheduled_for),
                Way::Asked | Way::Called => None,
            },
        };
        shops.map(shop).collect()
    }

    fn is_open(&self) -> bool {
        self.closes.is_none_or(|closes| Instant::now() < closes)
    }
}

/// What is done to an order.
#[derive(Debug, Clone, Copy)]
enum Change {
    Note(u32),
    /// One more of the first line, with its sums.
    Quantity,
    Cancel,
    /// One cent of money, whatever for.
    RefundMoney,
    /// One of the first line, where there are others.
    RefundLine,
}

struct Later {
    due: Instant,
    shop: Shop,
    id: u64,
    change: Change,
}

/// Changes orders in the shops and lets those call that do.
struct Shopkeeper {
    counts: Arc<Counts>,
    shops: SimulatorClient,
    announce: mpsc::Sender<Call>,
    later: VecDeque<Later>,
}

pub(super) async fn go_on(
    counts: Arc<Counts>,
    per_second: u64,
    mut random: StdRng,
    skus: Vec<String>,
    shops: SimulatorClient,
    open: Vec<Shop>,
    announce: mpsc::Sender<Call>,
) -> anyhow::Result<()> {
    let mut beat = Beat::new(per_second);
    let mut products = Vec::new();
    for shop in &open {
        for article in shops.articles(&shop.name).await? {
            products.push((shop.name.clone(), article.product_id));
        }
    }
    let mut shopkeeper = Shopkeeper {
        counts,
        shops,
        announce,
        later: VecDeque::new(),
    };
    while shopkeeper.counts.goes_on() {
        for _ in 0..beat.due(MOST_AT_ONCE).await {
            let shop =
                open.choose_weighted(
                    &mut random,
                    |shop| {
                        if shop.is_open() { shop.part } else { 0 }
                    },
                );
            let shop = shop.context("no shop is open")?;
            shopkeeper.sell(&mut random, shop, &skus).await?;
            if random.random_range(0..RENAMED_EVERY) == 0
                && let Some((store, id)) = products.choose(&mut random)
            {
                shops.act(store, &renamed(&mut random, *id)).await?;
            }
        }
        shopkeeper.carry_out(false).await?;
    }
    // What was planned happens, so that the number of changes follows from the seed.
    shopkeeper.carry_out(true).await
}

impl Shopkeeper {
    async fn sell(
        &mut self,
        random: &mut StdRng,
        shop: &Shop,
        skus: &[String],
    ) -> anyhow::Result<()> {
        let order = order(random, skus);
        let id = self.shops.place_order(&shop.name, order).await?;
        self.counts.orders.fetch_add(1, Ordering::SeqCst);
        self.call(shop, id).await?;
        let mut due = Instant::now();
        for change in changes(random) {
            due += Duration::from_millis(random.random_range(0..LATER_MS));
            self.later.push_back(Later {
                due,
                shop: shop.clone(),
                id,
                change,
            });
        }
        Ok(())
    }

    /// Does what is due, or all that was planned; of each order in the order of the plan.
    async fn carry_out(&mut self, all: bool) -> anyhow::Result<()> {
        let now = Instant::now();
        for planned in std::mem::take(&mut self.later) {
            if all || planned.due <= now {
                self.change(&planned).await?;
            } else {
                self.later.push_back(planned);
            }
        }
        Ok(())
    }

    async fn change(&self, planned: &Later) -> anyhow::Result<()> {
        let (store, id) = (&planned.shop.name, planned.id);
        let action = match planned.change {
            Change::Note(number) => {
                let note = format!("Please ring twice, {number}");
                edit(id, json!({ "customer_note": note }))
            }
            Change::Quantity => {
                let order = self.shops.order(store, id).await?;
                edit(id, one_more(&order)?)
            }
            Change::Cancel => Action::SetOrderStatus {
                id,
                status: "cancelled".to_owned(),
            },
            Change::RefundMoney => Action::Refund {
                id,
                refund: RefundSpec {
                    amount: Some(Decimal::new(1, 2)),
                    ..damaged()
                },
            },
            Change::RefundLine => {
                let order = self.shops.order(store, id).await?;
                let line = RefundLineSpec {
                    item_id: first_line(&order)?.0,
                    quantity: 1,
                    ..RefundLineSpec::default()
                };
                let several = order.pointer("/line_items/1").is_some();
                let refund = RefundSpec {
                    lines: several.then_some(line).into_iter().collect(),
                    amount: (!several).then_some(Decimal::ONE),
                    ..damaged()
                };
                Action::Refund { id, refund }
            }
        };
        self.shops.act(store, &action).await?;
        self.counts.edits.fetch_add(1, Ordering::SeqCst);
        self.call(&planned.shop, id).await
    }

    async fn call(&self, shop: &Shop, order: u64) -> anyhow::Result<()> {
        if shop.calls {
            let call = Call {
                connection: shop.connection.clone(),
                order,
            };
            self.announce
                .send(call)
                .await
                .context("nobody takes calls")?;
        }
        Ok(())
    }
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
    if random.random_range(0..3) == 0 {
        order.shipping_lines.push(ShippingSpec {
            method_id: "flat_rate".to_owned(),
            method_title: "Post".to_owned(),
            instance_id: "1".to_owned(),
            total: Decimal::new(random.random_range(200..900), 2),
        });
        order.shipping = elsewhere(random.random_range(1..1_000));
    }
    order
}

/// Where somebody else gets a delivery.
fn elsewhere(number: u32) -> AddressSpec {
    AddressSpec {
        first_name: "Eva".to_owned(),
        last_name: "Kovač".to_owned(),
        company: "Kovač d.o.o.".to_owned(),
        address_1: format!("Pot {number}"),
        address_2: "Stairs B".to_owned(),
        city: "Maribor".to_owned(),
        state: "Podravska".to_owned(),
        postcode: "2000".to_owned(),
        country: "SI".to_owned(),
        phone: format!("+386 41 {number:06}"),
        ..AddressSpec::default()
    }
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

/// What will happen to an order: of a hundred, ten are edited, three cancelled, four refunded in part.
/// Of the edits a third change a quantity, a third the note, a third both and the note once more.
/// Nothing is ever changed back.
fn changes(random: &mut StdRng) -> Vec<Change> {
    let number = random.random_range(0..1_000);
    match random.random_range(0..300) {
        0..10 => vec![Change::Quantity],
        10..20 => vec![Change::Note(number)],
        20..30 => vec![
            Change::Note(number),
            Change::Quantity,
            Change::Note(number + 1_000),
        ],
        30..39 => vec![Change::Cancel],
        39..45 => vec![Change::RefundMoney, Change::RefundMoney],
        45..51 => vec![Change::RefundLine],
        _ => Vec::new(),
    }
}

fn edit(id: u64, members: Value) -> Action {
    Action::EditOrder { id, members }
}

fn damaged() -> RefundSpec {
    RefundSpec {
        reason: "damaged".to_owned(),
        ..RefundSpec::default()
    }
}

/// One more of the first line at the same price: the store computes tax and totals anew.
fn one_more(order: &Value) -> anyhow::Result<Value> {
    let (id, line) = first_line(order)?;
    let quantity = line.get("quantity").and_then(Value::as_i64);
    let quantity = quantity.context("a line without a quantity")?;
    let sum = |name: &str| {
        let text = line.get(name).and_then(Value::as_str);
        let sum: Decimal = text.context("a line without its sums")?.parse()?;
        let each = sum / Decimal::from(quantity);
        anyhow::Ok((each * Decimal::from(quantity + 1)).round_dp(2).to_string())
    };
    let row = json!({
        "id": id,
        "quantity": quantity + 1,
        "subtotal": sum("subtotal")?,
        "total": sum("total")?,
    });
    Ok(json!({ "line_items": [row] }))
}

fn first_line(order: &Value) -> anyhow::Result<(u64, &Value)> {
    let line = order
        .pointer("/line_items/0")
        .context("an order without lines")?;
    let id = line.get("id").and_then(Value::as_u64);
    Ok((id.context("a line without an id")?, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_has_the_sums_of_one_more() {
        let order = json!({"line_items": [
            {"id": 3, "quantity": 2, "subtotal": "20.00", "total": "18.00"},
            {"id": 4, "quantity": 1, "subtotal": "5.00", "total": "5.00"}]});
        let expected = json!({"line_items": [
            {"id": 3, "quantity": 3, "subtotal": "30.00", "total": "27.00"}]});
        assert_eq!(one_more(&order).unwrap(), expected);
        assert!(one_more(&json!({"line_items": []})).is_err());
    }
}
