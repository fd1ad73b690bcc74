//! The users of the roles and of publishers, on a real server.

mod matrix;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerError};
use futures::StreamExt as _;
use secrecy::ExposeSecret as _;
use storelink_bus::streams::{self, Sizing, names};
use storelink_bus::users::{self, KeyedUser, Publisher, PublisherName, UserKey};
use storelink_bus::{Bus, BusOptions, Credentials, Publication, PublishError};
use storelink_test_support::broker::{BrokerOptions, TestBroker};

use crate::harness::{in_time, messages};

use matrix::{HEARS, SAYS, heard_by_anybody, said_by_anybody};

const PLATFORM: &str = "woocommerce";

/// What the server refused: `say` or `hear`, and the subject.
type Refusals = Arc<Mutex<BTreeSet<String>>>;

/// A server with users, and the keys by name.
struct World {
    broker: TestBroker,
    keyed: Vec<KeyedUser>,
    keys: Vec<(String, UserKey)>,
}

impl World {
    async fn start(publishers: &[(&str, &str)]) -> Self {
        let mut keys = Vec::new();
        let mut key_of = |name: &str| {
            let key = UserKey::generate().unwrap();
            let public_key = key.public().to_owned();
            keys.push((name.to_owned(), key));
            public_key
        };
        let mut known = users::roles(&[PLATFORM]);
        known.push(users::administrator());
        let keyed: Vec<KeyedUser> = known
            .into_iter()
            .map(|user| KeyedUser {
                public_key: key_of(user.name()),
                user,
            })
            .collect();
        let publishers: Vec<Publisher> = publishers
            .iter()
            .map(|(tenant, name)| Publisher {
                tenant: PublisherName::new(tenant).unwrap(),
                name: PublisherName::new(name).unwrap(),
                public_key: key_of(name),
            })
            .collect();
        let broker = TestBroker::start_with(BrokerOptions {
            extra_config: users::server_config(&keyed, &publishers),
            ..BrokerOptions::default()
        });
        Self {
            broker: broker.await.unwrap(),
            keyed,
            keys,
        }
    }

    fn seed(&self, name: &str) -> String {
        let (_, key) = self.keys.iter().find(|(known, _)| known == name).unwrap();
        key.seed().expose_secret().to_owned()
    }

    /// As a role connects.
    async fn bus(&self, name: &str) -> Bus {
        let mut options = BusOptions::new(self.broker.url(), name);
        options.credentials = Credentials::Nkey(self.seed(name).into());
        options.inbox_prefix = Some(users::inbox_prefix(name));
        options.manage_streams = false;
        Bus::connect(&options).await.unwrap()
    }

    /// As anybody else connects, with what the server refuses.
    async fn client(&self, name: &str) -> (Client, Refusals) {
        let refused = Arc::new(Mutex::new(BTreeSet::new()));
        let seen = refused.clone();
        let client = ConnectOptions::with_nkey(self.seed(name))
            .event_callback(move |event| {
                if let Event::ServerError(ServerError::Other(text)) = event {
                    let verb = if text.contains("Publish") {
                        "say"
                    } else {
                        "hear"
                    };
                    let subject = text.split('"').nth(1).unwrap_or(&text);
                    seen.lock().unwrap().insert(format!("{verb} {subject}"));
                }
                std::future::ready(())
            })
            .custom_inbox_prefix("_INBOX_t1_shop")
            .connect(self.broker.url());
        (client.await.unwrap(), refused)
    }
}

