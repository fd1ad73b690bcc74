#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;
use crate::world::World;
use std::time::Instant;
use storelink_lanes::kind::Stock;
use storelink_test_support::eventually::eventually;

fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let rest: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    (rest[11].parse::<f64>().unwrap() + rest[12].parse::<f64>().unwrap()) / 100.0
}
fn rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status
        .lines()
        .find(|l| l.starts_with("VmRSS"))
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}

#[tokio::test]
#[ignore]
async fn perf() -> anyhow::Result<()> {
    let stores: usize = std::env::var("STORES").unwrap_or("10".into()).parse()?;
    let count: usize = std::env::var("SKUS").unwrap_or("20000".into()).parse()?;
    let db = if std::env::var("PG").is_ok() {
        storelink_test_support::database::TestDatabase::postgres().await?
    } else {
        storelink_test_support::database::TestDatabase::sqlite()?
    };
    let world = World::on(db).await?;
    let skus: Vec<String> = (0..count).map(|n| format!("SKU-{n:06}")).collect();
    let names: Vec<&str> = skus.iter().map(String::as_str).collect();
    let mut records = Vec::new();
    for _ in 0..stores {
        let r = world.link().await?;
        for (shard, chunk) in names.chunks(1000).enumerate() {
            let listings = chunk
                .iter()
                .map(|sku| storelink_events::internal::Listing {
                    sku: sku.parse().unwrap(),
                    ids: storelink_adapter_api::StoreIds {
                        product: format!("id-{sku}"),
                        variation: None,
                        stock_row: None,
                    },
                    stock_blocked: None,
                    price_blocked: None,
                })
                .collect();
            let s = storelink_events::internal::ListingShard {
                connection: r.id.clone(),
                shard: shard as u16,
                shards: names.chunks(1000).len() as u16,
                revision: 1,
                listings,
            };
            world
                .bus
                .publish(storelink_bus::Publication::new(
                    storelink_events::subject::listing(&r.id, shard as u16),
                    serde_json::to_vec(&s)?,
                ))
                .await?;
        }
        records.push(r);
    }
    println!("rss before {} MB", rss());
    let publisher = world.start::<Stock>().await?;
    for record in &records {
        eventually("running", std::time::Duration::from_secs(60), async || {
            anyhow::ensure!(world.status::<Stock>(&record.id).await?.running);
            Ok(())
        })
        .await?;
    }
    println!("rss started {} MB", rss());
    // publish
    let mut window = world.bus.window(256);
    let c0 = cpu();
    let t0 = Instant::now();
    for (n, sku) in skus.iter().enumerate() {
        let event = format!(
            r#"{{"specversion":"1.0","id":"e-{n}","source":"/erp","type":"storelink.stock.changed.v1","time":"2026-11-22T06:30:00Z","datacontenttype":"application/json","tenant":"acme","data":{{"warehouse":"main","items":[{{"sku":"{sku}","quantity":"5","revision":1}}]}}}}"#
        );
        window
            .push(storelink_bus::Publication::new(
                "erp.acme.stock.changed",
                event,
            ))
            .await;
    }
    window.settle().await;
    println!("published in {:?}, cpu {}", t0.elapsed(), cpu() - c0);
    eventually("all", std::time::Duration::from_secs(120), async || {
        for r in &records {
            let shown = world.platform.shop(&r.id, |s| s.shown.len());
            anyhow::ensure!(shown == count, "{shown}");
        }
        Ok(())
    })
    .await?;
    let (t, c) = (t0.elapsed(), cpu() - c0);
    let requests: usize = records.iter().map(|r| world.requests(&r.id)).sum();
    let updates = stores * count;
    println!(
        "{updates} updates in {t:?}: {:.0}/s, cpu {c:.2} s incl. publishing, {:.4} s/10k; {:.1} items/request; rss {} MB",
        updates as f64 / t.as_secs_f64(),
        c / updates as f64 * 10_000.0,
        updates as f64 / requests as f64,
        rss()
    );
    publisher.stop().await
}
