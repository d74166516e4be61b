//! A TCP proxy between one process and one server, so that the way between them can be cut and stalled.

use std::net::Ipv4Addr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::servers::Trouble;

/// A proxy from one port of the loopback to another. It ends with the program.
#[derive(Debug)]
pub(super) struct Proxy {
    mood: watch::Sender<Mood>,
}

/// How connections fare at present.
#[derive(Debug, Clone, Copy, Default)]
struct Mood {
    /// How often all that were open have been cut.
    cuts: u64,
    /// Whether nothing gets through.
    stalled: bool,
}

impl Proxy {
    /// Listens on `port` and leads to `target`.
    ///
    /// # Errors
    /// When somebody else listens there.
    pub(super) async fn open(port: u16, target: u16) -> Result<Self, Trouble> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener
            .map_err(|source| Trouble::Io { doing: format!("listening on port {port} for a proxy"), source })?;
        let proxy = Self { mood: watch::Sender::new(Mood::default()) };
        tokio::spawn(accept(listener, target, proxy.mood.subscribe()));
        Ok(proxy)
    }

    /// Cuts every connection that is open. New ones can be made at once.
    pub(super) fn cut(&self) {
        self.mood.send_modify(|mood| mood.cuts += 1);
    }

    /// Lets nothing through from now on, or everything again; new connections are taken and wait as well.
    pub(super) fn stall(&self, stalled: bool) {
        self.mood.send_modify(|mood| mood.stalled = stalled);
    }
}

async fn accept(listener: TcpListener, target: u16, mood: watch::Receiver<Mood>) {
    loop {
        // Too many open files, say: those who knock are let in a little later.
        let Ok((client, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        tokio::spawn(carry(client, target, mood.clone()));
    }
}

/// Carries one connection until either side ends it, or it is cut.
async fn carry(client: TcpStream, target: u16, mood: watch::Receiver<Mood>) {
    let (mut cuts, before) = (mood.clone(), mood.borrow().cuts);
    tokio::select! {
        _ = connect(client, target, mood) => {}
        _ = cuts.wait_for(|mood| mood.cuts != before) => {}
    }
}

async fn connect(client: TcpStream, target: u16, mut mood: watch::Receiver<Mood>) -> Option<()> {
    through(&mut mood).await?;
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await.ok()?;
    client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).ok()?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        ended = flow(from_client, to_server, mood.clone()) => ended,
        ended = flow(from_server, to_client, mood) => ended,
    }
}

/// Passes on what comes, as long as something gets through. `None` when either end is gone.
async fn flow(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mood: watch::Receiver<Mood>,
) -> Option<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        through(&mut mood).await?;
        to.write_all(buffer.get(..read)?).await.ok()?;
    }
}

/// Waits until something gets through.
async fn through(mood: &mut watch::Receiver<Mood>) -> Option<()> {
    mood.wait_for(|mood| !mood.stalled).await.ok().map(drop)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// A server that says everything back, and a proxy before it.
    async fn echo() -> (Proxy, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        (Proxy::open(free, target).await.unwrap(), free)
    }

    async fn say(stream: &mut TcpStream, word: &[u8; 4]) -> Option<[u8; 4]> {
        stream.write_all(word).await.ok()?;
        let mut heard = [0; 4];
        stream.read_exact(&mut heard).await.ok()?;
        Some(heard)
    }

    #[tokio::test]
    async fn it_passes_on_what_both_sides_say_until_it_is_cut_and_then_takes_new_connections() {
        let (proxy, port) = echo().await;
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        assert_eq!(say(&mut stream, b"once").await, Some(*b"once"));
        proxy.cut();
        let cut = timeout(PATIENCE, async { while say(&mut stream, b"more").await.is_some() {} }).await;
        assert!(cut.is_ok(), "the old connection is gone");
        let mut again = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        assert_eq!(timeout(PATIENCE, say(&mut again, b"anew")).await.unwrap(), Some(*b"anew"));
    }

    #[tokio::test]
    async fn while_it_is_stalled_nothing_gets_through_and_nothing_is_lost() {
        let (proxy, port) = echo().await;
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        assert_eq!(say(&mut stream, b"once").await, Some(*b"once"));
        proxy.stall(true);
        stream.write_all(b"late").await.unwrap();
        let mut heard = [0; 4];
        assert!(timeout(Duration::from_millis(100), stream.read_exact(&mut heard)).await.is_err());
        proxy.stall(false);
        timeout(PATIENCE, stream.read_exact(&mut heard)).await.unwrap().unwrap();
        assert_eq!(&heard, b"late");
    }
}
