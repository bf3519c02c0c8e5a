//! A proxy that lets everything wait, as a distance does, and counts what goes by.

use anyhow::Result;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How the request line of every request of HTTP/1.1 ends.
const REQUEST: &[u8] = b" HTTP/1.1\r\n";

/// How a client begins that speaks HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The proxy. Its threads end with the program.
pub(crate) struct Between {
    pub(crate) address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    bytes: AtomicU64,
    connections: AtomicU64,
    requests: AtomicU64,
}

/// What went by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) bytes: u64,
    pub(crate) connections: u64,
    pub(crate) requests: u64,
}

/// One direction of a connection.
struct Way {
    from: TcpStream,
    to: TcpStream,
    /// How long everything is on its way.
    distance: Duration,
    /// For how long the first byte waits before.
    first: Duration,
    has_requests: bool,
}

impl Between {
    /// One before `server`, to which it is as far and back again as `latency` says.
    pub(crate) fn start(server: SocketAddr, latency: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let counts = Arc::<Counts>::default();
        let all = Arc::clone(&counts);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                all.connections.fetch_add(1, Ordering::SeqCst);
                let _ = join(&client, server, latency, &all);
            }
        });
        Ok(Self { address, counts })
    }

    /// What has gone by since this was last asked.
    pub(crate) fn counted(&self) -> Counted {
        let take = |count: &AtomicU64| count.swap(0, Ordering::SeqCst);
        let Counts { bytes, connections, requests } = &*self.counts;
        Counted { bytes: take(bytes), connections: take(connections), requests: take(requests) }
    }
}

fn join(
    client: &TcpStream,
    server: SocketAddr,
    latency: Duration,
    counts: &Arc<Counts>,
) -> Result<()> {
    let server = TcpStream::connect(server)?;
    let distance = latency / 2;
    for stream in [client, &server] {
        stream.set_nodelay(true)?;
    }
    let there = Way {
        from: client.try_clone()?,
        to: server.try_clone()?,
        distance,
        first: latency,
        has_requests: true,
    };
    let back = Way {
        from: server,
        to: client.try_clone()?,
        distance,
        first: Duration::ZERO,
        has_requests: false,
    };
    for way in [there, back] {
        let counts = Arc::clone(counts);
        thread::spawn(move || way.go(&counts));
    }
    Ok(())
}

impl Way {
    fn go(mut self, counts: &Counts) {
        let (give, take) = mpsc::channel::<(Instant, Vec<u8>)>();
        let mut to = self.to;
        let distance = self.distance;
        // What is on its way does not keep what follows from setting out.
        thread::spawn(move || {
            for (arrives, bytes) in take {
                thread::sleep(arrives.saturating_duration_since(Instant::now()));
                if to.write_all(&bytes).is_err() {
                    return;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        });
        let connected = Instant::now() + self.first;
        let mut buffer = vec![0; 64 * 1024];
        let mut requests = Requests::default();
        while let Ok(count @ 1..) = self.from.read(&mut buffer) {
            let bytes = buffer[..count].to_vec();
            counts.bytes.fetch_add(count as u64, Ordering::SeqCst);
            if self.has_requests {
                counts.requests.fetch_add(requests.take(&bytes), Ordering::SeqCst);
            }
            let sent = Instant::now().max(connected);
            if give.send((sent + distance, bytes)).is_err() {
                return;
            }
        }
    }
}

/// Finds requests in what a client sends.
#[derive(Default)]
struct Requests {
    /// What has come and was not understood yet.
    last: Vec<u8>,
    is_second: bool,
}

impl Requests {
    /// How many begin in what has come.
    fn take(&mut self, bytes: &[u8]) -> u64 {
        self.last.extend_from_slice(bytes);
        if self.last.starts_with(PREFACE) {
            self.is_second = true;
            self.last.drain(..PREFACE.len());
        }
        if self.is_second { self.frames() } else { self.lines() }
    }

    fn lines(&mut self) -> u64 {
        let found = self.last.windows(REQUEST.len()).filter(|window| *window == REQUEST).count();
        self.last.drain(..self.last.len().saturating_sub(REQUEST.len() - 1));
        found as u64
    }

    /// Each request begins with a frame of headers.
    fn frames(&mut self) -> u64 {
        let mut found = 0;
        while let Some(&[one, two, three, kind, ..]) = self.last.first_chunk::<9>() {
            let length = u32::from_be_bytes([0, one, two, three]) as usize;
            if self.last.len() < 9 + length {
                break;
            }
            found += u64::from(kind == 1);
            self.last.drain(..9 + length);
        }
        found
    }
}
