//! The load: customers and the store's owner, over HTTP like any client, at either copy.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::told::{Reply, Told};
use super::wish::{SUPPLIES, Wish, Word, price};
use crate::demo::shop::{Answer, Shop};
use crate::servers::Trouble;

/// How many there are at a time.
const AT_ONCE: usize = 6;
/// How long a customer insists on an answer before giving up.
const INSISTS: Duration = Duration::from_secs(90);
/// How many units of the supply that runs out there are for each minute.
const FEW: i64 = 20;
/// How many units of the supply that does not there are.
const MANY: i64 = 1_000_000;
/// Where the numbers of pets begin that only probes want.
const PROBES: i64 = 10_000_000;

/// Everybody who wants something of the shop.
pub(super) struct Customers {
    shops: [Shop; 2],
    seed: u64,
    pets: i64,
    next: AtomicU64,
    probes: AtomicI64,
    /// No new wishes any more.
    closing: AtomicBool,
    told: Mutex<Vec<Told>>,
    /// Answers that nobody may give.
    wrong: Mutex<Vec<String>>,
}

impl Customers {
    /// Opens the shop: puts in pets and supplies for so many minutes, while nothing is wrong yet.
    ///
    /// # Errors
    /// When a process refuses.
    pub(super) async fn open(shops: [Shop; 2], seed: u64, minutes: u64) -> Result<Self, Trouble> {
        let minutes = i64::try_from(minutes).unwrap_or(1).max(1);
        let pets = minutes * 200;
        for chunk in (1..=pets).collect::<Vec<i64>>().chunks(16) {
            let added = chunk.iter().map(async |pet| shops[0].add_pet(&pet_of(*pet)).await);
            join_all(added).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        }
        for (sku, quantity) in SUPPLIES.into_iter().zip([MANY, FEW * minutes, 0]) {
            let supply = json!({ "quantity": quantity, "price": 150, "currency": "EUR" });
            shops[0].set_stock(sku, &supply).await?;
        }
        let (next, probes, closing) = (AtomicU64::new(0), AtomicI64::new(PROBES), AtomicBool::new(false));
        let (told, wrong) = (Mutex::default(), Mutex::default());
        Ok(Self { shops, seed, pets, next, probes, closing, told, wrong })
    }

    /// Wishes, one after another, until the shop closes; everybody in it is still served.
    pub(super) async fn run(&self) {
        join_all((0..AT_ONCE).map(|_| self.one_after_another())).await;
    }

    /// Lets nobody in any more.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// How many wishes there were.
    #[must_use]
    pub(super) fn wishes(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// What everybody was told, and the answers that nobody may give.
    pub(super) async fn told(&self) -> (Vec<Told>, Vec<String>) {
        (self.told.lock().await.clone(), self.wrong.lock().await.clone())
    }

    async fn one_after_another(&self) {
        while !self.closing.load(Ordering::Relaxed) {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            let told = self.serve(Wish::of(self.seed, n, self.pets), n).await;
            self.told.lock().await.push(told);
        }
    }

    /// One customer, from the wish to the last word.
    async fn serve(&self, wish: Wish, n: u64) -> Told {
        let mut told = Told::nothing(wish.clone());
        let mut rng = Rng::with_seed(n);
        let placed = (0..wish.times).map(|time| self.place(&wish, rng.usize(..2) + time)).collect::<Vec<_>>();
        for answer in join_all(placed).await.into_iter().flatten() {
            told.number = told.number.or_else(|| answer.body.get("id").and_then(Value::as_i64));
            told.answers.push(Reply::of(Word::Place, &answer));
        }
        sleep(wish.thinks).await;
        if wish.contradicts && !told.answers.is_empty() {
            self.contradict(&wish).await;
        }
        for word in wish.then.iter().filter(|_| told.number.is_some()) {
            let number = told.number.unwrap_or_default().to_string();
            let answer = self.insist(*word, rng.usize(..2), async |shop| say(shop, *word, &number).await).await;
            told.answers.extend(answer.map(|answer| Reply::of(*word, &answer)));
        }
        told
    }

    /// Places an order and insists on the answer.
    pub(super) async fn place(&self, wish: &Wish, copy: usize) -> Option<Answer> {
        self.insist(Word::Place, copy, async |shop| shop.place(&wish.key, &wish.order).await).await
    }

    /// Puts a pet into the shop and orders it with a supply: returns once that went through, however often it takes.
    ///
    /// # Errors
    /// When an answer is wrong.
    pub(super) async fn probe(&self) -> Result<(), Trouble> {
        loop {
            let pet = self.probes.fetch_add(1, Ordering::Relaxed);
            let mut told = Told::nothing(Wish::for_probe(self.seed, pet));
            for copy in 0.. {
                // The first that came may have come through although nobody heard so.
                match self.shops[copy % 2].put_pet(&pet_of(pet)).await {
                    Ok(answer) if answer.status == 200 || answer.status == 409 => break,
                    _ => sleep(Duration::from_millis(50)).await,
                }
            }
            let Some(answer) = self.place(&told.wish, 0).await else {
                return Err(Trouble::Unmet("a rule is broken: a probe was not answered".into()));
            };
            told.number = answer.body.get("id").and_then(Value::as_i64);
            told.answers.push(Reply::of(Word::Place, &answer));
            self.told.lock().await.push(told);
            if answer.status == 200 {
                return Ok(());
            }
        }
    }

    /// Another order under the same key is refused, whatever became of the first.
    async fn contradict(&self, wish: &Wish) {
        let other = wish.other();
        let answer = self.insist(Word::Place, 1, async |shop| shop.place(&wish.key, &other).await).await;
        if let Some(answer) = answer.filter(|answer| answer.status != 422) {
            self.wrong.lock().await.push(format!("another order under the key {} was answered {answer:?}", wish.key));
        }
    }

    /// Asks one copy after the other until there is a last word, as long as a customer insists.
    async fn insist(
        &self,
        word: Word,
        first: usize,
        ask: impl AsyncFn(&Shop) -> Result<Answer, Trouble>,
    ) -> Option<Answer> {
        let (end, mut copy) = (Instant::now() + INSISTS, first);
        while Instant::now() < end {
            let shop = &self.shops[copy % 2];
            match ask(shop).await {
                Ok(answer) => match answer.status.as_u16() {
                    200 | 409 | 422 => return Some(answer),
                    202 => {}
                    503 => sleep(Duration::from_millis(200)).await,
                    _ => {
                        self.wrong.lock().await.push(format!("{word:?} was answered {answer:?}"));
                        return None;
                    }
                },
                // A copy that is down, frozen or cut off: there is another one.
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
            copy += 1;
        }
        None
    }
}

async fn say(shop: &Shop, word: Word, number: &str) -> Result<Answer, Trouble> {
    match word {
        Word::Place => shop.order(number).await,
        Word::Cancel => shop.cancel(number).await,
        Word::Approve => shop.approve(number).await,
        Word::Deliver => shop.deliver(number).await,
    }
}

fn pet_of(number: i64) -> Value {
    json!({ "id": number, "name": format!("pet {number}"), "photoUrls": [], "price": price(number), "currency": "EUR" })
}
