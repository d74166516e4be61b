//! `saga run order`.

use std::time::{Duration, Instant};

use clap::Args;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::screen::{print, print_json, text};
use super::show::print_story;
use super::{Client, Failure};

/// How long an order is followed.
const FOLLOW: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What to order.
#[derive(Debug, Args)]
#[command(after_help = "Example: saga run order --pet 12 --item FOOD-CAT-2KG=2 --customer ada@example.com")]
pub(super) struct Arguments {
    /// The pet's number
    #[arg(long)]
    pet: i64,
    /// A supply and how many units of it: FOOD-CAT-2KG=2; repeatable
    #[arg(long = "item", value_parser = parse_item)]
    items: Vec<(String, u32)>,
    /// The customer's e-mail address; a guest without
    #[arg(long)]
    customer: Option<String>,
    /// The idempotency key: the same key is the same order; drawn and printed when absent
    #[arg(long)]
    key: Option<String>,
    /// Only place it; do not follow it
    #[arg(long)]
    detach: bool,
}

fn parse_item(text: &str) -> Result<(String, u32), String> {
    let wrong = || format!("{text} is not SKU=NUMBER");
    let (sku, quantity) = text.rsplit_once('=').ok_or_else(wrong)?;
    Ok((sku.to_owned(), quantity.parse().map_err(|_| wrong())?))
}

pub(super) async fn run(client: &Client, arguments: Arguments) -> Result<(), Failure> {
    let key = arguments.key.clone().unwrap_or_else(drawn);
    let items: Vec<Value> =
        arguments.items.iter().map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity })).collect();
    let mut body = json!({ "petId": arguments.pet });
    if !items.is_empty() {
        body["items"] = items.into();
    }
    if let Some(customer) = &arguments.customer {
        body["customerEmail"] = customer.as_str().into();
    }
    let mut headers = vec![("Idempotency-Key", key.clone())];
    if arguments.detach {
        headers.push(("Prefer", "respond-async".to_owned()));
    }
    let (status, answer) = client.orders(Method::POST, "api/v3/store/order", &headers, Some(&body)).await?;
    eprintln!("POST /api/v3/store/order -> {}  key {key}", status.as_u16());
    let Some(saga) = answer.get("sagaId").and_then(Value::as_str).and_then(|id| id.parse::<Uuid>().ok()) else {
        return Err(refused(status, &answer));
    };
    if arguments.detach {
        return placed(client, &answer);
    }
    let story = follow(client, saga).await?;
    if client.json() {
        print_json(&json!({ "order": answer, "saga": story }))?;
    } else {
        print(&format!("order {}  {}", text(&answer, "id"), text(&answer, "uuid")));
        print_story(&story)?;
    }
    if status.is_success() { Ok(()) } else { Err(refused(status, &answer)) }
}

#[expect(clippy::disallowed_methods, reason = "a key is drawn once, at the edge, and shown")]
fn drawn() -> String {
    Uuid::new_v4().to_string()
}

fn placed(client: &Client, answer: &Value) -> Result<(), Failure> {
    if client.json() {
        return print_json(answer);
    }
    let words = [("order", "id"), ("uuid", "uuid"), ("saga", "sagaId"), ("state", "state")];
    print(&words.map(|(word, name)| format!("{word} {}", text(answer, name))).join("  "));
    Ok(())
}

/// Waits until the saga has ended, or waits for a person itself.
async fn follow(client: &Client, saga: Uuid) -> Result<Value, Failure> {
    let until = Instant::now() + FOLLOW;
    loop {
        let found = client.get::<Value>(&format!("admin/sagas/{saga}"), &[]).await;
        let story = match found {
            Ok(story) => story,
            Err(Failure::Refused { status: StatusCode::NOT_FOUND, .. }) => Value::Null,
            Err(failure) => return Err(failure),
        };
        let state = text(&story, "state");
        if matches!(state.as_str(), "completed" | "rejected" | "cancelled") {
            return Ok(story);
        }
        if state == "prepared" {
            eprintln!("the order waits for the owner's word: POST /api/v3/store/order/{{id}}/approve, with a token");
            return Ok(story);
        }
        if Instant::now() > until {
            let state = if state.is_empty() { "not started".to_owned() } else { state };
            return Err(Failure::Other(format!(
                "saga {saga} is still {state} after {} s; `saga show {saga}` shows it",
                FOLLOW.as_secs()
            )));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn refused(status: StatusCode, answer: &Value) -> Failure {
    let detail = [text(answer, "title"), text(answer, "detail")].into_iter().filter(|t| !t.is_empty());
    Failure::Refused { status, detail: detail.collect::<Vec<_>>().join(": ") }
}
