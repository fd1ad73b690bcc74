//! One call of the API while it is worked on.

use serde_json::{Map, Value};

use super::auth::Caller;
use super::config::Config;
use super::error::{RestError, Verb};
use super::json::{Fields, JsonText};
use super::listing::Paging;
use super::params::Params;
use super::state::State;
use super::view::View;
use crate::http::{Request, parse_form};
use crate::platform::Work;

/// A call: who asks for what.
pub(crate) struct Call<'a> {
    pub(crate) config: &'a Config,
    pub(crate) request: &'a Request,
    /// The query, in order, for links; the path parameter of plain permalinks included.
    pub(crate) query: Vec<(String, Value)>,
    pub(crate) params: Params,
    pub(crate) caller: Caller,
    /// Home with the scheme of the call.
    pub(crate) home: String,
    pub(crate) now: i64,
    pub(crate) work: &'a mut Work,
}

/// What a call leads to.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) location: Option<String>,
    pub(crate) paging: Option<Paging>,
    /// Whether it is the index, which is no address of the shop.
    pub(crate) is_index: bool,
    /// The query as the links repeat it.
    pub(crate) link_query: Vec<(String, Value)>,
}

impl Output {
    pub(crate) fn ok(text: JsonText) -> Self {
        Self {
            status: 200,
            body: text.into_bytes(),
            ..Self::default()
        }
    }

    pub(crate) fn created(text: JsonText, location: String) -> Self {
        Self {
            status: 201,
            body: text.into_bytes(),
            location: Some(location),
            ..Self::default()
        }
    }
}

/// A handled call.
pub(crate) type Handled = Result<Output, RestError>;

impl Call<'_> {
    /// Adds the members of the body: JSON or form; any other type is not read (recordings 133 to 135).
    pub(crate) fn read_body(&mut self) -> Result<(), RestError> {
        let kind = self
            .request
            .header("content-type")
            .unwrap_or_default()
            .to_lowercase();
        let body = &self.request.body;
        if body.is_empty() || !self.request.is_write() {
            return Ok(());
        }
        if kind.starts_with("application/json") {
            let value: Value =
                serde_json::from_slice(body).map_err(|_| RestError::invalid_json())?;
            if let Value::Object(members) = value {
                self.params.extend(members);
            }
        } else if kind.starts_with("application/x-www-form-urlencoded") {
            let members: Map<String, Value> = parse_form(&String::from_utf8_lossy(body))
                .into_iter()
                .collect();
            self.params.extend(members);
        }
        Ok(())
    }

    /// Refuses callers without rights over the shop.
    pub(crate) fn require(&self, verb: Verb) -> Result<(), RestError> {
        if self.caller.manages_shop() {
            return Ok(());
        }
        Err(RestError::forbidden(verb, self.caller.is_known()))
    }

    /// The wanted members.
    pub(crate) fn fields(&self) -> Option<Fields> {
        Fields::parse(self.params.get("_fields"))
    }

    /// How objects are shown in this call's answer.
    pub(crate) fn view<'s>(&'s self, state: &'s State, editing: bool) -> View<'s> {
        View {
            state,
            site: &self.config.site,
            version: self.config.spec.version,
            home: &self.home,
            now: self.now,
            editing: editing || self.params.text("context") == Some("edit"),
            decimals: self.config.spec.decimals,
        }
    }

    /// The query as links repeat it: yes-or-no bounds become 1, orders add their defaults.
    pub(crate) fn link_query(&self, added: &[(String, Value)]) -> Vec<(String, Value)> {
        let replaced = |name: &str| added.iter().any(|(other, _)| other == name);
        let kept = self
            .query
            .iter()
            .filter(|(name, _)| !replaced(name))
            .map(|(name, value)| {
                if name == "dates_are_gmt" && self.params.flag(name) {
                    return (name.clone(), Value::String("1".to_owned()));
                }
                (name.clone(), value.clone())
            });
        kept.chain(added.iter().cloned()).collect()
    }

    /// Address of an API path with the scheme of the call.
    pub(crate) fn api(&self, path: &str) -> String {
        format!("{}/wp-json/wc/v3/{path}", self.home)
    }
}

/// Writes an object with its links; `_links` stays whatever `_fields` says, outside of lists.
pub(crate) fn single(
    fields: Option<&Fields>,
    write: impl FnOnce(&mut JsonText, Option<&Fields>),
    links: impl FnOnce(&mut super::json::Members<'_>),
) -> JsonText {
    let mut body = JsonText::default();
    write(&mut body, fields);
    let mut tail = JsonText::default();
    tail.object(None, links);
    body.join(tail)
}
