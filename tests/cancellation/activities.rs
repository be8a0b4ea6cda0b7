//! The RPCs of activities.

use anyhow::Result;
use prost_types::FieldMask;
use proto::activities::v1 as pb;
use proto::activities::v1::activities_service_client::ActivitiesServiceClient;
use proto::activities::v1::activities_service_server::ActivitiesServiceServer;

use tonic::Status;

use super::dropping::{Call, DEFINITIONS, Step, Watch, at_every_point, call, rpcs, whole};
use crate::activities::world::{Caller, World, about, planned};
use crate::database::Database;

type Client = ActivitiesServiceClient<ActivitiesServiceServer<activities::Service>>;

const KEY: [(&str, &str); 1] = [("idempotency-key", "the-key")];

#[tokio::test(flavor = "multi_thread")]
async fn activities_leave_nothing() -> Result<()> {
    let database = Database::fresh("globcrm_test_dropped_activities", &[activities::MIGRATIONS]).await?;
    let world = World::on(database.clone())?;
    let mut watch = Watch::new(&database, &world.db, "activities").await?;
    for rpc in rpcs("ActivitiesService") {
        let ahead: &'static [Step] =
            if matches!(&*rpc, "CreateNote" | "CreateActivity") { &[DEFINITIONS] } else { &[] };
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
        "GetActivityStateMachines" => {
            let request = pb::GetActivityStateMachinesRequest {};
            call!(client, get_activity_state_machines, who.request(request, &[]))
        }
        "CreateBulkOperation" => call!(client, create_bulk_operation, who.request(bulk(), &KEY)),
        "ListOperations" => {
            call!(client, list_operations, who.request(pb::ListOperationsRequest::default(), &[]))
        }
        "GetOperation" | "CancelOperation" | "GetOperationErrors" | "UndoOperation" => {
            operation(&who, client, rpc).await
        }
        "GetContactTimeline" | "GetCompanyTimeline" | "GetDealTimeline" => timeline(world, &who, client, rpc),
        other => activity(world, &who, client, other).await,
    }
}

fn bulk() -> pb::CreateBulkOperationRequest {
    pb::CreateBulkOperationRequest {
        object: "notes".to_owned(),
        filter: "*".to_owned(),
        action: "tag".to_owned(),
        changes: br#"{"add": ["x"]}"#.to_vec().into(),
        ..Default::default()
    }
}

/// The same of operations.
async fn operation(who: &Caller, mut client: Client, rpc: &str) -> Call {
    let made = client.create_bulk_operation(who.request(bulk(), &[])).await.unwrap();
    let id = made.into_inner().operation.unwrap().id;
    match rpc {
        "GetOperation" => call!(client, get_operation, who.request(pb::GetOperationRequest { id }, &[])),
        "CancelOperation" => {
            call!(client, cancel_operation, who.request(pb::CancelOperationRequest { id }, &[]))
        }
        "GetOperationErrors" => {
            let request = who.request(pb::GetOperationErrorsRequest { id }, &[]);
            whole!(client, get_operation_errors, request)
        }
        _ => {
            // Cancelled before it begins, it is over.
            let cancel = pb::CancelOperationRequest { id: id.clone() };
            client.cancel_operation(who.request(cancel, &[])).await.unwrap();
            call!(client, undo_operation, who.request(pb::UndoOperationRequest { id }, &KEY))
        }
    }
}

/// The same of timelines.
fn timeline(world: &World, who: &Caller, client: Client, rpc: &str) -> Call {
    match rpc {
        "GetContactTimeline" => {
            let request =
                pb::GetContactTimelineRequest { id: world.known.add("contact"), ..Default::default() };
            call!(client, get_contact_timeline, who.request(request, &[]))
        }
        "GetCompanyTimeline" => {
            let request =
                pb::GetCompanyTimelineRequest { id: world.known.add("company"), ..Default::default() };
            call!(client, get_company_timeline, who.request(request, &[]))
        }
        _ => {
            let request = pb::GetDealTimelineRequest { id: world.known.add("deal"), ..Default::default() };
            call!(client, get_deal_timeline, who.request(request, &[]))
        }
    }
}

fn refused(status: Status) -> Result<(), Status> {
    if status.code() == tonic::Code::FailedPrecondition { Ok(()) } else { Err(status) }
}

/// The same of activities.
async fn activity(world: &World, who: &Caller, client: Client, rpc: &str) -> Call {
    let link =
        pb::ActivityLink { object: "deal".to_owned(), id: world.known.add("deal"), ..Default::default() };
    let linked = pb::Activity { links: vec![link], ..planned("task") };
    if rpc == "CreateActivity" {
        let request = pb::CreateActivityRequest { activity: Some(linked) };
        return call!(client, create_activity, who.request(request, &KEY));
    }
    let id = who.create_activity(planned("task")).await.unwrap().id;
    match rpc {
        "GetActivity" => {
            let request = pb::GetActivityRequest { id, ..Default::default() };
            call!(client, get_activity, who.request(request, &[]))
        }
        "ExportActivity" => {
            whole!(client, export_activity, who.request(pb::ExportActivityRequest { id }, &[]))
        }
        "GetCalendar" => {
            let token = world.calendar_of(who);
            whole!(client, get_calendar, who.request(pb::GetCalendarRequest { token }, &[]))
        }
        "ListActivities" => {
            let filter = "overdue = true".to_owned();
            let request = pb::ListActivitiesRequest { filter, ..Default::default() };
            call!(client, list_activities, who.request(request, &[]))
        }
        "UpdateActivity" => {
            let update_mask = Some(FieldMask { paths: vec!["links".to_owned()] });
            let request = pb::UpdateActivityRequest { id, activity: Some(linked), update_mask };
            call!(client, update_activity, who.request(request, &[]))
        }
        "DeleteActivity" => {
            call!(client, delete_activity, who.request(pb::DeleteActivityRequest { id }, &[]))
        }
        "RestoreActivity" => {
            who.delete_activity(&id).await.unwrap();
            call!(client, restore_activity, who.request(pb::RestoreActivityRequest { id }, &KEY))
        }
        "StartActivity" => call!(client, start_activity, who.request(pb::StartActivityRequest { id }, &[])),
        "CompleteActivity" => {
            let outcome = Some("Done".to_owned());
            let request = pb::CompleteActivityRequest { id, outcome, ..Default::default() };
            call!(client, complete_activity, who.request(request, &[]))
        }
        "CancelActivity" => {
            let request = pb::CancelActivityRequest { id, reason: Some("Ill".to_owned()) };
            call!(client, cancel_activity, who.request(request, &[]))
        }
        "ReopenActivity" => {
            let request = who.request(pb::ReopenActivityRequest { id }, &[]);
            let mut client = client.clone();
            // Its answer is a refusal.
            Box::pin(async move { client.reopen_activity(request).await.map(drop).or_else(refused) })
        }
        other => panic!("{other} has no call here"),
    }
}
