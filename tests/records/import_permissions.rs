//! An import reaches what its caller reaches: fields, records, owners, companies and users of the own organisation.

use anyhow::Result;
use proto::identity::v1::{FieldAccess, Scope};
use proto::records::v1 as pb;

use super::imports::{import, run, upload};
use super::world::{ALL, May, World, mail, named};

#[tokio::test]
async fn an_object_is_imported_by_who_may_import_that_object() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let may = |object: &'static str, actions: &[&'static str]| {
        actions.iter().map(|action| (object, *action, Scope::All)).collect::<Vec<_>>()
    };
    let cases = [
        (may("contact", &["import", "create", "update"]), "contact", None),
        (may("contact", &["import", "create", "update"]), "company", Some("company.import")),
        (may("company", &["import", "create", "update"]), "company", None),
        (may("company", &["import", "update"]), "company", Some("company.create")),
        (may("company", &["import", "create"]), "company", Some("company.update")),
        (
            [may("contact", &["import"]), may("company", &["create", "update"])].concat(),
            "company",
            Some("company.import"),
        ),
        (may("contact", &["create", "update"]), "contact", Some("*.import")),
    ];
    for (actions, object, missing) in cases {
        let caller = world.caller(admin.tenant, &May { actions: &actions, fields: &[] })?;
        let field = if object == "contact" { "last_name" } else { "name" };
        let file = upload(&world, &caller, "Name\nMeyer\n").await?;
        let request =
            pb::CreateImportRequest { object: object.to_owned(), ..import(file, &[("Name", field)]) };
        let answer = caller.queue_import(request).await;
        let denied = answer.err().map(|refusal| refusal.metadata()["permission"].clone());
        assert_eq!(denied.as_deref(), missing, "{object} by {actions:?}");
    }
    Ok(())
}

#[tokio::test]
async fn hidden_and_read_only_fields_are_not_fed_by_any_of_their_names() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let actions = [("*", "*", Scope::All)];
    for (access, reason) in [(FieldAccess::None, "UNKNOWN_FIELD"), (FieldAccess::Read, "FIELD_READ_ONLY")] {
        let fields = ["phones", "tags", "external_ids", "owner_id", "addresses"];
        let fields = fields.map(|field| ("contact", field, access));
        let caller = world.caller(admin.tenant, &May { actions: &actions, fields: &fields })?;
        let file = upload(&world, &caller, "A,B,C,D,E\n").await?;
        let columns = [
            ("A", "phones[mobile].number"),
            ("B", "tags"),
            ("C", "external_ids.erp"),
            ("D", "owner.email"),
            ("E", "addresses[2].city"),
        ];
        let refusal = caller.queue_import(import(file, &columns)).await.unwrap_err();
        let refused = refusal.violations();
        assert!(refused.len() == 5 && refused.iter().all(|(_, found)| *found == reason), "{refused:?}");
    }
    Ok(())
}

/// Whether a company has a name or a domain that the caller may not see is not found out by linking a contact to it.
#[tokio::test]
async fn a_company_is_named_by_what_the_caller_may_see_of_companies() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let actions = [("*", "*", Scope::All)];
    let columns = [("A", "company.name"), ("B", "company.domain"), ("C", "company.role")];
    let refused = async |fields: &[(&'static str, &'static str, FieldAccess)]| {
        let caller = world.caller(admin.tenant, &May { actions: &actions, fields })?;
        let file = upload(&world, &caller, "A,B,C\n").await?;
        let answer = caller.queue_import(import(file, &columns)).await;
        let found = answer.err().map(|refusal| {
            let found = refusal.violations().into_iter();
            found.map(|(at, reason)| format!("{at} {reason}")).collect::<Vec<_>>()
        });
        Ok::<_, anyhow::Error>(found.unwrap_or_default())
    };
    let (none, read) = (FieldAccess::None, FieldAccess::Read);
    assert_eq!(refused(&[("company", "name", none)]).await?, ["/mapping/0/field UNKNOWN_FIELD"]);
    assert_eq!(refused(&[("company", "domains", none)]).await?, ["/mapping/1/field UNKNOWN_FIELD"]);
    // It is looked up and not written.
    let seen = refused(&[("company", "name", read), ("company", "domains", read)]).await?;
    assert!(seen.is_empty(), "{seen:?}");
    Ok(())
}

