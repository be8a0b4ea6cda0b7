//! What the caller of an import says about its cells: how dates and numbers are written, and where telephone numbers belong.
//!
//! A cell is brought into the one form that fields read. What fits the hint in two ways is refused: a date that is read wrongly is
//! worse than none.

use std::borrow::Cow;
use std::str::FromStr;

use error::Reason;
use field_types::phone::{self, Region};
use field_types::{FieldError, FieldType, moment};
use input::Violations;

/// The order of a date's parts and what is between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateFormat {
    name: &'static str,
    /// Places of year, month and day.
    parts: [usize; 3],
    separator: Option<char>,
}

impl DateFormat {
    const fn new(name: &'static str, parts: [usize; 3], separator: char) -> Self {
        Self { name, parts, separator: Some(separator) }
    }

    /// Every format that can be named.
    pub const ALL: [Self; 10] = [
        Self::new("YYYY-MM-DD", [0, 1, 2], '-'),
        Self::new("YYYY/MM/DD", [0, 1, 2], '/'),
        Self::new("YYYY.MM.DD", [0, 1, 2], '.'),
        Self { name: "YYYYMMDD", parts: [0, 1, 2], separator: None },
        Self::new("DD.MM.YYYY", [2, 1, 0], '.'),
        Self::new("DD/MM/YYYY", [2, 1, 0], '/'),
        Self::new("DD-MM-YYYY", [2, 1, 0], '-'),
        Self::new("MM/DD/YYYY", [2, 0, 1], '/'),
        Self::new("MM.DD.YYYY", [2, 0, 1], '.'),
        Self::new("MM-DD-YYYY", [2, 0, 1], '-'),
    ];

    /// The public name.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// A date in this format as `YYYY-MM-DD`. Days and months may have one digit; years have four.
    fn iso(self, date: &str) -> Option<String> {
        let parts: Vec<&str> = match self.separator {
            Some(separator) => date.split(separator).collect(),
            None => vec![date.get(..4)?, date.get(4..6)?, date.get(6..)?],
        };
        let [_, _, _] = parts.as_slice() else { return None };
        let [year, month, day] = self.parts.map(|at| parts[at]);
        let is_number = |part: &str, least: usize, most: usize| {
            (least..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        let least = if self.separator.is_some() { 1 } else { 2 };
        let is_date = is_number(year, 4, 4) && is_number(month, least, 2) && is_number(day, least, 2);
        is_date.then(|| format!("{year}-{month:0>2}-{day:0>2}"))
    }
}

impl FromStr for DateFormat {
    type Err = FieldError;

    fn from_str(name: &str) -> Result<Self, FieldError> {
        Self::ALL.into_iter().find(|format| format.name == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            FieldError::new(Reason::ENUM_VALUE_UNKNOWN, format!("must be one of {names}"))
        })
    }
}

/// What stands before a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalSeparator {
    Dot,
    Comma,
}

impl DecimalSeparator {
    /// The character.
    pub fn character(self) -> char {
        match self {
            Self::Dot => '.',
            Self::Comma => ',',
        }
    }

    fn group(self) -> char {
        match self {
            Self::Dot => ',',
            Self::Comma => '.',
        }
    }

    /// A number with a dot before its fraction. Groups of three digits may be separated where that cannot be a fraction: where there is
    /// one behind them, or several groups.
    fn plain(self, number: &str) -> Option<String> {
        let (whole, fraction) = match number.split_once(self.character()) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (number, None),
        };
        let sign = whole.len() - whole.trim_start_matches(['-', '+']).len();
        let (sign, digits) = whole.split_at(sign);
        let groups: Vec<&str> = digits.split(self.group()).collect();
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let is_grouped = match groups.as_slice() {
            [] | [_] => true,
            [first, rest @ ..] => {
                first.len() <= 3
                    && rest.iter().all(|group| group.len() == 3)
                    && (rest.len() > 1 || fraction.is_some())
            }
        };
        if sign.len() > 1 || !is_grouped || !groups.iter().all(|group| is_digits(group)) {
            return None;
        }
        let whole = groups.concat();
        match fraction {
            None => Some(format!("{sign}{whole}")),
            Some(fraction) => is_digits(fraction).then(|| format!("{sign}{whole}.{fraction}")),
        }
    }

    fn refused(self) -> FieldError {
        let (decimal, group) = (self.character(), self.group());
        let detail = format!(
            "a number with `{decimal}` before its fraction is expected, such as 1250{decimal}50; `{group}` may separate thousands only where a fraction or more thousands follow"
        );
        FieldError::new(Reason::TYPE_MISMATCH, detail)
    }
}

