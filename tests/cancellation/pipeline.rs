//! The RPCs of pipelines.

use anyhow::Result;
use prost_types::FieldMask;
use proto::common::v1::RecordIds;
use proto::pipeline::v1 as pb;
use proto::pipeline::v1::pipeline_service_client::PipelineServiceClient;
use proto::pipeline::v1::pipeline_service_server::PipelineServiceServer;

use super::dropping::{Call, DEFINITIONS, Step, Watch, at_every_point, call, rpcs, whole};
use crate::database::Database;
use crate::pipeline::world::{Caller, World, document};

/// Of two services.
const INCLUDED: &str = "company,owner,stage";

const KEY: [(&str, &str); 1] = [("idempotency-key", "the-key")];

#[tokio::test(flavor = "multi_thread")]
async fn pipelines_leave_nothing() -> Result<()> {
    let database = Database::fresh("globcrm_test_dropped_pipeline", &[pipeline::MIGRATIONS]).await?;
    let world = World::on(database.clone())?;
    // One write in a hundred folds the kept totals, by chance. Here none does, so that equal calls write equal rows.
    let fold =
        "CREATE OR REPLACE FUNCTION pipeline.fold_deal_totals(tenant uuid, pipelines uuid[]) RETURNS void
                LANGUAGE sql AS 'SELECT'";
    sqlx::query(fold).execute(&mut database.admin().await?).await?;
    let mut watch = Watch::new(&database, &world.db, "pipeline").await?;
    for rpc in rpcs("PipelineService") {
        let ahead: &'static [Step] = if rpc == "CreateDeal" { &[DEFINITIONS] } else { &[] };
        at_every_point(&mut watch, &rpc, ahead, async || prepare(&world, &rpc).await).await?;
        // Somebody else's calls are right.
        prepare(&world, "CreatePipeline").await.await?;
    }
    Ok(())
}

/// A call of `rpc` by somebody new, in a tenant of their own.
async fn prepare(world: &World, rpc: &str) -> Call {
    let who = world.admin().unwrap();
    let mut client = PipelineServiceClient::new(PipelineServiceServer::new(who.service.clone()));
    let create = pb::CreatePipelineRequest {
        name: "Mine".to_owned(),
        document: Some(document()),
        ..Default::default()
    };
    match rpc {
        "CreatePipeline" => return call!(client, create_pipeline, who.request(create, &KEY)),
        "ListPipelines" => {
            return call!(client, list_pipelines, who.request(pb::ListPipelinesRequest::default(), &[]));
        }
        "ListPipelineTemplates" => {
            let request = who.request(pb::ListPipelineTemplatesRequest {}, &[]);
            return call!(client, list_pipeline_templates, request);
        }
        _ => {}
    }
    let made = client.create_pipeline(who.request(create, &[])).await.unwrap().into_inner();
    let pipeline = made.pipeline.unwrap();
    let id = pipeline.id.clone();
    let mut draft = pb::Draft { stages: document().stages, ..Default::default() };
    draft.stages[0].name = "Other".to_owned();
    let put = pb::PutDraftRequest { id: id.clone(), draft: Some(draft) };
    if matches!(rpc, "GetDraft" | "DeleteDraft" | "PublishPipeline" | "GetImpact") {
        client.put_draft(who.request(put.clone(), &[])).await.unwrap();
    }
    match rpc {
        "GetPipeline" => call!(client, get_pipeline, who.request(pb::GetPipelineRequest { id }, &[])),
        "UpdatePipeline" => {
            let request = pb::UpdatePipelineRequest {
                id,
                pipeline: Some(pb::Pipeline { is_default: Some(true), ..Default::default() }),
                update_mask: Some(FieldMask { paths: vec!["is_default".to_owned()] }),
            };
            call!(client, update_pipeline, who.request(request, &[]))
        }
        "ArchivePipeline" => {
            call!(client, archive_pipeline, who.request(pb::ArchivePipelineRequest { id }, &[]))
        }
        "RestorePipeline" => {
            let archive = pb::ArchivePipelineRequest { id: id.clone() };
            client.archive_pipeline(who.request(archive, &[])).await.unwrap();
            call!(client, restore_pipeline, who.request(pb::RestorePipelineRequest { id }, &[]))
        }
        "GetDraft" => call!(client, get_draft, who.request(pb::GetDraftRequest { id }, &[])),
        "PutDraft" => call!(client, put_draft, who.request(put, &[])),
        "DeleteDraft" => call!(client, delete_draft, who.request(pb::DeleteDraftRequest { id }, &[])),
        "PublishPipeline" => {
            let request = pb::PublishPipelineRequest { id, ..Default::default() };
            call!(client, publish_pipeline, who.request(request, &KEY))
        }
        "GetImpact" => call!(client, get_impact, who.request(pb::GetImpactRequest { id }, &[])),
        "ListPipelineVersions" => {
            let request = pb::ListPipelineVersionsRequest { id, ..Default::default() };
            call!(client, list_pipeline_versions, who.request(request, &[]))
        }
        "GetPipelineVersion" => {
            let request = pb::GetPipelineVersionRequest { id, number: "1".to_owned() };
            call!(client, get_pipeline_version, who.request(request, &[]))
        }
        other => deal(world, &who, client, other, pipeline).await,
    }
}

