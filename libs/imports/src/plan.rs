//! How the rows of one file become records: which cell feeds what, by today's definitions and permissions.

use record::change::Author;
use record::definitions::FieldSet;
use record::prepare::{Path, Plan as Writing};
use std::sync::Arc;

use auth::{Context, FieldMask};
use error::{Error, Reason};
use operations::{Detail, Failure};
use proto::records::v1::{CreateImportRequest, DuplicatePolicy};

use super::Imports;
use super::file::Header;
use super::header;
use super::hints::Hints;
use super::importable::{self, Importable};
use super::mapping::{self, Column, Masks};

/// The plan of one batch. Made anew for each, so that a field archived or hidden meanwhile is no longer written.
pub(crate) struct Plan {
    pub(crate) importable: &'static Importable,
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
    /// The caller may no longer import, or the mapping does not fit: what its owner is told.
    #[error("{}", .0.reason)]
    Refused(Failure),
    /// Something did not answer.
    #[error(transparent)]
    Other(#[from] Error),
}

/// Makes the plan for a file with this header. The file needs no rows for it.
pub(crate) async fn plan(
    imports: &Imports,
    cx: &Context,
    request: &CreateImportRequest,
    header: &Header,
) -> Result<Plan, PlanError> {
    let importable = imports.find(&request.object).ok_or_else(|| {
        refused(Reason::MAPPING_INVALID, vec![Detail::of_field("object", importable::expected())])
    })?;
    let object = importable.object;
    let policy = policy(request);
    if let Some(action) = needed(policy).iter().find(|action| !cx.snapshot.allows(object.name, action)) {
        let detail = format!("missing permission {}.{action}", object.name);
        return Err(refused(Reason::PERMISSION_DENIED, vec![Detail::of_field("object", detail)]));
    }
    let keys = request.mapping.iter().filter_map(|m| m.field.strip_prefix("custom."));
    let set = imports.env.definitions.for_keys(cx, object, keys).await?;
    let mask = set.mask(object, cx.mask(object.name));
    let masks = Masks { object: &mask, cx: Some(cx) };
    let (columns, violations) = mapping::check(importable, &request.mapping, &set, masks);
    if !violations.is_empty() {
        let details = violations.iter().map(|violation| {
            let at = violation.pointer.split('/').nth(2).and_then(|at| at.parse::<usize>().ok());
            let entry = at.and_then(|at| request.mapping.get(at));
            let (column, field) = entry.map(|e| (e.column.clone(), e.field.clone())).unwrap_or_default();
            Detail { column, field, text: violation.detail.clone().into_owned() }
        });
        return Err(refused(Reason::MAPPING_INVALID, details.collect()));
    }
    let columns = header::placed(columns, header).map_err(PlanError::Refused)?;
    let (hints, _) = Hints::said(&request.date_format, &request.decimal_separator, &request.region);
    Ok(Plan { importable, set, mask, columns, policy, dry_run: request.dry_run, hints })
}

fn refused(reason: Reason, details: Vec<Detail>) -> PlanError {
    PlanError::Refused(Failure { reason, line: None, details })
}

/// What happens to rows that repeat a record.
fn policy(request: &CreateImportRequest) -> DuplicatePolicy {
    match DuplicatePolicy::try_from(request.duplicate_policy) {
        Ok(DuplicatePolicy::Unspecified) | Err(_) => DuplicatePolicy::Skip,
        Ok(policy) => policy,
    }
}

/// The actions on the object that an import needs.
pub(crate) fn needed(policy: DuplicatePolicy) -> &'static [&'static str] {
    match policy {
        DuplicatePolicy::Update => &["import", "create", "update"],
        _ => &["import", "create"],
    }
}

impl Plan {
    /// Who writes the records of a batch, and by what.
    pub(crate) fn writing<'a>(
        &'a self,
        imports: &'a Imports,
        cx: &'a Context,
        author: &'a Author,
    ) -> Writing<'a> {
        let (env, object, set, mask) = (&imports.env, self.importable.object, &self.set, &self.mask);
        Writing { env, cx, object, set, mask, author, path: Path::Import }
    }

    /// Whether a row that repeats a record is something else than a new one.
    pub(crate) fn merges(&self) -> bool {
        !matches!(self.policy, DuplicatePolicy::Create | DuplicatePolicy::Unspecified)
    }
}
