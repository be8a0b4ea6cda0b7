//! Who sees what: tenants, scopes, fields. What may not be seen must look as if it were not there.

use anyhow::Result;
use proto::identity::v1::{FieldAccess, Scope};
use proto::records::v1 as pb;
use serde_json::json;

use super::world::{ALL, Caller, May, World, custom, custom_of, mail, named};

const OWN: &[(&str, &str, Scope)] = &[
    ("contact", "create", Scope::Own),
    ("contact", "read", Scope::Own),
    ("contact", "update", Scope::Own),
    ("contact", "delete", Scope::Own),
];

async fn tries(caller: &Caller, id: &str) -> Result<Vec<(u16, (String, Vec<u8>))>> {
    let mut answers = Vec::new();
    answers.push(caller.get(id).await.unwrap_err());
    answers.push(caller.update(id, named("X", "Y"), &["first_name"]).await.unwrap_err());
    answers.push(caller.delete(id, &[]).await.unwrap_err());
    Ok(answers.into_iter().map(|refusal| (refusal.http(), refusal.bytes())).collect())
}

#[tokio::test]
async fn foreign_invisible_deleted_and_random_ids_answer_the_same_bytes() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let rep = world.caller(admin.tenant, &May { actions: OWN, fields: &[] })?;
    let foreign = world.admin()?.create(named("F", "")).await?;
    let invisible = admin.create(named("I", "")).await?;
    let deleted = rep.create(named("D", "")).await?;
    rep.delete(&deleted.id, &[]).await?;
    let random = world.clock.new_uuid().to_string();
    let expected = tries(&rep, &random).await?;
    assert!(expected.iter().all(|(http, _)| *http == 404));
    for id in [&foreign.id, &invisible.id, &deleted.id, "nonsense"] {
        assert_eq!(tries(&rep, id).await?, expected, "{id}");
    }
    // In a body they are one violation, the same for all.
    let mut answers = Vec::new();
    for id in [&foreign.id, &invisible.id, &deleted.id, &random] {
        let body = pb::Contact { first_name: Some("A".to_owned()), ..custom(&json!({"boss": id})) };
        answers.push(rep.create(body).await.unwrap_err());
    }
    assert_eq!(answers[0].violations(), [("/custom/boss", "REFERENCE_NOT_FOUND")]);
    assert!(answers.iter().all(|a| a.bytes() == answers[0].bytes()));
    let mine = rep.create(named("M", "")).await?;
    rep.create(pb::Contact { first_name: Some("A".to_owned()), ..custom(&json!({"boss": mine.id})) }).await?;
    Ok(())
}

#[tokio::test]
async fn a_scope_of_own_reaches_own_rows_only() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let rep = world.caller(admin.tenant, &May { actions: OWN, fields: &[] })?;
    admin.create(named("Not", "Mine")).await?;
    let mine = rep.create(named("Mine", "")).await?;
    let listed = rep.list(pb::ListContactsRequest { count: 3, ..Default::default() }).await?;
    assert_eq!(listed.contacts.iter().map(|c| &c.id).collect::<Vec<_>>(), [&mine.id]);
    assert_eq!(listed.total.unwrap().value, 1);
    let theirs = pb::Contact { owner_id: Some(admin.id.to_string()), ..named("A", "") };
    assert_eq!(rep.create(theirs.clone()).await.unwrap_err().is(), (403, "PERMISSION_DENIED"));
    // A change is no way around it; whoever may assign may give their own away, new or not.
    let refused = rep.update(&mine.id, theirs.clone(), &["owner_id"]).await.unwrap_err();
    assert_eq!(refused.is(), (403, "PERMISSION_DENIED"));
    let assigns: Vec<_> = OWN.iter().copied().chain([("contact", "assign", Scope::Own)]).collect();
    world.allow(rep.id, 6, &May { actions: &assigns, fields: &[] });
    world.gates.gate.forget(admin.tenant.uuid(), None);
    rep.create(theirs.clone()).await?;
    let given = rep.update(&mine.id, theirs, &["owner_id"]).await?;
    assert_eq!(given.owner_id, Some(admin.id.to_string()));
    assert_eq!(rep.get(&mine.id).await.unwrap_err().http(), 404);
    Ok(())
}

