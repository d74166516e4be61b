//! Where a row lies.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// Where a row lies: its `ctid`, read as it was locked. Until the transaction that locked it writes it, or ends, nobody
/// moves it: so what is written next finds it there, without a search. Another row may lie there afterwards: whoever
/// writes by a place compares the key as well, by IS NOT DISTINCT FROM: a plan takes `=` for a way to search, and one
/// that was made while the table was empty for one to read all of it.
///
/// With what a [`Pool`](super::Pool)'s sessions leave a plan to choose from, a statement that joins by places goes to
/// each of them, and is linear in their number, whatever the table held when it was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place([u8; 6]);

impl<'a> FromSql<'a> for Place {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw.try_into()?))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TID
    }
}

impl ToSql for Place {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TID
    }

    to_sql_checked!();
}
