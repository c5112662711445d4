//! Times as people read and write them.

use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock, in seconds since the Unix epoch; 0 when it stands before it.
pub(crate) fn now_unix_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// `2026-11-21T09:14:02Z` (RFC 3339). Times after the year 9999 stay a number.
pub(crate) fn rfc3339(unix_s: u64) -> String {
    const YEAR_10000_UNIX_S: u64 = 253_402_300_800;
    if unix_s >= YEAR_10000_UNIX_S {
        return unix_s.to_string();
    }
    let (days, second_of_day) = (unix_s / 86_400, unix_s % 86_400);
    // Days to a date, as in Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms":
    // years begin in March, so that the leap day is the last of its year.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (
        second_of_day / 3_600,
        second_of_day / 60 % 60,
        second_of_day % 60,
    );
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A duration in its largest whole unit: `59 min`.
pub(crate) fn about(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        86_400.. => format!("{} d", seconds / 86_400),
    }
}

/// Seconds from `90s`, `30m`, `1h` or `7d`; `None` for anything else, and for no time at all.
pub(crate) fn parse_duration_s(text: &str) -> Option<u64> {
    let unit_at = text.len().checked_sub(1)?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let is_number = number.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|n| is_number && *n > 0)?;
    number.checked_mul(unit_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // Each from `date -u -d @N`.
        for (unix_s, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_795_224_000, "2026-11-21T01:20:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (253_402_300_800, "253402300800"),
            (u64::MAX, "18446744073709551615"),
        ] {
            assert_eq!(rfc3339(unix_s), expected);
        }
    }

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, expected) in [
            ("90s", Some(90)),
            ("30m", Some(1_800)),
            ("1h", Some(3_600)),
            ("7d", Some(604_800)),
            ("", None),
            ("h", None),
            ("1", None),
            ("0h", None),
            ("+1h", None),
            ("-1h", None),
            ("1.5h", None),
            ("1w", None),
            ("1ü", None),
            ("18446744073709551615d", None),
        ] {
            assert_eq!(parse_duration_s(text), expected, "{text}");
        }
    }

    #[test]
    fn a_duration_is_told_in_one_unit() {
        let told: Vec<_> = [0, 59, 60, 3_599, 3_600, 86_399, 86_400].map(about).into();
        assert_eq!(
            told,
            ["0 s", "59 s", "1 min", "59 min", "1 h", "23 h", "1 d"]
        );
    }
}
