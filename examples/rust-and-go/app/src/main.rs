//! Asks two pieces of Go what an order costs: a library that is linked in, and a service that is embedded.

mod service;

use schema::Schema;
use service::Service;
use std::error::Error;
use std::process::ExitCode;

/// Whatever goes wrong here is only ever shown to a person.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What step `descriptor` has left: the messages of the service, as protoc knows them.
static DESCRIPTOR: &[u8] =
    include_bytes!(concat!(env!("GRANULAR_OUT_DESCRIPTOR"), "/quotes.binpb"));

const ORDER: [(&str, u32); 2] = [("tea", 3), ("cup", 12)];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("app: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut total = 0;
    for (item, count) in ORDER {
        let cents = prices::price_of(item, count).ok_or_else(|| format!("no item {item}"))?;
        println!("library: {count} {item} cost {cents} cents");
        total += cents;
    }
    let service = Service::start()?;
    eprintln!("the service listens on {}", service.address());
    let order: Vec<_> = ORDER.iter().map(|(item, count)| format!("order={item}:{count}")).collect();
    let quote = service.get(&format!("/quote?{}", order.join("&")))?;
    let text = Schema::read(DESCRIPTOR)?.text("quotes.v1.Quote", &quote)?;
    text.lines().for_each(|line| println!("service: {line}"));
    if !text.lines().any(|line| line == format!("total_cents: {total}")) {
        return Err(format!("the library says {total} cents, the service does not").into());
    }
    println!("both say {total} cents");
    Ok(())
}
