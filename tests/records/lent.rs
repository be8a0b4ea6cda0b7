//! Uploads and records as imports of other services see them.

use std::time::Duration;

use anyhow::Result;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use uuid::Uuid;

use super::imports::upload;
use super::world::{Caller, Refusal, World, mail};

fn to_read(upload: Uuid) -> pb::UploadToRead {
    pb::UploadToRead { upload_id: upload.to_string(), ..Default::default() }
}

async fn read(who: &Caller, request: pb::ReadUploadRequest) -> Result<pb::ReadUploadResponse> {
    Ok(who.service.read_upload(who.request(request, &[])).await?.into_inner())
}

/// Rows of more than an answer holds, in pieces without a gap, and as many as the survey says.
#[tokio::test]
async fn a_file_is_read_piece_by_piece() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let long = "x".repeat(900);
    let file: String = std::iter::once("Name,Text\n".to_owned())
        .chain((0..5_000).map(|n| format!("{n},{long}\n")))
        .chain(["\"open\n".to_owned()])
        .collect();
    let file = upload(&world, &admin, &file).await?;
    let survey = pb::ReadUploadRequest { upload: Some(to_read(file)), done: 0, survey: true };
    let surveyed = read(&admin, survey).await?;
    assert_eq!(
        (surveyed.total, surveyed.header_line, surveyed.header.join("+")),
        (5_001, 1, "Name+Text".to_owned())
    );
    assert_eq!(surveyed.detected.map(|form| form.delimiter), Some(",".to_owned()));
    let (mut done, mut pieces) = (0, 0);
    loop {
        let piece =
            read(&admin, pb::ReadUploadRequest { upload: Some(to_read(file)), done, survey: false }).await?;
        if piece.rows.is_empty() {
            break;
        }
        pieces += 1;
        for row in piece.rows {
            if done == 5_000 {
                assert_eq!((row.line, row.faults[0].reason.as_str()), (5_002, "QUOTE_OPEN"));
            } else {
                assert_eq!((row.line, row.cells[0].as_str()), (done + 2, done.to_string().as_str()));
            }
            done += 1;
        }
    }
    assert_eq!(done, 5_001);
    assert!(pieces > 1, "all of it came at once");
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_part_of_the_answer() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    for (file, reason, is_known) in [
        (&b"\nName,\"First\nA,B\n"[..], "QUOTE_OPEN", true),
        (&b"Name\n\xe9t\xe9\n"[..], "ENCODING_UNKNOWN", false),
    ] {
        let upload = Some(to_read(upload(&world, &admin, file).await?));
        let found = read(&admin, pb::ReadUploadRequest { upload, done: 0, survey: true }).await?;
        let failure = found.failure.expect("a failure");
        assert_eq!((failure.reason.as_str(), found.detected.is_some()), (reason, is_known));
    }
    // What is wrong with the request is told as of an import.
    let upload = to_read(upload(&world, &admin, "Name\nA\n").await?);
    let upload = Some(pb::UploadToRead { delimiter: "xx".to_owned(), ..upload });
    let request = pb::ExamineUploadRequest { upload, rows: 0, only_request: true };
    let refused = admin.service.examine_upload(admin.request(request, &[])).await.unwrap_err();
    assert_eq!(Refusal::from(refused).violations(), [("/delimiter", "ENUM_VALUE_UNKNOWN")]);
    Ok(())
}