impl FromStr for DecimalSeparator {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        match text {
            "." => Ok(Self::Dot),
            "," => Ok(Self::Comma),
            _ => Err(FieldError::new(Reason::ENUM_VALUE_UNKNOWN, "must be `.` or `,`")),
        }
    }
}

/// What is said about the cells of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hints {
    pub date_format: Option<DateFormat>,
    pub decimal_separator: Option<DecimalSeparator>,
    pub region: Option<Region>,
}

impl Hints {
    /// What is said by the members of a request, and what is wrong with them; empty ones say nothing.
    pub fn said(date_format: &str, decimal_separator: &str, region: &str) -> (Self, Violations) {
        let mut violations = Violations::default();
        let hints = Self {
            date_format: optional(&mut violations, "/date_format", date_format),
            decimal_separator: optional(&mut violations, "/decimal_separator", decimal_separator),
            region: optional(&mut violations, "/region", region),
        };
        (hints, violations)
    }

    /// A cell as a field of this type reads it.
    pub fn cell<'c>(&self, field_type: FieldType, cell: &'c str) -> Result<Cow<'c, str>, FieldError> {
        match (field_type, self.decimal_separator) {
            (FieldType::Date, _) => self.date(cell),
            (FieldType::Phone, _) => self.phone(cell),
            (FieldType::Integer | FieldType::Decimal, Some(separator)) => {
                separator.plain(cell).map(Cow::from).ok_or_else(|| separator.refused())
            }
            (FieldType::Money, Some(separator)) => money(separator, cell),
            _ => Ok(cell.into()),
        }
    }

    /// The date; spreadsheets write it as the midnight at which it begins.
    fn date<'c>(&self, cell: &'c str) -> Result<Cow<'c, str>, FieldError> {
        let date = without_midnight(cell);
        // ISO is taken beside every format: no other begins with four digits and a hyphen.
        let iso = DateFormat::ALL[0];
        match self.date_format.filter(|_| !is_iso(date)) {
            None => Ok(date.into()),
            Some(format) if format == iso => Ok(date.into()),
            Some(format) => format.iso(date).map(Cow::from).ok_or_else(|| {
                let detail = format!("a date as {} or YYYY-MM-DD is expected", format.name);
                FieldError::new(Reason::DATE_INVALID, detail)
            }),
        }
    }

    /// The moment at which a day begins, in UTC, where a cell has the day on which something was; a moment stays one, with its day in the
    /// named format as well. Any other cell stays, and is refused where moments are read.
    pub fn beginning<'c>(&self, cell: &'c str) -> Cow<'c, str> {
        let day = |text: &str| self.date(text).ok().and_then(|day| moment::date(&day).ok());
        if let Some(day) = day(cell) {
            return format!("{}T00:00:00Z", moment::date_text(day)).into();
        }
        match cell.split_once([' ', 'T']) {
            Some((date, time)) => match day(date) {
                Some(day) => format!("{}T{}", moment::date_text(day), time.trim()).into(),
                None => cell.into(),
            },
            None => cell.into(),
        }
    }

    fn phone<'c>(&self, cell: &'c str) -> Result<Cow<'c, str>, FieldError> {
        match self.region {
            Some(region) => phone::parse(cell, Some(region)).map(Cow::from),
            None => Ok(cell.into()),
        }
    }
}