/// Does all of this and answers what of it the server refused. In small portions: the client passes
/// on only so many refusals at once.
async fn refusals(client: &Client, seen: &Refusals, asked: &BTreeSet<String>) -> BTreeSet<String> {
    let asked: Vec<&String> = asked.iter().collect();
    for (number, portion) in asked.chunks(40).enumerate() {
        for ask in portion {
            match ask.split_once(' ').unwrap() {
                ("say", subject) => client.publish(subject.to_owned(), "".into()).await.unwrap(),
                (_, subject) => drop(client.subscribe(subject.to_owned()).await.unwrap()),
            }
        }
        let end = format!("the.end.{number}");
        client.publish(end.clone(), "".into()).await.unwrap();
        client.flush().await.unwrap();
        let end = format!("say {end}");
        let ended = async {
            while !seen.lock().unwrap().contains(&end) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        in_time("the last refusal", ended).await;
        seen.lock().unwrap().remove(&end);
    }
    std::mem::take(&mut *seen.lock().unwrap())
}

/// Each role may do exactly what is listed here, by hand: everything else is refused by the server,
/// what other roles do and the administration of streams included.
#[tokio::test]
async fn every_role_may_say_and_hear_its_own_and_nothing_else() {
    let world = World::start(&[]).await;
    let all: BTreeSet<String> = said_by_anybody()
        .union(&heard_by_anybody())
        .cloned()
        .collect();
    let mut refused_in_all = 0;
    for ((role, says), (same, hears)) in SAYS.iter().zip(HEARS) {
        assert_eq!(role, same);
        let says = says.iter().map(|subject| format!("say {subject}"));
        let hears = hears.iter().map(|subject| format!("hear {subject}"));
        let allowed: BTreeSet<String> = says.chain(hears).collect();
        let (client, seen) = world.client(role).await;
        let refused = refusals(&client, &seen, &all).await;
        let permitted: Vec<_> = all
            .difference(&refused)
            .filter(|ask| !allowed.contains(*ask))
            .collect();
        let missing: Vec<_> = allowed.intersection(&refused).collect();
        assert!(permitted.is_empty(), "{role} may also {permitted:?}");
        assert!(missing.is_empty(), "{role} may not {missing:?}");
        refused_in_all += refused.len();
    }
    assert!(refused_in_all > 1_500, "{refused_in_all}");
    let roles = users::roles(&[PLATFORM]);
    let listed: BTreeSet<&str> = SAYS.iter().map(|(role, _)| *role).collect();
    assert_eq!(listed, roles.iter().map(|user| user.name()).collect());
}

#[tokio::test]
async fn a_stranger_is_refused() {
    let world = World::start(&[]).await;
    let error = Bus::connect(&BusOptions::new(world.broker.url(), "stranger")).await;
    assert_eq!(error.unwrap_err().code(), "bus.wrong_credentials");
    let mut options = BusOptions::new(world.broker.url(), "stranger");
    options.credentials = Credentials::Nkey(UserKey::generate().unwrap().seed().clone());
    let error = Bus::connect(&options).await.unwrap_err();
    assert_eq!(error.code(), "bus.wrong_credentials");
}

#[tokio::test]
async fn a_permission_that_was_taken_away_is_told_with_subject_and_user() {
    let mut world = World::start(&[]).await;
    streams::apply(&world.bus(users::ADMINISTRATOR).await, Sizing::default())
        .await
        .unwrap();
    let bus = world.bus("stock-publisher").await;
    let level = || Publication::new("stock.t1.main.A", "1");
    bus.publish(level()).await.unwrap();

    let right = world.broker.extra_config();
    let wrong = right.replace("\"stock.*.*.*\"", "\"stocks.*\"");
    assert_ne!(right, wrong);
    world.broker.reload(wrong).await.unwrap();
    let (_, role) = world
        .keys
        .iter()
        .find(|(name, _)| name == "stock-publisher")
        .unwrap();
    let error = in_time("the refusal", async {
        loop {
            if let Err(error) = bus.publish(level()).await {
                break error;
            }
        }
    });
    let PublishError::Forbidden(forbidden) = error.await else {
        panic!("not told as what it is")
    };
    assert_eq!(forbidden.code(), "bus.forbidden");
    assert_eq!(forbidden.subject, "stock.t1.main.A");
    assert_eq!(
        forbidden.user,
        format!("stock-publisher ({})", role.public())
    );
}

#[tokio::test]
async fn a_publisher_reaches_its_own_tenant_alone() {
    let world = World::start(&[("t1", "shop"), ("t2", "other")]).await;
    let administrator = world.bus(users::ADMINISTRATOR).await;
    streams::apply(&administrator, Sizing::default())
        .await
        .unwrap();
    let (client, seen) = world.client("shop").await;
    let jetstream = async_nats::jetstream::new(client.clone());
    for entity in ["stock", "price", "product"] {
        let sent = jetstream.publish(format!("erp.t1.{entity}.changed"), "{}".into());
        let stored = in_time("an acknowledgement", sent.await.unwrap().into_future()).await;
        assert_eq!(stored.unwrap().sequence, 1);
    }
    // What is refused of its own comes back to it, that of others does not.
    let mut rejected = client.subscribe("hub.t1.event.rejected").await.unwrap();
    client.flush().await.unwrap();
    let bus = world.bus("stock-publisher").await;
    for tenant in ["t2", "t1"] {
        let subject = format!("hub.{tenant}.event.rejected");
        bus.publish(Publication::new(subject, tenant))
            .await
            .unwrap();
    }
    let first = in_time("a rejection", rejected.next()).await.unwrap();
    assert_eq!(first.payload.as_ref(), b"t1");

    let forbidden = [
        "erp.t2.stock.changed",
        "erp.t1.order.changed",
        "stock.t1.main.A",
        "hub.t1.event.rejected",
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.ERP_STOCK",
        "$JS.API.STREAM.PURGE.ERP_STOCK",
    ];
    let heard = [
        "_INBOX.>",
        "_INBOX_t2_other.>",
        "hub.t2.event.rejected",
        "hub.t1.>",
        "erp.>",
        ">",
    ];
    let asked = forbidden
        .map(|subject| format!("say {subject}"))
        .into_iter();
    let asked: BTreeSet<String> = asked
        .chain(heard.map(|subject| format!("hear {subject}")))
        .collect();
    assert_eq!(refusals(&client, &seen, &asked).await, asked);
    assert_eq!(messages(&administrator, names::ERP_STOCK).await, 1);
}

/// The server sends an acknowledgement wherever the publisher says, also where it may not publish: in
/// the account of the roles that would replace the level of any tenant.
#[tokio::test]
async fn a_publisher_cannot_have_its_acknowledgement_stored_as_a_level() {
    let world = World::start(&[("t1", "shop")]).await;
    let administrator = world.bus(users::ADMINISTRATOR).await;
    streams::apply(&administrator, Sizing::default())
        .await
        .unwrap();
    let (client, _) = world.client("shop").await;
    let own = "erp.t1.stock.changed";
    for place in [
        "stock.t2.main.A",
        "erp.t2.stock.changed",
        "$KV.connections.a",
    ] {
        let sent = client.publish_with_reply(own, place, "{}".into());
        sent.await.unwrap();
    }
    // Behind them, and acknowledged: they were answered, too.
    let jetstream = async_nats::jetstream::new(client);
    let sent = jetstream.publish(own, "{}".into());
    let stored = in_time("an acknowledgement", sent.await.unwrap().into_future()).await;
    assert_eq!(stored.unwrap().sequence, 4);
    assert_eq!(messages(&administrator, names::ERP_STOCK).await, 4);
    for stream in [names::STOCK, "KV_connections"] {
        assert_eq!(messages(&administrator, stream).await, 0, "{stream}");
    }
}

/// An ERP is added while everything runs, and removed again.
#[tokio::test]
async fn a_publisher_comes_and_goes_with_one_reload() {
    let mut world = World::start(&[]).await;
    let administrator = world.bus(users::ADMINISTRATOR).await;
    streams::apply(&administrator, Sizing::default())
        .await
        .unwrap();
    let without = world.broker.extra_config().to_owned();
    let key = UserKey::generate().unwrap();
    let publisher = Publisher {
        tenant: PublisherName::new("t1").unwrap(),
        name: PublisherName::new("shop").unwrap(),
        public_key: key.public().to_owned(),
    };
    world.keys.push(("shop".to_owned(), key));
    let with = users::server_config(&world.keyed, &[publisher]);
    world.broker.reload(with).await.unwrap();
    let (client, _) = world.client("shop").await;
    let jetstream = async_nats::jetstream::new(client.clone());
    let sent = jetstream.publish("erp.t1.stock.changed", "{}".into());
    let stored = in_time("an acknowledgement", sent.await.unwrap().into_future()).await;
    assert_eq!(stored.unwrap().sequence, 1);

    world.broker.reload(without).await.unwrap();
    let gone = async {
        while client.connection_state() == async_nats::connection::State::Connected {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    in_time("the end of the connection", gone).await;
}
