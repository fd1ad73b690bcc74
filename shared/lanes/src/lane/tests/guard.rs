//! The blast-radius limit, one rule each.

use storelink_adapter_api::{ItemOutcome, WriteGroup};

use super::single::{Bench, at};
use crate::lane::{
    DoubtKind, Effect, Few, Finding, GuardRule, Lane, LastShown, ListedArticle, PackedIds, Reading,
    Remembered,
};
use crate::levels::SkuId;

const HOUR: i64 = 3_600;

/// At most this share in percent may be set to zero.
pub(super) fn no_zeros(percent: u32) -> GuardRule<u32> {
    GuardRule {
        is_dangerous: |shown: LastShown<'_, u32>, wanted, _| {
            *wanted == 0 && !(shown.sure && shown.value == Some(&0))
        },
        limit: 0,
        percent,
        few: Few::Send,
    }
}

/// A value that grows by more than the factor waits for a person.
fn no_jumps(factor: u32) -> GuardRule<u32> {
    GuardRule {
        is_dangerous: |shown, wanted, factor| shown.value.is_some_and(|was| *wanted > was * factor),
        limit: factor,
        percent: 0,
        few: Few::Park {
            code: "price.factor_exceeded",
            explain: |shown, wanted, factor| format!("{shown:?} {wanted} {factor}"),
        },
    }
}

/// Articles that all show 5.
fn shown(articles: SkuId, rule: GuardRule<u32>) -> Bench {
    let wanted: Vec<_> = (0..articles).map(|sku| (sku, 5)).collect();
    let mut bench = Bench::with(&wanted);
    bench.lane.guard_by(rule);
    bench.confirm_all(1);
    bench
}

/// Writes what may be written and gives the articles.
fn flush(bench: &mut Bench, now: i64) -> Vec<SkuId> {
    let mut written = Vec::new();
    while let Some(batch) = bench.take(10) {
        written.extend(batch.items.iter().map(|item| item.sku));
        let outcomes = vec![ItemOutcome::Confirmed; batch.items.len()];
        bench.settle(batch, &outcomes, now);
    }
    written
}

fn number(lane: &Lane<u32>) -> Option<usize> {
    lane.asks().map(|asks| asks.number)
}

fn approve(bench: &mut Bench, now: i64) {
    let changes = bench.lane.to_approve();
    bench.lane.approve(changes, at(now), at(now));
}

#[test]
fn a_flood_of_zeros_stops_before_the_first_and_other_values_go_on() {
    let mut bench = shown(100, no_zeros(30));
    (0..31).for_each(|sku| bench.want(sku, 0, 2));
    bench.want(50, 7, 3);
    assert_eq!(flush(&mut bench, 4), [50]);
    let asks = bench.lane.asks().unwrap();
    assert_eq!((asks.number, asks.written, asks.allowed), (31, 100, 30));
    assert_eq!(asks.some[0], (0, Some(5), 0));
    let counts = bench.lane.counts();
    assert_eq!((counts.dirty, counts.oldest_dirty), (31, Some(at(2))));
    assert!(bench.lane.view(0).unwrap().withheld);

    // The ERP takes one back: what is left is everyday business, in its old order.
    bench.want(30, 5, 5);
    assert_eq!(flush(&mut bench, 6), (0..30).collect::<Vec<_>>());
    assert_eq!((number(&bench.lane), bench.lane.counts().dirty), (None, 0));
}

#[test]
fn slices_are_one_flood_and_a_day_later_another_one() {
    let mut bench = shown(100, no_zeros(30));
    let mut written = 0;
    for slice in 0..10 {
        (slice * 10..slice * 10 + 10).for_each(|sku| bench.want(sku, 0, 2));
        written += flush(&mut bench, 2).len();
    }
    assert_eq!((written, number(&bench.lane)), (30, Some(70)));
    // A value that the store shows again does not count any more.
    bench.want(0, 3, 3);
    assert_eq!(flush(&mut bench, 3), [0]);
    (40..100).for_each(|sku| bench.want(sku, 5, 4));
    assert_eq!(
        (flush(&mut bench, 4), number(&bench.lane)),
        (vec![], Some(10))
    );
    let next = bench.wake(5).unwrap();
    assert_eq!(next, at(2 + 24 * HOUR));
    bench.wake(2 + 24 * HOUR);
    assert_eq!(flush(&mut bench, 2 + 24 * HOUR).len(), 10);
}

#[test]
fn a_tiny_store_may_sell_out_a_few_articles() {
    let mut bench = shown(6, no_zeros(30));
    (0..5).for_each(|sku| bench.want(sku, 0, 2));
    assert_eq!(flush(&mut bench, 2).len(), 5);
    bench.want(5, 0, 3);
    assert_eq!(
        (flush(&mut bench, 3), number(&bench.lane)),
        (vec![], Some(1))
    );
}

