//! Platforms as data, with the addresses of this installation filled in.

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use storelink_adapter_api::{Descriptor, GuideStep};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Array, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::extract::Params;
use crate::problem::{Answer, Problem};
use crate::registry::{Registry, Shared};

/// The name that guides propose for us in a store.
const OUR_NAME: &str = "Storelink";
const CALLBACK: &str = "{callback_url}";
const NAME: &str = "{connection_name}";
const NO_CALLBACKS: &str = "Callbacks are not available: this installation has no public address. \
    An operator sets it as `http.public_url`; everything else works without it.";

/// A platform: fields, guided steps, lifecycle, capabilities.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct PlatformView(Descriptor);

impl PartialSchema for PlatformView {
    fn schema() -> RefOr<Schema> {
        super::schemas::descriptor()
    }
}

impl ToSchema for PlatformView {
    fn name() -> Cow<'static, str> {
        // The descriptor's own schema takes this place among the components.
        Cow::Borrowed("Descriptor")
    }
}

/// All platforms.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Platforms {
    /// Current ones first.
    #[schema(schema_with = descriptors)]
    items: Vec<Descriptor>,
}

fn descriptors() -> RefOr<Schema> {
    Array::new(super::schemas::descriptor()).into()
}

#[derive(Deserialize)]
pub(crate) struct PlatformPath {
    platform: String,
}

/// List platforms
#[utoipa::path(get, path = "/v1/platforms", operation_id = "list_platforms", tag = "platforms",
    responses((status = 200, description = "All platforms of this installation",
        body = Platforms)))]
pub(crate) async fn list(State(registry): State<Shared>) -> Json<Platforms> {
    let mut items: Vec<Descriptor> = registry
        .adapters
        .iter()
        .map(|(_, adapter)| registry.filled_in(adapter.descriptor().clone()))
        .collect();
    items.sort_by_key(|descriptor| {
        descriptor.lifecycle != storelink_adapter_api::Lifecycle::Current
    });
    Json(Platforms { items })
}

/// Read a platform
#[utoipa::path(get, path = "/v1/platforms/{platform}", operation_id = "read_platform", tag = "platforms",
    params(("platform" = String, Path, description = "Its name, for example woocommerce")),
    responses((status = 200, description = "The platform", body = PlatformView)))]
pub(crate) async fn read(
    State(registry): State<Shared>,
    Params(path): Params<PlatformPath>,
) -> Answer<Json<PlatformView>> {
    let platform = path.platform.parse().map_err(|_| Problem::not_found())?;
    let adapter = registry
        .adapters
        .get(&platform)
        .ok_or_else(Problem::not_found)?;
    Ok(Json(PlatformView(
        registry.filled_in(adapter.descriptor().clone()),
    )))
}

impl Registry {
    /// A descriptor whose steps name this installation's addresses.
    fn filled_in(&self, mut descriptor: Descriptor) -> Descriptor {
        let callback = self
            .public_url
            .as_ref()
            .map(|public| format!("{public}/callbacks/{}", descriptor.platform));
        for step in descriptor
            .guide
            .in_store
            .iter_mut()
            .chain(&mut descriptor.guide.here)
        {
            fill_in(step, callback.as_deref());
        }
        descriptor
    }
}

fn fill_in(step: &mut GuideStep, callback: Option<&str>) {
    let asks = |text: &str| text.contains(CALLBACK);
    if asks(&step.text) || step.copy.as_deref().is_some_and(asks) {
        match callback {
            Some(callback) => {
                step.text = step.text.replace(CALLBACK, callback);
                step.copy = step
                    .copy
                    .take()
                    .map(|copy| copy.replace(CALLBACK, callback));
            }
            None => {
                step.text = format!("{} {NO_CALLBACKS}", step.text.replace(CALLBACK, "–"));
                step.copy = step.copy.take().filter(|copy| !asks(copy));
            }
        }
    }
    step.text = step.text.replace(NAME, OUR_NAME);
    step.copy = step.copy.take().map(|copy| copy.replace(NAME, OUR_NAME));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step() -> GuideStep {
        GuideStep {
            text: "Enter a callback.".to_owned(),
            menu: Vec::new(),
            copy: Some("{callback_url}".to_owned()),
        }
    }

    #[test]
    fn addresses_are_filled_in_or_said_to_be_missing() {
        let mut with = step();
        fill_in(&mut with, Some("https://link.example/callbacks/x"));
        assert_eq!(
            with.copy.as_deref(),
            Some("https://link.example/callbacks/x")
        );
        let mut without = step();
        fill_in(&mut without, None);
        assert_eq!(without.copy, None);
        assert!(without.text.contains("Callbacks are not available"));
        let mut named = GuideStep {
            copy: Some("{connection_name}".to_owned()),
            ..step()
        };
        fill_in(&mut named, None);
        assert_eq!(named.copy.as_deref(), Some("Storelink"));
        assert_eq!(named.text, "Enter a callback.");
    }
}
