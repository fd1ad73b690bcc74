//! Parameters of lists: checked before anything is done, with the recorded messages (33, 34, 68, 70).

use serde_json::{Map, Value};

use super::error::{Invalid, RestError};
use super::site_time::{Bound, SiteTime};

/// Members of a request by name, query and body together; the body wins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(Map<String, Value>);

impl Params {
    pub(crate) fn new(query: &[(String, Value)]) -> Self {
        Self(query.iter().cloned().collect())
    }

    pub(crate) fn extend(&mut self, members: Map<String, Value>) {
        self.0.extend(members);
    }

    pub(crate) fn from_members(members: Map<String, Value>) -> Self {
        Self(members)
    }

    /// Names of all members.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// A yes-or-no parameter; anything else than the known words for yes is no.
    pub(crate) fn flag(&self, name: &str) -> bool {
        match self.get(name) {
            Some(Value::Bool(value)) => *value,
            Some(Value::String(text)) => matches!(text.to_lowercase().as_str(), "true" | "1"),
            Some(Value::Number(number)) => number.as_i64() == Some(1),
            _ => false,
        }
    }

    /// Texts of a comma list or an array.
    pub(crate) fn words(&self, name: &str) -> Vec<String> {
        match self.get(name) {
            Some(Value::String(text)) => text
                .split([',', ' '])
                .filter(|w| !w.is_empty())
                .map(str::to_owned)
                .collect(),
            Some(Value::Array(items)) => items.iter().map(plain_text).collect(),
            _ => Vec::new(),
        }
    }
}

/// A value as PHP would print it.
pub(crate) fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(true) => "1".to_owned(),
        _ => String::new(),
    }
}

/// Order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderBy {
    Date,
    Id,
    Include,
    Title,
    Slug,
    Modified,
    Price,
    Sales,
    MenuOrder,
}

/// What a list may be ordered by, as the refusal names it (recording 34).
pub(crate) const PRODUCT_ORDER: [&str; 19] = [
    "date",
    "id",
    "include",
    "title",
    "slug",
    "modified",
    "popularity",
    "rating",
    "post__in",
    "price",
    "sales",
    "menu_order",
    "random",
    "popularity",
    "rating",
    "menu_order",
    "price",
    "popularity",
    "rating",
];

/// The same for orders.
pub(crate) const ORDER_ORDER: [&str; 6] = ["date", "id", "include", "title", "slug", "modified"];

/// The parameters that all lists share.
#[derive(Debug, Clone)]
pub(crate) struct ListQuery {
    pub(crate) page: usize,
    pub(crate) per_page: usize,
    pub(crate) offset: Option<usize>,
    pub(crate) order_by: OrderBy,
    pub(crate) ascending: bool,
    pub(crate) include: Vec<u64>,
    pub(crate) exclude: Vec<u64>,
    pub(crate) search: Option<String>,
    pub(crate) after: Option<Bound>,
    pub(crate) before: Option<Bound>,
    pub(crate) modified_after: Option<Bound>,
    pub(crate) modified_before: Option<Bound>,
}

/// How the two kinds of lists differ.
pub(crate) struct ListKind<'a> {
    pub(crate) order_names: &'a [&'a str],
    /// Orders on order tables.
    pub(crate) order_tables: bool,
}

impl ListQuery {
    /// Reads and checks; wrong values are added to `invalid`.
    pub(crate) fn read(
        params: &Params,
        kind: &ListKind<'_>,
        site: &SiteTime,
        invalid: &mut Invalid,
    ) -> Self {
        let gmt = params.flag("dates_are_gmt");
        let mut bound = |name: &str| {
            let raw = params.get(name)?;
            let bound = raw
                .as_str()
                .and_then(|text| site.bound(text, gmt, kind.order_tables));
            if bound.is_none() {
                invalid.add(name, "rest_invalid_date", "Invalid date.", Value::Null);
            }
            bound
        };
        let (after, before) = (bound("after"), bound("before"));
        let (modified_after, modified_before) = (bound("modified_after"), bound("modified_before"));
        let page = integer(params, "page", 1, invalid, |value| {
            (value < 1).then(|| "page must be greater than or equal to 1".to_owned())
        });
        let per_page = integer(params, "per_page", 10, invalid, |value| {
            let message = "per_page must be between 1 (inclusive) and 100 (inclusive)";
            (!(1..=100).contains(&value)).then(|| message.to_owned())
        });
        let offset = params
            .get("offset")
            .map(|_| integer(params, "offset", 0, invalid, |_| None));
        Self {
            page,
            per_page,
            offset,
            order_by: order_by(params, kind.order_names, invalid),
            ascending: ascending(params, invalid),
            include: ids(params, "include", invalid),
            exclude: ids(params, "exclude", invalid),
            search: params
                .text("search")
                .filter(|text| !text.is_empty())
                .map(collated_search),
            after,
            before,
            modified_after,
            modified_before,
        }
    }

