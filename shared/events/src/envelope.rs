//! CloudEvents 1.0 in structured JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use storelink_model::{TenantId, Timestamp};

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// What can be the data of an event: the types of this crate, all of which can always be written.
pub trait EventData: Serialize + sealed::Sealed {
    /// The type of the event with its version, for example `storelink.stock.changed.v1`.
    const TYPE: &'static str;
}

/// Makes a type of this crate the data of an event.
macro_rules! event_data {
    ($name:ident, $event_type:literal) => {
        impl crate::envelope::sealed::Sealed for $name {}

        impl crate::EventData for $name {
            const TYPE: &'static str = $event_type;
        }
    };
}

pub(crate) use event_data;

/// One event: a CloudEvents 1.0 envelope with the extensions `tenant` and `traceparent`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope<T> {
    /// Always `1.0`.
    pub specversion: String,
    /// Unique per source; also the message id on the broker. Ours are UUIDv7.
    #[schemars(length(min = 1, max = 128))]
    pub id: String,
    /// Who says it, for example `/erp/acme` or `/connections/con_…`.
    pub source: String,
    /// What it is, with its version.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it is about: a SKU or an order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it happened.
    pub time: Timestamp,
    /// `application/json`; on reading, parameters such as a charset of UTF-8 may follow.
    #[serde(default = "json_content")]
    pub datacontenttype: String,
    /// Where the schema of `data` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataschema: Option<String>,
    /// Whose it is.
    pub tenant: TenantId,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The event itself.
    pub data: T,
}

fn json_content() -> String {
    "application/json".to_owned()
}

impl<T: EventData> Envelope<T> {
    /// A new event that happens now.
    #[must_use]
    pub fn new(tenant: TenantId, source: impl Into<String>, data: T) -> Self {
        Self {
            specversion: "1.0".to_owned(),
            id: storelink_model::unique_id().to_string(),
            source: source.into(),
            event_type: T::TYPE.to_owned(),
            subject: None,
            time: Timestamp::now(),
            datacontenttype: json_content(),
            dataschema: Some(format!("urn:storelink:schema:{}", T::TYPE)),
            tenant,
            traceparent: None,
            data,
        }
    }

    /// Says what it is about.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Joins it to a trace.
    #[must_use]
    pub fn traced(mut self, traceparent: Option<String>) -> Self {
        self.traceparent = traceparent;
        self
    }

    /// The JSON of it. The data are a type of this crate, and each of them can be written: they hold
    /// texts, numbers, bounded times and lists of these. Should one ever refuse, the event goes out
    /// with `null` for its data, which every reader refuses by its id, instead of as nothing at all.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_else(|_| self.without_data())
    }

    fn without_data(&self) -> Vec<u8> {
        let event = serde_json::json!({
            "specversion": self.specversion,
            "id": self.id,
            "source": self.source,
            "type": self.event_type,
            "time": self.time.to_string(),
            "datacontenttype": self.datacontenttype,
            "tenant": self.tenant.as_str(),
            "data": null,
        });
        event.to_string().into_bytes()
    }
}
