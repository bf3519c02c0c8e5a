//! Writes a reference of messages, in Markdown, from what protoc knows of them.
//!
//! ```text
//! schema-gen DESCRIPTOR-SET REFERENCE
//! ```

use schema::{Message, Schema};
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [descriptor_set, reference] = &arguments[..] else {
        eprintln!("usage: schema-gen DESCRIPTOR-SET REFERENCE");
        return ExitCode::from(2);
    };
    match write(descriptor_set.as_ref(), reference.as_ref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("schema-gen: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(descriptor_set: &Path, reference: &Path) -> Result<(), Box<dyn Error>> {
    let in_file = |path: &Path, error: &dyn Error| format!("{}: {error}", path.display());
    let bytes = fs::read(descriptor_set).map_err(|error| in_file(descriptor_set, &error))?;
    let schema = Schema::read(&bytes).map_err(|error| in_file(descriptor_set, &error))?;
    let pages: Vec<_> = schema.messages.iter().map(section).collect();
    fs::write(reference, pages.join("\n")).map_err(|error| in_file(reference, &error))?;
    Ok(())
}

fn section(message: &Message) -> String {
    let mut text = format!("## {}\n\n", message.name);
    if !message.comment.is_empty() {
        let _ = writeln!(text, "{}\n", message.comment);
    }
    text += "| number | field | holds | |\n| --- | --- | --- | --- |\n";
    for field in &message.fields {
        let many = if field.is_repeated { "any number of " } else { "" };
        let (number, name, kind) = (field.number, &field.name, &field.kind);
        let _ = writeln!(text, "| {number} | `{name}` | {many}{kind} | {} |", field.comment);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::{Field, Kind};

    #[test]
    fn a_message_is_a_section_with_a_row_for_each_field() {
        let lines = Field {
            number: 1,
            name: "lines".to_owned(),
            is_repeated: true,
            kind: Kind::Message("p.Line".to_owned()),
            comment: "In order.".to_owned(),
        };
        let message = Message {
            name: "p.Quote".to_owned(),
            comment: "A price.".to_owned(),
            fields: vec![lines],
        };
        let expected = "## p.Quote\n\nA price.\n\n| number | field | holds | |\n| --- | --- | --- | --- |\n\
                        | 1 | `lines` | any number of p.Line | In order. |\n";
        assert_eq!(section(&message), expected);
    }
}
