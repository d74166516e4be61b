//! How long messages may wait for company.

use saga_core::{Message, MessageType, Time};
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::awaited::Awaited;
use crate::handler::{Decided, Handling};
use crate::secret::Secret;
use crate::store::{Transaction, connect};

const fn of(name: &'static str, key: &'static str) -> MessageType {
    let check = |_: &Message| Ok(());
    MessageType { name, version: 1, source: "test", exchange: "things", key, must_be_taken: false, check }
}

const TYPES: &[MessageType] =
    &[of("NEWS", "news"), of("ASKED", "asked"), of("OTHER_NEWS", "both"), of("OTHER_ASKED", "both")];

/// Only takes note of news.
struct Notes;

impl Handler for Notes {
    fn handle<'a>(&'a self, _: &'a Transaction<'a>, _: &'a [&'a Message], _: Time) -> Handling<'a> {
        Box::pin(async { Ok(Decided::nothing_to_write(Vec::new())) })
    }

    fn hurries(&self, kind: &str) -> bool {
        !kind.ends_with("NEWS")
    }
}

/// Decides for sagas, and remembers what they await.
struct Sagas(Awaited);

impl Handler for Sagas {
    fn handle<'a>(&'a self, _: &'a Transaction<'a>, _: &'a [&'a Message], _: Time) -> Handling<'a> {
        Box::pin(async { Ok(Decided::nothing_to_write(Vec::new())) })
    }

    fn awaited(&self) -> Option<&Awaited> {
        Some(&self.0)
    }
}

static TOPOLOGY: Topology = Topology { exchanges: &[], queues: &[], types: TYPES };

fn delivery() -> Delivery {
    let sagas = Sagas(Awaited::default());
    sagas.0.remember(Uuid::nil(), vec!["NEWS", "ASKED"]);
    let url = Secret::new("postgres://nobody@127.0.0.1/nothing");
    Delivery {
        topology: &TOPOLOGY,
        pool: connect("DATABASE_URL", &url, "test", 1).unwrap(),
        publish: Publish::new(drop),
        handlers: BTreeMap::from([("notes", Arc::new(Notes) as Arc<dyn Handler>), ("sagas", Arc::new(sagas))]),
        retention: time::Duration::DAY,
        metrics: Arc::default(),
        stop: CancellationToken::new(),
        repeats: Repeats::default(),
    }
}

#[tokio::test]
async fn a_message_waits_only_where_all_that_comes_its_way_may() {
    let delivery = delivery();
    let company = |queue: &'static str, exchange: &str, key: &str| {
        let message = Incoming::written_down(Vec::new(), exchange.to_owned(), key.to_owned(), json!({}));
        delivery.company(queue, &message).waits
    };
    assert_eq!(company("notes", "things", "news"), Waits::ForBatch(COMPANY));
    assert_eq!(company("notes", "things", "asked"), Waits::No);
    assert_eq!(company("notes", "things", "both"), Waits::No, "who knows which of the two it is");
    assert_eq!(company("notes", "things", "unheard-of"), Waits::No);
    assert_eq!(company("notes", "elsewhere", "news"), Waits::No);
    assert_eq!(company("notes", "", "news"), Waits::No, "sent again straight into the queue: somebody waits");
    assert_eq!(company("nobodys", "things", "news"), Waits::No);
}

#[tokio::test]
async fn where_it_is_known_what_a_saga_awaits_that_says_what_waits() {
    let delivery = delivery();
    let company = |kind: &str| {
        let message = json!({ "type": kind, "sagaid": Uuid::nil() }).to_string();
        delivery.company("sagas", &Incoming::written_down(message, "things".to_owned(), "news".to_owned(), json!({})))
    };
    let Company { saga, waits } = company("ASKED");
    assert_eq!(saga, Some(Uuid::nil()));
    assert!(matches!(waits, Waits::ForAll { kind: "ASKED", all, .. } if all[..] == ["NEWS", "ASKED"]));
    assert_eq!(company("OTHER_NEWS").waits, Waits::No, "whatever its route says");
}
