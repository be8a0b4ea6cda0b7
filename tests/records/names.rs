//! What records refer to here, by name; and the names that other services ask for.

use anyhow::Result;
use proto::common::v1::{RecordIds, RecordName};
use proto::identity::v1::{FieldAccess, Scope};
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;

use super::world::{Caller, May, Refusal, World, named};
use crate::world::{NOTHING, statements};

fn ids(object: &str, ids: &[&str]) -> RecordIds {
    RecordIds { object: object.to_owned(), ids: ids.iter().map(|id| (*id).to_owned()).collect() }
}

/// What is answered to another service: object, id, name, whether it is deleted.
async fn asked(who: &Caller, records: Vec<RecordIds>) -> Result<Vec<RecordName>, Refusal> {
    let request = who.request(pb::GetRecordNamesRequest { records }, &[]);
    let mut names = who.service.get_record_names(request).await?.into_inner().names;
    names.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(names)
}

fn of(object: &str, id: &str, name: Option<&str>, deleted: bool) -> RecordName {
    RecordName { object: object.to_owned(), id: id.to_owned(), name: name.map(str::to_owned), deleted }
}

fn company(name: &str) -> pb::Company {
    pb::Company { name: Some(name.to_owned()), ..Default::default() }
}

async fn link(who: &Caller, contact: &str, company: &str, is_primary: bool) -> Result<()> {
    let (company_id, is_primary) = (company.to_owned(), is_primary.then_some(true));
    let link = Some(pb::ContactCompany { company_id, is_primary, ..Default::default() });
    let request =
        pb::LinkContactCompanyRequest { contact_id: contact.to_owned(), link, ..Default::default() };
    who.service.link_contact_company(who.request(request, &[])).await?;
    Ok(())
}

#[tokio::test]
async fn what_exists_is_told_with_its_state_and_its_name_to_who_may_read_it() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let own = [("contact", "read", Scope::Own), ("contact", "create", Scope::Own)];
    let rep = world.caller(admin.tenant, &May { actions: &own, fields: &[] })?;
    let foreign = world.admin()?.create(named("Foreign", "")).await?.id;
    let theirs = admin.create(named("Not", "Mine")).await?.id;
    let deleted = admin.create(named("In", "Trash")).await?.id;
    admin.delete(&deleted, &[]).await?;
    let mine = rep.create(named("My", "Own")).await?.id;
    let acme = admin.create_company(company("Acme")).await?.id;
    let random = world.clock.new_uuid().to_string();
    let all = || {
        vec![
            ids("contact", &[&foreign, &theirs, &deleted, &mine, &random, "no id", &acme]),
            ids("company", &[&acme, &mine]),
            ids("deal", &[&mine]),
        ]
    };
    let to_admin = [
        of("contact", &theirs, Some("Not Mine"), false),
        of("contact", &deleted, Some("In Trash"), true),
        of("contact", &mine, Some("My Own"), false),
        of("company", &acme, Some("Acme"), false),
    ];
    assert_eq!(asked(&admin, all()).await?, to_admin);
    let without = |name: &RecordName| RecordName { name: None, ..name.clone() };
    let mut to_rep = to_admin.each_ref().map(without);
    to_rep[2].name = Some("My Own".to_owned());
    assert_eq!(asked(&rep, all()).await?, to_rep);
    let nobody = world.caller(admin.tenant, &NOTHING)?;
    assert_eq!(asked(&nobody, all()).await?, to_admin.each_ref().map(without));
    // Whoever does not see what a name is made of does not see it either.
    for field in ["full_name", "first_name", "last_name"] {
        let fields = [("contact", field, FieldAccess::None)];
        let reader =
            world.caller(admin.tenant, &May { actions: &[("*", "read", Scope::All)], fields: &fields })?;
        let mut hidden = to_admin.each_ref().map(without);
        hidden[3].name = Some("Acme".to_owned());
        assert_eq!(asked(&reader, all()).await?, hidden, "{field}");
    }
    // Another tenant is told nothing at all of it.
    let elsewhere = asked(&world.admin()?, all()).await?;
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    Ok(())
}

#[tokio::test]
async fn any_number_of_names_takes_the_same_statements_and_there_is_a_bound() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let mut made = Vec::new();
    for n in 0..20 {
        made.push(admin.create(named("N", &n.to_string())).await?.id);
    }
    let cost = async |number: usize| {
        let known: Vec<&str> = made[..number].iter().map(String::as_str).collect();
        let (names, statements) = statements(asked(&admin, vec![ids("contact", &known)])).await;
        assert_eq!(names?.len(), number);
        Ok::<_, anyhow::Error>(statements)
    };
    cost(1).await?;
    assert_eq!(cost(1).await?, cost(20).await?);
    let many = vec![made[0].as_str(); 20_480];
    assert_eq!(asked(&admin, vec![ids("contact", &many)]).await?.len(), 1);
    let refused = asked(&admin, vec![ids("contact", &many), ids("company", &[&made[0]])]).await.unwrap_err();
    assert_eq!(refused.is(), (400, "TOO_MANY_IDS"));
    Ok(())
}

