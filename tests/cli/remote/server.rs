//! A server of a Bazel cache over HTTP that a test can make misbehave. It notes every request, and checks at each entry that is written that the blobs are
//! there which it names. Asked for `/BUCKET/PREFIX/ac/NAME` it does what a bucket does, as far as that is asked of it.

use prost::Message as _;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A server on loopback.
pub(crate) struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    is_over: AtomicBool,
}

#[derive(Default)]
struct State {
    kept: BTreeMap<String, Vec<u8>>,
    /// In which encoding something is kept, if in one.
    encodings: BTreeMap<String, String>,
    requests: Vec<Request>,
    trick: Option<Trick>,
    /// Entries that were written before their blobs.
    broken: Vec<String>,
}

/// What a request gets instead of its answer; `None` for its answer.
type Trick = Box<dyn FnMut(&Request, usize) -> Option<Twist> + Send>;

/// A request as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    /// All header lines, as they came.
    pub(crate) headers: String,
}

impl Request {
    /// As in `GET ac`.
    pub(crate) fn kind(&self) -> String {
        format!("{} {}", self.method, self.path.rsplit('/').nth(1).unwrap_or_default())
    }

    /// The value of a header line.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        let value = lines.filter(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        value.map(str::to_owned).next()
    }

    pub(crate) fn is(&self, kind: &str) -> bool {
        self.kind() == kind
    }
}

/// A way to misbehave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Twist {
    /// Another status, with these header lines.
    Status(u16, &'static str),
    /// No answer, ever.
    Hang,
    /// The right answer, a byte at a time.
    Drip,
    /// The right answer, after so long.
    Late(Duration),
    /// The right length, and half of the body.
    Cut,
    /// Chunks without an end.
    CutChunks,
    /// One byte is another.
    Flip,
    /// A body that is longer, and says so.
    Longer,
    /// A body that is longer than it says.
    LongerThanSaid,
    /// A body that is shorter, and says so.
    Shorter,
    /// The connection is closed without an answer.
    Close,
    /// Something that is not HTTP.
    Garbage,
    /// Another body.
    Body(Vec<u8>),
    /// So many megabytes of zeros, without a length.
    Flood(usize),
}

/// An `ActionResult` of the Remote Execution API, as far as it is looked at here.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ActionResult {
    #[prost(message, repeated, tag = "2")]
    pub(crate) output_files: Vec<OutputFile>,
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) stdout_raw: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    pub(crate) stderr_raw: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OutputFile {
    #[prost(string, tag = "1")]
    pub(crate) path: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) digest: Option<Digest>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Digest {
    #[prost(string, tag = "1")]
    pub(crate) hash: String,
    #[prost(int64, tag = "2")]
    pub(crate) size_bytes: i64,
}

impl Server {
    /// One with nothing in it, which behaves.
    pub(crate) fn start() -> Self {
        Self::listening("127.0.0.1:0".parse().unwrap())
    }

