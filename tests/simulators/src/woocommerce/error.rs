//! Errors as the REST API words them (recordings 02 to 49, 107 to 161b).

use serde_json::{Map, Value, json};

/// A refused request.
#[derive(Debug, Clone)]
pub(crate) struct RestError {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    /// Usually `{"status":...}`; a bare number for refused refunds (recording 159).
    pub(crate) data: Value,
    /// Whether the Allow header is sent with it.
    pub(crate) allow: bool,
}

impl RestError {
    pub(crate) fn new(status: u16, code: &str, message: &str) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            data: json!({"status": status}),
            allow: true,
        }
    }

    /// Sent without the Allow header.
    pub(crate) fn before_dispatch(mut self) -> Self {
        self.allow = false;
        self
    }

    /// The whole body.
    pub(crate) fn body(&self) -> Value {
        json!({"code": self.code, "message": self.message, "data": self.data})
    }

    pub(crate) fn authentication(message: &str) -> Self {
        Self::new(401, "woocommerce_rest_authentication_error", message).before_dispatch()
    }

    pub(crate) fn missing_oauth_parameter(name: &str) -> Self {
        let message = format!("Missing OAuth parameter {name}");
        Self::new(
            401,
            "woocommerce_rest_authentication_missing_parameter",
            &message,
        )
        .before_dispatch()
    }

    /// Nobody known is asking (401) or somebody with too few rights (403).
    pub(crate) fn forbidden(verb: Verb, known_user: bool) -> Self {
        let (code, message) = match verb {
            Verb::List => (
                "woocommerce_rest_cannot_view",
                "Sorry, you cannot list resources.",
            ),
            Verb::View => (
                "woocommerce_rest_cannot_view",
                "Sorry, you cannot view this resource.",
            ),
            Verb::Create => (
                "woocommerce_rest_cannot_create",
                "Sorry, you are not allowed to create resources.",
            ),
            Verb::Edit => (
                "woocommerce_rest_cannot_edit",
                "Sorry, you are not allowed to edit this resource.",
            ),
            Verb::Delete => (
                "woocommerce_rest_cannot_delete",
                "Sorry, you are not allowed to delete this resource.",
            ),
            Verb::Batch => (
                "woocommerce_rest_cannot_batch",
                "Sorry, you are not allowed to batch manipulate this resource.",
            ),
        };
        Self::new(if known_user { 403 } else { 401 }, code, message).before_dispatch()
    }

    pub(crate) fn no_route() -> Self {
        let message = "No route was found matching the URL and request method.";
        Self::new(404, "rest_no_route", message).before_dispatch()
    }

    pub(crate) fn invalid_id(post_type: &str, status: u16) -> Self {
        Self::new(
            status,
            &format!("woocommerce_rest_{post_type}_invalid_id"),
            "Invalid ID.",
        )
    }

    pub(crate) fn order_invalid_id(status: u16) -> Self {
        Self::new(
            status,
            "woocommerce_rest_shop_order_invalid_id",
            "ID is invalid.",
        )
    }

    pub(crate) fn variation_by_product_route() -> Self {
        Self::new(
            404,
            "woocommerce_rest_invalid_product_id",
            "To manipulate product variations you should use the /products/&lt;product_id&gt;/variations/&lt;id&gt; endpoint.",
        )
    }

    pub(crate) fn duplicate_sku(owner: u64, suggestion: &str) -> Self {
        let mut error = Self::new(400, "product_invalid_sku", "Invalid or duplicated SKU.");
        error.data = json!({"status": 400, "resource_id": owner, "unique_sku": suggestion});
        error
    }

    pub(crate) fn already_trashed(post_type: &str) -> Self {
        let message = format!("The {post_type} has already been deleted.");
        Self::new(410, "woocommerce_rest_already_trashed", &message)
    }

    pub(crate) fn too_many_rows() -> Self {
        Self::new(
            413,
            "woocommerce_rest_request_entity_too_large",
            "Unable to accept more than 100 items for this request.",
        )
    }

    pub(crate) fn invalid_json() -> Self {
        let mut error = Self::new(400, "rest_invalid_json", "Invalid JSON body passed.");
        error.data =
            json!({"status": 400, "json_error_code": 4, "json_error_message": "Syntax error"});
        error
    }

    pub(crate) fn missing_parameters(names: &[&str]) -> Self {
        let message = format!("Missing parameter(s): {}", names.join(", "));
        let mut error = Self::new(400, "rest_missing_callback_param", &message);
        error.data = json!({"status": 400, "params": names});
        error
    }

    /// A refund that cannot be: status 500 and `data` a bare number (recording 159).
    pub(crate) fn refund_refused(message: &str) -> Self {
        let mut error = Self::new(500, "woocommerce_rest_cannot_create_order_refund", message);
        error.data = json!(500);
        error
    }
}

/// What a request wants to do, as the refusal names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    List,
    View,
    Create,
    Edit,
    Delete,
    Batch,
}

/// Parameters with wrong values, collected before anything is done.
#[derive(Debug, Default)]
pub(crate) struct Invalid {
    names: Vec<String>,
    params: Map<String, Value>,
    details: Map<String, Value>,
}

impl Invalid {
    pub(crate) fn add(&mut self, name: &str, code: &str, message: &str, data: Value) {
        self.names.push(name.to_owned());
        self.params.insert(name.to_owned(), json!(message));
        self.details.insert(
            name.to_owned(),
            json!({"code": code, "message": message, "data": data}),
        );
    }

    pub(crate) fn wrong_type(&mut self, name: &str, kind: &str) {
        let message = format!("{name} is not of type {kind}.");
        self.add(name, "rest_invalid_type", &message, json!({"param": name}));
    }

    pub(crate) fn not_in_list(&mut self, name: &str, shown: &str, allowed: &[&str]) {
        let message = format!("{shown} is not one of {}.", listed(allowed));
        self.add(name, "rest_not_in_enum", &message, Value::Null);
    }

    pub(crate) fn finish(self) -> Result<(), RestError> {
        if self.names.is_empty() {
            return Ok(());
        }
        let message = format!("Invalid parameter(s): {}", self.names.join(", "));
        let mut error = RestError::new(400, "rest_invalid_param", &message);
        error.data = json!({"status": 400, "params": self.params, "details": self.details});
        Err(error)
    }
}

/// `a, b, and c`, as WordPress joins lists.
fn listed(items: &[&str]) -> String {
    match items {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} and {two}"),
        [head @ .., last] => format!("{}, and {last}", head.join(", ")),
    }
}
