//! JSON objects that are objects: serde reads a struct out of an array as well, field by field in
//! order, and nobody means that who sends one.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// What was read from a JSON object, and nothing else.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// For a field that holds an object, or null.
///
/// # Errors
/// When it holds something else.
pub fn optional<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let object: Option<Object<T>> = Option::deserialize(deserializer)?;
    Ok(object.map(|Object(value)| value))
}

/// For a field that holds a list of objects, or null.
///
/// # Errors
/// When it holds something else.
pub fn optional_list<'de, T, D>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let objects: Option<Vec<Object<T>>> = Option::deserialize(deserializer)?;
    Ok(objects.map(|objects| objects.into_iter().map(|Object(value)| value).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Point {
        x: i64,
        y: i64,
    }

    #[test]
    fn an_object_is_read_and_an_array_is_not() {
        let read = |json: &str| serde_json::from_str::<Object<Point>>(json).map(|Object(point)| point);
        assert_eq!(read(r#"{"x": 1, "y": 2, "z": [3]}"#).unwrap(), Point { x: 1, y: 2 });
        assert!(serde_json::from_str::<Point>("[1, 2]").is_ok(), "what serde does by itself");
        let error = read("[1, 2]").unwrap_err().to_string();
        assert_eq!(error, "invalid type: sequence, expected a JSON object at line 1 column 0");
    }
}
