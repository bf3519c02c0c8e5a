//! Durations and sizes, as an author writes them.

use std::time::Duration;

const DURATIONS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Reads `90s`, `5m`, `1h30m`, `500ms`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut milliseconds: u64 = 0;
    while !rest.is_empty() {
        let (number, behind) = rest.split_at(rest.find(|char: char| !char.is_ascii_digit())?);
        let (unit, behind) = behind.split_at(
            behind.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(behind.len()),
        );
        let (_, factor) = DURATIONS.iter().find(|(name, _)| *name == unit)?;
        let part = number.parse::<u64>().ok()?.checked_mul(*factor)?;
        milliseconds = milliseconds.checked_add(part)?;
        rest = behind;
    }
    (!text.is_empty()).then(|| Duration::from_millis(milliseconds))
}

/// Reads `10 GiB`, `500MB`, `1.5 GiB`, `4096`: bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start();
    let factor = match SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
        Some((_, factor)) => *factor,
        None if unit.is_empty() => 1,
        None => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let bytes = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    bytes.checked_add(part_of(fraction, factor)?)
}

/// `factor` times the decimal fraction with these digits.
fn part_of(digits: &str, factor: u64) -> Option<u64> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    let scale = 10u128.pow(digits.len() as u32);
    u64::try_from(u128::from(digits.parse::<u64>().ok()?) * u128::from(factor) / scale).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, milliseconds) in
            [("90s", 90_000), ("5m", 300_000), ("1h30m", 5_400_000), ("500ms", 500), ("0s", 0)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in [
            "",
            "5",
            "5 min",
            "min",
            "1d",
            "-5s",
            "1.5h",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_have_units_of_ten_and_of_two() {
        for (text, bytes) in [
            ("10 GiB", 10 << 30),
            ("500MB", 500_000_000),
            ("1.5 KiB", 1536),
            ("4096", 4096),
            ("1 b", 1),
            ("0.001 kB", 1),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in [
            "",
            "GiB",
            "10 G",
            "-1 MB",
            "1.2.3 MB",
            "1. MB",
            "99999999 TiB",
            "99999999999999999999",
            ".5 GB",
        ] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
