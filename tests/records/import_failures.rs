//! An import that fails as a whole says which columns and fields it failed for, also where the file has no rows.

use anyhow::Result;
use proto::records::v1 as pb;

use super::imports::{import, run};
use super::world::World;

#[tokio::test]
async fn a_mapping_that_does_not_fit_the_file_names_the_columns() -> Result<()> {
    let world = World::alone("globcrm_test_import_failures").await?;
    let admin = world.admin()?;
    let columns = [("First", "first_name"), ("Mail", "emails.address"), ("Tel", "phones.number")];
    for file in ["First,E-Mail\nAnn,a@x.test\n", "First,E-Mail\n", "{First: 1}", "<html></html>"] {
        let outcome = run(&world, &admin, file, |upload| import(upload, &columns)).await?;
        assert_eq!((outcome.failure.as_deref(), outcome.counts), (Some("COLUMN_MISSING"), [0; 4]), "{file}");
        let names: Vec<&str> = outcome.errors.iter().map(|(_, column, ..)| column.as_str()).collect();
        assert!(names.ends_with(&["Mail", "Tel"]), "{file}: {names:?}");
        let fields: Vec<&str> = outcome.errors.iter().map(|(.., field, _)| field.as_str()).collect();
        assert!(fields.ends_with(&["emails.address", "phones.number"]), "{file}: {fields:?}");
        assert!(
            outcome.errors.iter().all(|(line, .., reason)| (*line, reason.as_str()) == (1, "COLUMN_MISSING"))
        );
        if file.starts_with("First") {
            assert!(outcome.details[0].contains("\"First\", \"E-Mail\""), "{:?}", outcome.details);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_column_that_is_repeated_matters_where_it_is_mapped() -> Result<()> {
    let world = World::alone("globcrm_test_import_repeated").await?;
    let admin = world.admin()?;
    let file = "First,Mail,Note,Note\nAnn,a@x.test,x,y\n";
    let columns = [("first", "first_name"), ("Mail ", "emails.address")];
    let outcome = run(&world, &admin, file, |upload| import(upload, &columns)).await?;
    assert_eq!((outcome.counts, outcome.failure), ([1, 0, 0, 0], None));
    let columns = [("Mail", "emails.address"), ("Note", "job_title")];
    let outcome = run(&world, &admin, file, |upload| import(upload, &columns)).await?;
    assert_eq!(outcome.failure.as_deref(), Some("COLUMN_REPEATED"));
    assert_eq!(outcome.errors(), [(1, "Note", "COLUMN_REPEATED")]);
    Ok(())
}

#[tokio::test]
async fn a_mapping_that_can_never_fit_is_refused_at_once() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let upload = super::imports::upload(&world, &admin, "First\nAnn\n").await?;
    let refused = async |object: &str, fields: &[&str]| {
        let columns: Vec<String> = (0..fields.len()).map(|n| format!("c{n}")).collect();
        let columns: Vec<(&str, &str)> =
            columns.iter().map(String::as_str).zip(fields.iter().copied()).collect();
        let request = pb::CreateImportRequest { object: object.to_owned(), ..import(upload, &columns) };
        let refusal = admin.queue_import(request).await.unwrap_err();
        let found = refusal.violations().into_iter();
        found.map(|(pointer, reason)| (pointer.to_owned(), reason.to_owned())).collect::<Vec<_>>()
    };
    let found = refused("contact", &["phones[2].number", "phones[2].number", "phone", "domains"]).await;
    let at = |at: usize, reason: &str| (format!("/mapping/{at}/field"), reason.to_owned());
    assert_eq!(found, [at(1, "REPEATED"), at(2, "UNKNOWN_FIELD"), at(3, "UNKNOWN_FIELD")]);
    let found = refused("company", &["company.name", "emails.address", "name"]).await;
    assert_eq!(found, [at(0, "UNKNOWN_FIELD"), at(1, "UNKNOWN_FIELD")]);
    let found = refused("note", &["body"]).await;
    assert_eq!(found, [("/object".to_owned(), "UNKNOWN_OBJECT".to_owned())]);
    Ok(())
}
