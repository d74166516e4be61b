//! Messages for which nobody waits: they begin no batch, and none of them is forgotten.

use std::sync::Arc;
use std::time::Duration;

use lapin::Channel;
use saga_runtime::broker::consumer::BATCH;
use saga_runtime::broker::relay::forward_batch;
use saga_runtime::broker::{Broker, ConfirmChannel};
use saga_runtime::core::Route;
use saga_runtime::testing::{Servers, eventually};

use crate::consumer::Running;
use crate::parts::{PATIENCE, Recorder, WORK, connect, declared, event, left, outbound, ready, to_work};

/// Longer than any test waits for anything.
const NEVER: Duration = Duration::from_secs(600);

/// A consumer whose events may wait, somebody who publishes, and a look at the queue.
struct Company {
    recorder: Arc<Recorder>,
    running: Running,
    publishing: ConfirmChannel,
    channel: Channel,
    _broker: Broker,
}

impl Company {
    async fn waiting(servers: &Servers, company: Duration) -> Self {
        let (broker, connection) = (declared(servers).await, connect(servers).await);
        let (channel, recorder) = (connection.create_channel().await.unwrap(), Recorder::patient(company));
        let publishing = ConfirmChannel::open(&connection).await.unwrap();
        let running = Running::on(&broker, Arc::clone(&recorder));
        Self { recorder, running, publishing, channel, _broker: broker }
    }

    async fn publish(&self, number: i64, route: Route) {
        let (forwarded, _) = forward_batch(&self.publishing, vec![outbound(number, route)]).await;
        assert_eq!(forwarded.published, [number]);
    }

    async fn handed_out(&self) {
        eventually("all are handed out", PATIENCE, async || ready(&self.channel, WORK).await == 0).await;
    }

    async fn handled(&self, numbers: impl IntoIterator<Item = i64>) {
        let numbers = Vec::from_iter(numbers);
        eventually("all are handled", PATIENCE, async || self.recorder.numbers() == numbers).await;
    }
}

#[tokio::test]
async fn what_may_wait_goes_with_the_next_message_that_may_not() {
    let servers = Servers::claim().await;
    let company = Company::waiting(&servers, NEVER).await;
    company.publish(0, event()).await;
    company.publish(1, event()).await;
    company.handed_out().await;
    assert!(company.recorder.sizes().is_empty(), "nobody waits for them");
    company.publish(2, to_work()).await;
    company.handled(0..3).await;
    assert_eq!(company.recorder.sizes(), [3]);
    company.running.stopped().await;
    assert_eq!(left(&company.channel, WORK).await, 0);
}

#[tokio::test]
async fn what_may_wait_is_handled_alone_when_its_time_is_over() {
    let servers = Servers::claim().await;
    let company = Company::waiting(&servers, Duration::from_millis(1)).await;
    company.publish(0, event()).await;
    company.handled([0]).await;
    company.running.stopped().await;
    assert_eq!(left(&company.channel, WORK).await, 0);
}

#[tokio::test]
async fn as_many_as_make_a_batch_wait_for_nobody() {
    let servers = Servers::claim().await;
    let company = Company::waiting(&servers, NEVER).await;
    let all = 0..i64::try_from(BATCH).unwrap();
    for number in all.clone() {
        company.publish(number, event()).await;
    }
    company.handled(all).await;
    assert_eq!(company.recorder.sizes(), [BATCH]);
    company.running.stopped().await;
}

#[tokio::test]
async fn what_still_waits_when_its_consumer_stops_goes_back() {
    let servers = Servers::claim().await;
    let company = Company::waiting(&servers, NEVER).await;
    company.publish(0, event()).await;
    company.handed_out().await;
    company.running.stopped().await;
    assert!(company.recorder.sizes().is_empty());
    assert_eq!(left(&company.channel, WORK).await, 1);
}
