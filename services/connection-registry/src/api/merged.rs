//! One list out of those of several services, one after the other.

use std::collections::BTreeMap;

use storelink_bus::rpc::RpcError;
use storelink_events::rpc::{Page, PageQuestion};
use storelink_model::{ConnectionId, TenantId};

/// Where the list of each service goes on; a service that is not in it is at its end.
type Places = BTreeMap<String, Option<String>>;

/// Whose items, and how many.
pub(crate) struct Wanted {
    pub(crate) tenant: TenantId,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) limit: u32,
}

/// A page of the one list.
pub(crate) struct Merged<T> {
    pub(crate) items: Vec<T>,
    /// Where it goes on; none at the end.
    pub(crate) places: Option<Places>,
    /// Services that did not answer; what they hold is missing.
    pub(crate) unavailable: Vec<String>,
}

/// Asks the services in their order until the page is full. `places` is none for the first page.
pub(crate) async fn merged<T, F, A>(
    services: &[&'static str],
    places: Option<Places>,
    wanted: Wanted,
    ask: F,
) -> Merged<T>
where
    F: Fn(&'static str, PageQuestion) -> A,
    A: Future<Output = Result<Page<T>, RpcError>>,
{
    let beginning = || {
        services
            .iter()
            .map(|service| ((*service).to_owned(), None))
            .collect()
    };
    let mut places: Places = places.unwrap_or_else(beginning);
    let mut items = Vec::new();
    let mut unavailable = Vec::new();
    for service in services.iter().copied() {
        // A service may give fewer items than there is room for, and go on all the same.
        while let Some(after) = places.get(service).cloned() {
            let taken = u32::try_from(items.len()).unwrap_or(u32::MAX);
            let room = wanted.limit.saturating_sub(taken);
            if room == 0 {
                return Merged {
                    items,
                    places: Some(places),
                    unavailable,
                };
            }
            let question = PageQuestion {
                tenant: wanted.tenant.clone(),
                connection: wanted.connection.clone(),
                after: after.clone(),
                limit: room,
            };
            match ask(service, question).await {
                Ok(page) => {
                    items.extend(page.items);
                    match page.next {
                        // A place that leads nowhere would be asked for ever.
                        Some(next) if Some(&next) != after.as_ref() => {
                            places.insert(service.to_owned(), Some(next));
                        }
                        _ => {
                            places.remove(service);
                        }
                    }
                }
                Err(error) => {
                    tracing::debug!(service, %error, "a service did not answer");
                    unavailable.push(service.to_owned());
                    places.remove(service);
                }
            }
        }
    }
    Merged {
        items,
        places: None,
        unavailable,
    }
}
