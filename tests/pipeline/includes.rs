//! What deals refer to, by name: how it costs, what it says of each, and what it does without the service that knows.

use anyhow::Result;
use proto::common::v1::{RecordName, Warning};
use proto::identity::v1::{FieldAccess, Scope};
use proto::pipeline::v1 as pb;
use uuid::Uuid;

use super::world::{Caller, May, World, named};
use crate::world::statements;

const EVERYTHING: &str = "access,company,contacts,owner,stage";

fn about(company: &str, contacts: &[&str]) -> pb::Deal {
    let contact = |id: &&str| pb::DealContact { contact_id: (*id).to_owned(), ..Default::default() };
    let contacts = contacts.iter().map(contact).collect();
    pb::Deal { company_id: Some(company.to_owned()), contacts, ..named("A deal") }
}

fn asked(include: &str) -> pb::ListDealsRequest {
    pb::ListDealsRequest { include: include.to_owned(), ..Default::default() }
}

async fn get(who: &Caller, id: &str, fields: &str, include: &str) -> Result<pb::Deal> {
    use proto::pipeline::v1::pipeline_service_server::PipelineService;
    let request =
        pb::GetDealRequest { id: id.to_owned(), fields: fields.to_owned(), include: include.to_owned() };
    Ok(who.service.get_deal(who.request(request, &[])).await?.into_inner().deal.unwrap())
}

fn name(found: Option<&RecordName>) -> Option<&str> {
    found?.name.as_deref()
}

fn reasons(warnings: &[Warning]) -> Vec<&str> {
    assert!(warnings.iter().all(|warning| warning.parameter == "include" && !warning.detail.is_empty()));
    warnings.iter().map(|warning| warning.reason.as_str()).collect()
}

#[tokio::test]
async fn names_cost_the_same_for_any_number_of_deals() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    world.people.name("user", admin.id, Some("Ada"), false);
    for n in 0..200 {
        let company = world.people.add_named("company", &format!("Company {n}"));
        let contacts = [0, 1].map(|m| world.people.add_named("contact", &format!("Contact {n} {m}")));
        admin.create_deal(about(&company, &[&contacts[0], &contacts[1]])).await?;
    }
    let cost = async |page_size: i32| {
        world.people.asked_names.lock().unwrap().clear();
        let request = pb::ListDealsRequest { page_size: Some(page_size), ..asked(EVERYTHING) };
        let (page, statements) = statements(admin.list_deals(request)).await;
        let page = page?;
        assert_eq!((page.deals.len(), &page.warnings[..]), (usize::try_from(page_size)?, &[][..]));
        for deal in &page.deals {
            let included = deal.included.as_ref().unwrap();
            assert!(name(included.company.as_ref()).unwrap().starts_with("Company "));
            let contacts: Vec<_> = included.contacts.iter().map(|contact| contact.id.as_str()).collect();
            assert_eq!(contacts, deal.contacts.iter().map(|c| c.contact_id.as_str()).collect::<Vec<_>>());
            assert!(included.contacts.iter().all(|contact| contact.name.is_some()));
            assert_eq!(name(included.owner.as_ref()), Some("Ada"));
            assert_eq!(name(included.stage.as_ref()), Some(deal.stage_name.as_str()));
            assert!(deal.access.is_some() && !deal.stage_name.is_empty());
        }
        let calls = world.people.asked_names.lock().unwrap().clone();
        Ok::<_, anyhow::Error>((statements, calls.len()))
    };
    // The first call prepares what is kept.
    cost(1).await?;
    let (one, some, all) = (cost(1).await?, cost(50).await?, cost(200).await?);
    assert_eq!((one, one), (some, all), "statements and calls");
    assert_eq!(one.1, 2, "one call to identity and one to records");
    // What is not asked for costs nothing.
    world.people.asked_names.lock().unwrap().clear();
    let (plain, least) = statements(admin.list_deals(asked("access,stage"))).await;
    assert!(plain?.deals.iter().all(|deal| deal.included.as_ref().unwrap().company.is_none()));
    assert_eq!((world.people.asked_names.lock().unwrap().len(), least), (0, one.0));
    assert!(admin.list_deals(asked("")).await?.deals.iter().all(|deal| deal.included.is_none()));
    Ok(())
}

