//! Which stream takes a subject.

use super::{StreamSpec, streams};

/// The stream of the table that takes this subject.
pub fn stream_for(subject: &str) -> Option<&'static StreamSpec> {
    streams()
        .iter()
        .find(|spec| spec.subjects.iter().any(|pattern| takes(pattern, subject)))
}

/// `*` stands for one token, `>` at the end for one or more.
fn takes(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for wanted in pattern.split('.') {
        match (wanted, tokens.next()) {
            (_, None) => return false,
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (literal, Some(token)) if literal == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::names;
    use storelink_events::subject;
    use storelink_model::ConnectionId;

    #[test]
    fn patterns_take_what_the_server_takes() {
        for (pattern, subject, expected) in [
            ("stock.*.*.*", "stock.t1.main.A", true),
            ("stock.*.*.*", "stock.t1.main", false),
            ("stock.*.*.*", "stock.t1.main.A.B", false),
            ("hub.>", "hub.t1.order.received.o1.1", true),
            ("hub.>", "hub", false),
            ("erp.*.stock.changed", "erp.t1.price.changed", false),
        ] {
            assert_eq!(takes(pattern, subject), expected, "{pattern} {subject}");
        }
    }

    #[test]
    fn every_subject_of_the_contracts_has_exactly_its_stream() {
        let connection: ConnectionId = "con_0123456789abcdef0123456789abcdef".parse().unwrap();
        let tenant = "t1".parse().unwrap();
        let platform = "woocommerce".parse().unwrap();
        let sku = "A/B 5.*>".parse().unwrap();
        for (subject, stream) in [
            (subject::erp_stock_changed(&tenant), names::ERP_STOCK),
            (subject::erp_price_changed(&tenant), names::ERP_PRICE),
            (subject::erp_product_changed(&tenant), names::ERP_PRODUCT),
            (
                subject::stock(&tenant, &"main 1.2".parse().unwrap(), &sku),
                names::STOCK,
            ),
            (
                subject::price(&tenant, &"B2C".parse().unwrap(), &sku),
                names::PRICES,
            ),
            (subject::listing(&connection, 7), names::LISTINGS),
            (
                subject::order(&platform, &connection, "10.01"),
                names::ORDERS,
            ),
            (subject::product(&connection, "5"), names::PRODUCTS),
            (subject::poll(&platform, &connection, "orders"), names::JOBS),
            (
                subject::poll_one(&platform, &connection, "orders", "5"),
                names::JOBS,
            ),
            (subject::hub_event_rejected(&tenant), names::HUB),
            (subject::hub_connection_state(&tenant), names::HUB),
        ] {
            let takers: Vec<&str> = streams()
                .iter()
                .filter(|spec| spec.subjects.iter().any(|pattern| takes(pattern, &subject)))
                .map(|spec| spec.name)
                .collect();
            assert_eq!(takers, [stream], "{subject}");
        }
        assert!(stream_for(&subject::rpc("ledger", "get")).is_none());
        let key = format!("$KV.connections.{}", subject::connection_key(&connection));
        assert_eq!(stream_for(&key).unwrap().name, "KV_connections");
    }
}
