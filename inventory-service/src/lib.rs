//! Supplies that orders reserve all or nothing, and how many pets the store has in each status.
//!
//! [`domain`] decides and is pure, [`store`] holds the SQL, [`messages`] and [`http`] are the two
//! ways in.

pub mod domain;
pub mod messages;
pub mod store;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The service's own migrations; the runtime's tables are not among them.
#[must_use]
pub fn migrations() -> refinery::Runner {
    embedded::migrations::runner()
}
