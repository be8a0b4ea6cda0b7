//! Every way to a write passes every check. A cell says what a way answers where a check fails, or why it cannot fail there.

mod fence;
mod many;

use anyhow::Result;
use proto::identity::v1::Scope;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::imports::{finished, import, upload};
use super::world::{Caller, May, Refusal, World, custom, mail, named};

/// How a record comes to be written.
#[derive(Clone, Copy, Debug)]
enum Way {
    Create,
    Update,
    /// A row that makes a contact.
    ImportNew,
    /// A row that changes the contact that has its address.
    ImportKnown,
    Link,
    Restore,
    /// One of many that are changed alike.
    Bulk,
}

const WAYS: [Way; 7] =
    [Way::Create, Way::Update, Way::ImportNew, Way::ImportKnown, Way::Link, Way::Restore, Way::Bulk];

/// What is checked.
#[derive(Clone, Copy, Debug)]
enum Check {
    /// The rules between fields.
    Rules,
    /// Ids name what the caller may see.
    References,
    /// A record does not refer to itself.
    Itself,
    /// No record is its own ancestor.
    Tree,
    /// The caller reaches the record where it is put.
    Reach,
    /// What the object's guard demands.
    Guard,
    /// A unique value is nobody else's.
    Unique,
    /// Nothing is written by definitions that are not those of the fence.
    Fence,
}

const CHECKS: [Check; 8] = [
    Check::Rules,
    Check::References,
    Check::Itself,
    Check::Tree,
    Check::Reach,
    Check::Guard,
    Check::Unique,
    Check::Fence,
];

