//! Adapters from RPC clients to what this crate asks of other services: definitions, users and teams, records.

use std::sync::Arc;

use proto::common::v1::RecordIds;
use rpc::fields::Fields;
use rpc::identity::Identity;
use rpc::pipeline::Pipeline;
use rpc::records::Records;
use uuid::Uuid;

use super::definitions::Fetch;
use super::reference::{Ask, AskNames, Ids};

/// Asks the fields service for definitions.
pub fn definitions(fields: Fields) -> Fetch {
    Arc::new(move |cx, object, version| {
        let fields = fields.clone();
        Box::pin(async move { fields.field_set(&cx, object, version).await })
    })
}

/// Asks identity for users and teams.
pub fn people(identity: Identity) -> Ask {
    Arc::new(move |cx, mut ids| {
        let identity = identity.clone();
        Box::pin(async move {
            let mut of = |object: &str| ids.remove(object).unwrap_or_default();
            let users: Vec<ids::UserId> = of("user").into_iter().map(Into::into).collect();
            let teams: Vec<ids::TeamId> = of("team").into_iter().map(Into::into).collect();
            let unknown = identity.check_references(&cx, &users, &teams).await?;
            let users = unknown.users.into_iter().map(Into::into).collect();
            let teams = unknown.teams.into_iter().map(Into::into).collect();
            Ok(Ids::from([("user".to_owned(), users), ("team".to_owned(), teams)]))
        })
    })
}

/// Asks the records service for contacts and companies.
pub fn records(records: Records) -> Ask {
    Arc::new(move |cx, ids| {
        let records = records.clone();
        Box::pin(async move { Ok(from_wire(records.check_records(&cx, to_wire(&ids)).await?)) })
    })
}

/// Asks the pipeline service for deals.
pub fn deals(pipeline: Pipeline) -> Ask {
    Arc::new(move |cx, ids| {
        let pipeline = pipeline.clone();
        Box::pin(async move { Ok(from_wire(pipeline.check_records(&cx, to_wire(&ids)).await?)) })
    })
}

/// Asks identity for the names of users.
pub fn user_names(identity: Identity) -> AskNames {
    Arc::new(move |cx, mut ids| {
        let identity = identity.clone();
        Box::pin(async move {
            let users: Vec<ids::UserId> =
                ids.remove("user").unwrap_or_default().into_iter().map(Into::into).collect();
            identity.user_names(&cx, &users).await
        })
    })
}

/// Asks the records service for the names of contacts and companies.
pub fn record_names(records: Records) -> AskNames {
    Arc::new(move |cx, ids| {
        let records = records.clone();
        Box::pin(async move { records.names(&cx, to_wire(&ids)).await })
    })
}

/// Asks the pipeline service for the names of deals.
pub fn deal_names(pipeline: Pipeline) -> AskNames {
    Arc::new(move |cx, ids| {
        let pipeline = pipeline.clone();
        Box::pin(async move { pipeline.names(&cx, to_wire(&ids)).await })
    })
}

fn to_wire(ids: &Ids) -> Vec<RecordIds> {
    let texts = |ids: &Vec<Uuid>| ids.iter().map(Uuid::to_string).collect();
    ids.iter().map(|(object, ids)| RecordIds { object: object.clone(), ids: texts(ids) }).collect()
}

/// The answer repeats ids that were sent, so each can be read.
fn from_wire(records: Vec<RecordIds>) -> Ids {
    let read = |texts: Vec<String>| texts.iter().filter_map(|text| Uuid::try_parse(text).ok()).collect();
    records.into_iter().map(|RecordIds { object, ids }| (object, read(ids))).collect()
}
