//! Imports worked by the job itself, on a database that no other worker looks at.

use std::time::Duration;

use anyhow::Result;
use prost::bytes::Bytes;
use proto::common::v1 as common;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::world::{Caller, Refusal, World, custom, custom_of, mail};
use crate::waiting;

/// A stored file of the caller, as an upload leaves it.
pub(crate) async fn upload(world: &World, caller: &Caller, file: impl AsRef<[u8]>) -> Result<Uuid> {
    let id = world.clock.new_uuid();
    let bytes = Bytes::copy_from_slice(file.as_ref());
    let pieces = futures_util::stream::iter([Ok::<_, std::io::Error>(bytes)]);
    let blob = world.blobs.put(caller.tenant, id, 100 << 20, pieces).await?;
    let mut tx = world.tx(caller.tenant).await?;
    sqlx::query(
        "INSERT INTO records.upload (tenant_id, id, principal_id, content_type, size, sha256, created_at)
         VALUES ($1, $2, $3, 'text/csv', $4, $5, now())",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .bind(caller.id)
    .bind(i64::try_from(blob.size)?)
    .bind(blob.sha256)
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(id)
}

pub(crate) fn import(upload: Uuid, columns: &[(&str, &str)]) -> pb::CreateImportRequest {
    let mapping = columns.iter().map(|(column, field)| pb::ColumnMapping {
        column: (*column).to_owned(),
        field: (*field).to_owned(),
    });
    pb::CreateImportRequest {
        upload_id: upload.to_string(),
        object: "contact".to_owned(),
        mapping: mapping.collect(),
        duplicate_policy: pb::DuplicatePolicy::Update.into(),
        ..Default::default()
    }
}

/// What an import came to: created, updated, skipped and failed rows, and the errors with their lines, columns, fields and reasons.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) counts: [i64; 4],
    pub(crate) errors: Vec<(i64, String, String, String)>,
    pub(crate) failure: Option<String>,
    /// Of the errors.
    pub(crate) details: Vec<String>,
}

impl Outcome {
    pub(crate) fn errors(&self) -> Vec<(i64, &str, &str)> {
        self.errors
            .iter()
            .map(|(line, column, _, reason)| (*line, column.as_str(), reason.as_str()))
            .collect()
    }
}

/// Imports a file, after a dry run of it that must come to the same.
pub(crate) async fn run(
    world: &World,
    caller: &Caller,
    file: &str,
    request: impl Fn(Uuid) -> pb::CreateImportRequest,
) -> Result<Outcome> {
    let upload = upload(world, caller, file).await?;
    let outcome = async |dry_run: bool| {
        let request = pb::CreateImportRequest { dry_run, ..request(upload) };
        let id = caller.queue_import(request).await?.id;
        let operation = tokio::select! {
            () = world.service.clone().work_imports(CancellationToken::new()) => unreachable!(),
            operation = finished(caller, &id) => operation?,
        };
        let result = operation.result.unwrap_or_default();
        let place = |e: &common::RowError| (e.line, e.column.clone(), e.field.clone(), e.reason.clone());
        Ok::<_, anyhow::Error>(Outcome {
            counts: [result.created, result.updated, result.skipped, result.failed],
            errors: operation.errors.iter().map(place).collect(),
            failure: operation.failure,
            details: operation.errors.iter().map(|error| error.detail.clone()).collect(),
        })
    };
    let dry = outcome(true).await?;
    let real = outcome(false).await?;
    assert_eq!(dry, real, "the dry run told another story");
    for (line, column, field, reason) in &real.errors {
        assert!(!column.is_empty() || !field.is_empty(), "line {line}: {reason} names nothing");
    }
    Ok(real)
}

/// The operation when it is over.
pub(crate) async fn finished(caller: &Caller, id: &str) -> Result<common::Operation, Refusal> {
    waiting::outcome(Duration::from_secs(60), "the operation is over", async || {
        let request = pb::GetOperationRequest { id: id.to_owned() };
        let operation = match caller.service.get_operation(caller.request(request, &[])).await {
            Ok(answer) => answer.into_inner().operation.unwrap_or_default(),
            Err(refused) => return Ok(Err(refused.into())),
        };
        if operation.finished_at.is_some() { Ok(Ok(operation)) } else { Err(format!("{operation:?}")) }
    })
    .await
}