/// The same of deals.
async fn deal(
    world: &World,
    who: &Caller,
    mut client: PipelineServiceClient<PipelineServiceServer<pipeline::Service>>,
    rpc: &str,
    pipeline: pb::Pipeline,
) -> Call {
    let create = pb::CreateDealRequest {
        deal: Some(pb::Deal {
            name: Some("A".to_owned()),
            pipeline_id: Some(pipeline.id.clone()),
            company_id: Some(world.people.add("company")),
            ..Default::default()
        }),
    };
    if rpc == "CreateDeal" {
        return call!(client, create_deal, who.request(create, &KEY));
    }
    let made = client.create_deal(who.request(create, &[])).await.unwrap().into_inner().deal.unwrap();
    let id = made.id.clone();
    match rpc {
        "GetDeal" => {
            let request = pb::GetDealRequest { id, include: INCLUDED.to_owned(), ..Default::default() };
            call!(client, get_deal, who.request(request, &[]))
        }
        "ListDeals" => {
            let request = pb::ListDealsRequest { include: INCLUDED.to_owned(), ..Default::default() };
            call!(client, list_deals, who.request(request, &[]))
        }
        "GetDealBoard" => {
            let request = pb::GetDealBoardRequest { include: INCLUDED.to_owned(), ..Default::default() };
            call!(client, get_deal_board, who.request(request, &[]))
        }
        "GetFunnel" => call!(client, get_funnel, who.request(pb::GetFunnelRequest::default(), &[])),
        "GetForecast" => call!(client, get_forecast, who.request(pb::GetForecastRequest::default(), &[])),
        "GetVelocity" => call!(client, get_velocity, who.request(pb::GetVelocityRequest::default(), &[])),
        "GetWinLoss" => call!(client, get_win_loss, who.request(pb::GetWinLossRequest::default(), &[])),
        "UpdateDeal" => {
            let request = pb::UpdateDealRequest {
                id,
                deal: Some(pb::Deal { company_id: Some(world.people.add("company")), ..Default::default() }),
                update_mask: Some(FieldMask { paths: vec!["company_id".to_owned()] }),
            };
            call!(client, update_deal, who.request(request, &[]))
        }
        "DeleteDeal" => call!(client, delete_deal, who.request(pb::DeleteDealRequest { id }, &[])),
        "RestoreDeal" => {
            let delete = pb::DeleteDealRequest { id: id.clone() };
            client.delete_deal(who.request(delete, &[])).await.unwrap();
            call!(client, restore_deal, who.request(pb::RestoreDealRequest { id }, &[]))
        }
        "MoveDeal" => {
            let stage_id = Some(pipeline.stages[1].id.clone());
            let request = pb::MoveDealRequest { id, stage_id, ..Default::default() };
            call!(client, move_deal, who.request(request, &[]))
        }
        "ChangeDealPipeline" => {
            let all = client.list_pipelines(who.request(pb::ListPipelinesRequest::default(), &[])).await;
            let pipeline_id = all.unwrap().into_inner().pipelines[0].id.clone();
            let request = pb::ChangeDealPipelineRequest { id, pipeline_id, ..Default::default() };
            call!(client, change_deal_pipeline, who.request(request, &[]))
        }
        "GetStageHistory" => {
            call!(client, get_stage_history, who.request(pb::GetStageHistoryRequest { id }, &[]))
        }
        "CreateBulkOperation" => call!(client, create_bulk_operation, who.request(bulk(), &KEY)),
        "CreateImport" => {
            let mapping = vec![pb::ColumnMapping { column: "Name".to_owned(), field: "name".to_owned() }];
            let (upload_id, object) = (world.uploads.put("Name\nA\n"), "deal".to_owned());
            let request = pb::CreateImportRequest { upload_id, object, mapping, ..Default::default() };
            call!(client, create_import, who.request(request, &KEY))
        }
        "PreviewImport" => {
            let (upload_id, object) = (world.uploads.put("Name\nA\n"), "deal".to_owned());
            let request = pb::PreviewImportRequest { upload_id, object, ..Default::default() };
            call!(client, preview_import, who.request(request, &[]))
        }
        "ListOperations" => {
            call!(client, list_operations, who.request(pb::ListOperationsRequest::default(), &[]))
        }
        other => operation(who, client, other).await,
    }
}

fn bulk() -> pb::CreateBulkOperationRequest {
    pb::CreateBulkOperationRequest {
        object: "deals".to_owned(),
        filter: "*".to_owned(),
        action: "tag".to_owned(),
        changes: br#"{"add": ["x"]}"#.to_vec().into(),
        ..Default::default()
    }
}

/// The same of operations.
async fn operation(
    who: &Caller,
    mut client: PipelineServiceClient<PipelineServiceServer<pipeline::Service>>,
    rpc: &str,
) -> Call {
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
        "UndoOperation" => {
            // Cancelled before it begins, it is over.
            let cancel = pb::CancelOperationRequest { id: id.clone() };
            client.cancel_operation(who.request(cancel, &[])).await.unwrap();
            call!(client, undo_operation, who.request(pb::UndoOperationRequest { id }, &KEY))
        }
        "CheckRecords" => {
            let request = pb::CheckRecordsRequest { records: vec![deal_ids(id)] };
            call!(client, check_records, who.request(request, &[]))
        }
        "GetRecordNames" => {
            let request = pb::GetRecordNamesRequest { records: vec![deal_ids(id)] };
            call!(client, get_record_names, who.request(request, &[]))
        }
        other => panic!("{other} has no call here"),
    }
}

fn deal_ids(id: String) -> RecordIds {
    RecordIds { object: "deal".to_owned(), ids: vec![id] }
}
