//! Clients that wait for the outcome of an order.
//!
//! The outcome is a row, so any copy of this process can answer, whichever copy consumed the
//! message that brought it. A waiter hears of it in three ways, each a net under the one before:
//!
//! 1. the copy that consumed it hands it on from memory, right after its commit ([`Waiters::tell`]);
//! 2. of what nobody waits for there, it rings for the other copies ([`ring`]): one NOTIFY for all that was committed
//!    meanwhile, on a connection of its own; inside the business transaction it would be a lock that all commits share;
//! 3. each copy looks every [`LOOK_EVERY`] at all orders for which somebody waits ([`look`]).
//!
//! Nobody waits for a message, only for the row: whatever is lost on the way costs at most that long.

mod bell;
mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::domain::Request;

pub use bell::ring;
pub use look::{LOOK_EVERY, look};

/// How many orders may be kept to tell other copies of.
const MOST_TO_TELL: usize = 10_000;

/// Those who wait in this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Waiters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    table: Mutex<Table>,
    /// There is something to look at.
    woken: Notify,
    /// There is something to tell other copies.
    told: Notify,
}

#[derive(Debug, Default)]
struct Table {
    seats: usize,
    /// Nobody looks any longer.
    closed: bool,
    orders: BTreeMap<Uuid, Awaited>,
    woken: BTreeSet<Uuid>,
    to_tell: BTreeSet<Uuid>,
}

/// An order for which somebody waits.
#[derive(Debug)]
struct Awaited {
    seats: usize,
    news: watch::Sender<Option<Arc<Request>>>,
}

impl Awaited {
    /// The version that is known here; 0 if none is.
    fn version(&self) -> u64 {
        self.news.borrow().as_ref().map_or(0, |request| request.version)
    }

    /// A row that was read before a commit may come after what was committed.
    fn bring(&self, request: Request) {
        self.news.send_if_modified(|known| {
            let newer = known.as_ref().is_none_or(|known| known.version < request.version);
            if newer {
                *known = Some(Arc::new(request));
            }
            newer
        });
    }
}

/// A place to wait for one order; given back when dropped.
#[derive(Debug)]
pub struct Seat {
    waiters: Waiters,
    order: Uuid,
    news: watch::Receiver<Option<Arc<Request>>>,
}

/// As many wait as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many clients are waiting for orders")]
pub struct Full;

