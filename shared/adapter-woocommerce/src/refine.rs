//! Why the index of the interface did not come: causes that look alike from outside are told apart
//! by further questions.

use serde_json::Value;
use storelink_adapter_api::{AdapterError, ErrorClass, Purpose, StoreAccess};
use storelink_outbound_http::{Request, Response, Url, lenient_json};

use crate::api::below;
use crate::codes::{self, Code};
use crate::{failure, own_address};

/// The proven cause of an index that did not come.
pub(crate) async fn cause(
    access: &StoreAccess,
    asked: &Url,
    response: &Response,
    error: AdapterError,
) -> AdapterError {
    let is = |code: Code| error.code == code.code;
    let no_interface = [
        codes::MOVED,
        codes::PERMALINKS_PLAIN,
        codes::API_NOT_FOUND,
        codes::ANSWER_HTML,
        codes::UNEXPECTED_STATUS,
    ];
    let no_interface = no_interface.into_iter().any(is);
    if (no_interface || is(codes::ROUTE_MISSING))
        && let Some(page) = own_address::deeper(access, response, false).await
    {
        return page;
    }
    let target = failure::redirect_target(asked, response);
    let elsewhere = target
        .filter(|target| target.path().ends_with("/wp-json/") && target.origin() != asked.origin());
    match elsewhere {
        Some(target) if is(codes::MOVED) => match moved(access, &target).await {
            Ok(proposal) => proposal,
            Err(dead_end) => without_permalinks(access, dead_end).await,
        },
        _ if no_interface => without_permalinks(access, error).await,
        _ => error,
    }
}

/// The new address is only proposed, when a store answers there: nothing is sent to it but this one
/// question. The error is the same without the proposal.
async fn moved(access: &StoreAccess, target: &Url) -> Result<AdapterError, AdapterError> {
    let new = failure::store_address(target);
    let moved = |seen: String| codes::MOVED.error_with(ErrorClass::Attention, &seen);
    match access.send(get(target.clone()), Purpose::Verify).await {
        Ok(response)
            if response.status.as_u16() == 200
                && lenient_json::read::<Value>(&response.body).is_ok() =>
        {
            Ok(moved(format!(
                "It leads to {new}, and a store answers there: enter that address."
            )))
        }
        _ => Err(moved(format!(
            "It leads to {new}, where no store answers to us."
        ))),
    }
}

/// WordPress serves the interface by a parameter too, whatever the permalinks are. The address that
/// it then gives for its interface tells whether permalinks are plain (recording 178) or only not
/// passed on by the web server (recording 180).
async fn without_permalinks(access: &StoreAccess, error: AdapterError) -> AdapterError {
    let request =
        get(below(&access.address, "")).encoded_query("rest_route=/wc/v3/orders&per_page=1");
    let Ok(response) = access.send(request, Purpose::Verify).await else {
        return error;
    };
    let Some(body) = failure::StoreError::of(&response) else {
        return error;
    };
    if body.code == "rest_no_route" {
        return codes::NOT_ACTIVE.error_with(ErrorClass::Attention, &body.words());
    }
    if !body.code.starts_with("woocommerce_") {
        return error;
    }
    let link = response.header("link").unwrap_or_default();
    let code = if link.contains("rest_route=") {
        codes::PERMALINKS_PLAIN
    } else {
        codes::NO_REWRITE
    };
    let seen = "The interface answers by ?rest_route= but not under /wp-json/.";
    code.error_with(ErrorClass::Attention, seen)
}

pub(crate) fn get(url: Url) -> Request {
    Request::get(url)
        .header("accept", "application/json")
        .timeout(crate::api::VERIFY_TIME)
}
