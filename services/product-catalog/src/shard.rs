use storelink_model::Sku;

/// How many shards the listings of a connection have. Fixed: a change would move every listing.
pub(crate) const SHARDS: u16 = 16;

/// The shard of a SKU: FNV-1a over its bytes, the same on every machine and for ever.
pub(crate) fn of(sku: &Sku) -> u16 {
    let hash = sku
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    u16::try_from(hash % u64::from(SHARDS)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sku_never_changes_its_shard() {
        let shards: Vec<u16> = ["MUG-01", "A/B 5", "😀", "000123"]
            .map(|sku| of(&sku.parse().unwrap()))
            .into();
        assert_eq!(shards, [12, 2, 8, 9]);
    }

    #[test]
    fn a_thousand_skus_spread_over_all_shards() {
        let mut count = [0_u32; SHARDS as usize];
        for number in 0..1_000 {
            count[usize::from(of(&format!("SKU-{number:04}").parse().unwrap()))] += 1;
        }
        assert!(
            count.iter().all(|count| (30..100).contains(count)),
            "{count:?}"
        );
    }
}