#[tokio::test]
async fn names_of_other_organisations_and_of_what_is_not_seen_match_nothing() -> Result<()> {
    let world = World::alone("globcrm_test_import_names").await?;
    let (admin, stranger) = (world.admin()?, world.admin()?);
    let company = |name: &str| pb::Company {
        name: Some(name.to_owned()),
        domains: vec![format!("{name}.test")],
        ..Default::default()
    };
    stranger.create_company(company("foreign")).await?;
    admin.create_company(company("unseen")).await?;
    world.address(stranger.tenant, "foreign@x.test", stranger.id);
    let colleague = world.caller(admin.tenant, &ALL)?;
    world.address(admin.tenant, "colleague@x.test", colleague.id);
    let mut actions: Vec<_> =
        ["import", "create", "read", "update"].map(|action| ("contact", action, Scope::Own)).into();
    actions.push(("company", "read", Scope::Own));
    let caller = world.caller(admin.tenant, &May { actions: &actions, fields: &[] })?;
    let theirs = pb::Contact { emails: vec![mail("a@x.test")], ..named("", "Theirs") };
    let theirs = admin.create(theirs).await?;

    let columns = [
        ("Last", "last_name"),
        ("Company", "company.name"),
        ("Domain", "company.domain"),
        ("Owner", "owner.email"),
        ("Mail", "emails.address"),
    ];
    let file = "Last,Company,Domain,Owner,Mail\n\
                A,foreign,,,\n\
                B,,foreign.test,,\n\
                C,unseen,,,\n\
                D,,unseen.test,,\n\
                E,,,foreign@x.test,\n\
                F,,,colleague@x.test,\n\
                G,,,,a@x.test\n";
    let outcome = run(&world, &caller, file, |upload| import(upload, &columns)).await?;
    let expected = vec![
        (2, "Company", "REFERENCE_NOT_FOUND"),
        (3, "Domain", "REFERENCE_NOT_FOUND"),
        (4, "Company", "REFERENCE_NOT_FOUND"),
        (5, "Domain", "REFERENCE_NOT_FOUND"),
        (6, "Owner", "REFERENCE_NOT_FOUND"),
        // A colleague, to whom the caller may not give anything.
        (7, "Owner", "PERMISSION_DENIED"),
    ];
    assert_eq!((outcome.counts, outcome.errors()), ([1, 0, 0, 6], expected));
    assert_eq!(admin.get(&theirs.id).await?.version, 1);

    // Who may assign gives away.
    actions.push(("contact", "assign", Scope::All));
    let caller = world.caller(admin.tenant, &May { actions: &actions, fields: &[] })?;
    let outcome = run(&world, &caller, "Last,Company,Domain,Owner,Mail\nH,,,Colleague@x.test,\n", |upload| {
        import(upload, &columns)
    })
    .await?;
    assert_eq!((outcome.counts, outcome.errors()), ([1, 0, 0, 0], vec![]));
    Ok(())
}

/// A contact that the caller sees and may not change is an error of its row, at the value that found it.
#[tokio::test]
async fn what_the_caller_sees_and_may_not_change_stays() -> Result<()> {
    let world = World::alone("globcrm_test_import_denied").await?;
    let admin = world.admin()?;
    let theirs = pb::Contact { emails: vec![mail("a@x.test")], ..named("", "Theirs") };
    let theirs = admin.create(theirs).await?;
    let actions = [
        ("contact", "import", Scope::All),
        ("contact", "create", Scope::All),
        ("contact", "read", Scope::All),
        ("contact", "update", Scope::Own),
    ];
    let caller = world.caller(admin.tenant, &May { actions: &actions, fields: &[] })?;
    let columns = [("Mail", "emails.address"), ("Tags", "tags")];
    let outcome =
        run(&world, &caller, "Mail,Tags\na@x.test,mine\n", |upload| import(upload, &columns)).await?;
    assert_eq!((outcome.counts, outcome.errors()), ([0, 0, 0, 1], vec![(2, "Mail", "PERMISSION_DENIED")]));
    assert_eq!(admin.get(&theirs.id).await?.version, 1);
    Ok(())
}
