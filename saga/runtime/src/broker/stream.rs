//! A connection's bytes on their way through the [`Gate`].

use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_util::Stream;
use futures_util::io::{AsyncRead, AsyncWrite};

use super::gate::Gate;

/// How much is read at once.
const CHUNK: usize = 16 * 1024;

/// What lapin runs on: tokio, with connections that pass the gate.
pub(super) type Gated = Runtime<RuntimeParts<Tokio, GatedTokio>>;

/// The present tokio runtime, with connections that pass the gate. They are not encrypted below it: TLS would have to
/// end before the gate.
pub(super) fn gated() -> Gated {
    let tokio = Tokio::current();
    Runtime::new(RuntimeParts::new(tokio.clone(), GatedTokio(tokio)))
}

/// Tokio's connections and clocks, the former behind a gate.
#[derive(Debug, Clone)]
pub(super) struct GatedTokio(Tokio);

impl Reactor for GatedTokio {
    type TcpStream = GatedStream<<Tokio as Reactor>::TcpStream>;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let connecting = self.0.tcp_connect_addr(address);
        async move { connecting.await.map(GatedStream::new) }
    }
}

/// A connection whose incoming bytes pass the gate.
#[derive(Debug)]
pub(super) struct GatedStream<S> {
    stream: S,
    gate: Gate,
    /// What has passed and is not read yet, from `read` on.
    passed: Vec<u8>,
    read: usize,
}

impl<S> GatedStream<S> {
    fn new(stream: S) -> Self {
        Self { stream, gate: Gate::default(), passed: Vec::new(), read: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for GatedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        while this.read == this.passed.len() {
            let mut chunk = [0; CHUNK];
            let bytes = ready!(Pin::new(&mut this.stream).poll_read(context, &mut chunk))?;
            if bytes == 0 {
                return Poll::Ready(Ok(0));
            }
            this.passed.clear();
            this.read = 0;
            this.gate.pass(&chunk[..bytes], &mut this.passed);
        }
        let bytes = (&this.passed[this.read..]).read(buffer)?;
        this.read += bytes;
        Poll::Ready(Ok(bytes))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for GatedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(context)
    }
}
