//! A message as it was delivered, and how several are taken out of one AMQP message.

use std::sync::Arc;

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::message::Delivery;
use saga_core::Message;
use serde_json::{Map, Value};

use super::amqp::{self, delivery_count};
use super::{Properties, batch};

/// A message as the broker delivered it. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// Its bytes, whatever they are.
    pub body: Bytes,
    /// The exchange that it was published to.
    pub exchange: String,
    /// The key that it was published with.
    pub routing_key: String,
    /// How often the broker delivered it before (`x-delivery-count`; 0 at first).
    pub delivery_count: u32,
    came: Came,
}

/// What came with the bytes.
#[derive(Debug, Clone, PartialEq)]
enum Came {
    /// The properties of its AMQP message, which it had for itself.
    Alone(Arc<BasicProperties>),
    /// Those of the AMQP message that it shared with others.
    InBatch(Arc<BasicProperties>),
    /// What was written down when it was put off or parked; an empty object, if nothing is known.
    WrittenDown(Value),
}

impl Incoming {
    /// Bytes of which nothing else is known.
    #[must_use]
    pub fn of_bytes(body: impl Into<Bytes>) -> Self {
        Self::written_down(body, String::new(), String::new(), Value::Object(Map::new()))
    }

    /// A message that was kept, with what was written down of it.
    pub(crate) fn written_down(
        body: impl Into<Bytes>,
        exchange: String,
        routing_key: String,
        properties: Value,
    ) -> Self {
        Self { body: body.into(), exchange, routing_key, delivery_count: 0, came: Came::WrittenDown(properties) }
    }

    /// Its AMQP properties and headers as JSON, to be kept when it is parked. Of a message that shared an AMQP message with
    /// others: as if it had come alone.
    #[must_use]
    pub fn properties(&self) -> Value {
        match &self.came {
            Came::Alone(properties) => amqp::to_json(properties),
            Came::InBatch(properties) => self.as_if_alone(properties),
            Came::WrittenDown(properties) => properties.clone(),
        }
    }

    fn as_if_alone(&self, batch: &BasicProperties) -> Value {
        let mut properties = amqp::to_json(batch);
        let own = Message::parse(&self.body).ok().and_then(|message| Properties::from(&message).to_json().ok());
        if let Value::Object(fields) = &mut properties {
            fields.remove("message_id");
            fields.insert("content_type".to_owned(), amqp::CONTENT_TYPE.into());
            if let Some(Value::Object(own)) = own {
                fields.extend(own);
            }
        }
        properties
    }
}

/// The messages of a delivery, in their order: one, or those of a batch.
pub(crate) fn arrived(delivery: Delivery) -> Vec<Incoming> {
    let whole = Incoming::from(delivery);
    let Came::Alone(properties) = &whole.came else { return vec![whole] };
    let bodies = if batch::is_batch(properties) { batch::split(&whole.body) } else { None };
    let Some(bodies) = bodies else { return vec![whole] };
    let of_batch = |body| Incoming { body, came: Came::InBatch(Arc::clone(properties)), ..whole.clone() };
    bodies.into_iter().map(of_batch).collect()
}

impl From<Delivery> for Incoming {
    /// What came in one AMQP message, whatever it is.
    fn from(delivery: Delivery) -> Self {
        Self {
            delivery_count: delivery_count(&delivery),
            exchange: amqp::storable(&delivery.exchange),
            routing_key: amqp::storable(&delivery.routing_key),
            came: Came::Alone(Arc::new(delivery.properties)),
            body: delivery.data.into(),
        }
    }
}
