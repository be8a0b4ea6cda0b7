//! The steps in the life of a field.

use auth::Context;
use db::TenantTx;
use proto::fields::v1::Field;

use super::definition::{Object, State, Step};
use super::{begin_change, convert, save_change, store};
use crate::app::App;

/// Moves a field to its next state, when the step is allowed from where it is.
pub(super) async fn transition(
    app: &App,
    cx: &Context,
    object: &str,
    id: &str,
    step: Step,
) -> error::Result<Field> {
    cx.require_scope_all()?;
    let object = Object::in_path(object)?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let before = begin_change(&mut tx, cx, object, id).await?;
    let mut after = before.clone();
    after.state = before.state.after(step)?;
    if before.state == State::Archived {
        store::usage(&mut tx, object).await?.check_active()?;
    }
    let after = save_change(&mut tx, cx, &app.clock, step.verb(), &before, after).await?;
    tx.commit().await?;
    app.wake.notify();
    Ok(convert::to_wire(&after))
}
