//! `docs/asyncapi.yaml`: the same for programs, as AsyncAPI 3.0.
//!
//! A channel is a routing key of an exchange, or a queue. Each process sends to the former and
//! receives from the latter.
//!
//! <https://www.asyncapi.com/docs/reference/specification/v3.0.0>

use std::fmt::Write;

use saga_contract::TOPOLOGY;
use saga_core::{Exchange, ExchangeType, MessageType, Queue, QueueType};
use serde_json::{Map, Value, json};

use crate::{described, pinned, samples, schemas};

const HEAD: &str = "# Made from the code by a test: UPDATE_DOCS=1 cargo test -p saga-contract\n";
const VHOST: &str = "sagaforge";

fn document() -> Value {
    let mut channels: Map<String, Value> = Map::new();
    let mut operations = Map::new();
    for kind in TOPOLOGY.types {
        let id = route_id(kind);
        let channel = channels.entry(id.clone()).or_insert_with(|| route(kind));
        channel["messages"][kind.name] = reference(&format!("components/messages/{}", kind.name));
        let message = reference(&format!("channels/{id}/messages/{}", kind.name));
        operations.insert(format!("send_{}", kind.name), operation("send", &id, kind.source, vec![message]));
    }
    for queue in TOPOLOGY.queues.iter().filter(|queue| queue.kind == QueueType::Quorum) {
        let id = queue_id(queue);
        let names: Vec<_> = delivered(queue).map(|kind| kind.name).collect();
        channels.insert(id.clone(), queue_channel(queue, &names));
        let messages = names.iter().map(|name| reference(&format!("channels/{id}/messages/{name}"))).collect();
        operations.insert(format!("receive_{id}"), operation("receive", &id, queue.consumer, messages));
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "The pet store's messages",
            "version": "1",
            "description": "Commands and events of the order saga and of the pets, orders and supplies. docs/messages.md has an example of each.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages(), "schemas": all_schemas()},
    })
}

fn reference(to: &str) -> Value {
    json!({"$ref": format!("#/{to}")})
}

fn route_id(kind: &MessageType) -> String {
    format!("{}_{}", kind.exchange, kind.key).replace('.', "_")
}

fn queue_id(queue: &Queue) -> String {
    format!("queue_{}", queue.name.replace(['.', '-'], "_"))
}

fn delivered(queue: &Queue) -> impl Iterator<Item = &'static MessageType> {
    TOPOLOGY.types.iter().filter(move |kind| TOPOLOGY.takers(kind).any(|taker| taker.name == queue.name))
}

fn route(kind: &MessageType) -> Value {
    let is_ours = |exchange: &&Exchange| exchange.name == kind.exchange;
    let exchange_type = match TOPOLOGY.exchanges.iter().find(is_ours).unwrap().kind {
        ExchangeType::Topic => "topic",
        ExchangeType::Direct => "direct",
    };
    let exchange =
        json!({"name": kind.exchange, "type": exchange_type, "durable": true, "autoDelete": false, "vhost": VHOST});
    json!({
        "address": kind.key,
        "messages": {},
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}},
    })
}

fn queue_channel(queue: &Queue, names: &[&str]) -> Value {
    let messages: Map<_, _> =
        names.iter().map(|name| ((*name).to_owned(), reference(&format!("components/messages/{name}")))).collect();
    let amqp = json!({"name": queue.name, "durable": true, "exclusive": false, "autoDelete": false, "vhost": VHOST});
    json!({
        "address": queue.name,
        "messages": messages,
        "bindings": {"amqp": {"is": "queue", "queue": amqp, "bindingVersion": "0.3.0"}},
    })
}

fn operation(action: &str, channel: &str, process: &str, messages: Vec<Value>) -> Value {
    json!({
        "action": action,
        "channel": reference(&format!("channels/{channel}")),
        "tags": [{"name": process}],
        "messages": messages,
    })
}

fn messages() -> Map<String, Value> {
    let described = described::all();
    let of = |sample: &samples::Sample| {
        let (name, version) = (sample.message.kind.as_str(), sample.message.schema_version);
        let own = json!({
            "type": "object",
            "required": ["data"],
            "properties": {
                "type": {"const": name},
                "schemaversion": {"const": version},
                "data": {"$ref": format!("#/components/schemas/{name}")},
            },
        });
        json!({
            "name": name,
            "summary": described[sample.rust_type].doc,
            "payload": {"allOf": [{"$ref": "#/components/schemas/Envelope"}, own]},
        })
    };
    samples::all().iter().map(|sample| (sample.message.kind.clone(), of(sample))).collect()
}

fn all_schemas() -> Map<String, Value> {
    let described = described::all();
    let mut all = Map::from_iter([("Envelope".to_owned(), envelope())]);
    all.extend(schemas::values());
    for sample in samples::all() {
        all.insert(sample.message.kind.clone(), schemas::of_payload(&described[sample.rust_type]));
    }
    all
}

fn envelope() -> Value {
    let (text, uuid) = (json!({"type": "string"}), json!({"type": "string", "format": "uuid"}));
    json!({
        "type": "object",
        "description": "A CloudEvents 1.0 event with the extensions of a saga.",
        "required": ["specversion", "id", "source", "type", "subject", "time"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": uuid,
            "source": text,
            "type": text,
            "subject": text,
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"type": "string", "default": "application/json"},
            "schemaversion": {"type": "integer", "minimum": 1, "maximum": u16::MAX, "default": 1},
            "step": text,
            "epoch": {"type": "integer", "minimum": 0, "maximum": u32::MAX, "default": 0},
            "correlationid": uuid,
            "causationid": uuid,
            "sagaid": uuid,
            "aggregateversion": {"type": "integer", "minimum": 1},
            "traceparent": text,
        },
    })
}

/// Writes JSON as block YAML: every text in double quotes, in which JSON's escapes are YAML's too.
fn yaml(value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) if !fields.is_empty() => fields.iter().for_each(|(key, item)| {
            let key = if key.starts_with('$') { format!("\"{key}\"") } else { key.clone() };
            write!(out, "\n{indent}{key}:").unwrap();
            yaml(item, depth + 1, out);
        }),
        Value::Array(items) if !items.is_empty() => items.iter().for_each(|item| {
            write!(out, "\n{indent}-").unwrap();
            yaml(item, depth + 1, out);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            write!(out, " {value}").unwrap()
        }
    }
}

#[test]
fn the_asyncapi_document_says_what_the_code_says() {
    let mut body = String::new();
    yaml(&document(), 0, &mut body);
    pinned::assert_made_from_code("docs/asyncapi.yaml", &format!("{HEAD}{}\n", body.trim_start()));
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    fn check(value: &Value, root: &Value) -> usize {
        match value {
            Value::Object(fields) => fields
                .iter()
                .map(|(key, item)| match (key.as_str(), item) {
                    ("$ref", Value::String(to)) => {
                        assert!(root.pointer(to.trim_start_matches('#')).is_some(), "{to}");
                        1
                    }
                    _ => check(item, root),
                })
                .sum(),
            Value::Array(items) => items.iter().map(|item| check(item, root)).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        }
    }
    let document = document();
    assert!(check(&document, &document) > 200);
}

#[test]
fn every_process_sends_and_receives() {
    let document = document();
    for (action, process) in
        [("send", "pet-service"), ("receive", "pet-service"), ("send", "saga"), ("receive", "saga")]
    {
        let mut operations = document["operations"].as_object().unwrap().values();
        assert!(operations.any(|op| op["action"] == action && op["tags"][0]["name"] == process), "{action} {process}");
    }
}
