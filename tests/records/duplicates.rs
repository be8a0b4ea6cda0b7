//! A new contact with an e-mail address that another one has.

use anyhow::Result;
use proto::identity::v1::{FieldAccess, Scope};
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use serde_json::json;

use super::world::{ALL, Caller, May, Refusal, World, mail, named};

fn with(first: &str, addresses: &[&str]) -> pb::Contact {
    let emails = addresses.iter().map(|address| mail(address)).collect();
    pb::Contact { emails, ..named(first, "") }
}

async fn allowed(caller: &Caller, contact: pb::Contact) -> Result<pb::Contact, Refusal> {
    let request = pb::CreateContactRequest { contact: Some(contact), allow_duplicates: true };
    Ok(caller.service.create_contact(caller.request(request, &[])).await?.into_inner().contact.unwrap())
}

#[tokio::test]
async fn a_second_contact_with_an_address_is_refused_with_the_first() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let first = admin.create(with("A", &["zoe@bücher.test", "z@x.test"])).await?;
    let other = admin.create(with("B", &["b@x.test"])).await?;
    // As it is stored, whichever of its addresses it is.
    for addresses in [&["ZOE@Bücher.test"][..], &["new@x.test", "Z@X.test"], &["zoe@xn--bcher-kva.test"]] {
        let refused = admin.create(with("C", addresses)).await.unwrap_err();
        assert_eq!(refused.is(), (409, "DUPLICATE"), "{addresses:?}");
        assert_eq!(refused.problem()["candidates"], json!([first.id]));
        assert_eq!(refused.problem()["meta"]["fields"], "emails");
    }
    let both = admin.create(with("D", &["b@x.test", "z@x.test"])).await.unwrap_err();
    let mut ids = [first.id.clone(), other.id.clone()];
    ids.sort();
    assert_eq!(both.problem()["candidates"], json!(ids));
    // What is wrong besides is said first, and nothing is left of any of them.
    let wrong =
        admin.create(pb::Contact { score: Some(i32::MAX), ..with("E", &["z@x.test", "nonsense"]) }).await;
    assert_eq!(wrong.unwrap_err().is().0, 422);
    assert_eq!(admin.list(pb::ListContactsRequest::default()).await?.contacts.len(), 2);
    // Other domains, other tenants, and contacts without an address have nothing in common.
    admin.create(with("F", &["z@y.test"])).await?;
    admin.create(named("G", "")).await?;
    admin.create(named("G", "")).await?;
    world.admin()?.create(with("H", &["z@x.test"])).await?;
    Ok(())
}

#[tokio::test]
async fn a_duplicate_is_made_where_it_is_wanted() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let first = admin.create(with("A", &["a@x.test"])).await?;
    let second = allowed(&admin, with("B", &["a@x.test"])).await?;
    let refused = admin.create(with("C", &["a@x.test"])).await.unwrap_err();
    let mut ids = [first.id.clone(), second.id.clone()];
    ids.sort();
    assert_eq!(refused.problem()["candidates"], json!(ids));
    // Of the trash nobody is reminded, and what comes out of it is not asked.
    admin.delete(&first.id, &[]).await?;
    admin.delete(&second.id, &[]).await?;
    let third = admin.create(with("C", &["a@x.test"])).await?;
    admin.restore(&first.id).await?;
    // A change takes an address that another has.
    let fourth = admin.create(named("D", "")).await?;
    admin.update(&fourth.id, with("D", &["a@x.test"]), &["emails"]).await?;
    admin.update(&third.id, with("E", &["a@x.test"]), &["first_name", "emails"]).await?;
    // The organization has switched the check off.
    world.gates.snapshots.lock().unwrap().get_mut(&admin.id).unwrap().allows_duplicates = true;
    world.gates.gate.forget(admin.tenant.uuid(), None);
    admin.create(with("F", &["a@x.test"])).await?;
    Ok(())
}

#[tokio::test]
async fn a_contact_that_the_caller_may_not_see_is_not_given_away() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let hidden = admin.create(with("A", &["a@x.test"])).await?;
    let own = [("contact", "create", Scope::All), ("contact", "read", Scope::Own)];
    let rep = world.caller(admin.tenant, &May { actions: &own, fields: &[] })?;
    let made = rep.create(with("B", &["a@x.test"])).await?;
    // Of the two, each hears of those that they see.
    let refused = rep.create(with("C", &["a@x.test"])).await.unwrap_err();
    assert_eq!((refused.is(), &refused.problem()["candidates"]), ((409, "DUPLICATE"), &json!([made.id])));
    assert!(!refused.problem().to_string().contains(&hidden.id), "{}", refused.problem());
    let refused = admin.create(with("C", &["a@x.test"])).await.unwrap_err();
    assert_eq!(refused.problem()["candidates"].as_array().map(Vec::len), Some(2));
    // Who may make contacts and read none is told of none.
    let blind = world.caller(admin.tenant, &May { actions: &own[..1], fields: &[] })?;
    blind.create(with("D", &["a@x.test"])).await?;
    // Nor is who may not see addresses.
    let fields = [("contact", "emails", FieldAccess::None)];
    let masked = world.caller(admin.tenant, &May { actions: ALL.actions, fields: &fields })?;
    masked.create(named("E", "")).await?;
    Ok(())
}

#[tokio::test]
async fn of_two_at_once_one_is_made() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    for round in 0..5 {
        let (a, b) = (format!("a{round}@x.test"), format!("b{round}@x.test"));
        // In both orders, which must not wait for each other crosswise.
        let answers = tokio::join!(
            admin.create(with("A", &[&a, &b])),
            admin.create(with("B", &[&b, &a])),
            admin.create(with("C", &[&a])),
            admin.create(with("D", &[&b, &a])),
        );
        let answers = [answers.0, answers.1, answers.2, answers.3];
        let made: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
        let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
        assert!(refused.map(Refusal::is).all(|is| is == (409, "DUPLICATE")), "{answers:?}");
        assert!(!made.is_empty());
        for address in [&a, &b] {
            let filter = format!("emails.address = \"{address}\"");
            let listed = admin.list(pb::ListContactsRequest { filter, ..Default::default() }).await?;
            assert!(listed.contacts.len() <= 1, "{address}: {:?}", listed.contacts);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_call_that_is_made_again_is_no_duplicate_of_itself() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let key = [("idempotency-key", "once")];
    let first = admin.create_as(with("A", &["a@x.test"]), &key).await?.into_inner();
    let again = admin.create_as(with("A", &["a@x.test"]), &key).await?.into_inner();
    assert_eq!(first, again);
    // A refusal is not kept: it may be another answer by the time of the next try.
    let key = [("idempotency-key", "twice")];
    let refused = Refusal::from(admin.create_as(with("B", &["a@x.test"]), &key).await.unwrap_err());
    assert_eq!(refused.is(), (409, "DUPLICATE"));
    admin.delete(&first.contact.unwrap().id, &[]).await?;
    admin.create_as(with("B", &["a@x.test"]), &key).await?;
    Ok(())
}