#[tokio::test]
async fn a_reference_is_shown_with_its_state() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let people = &world.people;
    let company = people.add_named("company", "Acme");
    let contacts = ["Live", "In the trash", "Hidden", "Purged"].map(|name| people.add_named("contact", name));
    let [live, deleted, hidden, purged] = &contacts;
    let deal = admin.create_deal(about(&company, &[live, deleted, hidden, purged])).await?;
    people.name("contact", Uuid::try_parse(deleted)?, Some("In the trash"), true);
    people.name("contact", Uuid::try_parse(hidden)?, None, false);
    people.names.lock().unwrap().remove(&Uuid::try_parse(purged)?);
    let included = get(&admin, &deal.id, "", "contacts,company").await?.included.unwrap();
    let of = |id: &String, name: Option<&str>, deleted| RecordName {
        object: "contact".to_owned(),
        id: id.clone(),
        name: name.map(str::to_owned),
        deleted,
    };
    let wanted =
        [of(live, Some("Live"), false), of(deleted, Some("In the trash"), true), of(hidden, None, false)];
    assert_eq!(included.contacts, wanted);
    assert_eq!(name(included.company.as_ref()), Some("Acme"));
    assert_eq!((included.owner, included.stage), (None, None), "not asked for");
    // With some fields only: what is included brings the fields that it needs.
    let narrow = get(&admin, &deal.id, "name", "company,stage").await?;
    let included = narrow.included.as_ref().unwrap();
    assert_eq!(name(included.company.as_ref()), Some("Acme"));
    assert_eq!(name(included.stage.as_ref()), Some("Qualified"));
    assert_eq!((narrow.next_step, narrow.contacts.len()), (None, 0));
    Ok(())
}

#[tokio::test]
async fn what_is_hidden_from_a_caller_is_not_included_either() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let (company, contact) =
        (world.people.add_named("company", "Acme"), world.people.add_named("contact", "Bo"));
    let deal = admin.create_deal(about(&company, &[&contact])).await?;
    let hidden = ["company_id", "contacts", "owner_id", "stage_id"];
    let fields: Vec<_> = hidden.iter().map(|field| ("deal", *field, FieldAccess::None)).collect();
    let may = May { actions: &[("deal", "read", Scope::All)], fields: &fields };
    let reader = world.caller(admin.tenant, &may)?;
    world.people.asked_names.lock().unwrap().clear();
    for fields in ["", "name"] {
        let seen = get(&reader, &deal.id, fields, EVERYTHING).await?;
        assert_eq!(seen.included, Some(pb::DealIncluded::default()), "{fields}");
    }
    let page = reader.list_deals(asked(EVERYTHING)).await?;
    assert_eq!(page.deals[0].included, Some(pb::DealIncluded::default()));
    assert!(world.people.asked_names.lock().unwrap().is_empty(), "nobody was asked for it");
    Ok(())
}