#[tokio::test]
async fn what_may_be_read_and_not_changed_is_403_and_tells_so_in_access() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let reads_all = [
        ("contact", "read", Scope::All),
        ("contact", "update", Scope::Own),
        ("contact", "delete", Scope::Own),
    ];
    let fields =
        [("contact", "job_title", FieldAccess::Read), ("contact", "custom.seats", FieldAccess::Read)];
    let rep = world.caller(admin.tenant, &May { actions: &reads_all, fields: &fields })?;
    let made = admin.create(named("Zoë", "")).await?;
    let refused = rep.update(&made.id, named("X", ""), &["first_name"]).await.unwrap_err();
    assert_eq!(refused.is(), (403, "PERMISSION_DENIED"));
    assert_eq!(refused.metadata()["permission"], "contact.update");
    assert_eq!(rep.delete(&made.id, &[]).await.unwrap_err().is(), (403, "PERMISSION_DENIED"));
    assert_eq!(rep.create(named("X", "")).await.unwrap_err().is(), (403, "PERMISSION_DENIED"));
    let access = rep.get_with(&made.id, "id", "access").await?.access.unwrap();
    assert!(access.can.is_empty());
    assert_eq!(access.readonly_fields, ["custom.seats", "job_title"]);
    let access = admin.get_with(&made.id, "", "access").await?.access.unwrap();
    assert_eq!(access.can, ["update", "delete", "share", "export"]);
    admin
        .update(
            &made.id,
            pb::Contact { owner_id: Some(rep.id.to_string()), ..Default::default() },
            &["owner_id"],
        )
        .await?;
    let title = pb::Contact { job_title: Some("CTO".to_owned()), ..custom(&json!({"seats": 1})) };
    let refused = rep.update(&made.id, title, &["job_title", "custom"]).await.unwrap_err();
    assert_eq!(refused.is(), (403, "FIELD_READ_ONLY"));
    assert_eq!(refused.metadata()["fields"], "job_title,custom.seats");
    Ok(())
}

#[tokio::test]
async fn a_hidden_field_is_nowhere() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let fields = ["last_name", "emails", "custom.seats"].map(|name| ("contact", name, FieldAccess::None));
    let rep = world.caller(admin.tenant, &May { fields: &fields, ..ALL })?;
    let made = admin
        .create(pb::Contact {
            first_name: Some("Zoë".to_owned()),
            last_name: Some("Ångström".to_owned()),
            emails: vec![mail("zoe@example.test")],
            ..custom(&json!({"seats": 5, "tier": "gold"}))
        })
        .await?;
    let listed = rep.list(pb::ListContactsRequest::default()).await?.contacts.remove(0);
    let changed = rep.update(&made.id, named("Eve", ""), &["first_name"]).await?;
    for seen in [rep.get(&made.id).await?, listed, changed] {
        assert_eq!((seen.last_name.clone(), seen.full_name.clone(), seen.emails.len()), (None, None, 0));
        assert_eq!(custom_of(&seen), json!({"tier": "gold"}));
        assert!(!format!("{seen:?}").contains("ngstr"));
    }
    assert_eq!(admin.get(&made.id).await?.full_name.as_deref(), Some("Eve Ångström"), "kept by a change");

    for (hidden, unknown) in [
        ("last_name = \"Ångström\"", "lost_name = \"Ångström\""),
        ("full_name:\"a\"", "fall_name:\"a\""),
        ("emails.address = \"zoe@example.test\"", "emaals.address = \"zoe@example.test\""),
        ("custom.seats > 4", "custom.soats > 4"),
        ("custom.old > 4", "custom.old > 4"),
    ] {
        let list = |filter: &str| pb::ListContactsRequest { filter: filter.to_owned(), ..Default::default() };
        let refused = rep.list(list(hidden)).await.unwrap_err();
        let as_unknown = rep.list(list(unknown)).await.unwrap_err();
        assert_eq!((refused.http(), as_unknown.http()), (400, 400), "{hidden}");
        assert_eq!(refused.reason(), as_unknown.reason(), "{hidden}");
    }
    for order_by in ["last_name", "custom.seats desc"] {
        let request = pb::ListContactsRequest { order_by: order_by.to_owned(), ..Default::default() };
        assert_eq!(rep.list(request).await.unwrap_err().http(), 400, "{order_by}");
    }
    assert_eq!(rep.get_with(&made.id, "last_name", "").await.unwrap_err().http(), 400);
    let refused = rep
        .update(
            &made.id,
            pb::Contact { last_name: Some("X".to_owned()), ..custom(&json!({"seats": "x", "nix": 1})) },
            &["last_name", "custom"],
        )
        .await
        .unwrap_err();
    let mut found = refused.violations();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ("/custom/nix", "UNKNOWN_FIELD"),
            ("/custom/seats", "UNKNOWN_FIELD"),
            ("/last_name", "UNKNOWN_FIELD")
        ]
    );
    Ok(())
}

#[tokio::test]
async fn a_replay_hides_what_was_hidden_since() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let body = || pb::Contact { first_name: Some("Zoë".to_owned()), ..custom(&json!({"seats": 5})) };
    let key = [("idempotency-key", "k-1")];
    let first = admin.create_as(body(), &key).await?;
    // The rules change, and the lease of the old snapshot ends.
    world.allow(
        admin.id,
        6,
        &May {
            fields: &[
                ("contact", "custom.tier", FieldAccess::None),
                ("contact", "full_name", FieldAccess::None),
            ],
            ..ALL
        },
    );
    world.gates.gate.forget(admin.tenant.uuid(), None);
    let replayed = admin.create_as(body(), &key).await?;
    assert_eq!(replayed.metadata().get("idempotency-replayed").unwrap(), "true");
    assert_eq!(first.into_inner().contact.unwrap().full_name.as_deref(), Some("Zoë"));
    let replayed = replayed.into_inner().contact.unwrap();
    assert_eq!((replayed.full_name, replayed.first_name.as_deref()), (None, Some("Zoë")));
    Ok(())
}