enum Cell {
    /// With this reason, of the call or of a violation.
    Refuses(&'static str),
    /// Writes nothing, and is tried again until its definitions are those of the fence.
    Waits,
    /// It cannot come to that.
    Never(#[expect(dead_code, reason = "for the reader")] &'static str),
}

/// What an attempt found whose write waits.
const WAITS: &str = "waits";

fn cell(way: Way, check: Check) -> Cell {
    use Cell::{Never, Refuses, Waits};
    match (check, way) {
        (Check::Rules, Way::Create | Way::Update | Way::ImportNew | Way::Bulk) => {
            Refuses("NAME_OR_EMAIL_REQUIRED")
        }
        (Check::Rules, Way::ImportKnown) => Never("a cell clears no field"),
        (Check::References, Way::Restore) => Never("its fields stay, and what they named may be gone"),
        (Check::References, _) => Refuses("REFERENCE_NOT_FOUND"),
        (Check::Itself, Way::Update | Way::ImportKnown | Way::Bulk)
        | (Check::Tree, Way::Update | Way::Bulk) => Refuses("REFERENCE_CYCLE"),
        (Check::Itself, Way::Create | Way::ImportNew) => Never("nobody knows the id of a new record"),
        (Check::Itself, Way::Link) => Never("a contact is linked to companies"),
        (Check::Tree, Way::Create) => Refuses("REFERENCE_TOO_DEEP"),
        (Check::Tree, Way::ImportNew | Way::ImportKnown | Way::Link) => Never("contacts have no parent"),
        (Check::Reach, Way::Create | Way::Update | Way::Bulk) => Refuses("PERMISSION_DENIED"),
        (Check::Reach, Way::ImportNew) => Never("the owner is who imports"),
        (Check::Reach, Way::ImportKnown) => Never("no column feeds owner or team"),
        (Check::Rules | Check::Reach | Check::Unique, Way::Link) => Never("the contact's fields stay"),
        (Check::Unique, _) => Refuses("DUPLICATE_VALUE"),
        (Check::Guard, _) => {
            Never("neither contacts nor companies have one (guards.rs has an object with one)")
        }
        (Check::Fence, Way::Create | Way::Update | Way::Link) => Refuses("DEFINITIONS_CHANGED"),
        (Check::Fence, Way::ImportNew | Way::ImportKnown | Way::Bulk) => Waits,
        (Check::Fence, Way::Restore) => Never("it writes neither slots nor unique values"),
        (Check::Rules | Check::Itself | Check::Tree | Check::Reach, Way::Restore) => {
            Never("its fields stay, and what they named may be gone")
        }
    }
}

#[tokio::test]
async fn every_way_to_a_write_passes_every_check() -> Result<()> {
    let world = World::alone("globcrm_test_ways").await?;
    let stop = CancellationToken::new();
    let worker = tokio::spawn(world.service.clone().work_imports(stop.clone()));
    let bulk = tokio::spawn(world.service.clone().work_bulk(stop.clone()));
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for way in WAYS {
        for check in CHECKS {
            let expected = match cell(way, check) {
                Cell::Refuses(reason) => reason,
                Cell::Waits => WAITS,
                Cell::Never(_) => continue,
            };
            let found = attempt(&world, way, check).await?;
            asked += 1;
            if found != expected {
                wrong.push(format!("{way:?} x {check:?}: {found} instead of {expected}"));
            }
        }
    }
    stop.cancel();
    worker.await?;
    bulk.await?;
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(asked, 31);
    assert!(records::OBJECTS.iter().all(|object| object.guard.is_none()), "cells of guards are missing");
    Ok(())
}

/// The reason by which a write is refused; [`WAITS`] where it waits, `none` where it is made.
async fn attempt(world: &World, way: Way, check: Check) -> Result<String> {
    // A tenant for each cell: what one left behind is in no other's way.
    let admin = world.admin()?;
    admin.create(custom_named(&json!({"serial": "S-1"}))).await?;
    let nobody = world.clock.new_uuid().to_string();
    let outcome = match (way, check) {
        (_, Check::Fence) => return fence::attempt(world, &admin, way).await,
        (Way::Bulk, _) => return many::attempt(world, &admin, check, &nobody).await,
        (Way::Create | Way::Update, Check::Tree) => place_in_tree(&admin, way).await?,
        (Way::Create | Way::Update, Check::Reach) => give_away(world, &admin, way).await?,
        (Way::Create, _) => {
            let sent = match check {
                Check::Rules => pb::Contact { score: Some(1), ..Default::default() },
                Check::References => custom_named(&json!({ "boss": nobody })),
                _ => custom_named(&json!({"serial": "S-1"})),
            };
            admin.create(sent).await.map(drop)
        }
        (Way::Update, _) => {
            let id = admin.create(named("", "Known")).await?.id;
            let (sent, path) = match check {
                Check::Rules => (pb::Contact::default(), "last_name"),
                Check::References => (custom(&json!({ "boss": nobody })), "custom"),
                Check::Itself => (custom(&json!({ "boss": id })), "custom"),
                _ => (custom(&json!({"serial": "S-1"})), "custom"),
            };
            admin.update(&id, sent, &[path]).await.map(drop)
        }
        (Way::ImportNew | Way::ImportKnown, _) => return row(world, &admin, way, check, &nobody).await,
        (Way::Link, _) => {
            let contact_id = admin.create(named("", "Known")).await?.id;
            let link = Some(pb::ContactCompany { company_id: nobody, ..Default::default() });
            let request = pb::LinkContactCompanyRequest { contact_id, link, ..Default::default() };
            admin
                .service
                .link_contact_company(admin.request(request, &[]))
                .await
                .map(drop)
                .map_err(Refusal::from)
        }
        (Way::Restore, _) => {
            let id = admin.create(custom_named(&json!({"serial": "S-2"}))).await?.id;
            admin.delete(&id, &[]).await?;
            admin.create(custom_named(&json!({"serial": "S-2"}))).await?;
            admin.restore(&id).await.map(drop)
        }
    };
    Ok(reason(outcome))
}

fn custom_named(values: &serde_json::Value) -> pb::Contact {
    pb::Contact { last_name: Some("Known".to_owned()), ..custom(values) }
}

fn reason(outcome: Result<(), Refusal>) -> String {
    let Err(refused) = outcome else { return "none".to_owned() };
    match refused.violations().as_slice() {
        [(_, reason)] => (*reason).to_owned(),
        [] => refused.reason().to_owned(),
        many => format!("{many:?}"),
    }
}

/// Imports one row, and gives the reason of its one error.
async fn row(world: &World, admin: &Caller, way: Way, check: Check, nobody: &str) -> Result<String> {
    let address = "known@x.test";
    let known = match way {
        Way::ImportKnown => {
            admin.create(pb::Contact { emails: vec![mail(address)], ..named("", "Known") }).await?.id
        }
        _ => String::new(),
    };
    let (boss, serial) = match check {
        Check::References => (nobody, ""),
        Check::Itself => (known.as_str(), ""),
        Check::Unique => ("", "S-1"),
        _ => ("", ""),
    };
    let address = if matches!(check, Check::Rules) { "" } else { address };
    let file = format!("Mail,Boss,Serial,Score\n{address},{boss},{serial},1\n");
    let columns = [
        ("Mail", "emails.address"),
        ("Boss", "custom.boss"),
        ("Serial", "custom.serial"),
        ("Score", "score"),
    ];
    let queued = admin.queue_import(import(upload(world, admin, &file).await?, &columns)).await?;
    let operation = finished(admin, &queued.id).await?;
    let reasons: Vec<&str> = operation.errors.iter().map(|error| error.reason.as_str()).collect();
    Ok(if reasons.is_empty() { "none".to_owned() } else { reasons.join(", ") })
}

/// A company below fifty others, or one put below itself.
async fn place_in_tree(admin: &Caller, way: Way) -> Result<Result<(), Refusal>> {
    let company = |parent: Option<&String>| pb::Company {
        name: Some("Company".to_owned()),
        parent_id: parent.cloned(),
        ..Default::default()
    };
    let mut line: Vec<String> = Vec::new();
    let length = if matches!(way, Way::Create) { 51 } else { 2 };
    for _ in 0..length {
        match admin.create_company(company(line.last())).await {
            Ok(made) => line.push(made.id),
            Err(refused) => return Ok(Err(refused)),
        }
    }
    if matches!(way, Way::Create) {
        return Ok(admin.create_company(company(line.last())).await.map(drop));
    }
    let request = pb::UpdateCompanyRequest {
        id: line[0].clone(),
        company: Some(company(line.last())),
        update_mask: Some(prost_types::FieldMask { paths: vec!["parent_id".to_owned()] }),
    };
    Ok(admin.service.update_company(admin.request(request, &[])).await.map(drop).map_err(Refusal::from))
}

/// A contact that its maker gives to somebody whose contacts the maker does not reach.
async fn give_away(world: &World, admin: &Caller, way: Way) -> Result<Result<(), Refusal>> {
    let own = ["create", "read", "update"].map(|action| ("contact", action, Scope::Own));
    let rep = world.caller(admin.tenant, &May { actions: &own, fields: &[] })?;
    let to = |id: Uuid| pb::Contact { owner_id: Some(id.to_string()), ..named("", "Given") };
    if matches!(way, Way::Create) {
        return Ok(rep.create(to(admin.id)).await.map(drop));
    }
    let id = rep.create(to(rep.id)).await?.id;
    Ok(rep.update(&id, to(admin.id), &["owner_id"]).await.map(drop))
}
