//! Numbers and times, as they are shown.

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use meter::money::Nanos;

/// Digits in a group.
const GROUP: usize = 3;

/// An amount in quota.
pub(super) fn quota(nanos: i64) -> String {
    grouped(&Nanos::new(nanos).in_quota().to_string())
}

/// A count.
pub(super) fn count(count: i64) -> String {
    grouped(&count.to_string())
}

/// A decimal with its whole part in groups of three, as it is written everywhere.
fn grouped(decimal: &str) -> String {
    let (sign, digits) = decimal.strip_prefix('-').map_or(("", decimal), |rest| ("−", rest));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(w, f)| (w, Some(f)));
    let mut text = sign.to_owned();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && whole.len().saturating_sub(place).is_multiple_of(GROUP) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

/// A point in time, to the second.
pub(super) fn time(at: DateTime<Utc>) -> Markup {
    let (machine, people) = (crate::clock::text(at), at.format("%Y-%m-%d %H:%M:%S").to_string());
    html! { time datetime=(machine) { (people) } }
}

/// The same for one that is written already.
pub(super) fn written(at: &str) -> Markup {
    let Ok(at) = at.parse::<DateTime<Utc>>() else { return html! { (at) } };
    time(at)
}

/// An age in its largest unit.
pub(super) fn age(ms: Option<u64>) -> String {
    match ms.map(|ms| ms / 1_000) {
        None => "–".to_owned(),
        Some(seconds @ 0..=119) => format!("{seconds} s"),
        Some(seconds @ 120..=7_199) => format!("{} min", seconds / 60),
        Some(seconds) => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_parts_are_grouped_and_nothing_is_rounded() {
        for (decimal, want) in [
            ("0", "0"),
            ("999", "999"),
            ("1000", "1,000"),
            ("-1234567.0005", "−1,234,567.0005"),
            ("4611686018427387.9035", "4,611,686,018,427,387.9035"),
        ] {
            assert_eq!(grouped(decimal), want);
        }
        assert_eq!(quota(i64::MIN), "−4,611,686,018,427,387.904");
        assert_eq!((age(None), age(Some(121_000))), ("–".to_owned(), "2 min".to_owned()));
    }
}
