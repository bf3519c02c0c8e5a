//! The wire format of protobuf: numbered fields, each a number or some bytes.

use crate::Malformed;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// All fields of a message, in the order in which they stand.
pub fn fields(mut bytes: &[u8]) -> Result<Vec<(u64, Value<'_>)>, Malformed> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut bytes)?),
            1 => Value::Bytes(take(&mut bytes, 8)?),
            2 => {
                let len = varint(&mut bytes)?;
                Value::Bytes(take(&mut bytes, usize::try_from(len).map_err(|_| cut_short())?)?)
            }
            5 => Value::Bytes(take(&mut bytes, 4)?),
            other => return Err(Malformed(format!("there is no wire type {other}"))),
        };
        fields.push((tag >> 3, value));
    }
    Ok(fields)
}

/// Numbers one after the other, as a packed field holds them.
pub fn packed(mut bytes: &[u8]) -> Result<Vec<u64>, Malformed> {
    let mut numbers = Vec::new();
    while !bytes.is_empty() {
        numbers.push(varint(&mut bytes)?);
    }
    Ok(numbers)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Malformed("a number does not end".to_owned()))
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Result<&'a [u8], Malformed> {
    let (taken, rest) = bytes.split_at_checked(len).ok_or_else(cut_short)?;
    *bytes = rest;
    Ok(taken)
}

fn cut_short() -> Malformed {
    Malformed("it is cut short".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_field_is_read() {
        let bytes = [0x08, 0xac, 0x02, 0x12, 2, b'h', b'i', 0x1d, 1, 2, 3, 4];
        let expected = vec![
            (1, Value::Number(300)),
            (2, Value::Bytes(b"hi")),
            (3, Value::Bytes(&[1, 2, 3, 4])),
        ];
        assert_eq!(fields(&bytes), Ok(expected));
        assert_eq!(packed(&[1, 0xac, 0x02]), Ok(vec![1, 300]));
    }

    #[test]
    fn what_is_cut_short_is_told() {
        for bytes in [&[0x08][..], &[0x08, 0x80], &[0x12, 2, b'h'], &[0x1d, 1], &[0x0f, 0]] {
            assert!(fields(bytes).is_err(), "{bytes:?}");
        }
        assert!(packed(&[0xff; 11]).is_err());
    }
}
