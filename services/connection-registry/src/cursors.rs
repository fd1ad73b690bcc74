//! Places in a list: opaque, signed, and good only for the list and the filters they came from.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::installation::SigningKey;
use crate::problem::{Answer, Problem, catalogue};

/// What a list shows when nothing else is asked for.
const DEFAULT_LIMIT: u32 = 50;
const LARGEST_LIMIT: u32 = 500;

/// A page of a list, as the caller asked for it.
#[derive(Debug, Clone)]
pub(crate) struct PageRequest<'a> {
    pub(crate) cursor: Option<&'a str>,
    pub(crate) limit: Option<u32>,
}

impl PageRequest<'_> {
    /// How many items, 1 to 500.
    pub(crate) fn limit(&self) -> Answer<u32> {
        match self.limit.unwrap_or(DEFAULT_LIMIT) {
            limit @ 1..=LARGEST_LIMIT => Ok(limit),
            _ => Err(Problem::new(catalogue::QUERY_INVALID)
                .detail(format!("`limit` must be 1 to {LARGEST_LIMIT}"))),
        }
    }

    /// Where to go on; none at the beginning. `list` names the list with its filters.
    pub(crate) fn place<T: DeserializeOwned>(
        &self,
        key: &SigningKey,
        list: &str,
    ) -> Answer<Option<T>> {
        let Some(cursor) = self.cursor else {
            return Ok(None);
        };
        key.open_text(&purpose(list), cursor)
            .and_then(|text| serde_json::from_slice(&text).ok())
            .map(Some)
            .ok_or_else(|| Problem::new(catalogue::CURSOR_INVALID))
    }
}

/// The cursor for a place.
pub(crate) fn cursor<T: Serialize>(key: &SigningKey, list: &str, place: &T) -> String {
    key.seal_text(
        &purpose(list),
        &serde_json::to_vec(place).unwrap_or_default(),
    )
}

fn purpose(list: &str) -> String {
    format!("cursor of {list}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_on_in_its_own_list_only() {
        let key = SigningKey::for_test(1);
        let cursor = cursor(&key, "runs of con_1", &"run_7".to_owned());
        let page = PageRequest {
            cursor: Some(&cursor),
            limit: None,
        };
        let place: Option<String> = page.place(&key, "runs of con_1").unwrap();
        assert_eq!(place.as_deref(), Some("run_7"));
        let other: Answer<Option<String>> = page.place(&key, "runs of con_2");
        assert_eq!(other.unwrap_err().kind.code, "request.cursor_invalid");
    }

    #[test]
    fn limits_beyond_the_bounds_are_refused() {
        for (limit, good) in [
            (0, false),
            (1, true),
            (500, true),
            (501, false),
            (u32::MAX, false),
        ] {
            let page = PageRequest {
                cursor: None,
                limit: Some(limit),
            };
            assert_eq!(page.limit().is_ok(), good, "{limit}");
        }
    }
}
