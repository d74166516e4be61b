//! Messages that no client library writes: made byte by byte, as somebody with bad intentions would.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use saga_runtime::Turns;
use saga_runtime::broker::Incoming;
use saga_runtime::broker::consumer::{self, Subscription};
use saga_runtime::testing::{Servers, eventually};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::parts::{PATIENCE, Recorder, WORK, declared};

/// The flags of the properties `headers` and `message_id`.
const HEADERS: u16 = 1 << 13;
const MESSAGE_ID: u16 = 1 << 7;

fn short(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// Lists or tables within each other, this many.
fn nested(kind: u8, depth: usize) -> Vec<u8> {
    let name: &[u8] = if kind == b'F' { b"\x00" } else { b"" };
    (0..depth).fold(vec![b'V'], |inner, _| [&[kind][..], &long(&[name, &inner].concat())].concat())
}

/// A connection with an open channel, spoken to in bytes.
struct Raw(TcpStream);

impl Raw {
    fn open(url: &str) -> Self {
        let url: reqwest::Url = url.parse().unwrap();
        let stream = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut raw = Self(stream);
        raw.0.write_all(b"AMQP\x00\x00\x09\x01").unwrap();
        raw.expect(10, 10);
        let login = format!("\0{}\0{}", url.username(), url.password().unwrap());
        let start = [&long(b"")[..], &short(b"PLAIN"), &long(login.as_bytes()), &short(b"en_US")].concat();
        raw.method(0, [10, 11], &start);
        let tune = raw.expect(10, 30);
        raw.method(0, [10, 31], &[&tune[..6], &[0, 0]].concat());
        raw.method(0, [10, 40], &[&short(&url.path().as_bytes()[1..])[..], b"\x00\x00"].concat());
        raw.expect(10, 41);
        raw.method(1, [20, 10], b"\x00");
        raw.expect(20, 11);
        raw.method(1, [85, 10], b"\x00");
        raw.expect(85, 11);
        raw
    }

    fn publish(&mut self, key: &[u8], flags: u16, properties: &[u8], body: &str) {
        self.method(1, [60, 40], &[b"\x00\x00", &short(b"things")[..], &short(key), b"\x00"].concat());
        let size = (body.len() as u64).to_be_bytes();
        self.frame(2, 1, &[&[0, 60, 0, 0], &size[..], &flags.to_be_bytes(), properties].concat());
        self.frame(3, 1, body.as_bytes());
        self.expect(60, 80);
    }

    fn method(&mut self, channel: u8, [class, method]: [u8; 2], arguments: &[u8]) {
        self.frame(1, channel, &[&[0, class, 0, method], arguments].concat());
    }

    fn frame(&mut self, kind: u8, channel: u8, payload: &[u8]) {
        self.0.write_all(&[&[kind, 0, channel], &long(payload)[..], b"\xCE"].concat()).unwrap();
    }

    /// Reads the next method, which must be this one, and gives back its arguments.
    fn expect(&mut self, class: u8, method: u8) -> Vec<u8> {
        let mut before = [0; 7];
        self.0.read_exact(&mut before).unwrap();
        let size = u32::from_be_bytes(before[3..].try_into().unwrap());
        let mut payload = vec![0; size as usize + 1];
        self.0.read_exact(&mut payload).unwrap();
        assert_eq!(
            (before[0], &payload[..4]),
            (1, &[0, class, 0, method][..]),
            "{}",
            String::from_utf8_lossy(&payload)
        );
        payload[4..size as usize].to_vec()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn properties_that_no_client_writes_end_no_connection_and_the_bodies_arrive() {
    let servers = Servers::claim().await;
    let broker = declared(&servers).await;
    let (recorder, stop) = (Recorder::new(|_| Ok(())), CancellationToken::new());
    let subscriptions = vec![Subscription { queue: WORK, deliver: Arc::<Recorder>::clone(&recorder) }];
    let consuming = tokio::spawn(consumer::run(broker.clone(), subscriptions, Turns::default(), stop.clone()));
    let url = servers.amqp_url().to_owned();
    let publishing = tokio::task::spawn_blocking(move || {
        let mut raw = Raw::open(&url);
        for (kind, body) in [(b'A', "0"), (b'F', "1")] {
            let deep = long(&[&short(b"deep")[..], &nested(kind, 20_000)].concat());
            raw.publish(b"thing", HEADERS, &deep, body);
        }
        raw.publish(b"thing", MESSAGE_ID, &short(b"m\xFF"), "2");
        raw.publish(b"thing", HEADERS, &long(&[&short(b"\xC3\x28")[..], b"V"].concat()), "3");
        raw.publish(b"thing.\x80", 0, b"", "4");
        raw.publish(b"thing", MESSAGE_ID, &short(b"good"), "5");
    });
    publishing.await.unwrap();
    eventually("all are delivered", PATIENCE, async || recorder.numbers().len() == 6).await;
    stop.cancel();
    consuming.await.unwrap();
    assert_eq!(recorder.numbers(), [0, 1, 2, 3, 4, 5]);
    let counters = broker.counters();
    assert_eq!((counters.reconnects.get(), counters.redelivered.get()), (0, 0));
    let messages: Vec<Incoming> = recorder.batches.lock().unwrap().concat();
    assert_eq!(messages[2].properties(), json!({ "message_id": "m?" }));
    assert_eq!(messages[3].properties(), json!({ "headers": { "?(": null } }));
    assert_eq!(
        (messages[4].routing_key.as_str(), messages[5].properties()["message_id"].as_str()),
        ("thing.?", Some("good"))
    );
}
