//! The settings that exist, taken from the compiled defaults.

use figment::Provider as _;
use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Value};

use crate::loader::DEFAULTS;

/// The tree of the compiled defaults.
pub(crate) fn defaults() -> Dict {
    Toml::string(DEFAULTS)
        .data()
        .ok()
        .and_then(|mut profiles| profiles.remove(&figment::Profile::Default))
        .unwrap_or_default()
}

/// The default at `path`.
pub(crate) fn find<'a>(known: &'a Dict, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let value = known.get(*first)?;
    if rest.is_empty() {
        Some(value)
    } else {
        find(value.as_dict()?, rest)
    }
}

/// The first dotted key of `given` that `known` lacks.
pub(crate) fn first_unknown(known: &Dict, given: &Dict) -> Option<String> {
    given
        .iter()
        .find_map(|(key, value)| match (known.get(key), value) {
            (None, _) => Some(key.clone()),
            (Some(Value::Dict(_, known)), Value::Dict(_, given)) => {
                first_unknown(known, given).map(|below| format!("{key}.{below}"))
            }
            _ => None,
        })
}

/// The known dotted key that looks most like `wanted`, if any is near.
pub(crate) fn nearest(known: &Dict, wanted: &str) -> Option<String> {
    dotted(known, "")
        .into_iter()
        .map(|key| (edits(&key, wanted), key))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, key)| key)
}

fn dotted(known: &Dict, prefix: &str) -> Vec<String> {
    let below = |(key, value): (&String, &Value)| match value.as_dict() {
        Some(section) => dotted(section, &format!("{prefix}{key}.")),
        None => vec![format!("{prefix}{key}")],
    };
    known.iter().flat_map(below).collect()
}

/// Levenshtein distance.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, character) in left.chars().enumerate() {
        let mut next = vec![line + 1];
        for ((other, above), (corner, left)) in right
            .iter()
            .zip(row.iter().skip(1))
            .zip(row.iter().zip(0..))
        {
            let replaced = corner + usize::from(*other != character);
            let inserted = next.get(left).map_or(usize::MAX, |cost| cost + 1);
            next.push(replaced.min(inserted).min(above + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        assert_eq!(edits("nats.urll", "nats.url"), 1);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
    }

    #[test]
    fn nearest_key_is_near() {
        let known = defaults();
        assert_eq!(nearest(&known, "nats.urll"), Some("nats.url".to_owned()));
        assert_eq!(nearest(&known, "nats.completely_different"), None);
    }
}