impl Waiters {
    /// Room for `limit` clients.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let table = Mutex::default();
        Self(Arc::new(Inner { limit, table, woken: Notify::new(), told: Notify::new() }))
    }

    /// Takes a seat for an order. Do so before what you wait for can happen, or [`Seat::look`] after.
    ///
    /// # Errors
    /// [`Full`].
    pub fn sit(&self, order: Uuid) -> Result<Seat, Full> {
        let mut table = self.table();
        if table.seats >= self.0.limit {
            return Err(Full);
        }
        table.seats += 1;
        if table.closed {
            let (_, news) = watch::channel(None);
            return Ok(Seat { waiters: self.clone(), order, news });
        }
        let awaited = table.orders.entry(order).or_insert_with(|| Awaited { seats: 0, news: watch::Sender::new(None) });
        awaited.seats += 1;
        let news = awaited.news.subscribe();
        Ok(Seat { waiters: self.clone(), order, news })
    }

    /// How many wait.
    #[must_use]
    pub fn seated(&self) -> usize {
        self.table().seats
    }

    /// These orders were decided, and that is committed: their waiters have it at once if they are here, and other copies
    /// are told if they are not.
    pub fn tell(&self, decided: Vec<Request>) {
        let elsewhere = self.bring(decided);
        if elsewhere.is_empty() {
            return;
        }
        let mut table = self.table();
        // Nobody rings while the connection is lost; other copies look by themselves.
        if table.to_tell.len() >= MOST_TO_TELL {
            return;
        }
        table.to_tell.extend(elsewhere);
        drop(table);
        self.0.told.notify_one();
    }

    /// Waiters of these orders look at once, if there are any here.
    fn look_at(&self, orders: impl IntoIterator<Item = Uuid>) {
        let mut table = self.table();
        let Table { orders: awaited, woken, .. } = &mut *table;
        woken.extend(orders.into_iter().filter(|order| awaited.contains_key(order)));
        if !woken.is_empty() {
            self.0.woken.notify_one();
        }
    }

    fn look_at_all(&self) {
        let all: Vec<Uuid> = self.table().orders.keys().copied().collect();
        self.look_at(all);
    }

    /// The orders that were woken and are still awaited, each with the version that is known of it.
    fn take_woken(&self) -> Vec<(Uuid, u64)> {
        let mut table = self.table();
        let woken = std::mem::take(&mut table.woken);
        woken.into_iter().filter_map(|order| Some((order, table.orders.get(&order)?.version()))).collect()
    }

    /// The process is stopping: whoever waits, now or later, is sent away without an answer.
    fn close(&self) {
        let mut table = self.table();
        table.closed = true;
        table.orders.clear();
    }

    /// Hands orders to those who wait for them; says for which of them nobody does.
    fn bring(&self, news: Vec<Request>) -> Vec<Uuid> {
        let (table, mut unawaited) = (self.table(), Vec::new());
        for request in news {
            match table.orders.get(&request.order) {
                Some(awaited) => awaited.bring(request),
                None => unawaited.push(request.order),
            }
        }
        unawaited
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while it is held; and if it did, what it holds would still be true.
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Has the order looked at once: for those who sat down late.
    pub fn look(&self) {
        self.waiters.look_at([self.order]);
    }

    /// Waits until `decided` has an answer, at most until the deadline or until the process stops.
    pub async fn until<T>(&mut self, deadline: Instant, decided: impl Fn(&Request) -> Option<T>) -> Option<T> {
        loop {
            let news = self.news.borrow_and_update().clone();
            if let Some(answer) = news.as_deref().and_then(&decided) {
                return Some(answer);
            }
            timeout_at(deadline, self.news.changed()).await.ok()?.ok()?;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.waiters.table();
        table.seats -= 1;
        if let Some(awaited) = table.orders.get_mut(&self.order) {
            awaited.seats -= 1;
            if awaited.seats == 0 {
                table.orders.remove(&self.order);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::request_tests::request;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn all_who_wait_for_an_order_get_its_news() {
        let waiters = Waiters::new(10);
        let request = request();
        let (mut one, mut two) = (waiters.sit(request.order).unwrap(), waiters.sit(request.order).unwrap());
        let mut other = waiters.sit(Uuid::nil()).unwrap();
        waiters.bring(vec![request.clone()]);
        assert_eq!(one.until(soon(), |r| Some(r.number)).await, Some(request.number));
        assert_eq!(two.until(soon(), |r| Some(r.number)).await, Some(request.number));
        assert_eq!(other.until(Instant::now(), |r| Some(r.number)).await, None, "its deadline has passed");
    }

    #[tokio::test]
    async fn news_that_decide_nothing_are_waited_past() {
        let waiters = Waiters::new(1);
        let mut request = request();
        let mut seat = waiters.sit(request.order).unwrap();
        let waiting = tokio::spawn(async move { seat.until(soon(), |r| (r.version == 3).then_some(r.version)).await });
        for version in 1..=3 {
            request.version = version;
            waiters.bring(vec![request.clone()]);
            tokio::task::yield_now().await;
        }
        assert_eq!(waiting.await.unwrap(), Some(3));
    }

    #[test]
    fn seats_are_counted_and_given_back() {
        let waiters = Waiters::new(2);
        let (one, two) = (waiters.sit(Uuid::nil()).unwrap(), waiters.sit(Uuid::nil()).unwrap());
        assert_eq!(waiters.sit(Uuid::max()).unwrap_err(), Full);
        drop(one);
        assert_eq!(waiters.seated(), 1);
        let three = waiters.sit(Uuid::max()).unwrap();
        drop((two, three));
        assert_eq!(waiters.seated(), 0);
        assert!(waiters.table().orders.is_empty());
    }

    #[tokio::test]
    async fn when_the_process_stops_nobody_waits_any_longer() {
        let waiters = Waiters::new(2);
        let mut before = waiters.sit(Uuid::nil()).unwrap();
        waiters.close();
        let mut after = waiters.sit(Uuid::nil()).unwrap();
        let far = Instant::now() + Duration::from_secs(3600);
        assert_eq!(before.until(far, |r| Some(r.number)).await, None);
        assert_eq!(after.until(far, |r| Some(r.number)).await, None);
        drop((before, after));
        assert_eq!(waiters.seated(), 0);
    }

    #[tokio::test]
    async fn what_is_awaited_here_is_handed_on_and_other_copies_are_told_of_the_rest() {
        let waiters = Waiters::new(2);
        let (awaited, other) = (request(), Request { order: Uuid::max(), ..request() });
        let mut seat = waiters.sit(awaited.order).unwrap();
        waiters.tell(vec![awaited.clone(), other]);
        assert_eq!(seat.until(soon(), |request| Some(request.order)).await, Some(awaited.order));
        assert_eq!(waiters.table().to_tell, BTreeSet::from([Uuid::max()]));
    }

    #[tokio::test]
    async fn a_row_that_was_read_earlier_replaces_nothing() {
        let waiters = Waiters::new(1);
        let newer = Request { version: 2, ..request() };
        let mut seat = waiters.sit(newer.order).unwrap();
        waiters.tell(vec![newer]);
        waiters.bring(vec![Request { version: 1, ..request() }]);
        assert_eq!(seat.until(soon(), |request| Some(request.version)).await, Some(2));
    }

    #[test]
    fn only_awaited_orders_are_looked_at() {
        let waiters = Waiters::new(2);
        let _seat = waiters.sit(Uuid::max()).unwrap();
        waiters.look_at([Uuid::nil(), Uuid::max()]);
        assert_eq!(waiters.table().woken, BTreeSet::from([Uuid::max()]));
    }
}