#[tokio::test]
async fn without_the_service_that_knows_the_list_says_what_is_missing_and_a_write_is_refused() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    world.people.name("user", admin.id, Some("Ada"), false);
    let (company, contact) =
        (world.people.add_named("company", "Acme"), world.people.add_named("contact", "Bo"));
    let deal = admin.create_deal(about(&company, &[&contact])).await?;
    world.people.down.lock().unwrap().insert("company");
    let page = admin.list_deals(asked(EVERYTHING)).await?;
    assert_eq!(reasons(&page.warnings), ["RECORDS_UNAVAILABLE"]);
    let included = page.deals[0].included.as_ref().unwrap();
    let shown = |found: Option<&RecordName>| found.map(|found| (found.id.clone(), found.name.clone()));
    assert_eq!(shown(included.company.as_ref()), Some((company.clone(), None)));
    assert_eq!(shown(included.contacts.first()), Some((contact.clone(), None)));
    // What others know is there.
    assert_eq!(name(included.owner.as_ref()), Some("Ada"));
    assert!(name(included.stage.as_ref()).is_some());
    assert!(page.deals[0].warnings.is_empty(), "those of a list are the list's");
    let one = get(&admin, &deal.id, "", "company").await?;
    assert_eq!(reasons(&one.warnings), ["RECORDS_UNAVAILABLE"]);
    assert_eq!(shown(one.included.unwrap().company.as_ref()), Some((company.clone(), None)));
    // Nobody is missed who was not asked for.
    assert!(admin.list_deals(asked("owner")).await?.warnings.is_empty());
    let refused = admin.create_deal(about(&company, &[])).await.unwrap_err();
    assert_eq!(refused.is(), (503, "RECORDS_UNAVAILABLE"));
    world.people.down.lock().unwrap().clear();
    let page = admin.list_deals(asked(EVERYTHING)).await?;
    assert_eq!(name(page.deals[0].included.as_ref().unwrap().company.as_ref()), Some("Acme"));
    assert!(page.warnings.is_empty());
    world.people.down.lock().unwrap().extend(["user", "contact"]);
    let page = admin.list_deals(asked(EVERYTHING)).await?;
    assert_eq!(reasons(&page.warnings), ["IDENTITY_UNAVAILABLE", "RECORDS_UNAVAILABLE"]);
    Ok(())
}

#[tokio::test]
async fn a_board_includes_names_by_the_same_calls() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let pipeline = admin.make("A").await?;
    for stage in &pipeline.stages[..2] {
        for n in 0..3 {
            let company = world.people.add_named("company", &format!("{} {n}", stage.key));
            let place = (Some(pipeline.id.clone()), Some(stage.id.clone()));
            let deal = pb::Deal { pipeline_id: place.0, stage_id: place.1, ..about(&company, &[]) };
            admin.create_deal(deal).await?;
        }
    }
    world.people.asked_names.lock().unwrap().clear();
    let board = pb::GetDealBoardRequest {
        pipeline_id: Some(pipeline.id.clone()),
        include: "company,stage".to_owned(),
        limit: Some(2),
        ..Default::default()
    };
    let columns = admin.board(board.clone()).await?;
    assert_eq!(world.people.asked_names.lock().unwrap().len(), 1, "one call for all columns");
    let of = |column: &pb::BoardColumn| {
        let stage = column.stage.as_ref().unwrap();
        for deal in &column.deals {
            let included = deal.included.as_ref().unwrap();
            assert_eq!(name(included.stage.as_ref()), Some(stage.name.as_str()));
            assert_eq!(included.company.as_ref().map(|c| &c.id), deal.company_id.as_ref());
            assert!(name(included.company.as_ref()).unwrap().starts_with(&stage.key));
        }
        column.deals.len()
    };
    assert_eq!(columns.iter().map(of).collect::<Vec<_>>(), [2, 2, 0, 0]);
    let more = pb::GetDealBoardRequest {
        stage_id: Some(pipeline.stages[1].id.clone()),
        page_token: columns[1].next_page_token.clone(),
        ..board
    };
    assert_eq!(admin.board(more).await?.iter().map(of).collect::<Vec<_>>(), [1]);
    Ok(())
}

#[tokio::test]
async fn include_takes_what_deals_have_and_names_it() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    for wrong in ["companies", "company,nosuch", "company.owner"] {
        let refused = admin.list_deals(asked(wrong)).await.unwrap_err();
        assert_eq!(refused.is(), (400, "INCLUDE_INVALID"), "{wrong}");
        let problem = refused.problem();
        assert!(
            problem["detail"].as_str().unwrap().ends_with("access, company, contacts, owner, stage"),
            "{problem}"
        );
    }
    Ok(())
}