#[test]
fn at_the_first_filling_an_unknown_article_counts() {
    let wanted: Vec<_> = (0..100).map(|sku| (sku, u32::from(sku >= 40))).collect();
    let mut bench = Bench::with(&wanted);
    bench.lane.guard_by(no_zeros(30));
    bench.lane.all_changed(at(0));
    assert_eq!(flush(&mut bench, 1).len(), 60);
    assert_eq!(number(&bench.lane), Some(40));
}

#[test]
fn an_approval_holds_for_what_was_shown_and_nothing_else() {
    let mut bench = shown(100, no_zeros(30));
    (0..40).for_each(|sku| bench.want(sku, 0, 2));
    assert!(flush(&mut bench, 2).is_empty());
    approve(&mut bench, 3);
    // Before anything of it left, more came: that is another matter, and too much by itself.
    (40..80).for_each(|sku| bench.want(sku, 0, 4));
    assert_eq!(flush(&mut bench, 4), (0..40).collect::<Vec<_>>());
    assert_eq!(number(&bench.lane), Some(40));
    // What is taken back and comes again is asked for again.
    bench.want(0, 5, 5);
    assert_eq!(flush(&mut bench, 5), [0]);
    bench.want(0, 0, 6);
    assert_eq!(
        (flush(&mut bench, 6), number(&bench.lane)),
        (vec![], Some(41))
    );
}

#[test]
fn a_restart_keeps_what_was_made_and_what_was_approved() {
    let mut bench = shown(100, no_zeros(30));
    (0..31).for_each(|sku| bench.want(sku, 0, HOUR));
    assert!(flush(&mut bench, HOUR).is_empty());
    let approved = bench.lane.to_approve();
    bench
        .lane
        .approve(approved.clone(), at(2 * HOUR), at(2 * HOUR));
    assert_eq!(flush(&mut bench, 3 * HOUR).len(), 31);
    (31..51).for_each(|sku| bench.want(sku, 0, 4 * HOUR));
    assert_eq!(flush(&mut bench, 4 * HOUR).len(), 20);

    let values: Vec<Remembered<u32>> = bench.lane.confirmed_values().collect();
    bench.lane.restart();
    bench.lane.approve(approved, at(2 * HOUR), at(5 * HOUR));
    values
        .into_iter()
        .for_each(|value| bench.lane.remember(value));
    bench.lane.all_changed(at(5 * HOUR));
    bench.wake(5 * HOUR);
    assert!(flush(&mut bench, 5 * HOUR).is_empty());
    (51..62).for_each(|sku| bench.want(sku, 0, 6 * HOUR));
    assert!(flush(&mut bench, 6 * HOUR).is_empty());
    let asks = bench.lane.asks().unwrap();
    assert_eq!((asks.number, asks.recent), (11, 20));
}

#[test]
fn what_the_store_refuses_does_not_count_and_what_it_may_have_taken_does() {
    let mut bench = shown(6, no_zeros(30));
    (0..4).for_each(|sku| bench.want(sku, 0, 2));
    let batch = bench.take(10).unwrap();
    let refused = ItemOutcome::Rejected {
        code: "store.refused",
        text: "no".to_owned(),
    };
    let unclear = ItemOutcome::Unknown;
    let outcomes = [refused.clone(), refused, unclear.clone(), unclear];
    bench.settle(batch, &outcomes, 2);
    // Two may be at zero and wait to be written again; two more make four.
    bench.want(4, 0, 3);
    bench.want(5, 0, 3);
    let batch = bench.take(10).unwrap();
    assert_eq!(batch.items.len(), 4, "{batch:?}");
    bench.settle(batch, &vec![ItemOutcome::Confirmed; 4], 3);
    // The two that were refused are tried with another value, and then with none: one too many.
    for (sku, wanted, now) in [(0, 4, 4), (1, 4, 4), (0, 0, 5), (1, 0, 5)] {
        bench.want(sku, wanted, now);
        flush(&mut bench, now);
    }
    let asks = bench.lane.asks().unwrap();
    assert_eq!((asks.number, asks.recent), (1, 5));
}

#[test]
fn what_may_be_at_zero_makes_no_room_before_the_store_shows_another_value() {
    let mut bench = shown(10, no_zeros(30));
    (0..5).for_each(|sku| bench.want(sku, 0, 2));
    let batch = bench.take(10).unwrap();
    let unclear = vec![ItemOutcome::Unknown; batch.items.len()];
    bench.settle(batch, &unclear, 2);
    (0..5).for_each(|sku| bench.want(sku, 4, 3));
    (5..10).for_each(|sku| bench.want(sku, 0, 3));
    let batch = bench.take(10).unwrap();
    let items: Vec<_> = batch
        .items
        .iter()
        .map(|item| (item.sku, item.value))
        .collect();
    assert_eq!(items, [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]);
    let confirmed = vec![ItemOutcome::Confirmed; batch.items.len()];
    bench.settle(batch, &confirmed, 4);
    assert_eq!(flush(&mut bench, 4), (5..10).collect::<Vec<_>>());
}

