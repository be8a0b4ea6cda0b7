//! What is asked of other services.

use record::definitions::Fetch;
use record::reference::Ask;
use std::sync::Arc;

use rpc::fields::Fields;
use rpc::identity::Identity;

use crate::app::ServiceToken;

pub(crate) fn fetch_definitions(fields: Fields) -> Fetch {
    Arc::new(move |cx, object, version| {
        let fields = fields.clone();
        Box::pin(async move { fields.field_set(&cx, object, version).await })
    })
}

pub(crate) fn service_token(identity: Identity) -> ServiceToken {
    Arc::new(move |tenant, act_for| {
        let identity = identity.clone();
        Box::pin(async move { identity.service_token(tenant, act_for).await })
    })
}

pub(crate) fn ask_people(identity: Identity) -> Ask {
    Arc::new(move |cx, users, teams| {
        let identity = identity.clone();
        Box::pin(async move {
            let users: Vec<ids::UserId> = users.into_iter().map(Into::into).collect();
            let teams: Vec<ids::TeamId> = teams.into_iter().map(Into::into).collect();
            let unknown = identity.check_references(&cx, &users, &teams).await?;
            let users = unknown.users.into_iter().map(Into::into).collect();
            Ok((users, unknown.teams.into_iter().map(Into::into).collect()))
        })
    })
}
