//! How many definitions an object can have, and the answer that shows it.

use auth::Context;
use db::TenantTx;
use error::{Code, Error, Reason, Violation};
use field_types::{FieldType, SlotKind};
use proto::fields::v1::{GetLimitsRequest, GetLimitsResponse, Limit};

use super::definition::Object;
use super::{slots, store};
use crate::app::App;

/// Fields of an object that are not archived.
pub(crate) const FIELDS_IN_USE: i64 = 100;
/// Fields of an object in all; an archived field counts, as its key, ordinal and values are still there.
pub(crate) const FIELDS_IN_ALL: i64 = 250;
/// Options of one field.
pub(crate) const OPTIONS: usize = 500;
/// Options of all fields of an object together: keeps the set of definitions within one message.
pub(crate) const OPTIONS_IN_ALL: i64 = 5_000;

/// What an object uses of its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) in_use: i64,
    pub(crate) in_all: i64,
    /// The longest list of options.
    pub(crate) most_options: i64,
    pub(crate) options_in_all: i64,
}

impl Usage {
    /// Whether one more field of `options` options fits. Errors: 422 `FIELD_LIMIT_REACHED`.
    pub(crate) fn check_new(&self, options: usize) -> error::Result<()> {
        if self.in_all >= FIELDS_IN_ALL {
            let text = format!("an object has at most {FIELDS_IN_ALL} custom fields, archived ones included");
            return Err(reached(text));
        }
        self.check_active()?;
        self.check_options(options)
    }

    /// Whether one more field can be active. Errors: 422 `FIELD_LIMIT_REACHED`.
    pub(crate) fn check_active(&self) -> error::Result<()> {
        if self.in_use < FIELDS_IN_USE {
            return Ok(());
        }
        Err(reached(format!("an object has at most {FIELDS_IN_USE} custom fields in use")))
    }

    /// Whether `more` options fit. Errors: 422 `FIELD_LIMIT_REACHED`.
    pub(crate) fn check_options(&self, more: usize) -> error::Result<()> {
        if self.options_in_all + more as i64 <= OPTIONS_IN_ALL {
            return Ok(());
        }
        let text = format!("the fields of an object have at most {OPTIONS_IN_ALL} options together");
        Err(reached(text.clone()).with_violation(Violation::new(
            "/options",
            Reason::FIELD_LIMIT_REACHED,
            text,
        )))
    }
}

fn reached(text: String) -> Error {
    Error::new(Code::Unprocessable, Reason::FIELD_LIMIT_REACHED, text)
}

/// 422: no slot is left for an indexed field of this type.
pub(crate) fn no_slot(object: Object, field_type: FieldType) -> Error {
    let text = if object.fills_slots() {
        "no more fields of this type can have an index: all slots are taken; archive an indexed field of the type that is not needed, \
         and its slot is used"
    } else {
        "no more fields of this type can have an index: all slots are taken, and those of archived fields are not used again for \
         this object; create it without `indexed`"
    };
    let error = reached(text.to_owned()).with_violation(Violation::new(
        "/indexed",
        Reason::FIELD_LIMIT_REACHED,
        text,
    ));
    match field_type.slot_kind() {
        Some(kind) => error
            .with_metadata("limit", slots::limit_name(kind))
            .with_metadata("max", kind.columns().len().to_string()),
        None => error,
    }
}

/// Shows the limits and their use.
#[tracing::instrument(name = "fields.fields.get_limits", skip_all)]
pub(crate) async fn get_limits(
    app: &App,
    cx: &Context,
    GetLimitsRequest {}: GetLimitsRequest,
) -> error::Result<GetLimitsResponse> {
    cx.require_scope_all()?;
    let mut tx = TenantTx::begin_snapshot(&app.db, cx.tenant).await?;
    let mut limits = Vec::new();
    for object in Object::all() {
        let usage = store::usage(&mut tx, object).await?;
        let taken = store::slots_taken(&mut tx, object).await?;
        let taken = |kind: SlotKind| taken.iter().filter(|column| column.kind() == kind).count() as i64;
        let limit = |name: &str, max: i64, used: i64| Limit {
            name: name.to_owned(),
            object: object.as_str().to_owned(),
            max,
            used,
        };
        limits.push(limit("fields", FIELDS_IN_USE, usage.in_use));
        for kind in slots::KINDS {
            limits.push(limit(slots::limit_name(kind), kind.columns().len() as i64, taken(kind)));
        }
        limits.push(limit("options", OPTIONS as i64, usage.most_options));
    }
    Ok(GetLimitsResponse { limits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_field_fits_and_the_next_does_not() {
        let usage = |in_use, in_all| Usage { in_use, in_all, ..Usage::default() };
        assert!(usage(99, 99).check_new(0).is_ok());
        assert!(usage(0, 249).check_new(0).is_ok());
        for full in [usage(100, 100), usage(0, 250)] {
            let refused = full.check_new(0).unwrap_err();
            assert_eq!((refused.code(), refused.reason()), (Code::Unprocessable, "FIELD_LIMIT_REACHED"));
        }
    }

    #[test]
    fn options_count_over_all_fields() {
        let usage = Usage { options_in_all: OPTIONS_IN_ALL - 2, ..Usage::default() };
        assert!(usage.check_new(2).is_ok());
        assert_eq!(usage.check_new(3).unwrap_err().violations()[0].pointer, "/options");
    }
}
