//! Deterministic ids: the same input makes the same UUID, in every process and in every language.
//!
//! An id is a version 5 UUID of a namespace, an entity type, a salt and named values, byte for byte the one that the Python
//! package uuid-forge 0.1.1 makes. What that package lets collide, the default [`Forge`] refuses; what cannot be
//! reproduced is an [`Error`], never another id.
//!
//! ```
//! # fn main() -> Result<(), idforge::Error> {
//! use idforge::{Forge, Namespace, Salt, id};
//!
//! let forge = Forge::new(Namespace::from_domain("users.mycompany.com"), &Salt::new("v1")?);
//! let user = id!(forge, "user", email = "john@example.com");
//! assert_eq!(user.to_string(), "72e6f104-e6d1-5f1b-87cb-957da576b9d2");
//! # Ok(()) }
//! ```

#![forbid(unsafe_code)]

mod digest;
mod error;
mod forge;
mod guard;
mod json;
mod namespace;
mod python;
mod recipe;
mod salt;
mod value;

pub mod canonical;
pub mod config;
pub mod consistency;
pub mod prefixed;
pub mod security;

pub mod batch;
mod request;
pub mod verify;

pub use config::Config;
pub use error::Error;
pub use forge::{Forge, IdBuilder};
pub use namespace::Namespace;
pub use python::{Date, DateTime, Decimal, Fraction, Int, Offset, PYTHON_VERSION, Time, TimeDelta, UNICODE_VERSION};
pub use recipe::Recipe;
pub use request::Defaults;
pub use salt::{Fingerprint, Salt};
pub use uuid::Uuid;
pub use value::{Arg, Scalar, UuidText, Value};