fn optional<T: FromStr<Err = FieldError>>(
    violations: &mut Violations,
    pointer: &str,
    said: &str,
) -> Option<T> {
    if said.is_empty() { None } else { violations.take(pointer, said.parse()) }
}

fn is_iso(date: &str) -> bool {
    date.len() == 10 && date.as_bytes().get(4) == Some(&b'-')
}

/// A date without the midnight behind it; any other time stays, and is refused where the date is read.
fn without_midnight(cell: &str) -> &str {
    let Some((date, time)) = cell.split_once([' ', 'T']) else { return cell };
    let time = time.trim();
    let zoned = time.strip_suffix(['Z', 'z']).or_else(|| time.strip_suffix("+00:00")).unwrap_or(time);
    let noon = zoned.strip_suffix("AM").or_else(|| zoned.strip_suffix("am"));
    let (clock, midnight) = match noon {
        Some(clock) => (clock.trim_end(), ["12", "12"]),
        None => (zoned, ["00", "0"]),
    };
    let mut parts = clock.split(':');
    let is_hour = parts.next().is_some_and(|hour| midnight.contains(&hour));
    let rest: Vec<&str> = parts.collect();
    let is_zero = |part: &&str| {
        part.starts_with("00") && part[2..].trim_start_matches(['.', ',']).bytes().all(|b| b == b'0')
    };
    let is_clock = (1..=2).contains(&rest.len()) && rest[0] == "00" && rest.iter().all(is_zero);
    if is_hour && is_clock { date } else { cell }
}

