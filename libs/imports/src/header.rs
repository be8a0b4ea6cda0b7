//! The columns of a mapping in the header of a file.

use std::cell::LazyCell;

use error::Reason;
use operations::{Detail, Failure};

use super::cells::one_line;
use super::file::Header;
use super::mapping::Column;

/// Names of the file's columns that an error shows.
const SHOWN: usize = 12;

/// Each column with its place in the header: by its name, else by the only one that differs in case and blanks alone. Columns of
/// the file that nothing is mapped to may be called as they like.
pub(super) fn placed(columns: Vec<Column>, header: &Header) -> Result<Vec<(usize, Column)>, Failure> {
    let (mut placed, mut missing, mut repeated, mut shared) =
        (Vec::<(usize, Column)>::new(), Vec::new(), Vec::new(), Vec::new());
    // Made of the whole header, and only if a column has no exact place.
    let simple = LazyCell::new(|| header.names.iter().map(|name| simplified(name)).collect::<Vec<_>>());
    for column in columns {
        let exact = places(&header.names, |name| name.trim() == column.header);
        let places = if exact.is_empty() {
            let wanted = simplified(&column.header);
            places(&simple, |name| name == wanted)
        } else {
            exact
        };
        match places.as_slice() {
            [at] if placed.iter().any(|(taken, _)| taken == at) => shared.push(column),
            [at] => placed.push((*at, column)),
            [] => missing.push(column),
            _ => repeated.push(column),
        }
    }
    if !missing.is_empty() {
        let text = format!("the file has no such column; it has {}", shown(&header.names));
        return Err(failure(Reason::COLUMN_MISSING, header.line, missing, &text));
    }
    if !repeated.is_empty() {
        let text = "the file has several columns of this name; give each a name of its own";
        return Err(failure(Reason::COLUMN_REPEATED, header.line, repeated, text));
    }
    if !shared.is_empty() {
        let text = "another entry of the mapping means the same column of the file";
        return Err(failure(Reason::COLUMN_REPEATED, header.line, shared, text));
    }
    Ok(placed)
}

/// Where the columns stand of which this is true.
fn places(names: &[String], is_it: impl Fn(&str) -> bool) -> Vec<usize> {
    names.iter().enumerate().filter(|(_, name)| is_it(name)).map(|(at, _)| at).collect()
}

/// A name as another that differs in case, in blanks and in marks that nobody sees alone.
pub fn simplified(name: &str) -> String {
    let visible = field_types::text::undeceiving(field_types::text::nfc(name));
    one_line(&field_types::text::bare(&visible).to_lowercase())
}

fn failure(reason: Reason, line: u64, columns: Vec<Column>, text: &str) -> Failure {
    let detail = |Column { header, field, .. }| Detail { column: header, field, text: text.to_owned() };
    Failure { reason, line: Some(line), details: columns.into_iter().map(detail).collect() }
}

fn shown(header: &[String]) -> String {
    let mut names: Vec<String> =
        header.iter().take(SHOWN).map(|name| format!("{:?}", field_types::text::cut(name, 40))).collect();
    if header.len() > SHOWN {
        names.push(format!("{} more", header.len() - SHOWN));
    }
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::importable::Kind;
    use crate::mapping::Target;

    fn column(header: &str) -> Column {
        let target = Target::Value("first_name", Kind::Line);
        Column { header: header.to_owned(), field: "first_name".to_owned(), target }
    }

    /// Why, and the columns and fields that it is about.
    type Refused = (Reason, Vec<(String, String)>);

    fn found(columns: &[&str], header: &[&str]) -> Result<Vec<usize>, Refused> {
        let header = Header { line: 3, names: header.iter().map(|name| (*name).to_owned()).collect() };
        let placed = placed(columns.iter().map(|name| column(name)).collect(), &header);
        let details = |failure: Failure| failure.details.into_iter().map(|d| (d.column, d.text)).collect();
        placed
            .map(|placed| placed.into_iter().map(|(at, _)| at).collect())
            .map_err(|failure| (failure.reason, details(failure)))
    }

    #[test]
    fn all_columns_that_the_file_lacks_are_named_and_so_are_those_that_it_has() {
        let (reason, details) = found(&["First", "Mail", "Tel"], &["First", "E-Mail", ""]).unwrap_err();
        let text = "the file has no such column; it has \"First\", \"E-Mail\", \"\"".to_owned();
        let of = |name: &str| (name.to_owned(), text.clone());
        assert_eq!((reason, details), (Reason::COLUMN_MISSING, vec![of("Mail"), of("Tel")]));
    }

    #[test]
    fn a_name_that_is_repeated_matters_where_it_is_mapped() {
        let header = ["First", "Note", "Note", "NOTE", "name"];
        assert_eq!(found(&["First", "NOTE"], &header), Ok(vec![0, 3]));
        let (reason, details) = found(&["Note", "First"], &header).unwrap_err();
        assert_eq!((reason, details[0].0.as_str()), (Reason::COLUMN_REPEATED, "Note"));
        assert_eq!(found(&["note"], &header).unwrap_err().0, Reason::COLUMN_REPEATED);
    }

    #[test]
    fn a_column_feeds_one_field_however_it_is_called() {
        assert_eq!(found(&["Mail", "mail"], &["Mail", "mail"]), Ok(vec![0, 1]));
        let (reason, details) = found(&["Mail", "mail", "First"], &["Mail", "First"]).unwrap_err();
        assert_eq!((reason, details.len(), details[0].0.as_str()), (Reason::COLUMN_REPEATED, 1, "mail"));
    }

    #[test]
    fn case_and_blanks_decide_only_between_names_that_are_there() {
        assert_eq!(found(&["e-mail", "First Name"], &["E-Mail", " first  name "]), Ok(vec![0, 1]));
        assert_eq!(found(&["Mail"], &["mail", "Mail"]), Ok(vec![1]));
        // A second byte order mark is no part of a name.
        assert_eq!(found(&["First", "Last"], &["\u{feff}First", "La\u{200b}st"]), Ok(vec![0, 1]));
        assert_eq!(found(&["Resume"], &["Résumé"]).unwrap_err().0, Reason::COLUMN_MISSING);
    }
}
