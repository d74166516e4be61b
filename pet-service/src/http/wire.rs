//! The documents of the API: the Petstore's own fields, and our extensions beside them.

use saga_contract::PetStatus;
use saga_runtime::http::object;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use uuid::Uuid;

use crate::domain::{Draft, Pet, Tag};
use crate::store::Standing;

/// A pet. `price`, `currency`, `uuid` and `version` extend the Petstore.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Pet)]
pub struct PetDocument {
    /// Its number, 1 to 2^53 - 1. A new pet without one, or with 0, gets a free one; the number of
    /// a deleted pet is never given again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = Int64, example = 10)]
    pub id: Option<i64>,
    /// Its name.
    #[schema(min_length = 1, max_length = 200, example = "doggie")]
    pub name: String,
    /// Its category. An update without one takes it away.
    #[serde(default, deserialize_with = "object::optional", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub category: Option<CategoryDocument>,
    /// Where pictures of it are; may be empty. Each address has at most 1000 characters.
    #[schema(max_items = 50)]
    pub photo_urls: Vec<String>,
    /// Its tags. An update without them takes them away.
    #[serde(default, deserialize_with = "object::optional_list", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 50)]
    pub tags: Option<Vec<TagDocument>>,
    /// Pet status in the store. It follows the pet's orders: a client may name the present one, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false, schema_with = status_schema)]
    pub status: Option<Status>,
    /// What it costs, in minor units of the currency. A new pet without a price costs 0; an update
    /// without one leaves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = Int64, minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 25000)]
    pub price: Option<i64>,
    /// The currency of the price, ISO 4217. A new pet without one has EUR; an update without one
    /// leaves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[A-Z]{3}$", example = "EUR")]
    pub currency: Option<String>,
    /// Its id in messages and in the other services. Ignored in requests.
    #[serde(default, deserialize_with = "ignored", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, read_only)]
    pub uuid: Option<Uuid>,
    /// How often it has changed, its birth included. Ignored in requests.
    #[serde(default, deserialize_with = "ignored", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, read_only, format = Int64, minimum = 1)]
    pub version: Option<u64>,
}

/// A category of pets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Category)]
pub struct CategoryDocument {
    /// Its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = Int64, example = 1)]
    pub id: Option<i64>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 200, example = "Dogs")]
    pub name: Option<String>,
}

/// A word that pets are grouped by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Tag)]
pub struct TagDocument {
    /// Its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = Int64)]
    pub id: Option<i64>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 200)]
    pub name: Option<String>,
}

/// Where a pet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Anybody may order it.
    Available,
    /// Reserved by an order.
    Pending,
    /// Sold.
    Sold,
}

/// Where a pet stands, for rebuilding a read model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PetStanding)]
pub struct StandingDocument {
    /// The pet's number.
    #[schema(format = Int64)]
    pub id: i64,
    /// Its id in messages.
    pub uuid: Uuid,
    /// `available`, `pending`, `sold` or `deleted`.
    pub status: String,
    /// The version of the pet that this was true of; a message with a higher one is newer.
    #[schema(format = Int64)]
    pub version: i64,
}

/// As the Petstore has it: in place, with our words on who sets it.
fn status_schema() -> Object {
    let words = "Pet status in the store. It follows the pet's orders: a client may name the present one, or none.";
    let names = PetStatus::ALL.map(PetStatus::as_str);
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).description(Some(words)).build()
}

/// Reads a field that only we set, whatever it holds: it is in the document, so that clients know
/// it, and in requests it says nothing.
fn ignored<'de, T, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| None)
}

impl PetDocument {
    /// Whether a text of it contains U+0000, which cannot be stored.
    #[must_use]
    pub fn contains_nul(&self) -> bool {
        let category = self.category.iter().filter_map(|category| category.name.as_ref());
        let tags = self.tags.iter().flatten().filter_map(|tag| tag.name.as_ref());
        let mut texts = category.chain(tags).chain(&self.photo_urls).chain(&self.currency).chain([&self.name]);
        texts.any(|text| text.contains('\0'))
    }
}

impl From<PetDocument> for Draft {
    fn from(document: PetDocument) -> Self {
        let PetDocument { name, category, photo_urls, tags, status, price, currency, .. } = document;
        let category = category.map(|CategoryDocument { id, name }| saga_contract::Category { id, name });
        let tags = tags.into_iter().flatten().map(|TagDocument { id, name }| Tag { id, name }).collect();
        Self { name, category, photo_urls, tags, price, currency, status: status.map(PetStatus::from) }
    }
}

impl From<Pet> for PetDocument {
    fn from(pet: Pet) -> Self {
        let status = pet.state.status().map(Status::from);
        let entry = pet.entry;
        Self {
            id: Some(pet.number.get()),
            name: entry.name,
            category: entry.category.map(|category| CategoryDocument { id: category.id, name: category.name }),
            photo_urls: entry.photo_urls,
            tags: Some(entry.tags.into_iter().map(|tag| TagDocument { id: tag.id, name: tag.name }).collect()),
            status,
            price: Some(entry.price.amount()),
            currency: Some(entry.price.currency().to_string()),
            uuid: Some(pet.id),
            version: Some(pet.version),
        }
    }
}

impl From<Standing> for StandingDocument {
    fn from(standing: Standing) -> Self {
        let Standing { number, id, status, version } = standing;
        Self { id: number, uuid: id, status, version }
    }
}

impl From<Status> for PetStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Available => Self::Available,
            Status::Pending => Self::Pending,
            Status::Sold => Self::Sold,
        }
    }
}

impl From<PetStatus> for Status {
    fn from(status: PetStatus) -> Self {
        match status {
            PetStatus::Available => Self::Available,
            PetStatus::Pending => Self::Pending,
            PetStatus::Sold => Self::Sold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_only_has_what_the_petstore_requires_is_read() {
        let document: PetDocument = serde_json::from_str(r#"{"name": "Miso", "photoUrls": []}"#).unwrap();
        assert_eq!(Draft::from(document), Draft { name: "Miso".to_owned(), ..Draft::default() });
        assert!(serde_json::from_str::<PetDocument>(r#"{"name": "Miso"}"#).is_err(), "photoUrls is required");
        assert!(serde_json::from_str::<PetDocument>(r#"{"photoUrls": []}"#).is_err(), "name is required");
    }

    #[test]
    fn unknown_fields_and_those_that_only_we_set_are_ignored() {
        let json =
            r#"{"name": "M", "photoUrls": [], "uuid": 7, "version": "x", "colour": {"deep": [1]}, "tags": null}"#;
        let document: PetDocument = serde_json::from_str(json).unwrap();
        assert_eq!((document.uuid, document.version, document.tags), (None, None, None));
    }

    #[test]
    fn a_nul_is_found_wherever_it_hides() {
        let name = |name: &str| Some(name.to_owned());
        let hidden = [
            PetDocument { name: "a\0".to_owned(), ..PetDocument::default() },
            PetDocument { currency: name("\0"), ..PetDocument::default() },
            PetDocument { photo_urls: vec!["\0".to_owned()], ..PetDocument::default() },
            PetDocument { tags: Some(vec![TagDocument { id: None, name: name("\0") }]), ..PetDocument::default() },
            PetDocument { category: Some(CategoryDocument { id: None, name: name("\0") }), ..PetDocument::default() },
        ];
        assert!(hidden.iter().all(PetDocument::contains_nul));
        assert!(!PetDocument { name: "\u{1}".to_owned(), ..PetDocument::default() }.contains_nul());
    }
}
