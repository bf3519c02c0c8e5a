//! What the programs have to do together.

use std::fs;

use crate::Result;
use crate::api::Api;
use crate::programs::{Answer, Programs, command, run as run_command};
use crate::table::Table;
use crate::temporary::Directory;

/// What the api begins with.
const DATA: &str = r#"{
    "users": [{ "id": "usr_1", "name": "Ada Lovelace", "email": "ada@example.com", "role": "admin" }],
    "orders": [
        {
            "id": "ord_1",
            "user_id": "usr_1",
            "status": "paid",
            "lines": [
                { "sku": "tea", "quantity": 2, "price": "4.50 EUR" },
                { "sku": "cup", "quantity": 1, "price": "9.99 EUR" }
            ]
        }
    ]
}"#;

/// A started api, and the programs to use it with.
struct World<'a> {
    programs: &'a Programs,
    api: Api,
}

impl World<'_> {
    fn admin(&self, args: &[&str]) -> Result<Answer> {
        run_command(command(&self.programs.admin).args(["-api", self.api.url()]).args(args), "")
    }

    fn worker(&self, args: &[&str], input: &str) -> Result<Answer> {
        run_command(command(&self.programs.worker).args(args), input)
    }
}

type Check = fn(&World) -> Result<()>;

/// All checks. They share one api, so the order matters.
const CHECKS: [(&str, Check); 6] = [
    ("the api is well", health),
    ("orders add up", orders),
    ("a user is added once", users),
    ("the worker does what admin asks for", jobs),
    ("a job that cannot be done fails", failing_job),
    ("the worker works without the api", piped_jobs),
];

/// Starts the api and makes the checks, one after the other.
pub fn run(programs: &Programs) -> Result<()> {
    let directory = Directory::new()?;
    let data = directory.path().join("data.json");
    fs::write(&data, DATA)?;
    let world = World { programs, api: Api::start(&programs.api, &data)? };
    for (name, check) in CHECKS {
        check(&world).map_err(|error| format!("{name}: {error}"))?;
        println!("ok  {name}");
    }
    Ok(())
}

fn health(world: &World) -> Result<()> {
    let text = world.admin(&["health"])?.success()?;
    let table = Table::parse(&text);
    expect(table.cell("status", "VALUE")?, "ok")?;
    expect(table.cell("users", "VALUE")?, "1")
}

fn orders(world: &World) -> Result<()> {
    let text = world.admin(&["orders", "report", "-by", "user"])?.success()?;
    let table = Table::parse(&text);
    expect(table.cell("Ada Lovelace", "ITEMS")?, "3")?;
    expect(table.cell("Ada Lovelace", "TOTAL")?, "18.99 EUR")
}

fn users(world: &World) -> Result<()> {
    let add = ["users", "add", "-name", "Bob", "-email", "Bob@Example.com"];
    world.admin(&add)?.success()?;
    let again = world.admin(&add)?;
    expect(&format!("{:?}", again.code), "Some(1)")?;
    if !again.stderr.contains("address bob@example.com is taken") {
        return Err(format!("refused for another reason: {}", again.stderr).into());
    }
    let text = world.admin(&["users", "list"])?.success()?;
    let table = Table::parse(&text);
    expect(&table.len().to_string(), "2")?;
    expect(table.cell("bob@example.com", "ROLE")?, "customer")
}

fn jobs(world: &World) -> Result<()> {
    let payload = r#"{"amount":"10.00 EUR","parts":3}"#;
    world.admin(&["jobs", "add", "-kind", "split", "-payload", payload])?.success()?;
    world.worker(&["-api", world.api.url(), "-drain"], "")?.success()?;
    let text = world.admin(&["jobs", "list"])?.success()?;
    let table = Table::parse(&text);
    expect(table.cell("split", "STATE")?, "done")?;
    expect(table.cell("split", "OUTCOME")?, "3.34 EUR, 3.33 EUR, 3.33 EUR")
}

fn failing_job(world: &World) -> Result<()> {
    world.admin(&["jobs", "add", "-kind", "bake", "-attempts", "1"])?.success()?;
    world.worker(&["-api", world.api.url(), "-drain"], "")?.success()?;
    let text = world.admin(&["jobs", "list", "-state", "failed"])?.success()?;
    expect(Table::parse(&text).cell("bake", "OUTCOME")?, r#"error: unknown kind "bake""#)
}

fn piped_jobs(world: &World) -> Result<()> {
    let job = r#"{"id":"job_1","kind":"checksum","payload":{"text":""}}"#;
    let outcome = world.worker(&[], job)?.success()?;
    let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    expect(
        outcome.trim_end(),
        &format!(r#"{{"id":"job_1","kind":"checksum","result":"sha256:{digest}"}}"#),
    )
}

fn expect(got: &str, want: &str) -> Result<()> {
    if got == want { Ok(()) } else { Err(format!("got {got:?}, want {want:?}").into()) }
}
