//! Makes a server equal to the table, or says where it differs.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::Config as ConsumerConfig;
use async_nats::jetstream::consumer::IntoConsumerConfig;
use async_nats::jetstream::context::{
    CreateStreamError, CreateStreamErrorKind, GetStreamErrorKind,
};
use async_nats::jetstream::stream::{Config, ConsumerErrorKind};

use super::{ConsumerSpec, Sizing, StreamSpec, consumers, stream, streams};
use crate::Bus;

/// The server cannot be made equal to the table.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The server answers, and refuses.
    #[error("the broker refuses {item}: {text}")]
    Refused {
        /// Stream or consumer.
        item: String,
        /// The server's words.
        text: String,
    },
    /// The server did not answer, or the broker user may not do this.
    #[error("{item} could not be read or changed on the broker: {text}")]
    Unavailable {
        /// Stream or consumer.
        item: String,
        /// What happened.
        text: String,
    },
}

/// One place where the server differs from the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Stream, or `stream/consumer`.
    pub item: String,
    /// The setting; `exists` when the item is missing.
    pub field: &'static str,
    /// What the table says.
    pub wanted: String,
    /// What the server has.
    pub found: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {}: wanted {}, found {}",
            self.item, self.field, self.wanted, self.found
        )
    }
}

/// Creates what is missing and changes what differs. Repeating it changes nothing. Byte limits that
/// an operator made larger are kept: a stream that becomes smaller than its contents refuses at once.
///
/// # Errors
/// When the server does not answer, or refuses a change (some settings are fixed at creation).
pub async fn apply(bus: &Bus, sizing: Sizing) -> Result<(), ApplyError> {
    for spec in streams() {
        apply_stream(bus, spec, sizing).await?;
    }
    for spec in consumers() {
        apply_consumer(bus, spec).await?;
    }
    Ok(())
}

/// Creates what is missing, for a role at its start, and returns what else differs without changing
/// it: two releases of a rolling update would overwrite each other's settings.
///
/// # Errors
/// When the server does not answer or refuses; a broker user of a single role may not do this.
pub async fn ensure(bus: &Bus, sizing: Sizing) -> Result<Vec<Difference>, ApplyError> {
    for spec in streams() {
        if find_stream(bus, spec.name).await?.is_none() {
            create_stream(bus, spec, sizing).await?;
        }
    }
    for spec in consumers() {
        if find_consumer(bus, spec).await?.is_none() {
            apply_consumer(bus, spec).await?;
        }
    }
    check(bus, sizing).await
}

/// Creates a consumer or changes it to what `spec` says; its stream must exist.
///
/// # Errors
/// When the server does not answer or refuses.
pub async fn apply_consumer(bus: &Bus, spec: &ConsumerSpec) -> Result<(), ApplyError> {
    let result = bus
        .jetstream()
        .create_consumer_on_stream(spec.config(), spec.stream)
        .await;
    result.map(drop).map_err(|error| {
        let (item, text) = (consumer_item(spec), error_text(&error));
        match error.kind() {
            ConsumerErrorKind::JetStream(_) => ApplyError::Refused { item, text },
            _ => ApplyError::Unavailable { item, text },
        }
    })
}

/// Compares the server with the table and changes nothing.
///
/// # Errors
/// When the server does not answer.
pub async fn check(bus: &Bus, sizing: Sizing) -> Result<Vec<Difference>, ApplyError> {
    let mut differences = Vec::new();
    for spec in streams() {
        match find_stream(bus, spec.name).await? {
            Some(found) => {
                let wanted = keeping_room(spec.config(sizing), &found);
                differences.extend(compare_stream(&wanted, &found));
            }
            None => differences.push(missing(spec.name.to_owned())),
        }
    }
    for spec in consumers() {
        differences.extend(check_consumer(bus, spec).await?);
    }
    Ok(differences)
}

/// Compares one consumer with `spec`, for those of platforms, which are not in the table.
///
/// # Errors
/// When the server does not answer.
pub async fn check_consumer(bus: &Bus, spec: &ConsumerSpec) -> Result<Vec<Difference>, ApplyError> {
    Ok(match find_consumer(bus, spec).await? {
        Some(found) => compare_consumer(spec, &found),
        None => vec![missing(consumer_item(spec))],
    })
}

/// Creates the stream of the table that has this name if it is missing, where this role may.
pub(crate) async fn ensure_stream(bus: &Bus, name: &str) -> Result<(), ApplyError> {
    let Some(spec) = stream(name).filter(|_| bus.options().manage_streams) else {
        return Ok(());
    };
    if find_stream(bus, name).await?.is_none() {
        create_stream(bus, spec, bus.options().sizing).await?;
        tracing::warn!(
            stream = name,
            "created a stream that was missing on the broker"
        );
    }
    Ok(())
}

/// Creates stream and consumer if they are missing, where this role may.
pub(crate) async fn ensure_consumer(bus: &Bus, spec: &ConsumerSpec) -> Result<(), ApplyError> {
    if !bus.options().manage_streams {
        return Ok(());
    }
    ensure_stream(bus, spec.stream).await?;
    apply_consumer(bus, spec).await
}

async fn apply_stream(bus: &Bus, spec: &StreamSpec, sizing: Sizing) -> Result<(), ApplyError> {
    let Some(found) = find_stream(bus, spec.name).await? else {
        return create_stream(bus, spec, sizing).await;
    };
    let wanted = keeping_room(spec.config(sizing), &found);
    let differences = compare_stream(&wanted, &found);
    if differences.is_empty() {
        return Ok(());
    }
    for difference in &differences {
        tracing::info!(%difference, "changing a stream on the broker");
    }
    bus.jetstream()
        .update_stream(&wanted)
        .await
        .map(drop)
        .map_err(|error| stream_error(spec.name, &error))
}

