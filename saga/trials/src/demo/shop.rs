//! The pet shop, as a client over HTTP sees it.

use std::str::FromStr;
use std::time::{Duration, Instant};

use reqwest::{Client, Method, StatusCode};
use saga::command::{Timeline, Told};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::servers::Trouble;

/// How long anything may take to come about.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const CATALOGUE: &str = include_str!("../../data/catalogue.json");

/// Clients of all four processes.
pub struct Shop {
    http: Client,
    urls: Urls,
    token: String,
}

/// Where the processes are.
#[derive(Debug, Clone)]
pub struct Urls {
    /// pet-service.
    pub pets: String,
    /// order-service.
    pub orders: String,
    /// inventory-service.
    pub inventory: String,
    /// The orchestrator.
    pub saga: String,
}

/// What the shop has when it opens.
#[derive(Debug, Deserialize)]
pub struct Catalogue {
    /// Pets, as pet-service takes them.
    pub pets: Vec<Value>,
    /// Supplies: SKU, price, currency, quantity.
    pub supplies: Vec<Value>,
}

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Value,
}

impl Answer {
    /// A field of the body as text.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        match self.body.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}

impl Shop {
    /// A client of these processes, with an operator's token.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(urls: Urls, token: &str) -> Result<Self, Trouble> {
        Self::patient(urls, token, PATIENCE)
    }

