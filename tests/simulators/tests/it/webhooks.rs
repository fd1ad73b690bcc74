//! Webhooks are kept as recorded (201, 205, 219, 220).

use serde_json::json;
use storelink_simulators::woocommerce::StoreSpec;

use crate::caller::{call, get, start};

#[tokio::test]
async fn a_webhook_can_be_made_listed_switched_and_deleted() {
    let (_simulators, store) = start(StoreSpec::named("shop")).await;
    let body = json!({"topic": "order.updated", "delivery_url": "https://hub.example.com/in", "secret": "s"});
    let (status, made) = call(&store, "POST", "webhooks", Some(&body)).await;
    assert_eq!(
        (status, &made["status"], &made["secret"]),
        (201, &json!("active"), &json!(null))
    );
    assert_eq!(
        made["hooks"],
        json!(["woocommerce_update_order", "woocommerce_order_refunded"])
    );
    assert_eq!(made["date_modified"], json!(null));
    let target = format!("webhooks/{}", made["id"]);
    assert_ne!(get(&store, &target).await["date_modified"], json!(null));
    call(&store, "PUT", &target, Some(&json!({"status": "disabled"}))).await;
    assert_eq!(
        get(&store, "webhooks?status=disabled&_fields=id").await[0]["id"],
        made["id"]
    );
    assert_eq!(
        call(&store, "DELETE", &target, None).await.0,
        501,
        "not without force"
    );
    assert_eq!(
        call(&store, "DELETE", &format!("{target}?force=true"), None)
            .await
            .0,
        200
    );
    assert_eq!(call(&store, "GET", &target, None).await.0, 404);
}
