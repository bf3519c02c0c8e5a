//! What protoc knows of messages (`protoc --descriptor_set_out`), and messages read by it.
//!
//! It knows what this example needs: messages at the top of a file, whose fields are numbers, truth values, texts and
//! messages. What else there is, it names in an error.

mod wire;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use wire::{Value, fields};

/// The messages of some files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    pub messages: Vec<Message>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// With the package in front: `quotes.v1.Quote`.
    pub name: String,
    pub comment: String,
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    pub number: u64,
    pub name: String,
    pub is_repeated: bool,
    pub kind: Kind,
    pub comment: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Of the type whose number this is in `descriptor.proto`.
    Unknown(u64),
    Signed,
    Unsigned,
    Bool,
    #[default]
    Text,
    /// The message of this name.
    Message(String),
}

/// Bytes that are no such message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub(crate) String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a message of this schema: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(number) => write!(f, "type {number}"),
            Self::Signed => f.write_str("signed number"),
            Self::Unsigned => f.write_str("number"),
            Self::Bool => f.write_str("true or false"),
            Self::Text => f.write_str("text"),
            Self::Message(name) => f.write_str(name),
        }
    }
}

impl Schema {
    /// Reads a `FileDescriptorSet`.
    pub fn read(descriptor_set: &[u8]) -> Result<Self, Malformed> {
        let mut schema = Self::default();
        for (number, file) in fields(descriptor_set)? {
            if let (1, Value::Bytes(file)) = (number, file) {
                schema.messages.extend(read_file(file)?);
            }
        }
        Ok(schema)
    }

    /// A message as text, a line for each value, as `protoc --decode` shows it.
    pub fn text(&self, name: &str, message: &[u8]) -> Result<String, Malformed> {
        let mut text = String::new();
        self.write(name, message, 0, &mut text)?;
        Ok(text)
    }

    fn write(
        &self,
        name: &str,
        message: &[u8],
        depth: usize,
        text: &mut String,
    ) -> Result<(), Malformed> {
        let of_name = self.messages.iter().find(|message| message.name == name);
        let schema =
            of_name.ok_or_else(|| Malformed(format!("there is no message `{name}` in it")))?;
        let indent = "  ".repeat(depth);
        for (number, value) in fields(message)? {
            let Some(field) = schema.fields.iter().find(|field| field.number == number) else {
                continue; // from somebody with a newer schema
            };
            let shown = match (&field.kind, value) {
                (Kind::Message(inner), Value::Bytes(bytes)) => {
                    let _ = writeln!(text, "{indent}{} {{", field.name);
                    self.write(inner, bytes, depth + 1, text)?;
                    let _ = writeln!(text, "{indent}}}");
                    continue;
                }
                (Kind::Signed, Value::Number(number)) => number.cast_signed().to_string(),
                (Kind::Unsigned, Value::Number(number)) => number.to_string(),
                (Kind::Bool, Value::Number(number)) => (number != 0).to_string(),
                (Kind::Text, Value::Bytes(bytes)) => format!("{:?}", text_of(bytes)?),
                (kind, _) => {
                    let name = &field.name;
                    return Err(Malformed(format!("`{name}` cannot be read as {kind}")));
                }
            };
            let _ = writeln!(text, "{indent}{}: {shown}", field.name);
        }
        Ok(())
    }
}

/// Comments by the path of what they stand at: `[4, 0]` is the first message of the file, `[4, 0, 2, 1]` its second field.
type Comments = BTreeMap<Vec<u64>, String>;

/// The messages of a `FileDescriptorProto`.
fn read_file(file: &[u8]) -> Result<Vec<Message>, Malformed> {
    let (mut package, mut messages, mut comments) = (String::new(), Vec::new(), Comments::new());
    for (number, value) in fields(file)? {
        match (number, value) {
            (2, Value::Bytes(name)) => package = format!("{}.", text_of(name)?),
            (4, Value::Bytes(message)) => messages.push(read_message(message)?),
            (9, Value::Bytes(info)) => comments = read_comments(info)?,
            _ => {}
        }
    }
    for (index, message) in (0_u64..).zip(&mut messages) {
        message.name.insert_str(0, &package);
        message.comment = comments.remove(&vec![4, index]).unwrap_or_default();
        for (field_index, field) in (0_u64..).zip(&mut message.fields) {
            field.comment = comments.remove(&vec![4, index, 2, field_index]).unwrap_or_default();
        }
    }
    Ok(messages)
}

/// A `DescriptorProto`.
fn read_message(message: &[u8]) -> Result<Message, Malformed> {
    let mut read = Message::default();
    for (number, value) in fields(message)? {
        match (number, value) {
            (1, Value::Bytes(name)) => read.name = text_of(name)?,
            (2, Value::Bytes(field)) => read.fields.push(read_field(field)?),
            _ => {}
        }
    }
    Ok(read)
}

