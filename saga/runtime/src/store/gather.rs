//! Group commit: what many ask for at the same time is done in one transaction.
//!
//! Nobody waits for company: whoever comes while nothing is done begins as soon as it is the process's turn for it, and what
//! comes meanwhile is done next, together.

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::turns::Turns;

/// Where to ask. Cheap to clone.
#[derive(Debug)]
pub struct Gather<I, O>(mpsc::Sender<Ask<I, O>>);

/// What was asked for, to be done by [`Gathered::run`].
#[derive(Debug)]
pub struct Gathered<I, O>(mpsc::Receiver<Ask<I, O>>);

#[derive(Debug)]
struct Ask<I, O> {
    item: I,
    answer: oneshot::Sender<O>,
}

/// A place to ask, where `capacity` may wait; the next ones wait outside.
#[must_use]
pub fn gather<I, O>(capacity: usize) -> (Gather<I, O>, Gathered<I, O>) {
    let (sender, receiver) = mpsc::channel(capacity);
    (Gather(sender), Gathered(receiver))
}

impl<I, O> Clone for Gather<I, O> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<I, O> Gather<I, O> {
    /// Has something done together with what others ask for just then. `None`: nobody does it any more, since the process
    /// is stopping.
    pub async fn ask(&self, item: I) -> Option<O> {
        let (answer, coming) = oneshot::channel();
        self.0.send(Ask { item, answer }).await.ok()?;
        coming.await.ok()
    }
}

impl<I, O> Gathered<I, O> {
    /// Does what was asked for, at most `most` together and each time in a turn, until it is stopped and has done what was
    /// asked for before. `work` gives an answer for each item, in their order.
    pub async fn run<F>(mut self, most: usize, turns: Turns, stop: CancellationToken, work: impl Fn(Vec<I>) -> F)
    where
        F: Future<Output = Vec<O>>,
    {
        let mut asks = Vec::with_capacity(most);
        loop {
            tokio::select! {
                biased;
                count = self.0.recv_many(&mut asks, most) => if count == 0 { break },
                () = stop.cancelled(), if !self.0.is_closed() => {
                    self.0.close();
                    continue;
                }
            }
            let _turn = turns.take().await;
            while asks.len() < most
                && let Ok(more) = self.0.try_recv()
            {
                asks.push(more);
            }
            let (items, answers): (Vec<I>, Vec<_>) = asks.drain(..).map(|ask| (ask.item, ask.answer)).unzip();
            for (answer, done) in answers.into_iter().zip(work(items).await) {
                if answer.send(done).is_err() {
                    tracing::debug!("whoever asked for this waits no longer");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::sync::{Notify, Semaphore};

    use super::*;

    #[tokio::test]
    async fn what_comes_while_something_is_done_is_done_together_and_each_gets_its_answer() {
        let (ask, gathered) = gather::<u32, u32>(8);
        let (stop, begun, go) = (CancellationToken::new(), Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
        let batches: Arc<Mutex<Vec<Vec<u32>>>> = Arc::default();
        let (seen, began, may) = (Arc::clone(&batches), Arc::clone(&begun), Arc::clone(&go));
        let work = move |items: Vec<u32>| {
            let (seen, began, may) = (Arc::clone(&seen), Arc::clone(&began), Arc::clone(&may));
            async move {
                seen.lock().unwrap().push(items.clone());
                began.notify_one();
                may.acquire().await.unwrap().forget();
                items.iter().map(|item| item * 10).collect()
            }
        };
        let running = tokio::spawn(gathered.run(3, Turns::default(), stop.clone(), work));
        let first = tokio::spawn({
            let ask = ask.clone();
            async move { ask.ask(1).await }
        });
        begun.notified().await;
        let mut rest = Vec::new();
        for item in 2..=5 {
            let asking = ask.clone();
            let mut asked = Box::pin(async move { asking.ask(item).await });
            assert!(futures_util::poll!(&mut asked).is_pending());
            rest.push(asked);
        }
        stop.cancel();
        go.add_permits(3);
        assert_eq!(first.await.unwrap(), Some(10));
        assert_eq!(futures_util::future::join_all(rest).await, [Some(20), Some(30), Some(40), Some(50)]);
        running.await.unwrap();
        assert_eq!(*batches.lock().unwrap(), [vec![1], vec![2, 3, 4], vec![5]]);
        assert_eq!(ask.ask(6).await, None, "nobody is there any more");
    }
}
