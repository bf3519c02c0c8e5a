//! Durations and sizes as people write and read them.

use std::time::Duration;

/// A measured time: `35ms`, `1.82s`, `12.3s`, `1m 04s`, `2h 05m`.
pub(crate) fn exact(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if (1.0..9.995).contains(&seconds) => format!("{seconds:.2}s"),
        _ => about(duration),
    }
}

/// A time where a glance is enough: `35ms`, `1.9s`, `1m 04s`, `2h 05m`. At least a millisecond.
pub(crate) fn about(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if seconds < 1.0 => format!("{}ms", duration.as_millis().max(1)),
        seconds if seconds < 59.95 => format!("{seconds:.1}s"),
        _ => minutes(duration.saturating_add(Duration::from_millis(500)).as_secs()),
    }
}

/// A limit that was reached, without what it took to notice: `30s`, `500ms`, `1m 30s`.
pub(crate) fn limit(duration: Duration) -> String {
    match duration.as_secs() {
        0 => about(duration),
        seconds if seconds < 60 => format!("{seconds}s"),
        seconds => minutes(seconds),
    }
}

fn minutes(seconds: u64) -> String {
    match seconds / 60 {
        minutes if minutes < 60 => format!("{minutes}m {:02}s", seconds % 60),
        minutes => format!("{}h {:02}m", minutes / 60, minutes % 60),
    }
}

/// A number of bytes: `512 B`, `9.1 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1023.95 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// Reads `10GiB`, `500 MB`, `1.5G` or a number of bytes. `K`, `M`, `G` and `T` alone are powers of 1024.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let (amount, unit) = split(text)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        _ => return Err(format!("`{unit}` is no unit of size; write `500MB` or `10GiB`")),
    };
    Ok((amount * factor as f64) as u64) // A conversion from a float saturates.
}

/// Reads `45s`, `90m`, `12h`, `30d`, `2w`, also with the units written out: `30 days`.
pub(crate) fn parse_age(text: &str) -> Result<Duration, String> {
    let (amount, unit) = split(text)?;
    let seconds = match unit.to_ascii_lowercase().as_str() {
        "s" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        "" => return Err("a unit is missing; write `12h`, `30d` or `2w`".to_owned()),
        _ => return Err(format!("`{unit}` is no unit of time; write `12h`, `30d` or `2w`")),
    };
    Duration::try_from_secs_f64(amount * seconds).map_err(|_| format!("`{text}` is too long"))
}

/// A number that is not negative, and the word behind it.
fn split(text: &str) -> Result<(f64, &str), String> {
    let text = text.trim();
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number = number.parse().map_err(|_| format!("`{text}` does not begin with a number"))?;
    Ok((number, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_measured_time_has_three_digits_that_count() {
        let shown = [0, 35, 999, 1_000, 1_820, 9_994, 9_995, 12_340, 59_949, 59_950, 64_400]
            .map(|time| exact(ms(time)));
        assert_eq!(
            shown.join(" "),
            "1ms 35ms 999ms 1.00s 1.82s 9.99s 10.0s 12.3s 59.9s 1m 00s 1m 04s"
        );
        assert_eq!(exact(Duration::from_secs(7_530)), "2h 05m");
    }

    #[test]
    fn a_time_at_a_glance_has_one_digit_behind_the_point() {
        assert_eq!(
            [30, 1_900, 4_000, 64_000].map(|time| about(ms(time))).join(" "),
            "30ms 1.9s 4.0s 1m 04s"
        );
    }

    #[test]
    fn a_limit_is_told_as_it_was_set() {
        assert_eq!([502, 30_010, 90_004].map(|time| limit(ms(time))).join(" "), "502ms 30s 1m 30s");
    }

    #[test]
    fn a_size_has_one_digit_behind_the_point() {
        let shown = [0, 1023, 1024, 9_541_000, 1_048_575, 10 << 30, u64::MAX].map(size);
        assert_eq!(
            shown.join(", "),
            "0 B, 1023 B, 1.0 KiB, 9.1 MiB, 1.0 MiB, 10.0 GiB, 16384.0 PiB"
        );
    }

    #[test]
    fn sizes_and_ages_are_read_as_people_write_them() {
        assert_eq!(parse_size("10 GiB"), Ok(10 << 30));
        assert_eq!(parse_size("500MB"), Ok(500_000_000));
        assert_eq!(parse_size("1.5k"), Ok(1536));
        assert_eq!(parse_size("0"), Ok(0));
        assert_eq!(parse_age("30 days"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(parse_age("12h"), Ok(Duration::from_secs(12 * 3_600)));
        for bad in ["", "GiB", "-1", "1 parsec", "1.2.3"] {
            assert!(parse_size(bad).is_err(), "{bad:?}");
            assert!(parse_age(bad).is_err(), "{bad:?}");
        }
        assert!(parse_age("30").is_err());
    }

    proptest! {
        #[test]
        fn no_amount_and_no_text_make_it_panic(bytes: u64, seconds: u64, nanos in 0..1_000_000_000u32, text: String) {
            size(bytes);
            let duration = Duration::new(seconds, nanos);
            prop_assert!(!exact(duration).is_empty() && !about(duration).is_empty() && !limit(duration).is_empty());
            let _ = (parse_size(&text), parse_age(&text));
        }
    }
}
