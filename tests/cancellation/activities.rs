//! The RPCs of activities.

use anyhow::Result;
use prost_types::FieldMask;
use proto::activities::v1 as pb;
use proto::activities::v1::activities_service_client::ActivitiesServiceClient;
use proto::activities::v1::activities_service_server::ActivitiesServiceServer;

use super::dropping::{Call, DEFINITIONS, Step, Watch, at_every_point, call, rpcs};
use crate::activities::world::{Caller, World, about};
use crate::database::Database;

const KEY: [(&str, &str); 1] = [("idempotency-key", "the-key")];

#[tokio::test(flavor = "multi_thread")]
async fn activities_leave_nothing() -> Result<()> {
    let database = Database::fresh("globcrm_test_dropped_activities", &[activities::MIGRATIONS]).await?;
    let world = World::on(database.clone())?;
    let mut watch = Watch::new(&database, &world.db, "activities").await?;
    for rpc in rpcs("ActivitiesService") {
        let ahead: &'static [Step] = if rpc == "CreateNote" { &[DEFINITIONS] } else { &[] };
        at_every_point(&mut watch, &rpc, ahead, async || prepare(&world, &rpc).await).await?;
        // Somebody else's calls are right.
        let other = world.admin()?;
        let made = other.create(about(&[])).await?;
        assert_eq!(other.get(&made.id).await?, made, "after {rpc}");
    }
    Ok(())
}

async fn note(who: &Caller) -> String {
    who.create(about(&[])).await.unwrap().id
}

/// A call of `rpc` by somebody new, in a tenant of their own.
async fn prepare(world: &World, rpc: &str) -> Call {
    let who = world.admin().unwrap();
    let client = ActivitiesServiceClient::new(ActivitiesServiceServer::new(who.service.clone()));
    match rpc {
        "CreateNote" => {
            let request =
                pb::CreateNoteRequest { note: Some(about(&[("contact", &world.known.add("contact"))])) };
            call!(client, create_note, who.request(request, &KEY))
        }
        "GetNote" => {
            let request = pb::GetNoteRequest { id: note(&who).await, ..Default::default() };
            call!(client, get_note, who.request(request, &[]))
        }
        "ListNotes" => {
            note(&who).await;
            call!(client, list_notes, who.request(pb::ListNotesRequest::default(), &[]))
        }
        "UpdateNote" => {
            let request = pb::UpdateNoteRequest {
                id: note(&who).await,
                note: Some(about(&[("company", &world.known.add("company"))])),
                update_mask: Some(FieldMask { paths: vec!["links".to_owned()] }),
            };
            call!(client, update_note, who.request(request, &KEY))
        }
        "DeleteNote" => {
            let request = pb::DeleteNoteRequest { id: note(&who).await };
            call!(client, delete_note, who.request(request, &[]))
        }
        "RestoreNote" => {
            let id = note(&who).await;
            who.delete(&id).await.unwrap();
            call!(client, restore_note, who.request(pb::RestoreNoteRequest { id }, &[]))
        }
        other => panic!("{other} has no call here"),
    }
}
