//! What a request says about its file, checked.

use error::Reason;
use field_types::FieldError;
use imports::Hints;
use input::Violations;
use proto::common::v1::FileForm;
use proto::records::v1::{CreateImportRequest, PreviewImportRequest, UploadToRead};

use super::table::{self, Form, Options, Quote, TableError};

/// The members of a request that say how its file is to be read; empty ones say nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'r> {
    encoding: &'r str,
    delimiter: &'r str,
    quote: &'r str,
    date_format: &'r str,
    decimal_separator: &'r str,
    region: &'r str,
}

impl<'r> From<&'r CreateImportRequest> for Said<'r> {
    fn from(request: &'r CreateImportRequest) -> Self {
        Self {
            encoding: &request.encoding,
            delimiter: &request.delimiter,
            quote: &request.quote,
            date_format: &request.date_format,
            decimal_separator: &request.decimal_separator,
            region: &request.region,
        }
    }
}

impl<'r> From<&'r PreviewImportRequest> for Said<'r> {
    fn from(request: &'r PreviewImportRequest) -> Self {
        Self {
            encoding: &request.encoding,
            delimiter: &request.delimiter,
            quote: &request.quote,
            date_format: &request.date_format,
            decimal_separator: &request.decimal_separator,
            region: &request.region,
        }
    }
}

impl<'r> From<&'r UploadToRead> for Said<'r> {
    fn from(request: &'r UploadToRead) -> Self {
        Self {
            encoding: &request.encoding,
            delimiter: &request.delimiter,
            quote: &request.quote,
            date_format: &request.date_format,
            decimal_separator: &request.decimal_separator,
            region: &request.region,
        }
    }
}

impl Said<'_> {
    /// How the file is to be read, and everything that is wrong with what is said.
    pub(crate) fn read(self) -> (Options, Hints, Violations) {
        let mut violations = Violations::default();
        let options = Options {
            encoding: optional(&mut violations, "/encoding", self.encoding, encoding),
            delimiter: optional(&mut violations, "/delimiter", self.delimiter, delimiter),
            quote: optional(&mut violations, "/quote", self.quote, quote).unwrap_or_default(),
        };
        let (hints, of_hints) = Hints::said(self.date_format, self.decimal_separator, self.region);
        violations.extend(of_hints);
        (options, hints, violations)
    }

    /// What was taken, as it is answered.
    pub(crate) fn taken(self, form: &Form) -> FileForm {
        let (_, hints, _) = self.read();
        FileForm {
            encoding: form.encoding.name().to_owned(),
            delimiter: char::from(form.dialect.delimiter).to_string(),
            quote: form.dialect.quote.map_or("none".to_owned(), |quote| char::from(quote).to_string()),
            header_line: form.header_line as i64,
            date_format: hints.date_format.map_or("YYYY-MM-DD", |format| format.name()).to_owned(),
            decimal_separator: hints
                .decimal_separator
                .map_or('.', |separator| separator.character())
                .to_string(),
            region: self.region.to_ascii_uppercase(),
        }
    }
}

/// How a file is to be read by its request and by the `Content-Type` of its upload; the request says more.
pub(crate) fn of_file(said: Said<'_>, content_type: &str) -> Result<Options, TableError> {
    let (options, ..) = said.read();
    match options.encoding {
        Some(_) => Ok(options),
        None => Ok(Options { encoding: table::of_content_type(content_type)?, ..options }),
    }
}

fn optional<T>(
    violations: &mut Violations,
    pointer: &str,
    said: &str,
    read: impl Fn(&str) -> Result<T, FieldError>,
) -> Option<T> {
    if said.is_empty() { None } else { violations.take(pointer, read(said)) }
}

fn encoding(label: &str) -> Result<&'static encoding_rs::Encoding, FieldError> {
    table::by_label(label).ok_or_else(|| {
        FieldError::new(
            Reason::ENCODING_UNKNOWN,
            "not an encoding that is known, such as utf-8 or windows-1252",
        )
    })
}

fn delimiter(text: &str) -> Result<u8, FieldError> {
    table::delimiter(text).ok_or_else(|| {
        let detail = "must be one character, such as `,`, `;`, `|` or a tab";
        FieldError::new(Reason::ENUM_VALUE_UNKNOWN, detail)
    })
}

fn quote(text: &str) -> Result<Quote, FieldError> {
    match text {
        "\"" => Ok(Quote::Double),
        "'" => Ok(Quote::Single),
        "none" => Ok(Quote::None),
        _ => Err(FieldError::new(Reason::ENUM_VALUE_UNKNOWN, "must be `\"`, `'` or `none`")),
    }
}
