//! Telling other copies, and hearing from them: NOTIFY and LISTEN on a connection of their own.

use std::time::Duration;

use saga_runtime::Secret;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, Socket, tls::NoTlsStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::Waiters;

const CHANNEL: &str = "order_outcomes";
const LISTEN: &str = "SET synchronous_commit = off; LISTEN order_outcomes";
const NOTIFY: &str = "SELECT pg_notify($1, $2)";
/// How many ids fit into one notification, whose payload must be shorter than 8000 bytes.
const IDS_AT_ONCE: usize = 200;
/// How long to wait before connecting again. Meanwhile waiters are looked for all the same.
const PAUSE: Duration = Duration::from_secs(1);

/// Rings for other copies and listens to them, until `stop`; whenever the connection is lost, it is
/// made again.
pub async fn ring(waiters: Waiters, database: Secret, stop: CancellationToken) {
    loop {
        let Some(ended) = stop.run_until_cancelled(session(&waiters, &database)).await else { return };
        if let Err(error) = ended {
            tracing::warn!(%error, "no notifications of orders for now; connecting again");
        }
        if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
            return;
        }
    }
}

/// One connection's life.
async fn session(waiters: &Waiters, database: &Secret) -> Result<(), tokio_postgres::Error> {
    let mut config: Config = database.expose().parse()?;
    config.application_name("order-service waiters").connect_timeout(Duration::from_secs(5));
    config.keepalives_idle(Duration::from_secs(15)).tcp_user_timeout(Duration::from_secs(20));
    let (client, connection) = config.connect(NoTls).await?;
    let (mut heard, _driver) = drive(connection);
    client.batch_execute(LISTEN).await?;
    // What was missed while nobody listened.
    waiters.look_at_all();
    loop {
        tokio::select! {
            payload = heard.recv() => match payload {
                Some(payload) => waiters.look_at(read(&payload)),
                None => return Ok(()),
            },
            () = waiters.0.told.notified() => tell(waiters, &client).await?,
        }
    }
}

/// Runs the connection, and hands on what it hears.
fn drive(mut connection: Connection<Socket, NoTlsStream>) -> (UnboundedReceiver<String>, AbortOnDropHandle<()>) {
    let (sender, receiver) = unbounded_channel();
    let driver = tokio::spawn(async move {
        while let Some(message) = std::future::poll_fn(|context| connection.poll_message(context)).await {
            match message {
                Ok(AsyncMessage::Notification(notification)) => {
                    // Whoever listened is gone; then so is this task, in a moment.
                    drop(sender.send(notification.payload().to_owned()));
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "the connection for notifications broke");
                    return;
                }
            }
        }
    });
    (receiver, AbortOnDropHandle::new(driver))
}

/// One notification for all that was committed since the last one.
async fn tell(waiters: &Waiters, client: &Client) -> Result<(), tokio_postgres::Error> {
    let orders: Vec<Uuid> = std::mem::take(&mut waiters.table().to_tell).into_iter().collect();
    for some in orders.chunks(IDS_AT_ONCE) {
        client.execute(NOTIFY, &[&CHANNEL, &write(some)]).await?;
    }
    Ok(())
}

fn write(orders: &[Uuid]) -> String {
    let ids: Vec<String> = orders.iter().map(|order| order.simple().to_string()).collect();
    ids.join(",")
}

/// The ids of a payload; what is no id, nobody waits for.
fn read(payload: &str) -> Vec<Uuid> {
    payload.split(',').filter_map(|id| id.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_payload_fits_and_is_read_back() {
        let orders: Vec<Uuid> = (0..IDS_AT_ONCE as u128).map(|n| Uuid::from_u128(u128::MAX - n)).collect();
        let payload = write(&orders);
        assert!(payload.len() < 8000, "{}", payload.len());
        assert_eq!(read(&payload), orders);
        assert!(read("nonsense,,1").is_empty());
    }
}
