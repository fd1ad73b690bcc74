use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use storelink_model::Platform;

/// A platform as data: what API, console and command line show and ask. Each adapter ships one per
/// language as a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// Name in API and events, for example `woocommerce`.
    pub platform: Platform,
    /// Name as people write it.
    pub title: String,
    /// What kind of system it is.
    pub kind: SystemKind,
    /// One sentence on what is linked.
    pub summary: String,
    /// What the form asks, in its order.
    pub fields: Vec<Field>,
    /// The guided steps beside the form.
    pub guide: Guide,
    /// What the credentials must be allowed to do.
    pub permissions: Vec<String>,
    /// How long the credentials live.
    pub credential_lifetime: String,
    /// Whether this way of linking is current.
    pub lifecycle: Lifecycle,
    /// Platform versions that the guide and the adapter were checked with.
    pub versions_checked: Vec<String>,
    /// What can be done with it.
    pub capabilities: Capabilities,
    /// What can be scheduled, with the rhythm that a new schedule shows.
    pub entities: Vec<EntityDefault>,
}

/// What kind of system a platform is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SystemKind {
    /// An online store.
    Store,
    /// An ERP.
    Erp,
    /// A marketing system.
    Marketing,
}

/// One field of the form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Name in the API: a member of `credentials`, or `address`, or a member of `settings`.
    pub name: String,
    /// Label of the form.
    pub label: String,
    /// What can be entered.
    pub kind: FieldKind,
    /// Whether verification needs it.
    pub required: bool,
    /// Where to find the value, or what it does.
    pub help: String,
    /// The form that the value must have, as a regular expression over the whole value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// An example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

/// What can be entered into a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// The store's address.
    Address,
    /// A credential that is sealed and never shown again.
    Secret,
    /// A credential that is no secret by itself but is sealed all the same; its end may be shown.
    Key,
    /// Free text.
    Text,
    /// Yes or no.
    Boolean,
    /// A whole number.
    Number,
}

/// The guided steps: first in the store's own panel, then here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guide {
    /// Steps in the store.
    pub in_store: Vec<GuideStep>,
    /// Steps here.
    pub here: Vec<GuideStep>,
}

/// One step with its tick box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuideStep {
    /// What to do.
    pub text: String,
    /// The menu path to it, part by part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub menu: Vec<String>,
    /// A value to copy; `{callback_url}` and `{connection_name}` are filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<String>,
}

/// Whether a way of linking is current.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Lifecycle {
    /// Offered first.
    Current,
    /// Shown, not offered first.
    Superseded {
        /// By what.
        by: String,
        /// Why.
        reason: String,
    },
}

/// What can be done with a platform.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Capabilities {
    /// Orders are read.
    pub orders: bool,
    /// Products are read.
    pub products: bool,
    /// Stock is written.
    pub stock: bool,
    /// Prices are written.
    pub prices: bool,
    /// Customers are read.
    pub customers: bool,
    /// The store can call us.
    pub webhooks: bool,
    /// Keys can be handed over by the store's own approval page.
    pub key_hand_over: bool,
}

/// What a new schedule of an entity shows. Every schedule is inactive until switched on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntityDefault {
    /// `orders`, `products`, `stock`, `prices`, …
    pub entity: String,
    /// Seconds between two runs.
    pub every_seconds: u64,
    /// The shortest interval that may be chosen, in seconds.
    pub shortest_seconds: u64,
}
