//! Entries as somebody reads and writes them who does not use the program: over HTTP, and over gRPC.

use super::moto;
use super::server::{ActionResult, Digest, plain};
use bytes::Bytes;
use prost::Message;
use tokio::net::TcpStream;
use ureq::http::Request;

/// An `UpdateActionResultRequest`.
#[derive(Clone, PartialEq, Message)]
struct Put {
    #[prost(message, optional, tag = "2")]
    name: Option<Digest>,
    #[prost(message, optional, tag = "3")]
    entry: Option<ActionResult>,
}

/// A `GetActionResultRequest`.
#[derive(Clone, PartialEq, Message)]
struct Get {
    #[prost(message, optional, tag = "2")]
    name: Option<Digest>,
    #[prost(bool, tag = "3")]
    inline_stdout: bool,
    #[prost(bool, tag = "4")]
    inline_stderr: bool,
}

/// The entry of that name, if there is one.
pub(super) fn get(url: &str, name: &str) -> Option<ActionResult> {
    let body = match url.strip_prefix("grpc://") {
        None => {
            let request = ureq::get(format!("{url}/ac/{name}"));
            let mut answer = request.header("authorization", moto::SOMEBODY).call().ok()?;
            let body = answer.body_mut().read_to_vec().unwrap();
            let encoding = answer.headers().get("content-encoding");
            plain(encoding.map(|name| name.to_str().unwrap()), &body)
        }
        Some(address) => {
            let get = Get { name: digest(name), inline_stdout: true, inline_stderr: true };
            call(address, "GetActionResult", &get.encode_to_vec())?
        }
    };
    Some(ActionResult::decode(&body[..]).unwrap())
}

/// Puts an entry there, in the place of what is.
pub(super) fn put(url: &str, name: &str, entry: &ActionResult) {
    match url.strip_prefix("grpc://") {
        None => {
            let request = ureq::put(format!("{url}/ac/{name}"));
            let request = request.header("authorization", moto::SOMEBODY);
            request.send(&entry.encode_to_vec()[..]).unwrap();
        }
        Some(address) => {
            let put = Put { name: digest(name), entry: Some(entry.clone()) };
            call(address, "UpdateActionResult", &put.encode_to_vec()).unwrap();
        }
    }
}

/// The name of an entry: its size is always the same.
fn digest(name: &str) -> Option<Digest> {
    Some(Digest { hash: name.to_owned(), size_bytes: 1 })
}

/// What a method answers; none where its status is another one than that all is well.
fn call(address: &str, method: &str, message: &[u8]) -> Option<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = Request::post(format!(
            "http://{address}/build.bazel.remote.execution.v2.ActionCache/{method}"
        ));
        let request = request.header("content-type", "application/grpc").header("te", "trailers");
        let request = request.body(()).unwrap();
        let (answer, mut send) =
            client.ready().await.unwrap().send_request(request, false).unwrap();
        let framed = [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat();
        send.send_data(Bytes::from(framed), true).unwrap();
        let mut body = answer.await.unwrap().into_body();
        let mut bytes = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            bytes.extend_from_slice(&data);
        }
        let end = body.trailers().await.unwrap()?;
        (end.get("grpc-status")? == "0").then(|| bytes.split_off(5))
    })
}