    fn listening(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let all = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if all.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let one = Arc::clone(&all);
                let Ok(stream) = stream else { continue };
                thread::spawn(move || {
                    let _ = one.serve(&stream);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Self { shared, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on `trick` decides on requests; it is told how many of the same kind came before.
    pub(crate) fn trick(
        &self,
        trick: impl FnMut(&Request, usize) -> Option<Twist> + Send + 'static,
    ) -> &Self {
        self.state().trick = Some(Box::new(trick));
        self.forget()
    }

    /// From now on requests of that kind get `twist`.
    pub(crate) fn twist(&self, kind: &'static str, twist: Twist) -> &Self {
        self.trick(move |request, _| request.is(kind).then(|| twist.clone()))
    }

    /// From now on it behaves.
    pub(crate) fn behave(&self) -> &Self {
        self.state().trick = None;
        self.forget()
    }

    /// Forgets what was asked so far.
    pub(crate) fn forget(&self) -> &Self {
        self.state().requests.clear();
        self
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// How many requests of each kind came.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for request in self.requests() {
            *counts.entry(request.kind()).or_default() += 1;
        }
        counts
    }

    /// How many of that kind came.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.counts().get(kind).copied().unwrap_or_default()
    }

    /// What is kept below `ac` or `cas`.
    pub(crate) fn kept(&self, below: &str) -> BTreeMap<String, Vec<u8>> {
        let kept = self.state().kept.clone();
        kept.into_iter().filter(|(path, _)| path.contains(&format!("/{below}/"))).collect()
    }

    /// In which encoding something is kept.
    pub(crate) fn encoding(&self, path: &str) -> Option<String> {
        self.state().encodings.get(path).cloned()
    }

    /// Says that something is kept in an encoding.
    pub(crate) fn encode(&self, path: &str, encoding: &str) {
        self.state().encodings.insert(path.to_owned(), encoding.to_owned());
    }

    /// Puts something there, in the place of what is.
    pub(crate) fn put(&self, path: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        state.kept.insert(path.to_owned(), bytes);
        state.encodings.remove(path);
    }

    /// Takes everything away.
    pub(crate) fn clear(&self) {
        let mut state = self.state();
        state.kept.clear();
        state.encodings.clear();
    }

    /// Changes the text of the entries of results.
    pub(crate) fn forge(&self, change: impl Fn(&mut ActionResult)) {
        for (path, message) in self.kept("ac") {
            let message = plain(self.encoding(&path).as_deref(), &message);
            let mut entry = ActionResult::decode(&message[..]).unwrap();
            if entry.stdout_raw.starts_with(b"granular-result") {
                change(&mut entry);
                self.put(&path, entry.encode_to_vec());
            }
        }
    }

    /// Entries that were written while a blob that they name was not there.
    pub(crate) fn broken(&self) -> Vec<String> {
        self.state().broken.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    /// Serves one connection to its end.
    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || self.is_over.load(Ordering::SeqCst) {
                return Ok(());
            }
            let mut words = line.split_whitespace().map(str::to_owned);
            let (method, path) =
                (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            // As Google wants it.
            let path = path.replace("%2F", "/");
            let mut request = Request { method, path, authorization: None, headers: String::new() };
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line)?;
                request.headers.push_str(&line);
                let Some((name, value)) = line.trim_end().split_once(": ") else { break };
                match name.to_lowercase().as_str() {
                    "content-length" => length = value.parse().unwrap(),
                    "authorization" => request.authorization = Some(value.to_owned()),
                    _ => {}
                }
            }
            let twist = {
                let mut state = self.state.lock().unwrap();
                let before =
                    state.requests.iter().filter(|other| other.kind() == request.kind()).count();
                state.requests.push(request.clone());
                state.trick.as_mut().and_then(|trick| trick(&request, before))
            };
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            if request.header("transfer-encoding").is_some_and(|how| how == "chunked") {
                body = chunks(&mut reader)?;
            }
            if !self.answer(stream, &request, body, twist)? {
                return Ok(());
            }
        }
    }

