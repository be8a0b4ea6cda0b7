//! The RPCs of fields.

use anyhow::Result;
use prost_types::FieldMask;
use proto::fields::v1 as pb;
use proto::fields::v1::fields_service_client::FieldsServiceClient;
use proto::fields::v1::fields_service_server::FieldsServiceServer;

use super::dropping::{Call, Watch, at_every_point, call, rpcs};
use crate::database::Database;
use crate::fields::world::World;

const KEY: [(&str, &str); 1] = [("idempotency-key", "the-key")];

#[tokio::test(flavor = "multi_thread")]
async fn fields_leave_nothing() -> Result<()> {
    let database = Database::fresh("globcrm_test_dropped_fields", &[fields::MIGRATIONS]).await?;
    let world = World::at(database.clone())?;
    let mut watch = Watch::new(&database, &world.db, "fields").await?;
    for rpc in rpcs("FieldsService") {
        at_every_point(&mut watch, &rpc, &[], async || prepare(&world, &rpc).await).await?;
        // Somebody else's calls are right.
        prepare(&world, "CreateField").await.await?;
    }
    Ok(())
}

/// A call of `rpc` by somebody new, in a tenant of their own.
async fn prepare(world: &World, rpc: &str) -> Call {
    let who = world.admin().unwrap();
    let mut client = FieldsServiceClient::new(FieldsServiceServer::new(who.service.clone()));
    let object = "contact".to_owned();
    let field = pb::Field {
        key: "tier".to_owned(),
        label: "Tier".to_owned(),
        r#type: pb::FieldType::Text.into(),
        indexed: !matches!(rpc, "AssignSlot" | "FinishSlot"),
        ..Default::default()
    };
    let create = pb::CreateFieldRequest { object: object.clone(), field: Some(field.clone()) };
    if rpc == "CreateField" {
        return call!(client, create_field, who.who.request(create, &KEY));
    }
    let made = client.create_field(who.who.request(create, &[])).await.unwrap().into_inner();
    let id = made.field.unwrap().id;
    match rpc {
        "GetField" => call!(client, get_field, who.who.request(pb::GetFieldRequest { object, id }, &[])),
        "ListFields" => {
            let request = pb::ListFieldsRequest { object, ..Default::default() };
            call!(client, list_fields, who.who.request(request, &[]))
        }
        "UpdateField" => {
            let request = pb::UpdateFieldRequest {
                object,
                id,
                field: Some(pb::Field { label: "Class".to_owned(), ..field }),
                update_mask: Some(FieldMask { paths: vec!["label".to_owned()] }),
            };
            call!(client, update_field, who.who.request(request, &[]))
        }
        "DeprecateField" => {
            call!(client, deprecate_field, who.who.request(pb::DeprecateFieldRequest { object, id }, &[]))
        }
        "ArchiveField" => {
            call!(client, archive_field, who.who.request(pb::ArchiveFieldRequest { object, id }, &[]))
        }
        "RestoreField" => {
            let archive = pb::ArchiveFieldRequest { object: object.clone(), id: id.clone() };
            client.archive_field(who.who.request(archive, &[])).await.unwrap();
            call!(client, restore_field, who.who.request(pb::RestoreFieldRequest { object, id }, &[]))
        }
        "GetLimits" => call!(client, get_limits, who.who.request(pb::GetLimitsRequest {}, &[])),
        "AssignSlot" => {
            call!(
                client,
                assign_slot,
                who.who.request(pb::AssignSlotRequest { object, id, validate_only: false }, &[])
            )
        }
        "FinishSlot" => {
            let assign =
                pb::AssignSlotRequest { object: object.clone(), id: id.clone(), validate_only: false };
            client.assign_slot(who.who.request(assign, &[])).await.unwrap();
            let set = pb::GetFieldSetRequest { object: object.clone(), if_version: 0 };
            let set = client.get_field_set(who.who.request(set, &[])).await.unwrap().into_inner();
            let slot_assignment = set.fields[0].slot_assignment;
            let finish = pb::FinishSlotRequest { object, id, slot_assignment };
            call!(client, finish_slot, who.who.request(finish, &[]))
        }
        "GetFieldSet" => {
            let request = pb::GetFieldSetRequest { object, if_version: 0 };
            call!(client, get_field_set, who.who.request(request, &[]))
        }
        other => panic!("{other} has no call here"),
    }
}
