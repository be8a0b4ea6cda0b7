//! What is asked of other services in addition to what every owner of records asks.

use std::sync::Arc;

use auth::{Context, Future};
use error::Error;
use rpc::fields::Fields;

/// What is said of a field's slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotStep {
    /// Would the field get one?
    Check,
    /// The field is to get one.
    Assign,
    /// All records have that of this assignment.
    Finish(i64),
}

/// Asks the fields service: the caller, the step, the object, the field.
pub type AskSlot = Arc<dyn Fn(Context, SlotStep, String, String) -> Future<Result<(), Error>> + Send + Sync>;

pub(crate) fn slots(fields: Fields) -> AskSlot {
    Arc::new(move |cx, step, object, id| {
        let fields = fields.clone();
        Box::pin(async move {
            match step {
                SlotStep::Check => fields.assign_slot(&cx, object, id, true).await,
                SlotStep::Assign => fields.assign_slot(&cx, object, id, false).await,
                SlotStep::Finish(assignment) => fields.finish_slot(&cx, object, id, assignment).await,
            }
        })
    })
}