/// What is wanted, without taking room away that the stream has; a negative limit means none.
fn keeping_room(wanted: Config, found: &Config) -> Config {
    let larger = found.max_bytes < 0 || found.max_bytes > wanted.max_bytes;
    Config {
        max_bytes: if larger {
            found.max_bytes
        } else {
            wanted.max_bytes
        },
        ..wanted
    }
}

async fn create_stream(bus: &Bus, spec: &StreamSpec, sizing: Sizing) -> Result<(), ApplyError> {
    let wanted = spec.config(sizing);
    let asked = format!("$JS.API.STREAM.CREATE.{}", spec.name);
    let making = bus.jetstream().create_stream(wanted.clone());
    let made = bus.permitted(&asked, making).await;
    let info = match made.map_err(|error| unavailable(spec.name, &error))? {
        Ok(stream) => stream.cached_info().clone(),
        // Another process was faster; what it made may be of another release.
        Err(error) if is_taken(&error) => return Ok(()),
        Err(error) => return Err(stream_error(spec.name, &error)),
    };
    // A server ignores settings that it does not know; what came back shows it.
    match compare_stream(&wanted, &info.config).first() {
        None => Ok(()),
        Some(difference) => Err(ApplyError::Refused {
            item: spec.name.to_owned(),
            text: format!("the server did not take a setting ({difference})"),
        }),
    }
}

fn is_taken(error: &CreateStreamError) -> bool {
    matches!(
        error.kind(),
        CreateStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NAME_EXIST
    )
}

fn stream_error(name: &str, error: &CreateStreamError) -> ApplyError {
    let (item, text) = (name.to_owned(), error_text(error));
    match error.kind() {
        CreateStreamErrorKind::JetStream(_) => ApplyError::Refused { item, text },
        _ => ApplyError::Unavailable { item, text },
    }
}

async fn find_stream(bus: &Bus, name: &str) -> Result<Option<Config>, ApplyError> {
    let asked = format!("$JS.API.STREAM.INFO.{name}");
    let found = bus
        .permitted(&asked, bus.jetstream().get_stream(name))
        .await;
    match found.map_err(|error| unavailable(name, &error))? {
        Ok(stream) => Ok(Some(stream.cached_info().config.clone())),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(e) if e.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                Ok(None)
            }
            _ => Err(unavailable(name, &error)),
        },
    }
}

fn unavailable(item: &str, error: &dyn std::error::Error) -> ApplyError {
    ApplyError::Unavailable {
        item: item.to_owned(),
        text: error_text(error),
    }
}

async fn find_consumer(
    bus: &Bus,
    spec: &ConsumerSpec,
) -> Result<Option<ConsumerConfig>, ApplyError> {
    let unavailable = |text: String| ApplyError::Unavailable {
        item: consumer_item(spec),
        text,
    };
    let stream = bus
        .jetstream()
        .get_stream_no_info(spec.stream)
        .await
        .map_err(|error| unavailable(error_text(&error)))?;
    use async_nats::jetstream::context::ConsumerInfoErrorKind;
    match stream.consumer_info(&spec.name).await {
        Ok(info) => Ok(Some(info.config)),
        Err(error) => match error.kind() {
            ConsumerInfoErrorKind::NotFound | ConsumerInfoErrorKind::StreamNotFound => Ok(None),
            _ => Err(unavailable(error_text(&error))),
        },
    }
}

fn missing(item: String) -> Difference {
    Difference {
        item,
        field: "exists",
        wanted: "true".to_owned(),
        found: "false".to_owned(),
    }
}

fn consumer_item(spec: &ConsumerSpec) -> String {
    format!("{}/{}", spec.stream, spec.name)
}

/// Compares the settings that the table speaks of, one by one.
macro_rules! compare {
    ($item:expr, $wanted:expr, $found:expr, $($field:ident),+ $(,)?) => {{
        let mut differences = Vec::new();
        $(
            if $wanted.$field != $found.$field {
                differences.push(Difference {
                    item: $item.clone(),
                    field: stringify!($field),
                    wanted: format!("{:?}", $wanted.$field),
                    found: format!("{:?}", $found.$field),
                });
            }
        )+
        differences
    }};
}

fn compare_stream(wanted: &Config, found: &Config) -> Vec<Difference> {
    compare!(
        wanted.name,
        wanted,
        found,
        subjects,
        retention,
        max_messages,
        max_messages_per_subject,
        max_bytes,
        max_message_size,
        max_age,
        max_consumers,
        discard,
        discard_new_per_subject,
        storage,
        num_replicas,
        duplicate_window,
        allow_direct,
        allow_rollup,
        deny_delete,
        description,
    )
}

fn compare_consumer(spec: &ConsumerSpec, found: &ConsumerConfig) -> Vec<Difference> {
    let item = consumer_item(spec);
    let wanted = spec.config().into_consumer_config();
    compare!(
        item,
        wanted,
        found,
        durable_name,
        deliver_policy,
        ack_policy,
        ack_wait,
        max_deliver,
        filter_subject,
        replay_policy,
        max_ack_pending,
        description,
    )
}

fn error_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::names;

    #[test]
    fn a_changed_setting_is_named_with_both_values() {
        let spec = stream(names::JOBS).unwrap();
        let wanted = spec.config(Sizing::default());
        let found = Config {
            discard_new_per_subject: false,
            ..wanted.clone()
        };
        let differences = compare_stream(&wanted, &found);
        assert_eq!(
            differences
                .iter()
                .map(Difference::to_string)
                .collect::<Vec<_>>(),
            ["JOBS discard_new_per_subject: wanted true, found false"]
        );
    }
}