#[tokio::test]
async fn repeated_rows_merge_and_a_row_that_may_not_be_written_is_an_error_of_that_row_alone() -> Result<()> {
    let world = World::alone("globcrm_test_imports").await?;
    let admin = world.admin()?;
    for (address, serial) in [("a@x.test", "S-1"), ("b@x.test", "S-2")] {
        let contact = pb::Contact { emails: vec![mail(address)], ..custom(&json!({ "serial": serial })) };
        admin.create(contact).await?;
    }
    let nobody = Uuid::from_u128(77);
    let file = format!(
        "Mail,First,Seats,Serial,Boss\n\
         n@x.test,Nina,1,,\n\
         n@x.test,,2,,\n\
         a@x.test,,,S-2,{nobody}\n\
         b@x.test,,7,,\n\
         m@x.test,Max,,S-1,\n\
         m@x.test,Mux,,,\n"
    );
    let columns = [
        ("Mail", "emails.address"),
        ("First", "first_name"),
        ("Seats", "custom.seats"),
        ("Serial", "custom.serial"),
        ("Boss", "custom.boss"),
    ];
    let request = import(upload(&world, &admin, &file).await?, &columns);
    let key = [("idempotency-key", "k-1")];
    let ask = |request| admin.service.create_import(admin.request(request, &key));
    let queued = ask(request.clone()).await?.into_inner();
    for _ in 0..5 {
        let again = ask(request.clone()).await?;
        assert_eq!(again.metadata().get("idempotency-replayed").unwrap(), "true");
        assert_eq!(again.into_inner(), queued);
        let other = ask(pb::CreateImportRequest { dry_run: true, ..request.clone() }).await.unwrap_err();
        assert_eq!(Refusal::from(other).is(), (422, "IDEMPOTENCY_KEY_REUSED"));
    }

    let id = queued.operation.unwrap().id;
    let operation = tokio::select! {
        () = world.service.clone().work_imports(CancellationToken::new()) => unreachable!(),
        operation = finished(&admin, &id) => operation?,
    };
    assert_eq!(operation.state, i32::from(common::OperationState::Succeeded), "{operation:?}");
    let result = operation.result.unwrap();
    assert_eq!((result.created, result.updated, result.skipped, result.failed), (2, 2, 0, 2), "{result:?}");
    let errors: Vec<(i64, &str)> = operation.errors.iter().map(|e| (e.line, e.reason.as_str())).collect();
    let expected = [
        (4, "REFERENCE_NOT_FOUND"),
        (4, "DUPLICATE_VALUE"),
        // The next row with its address repeats nothing, as this one made no contact.
        (6, "DUPLICATE_VALUE"),
    ];
    assert_eq!(errors, expected);
    let filter = "first_name = \"Nina\"".to_owned();
    let page = admin.list(pb::ListContactsRequest { filter, ..Default::default() }).await?;
    let [nina] = page.contacts.as_slice() else { panic!("{page:?}") };
    assert_eq!((nina.version, custom_of(nina)), (1, json!({"seats": 2})));
    Ok(())
}

#[tokio::test]
async fn a_row_that_is_too_long_is_an_error_of_that_row_and_the_rows_behind_it_are_imported() -> Result<()> {
    let world = World::alone("globcrm_test_import_row").await?;
    let admin = world.admin()?;
    let file = format!("Mail,First\na@x.test,Ada\nb@x.test,{}\nc@x.test,Cid\n", "x".repeat((1 << 20) + 1));
    let request = import(upload(&world, &admin, &file).await?, &[("Mail", "emails.address")]);
    let id = admin.queue_import(request).await?.id;
    let operation = tokio::select! {
        () = world.service.clone().work_imports(CancellationToken::new()) => unreachable!(),
        operation = finished(&admin, &id) => operation?,
    };
    assert_eq!(operation.failure, None, "{operation:?}");
    let result = operation.result.unwrap();
    assert_eq!((result.created, result.failed), (2, 1), "{result:?}");
    let errors: Vec<(i64, &str)> = operation.errors.iter().map(|e| (e.line, e.reason.as_str())).collect();
    assert_eq!(errors, [(3, "ROW_TOO_LONG")]);
    Ok(())
}

#[tokio::test]
async fn a_header_that_breaks_the_grammar_fails_the_import_with_its_line() -> Result<()> {
    let world = World::alone("globcrm_test_import_header").await?;
    let admin = world.admin()?;
    let file = "\nMail,\"First\na@x.test,Ada\n";
    let request = import(upload(&world, &admin, file).await?, &[("Mail", "emails.address")]);
    let id = admin.queue_import(request).await?.id;
    let operation = tokio::select! {
        () = world.service.clone().work_imports(CancellationToken::new()) => unreachable!(),
        operation = finished(&admin, &id) => operation?,
    };
    assert_eq!(operation.failure.as_deref(), Some("QUOTE_OPEN"), "{operation:?}");
    let errors: Vec<(i64, &str)> = operation.errors.iter().map(|e| (e.line, e.reason.as_str())).collect();
    assert_eq!(errors, [(2, "QUOTE_OPEN")]);
    Ok(())
}
