//! Names users for records that refer to them.

use auth::Context;
use db::TenantTx;
use error::{Error, Reason};
use ids::UserId;
use proto::common::v1::RecordName;
use proto::identity::v1 as pb;
use query::list::MAX_REFERENCES;
use uuid::Uuid;

use super::store;
use crate::app::App;
use crate::reach::Reach;

/// Those of the users who exist in the tenant. The caller's own name and those of users whom the caller may read are told; the others are there
/// without theirs, for whoever refers to them knows that they exist. Foreign and random ids and texts that are no ids are not there.
/// Errors: 400 above a number of ids that no page has.
#[tracing::instrument(name = "identity.users.names", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::GetUserNamesRequest,
) -> Result<pb::GetUserNamesResponse, Error> {
    if request.user_ids.len() > MAX_REFERENCES {
        let text = format!("at most {MAX_REFERENCES} ids in one call");
        return Err(Error::malformed(Reason::TOO_MANY_IDS, text));
    }
    let ids: Vec<Uuid> =
        request.user_ids.iter().filter_map(|text| UserId::parse(text)).map(UserId::uuid).collect();
    let reach = Reach::of(&cx.snapshot.predicate("user", "read"));
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let found = store::names(&mut tx, &ids, &reach, cx.user().uuid()).await?;
    tx.commit().await?;
    let named = |(id, name): (Uuid, Option<String>)| RecordName {
        object: "user".to_owned(),
        id: id.to_string(),
        name,
        deleted: false,
    };
    Ok(pb::GetUserNamesResponse { names: found.into_iter().map(named).collect() })
}
