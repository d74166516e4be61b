//! Several messages in one AMQP message: the JSON batch format of CloudEvents 1.0 (section 4 of its JSON format), an array
//! of events under the content type `application/cloudevents-batch+json`.
//!
//! An AMQP message costs RabbitMQ the same however little it carries, so messages that go the same way at the same time share
//! one. Each keeps its id, its row in the inbox and its place among the parked; only the way is shared. Every consumer of
//! the runtime takes both forms.

use bytes::Bytes;
use lapin::BasicProperties;
use serde_json::value::RawValue;

/// How a batch says what it is.
pub const CONTENT_TYPE: &str = "application/cloudevents-batch+json";
/// How many messages share one at most.
pub const MOST: usize = 128;
/// How many bytes they may have together. A larger message goes alone.
pub(crate) const MOST_BYTES: usize = 128 * 1024;
/// How many somebody else may put into one; more, or more bytes, are no batch but one message that nobody understands.
const MOST_OF_OTHERS: usize = 1_000;
const MOST_BYTES_OF_OTHERS: usize = 1024 * 1024;

/// Which messages share AMQP messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Batches {
    /// None do.
    None,
    /// Those that go straight to one queue: commands.
    #[default]
    Commands,
    /// Events too; for where all who consume them can take batches. The stream cannot.
    All,
}

/// Whether an AMQP message says that it is a batch.
pub(crate) fn is_batch(properties: &BasicProperties) -> bool {
    let content_type = properties.content_type().as_ref().map_or("", |text| text.as_str());
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(CONTENT_TYPE))
}

/// The messages of a batch, byte for byte. `None`: it is none.
pub(crate) fn split(body: &Bytes) -> Option<Vec<Bytes>> {
    if body.len() > MOST_BYTES_OF_OTHERS {
        return None;
    }
    let events: Vec<&RawValue> = serde_json::from_slice(body).ok()?;
    let size = 1..=MOST_OF_OTHERS;
    size.contains(&events.len()).then(|| events.iter().map(|event| body.slice_ref(event.get().as_bytes())).collect())
}

/// A batch of messages, each of which is JSON.
pub(crate) fn join<'a>(bodies: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut joined = vec![b'['];
    for body in bodies {
        if joined.len() > 1 {
            joined.push(b',');
        }
        joined.extend_from_slice(body);
    }
    joined.push(b']');
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    #[test]
    fn an_array_of_events_is_a_batch_and_nothing_else_is() {
        let split_text = |text: &str| split(&bytes(text)).map(|bodies| bodies.concat());
        assert_eq!(
            split(&bytes(r#" [ {"a": 1} ,{"b":[2]}] "#)),
            Some(vec![bytes(r#"{"a": 1}"#), bytes(r#"{"b":[2]}"#)])
        );
        for none in ["", "[]", "{}", "[1", "[1] 2", "\"[]\"", "null"] {
            assert_eq!(split_text(none), None, "{none}");
        }
        let many = |count: usize| format!("[{}]", vec!["1"; count].join(","));
        assert!(split(&bytes(&many(MOST_OF_OTHERS))).is_some());
        assert_eq!(split(&bytes(&many(MOST_OF_OTHERS + 1))), None);
        assert_eq!(split(&bytes(&format!("[\"{}\"]", "x".repeat(MOST_BYTES_OF_OTHERS)))), None);
        assert_eq!(split(&bytes(&"[".repeat(100_000))), None);
        assert_eq!(split(&Bytes::from_static(b"[\"\xff\"]")), None);
    }

    #[test]
    fn the_content_type_says_so() {
        let with = |text: &str| BasicProperties::default().with_content_type(text.into());
        assert!(is_batch(&with(CONTENT_TYPE)));
        assert!(is_batch(&with("Application/CloudEvents-Batch+JSON; charset=utf-8")));
        assert!(!is_batch(&with(super::super::CONTENT_TYPE)));
        assert!(!is_batch(&BasicProperties::default()));
    }

    proptest! {
        #[test]
        fn what_is_joined_is_split_again_byte_for_byte(texts in prop::collection::vec("\\PC{0,20}", 1..40)) {
            let bodies: Vec<Vec<u8>> =
                texts.iter().map(|text| format!(" {} ", serde_json::json!({ "text": text })).trim().as_bytes().to_vec()).collect();
            let joined = Bytes::from(join(bodies.iter().map(Vec::as_slice)));
            prop_assert_eq!(split(&joined).unwrap(), bodies);
        }
    }
}
