//! How the rows of one file become contacts: which cell feeds what, by today's definitions and permissions.

use record::change::Author;
use record::definitions::FieldSet;
use record::prepare::{Path, Plan as Writing};
use std::sync::Arc;

use auth::{Context, FieldMask};
use error::Error;
use proto::records::v1::{CreateImportRequest, DuplicatePolicy};

use super::hints::Hints;
use super::mapping::{self, Column};
use super::options::Said;
use crate::App;
use crate::contacts::CONTACT;

/// The plan of one batch. Made anew for each, so that a field archived or hidden meanwhile is no longer written.
pub(crate) struct Plan {
    pub(crate) set: Arc<FieldSet>,
    pub(crate) mask: FieldMask,
    /// Columns with the place of their cell.
    pub(crate) columns: Vec<(usize, Column)>,
    pub(crate) policy: DuplicatePolicy,
    pub(crate) dry_run: bool,
    pub(crate) hints: Hints,
}

/// Why a file cannot be imported with a mapping.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    /// The caller may no longer import.
    #[error("the caller may no longer import")]
    Denied,
    /// The mapping names fields that are no longer there, or not for the caller.
    #[error("the mapping names fields that are no longer there")]
    Mapping,
    /// The file has no such column.
    #[error("the file lacks a mapped column")]
    Column,
    /// Something did not answer.
    #[error(transparent)]
    Other(#[from] Error),
}

/// Makes the plan for a file with this header.
pub(crate) async fn plan(
    app: &App,
    cx: &Context,
    request: &CreateImportRequest,
    header: &[String],
) -> Result<Plan, PlanError> {
    let policy = match DuplicatePolicy::try_from(request.duplicate_policy) {
        Ok(DuplicatePolicy::Unspecified) | Err(_) => DuplicatePolicy::Skip,
        Ok(policy) => policy,
    };
    let mut needed = vec!["import", "create"];
    if policy == DuplicatePolicy::Update {
        needed.push("update");
    }
    if !needed.iter().all(|action| cx.snapshot.allows(CONTACT.name, action)) {
        return Err(PlanError::Denied);
    }
    let keys = request.mapping.iter().filter_map(|m| m.field.strip_prefix("custom."));
    let set = app.env.definitions.for_keys(cx, &CONTACT, keys).await?;
    let mask = set.mask(&CONTACT, cx.mask(CONTACT.name));
    let (columns, violations) = mapping::check(&request.mapping, &set, &mask);
    if !violations.is_empty() {
        return Err(PlanError::Mapping);
    }
    let place = |column: Column| header.iter().position(|h| *h == column.header).map(|at| (at, column));
    let columns: Option<Vec<_>> = columns.into_iter().map(place).collect();
    let columns = columns.ok_or(PlanError::Column)?;
    let hints = Said::from(request).hints();
    Ok(Plan { set, mask, columns, policy, dry_run: request.dry_run, hints })
}

impl Plan {
    /// Who writes the contacts of a batch, and by what.
    pub(crate) fn writing<'a>(&'a self, app: &'a App, cx: &'a Context, author: &'a Author) -> Writing<'a> {
        let (env, set, mask) = (&app.env, &self.set, &self.mask);
        Writing { env, cx, object: &CONTACT, set, mask, author, path: Path::Import }
    }

    /// Whether a row whose address a contact has is something else than a new contact.
    pub(crate) fn merges(&self) -> bool {
        !matches!(self.policy, DuplicatePolicy::Create | DuplicatePolicy::Unspecified)
    }

    /// The header of the column that a violation at this pointer belongs to; empty when it is the row as a whole.
    pub(crate) fn column_of(&self, pointer: &str) -> &str {
        let mut segments = pointer.trim_start_matches('/').split('/');
        let root = segments.next().unwrap_or_default();
        let key = segments.next().unwrap_or_default();
        let feeds = |column: &Column| match column.field.split_once('.') {
            Some(("custom", field)) => root == "custom" && field == key,
            Some((field, _)) => field == root,
            None => column.field == root,
        };
        self.columns.iter().find(|(_, column)| feeds(column)).map_or("", |(_, column)| &column.header)
    }
}
