//! A store whose orders and products change while they are read: small, exact about time bounds and
//! paging, with rows of the same second in no order that can be relied on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::recording::load;
use crate::rig::{Asked, Reply};

/// One order or product.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: u64,
    /// Seconds since 1970.
    pub(crate) modified: i64,
    pub(crate) status: &'static str,
}

/// What a store shows as modified, where that is not what it chooses rows by.
pub(crate) type Shown = BTreeMap<u64, i64>;

/// What happens to the store before the request of this number is answered.
pub(crate) type Event = Box<dyn Fn(&mut BTreeMap<u64, Row>) + Send>;

#[derive(Clone)]
pub(crate) struct Store {
    rows: Arc<Mutex<BTreeMap<u64, Row>>>,
    requests: Arc<Mutex<usize>>,
    events: Arc<Mutex<BTreeMap<usize, Event>>>,
    /// Whether the store knows the bounds at all (it does since 5.8).
    knows_bounds: bool,
    shown: Shown,
}

impl Store {
    pub(crate) fn new(rows: impl IntoIterator<Item = Row>) -> Self {
        Self {
            rows: Arc::new(Mutex::new(
                rows.into_iter().map(|row| (row.id, row)).collect(),
            )),
            requests: Arc::default(),
            events: Arc::default(),
            knows_bounds: true,
            shown: Shown::new(),
        }
    }

    pub(crate) fn without_bounds(mut self) -> Self {
        self.knows_bounds = false;
        self
    }

    /// Rows that show another time than the one they are chosen by.
    pub(crate) fn showing(mut self, shown: impl IntoIterator<Item = (u64, i64)>) -> Self {
        self.shown = shown.into_iter().collect();
        self
    }

    /// Lets something happen right before a request is answered.
    pub(crate) fn before(
        &self,
        request: usize,
        event: impl Fn(&mut BTreeMap<u64, Row>) + Send + 'static,
    ) {
        self.events.lock().unwrap().insert(request, Box::new(event));
    }

    pub(crate) fn requests(&self) -> usize {
        *self.requests.lock().unwrap()
    }

    pub(crate) fn answer(&self, asked: &Asked) -> Reply {
        if asked.call().ends_with("/variations") {
            return Reply::json(200, "[]");
        }
        let mut rows = self.rows.lock().unwrap();
        let number = {
            let mut requests = self.requests.lock().unwrap();
            *requests += 1;
            *requests
        };
        if let Some(event) = self.events.lock().unwrap().get(&number) {
            event(&mut rows);
        }
        let wanted = asked.parameter("status");
        let listed = |row: &&Row| match wanted.as_deref() {
            Some(status) => row.status == status,
            None => row.status != "trash",
        };
        let mut found: Vec<&Row> = rows
            .values()
            .filter(listed)
            .filter(|row| self.within(asked, row))
            .collect();
        match asked.parameter("orderby").as_deref() {
            // A database sorts by the second alone; within it the order may change by query.
            Some("modified") => found.sort_by_key(|row| (row.modified, row.id % 7, row.id)),
            Some("id") => found.sort_by_key(|row| row.id),
            // The question that no row can answer has no order.
            None if asked.parameter("_fields").as_deref() == Some("id") => {}
            other => panic!("unexpected orderby {other:?}"),
        }
        let ordered = asked.parameter("orderby").is_some();
        assert_eq!(
            asked.parameter("order").as_deref(),
            ordered.then_some("asc")
        );
        let number = |name: &str| asked.parameter(name).unwrap().parse::<usize>().unwrap();
        let (per_page, page) = (number("per_page"), number("page"));
        assert!((1..=100).contains(&per_page), "{per_page}");
        let pages = found.len().div_ceil(per_page);
        let shown: Vec<Value> = found
            .iter()
            .skip((page - 1) * per_page)
            .take(per_page)
            .map(|row| Row {
                modified: self.shown.get(&row.id).copied().unwrap_or(row.modified),
                ..(*row).clone()
            })
            .map(|row| as_json(&row, asked.call()))
            .collect();
        Reply::json(200, Value::Array(shown).to_string())
            .with("X-WP-Total", &found.len().to_string())
            .with("X-WP-TotalPages", &pages.to_string())
    }

    /// Strictly after and strictly before, in whole seconds, without zone marks (recordings 92, 96).
    fn within(&self, asked: &Asked, row: &Row) -> bool {
        let bound = |name: &str| {
            let text = asked.parameter(name)?;
            assert_eq!(asked.parameter("dates_are_gmt").as_deref(), Some("true"));
            assert!(!text.contains(['Z', '.', '+']), "{text}");
            let at: storelink_model::Timestamp = format!("{text}Z").parse().unwrap();
            Some(at.datetime().unix_timestamp())
        };
        !self.knows_bounds
            || (bound("modified_after").is_none_or(|after| row.modified > after)
                && bound("modified_before").is_none_or(|before| row.modified < before))
    }
}

fn as_json(row: &Row, list: &str) -> Value {
    let at = storelink_model::Timestamp::from_micros(row.modified * 1_000_000).to_string();
    let modified = at.trim_end_matches('Z');
    if list == "products" {
        return json!({
            "id": row.id, "name": "p", "type": "simple", "status": row.status,
            "manage_stock": true, "stock_quantity": 1, "date_modified_gmt": modified,
        });
    }
    let mut order: Value =
        serde_json::from_str(&load("71-order-full-taxed-shipping").response().body).unwrap();
    order["id"] = row.id.into();
    order["status"] = row.status.into();
    order["date_modified_gmt"] = modified.into();
    order
}
