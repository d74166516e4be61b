//! What the processes count, added up over their lives.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{MissedTickBehavior, interval};

use crate::demo::shop::metric;

/// How often the pages are read. What a process counts between the last look and its death is not seen.
const EVERY: Duration = Duration::from_millis(500);

/// What is counted, by its name on the page and what it means.
pub(super) const COUNTED: [(&str, &str); 4] = [
    ("inbox_duplicates_total", "duplicates met and dropped"),
    ("messaging_client_redelivered_messages_total", "messages redelivered by the broker"),
    ("relay_swept_total", "messages taken over from publishers that were gone"),
    ("put_off_total", "messages put off"),
];

/// Counters of processes that start again from nothing.
#[derive(Debug, Default)]
pub(super) struct Counts {
    last: BTreeMap<(usize, &'static str), u64>,
    total: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// Reads the pages at `urls` again and again, for ever: drop it when it is enough.
    pub(super) async fn follow(&mut self, urls: &[String]) {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build().unwrap_or_default();
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let pages =
                urls.iter().map(async |url| client.get(format!("{url}/metrics")).send().await.ok()?.text().await.ok());
            for (process, page) in join_all(pages).await.into_iter().enumerate() {
                self.see(process, &page.unwrap_or_default());
            }
        }
    }

    /// What was counted in all.
    #[must_use]
    pub(super) fn total(&self, name: &str) -> u64 {
        self.total.get(name).copied().unwrap_or_default()
    }

    fn see(&mut self, process: usize, page: &str) {
        for (name, _) in COUNTED {
            let Some(now) = metric(page, name) else { continue };
            let before = self.last.insert((process, name), now).unwrap_or_default();
            // Fewer than before: a new process, which began at nothing.
            *self.total.entry(name).or_default() += if now < before { now } else { now - before };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_go_on_when_a_process_begins_anew() {
        let mut counts = Counts::default();
        for number in [3, 5, 1, 4] {
            counts.see(0, &format!("inbox_duplicates_total {number}\n"));
            counts.see(1, "inbox_duplicates_total 7\nput_off_total 1\n");
        }
        assert_eq!((counts.total("inbox_duplicates_total"), counts.total("put_off_total")), (5 + 4 + 7, 1));
    }
}