    /// Whether the moments of a thing lie within the bounds.
    pub(crate) fn in_time(&self, created: i64, modified: i64, site: &SiteTime) -> bool {
        self.after
            .as_ref()
            .is_none_or(|bound| bound.is_before(created, site))
            && self
                .before
                .as_ref()
                .is_none_or(|bound| bound.is_after(created, site))
            && self
                .modified_after
                .as_ref()
                .is_none_or(|bound| bound.is_before(modified, site))
            && self
                .modified_before
                .as_ref()
                .is_none_or(|bound| bound.is_after(modified, site))
    }

    /// Whether `include` and `exclude` let an id through.
    pub(crate) fn takes_id(&self, id: u64) -> bool {
        (self.include.is_empty() || self.include.contains(&id)) && !self.exclude.contains(&id)
    }

    /// The ids of the asked page.
    pub(crate) fn page_of(&self, ids: &[u64]) -> Vec<u64> {
        let start = self
            .offset
            .unwrap_or((self.page - 1).saturating_mul(self.per_page));
        ids.iter()
            .skip(start)
            .take(self.per_page)
            .copied()
            .collect()
    }
}

fn collated_search(text: &str) -> String {
    super::state::collated(text)
}

fn integer(
    params: &Params,
    name: &str,
    default: usize,
    invalid: &mut Invalid,
    check: impl Fn(i64) -> Option<String>,
) -> usize {
    let Some(raw) = params.get(name) else {
        return default;
    };
    let Ok(value) = plain_text(raw).trim().parse::<i64>() else {
        invalid.wrong_type(name, "integer");
        return default;
    };
    if let Some(message) = check(value) {
        invalid.add(name, "rest_out_of_bounds", &message, Value::Null);
        return default;
    }
    usize::try_from(value).unwrap_or(default)
}

fn order_by(params: &Params, names: &[&str], invalid: &mut Invalid) -> OrderBy {
    let Some(name) = params.text("orderby") else {
        return OrderBy::Date;
    };
    if !names.contains(&name) {
        invalid.not_in_list("orderby", "orderby", names);
    }
    match name {
        "id" => OrderBy::Id,
        "include" | "post__in" => OrderBy::Include,
        "title" => OrderBy::Title,
        "slug" => OrderBy::Slug,
        "modified" => OrderBy::Modified,
        "price" => OrderBy::Price,
        "sales" | "popularity" => OrderBy::Sales,
        "menu_order" => OrderBy::MenuOrder,
        _ => OrderBy::Date,
    }
}

fn ascending(params: &Params, invalid: &mut Invalid) -> bool {
    match params.text("order") {
        None | Some("desc") => false,
        Some("asc") => true,
        Some(_) => {
            invalid.not_in_list("order", "order", &["asc", "desc"]);
            false
        }
    }
}

fn ids(params: &Params, name: &str, invalid: &mut Invalid) -> Vec<u64> {
    let words = params.words(name);
    let mut ids = Vec::with_capacity(words.len());
    for (index, word) in words.iter().enumerate() {
        match word.parse() {
            Ok(id) => ids.push(id),
            Err(_) => {
                let message = format!("{name}[{index}] is not of type integer.");
                let data = serde_json::json!({"param": format!("{name}[{index}]")});
                invalid.add(name, "rest_invalid_type", &message, data);
                break;
            }
        }
    }
    ids
}

/// Statuses that a list of orders may be asked for.
const ORDER_STATUSES: [&str; 11] = [
    "any",
    "trash",
    "auto-draft",
    "pending",
    "processing",
    "on-hold",
    "completed",
    "cancelled",
    "refunded",
    "failed",
    "checkout-draft",
];

/// The `status` filter of orders; default is `any` (recordings 67, 68, 83).
pub(crate) fn order_statuses(params: &Params, invalid: &mut Invalid) -> Vec<String> {
    let words = params.words("status");
    if words.is_empty() {
        return vec!["any".to_owned()];
    }
    for (index, word) in words.iter().enumerate() {
        if !ORDER_STATUSES.contains(&word.as_str()) {
            invalid.not_in_list("status", &format!("status[{index}]"), &ORDER_STATUSES);
            break;
        }
    }
    words
}

/// Statuses that a list of products may be asked for.
const PRODUCT_STATUSES: [&str; 8] = [
    "any",
    "future",
    "trash",
    "draft",
    "pending",
    "private",
    "publish",
    "auto-draft",
];

/// The `status` filter of products; default is `any`.
pub(crate) fn product_status(params: &Params, invalid: &mut Invalid) -> String {
    let status = params.text("status").unwrap_or("any");
    if !PRODUCT_STATUSES.contains(&status) {
        invalid.not_in_list("status", "status", &PRODUCT_STATUSES);
    }
    status.to_owned()
}

/// Decimals of amounts: `dp`, default the store's.
pub(crate) fn decimals(params: &Params, default: u32) -> Result<u32, RestError> {
    let mut invalid = Invalid::default();
    let Some(raw) = params.get("dp") else {
        return Ok(default);
    };
    match plain_text(raw).parse::<u32>() {
        Ok(decimals) => Ok(decimals.min(8)),
        Err(_) => {
            invalid.wrong_type("dp", "integer");
            invalid.finish().map(|()| default)
        }
    }
}
