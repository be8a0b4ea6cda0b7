//! What timelines tell of records, activities and notes, and to whom.

use anyhow::Result;
use auth::PrincipalKind;
use events::{Change, Delivery, Event, Handler};
use proto::activities::v1 as pb;
use proto::activities::v1::activities_service_server::ActivitiesService;
use proto::identity::v1::{FieldAccess, Scope};
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{Caller, May, World, about, planned};

/// A change of a field.
type Changed<'a> = (&'a str, Value, Value);

/// An event of a contact, company or deal of somebody's tenant, a second after the one before.
pub(crate) fn event(
    world: &World,
    who: &Caller,
    (object, id): (&str, &str),
    verb: &str,
    changes: &[Changed<'_>],
) -> Event {
    world.time.advance(std::time::Duration::from_secs(1));
    let service = if object == "deal" { "pipeline" } else { "records" };
    let changes = changes.iter().map(|(field, before, after)| Change {
        field: (*field).to_owned(),
        before: Some(before.to_string()),
        after: Some(after.to_string()),
    });
    Event {
        id: world.clock.new_uuid(),
        kind: format!("{service}.{object}.{verb}.v1"),
        tenant: who.tenant,
        object: object.to_owned(),
        record_id: Uuid::try_parse(id).unwrap(),
        version: 1,
        actor: who.id,
        actor_kind: Some(PrincipalKind::User),
        owner: None,
        team: None,
        changes: changes.collect(),
        values_omitted: false,
        time: world.clock.now_micros(),
        traceparent: None,
    }
}

/// Hands events to the timelines.
pub(crate) async fn hear(world: &World, events: &[Event]) -> Result<()> {
    for event in events {
        let mut tx = world.tx(event.tenant).await?;
        activities::TimelineListener { clock: world.clock.clone() }
            .handle(&mut tx, &Delivery { event: event.clone(), attempt: 1 })
            .await?;
        tx.commit().await?;
    }
    Ok(())
}

/// The events of a tenant's activities and notes, in their order.
pub(crate) async fn own_events(world: &World, who: &Caller) -> Result<Vec<Event>> {
    let envelopes: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT envelope FROM activities.outbox WHERE tenant_id = $1 ORDER BY seq")
            .bind(who.tenant.uuid())
            .fetch_all(&mut world.sql().await?)
            .await?;
    Ok(envelopes.iter().map(|bytes| Event::decode(bytes)).collect::<Result<_, _>>()?)
}

/// The entries of a timeline, each as its type and its data.
pub(crate) async fn told(who: &Caller, of: (&str, &str), types: &str) -> Result<Vec<(String, Value)>> {
    let (entries, next) = who.timeline(of.0, of.1, types, (200, "")).await?;
    assert!(next.is_empty());
    Ok(entries
        .into_iter()
        .map(|entry| (entry.r#type, serde_json::from_slice(&entry.data).unwrap()))
        .collect())
}

/// What happened, without more.
pub(crate) fn happened(told: &[(String, Value)]) -> Vec<String> {
    told.iter()
        .map(|(kind, data)| match data["event"].as_str() {
            Some(event) => format!("{kind}:{event}"),
            None => kind.clone(),
        })
        .collect()
}

pub(crate) fn link(object: &str, id: &str) -> pb::ActivityLink {
    pb::ActivityLink { object: object.to_owned(), id: id.to_owned(), ..Default::default() }
}

pub(crate) fn task_about(object: &str, id: &str) -> pb::Activity {
    pb::Activity { links: vec![link(object, id)], ..planned("task") }
}

#[tokio::test]
async fn a_deal_tells_what_happened_to_it_the_newest_first() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let (deal, ada, acme) = (world.known.add("deal"), world.known.add("contact"), world.known.add("company"));
    let of = ("deal", deal.as_str());
    let people = json!([{"contact_id": ada, "role": "buyer"}]);
    let [first, won] =
        ["Qualified", "Won"].map(|name| json!({"stage_id": Uuid::now_v7(), "key": "k", "name": name}));
    let told_of = [
        event(
            &world,
            &admin,
            of,
            "created",
            &[("name", Value::Null, "A".into()), ("contacts", Value::Null, people)],
        ),
        event(&world, &admin, of, "stage_changed", &[("stage", Value::Null, first.clone())]),
        event(
            &world,
            &admin,
            of,
            "updated",
            &[("name", "A".into(), "B".into()), ("rank", "a".into(), "b".into())],
        ),
        event(
            &world,
            &admin,
            of,
            "updated",
            &[("stage_id", "x".into(), "y".into()), ("probability", 1.into(), 100.into())],
        ),
        event(
            &world,
            &admin,
            of,
            "stage_changed",
            &[("stage", first.clone(), won.clone()), ("reason", Value::Null, "Signed".into())],
        ),
        event(&world, &admin, of, "updated", &[("company_id", Value::Null, acme.as_str().into())]),
        event(&world, &admin, of, "deleted", &[("deleted_at", Value::Null, "now".into())]),
        event(&world, &admin, of, "restored", &[]),
    ];
    hear(&world, &told_of).await?;
    let made = admin.create_activity(task_about("deal", &deal)).await?;
    admin.happen(&made.id, "start", &[]).await?;
    admin.happen(&made.id, "complete", &["outcome"]).await?;
    let note = admin.create(about(&[("deal", &deal)])).await?;
    admin.update(&note.id, pb::Note { body: Some("ä".repeat(400)), ..Default::default() }, &["body"]).await?;
    let own = own_events(&world, &admin).await?;
    hear(&world, &own).await?;

    let all = told(&admin, of, "").await?;
    let mut records = all.clone();
    records.retain(|(kind, _)| kind != "activity" && kind != "note");
    assert_eq!(
        happened(&records),
        [
            "record:restored",
            "record:deleted",
            "record:linked",
            "stage_change",
            "field_change",
            "stage_change",
            "record:linked",
            "record:created",
        ]
    );
    assert_eq!(records[2].1, json!({"event": "linked", "object": "company", "id": acme}));
    assert_eq!(
        (&records[3].1["from"], &records[3].1["to"], &records[3].1["reason"]),
        (&first, &won, &json!("Signed"))
    );
    assert_eq!(records[4].1, json!({"changes": [{"field": "name", "before": "A", "after": "B"}]}));
    let of_activity = told(&admin, of, "activity").await?;
    assert_eq!(happened(&of_activity), ["activity:completed", "activity:started", "activity:created"]);
    assert_eq!(
        of_activity[0].1,
        json!({"event": "completed", "activity_id": made.id, "kind": "task", "state": "completed", "subject": "A task"})
    );
    let of_note = told(&admin, of, "note").await?;
    assert_eq!(happened(&of_note), ["note:updated", "note:created"]);
    let body = of_note[0].1["body"].as_str().unwrap();
    assert_eq!((body.chars().count(), &of_note[0].1["truncated"]), (300, &json!(true)));
    assert_eq!(all.len(), 8 + 3 + 2);
    // The other sides say it as well.
    let linked = |id: &str| json!({"event": "linked", "object": "deal", "id": id});
    assert_eq!(told(&admin, ("contact", &ada), "").await?, [("record".to_owned(), linked(&deal))]);
    assert_eq!(told(&admin, ("company", &acme), "record").await?, [("record".to_owned(), linked(&deal))]);
    let (entries, _) = admin.timeline("deal", &deal, "field_change", (1, "")).await?;
    let actor = entries[0].actor.clone().unwrap();
    assert_eq!((actor.kind.as_str(), actor.id), ("user", admin.id.to_string()));
    let subject = entries[0].subject.clone().unwrap();
    assert_eq!((subject.object, subject.id), ("deal".to_owned(), deal.clone()));
    assert_eq!(entries[0].at, Some(proto::timestamp(told_of[2].time)));
    let refused = admin.timeline("deal", &deal, "note,email", (1, "")).await.unwrap_err();
    assert_eq!(refused.is(), (400, "TIMELINE_TYPE_UNKNOWN"));
    Ok(())
}

#[tokio::test]
async fn who_may_not_read_a_record_is_told_nothing_of_it() -> Result<()> {
    let world = World::new().await?;
    let (admin, other) = (world.admin()?, world.admin()?);
    let (deal, unknown) = (world.known.add("deal"), Uuid::now_v7().to_string());
    hear(&world, &[event(&world, &admin, ("deal", &deal), "created", &[])]).await?;
    assert_eq!(told(&admin, ("deal", &deal), "").await?.len(), 1);
    // The other's services would answer that there is none; even if they did not, the rows are another tenant's.
    assert!(told(&other, ("deal", &deal), "").await?.is_empty());
    for (object, reason) in
        [("deal", "DEAL_NOT_FOUND"), ("contact", "CONTACT_NOT_FOUND"), ("company", "COMPANY_NOT_FOUND")]
    {
        for id in [&*unknown, "x"] {
            let refused = admin.timeline(object, id, "", (1, "")).await.unwrap_err();
            assert_eq!(refused.is(), (404, reason));
        }
    }
    let elsewhere =
        world.caller(admin.tenant, &May { actions: &[("contact", "*", Scope::All)], fields: &[] })?;
    assert_eq!(elsewhere.timeline("deal", &deal, "", (1, "")).await.unwrap_err().http(), 403);
    Ok(())
}

#[tokio::test]
async fn hidden_fields_are_in_no_entry_and_an_entry_of_nothing_else_is_not_there() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let (deal, acme) = (world.known.add("deal"), world.known.add("company"));
    let of = ("deal", deal.as_str());
    let stage = json!({"stage_id": Uuid::now_v7(), "key": "won", "name": "Won"});
    let secret = ("amount", Value::Null, json!({"amount_minor": 4_242, "currency": "EUR"}));
    let custom = ("custom.seats", Value::Null, 4_242.into());
    hear(
        &world,
        &[
            event(&world, &admin, of, "updated", std::slice::from_ref(&secret)),
            event(&world, &admin, of, "updated", std::slice::from_ref(&custom)),
            // An archived field is there for nobody, nor is one that is gone.
            event(&world, &admin, of, "updated", &[("custom.old", Value::Null, 5.into())]),
            event(&world, &admin, of, "updated", &[("custom.gone", Value::Null, 5.into())]),
            event(
                &world,
                &admin,
                of,
                "updated",
                &[secret, custom, ("next_step", Value::Null, "Call".into())],
            ),
            event(&world, &admin, of, "updated", &[("company_id", Value::Null, acme.as_str().into())]),
            event(&world, &admin, of, "stage_changed", &[("stage", Value::Null, stage)]),
        ],
    )
    .await?;
    let made = admin.create_activity(task_about("deal", &deal)).await?;
    admin.happen(&made.id, "start", &[]).await?;
    admin.create(about(&[("deal", &deal)])).await?;
    hear(&world, &own_events(&world, &admin).await?).await?;
    let seen =
        async |fields: &[(&str, &str, FieldAccess)], of: (&str, &str)| -> Result<Vec<(String, Value)>> {
            let blind = world.caller(admin.tenant, &May { actions: &[("*", "*", Scope::All)], fields })?;
            told(&blind, of, "").await
        };
    assert_eq!(seen(&[], of).await?.len(), 8);
    let none = FieldAccess::None;
    let masked = seen(&[("deal", "amount", none), ("deal", "custom.seats", none)], of).await?;
    assert!(!format!("{masked:?}").contains("4242"), "{masked:?}");
    let changes: Vec<&Value> =
        masked.iter().filter(|(kind, _)| kind == "field_change").map(|(_, data)| data).collect();
    assert_eq!(changes, [&json!({"changes": [{"field": "next_step", "before": null, "after": "Call"}]})]);
    assert!(happened(&masked).contains(&"stage_change".to_owned()), "a stage is not an amount");
    let masked = seen(&[("deal", "stage_id", none), ("deal", "company_id", none)], of).await?;
    assert_eq!(happened(&masked).iter().filter(|text| text.starts_with("field_change")).count(), 3);
    assert_eq!(masked.len(), 6, "neither the stage nor the company: {masked:?}");
    assert!(
        seen(&[("deal", "company_id", none)], ("company", &acme)).await?.is_empty(),
        "the other side tells no more"
    );
    let masked = seen(&[("deal", "stage_name", none)], of).await?;
    let stage = masked.iter().find(|(kind, _)| kind == "stage_change").unwrap();
    assert_eq!((stage.1["to"]["key"].as_str(), stage.1["to"].get("name")), (Some("won"), None));
    // What says who and when is a field as well.
    let rules = [("deal", "updated_by", none), ("deal", "updated_at", none)];
    let blind = world.caller(admin.tenant, &May { actions: &[("*", "*", Scope::All)], fields: &rules })?;
    let (entries, _) = blind.timeline("deal", &deal, "field_change", (10, "")).await?;
    assert!(entries.iter().all(|entry| entry.actor.is_none() && entry.at.is_none()));
    // Of activities and notes the same rules hold as anywhere.
    let masked = seen(&[("activity", "state", none), ("note", "body", none)], of).await?;
    assert!(!happened(&masked).contains(&"activity:started".to_owned()));
    let activity = masked.iter().find(|(kind, _)| kind == "activity").unwrap();
    let note = masked.iter().find(|(kind, _)| kind == "note").unwrap();
    assert_eq!((activity.1.get("state"), note.1.get("body")), (None, None));
    let masked = seen(&[("activity", "links", none), ("note", "links", none)], of).await?;
    assert!(masked.iter().all(|(kind, _)| kind != "activity" && kind != "note"), "{masked:?}");
    Ok(())
}

#[tokio::test]
async fn activities_and_notes_are_told_to_whom_lists_show_them() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let deal = world.known.add("deal");
    let mine: &[(&str, &str, Scope)] =
        &[("deal", "read", Scope::All), ("activity", "*", Scope::Own), ("note", "*", Scope::Own)];
    let rep = world.caller(admin.tenant, &May { actions: mine, fields: &[] })?;
    let theirs = admin.create_activity(task_about("deal", &deal)).await?;
    let own = rep.create_activity(task_about("deal", &deal)).await?;
    admin.create(about(&[("deal", &deal)])).await?;
    hear(&world, &own_events(&world, &admin).await?).await?;
    let ids = async |who: &Caller| -> Result<Vec<String>> {
        let told = told(who, ("deal", &deal), "activity,note").await?;
        Ok(told.iter().map(|(kind, data)| data["activity_id"].as_str().unwrap_or(kind).to_owned()).collect())
    };
    assert_eq!(ids(&rep).await?, std::slice::from_ref(&own.id));
    assert_eq!(ids(&admin).await?, ["note".to_owned(), own.id.clone(), theirs.id.clone()]);
    // Whose it is now decides.
    let given = pb::Activity { owner_id: Some(rep.id.to_string()), ..Default::default() };
    world.known.insert("user", rep.id);
    admin.change_activity(&theirs.id, given, &["owner_id"]).await?;
    assert_eq!(ids(&rep).await?, [own.id.clone(), theirs.id.clone()]);
    // In the trash it is not shown, out of it it is again.
    rep.delete_activity(&own.id).await?;
    assert_eq!(ids(&rep).await?, std::slice::from_ref(&theirs.id));
    rep.restore_activity(&own.id).await?;
    assert_eq!(ids(&rep).await?, [own.id, theirs.id]);
    let blind: &[(&str, &str, Scope)] = &[("deal", "read", Scope::All)];
    let blind = world.caller(admin.tenant, &May { actions: blind, fields: &[] })?;
    assert!(ids(&blind).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_link_from_a_record_that_the_caller_may_not_read_is_not_told() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let (deal, acme) = (world.known.add("deal"), world.known.add("company"));
    let linked = [("company_id", Value::Null, Value::from(acme.as_str()))];
    hear(&world, &[event(&world, &admin, ("deal", &deal), "created", &linked)]).await?;
    assert_eq!(happened(&told(&admin, ("company", &acme), "").await?), ["record:linked"]);
    world.known.ids.lock().unwrap().get_mut("deal").unwrap().clear();
    assert!(told(&admin, ("company", &acme), "").await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn while_a_service_does_not_answer_links_to_its_records_are_left_out_with_a_warning() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let [ada, acme, deal] = ["contact", "company", "deal"].map(|object| world.known.add(object));
    let events = [
        event(
            &world,
            &admin,
            ("contact", &ada),
            "created",
            &[("companies", Value::Null, json!({"company_id": acme}))],
        ),
        event(&world, &admin, ("deal", &deal), "created", &[("company_id", Value::Null, json!(acme))]),
    ];
    hear(&world, &events).await?;
    let timeline = async || {
        let request = pb::GetCompanyTimelineRequest { id: acme.clone(), ..Default::default() };
        admin.service.get_company_timeline(admin.request(request, &[])).await.map(tonic::Response::into_inner)
    };
    let whole = timeline().await?;
    assert_eq!((whole.entries.len(), whole.warnings), (2, vec![]));
    world.known.down.lock().unwrap().insert("deal");
    let partial = timeline().await?;
    let seen = partial.entries.iter().map(|entry| &entry.data).collect::<Vec<_>>();
    assert!(matches!(seen[..], [data] if String::from_utf8_lossy(data).contains(&ada)), "{seen:?}");
    let reasons: Vec<&str> = partial.warnings.iter().map(|warning| warning.reason.as_str()).collect();
    assert_eq!(reasons, ["PIPELINE_UNAVAILABLE"]);
    assert!(partial.warnings[0].detail.contains("deal"), "{:?}", partial.warnings);
    Ok(())
}

#[tokio::test]
async fn every_entry_is_on_one_page_though_all_are_of_one_moment() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let contact = world.known.add("contact");
    let of = ("contact", contact.as_str());
    let template = event(&world, &admin, of, "updated", &[]);
    let change = |n: usize| Change {
        field: "job_title".to_owned(),
        before: Some("null".to_owned()),
        after: Some(format!("\"{n}\"")),
    };
    let events: Vec<Event> = (0..250)
        .map(|n| match n % 5 {
            0 => Event {
                id: world.clock.new_uuid(),
                kind: "records.contact.deleted.v1".to_owned(),
                ..template.clone()
            },
            _ => Event { id: world.clock.new_uuid(), changes: vec![change(n)], ..template.clone() },
        })
        .collect();
    hear(&world, &events).await?;
    let ids = async |size: i32| -> Result<Vec<String>> {
        let (mut ids, mut token) = (Vec::new(), String::new());
        loop {
            let (entries, next) = admin.timeline("contact", &contact, "", (size, &token)).await?;
            assert!(entries.len() == usize::try_from(size)? || next.is_empty());
            ids.extend(entries.into_iter().map(|entry| entry.id));
            if next.is_empty() {
                return Ok(ids);
            }
            token = next;
        }
    };
    let paged = ids(7).await?;
    let mut unique = paged.clone();
    unique.sort();
    unique.dedup();
    assert_eq!((paged.len(), unique.len()), (250, 250));
    assert_eq!(ids(200).await?, paged, "in one order, though the moment is the same");
    // A token is of one timeline, and of one choice of types.
    let (_, token) = admin.timeline("contact", &contact, "", (7, "")).await?;
    let refused = admin.timeline("contact", &contact, "record", (7, &token)).await.unwrap_err();
    assert_eq!(refused.is(), (400, "PAGE_TOKEN_MISMATCH"));
    Ok(())
}
