//! What a transaction writes last: known before any of it is sent, so that COMMIT travels with it.

use std::borrow::Cow;

use futures_util::future::join_all;
use tokio_postgres::types::ToSql;

use super::{Param, Statements, cause, query};
use crate::error::StoreError;

/// A value that is kept until its statement is sent; see [`values!`](crate::values).
pub type Value = Box<dyn ToSql + Sync + Send>;

/// The values of a statement, `$1` first.
#[macro_export]
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$(Box::new($value) as $crate::store::Value),*] };
}

/// Statements of which none needs the answer to another. They are sent together and run in their order.
#[derive(Debug, Default)]
pub struct Writes(Vec<Write>);

#[derive(Debug)]
struct Write {
    sql: Cow<'static, str>,
    values: Vec<Value>,
}

impl Writes {
    /// Adds a statement.
    pub fn add(&mut self, sql: &'static str, values: Vec<Value>) {
        self.0.push(Write { sql: sql.into(), values });
    }

    /// Adds a statement that changes rows that were locked. Nothing of the transaction happens unless it finds so many:
    /// the server counts them, as COMMIT is on its way by then.
    pub fn add_exactly(&mut self, rows: usize, sql: &str, mut values: Vec<Value>) {
        values.push(Box::new(i64::try_from(rows).unwrap_or(i64::MAX)));
        let expected = values.len();
        let sql = format!("WITH changed AS ({sql} RETURNING 1) SELECT expect_rows(count(*), ${expected}) FROM changed");
        self.0.push(Write { sql: sql.into(), values });
    }

    /// These, and those behind them.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Sends them all, and waits until all are run.
    ///
    /// # Errors
    /// [`StoreError`], the cause first: what was sent behind a statement that failed only hears that the transaction is
    /// aborted.
    pub async fn send(self, on: &impl Statements) -> Result<(), StoreError> {
        let run = |write: Write| async move {
            let params: Vec<Param<'_>> = write.values.iter().map(|value| &**value as Param<'_>).collect();
            query(on, &write.sql, &params).await
        };
        let answers = join_all(self.0.into_iter().map(run)).await;
        answers.into_iter().filter_map(Result::err).reduce(cause).map_or(Ok(()), Err)
    }
}
