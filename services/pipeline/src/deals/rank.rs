//! The order of cards: keys that compare like their texts, between any two of which there is another.
//!
//! A key is a fraction in base 32, digit by digit. A new card, and one that came to another stage, takes a key of the moment, which is less
//! the later it is: it comes first without a look at the others. What is put between two takes a key between theirs, which is longer where
//! they are close; when keys have become long, those around are [spread] anew.

use time::OffsetDateTime;

const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
/// Digits of a key of a moment: 65 bits hold microseconds.
const WIDTH: u32 = 13;
/// A key of more digits is short no longer, and is made anew with those around.
pub(super) const LONG: usize = 40;

/// The key of a moment.
pub(super) fn of_moment(at: OffsetDateTime) -> String {
    let micros = u64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or_default();
    let left = (u64::MAX / 2).saturating_sub(micros);
    let digit = |n: u32| DIGITS[usize::try_from((left >> (5 * n)) & 31).unwrap_or_default()];
    (0..WIDTH).rev().map(|n| char::from(digit(n))).collect()
}

/// A key between two, of which either may be missing; `None` if there is none, as between equal ones.
pub(super) fn between(low: Option<&str>, high: Option<&str>) -> Option<String> {
    let digits =
        |key: &str| key.bytes().map(|b| DIGITS.iter().position(|d| *d == b)).collect::<Option<Vec<_>>>();
    let low = digits(low.unwrap_or_default())?;
    let mut high = high.map(digits).map_or(Some(None), |found| found.map(Some))?;
    let most = low.len().max(high.as_ref().map_or(0, Vec::len));
    let mut key = String::new();
    for n in 0..=most {
        let from = low.get(n).copied().unwrap_or_default();
        let to = high.as_ref().map_or(DIGITS.len(), |high| high.get(n).copied().unwrap_or_default());
        if to < from {
            return None;
        }
        if to > from + 1 {
            key.push(char::from(DIGITS[usize::midpoint(from, to)]));
            return Some(key);
        }
        key.push(char::from(DIGITS[from]));
        if to == from + 1 {
            // Whatever follows is less than the upper one.
            high = None;
        }
    }
    // The lower one has ended, and there is no upper one any more, or they were equal.
    high.is_none().then(|| key + "g")
}

/// As many keys between two, evenly and in their order; `None` if there are none.
pub(super) fn spread(low: Option<&str>, high: Option<&str>, number: usize) -> Option<Vec<String>> {
    if number == 0 {
        return Some(Vec::new());
    }
    let middle = between(low, high)?;
    let before = number / 2;
    let mut keys = spread(low, Some(&middle), before)?;
    let after = spread(Some(&middle), high, number - before - 1)?;
    keys.push(middle);
    keys.extend(after);
    Some(keys)
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    #[test]
    fn a_later_moment_comes_first() {
        let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        let keys = [100, 1, 0].map(|micros| of_moment(now + Duration::microseconds(micros)));
        assert!(keys.is_sorted() && keys[0] < keys[1] && keys[1] < keys[2], "{keys:?}");
        assert!(keys.iter().all(|key| key.len() == WIDTH as usize));
    }

    #[test]
    fn between_any_two_is_another_and_between_equal_ones_none() {
        let now = of_moment(OffsetDateTime::UNIX_EPOCH);
        for (low, high) in [
            (None, None),
            (None, Some("1")),
            (None, Some("0001")),
            (Some("v"), None),
            (Some("vvvv"), None),
            (Some("a"), Some("b")),
            (Some("a"), Some("a1")),
            (Some("a"), Some("a01")),
            (Some("avv"), Some("b")),
            (Some("a0"), Some("a1")),
            (Some(now.as_str()), None),
            (None, Some(now.as_str())),
        ] {
            let key = between(low, high).unwrap();
            assert!(low.is_none_or(|low| low < key.as_str()), "{low:?} {key} {high:?}");
            assert!(high.is_none_or(|high| key.as_str() < high), "{low:?} {key} {high:?}");
        }
        for (low, high) in [("a", "a"), ("b", "a"), ("a", "a0"), ("a!", "b")] {
            assert_eq!(between(Some(low), Some(high)), None, "{low} {high}");
        }
        assert_eq!(between(None, Some("000")), None);
    }

    #[test]
    fn keys_grow_by_a_digit_for_some_cards_at_one_place_and_are_short_again_when_spread() {
        let (low, mut high) = (of_moment(OffsetDateTime::UNIX_EPOCH), None::<String>);
        let mut longest = 0;
        for _ in 0..200 {
            let key = between(Some(&low), high.as_deref()).unwrap();
            longest = longest.max(key.len());
            high = Some(key);
        }
        assert!((LONG..100).contains(&longest), "{longest}");
        let keys = spread(Some(&low), None, 200).unwrap();
        assert!(keys.is_sorted() && keys.iter().all(|key| *key > low));
        assert!(keys.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(keys.iter().all(|key| key.len() <= WIDTH as usize + 3), "{keys:?}");
    }
}