/// A `FieldDescriptorProto`.
fn read_field(field: &[u8]) -> Result<Field, Malformed> {
    let (mut read, mut kind, mut message) = (Field::default(), 0, String::new());
    for (number, value) in fields(field)? {
        match (number, value) {
            (1, Value::Bytes(name)) => read.name = text_of(name)?,
            (3, Value::Number(number)) => read.number = number,
            (4, Value::Number(label)) => read.is_repeated = label == 3,
            (5, Value::Number(number)) => kind = number,
            (6, Value::Bytes(name)) => message = text_of(name)?,
            _ => {}
        }
    }
    read.kind = match kind {
        3 | 5 => Kind::Signed,
        4 | 13 => Kind::Unsigned,
        8 => Kind::Bool,
        9 => Kind::Text,
        11 => Kind::Message(message.trim_start_matches('.').to_owned()),
        other => Kind::Unknown(other),
    };
    Ok(read)
}

/// What a `SourceCodeInfo` says stands above things.
fn read_comments(info: &[u8]) -> Result<Comments, Malformed> {
    let mut comments = Comments::new();
    for (number, location) in fields(info)? {
        let (1, Value::Bytes(location)) = (number, location) else { continue };
        let mut path = Vec::new();
        for (number, value) in fields(location)? {
            match (number, value) {
                (1, Value::Bytes(bytes)) => path = wire::packed(bytes)?,
                (3, Value::Bytes(comment)) => {
                    let comment = text_of(comment)?;
                    let lines: Vec<_> = comment.lines().map(str::trim).collect();
                    comments.insert(path.clone(), lines.join(" ").trim().to_owned());
                }
                _ => {}
            }
        }
    }
    Ok(comments)
}

fn text_of(bytes: &[u8]) -> Result<String, Malformed> {
    let text = std::str::from_utf8(bytes);
    text.map(str::to_owned).map_err(|_| Malformed("a text is not UTF-8".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap_or(0)], bytes].concat()
    }

    /// A field of a message: its name, number and type.
    fn field_of(name: &str, number: u8, kind: u8) -> Vec<u8> {
        field(2, &[field(1, name.as_bytes()), vec![0x18, number, 0x20, 1, 0x28, kind]].concat())
    }

    fn set() -> Vec<u8> {
        let fields = [field_of("name", 1, 9), field_of("change", 2, 3), field_of("rate", 3, 1)];
        let message = [field(1, b"M"), fields.concat()].concat();
        let above = |path: &[u8], text: &[u8]| field(1, &[field(1, path), field(3, text)].concat());
        let comments = [above(&[4, 0], b" Of\n note.\n"), above(&[4, 0, 2, 1], b" May fall.\n")];
        field(1, &[field(2, b"p"), field(4, &message), field(9, &comments.concat())].concat())
    }

    #[test]
    fn a_descriptor_set_is_read_with_its_comments() -> Result<(), Malformed> {
        let schema = Schema::read(&set())?;
        let message = &schema.messages[0];
        assert_eq!((message.name.as_str(), message.comment.as_str()), ("p.M", "Of note."));
        let change = Field {
            number: 2,
            name: "change".to_owned(),
            is_repeated: false,
            kind: Kind::Signed,
            comment: "May fall.".to_owned(),
        };
        assert_eq!(message.fields[1], change);
        Ok(())
    }

    #[test]
    fn a_message_is_shown_as_text_and_unknown_fields_are_left_out() -> Result<(), Malformed> {
        let schema = Schema::read(&set())?;
        let minus_one = [&[0x10][..], &[0xff; 9], &[1]].concat();
        let message = [field(1, b"a \"b\""), minus_one, field(9, b"new")].concat();
        assert_eq!(schema.text("p.M", &message)?, "name: \"a \\\"b\\\"\"\nchange: -1\n");
        Ok(())
    }

    #[test]
    fn what_cannot_be_read_is_told() -> Result<(), Malformed> {
        let schema = Schema::read(&set())?;
        let told = |name, message: &[u8]| schema.text(name, message).err().map(|error| error.0);
        assert_eq!(told("p.N", &[]).as_deref(), Some("there is no message `p.N` in it"));
        assert_eq!(told("p.M", &[0x08, 1]).as_deref(), Some("`name` cannot be read as text"));
        let rate = [&[0x19][..], &[0; 8]].concat();
        assert_eq!(told("p.M", &rate).as_deref(), Some("`rate` cannot be read as type 1"));
        assert_eq!(told("p.M", &field(1, b"\xff")).as_deref(), Some("a text is not UTF-8"));
        Ok(())
    }
}
