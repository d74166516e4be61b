//! Group commit: what many ask for at the same time is done in one transaction.
//!
//! Whoever comes while nothing is done begins as soon as it is the process's turn for it, and what comes meanwhile is done
//! next, together. Where those who ask travel in waves ([`Together::InWaves`]), it also waits for those who are under way.

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::waves::Waves;
use crate::clock::until;
use crate::turns::Turns;

/// Where to ask. Cheap to clone.
#[derive(Debug)]
pub struct Gather<I, O>(mpsc::Sender<Ask<I, O>>);

/// What was asked for, to be done by [`Gathered::run`].
#[derive(Debug)]
pub struct Gathered<I, O> {
    asks: mpsc::Receiver<Ask<I, O>>,
    together: Together,
    waves: Waves,
    /// The waves of those who are no longer under way.
    ended: UnboundedReceiver<u64>,
    ending: UnboundedSender<u64>,
}

#[derive(Debug)]
struct Ask<I, O> {
    item: I,
    answer: oneshot::Sender<(O, UnderWay)>,
}

/// Which asks are done together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Together {
    /// Those that came before it was their turn.
    AtOnce,
    /// As many as are under way, or as many as are enough for a wave of their own.
    InWaves,
}

/// Somebody counts as under way until this is dropped: while more comes of what was done for it.
#[derive(Debug)]
pub struct UnderWay {
    wave: u64,
    ending: UnboundedSender<u64>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // Nobody gathers any longer: then nobody counts, either.
        let _nobody = self.ending.send(self.wave);
    }
}

/// A place to ask, where `capacity` may wait; the next ones wait outside.
#[must_use]
pub fn gather<I, O>(capacity: usize, together: Together) -> (Gather<I, O>, Gathered<I, O>) {
    let (sender, asks) = mpsc::channel(capacity);
    let (ending, ended) = mpsc::unbounded_channel();
    (Gather(sender), Gathered { asks, together, waves: Waves::default(), ended, ending })
}

impl<I, O> Clone for Gather<I, O> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<I, O> Gather<I, O> {
    /// Has something done together with what others ask for just then. `None`: nobody does it any more, since the process
    /// is stopping.
    pub async fn ask(&self, item: I) -> Option<(O, UnderWay)> {
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
        while self.wait(&mut asks, most, &stop).await {
            let _turn = turns.take().await;
            while asks.len() < most
                && let Ok(more) = self.asks.try_recv()
            {
                asks.push(more);
            }
            let now = Instant::now();
            while let Ok(wave) = self.ended.try_recv() {
                self.waves.ended(wave, now);
            }
            let wave = self.waves.set_out(asks.len(), now);
            let (items, answers): (Vec<I>, Vec<_>) = asks.drain(..).map(|ask| (ask.item, ask.answer)).unzip();
            for (answer, done) in answers.into_iter().zip(work(items).await) {
                if answer.send((done, UnderWay { wave, ending: self.ending.clone() })).is_err() {
                    tracing::debug!("whoever asked for this waits no longer");
                }
            }
        }
    }