fn compare(bench: &mut Bench, sku: SkuId, right: bool, writes: bool) -> Finding {
    let ids = PackedIds::from(format!("id-{sku}").as_str());
    let reading = Reading {
        ids: &ids,
        begun: at(10),
        wanted: &0,
        right,
        writes,
    };
    let (lane, effects) = (&mut bench.lane, &mut bench.effects);
    lane.compare(sku, &reading, at(11), effects)
}

#[test]
fn zeros_that_were_changed_in_the_store_are_dangerous_again() {
    let wanted: Vec<_> = (0..8).map(|sku| (sku, 0)).collect();
    let mut bench = Bench::with(&wanted);
    bench.confirm_all(1);
    bench.lane.guard_by(no_zeros(30));
    for sku in 0..8 {
        assert_eq!(compare(&mut bench, sku, false, true), Finding::Drifted);
    }
    assert!(flush(&mut bench, 12).is_empty());
    assert_eq!(number(&bench.lane), Some(8));
    // While the connection only observes, somebody sets three of them to zero in the store.
    for sku in 0..3 {
        let finding = compare(&mut bench, sku, true, false);
        assert_eq!(finding, Finding::FoundRight);
    }
    bench.wake(13);
    assert_eq!(flush(&mut bench, 13), [3, 4, 5, 6, 7]);
    assert_eq!(bench.lane.counts().dirty, 0);
}

#[test]
fn a_few_jumps_are_parked_and_tried_again_as_they_are() {
    let mut bench = shown(10, no_jumps(5));
    bench.want(1, 26, 2);
    bench.want(2, 25, 2);
    assert_eq!(flush(&mut bench, 2), [2]);
    let parked = |effect: &Effect| match effect {
        Effect::Park {
            sku, code, text, ..
        } => Some((*sku, code.clone(), text.clone())),
        _ => None,
    };
    let parked: Vec<_> = bench.effects.iter().filter_map(parked).collect();
    let text = "Some(5) 26 5".to_owned();
    assert_eq!(parked, [(1, "price.factor_exceeded".to_owned(), text)]);
    assert_eq!((number(&bench.lane), bench.lane.counts().dirty), (None, 0));

    // Another jump is another question, and no answer to it.
    bench.retry(1, 3);
    bench.wake(3);
    bench.want(1, 30, 3);
    assert!(flush(&mut bench, 3).is_empty());
    bench.retry(1, 4);
    bench.wake(4);
    assert_eq!(flush(&mut bench, 4), [1]);
    assert_eq!(bench.lane.counts().parked, 0);
    // From 30 on, 150 is no jump.
    bench.want(1, 150, 5);
    assert_eq!(flush(&mut bench, 5), [1]);
}

#[test]
fn another_try_is_for_the_change_that_was_read() {
    let mut bench = shown(10, no_jumps(5));
    bench.want(1, 50, 2);
    assert!(flush(&mut bench, 2).is_empty());
    let read = bench.lane.parked[&1].input.clone();
    // Before the person's word arrives, the ERP says something else.
    bench.want(1, 2490, 3);
    assert!(flush(&mut bench, 3).is_empty());
    bench.retry_of(1, &read, 4);
    bench.effects.clear();
    bench.wake(4);
    assert!(flush(&mut bench, 4).is_empty(), "nobody has seen 2490");
    let answered = Effect::CloseDoubt {
        sku: 1,
        kind: DoubtKind::Retry,
        due: at(4),
    };
    assert_eq!(bench.effects, [answered]);
    bench.retry(1, 5);
    bench.wake(5);
    assert_eq!(flush(&mut bench, 5), [1]);
}

fn list(bench: &mut Bench, skus: &[SkuId], ids: &str, now: i64) {
    let article = |sku: &SkuId| ListedArticle {
        sku: *sku,
        ids: PackedIds::from(format!("{ids}-{sku}").as_str()),
        group: WriteGroup(None),
        blocked: None,
    };
    let articles = skus.iter().map(article).collect();
    let effects = bench.lane.replace_shard(0, 1, articles, at(now));
    bench.effects.extend(effects);
}

