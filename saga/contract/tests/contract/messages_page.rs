//! `docs/messages.md`: the types with their routes, fields and golden examples.

use std::fmt::Write;

use saga_contract::TOPOLOGY;
use saga_core::{MessageType, QueueType};

use crate::described::{self, Described, Field};
use crate::{golden, pinned, samples, schemas};

const INTRODUCTION: &str = "\
# Messages

Made from the code by a test: change the code, then run `UPDATE_DOCS=1 cargo test -p saga-contract`.

Each message is a CloudEvents 1.0 event in JSON. It comes alone, or in a JSON array of several that go to the same queue at the
same time, under the content type `application/cloudevents-batch+json`: commands do, and events that are sent again straight into a
queue, unless `SAGA_BATCHES` says otherwise. What differs from type to type is `data`, described below; the envelope around it is
the same for all, here that of PET_RESERVED:

";

const ENVELOPE: &str = "
- `id` is computed from what led to the message ([ids](ids.md)), so whoever makes it twice makes the same id.
- `subject` is the aggregate that it is about. A command, and an event of the saga itself, is about the order.
- `step` and `epoch` (absent: 0) say which step, and which run of it, a message starts or answers. A participant copies
  `step`, `epoch`, `sagaid`, `correlationid` and `traceparent` from the request, and puts the request's `id` into `causationid`.
- `aggregateversion` is the aggregate's version after the change, and absent when nothing changed.
- A reader ignores fields that it does not know. A field may be added without a new `schemaversion`; a change that a
  reader would misunderstand gets a new one, and a reader that does not know it yet parks the message.

Ids are UUIDs: `order` and `pet` are computed, `orderId` and `petId` are the public numbers. Amounts of money are whole minor
units (cents). Of a customer no message says more than the id.

";

fn page() -> String {
    let described = described::all();
    let mut page = String::from(INTRODUCTION);
    let envelope = serde_json::to_string_pretty(&golden::newest("PET_RESERVED")).unwrap();
    write!(page, "```json\n{envelope}\n```\n{ENVELOPE}").unwrap();
    page.push_str("| type | made by | exchange | routing key | taken by |\n|---|---|---|---|---|\n");
    for kind in TOPOLOGY.types {
        let MessageType { name, source, exchange, key, .. } = kind;
        let anchor = name.to_lowercase();
        writeln!(page, "| [{name}](#{anchor}) | {source} | `{exchange}` | `{key}` | {} |", takers(kind)).unwrap();
    }
    page.push_str("\nEvery event also goes to the stream `event-log`.\n");
    for sample in samples::all() {
        let kind = TOPOLOGY.message_type(&sample.message.kind).unwrap();
        section(&mut page, kind, &described[sample.rust_type]);
    }
    values(&mut page);
    page
}

fn takers(kind: &MessageType) -> String {
    let queues = TOPOLOGY.takers(kind).filter(|queue| queue.kind == QueueType::Quorum);
    let names: Vec<_> = queues.map(|queue| format!("`{}`", queue.name)).collect();
    if names.is_empty() { "whoever listens".to_owned() } else { names.join(" ") }
}

fn section(page: &mut String, kind: &MessageType, described: &Described) {
    let golden = golden::newest(kind.name);
    let file = golden::file_name(kind.name, kind.version);
    write!(page, "\n## {}\n\n{}\n\n", kind.name, described.doc).unwrap();
    page.push_str("| field | type | meaning |\n|---|---|---|\n");
    described.fields.iter().for_each(|field| row(page, field));
    let data = serde_json::to_string_pretty(&golden.data).unwrap();
    let step = golden.step.as_ref().map(|step| format!(", step `{step}`")).unwrap_or_default();
    let link = format!("../saga/contract/golden/{file}");
    write!(page, "\nVersion {}{step}; [the whole message]({link}). `data`:\n\n```json\n{data}\n```\n", kind.version)
        .unwrap();
}

fn row(page: &mut String, field: &Field) {
    let optional = if field.optional { ", may be absent" } else { "" };
    let kind = match schemas::plain(&field.rust_type) {
        "Value" => "any JSON".to_owned(),
        "String" => "text".to_owned(),
        "Uuid" => "UUID".to_owned(),
        name => format!("[{name}](#values)"),
    };
    writeln!(page, "| `{}` | {kind}{optional} | {} |", field.name, field.doc).unwrap();
}

fn values(page: &mut String) {
    page.push_str("\n## Values\n\nAs JSON schemas. A message with a value outside of these bounds is parked.\n\n");
    page.push_str("| type | schema |\n|---|---|\n");
    for (name, schema) in schemas::values() {
        let schema = schema.to_string().replace("#/components/schemas/", "#").replace('|', "\\|");
        writeln!(page, "| {name} | `{schema}` |").unwrap();
    }
}

#[test]
fn the_page_of_messages_says_what_the_code_says() {
    pinned::assert_made_from_code("docs/messages.md", &page());
}

#[test]
fn the_page_shows_each_type_with_an_example() {
    let page = page();
    for kind in TOPOLOGY.types {
        assert_eq!(page.matches(&format!("\n## {}\n", kind.name)).count(), 1, "{}", kind.name);
    }
    assert_eq!(page.matches("```json").count(), TOPOLOGY.types.len() + 1);
}
