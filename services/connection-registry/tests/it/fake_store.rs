//! A platform whose stores say what a test wants.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret as _;
use serde_json::json;
use storelink_adapter_api::{
    AdapterError, CapabilityProfile, Check, CheckStatus, Descriptor, Diagnosis, ErrorClass,
    ItemOutcome, Limits, OrderPage, OrderReading, OrderWindow, Position, PriceWrite, ProductPage,
    ProductWindow, StockWrite, StoreAccess, StoreAdapter, StoreIds, ValueKind, WriteGroup,
};

/// What the stores of the platform do, and what they were asked.
#[derive(Clone, Default)]
pub(crate) struct Stores(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    refusal: Option<&'static str>,
    delay: Duration,
    asked: Vec<(String, String)>,
}

impl Stores {
    /// Every verification fails with this code; with none every one succeeds.
    pub(crate) fn refuse(&self, code: Option<&'static str>) {
        self.0.lock().unwrap().refusal = code;
    }

    /// Every verification takes this long.
    pub(crate) fn delay(&self, delay: Duration) {
        self.0.lock().unwrap().delay = delay;
    }

    /// Address and secret of each verification.
    pub(crate) fn asked(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap().asked.clone()
    }
}

/// The adapter of the platform `teststore`.
pub(crate) struct FakeAdapter {
    descriptor: Descriptor,
    stores: Stores,
}

impl FakeAdapter {
    pub(crate) fn new(stores: Stores) -> Self {
        let descriptor = serde_json::from_value(json!({
            "platform": "teststore", "title": "Test store", "kind": "store",
            "summary": "A store for tests.",
            "fields": [
                {"name": "address", "label": "Address", "kind": "address", "required": true,
                 "help": "The store's address."},
                {"name": "key", "label": "Key", "kind": "key", "required": true, "help": "-",
                 "pattern": "k_[0-9a-f]{16}", "example": "k_0123456789abcdef"},
                {"name": "secret", "label": "Secret", "kind": "secret", "required": true,
                 "help": "-", "pattern": "s_[0-9a-f]{16}"},
                {"name": "legacy", "label": "Legacy mode", "kind": "boolean", "required": false,
                 "help": "-"}
            ],
            "guide": {
                "in_store": [
                    {"text": "Add a key.", "menu": ["Settings", "Keys"], "copy": "{connection_name}"},
                    {"text": "Enter the callback.", "copy": "{callback_url}"}
                ],
                "here": [{"text": "Verify."}]
            },
            "permissions": ["Read orders"], "credential_lifetime": "Until revoked.",
            "lifecycle": {"state": "current"}, "versions_checked": ["1.0"],
            "capabilities": {"orders": true, "products": true, "stock": true, "prices": true},
            "entities": [
                {"entity": "orders", "every_seconds": 3600, "shortest_seconds": 1},
                {"entity": "products", "every_seconds": 86400, "shortest_seconds": 900},
                {"entity": "stock", "every_seconds": 86400, "shortest_seconds": 60},
                {"entity": "prices", "every_seconds": 3600, "shortest_seconds": 60}
            ]
        }))
        .unwrap();
        Self { descriptor, stores }
    }
}

fn unused() -> AdapterError {
    AdapterError::new(
        ErrorClass::Rejected,
        "test.unused",
        "the registry never asks this",
    )
}

#[async_trait]
impl StoreAdapter for FakeAdapter {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn limits(&self, _: &CapabilityProfile) -> Limits {
        Limits {
            stock_batch: 100,
            price_batch: 100,
            concurrency: 2,
        }
    }

    fn write_group(&self, _: ValueKind, _: &StoreIds) -> WriteGroup {
        WriteGroup::default()
    }

    async fn verify(&self, access: &StoreAccess) -> Diagnosis {
        let (refusal, delay) = {
            let mut state = self.stores.0.lock().unwrap();
            let secret = access.credentials.get("secret");
            let secret = secret.map(|secret| secret.expose_secret().to_owned());
            state
                .asked
                .push((access.address.to_string(), secret.unwrap_or_default()));
            (state.refusal, state.delay)
        };
        tokio::time::sleep(delay).await;
        let status = if refusal.is_some() {
            CheckStatus::Failed
        } else {
            CheckStatus::Passed
        };
        Diagnosis {
            checks: vec![Check {
                name: "credentials".to_owned(),
                title: "The keys are accepted".to_owned(),
                status,
                code: refusal.map(str::to_owned),
                evidence: "The store answered.".to_owned(),
                explanation: None,
                remedy: Vec::new(),
                curl: None,
            }],
            profile: CapabilityProfile {
                version: Some("1.0".to_owned()),
                currency: Some("EUR".parse().unwrap()),
                ..CapabilityProfile::default()
            },
        }
    }

    async fn read_orders(
        &self,
        _: &StoreAccess,
        _: &OrderWindow,
        _: Option<&Position>,
    ) -> Result<OrderPage, AdapterError> {
        Err(unused())
    }

    async fn read_order(
        &self,
        _: &StoreAccess,
        _: &str,
    ) -> Result<Option<OrderReading>, AdapterError> {
        Err(unused())
    }

    async fn read_products(
        &self,
        _: &StoreAccess,
        _: &ProductWindow,
        _: Option<&Position>,
    ) -> Result<ProductPage, AdapterError> {
        Err(unused())
    }

    async fn write_stock(
        &self,
        _: &StoreAccess,
        _: &[StockWrite],
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        Err(unused())
    }

    async fn write_prices(
        &self,
        _: &StoreAccess,
        _: &[PriceWrite],
    ) -> Result<Vec<ItemOutcome>, AdapterError> {
        Err(unused())
    }
}
