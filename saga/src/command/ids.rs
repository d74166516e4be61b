//! `saga ids`: every id of an order, before it exists.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use idforge::Salt;
use saga_contract::{DEFAULT_DOMAIN, Names, order_saga_id};
use saga_core::{Definition, Direction, Ids, Start};
use saga_runtime::Secret;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::screen::{print, print_json};
use super::{Failure, To};
use crate::order_saga::order_saga;

/// Ids before they exist.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Every id of an order and its saga
    #[command(after_help = "Example: saga ids order --customer ada@example.com --key my-first-order")]
    Order(Order),
}

/// Which order.
#[derive(Debug, Args)]
pub(super) struct Order {
    /// The customer's e-mail address; a guest without
    #[arg(long)]
    customer: Option<String>,
    /// The idempotency key
    #[arg(long)]
    key: String,
    #[command(flatten)]
    salted: Salted,
}

/// What ids are forged with.
#[derive(Debug, Args)]
pub(super) struct Salted {
    /// The salt of the system
    #[arg(long, env = "UUID_FORGE_SALT", hide_env_values = true)]
    salt: Option<Secret>,
    /// The domain of the ids' namespaces
    #[arg(long, env = "SAGA_DOMAIN", default_value = DEFAULT_DOMAIN)]
    domain: String,
}

impl Salted {
    fn salt(&self) -> Result<Salt, Failure> {
        let missing = || Failure::Usage("ids are forged with the system's salt: set UUID_FORGE_SALT".to_owned());
        Salt::new(self.salt.as_ref().ok_or_else(missing)?.expose()).map_err(|error| Failure::Usage(error.to_string()))
    }

    /// The id of a customer.
    ///
    /// # Errors
    /// [`Failure::Usage`]: no salt, or no address.
    pub(super) fn user(&self, email: &str) -> Result<Uuid, Failure> {
        let names = Names::new(&self.salt()?, &self.domain);
        names.user(email).map_err(|error| Failure::Usage(format!("{email}: {error}")))
    }
}

pub(super) fn run(to: &To, Command::Order(order): Command) -> Result<(), Failure> {
    let (salt, domain) = (order.salted.salt()?, &order.salted.domain);
    let (names, ids) = (Names::new(&salt, domain), Ids::new(&salt, domain));
    let user = match &order.customer {
        Some(email) => order.salted.user(email)?,
        None => names.guest(&order.key),
    };
    let id = names.order(user, &order.key);
    let saga = order_saga_id(&ids, user, id);
    let mut rows = vec![("user".to_owned(), user), ("order".to_owned(), id), ("saga".to_owned(), saga)];
    rows.push(("correlation".to_owned(), ids.correlation(saga)));
    let definition = order_saga(&ids, 0).map_err(Failure::other)?;
    rows.push((definition.starts_on.to_owned(), ids.event_at(&id.to_string(), 1, definition.starts_on)));
    rows.extend(messages(&ids, &definition, saga));
    if to.json {
        let rows: Map<String, Value> = rows.into_iter().map(|(name, id)| (name, id.to_string().into())).collect();
        return print_json(&rows);
    }
    rows.iter().for_each(|(name, id)| print(&format!("{name:<24} {id}")));
    Ok(())
}

/// Each step's request and answers, and its undo: what each would be called, if it came to be.
fn messages(ids: &Ids, definition: &Definition, saga: Uuid) -> Vec<(String, Uuid)> {
    let (mut rows, mut done): (Vec<(String, Uuid)>, BTreeMap<&str, Uuid>) = (Vec::new(), BTreeMap::new());
    for step in definition.steps {
        let request = match step.start {
            Start::Command { kind, .. } => {
                let id = ids.command(saga, step.name, Direction::Do, 0);
                rows.push((kind.to_owned(), id));
                id
            }
            Start::Event { of, .. } => match done.get(of) {
                Some(id) => *id,
                None => continue,
            },
            Start::Wait => continue,
        };
        let answer = ids.event_caused(request, step.done);
        done.insert(step.name, answer);
        rows.push((step.done.to_owned(), answer));
        rows.extend(step.refused.map(|kind| (kind.to_owned(), ids.event_caused(request, kind))));
        if let Some(undo) = step.undo {
            let id = ids.command(saga, step.name, Direction::Undo, 0);
            rows.push((undo.kind.to_owned(), id));
            rows.extend(undo.undone.iter().map(|kind| ((*kind).to_owned(), ids.event_caused(id, kind))));
        }
    }
    rows
}
