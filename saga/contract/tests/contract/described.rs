//! What the sources say of each payload: the doc comments of the struct and of its fields.

use std::collections::BTreeMap;

use crate::pinned;

const SOURCES: [&str; 4] = [
    "saga/contract/src/messages/pet.rs",
    "saga/contract/src/messages/order.rs",
    "saga/contract/src/messages/inventory.rs",
    "saga/core/src/events.rs",
];

/// A struct with named fields.
#[derive(Default)]
pub(crate) struct Described {
    pub(crate) doc: String,
    pub(crate) fields: Vec<Field>,
}

/// One field, by its name on the wire.
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) rust_type: String,
    pub(crate) optional: bool,
    pub(crate) doc: String,
}

/// Every struct of the messages' sources, by its name in Rust.
pub(crate) fn all() -> BTreeMap<String, Described> {
    let mut all = BTreeMap::new();
    for source in SOURCES {
        let text = pinned::read(source);
        let mut scan = Scan::default();
        text.lines().for_each(|line| scan.line(line, &mut all));
    }
    all
}

#[derive(Default)]
struct Scan {
    doc: Vec<String>,
    camel_case: bool,
    has_default: bool,
    open: Option<(String, Described)>,
}

impl Scan {
    fn line(&mut self, line: &str, all: &mut BTreeMap<String, Described>) {
        let text = line.trim();
        if let Some(doc) = text.strip_prefix("///") {
            self.doc.push(doc.trim().to_owned());
        } else if text.starts_with("#[") {
            self.camel_case |= text.contains("rename_all = \"camelCase\"");
            self.has_default |= text.contains("default");
        } else if let Some(rest) = text.strip_prefix("pub struct ") {
            let name = rest.split([' ', '<', '(']).next().unwrap().to_owned();
            self.open = Some((name, Described { doc: self.take_doc(), fields: Vec::new() }));
        } else if let (Some(rest), true) = (text.strip_prefix("pub "), self.open.is_some()) {
            self.field(rest);
        } else {
            if text == "}" {
                all.extend(self.open.take());
                self.camel_case = false;
            }
            self.doc.clear();
        }
    }

    fn field(&mut self, rest: &str) {
        let (name, rust_type) = rest.trim_end_matches(',').split_once(": ").unwrap();
        let name = if self.camel_case { camel_case(name) } else { name.to_owned() };
        let doc = self.take_doc();
        let optional = std::mem::take(&mut self.has_default);
        let field = Field { name, rust_type: rust_type.to_owned(), optional, doc };
        self.open.as_mut().unwrap().1.fields.push(field);
    }

    fn take_doc(&mut self) -> String {
        std::mem::take(&mut self.doc).join(" ").replace("[`", "`").replace("`]", "`")
    }
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap().to_owned();
    words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

#[test]
fn the_sources_tell_of_every_payload_and_of_every_field() {
    let all = all();
    for sample in crate::samples::all() {
        let described = &all[sample.rust_type];
        assert!(!described.doc.is_empty(), "{}", sample.rust_type);
        assert!(described.fields.iter().all(|field| !field.doc.is_empty()), "{}", sample.rust_type);
        let written = sample.message.data.as_object().unwrap().keys();
        let fields: Vec<_> = described.fields.iter().map(|field| field.name.as_str()).collect();
        assert!(written.clone().all(|key| fields.contains(&key.as_str())), "{}", sample.rust_type);
        assert_eq!(written.count(), fields.len(), "the sample of {} shows every field", sample.rust_type);
    }
}