    /// Answers a request; false if the connection has to end.
    fn answer(
        &self,
        mut to: &TcpStream,
        request: &Request,
        body: Vec<u8>,
        twist: Option<Twist>,
    ) -> std::io::Result<bool> {
        match twist {
            Some(Twist::Status(status, more)) => {
                write!(to, "HTTP/1.1 {status} No\r\n{more}content-length: 0\r\n\r\n")?;
                return Ok(true);
            }
            Some(Twist::Close) => return Ok(false),
            Some(Twist::Garbage) => {
                to.write_all(b"\x00\x01 this is not HTTP\r\n\r\n")?;
                return Ok(false);
            }
            Some(Twist::Hang) => {
                self.sleep(Duration::from_secs(60));
                return Ok(false);
            }
            Some(Twist::Late(time)) => self.sleep(time),
            Some(Twist::Flood(megabytes)) => {
                write!(to, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
                for _ in 0..megabytes {
                    to.write_all(&vec![0; 1 << 20])?;
                }
                return Ok(false);
            }
            _ => {}
        }
        let (status, mut right) = self.right(request, body);
        let encoding = self.state.lock().unwrap().encodings.get(&request.path).cloned();
        let encoding = encoding.filter(|_| request.method != "PUT");
        let encoding = encoding.map(|encoding| format!("content-encoding: {encoding}\r\n"));
        let made = "etag: \"1\"\r\nlast-modified: Fri, 01 Jan 2021 00:00:00 GMT";
        let more = format!("{made}\r\n{}", encoding.unwrap_or_default());
        if request.method == "HEAD" || status != 200 {
            let length = if request.method == "HEAD" { right.len() } else { 0 };
            write!(to, "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{more}\r\n")?;
            return Ok(true);
        }
        let mut said = right.len();
        match &twist {
            Some(Twist::Body(body)) => {
                right = body.clone();
                said = right.len();
            }
            Some(Twist::Cut) => right.truncate(said / 2),
            Some(Twist::Flip) => right[said / 2] ^= 1,
            Some(Twist::Longer) => {
                right.extend([7; 10]);
                said += 10;
            }
            Some(Twist::LongerThanSaid) => right.extend([7; 10]),
            Some(Twist::Shorter) => {
                right.truncate(said / 2);
                said /= 2;
            }
            Some(Twist::CutChunks) => {
                write!(to, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{said:x}\r\n")?;
                to.write_all(&right[..said / 2])?;
                return Ok(false);
            }
            _ => {}
        }
        write!(to, "HTTP/1.1 200 OK\r\ncontent-length: {said}\r\n{more}\r\n")?;
        if twist == Some(Twist::Drip) {
            for byte in right {
                to.write_all(&[byte])?;
                self.sleep(Duration::from_millis(200));
            }
            return Ok(true);
        }
        to.write_all(&right)?;
        Ok(!matches!(twist, Some(Twist::Cut | Twist::LongerThanSaid)))
    }

    /// The status and body of the right answer.
    fn right(&self, request: &Request, body: Vec<u8>) -> (u16, Vec<u8>) {
        let mut state = self.state.lock().unwrap();
        if request.method != "PUT" {
            return match state.kept.get(&request.path) {
                Some(bytes) => (200, bytes.clone()),
                None => (404, Vec::new()),
            };
        }
        let encoding = request.header("content-encoding");
        if let Some((before, _)) = request.path.split_once("/ac/") {
            let entry = plain(encoding.as_deref(), &body);
            let entry = ActionResult::decode(&entry[..]).expect("an entry is an action result");
            let blobs = entry.output_files.iter().filter_map(|file| file.digest.as_ref());
            for blob in blobs.filter(|blob| blob.size_bytes > 0) {
                let path = format!("{before}/cas/{}", blob.hash);
                let encoding = state.encodings.get(&path).map(String::as_str);
                let kept = state.kept.get(&path).map(|kept| plain(encoding, kept));
                if kept.is_none_or(|kept| kept.len() as i64 != blob.size_bytes) {
                    state.broken.push(request.path.clone());
                    break;
                }
            }
        }
        state.kept.insert(request.path.clone(), body);
        match encoding {
            Some(encoding) => state.encodings.insert(request.path.clone(), encoding),
            None => state.encodings.remove(&request.path),
        };
        (200, Vec::new())
    }

    fn sleep(&self, time: Duration) {
        let began = std::time::Instant::now();
        while began.elapsed() < time && !self.is_over.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(20).min(time));
        }
    }
}

/// A body that comes in chunks.
fn chunks(reader: &mut BufReader<&TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut chunk = vec![0; usize::from_str_radix(line.trim_end(), 16).unwrap() + 2];
        reader.read_exact(&mut chunk)?;
        chunk.truncate(chunk.len() - 2);
        if chunk.is_empty() {
            return Ok(body);
        }
        body.extend(chunk);
    }
}

/// The bytes that are kept in an encoding, or in none.
pub(crate) fn plain(encoding: Option<&str>, kept: &[u8]) -> Vec<u8> {
    match encoding {
        Some(encoding) => {
            assert_eq!(encoding, "zstd");
            zstd::decode_all(kept).unwrap()
        }
        None => kept.to_vec(),
    }
}