#[tokio::test]
async fn an_upload_that_another_service_reads_is_kept_as_a_new_one() -> Result<()> {
    let world = World::alone("globcrm_test_lent_kept").await?;
    let admin = world.admin()?;
    let (kept, gone) =
        (upload(&world, &admin, "Name\nA\n").await?, upload(&world, &admin, "Name\nB\n").await?);
    let mut sql = world.sql().await?;
    sqlx::query("UPDATE records.upload SET created_at = now() - interval '3 hours'")
        .execute(&mut sql)
        .await?;
    let request = pb::ExamineUploadRequest { upload: Some(to_read(kept)), rows: 0, only_request: true };
    admin.service.examine_upload(admin.request(request, &[])).await?;
    let purge = records::UploadPurge {
        db: world.db.clone(),
        worker: world.worker()?,
        clock: world.clock.clone(),
        blobs: world.blobs.clone(),
        retention: Duration::from_secs(7_200),
    };
    assert_eq!(purge.round().await?, 1);
    let left: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM records.upload").fetch_all(&mut sql).await?;
    assert_eq!((left.contains(&kept), left.contains(&gone)), (true, false));
    sqlx::query("UPDATE records.upload SET read_at = now() - interval '3 hours'").execute(&mut sql).await?;
    assert_eq!(purge.round().await?, 1);
    Ok(())
}

#[tokio::test]
async fn companies_and_contacts_are_found_by_what_only_one_of_them_is_called() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let company = async |name: &str, domain: &str| {
        let domains = if domain.is_empty() { Vec::new() } else { vec![domain.to_owned()] };
        let company = pb::Company { name: Some(name.to_owned()), domains, ..Default::default() };
        Ok::<_, anyhow::Error>(admin.create_company(company).await?.id)
    };
    let acme = company("Acme", "acme.test").await?;
    for _ in 0..2 {
        company("Duo", "").await?;
    }
    let contact = async |address: &str| {
        let contact = pb::Contact {
            emails: vec![mail(address)],
            last_name: Some("A".to_owned()),
            ..Default::default()
        };
        let request = pb::CreateContactRequest { contact: Some(contact), allow_duplicates: true };
        let made = admin.service.create_contact(admin.request(request, &[])).await?.into_inner();
        Ok::<_, anyhow::Error>(made.contact.unwrap().id)
    };
    let ada = contact("ada@x.test").await?;
    for _ in 0..2 {
        contact("duo@x.test").await?;
    }
    let named =
        |name: &str, domain: &str| pb::CompanyName { name: name.to_owned(), domain: domain.to_owned() };
    let request = pb::FindRecordsRequest {
        companies: vec![
            named("acme", ""),
            named("Duo", "ACME.test"),
            named("Duo", ""),
            named("", "no domain"),
            named("Nobody", ""),
        ],
        emails: ["ada@x.test", "duo@x.test", "no@x.test"].map(str::to_owned).to_vec(),
    };
    let found = admin.service.find_records(admin.request(request, &[])).await?.into_inner();
    let told = |found: &pb::FoundRecord| {
        if found.id.is_empty() {
            (found.by.clone(), found.reason.clone())
        } else {
            (String::new(), found.id.clone())
        }
    };
    let of = |by: &str, what: &str| (by.to_owned(), what.to_owned());
    let companies: Vec<_> = found.companies.iter().map(told).collect();
    assert_eq!(
        companies,
        [
            of("", &acme),
            of("", &acme),
            of("name", "REFERENCE_AMBIGUOUS"),
            of("domain", "DOMAIN_INVALID"),
            of("name", "REFERENCE_NOT_FOUND"),
        ]
    );
    let contacts: Vec<_> = found.contacts.iter().map(told).collect();
    let wanted = [of("", &ada), of("email", "REFERENCE_AMBIGUOUS"), of("email", "REFERENCE_NOT_FOUND")];
    assert_eq!(contacts, wanted);
    Ok(())
}

#[tokio::test]
async fn more_names_than_a_batch_has_are_refused() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let company = pb::CompanyName { name: "Acme".to_owned(), domain: String::new() };
    let email = "ada@x.test".to_owned();
    for (companies, emails, is_taken) in [(500, 500, true), (501, 0, false), (0, 501, false)] {
        let request = pb::FindRecordsRequest {
            companies: vec![company.clone(); companies],
            emails: vec![email.clone(); emails],
        };
        let found = admin.service.find_records(admin.request(request, &[])).await;
        let refused = found.err().map(|status| Refusal::from(status).reason().to_owned());
        assert_eq!(refused, (!is_taken).then(|| "TOO_MANY_IDS".to_owned()), "{companies} {emails}");
    }
    Ok(())
}