    /// Waits until there is something to do, and it is time for it. False: there is nothing, and nothing will come.
    async fn wait(&mut self, asks: &mut Vec<Ask<I, O>>, most: usize, stop: &CancellationToken) -> bool {
        loop {
            let now = Instant::now();
            let at_once = self.together == Together::AtOnce || self.asks.is_closed() || asks.len() >= most;
            if !asks.is_empty() && (at_once || self.waves.may_set_out(asks.len(), now)) {
                return true;
            }
            let (moment, room) = (self.waves.until().filter(|_| !asks.is_empty()), most - asks.len());
            tokio::select! {
                biased;
                // Before those who come: some of them are the same.
                Some(wave) = self.ended.recv() => {
                    let now = Instant::now();
                    if asks.is_empty() {
                        self.waves.forget(now);
                    }
                    self.waves.ended(wave, now);
                }
                count = self.asks.recv_many(asks, room) => match count {
                    0 => return !asks.is_empty(),
                    count => self.waves.came(count, Instant::now()),
                },
                () = until(moment) => {}
                () = stop.cancelled(), if !self.asks.is_closed() => self.asks.close(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tokio::sync::{Notify, Semaphore};

    use super::*;

    async fn answer(ask: &Gather<u32, u32>, item: u32) -> Option<u32> {
        ask.ask(item).await.map(|(answer, _)| answer)
    }

    #[tokio::test]
    async fn what_comes_while_something_is_done_is_done_together_and_each_gets_its_answer() {
        let (ask, gathered) = gather::<u32, u32>(8, Together::AtOnce);
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
            async move { answer(&ask, 1).await }
        });
        begun.notified().await;
        let mut rest = Vec::new();
        for item in 2..=5 {
            let asking = ask.clone();
            let mut asked = Box::pin(async move { answer(&asking, item).await });
            assert!(futures_util::poll!(&mut asked).is_pending());
            rest.push(asked);
        }
        stop.cancel();
        go.add_permits(3);
        assert_eq!(first.await.unwrap(), Some(10));
        assert_eq!(futures_util::future::join_all(rest).await, [Some(20), Some(30), Some(40), Some(50)]);
        running.await.unwrap();
        assert_eq!(*batches.lock().unwrap(), [vec![1], vec![2, 3, 4], vec![5]]);
        assert_eq!(answer(&ask, 6).await, None, "nobody is there any more");
    }

    /// Doubles what is asked for in waves, and tells how many are done together.
    fn doubling(most: usize) -> (Gather<u32, u32>, CancellationToken, mpsc::UnboundedReceiver<usize>) {
        let ((ask, mut gathered), stop) = (gather(64, Together::InWaves), CancellationToken::new());
        gathered.waves = Waves::new(Duration::from_secs(60));
        let (sizes, told) = mpsc::unbounded_channel();
        let work = move |items: Vec<u32>| {
            sizes.send(items.len()).unwrap();
            std::future::ready(items.iter().map(|item| item * 2).collect())
        };
        tokio::spawn(gathered.run(most, Turns::default(), stop.clone(), work));
        (ask, stop, told)
    }

    #[tokio::test]
    async fn few_wait_for_those_under_way_and_many_do_not() {
        let (ask, _stop, mut sizes) = doubling(4);
        let all = |count| futures_util::future::join_all((0..count).map(|item| ask.ask(item)));
        let first: Vec<_> = all(3).await.into_iter().map(Option::unwrap).collect();
        assert_eq!(first.iter().map(|(done, _)| *done).collect::<Vec<_>>(), [0, 2, 4]);
        assert_eq!(sizes.recv().await, Some(3));
        let mut few = Box::pin(all(2));
        assert!(futures_util::poll!(&mut few).is_pending());
        tokio::task::yield_now().await;
        assert!(sizes.try_recv().is_err(), "three are under way");
        let many = futures_util::future::join(few, all(2)).await;
        assert_eq!(sizes.recv().await, Some(4), "as many as can be done together");
        drop((first, many));
        assert!(ask.ask(1).await.is_some());
        assert_eq!(sizes.recv().await, Some(1), "nobody is under way");
    }

    #[tokio::test]
    async fn who_waits_for_others_is_done_when_they_end_and_when_it_stops() {
        let (ask, stop, mut sizes) = doubling(64);
        let first = futures_util::future::join_all((0..3).map(|item| ask.ask(item))).await;
        assert_eq!(sizes.recv().await, Some(3));
        let mut one = Box::pin(ask.ask(7));
        assert!(futures_util::poll!(&mut one).is_pending());
        drop(first);
        let (done, _under_way) = one.await.unwrap();
        assert_eq!((done, sizes.recv().await), (14, Some(1)));
        let (_two, mut last) = (ask.ask(1).await, Box::pin(ask.ask(8)));
        assert!(futures_util::poll!(&mut last).is_pending());
        stop.cancel();
        assert_eq!(last.await.map(|(done, _)| done), Some(16));
        assert_eq!(answer(&ask, 9).await, None);
    }
}