/// An amount before or behind its currency.
fn money(separator: DecimalSeparator, cell: &str) -> Result<Cow<'_, str>, FieldError> {
    let refused = || FieldError::new(Reason::MONEY_INVALID, separator.refused().detail);
    let Some((first, second)) = cell.split_once(char::is_whitespace) else { return Ok(cell.into()) };
    let second = second.trim();
    let amount = |text: &str| separator.plain(text).ok_or_else(refused);
    Ok(if first.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        format!("{first} {}", amount(second)?).into()
    } else {
        format!("{} {second}", amount(first)?).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(date: &str, decimal: &str, region: &str) -> Hints {
        Hints {
            date_format: date.parse().ok(),
            decimal_separator: decimal.parse().ok(),
            region: region.parse().ok(),
        }
    }

    fn read(hints: Hints, field_type: FieldType, cell: &str) -> Result<String, &'static str> {
        hints.cell(field_type, cell).map(Cow::into_owned).map_err(|error| error.reason.as_str())
    }

    #[test]
    fn a_date_is_read_in_the_named_format_and_iso_and_in_no_other() {
        let cases = [
            ("DD.MM.YYYY", "31.01.2026", Ok("2026-01-31")),
            ("DD.MM.YYYY", "1.2.2026", Ok("2026-02-01")),
            ("DD.MM.YYYY", "2026-01-31", Ok("2026-01-31")),
            ("DD.MM.YYYY", "31.01.2026 00:00:00", Ok("2026-01-31")),
            ("DD.MM.YYYY", "31.01.26", Err("DATE_INVALID")),
            ("DD.MM.YYYY", "31/01/2026", Err("DATE_INVALID")),
            ("DD.MM.YYYY", "31.01.2026 08:00", Err("DATE_INVALID")),
            ("DD.MM.YYYY", "31.01.2026.", Err("DATE_INVALID")),
            ("MM/DD/YYYY", "01/02/2026", Ok("2026-01-02")),
            ("MM/DD/YYYY", "1/31/2026 12:00:00 AM", Ok("2026-01-31")),
            ("DD/MM/YYYY", "01/02/2026", Ok("2026-02-01")),
            ("YYYYMMDD", "20260131", Ok("2026-01-31")),
            ("YYYYMMDD", "2026131", Err("DATE_INVALID")),
            ("YYYYMMDD", "202601é1", Err("DATE_INVALID")),
            ("", "2026-01-31 00:00:00", Ok("2026-01-31")),
            ("", "2026-01-31T00:00:00.000Z", Ok("2026-01-31")),
            ("", "2026-01-31 0:00", Ok("2026-01-31")),
            // What is not midnight stays, and no date has it.
            ("", "2026-01-31 12:00:00", Ok("2026-01-31 12:00:00")),
            ("", "2026-01-31 00:30", Ok("2026-01-31 00:30")),
            ("", "31.01.2026", Ok("31.01.2026")),
        ];
        for (format, cell, expected) in cases {
            let read = read(hints(format, "", ""), FieldType::Date, cell);
            assert_eq!(read.as_deref().map_err(|e| *e), expected, "{cell} as {format:?}");
        }
    }

    #[test]
    fn a_day_is_the_moment_at_which_it_begins_and_a_moment_keeps_its_offset() {
        let cases = [
            ("DD.MM.YYYY", "31.01.2026", "2026-01-31T00:00:00Z"),
            ("DD.MM.YYYY", "31.1.2026 00:00", "2026-01-31T00:00:00Z"),
            ("DD.MM.YYYY", "31.01.2026 08:00:00+01:00", "2026-01-31T08:00:00+01:00"),
            ("", "2026-01-31", "2026-01-31T00:00:00Z"),
            ("", "2026-01-31 08:00:00Z", "2026-01-31T08:00:00Z"),
            ("", "2026-01-31T08:00:00.5Z", "2026-01-31T08:00:00.5Z"),
            // These are no moments, and are refused as they are.
            ("", "31.01.2026", "31.01.2026"),
            ("DD.MM.YYYY", "31/01/2026", "31/01/2026"),
            ("DD.MM.YYYY", "31.02.2026", "31.02.2026"),
            ("DD.MM.YYYY", "31.01.2026 08:00", "2026-01-31T08:00"),
        ];
        for (format, cell, expected) in cases {
            assert_eq!(hints(format, "", "").beginning(cell), expected, "{cell} as {format:?}");
        }
    }

    #[test]
    fn a_number_that_could_be_two_is_refused() {
        let cases = [
            (",", "1234,5", Ok("1234.5")),
            (",", "-0,25", Ok("-0.25")),
            (",", "1.234,50", Ok("1234.50")),
            (",", "1.234.567", Ok("1234567")),
            (",", "1234", Ok("1234")),
            (",", "1.234", Err("TYPE_MISMATCH")),
            (",", "1.5", Err("TYPE_MISMATCH")),
            (",", "12.34,5", Err("TYPE_MISMATCH")),
            (",", "1,2,3", Err("TYPE_MISMATCH")),
            (",", "1,", Err("TYPE_MISMATCH")),
            (",", "+-1", Err("TYPE_MISMATCH")),
            (".", "1,234.50", Ok("1234.50")),
            (".", "1,5", Err("TYPE_MISMATCH")),
            (".", "1.5", Ok("1.5")),
            ("", "1,5", Ok("1,5")),
        ];
        for (separator, cell, expected) in cases {
            let read = read(hints("", separator, ""), FieldType::Decimal, cell);
            assert_eq!(read.as_deref().map_err(|e| *e), expected, "{cell} with {separator:?}");
        }
        let money = |cell| read(hints("", ",", ""), FieldType::Money, cell);
        assert_eq!(money("1.250,00 EUR").as_deref(), Ok("1250.00 EUR"));
        assert_eq!(money("EUR 1250,5").as_deref(), Ok("EUR 1250.5"));
        assert_eq!(money("1.250 EUR"), Err("MONEY_INVALID"));
    }

    #[test]
    fn a_number_without_country_code_belongs_to_the_named_region() {
        let phone = |region, cell| read(hints("", "", region), FieldType::Phone, cell);
        assert_eq!(phone("DE", "030 901820").as_deref(), Ok("+4930901820"));
        assert_eq!(phone("DE", "+1 650 253 0000").as_deref(), Ok("+16502530000"));
        assert_eq!(phone("DE", "650"), Err("PHONE_INVALID"));
        // Without a region the field decides.
        assert_eq!(phone("", "030 901820").as_deref(), Ok("030 901820"));
    }
}
