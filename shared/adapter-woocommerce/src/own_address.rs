//! Whether the address that was entered is a page of the store instead of the store's own address.
//! WordPress answers `?rest_route=` on any of its pages, so that a page looks like a store whose
//! permalinks are plain. The store itself tells where it lives: by the member `home` of its index
//! (recording 01) and by the `Link` header of its answers (recordings 01, 178).

use serde_json::Value;
use storelink_adapter_api::{AdapterError, ErrorClass, Purpose, StoreAccess};
use storelink_outbound_http::{Request, Response, Url, lenient_json};

use crate::api::below;
use crate::codes;
use crate::refine::get;

/// How many addresses above the entered one are asked where the store lives.
const MOST_QUESTIONS: usize = 4;
const INDEX_BY_PARAMETER: &str = "rest_route=/&_fields=home,namespaces";

/// What an answer tells of the store that gave it.
struct Told {
    address: Url,
    /// Not known where the answer is no index, or a plugin hides the list.
    has_woocommerce: Option<bool>,
}

impl Told {
    fn by(response: &Response) -> Option<Self> {
        let body = lenient_json::read::<Value>(&response.body)
            .map(|read| read.value)
            .unwrap_or_default();
        let home = body.get("home").and_then(Value::as_str);
        let home = || Url::parse(home?).ok();
        let namespaces = body.get("namespaces").and_then(Value::as_array);
        Some(Self {
            address: linked(response).or_else(home)?,
            has_woocommerce: namespaces
                .map(|names| names.iter().any(|name| name.as_str() == Some("wc/v3"))),
        })
    }
}

/// The error for an entered address below the store's own one, given the answer to the question for
/// its index and whether that answer is one. Proven twice: by what the page tells, and by the
/// proposed address telling the same.
pub(crate) async fn deeper(
    access: &StoreAccess,
    answer: &Response,
    is_index: bool,
) -> Option<AdapterError> {
    let entered = &access.address;
    if segments(entered).is_empty() {
        return None;
    }
    let told = match Told::by(answer) {
        Some(told) => told,
        None => upward(access).await?,
    };
    if !is_above(&told.address, entered) {
        return None;
    }
    let mut proposed = entered.clone();
    proposed.set_path(told.address.path().trim_end_matches('/'));
    proposed.set_query(None);
    proposed.set_fragment(None);
    // An entered address that works gives way only to one that works too.
    let question = if is_index {
        get(below(&proposed, "wp-json/")).query([("_fields", "home,namespaces")])
    } else {
        by_parameter(&proposed)
    };
    let confirmed = Told::by(&access.send(question, Purpose::Verify).await.ok()?)?;
    let same = segments(&confirmed.address) == segments(&told.address);
    if !same || confirmed.has_woocommerce == Some(false) {
        return None;
    }
    let proposed = proposed.as_str().trim_end_matches('/');
    let page = entered.path();
    let seen = format!("{page} is below the store's own address {proposed}: enter that address.");
    Some(codes::ADDRESS_DEEPER.error_with(ErrorClass::Attention, &seen))
}

/// The nearest address from the entered one up to the root that tells where its store lives: a
/// store in a folder is not to be taken for a page of another one at the root.
async fn upward(access: &StoreAccess) -> Option<Told> {
    let mut asked = access.address.clone();
    for _ in 0..MOST_QUESTIONS {
        let response = access
            .send(by_parameter(&asked), Purpose::Verify)
            .await
            .ok()?;
        if let Some(told) = Told::by(&response) {
            return Some(told);
        }
        let above = segments(&asked).split_last()?.1.join("/");
        asked.set_path(&above);
    }
    None
}

fn by_parameter(address: &Url) -> Request {
    get(below(address, "")).encoded_query(INDEX_BY_PARAMETER)
}

/// The address that the `Link` header gives for the interface, without the interface's own part.
fn linked(response: &Response) -> Option<Url> {
    let headers = response.headers.get_all("link").iter();
    let texts = headers.filter_map(|value| value.to_str().ok());
    let root = texts
        .flat_map(|text| text.split(','))
        .find(|link| link.contains("https://api.w.org/"))?;
    let root = root.split_once('<')?.1.split_once('>')?.0;
    let mut address = Url::parse(root).ok()?;
    let by_parameter = address
        .query()
        .is_some_and(|query| query.contains("rest_route="));
    let path = if by_parameter {
        let path = address.path();
        path.strip_suffix("index.php").unwrap_or(path)
    } else {
        address.path().strip_suffix("wp-json/")?
    }
    .to_owned();
    address.set_path(&path);
    address.set_query(None);
    Some(address)
}

fn is_above(home: &Url, entered: &Url) -> bool {
    let (home, entered) = (segments(home), segments(entered));
    home.len() < entered.len() && entered.starts_with(&home)
}

fn segments(url: &Url) -> Vec<&str> {
    url.path()
        .split('/')
        .filter(|part| !part.is_empty())
        .collect()
}
