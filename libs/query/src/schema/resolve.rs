use auth::FieldMask;
use error::Error;
use field_types::phone::Region;
use time::OffsetDateTime;

use super::{CustomField, Field, Kind, Table};
use crate::list::Deleted;
use crate::refusal;

/// A table as one caller sees it: fields that the mask hides do not exist.
#[derive(Debug, Clone, Copy)]
pub struct Schema<'a> {
    /// The table.
    pub table: &'static Table,
    /// The custom fields that may be used (archived ones left out).
    pub custom: &'a [CustomField],
    /// What the caller may see.
    pub mask: &'a FieldMask,
    /// Where phone numbers without country code belong.
    pub region: Option<Region>,
    /// The moment of the call: what has passed by then has passed.
    pub now: OffsetDateTime,
}

/// A field that exists for the caller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    /// The public name.
    pub(crate) name: &'a str,
    pub(crate) source: Source<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    Standard(&'static Field),
    Custom(&'a CustomField),
}

impl<'a> Schema<'a> {
    /// The field called `name`; a hidden one answers exactly as one that does not exist.
    pub(crate) fn field(
        &self,
        parameter: &'static str,
        at: usize,
        name: &'a str,
    ) -> Result<Named<'a>, Error> {
        let source = match name.strip_prefix("custom.") {
            Some(key) if self.table.has_custom => {
                self.custom.iter().find(|field| field.key == key).map(Source::Custom)
            }
            _ => self.table.fields.iter().find(|field| field.name == name).map(Source::Standard),
        };
        source
            .filter(|source| self.sees(name, source))
            .map(|source| Named { name, source })
            .ok_or_else(|| refusal::unknown_field(parameter, at, name))
    }

    fn sees(&self, name: &str, source: &Source<'_>) -> bool {
        let reads = match source {
            Source::Standard(field) => field.reads,
            Source::Custom(_) => &[],
        };
        !self.mask.hides(name) && !reads.iter().any(|read| self.mask.hides(read))
    }
}

impl Named<'_> {
    /// Whether a comparison is answered by an index, of these rows or of a side table. What indexes live rows does not know the
    /// deleted ones.
    pub(crate) fn is_indexed(&self, rows: Deleted) -> bool {
        match (self.source, rows) {
            (Source::Standard(field), _) if field.column == "id" || matches!(field.kind, Kind::Set(_)) => {
                true
            }
            (Source::Standard(field), Deleted::Hidden) => field.indexed,
            (Source::Standard(field), Deleted::Only) => field.indexed_in_trash,
            (Source::Custom(field), Deleted::Hidden) => field.slot.is_some(),
            (Source::Custom(_), Deleted::Only) => false,
        }
    }

    /// Whether it is a custom field, which can be given an index.
    pub(crate) fn is_custom(&self) -> bool {
        matches!(self.source, Source::Custom(_))
    }

    /// Whether the value must be looked for in the row's custom values.
    pub(crate) fn is_unpacked(&self) -> bool {
        matches!(self.source, Source::Custom(field) if field.slot.is_none())
    }
}