#[tokio::test]
async fn a_contact_includes_its_primary_company_and_a_company_the_one_above_it() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    world.people.name("user", admin.id, Some("Ada"), false);
    let parent = admin.create_company(company("Holding")).await?.id;
    let below = pb::Company { parent_id: Some(parent.clone()), ..company("Acme") };
    let acme = admin.create_company(below).await?.id;
    let other = admin.create_company(company("Other")).await?.id;
    let mut contacts = Vec::new();
    for n in 0..20 {
        let contact = admin.create(named("Contact", &n.to_string())).await?.id;
        // Where none is the primary one, it is the oldest.
        let (first, second) = if n == 0 { (&acme, &other) } else { (&other, &acme) };
        link(&admin, &contact, first, false).await?;
        link(&admin, &contact, second, n > 0).await?;
        contacts.push(contact);
    }
    let alone = admin.create(named("Alone", "")).await?.id;
    let cost = async |page_size: i32| {
        world.people.asked_names.lock().unwrap().clear();
        let request = pb::ListContactsRequest {
            page_size: Some(page_size),
            include: "company,owner".to_owned(),
            order_by: "created_at".to_owned(),
            ..Default::default()
        };
        let (page, statements) = statements(admin.list(request)).await;
        let page = page?;
        assert_eq!((page.contacts.len(), page.warnings.len()), (usize::try_from(page_size)?, 0));
        for contact in &page.contacts {
            let included = contact.included.as_ref().unwrap();
            let company = (contact.id != alone).then(|| of("company", &acme, Some("Acme"), false));
            assert_eq!(included.company, company);
            assert_eq!(included.owner, Some(of("user", &admin.id.to_string(), Some("Ada"), false)));
        }
        let calls = world.people.asked_names.lock().unwrap().len();
        Ok::<_, anyhow::Error>((statements, calls))
    };
    cost(1).await?;
    assert_eq!((cost(1).await?, cost(21).await?.1), (cost(21).await?, 1));
    // With its state, to who may read it; without it there is nothing that says of the tie.
    let get = async |who: &Caller, id: &str| {
        let request =
            pb::GetCompanyRequest { id: id.to_owned(), include: "parent".to_owned(), ..Default::default() };
        let answer = who.service.get_company(who.request(request, &[])).await?;
        Ok::<_, tonic::Status>(answer.into_inner().company.unwrap().included.unwrap().parent)
    };
    assert_eq!(get(&admin, &acme).await?, Some(of("company", &parent, Some("Holding"), false)));
    assert_eq!(get(&admin, &parent).await?, None);
    let delete = async |id: &str| {
        let request = admin.request(pb::DeleteCompanyRequest { id: id.to_owned() }, &[]);
        admin.service.delete_company(request).await
    };
    delete(&parent).await?;
    assert_eq!(get(&admin, &acme).await?, Some(of("company", &parent, Some("Holding"), true)));
    delete(&acme).await?;
    let included = admin.get_with(&contacts[1], "first_name", "company").await?.included.unwrap();
    assert_eq!(included.company, Some(of("company", &acme, Some("Acme"), true)));
    let included = admin.get_with(&contacts[0], "", "company").await?.included.unwrap();
    assert_eq!(
        included.company,
        Some(of("company", &other, Some("Other"), false)),
        "rather one that is live"
    );
    let reader = world.caller(
        admin.tenant,
        &May { actions: &[("contact", "read", Scope::All), ("company", "read", Scope::Own)], fields: &[] },
    )?;
    assert_eq!(reader.get_with(&contacts[0], "", "company").await?.included.unwrap().company, None);
    Ok(())
}

#[tokio::test]
async fn names_that_would_make_a_page_too_large_are_left_out_and_it_says_so() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    // As no service would answer: a name of 100 kB for each of 30 owners.
    let name = "n".repeat(100_000);
    for n in 0..30 {
        let owner = world.clock.new_uuid();
        world.people.insert("user", owner);
        world.people.name("user", owner, Some(&name), false);
        let contact = pb::Contact { owner_id: Some(owner.to_string()), ..named("C", &n.to_string()) };
        admin.create(contact).await?;
    }
    let request = |page_size| pb::ListContactsRequest {
        page_size: Some(page_size),
        include: "owner".to_owned(),
        ..Default::default()
    };
    let page = admin.list(request(30)).await?;
    let owners: Vec<_> =
        page.contacts.iter().map(|c| c.included.as_ref().unwrap().owner.as_ref().unwrap()).collect();
    let named = owners.iter().take_while(|owner| owner.name.is_some()).count();
    assert!((5..30).contains(&named), "{named}");
    assert!(owners[named..].iter().all(|owner| owner.name.is_none() && !owner.id.is_empty()));
    let reasons: Vec<_> = page.warnings.iter().map(|warning| warning.reason.as_str()).collect();
    assert_eq!(reasons, ["NAMES_OMITTED"]);
    assert!(admin.list(request(5)).await?.warnings.is_empty());
    Ok(())
}
