//! `ExportActivity`: one activity as a file.

use auth::Context;
use error::Error;
use proto::activities::v1 as pb;
use record::Env;

use super::{Calendar, Form};
use crate::activities::Activity;

/// An activity that the caller may read, without what is hidden from them. Errors: 404 `ACTIVITY_NOT_FOUND`.
pub(crate) async fn export(
    env: &Env,
    cx: &Context,
    request: pb::ExportActivityRequest,
) -> Result<Calendar, Error> {
    let activity = record::get::<Activity>(env, cx, &request.id, "", "").await?.message;
    Ok(Calendar::of(&[activity], Form::File))
}