    /// The same, waiting this long for an answer.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn patient(urls: Urls, token: &str, patience: Duration) -> Result<Self, Trouble> {
        let http = Client::builder().no_proxy().timeout(patience).tcp_nodelay(true).build().map_err(unreachable)?;
        Ok(Self { http, urls, token: token.to_owned() })
    }

    /// Adds a pet, and gives its number.
    ///
    /// # Errors
    /// When pet-service refuses.
    pub async fn add_pet(&self, pet: &Value) -> Result<i64, Trouble> {
        let answer = self.put_pet(pet).await?;
        answer.body.get("id").and_then(Value::as_i64).ok_or_else(|| refused("adding a pet", &answer))
    }

    /// Adds a pet, and gives the answer whatever it is.
    ///
    /// # Errors
    /// When pet-service does not answer.
    pub async fn put_pet(&self, pet: &Value) -> Result<Answer, Trouble> {
        self.send(Method::POST, &self.urls.pets, "api/v3/pet", None, Some(pet)).await
    }

    /// A pet, as pet-service shows it.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn pet(&self, id: i64) -> Result<Answer, Trouble> {
        self.send(Method::GET, &self.urls.pets, &format!("api/v3/pet/{id}"), None, None).await
    }

    /// Sets how many units of a supply are in the store.
    ///
    /// # Errors
    /// When inventory-service refuses.
    pub async fn set_stock(&self, sku: &str, supply: &Value) -> Result<(), Trouble> {
        let path = format!("api/v3/stock/{sku}");
        let answer = self.authorized(Method::PUT, &self.urls.inventory, &path, Some(supply)).await?;
        if answer.status.is_success() { Ok(()) } else { Err(refused("setting stock", &answer)) }
    }

    /// A supply, as inventory-service shows it.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn stock(&self, sku: &str) -> Result<Answer, Trouble> {
        self.send(Method::GET, &self.urls.inventory, &format!("api/v3/stock/{sku}"), None, None).await
    }

    /// Places an order under an idempotency key and waits for what comes of it.
    ///
    /// # Errors
    /// When order-service does not answer.
    pub async fn place(&self, key: &str, order: &Value) -> Result<Answer, Trouble> {
        self.send(Method::POST, &self.urls.orders, "api/v3/store/order", Some(key), Some(order)).await
    }

    /// Cancels an order and waits until it is undone.
    ///
    /// # Errors
    /// When order-service does not answer.
    pub async fn cancel(&self, number: &str) -> Result<Answer, Trouble> {
        self.send(Method::DELETE, &self.urls.orders, &format!("api/v3/store/order/{number}"), None, None).await
    }

    /// Approves an order, as the owner.
    ///
    /// # Errors
    /// When order-service does not answer.
    pub async fn approve(&self, number: &str) -> Result<Answer, Trouble> {
        self.authorized(Method::POST, &self.urls.orders, &format!("api/v3/store/order/{number}/approve"), None).await
    }

    /// Tells that the customer has it, as the owner.
    ///
    /// # Errors
    /// When order-service does not answer.
    pub async fn deliver(&self, number: &str) -> Result<Answer, Trouble> {
        self.authorized(Method::POST, &self.urls.orders, &format!("api/v3/store/order/{number}/deliver"), None).await
    }

    /// An order, as order-service shows it.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn order(&self, number: &str) -> Result<Answer, Trouble> {
        self.send(Method::GET, &self.urls.orders, &format!("api/v3/store/order/{number}"), None, None).await
    }

    /// The timeline of a saga, once it has ended.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn ended(&self, saga: &str) -> Result<(Value, Timeline), Trouble> {
        let (story, timeline) = until(&format!("saga {saga} to end"), async || {
            let answer = self.send(Method::GET, &self.urls.saga, &format!("admin/sagas/{saga}"), None, None).await?;
            let ended = ["completed", "rejected", "cancelled"].contains(&answer.text("state").as_str());
            let told: Vec<Told> =
                answer.body.get("timeline").map(Vec::deserialize).transpose().unwrap_or_default().unwrap_or_default();
            Ok(ended.then(|| (answer.body, Timeline::of(&told))))
        })
        .await?;
        Ok((story, timeline))
    }

    /// The parked messages of a process.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn parked(&self) -> Result<Vec<Value>, Trouble> {
        let answer = self.send(Method::GET, &self.urls.inventory, "admin/parked?limit=1000", None, None).await?;
        Ok(answer.body.get("parked").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    /// How many duplicates all processes have met and dropped since they started.
    ///
    /// # Errors
    /// When one does not answer.
    pub async fn duplicates(&self) -> Result<u64, Trouble> {
        Ok(self.metrics().await?.iter().map(|page| counted(page, "inbox_duplicates_total")).sum())
    }

    /// The metrics pages of all four processes.
    ///
    /// # Errors
    /// When one does not answer.
    pub async fn metrics(&self) -> Result<[String; 4], Trouble> {
        let urls = &self.urls;
        let mut pages = [const { String::new() }; 4];
        for (page, url) in pages.iter_mut().zip([&urls.pets, &urls.orders, &urls.inventory, &urls.saga]) {
            *page = self.send(Method::GET, url, "metrics", None, None).await?.body.as_str().unwrap_or_default().into();
        }
        Ok(pages)
    }

    async fn authorized(&self, method: Method, url: &str, path: &str, body: Option<&Value>) -> Result<Answer, Trouble> {
        let request = self.http.request(method, format!("{url}/{path}")).bearer_auth(&self.token);
        let request = body.map_or_else(|| request.try_clone(), |body| Some(request.try_clone()?.json(body)));
        answer(request.ok_or_else(|| Trouble::Unmet("the request cannot be made".into()))?).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, Trouble> {
        let mut request = self.http.request(method, format!("{url}/{path}"));
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        answer(request).await
    }
}

impl Catalogue {
    /// The one that ships with the project.
    ///
    /// # Errors
    /// When its file is no catalogue.
    pub fn read() -> Result<Self, Trouble> {
        serde_json::from_str(CATALOGUE).map_err(|error| Trouble::Unmet(format!("data/catalogue.json: {error}")))
    }
}

/// An order for a pet, and perhaps supplies.
#[must_use]
pub fn order(pet: i64, customer: &str, items: &[(&str, u32)]) -> Value {
    let items: Vec<Value> = items.iter().map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity })).collect();
    json!({ "petId": pet, "customerEmail": customer, "items": items })
}

/// What a metrics page says under that name, labels and all.
#[must_use]
pub fn metric<N: FromStr>(page: &str, name: &str) -> Option<N> {
    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The counter of that name on a metrics page; 0 if it is not there.
#[must_use]
pub fn counted(page: &str, name: &str) -> u64 {
    metric(page, name).unwrap_or_default()
}

/// Asks again and again until there is an answer.
///
/// # Errors
/// When asking fails, or patience ends.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<Option<T>, Trouble>) -> Result<T, Trouble> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if Instant::now() > end {
            return Err(Trouble::Unmet(format!("waited {} s in vain for {what}", PATIENCE.as_secs())));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Answer, Trouble> {
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let text = response.text().await.map_err(unreachable)?;
    Ok(Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
}

fn unreachable(error: reqwest::Error) -> Trouble {
    Trouble::Unmet(format!("a process does not answer: {error}"))
}

fn refused(doing: &str, answer: &Answer) -> Trouble {
    Trouble::Unmet(format!("{doing}: {} {}", answer.status, answer.body))
}