#[test]
fn a_jump_stays_one_when_its_listing_leaves_and_returns_or_gets_other_ids() {
    let mut bench = shown(3, no_jumps(5));
    (0..3).for_each(|sku| bench.want(sku, 500, 2));
    assert!(flush(&mut bench, 2).is_empty());
    assert_eq!(bench.lane.counts().parked, 3);
    // The code of the first is mistyped in the shop, the second is made anew.
    list(&mut bench, &[1, 2], "id", 3);
    list(&mut bench, &[1, 2], "id", 4);
    list(&mut bench, &[0, 2], "id", 5);
    list(&mut bench, &[0, 1, 2], "id", 6);
    assert!(flush(&mut bench, 6).is_empty());
    list(&mut bench, &[0, 1, 2], "new", 7);
    assert!(flush(&mut bench, 7).is_empty());
    assert_eq!((number(&bench.lane), bench.lane.counts().parked), (None, 3));

    // A restart knows no more and no less, also of what is away.
    list(&mut bench, &[1, 2], "new", 8);
    let values: Vec<Remembered<u32>> = bench.lane.confirmed_values().collect();
    bench.lane.restart();
    values
        .into_iter()
        .for_each(|value| bench.lane.remember(value));
    list(&mut bench, &[0, 1, 2], "newer", 9);
    bench.lane.all_changed(at(9));
    assert!(flush(&mut bench, 9).is_empty());
    // What is no jump is written there, equal or not.
    bench.want(0, 5, 10);
    bench.want(1, 6, 10);
    assert_eq!(flush(&mut bench, 10), [0, 1]);
}

#[test]
fn more_than_a_few_jumps_wait_together_and_end_together() {
    let mut bench = shown(20, no_jumps(5));
    bench.want(0, 500, 2);
    assert!(flush(&mut bench, 2).is_empty());
    (1..10).for_each(|sku| bench.want(sku, 500, 3));
    bench.want(15, 6, 3);
    assert_eq!(flush(&mut bench, 3), [15]);
    assert_eq!(number(&bench.lane), Some(10));
    assert_eq!(bench.lane.counts().parked, 1);
    approve(&mut bench, 4);
    let mut written = flush(&mut bench, 4);
    written.sort_unstable();
    assert_eq!(written, (0..10).collect::<Vec<_>>());
    assert_eq!((number(&bench.lane), bench.lane.counts().parked), (None, 0));

    // In the other case the ERP puts them right, and nobody need act.
    (0..10).for_each(|sku| bench.want(sku, 50_000, 5));
    assert!(flush(&mut bench, 5).is_empty());
    (0..10).for_each(|sku| bench.want(sku, 501, 6));
    assert_eq!(flush(&mut bench, 6).len(), 10);
    assert_eq!((number(&bench.lane), bench.lane.counts().dirty), (None, 0));
}

#[test]
fn a_value_that_may_have_been_replaced_is_still_compared_after_a_restart() {
    let mut bench = shown(1, no_jumps(5));
    bench.lane.restart();
    bench.lane.remember(Remembered {
        sku: 0,
        ids: PackedIds::from("id-0"),
        value: 5,
        confirmed_at: at(-1),
    });
    assert!(bench.lane.view(0).unwrap().confirmed_at.is_none());
    bench.want(0, 500, 2);
    assert!(flush(&mut bench, 2).is_empty());
    assert_eq!(bench.lane.counts().parked, 1);
}

/// Judging everything that waits again for each request would cost a million looks here.
#[test]
fn ten_thousand_waiting_articles_are_judged_a_few_times_each() {
    const ARTICLES: u32 = 10_000;
    let mut bench = shown(ARTICLES, no_zeros(30));
    for sku in 0..ARTICLES {
        bench.want(sku, if sku % 4 == 0 { 0 } else { 6 }, 2);
    }
    let (mut looks, mut requests) = (0_u32, 0);
    loop {
        let wanted = &bench.wanted;
        let mut desired = |sku: SkuId| {
            looks += 1;
            Bench::desired(wanted, sku)
        };
        let mut effects = Vec::new();
        let Some(batch) = bench.lane.take_batch(100, &mut desired, &mut effects) else {
            break;
        };
        requests += 1;
        let outcomes = vec![ItemOutcome::Confirmed; batch.items.len()];
        bench.settle(batch, &outcomes, 3);
    }
    assert_eq!(requests, 100);
    assert!(looks <= 3 * ARTICLES, "{looks}");
}

#[test]
fn an_approval_for_the_store_elsewhere_lets_nothing_leave() {
    let mut bench = Bench::with(&(0..100).map(|sku| (sku, 5)).collect::<Vec<_>>());
    bench.lane.place_at("https://staging.example", at(0));
    bench.lane.guard_by(no_zeros(30));
    bench.confirm_all(1);
    (0..40).for_each(|sku| bench.want(sku, 0, 2));
    assert!(flush(&mut bench, 3).is_empty());
    approve(&mut bench, 4);
    bench.lane.place_at("https://shop.example", at(5));
    let written = flush(&mut bench, 6);
    assert!(written.iter().all(|sku| *sku >= 40), "{written:?}");
    assert_eq!(number(&bench.lane), Some(40));
    approve(&mut bench, 7);
    assert_eq!(flush(&mut bench, 8).len(), 40);
}
