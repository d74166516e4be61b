//! Messages for which nobody waits: they begin no batch, and none of them is forgotten.

use std::sync::Arc;
use std::time::Duration;

use lapin::Channel;
use saga_runtime::broker::consumer::BATCH;
use saga_runtime::broker::relay::forward_batch;
use saga_runtime::broker::{Broker, Company, ConfirmChannel, Incoming, Waits};
use saga_runtime::core::Route;
use saga_runtime::testing::{Servers, eventually};

use uuid::Uuid;

use crate::consumer::Running;
use crate::parts::{PATIENCE, Recorder, WORK, connect, declared, event, left, number, outbound, ready, to_work};

/// Longer than any test waits for anything.
const NEVER: Duration = Duration::from_secs(600);

/// A consumer whose events may wait, somebody who publishes, and a look at the queue.
struct Waiting {
    recorder: Arc<Recorder>,
    running: Running,
    publishing: ConfirmChannel,
    channel: Channel,
    _broker: Broker,
}

impl Waiting {
    /// Events wait so long for the next batch.
    async fn for_batches(servers: &Servers, patience: Duration) -> Self {
        let waits = move |message: &Incoming| {
            if message.exchange == "things" { Waits::ForBatch(patience) } else { Waits::No }
        };
        Self::with(servers, move |message| Company { saga: None, waits: waits(message) }).await
    }

    async fn with(servers: &Servers, company: impl Fn(&Incoming) -> Company + Send + Sync + 'static) -> Self {
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
    let company = Waiting::for_batches(&servers, NEVER).await;
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
    let company = Waiting::for_batches(&servers, Duration::from_millis(1)).await;
    company.publish(0, event()).await;
    company.handled([0]).await;
    company.running.stopped().await;
    assert_eq!(left(&company.channel, WORK).await, 0);
}

#[tokio::test]
async fn as_many_as_make_a_batch_wait_for_nobody() {
    let servers = Servers::claim().await;
    let company = Waiting::for_batches(&servers, NEVER).await;
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
    let company = Waiting::for_batches(&servers, NEVER).await;
    company.publish(0, event()).await;
    company.handed_out().await;
    company.running.stopped().await;
    assert!(company.recorder.sizes().is_empty());
    assert_eq!(left(&company.channel, WORK).await, 1);
}

/// Of a saga whose answers 0 and 2 are awaited; everything else hurries.
fn of_a_saga(message: &Incoming) -> Company {
    let kind = match number(&message.body) {
        0 => "A",
        2 => "B",
        _ => return Company::default(),
    };
    let waits = Waits::ForAll { kind, all: ["A", "B"].into(), patience: NEVER };
    Company { saga: Some(Uuid::nil()), waits }
}

#[tokio::test]
async fn answers_of_a_saga_are_handled_together_and_what_comes_between_them_before() {
    let servers = Servers::claim().await;
    let company = Waiting::with(&servers, of_a_saga).await;
    company.publish(0, event()).await;
    company.publish(1, event()).await;
    company.handled([1]).await;
    company.publish(2, event()).await;
    company.handled([1, 0, 2]).await;
    assert_eq!(company.recorder.sizes(), [1, 2]);
    company.running.stopped().await;
    assert_eq!(left(&company.channel, WORK).await, 0);
}

#[tokio::test]
async fn what_is_handled_is_acknowledged_although_what_came_before_it_goes_back() {
    let servers = Servers::claim().await;
    let company = Waiting::with(&servers, of_a_saga).await;
    company.publish(0, event()).await;
    company.publish(1, event()).await;
    company.handled([1]).await;
    company.running.stopped().await;
    assert_eq!(left(&company.channel, WORK).await, 1);
}

/// RabbitMQ hands out 256 messages before it wants one acknowledged, and acknowledgements go in order.
#[tokio::test]
async fn a_message_that_waits_in_vain_does_not_use_up_what_is_handed_out() {
    let servers = Servers::claim().await;
    let company = Waiting::with(&servers, of_a_saga).await;
    let hurrying = (3..300).map(|number| outbound(number, event()));
    let (forwarded, _) = forward_batch(&company.publishing, vec![outbound(0, event())]).await;
    assert_eq!(forwarded.published, [0]);
    let (forwarded, _) = forward_batch(&company.publishing, hurrying.collect()).await;
    assert_eq!(forwarded.published.len(), 297);
    eventually("all are handled", PATIENCE, async || company.recorder.numbers().len() == 298).await;
    assert_ne!(company.recorder.numbers()[0], 0, "it waited");
    company.running.stopped().await;
    assert_eq!(left(&company.channel, WORK).await, 0);
}
