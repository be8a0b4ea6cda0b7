//! What is written, refused, and left beside the row.

use std::sync::atomic::Ordering;

use anyhow::Result;
use events::Event;
use proto::records::v1 as pb;
use serde_json::{Value, json};

use super::world::{World, custom, custom_of, mail, named, new_field};

#[tokio::test]
async fn a_contact_comes_back_as_it_was_sent_and_cleaned() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let sent = pb::Contact {
        job_title: Some(" CTO ".to_owned()),
        emails: vec![mail("Zoe@Example.TEST"), mail("z@example.test")],
        phones: vec![pb::PhoneNumber { number: "(650) 253-0000".to_owned(), ..Default::default() }],
        addresses: vec![pb::PostalAddress { country: Some("at".to_owned()), ..Default::default() }],
        birthday: Some("1990-02-28".to_owned()),
        lifecycle: Some(pb::Lifecycle::Customer as i32),
        score: Some(7),
        tags: vec!["vip".to_owned(), "Größe".to_owned()],
        external_ids: [("erp".to_owned(), "42".to_owned())].into(),
        do_not_call: true,
        ..custom(&json!({"tier": "gold", "seats": 5, "renewal": "2026-12-01"}))
    };
    let sent =
        pb::Contact { first_name: Some("Zoë".to_owned()), last_name: Some("Ångström".to_owned()), ..sent };
    let made = admin.create(sent).await?;
    assert_eq!((made.version, made.source), (1, proto::common::v1::Source::Api as i32));
    assert_eq!(made.full_name.as_deref(), Some("Zoë Ångström"));
    assert_eq!(made.owner_id, Some(admin.id.to_string()));
    assert_eq!(made.created_by, admin.id.to_string());
    assert_eq!(made.job_title.as_deref(), Some("CTO"));
    assert_eq!(made.emails[0].address, "zoe@example.test");
    assert!(made.emails[0].is_primary && !made.emails[1].is_primary);
    assert_eq!(made.phones[0].number, "+16502530000");
    assert_eq!(made.addresses[0].country.as_deref(), Some("AT"));
    assert_eq!(custom_of(&made), json!({"tier": "gold", "seats": 5, "renewal": "2026-12-01"}));
    assert_eq!(admin.get(&made.id).await?, made);

    let mut sql = world.sql().await?;
    let row: (String, f64, time::OffsetDateTime, String) = sqlx::query_as(
        "SELECT txt_01, num_01, ts_01, last_name_folded FROM records.contacts WHERE tenant_id = $1",
    )
    .bind(admin.tenant.uuid())
    .fetch_one(&mut sql)
    .await?;
    assert_eq!((row.0.as_str(), row.1, row.3.as_str()), ("gold", 5.0, "angstrom"));
    assert_eq!(row.2, time::macros::datetime!(2026-12-01 0:00 UTC));
    Ok(())
}

#[tokio::test]
async fn every_violation_of_a_body_is_told_at_once_and_nothing_is_stored() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let stranger = world.clock.new_uuid().to_string();
    let sent = pb::Contact {
        owner_id: Some(stranger.clone()),
        emails: vec![mail("nonsense")],
        phones: vec![pb::PhoneNumber { number: "12".to_owned(), ..Default::default() }],
        birthday: Some("2999-01-01".to_owned()),
        language: Some("d".to_owned()),
        ..custom(&json!({"tier": "iron", "seats": "five", "nothing": 1, "old": 1, "boss": stranger}))
    };
    let refused = admin.create(sent).await.unwrap_err();
    assert_eq!(refused.is(), (422, "VALIDATION_FAILED"));
    let mut found = refused.violations();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ("/birthday", "DATE_IN_FUTURE"),
            ("/custom/boss", "REFERENCE_NOT_FOUND"),
            ("/custom/nothing", "UNKNOWN_FIELD"),
            ("/custom/old", "UNKNOWN_FIELD"),
            ("/custom/seats", "TYPE_MISMATCH"),
            ("/custom/tier", "OPTION_UNKNOWN"),
            ("/emails/0/address", "EMAIL_INVALID"),
            ("/language", "LANGUAGE_INVALID"),
            ("/owner_id", "REFERENCE_NOT_FOUND"),
            ("/phones/0/number", "PHONE_INVALID"),
        ]
    );
    let nobody = admin.create(pb::Contact { score: Some(1), ..Default::default() }).await.unwrap_err();
    assert_eq!(nobody.violations(), [("", "NAME_OR_EMAIL_REQUIRED")]);
    assert!(admin.list(pb::ListContactsRequest::default()).await?.contacts.is_empty());
    Ok(())
}

#[tokio::test]
async fn the_id_of_a_user_is_not_accepted_as_a_team() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let user = world.people.add("user");
    admin.create(pb::Contact { owner_id: Some(user.clone()), ..named("Ada", "") }).await?;
    let refused = admin.create(pb::Contact { team_id: Some(user), ..named("Ada", "") }).await.unwrap_err();
    assert_eq!(refused.violations(), [("/team_id", "REFERENCE_NOT_FOUND")]);
    Ok(())
}

#[tokio::test]
async fn a_mask_names_members_and_what_it_does_not_name_stays() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.create(named("Zoë", "Ångström")).await?;
    let paths = ["first_name", "shoe_size", "emails.address", "*", "custom.nothing"];
    let refused = admin.update(&made.id, named("Eve", ""), &paths).await.unwrap_err();
    assert_eq!(refused.is(), (422, "VALIDATION_FAILED"));
    let unknown = ["/*", "/emails/address", "/shoe_size", "/custom/nothing"];
    let unknown = unknown.map(|pointer| (pointer, "UNKNOWN_FIELD"));
    assert_eq!(refused.violations(), unknown);
    // What only the service sets is ignored, and a mask without paths names nothing.
    let sent_back = pb::Contact { version: 7, full_name: Some("X".to_owned()), ..named("Eve", "Other") };
    for paths in [&["id", "version", "full_name", "access", "created_at"][..], &[]] {
        assert_eq!(admin.update(&made.id, sent_back.clone(), paths).await?, made);
    }
    Ok(())
}

#[tokio::test]
async fn a_change_touches_what_was_sent_and_nothing_else() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin
        .create(pb::Contact {
            emails: vec![mail("a@example.test"), mail("b@example.test")],
            tags: vec!["x".to_owned()],
            first_name: Some("Zoë".to_owned()),
            job_title: Some("CEO".to_owned()),
            ..custom(&json!({"tier": "gold", "seats": 5}))
        })
        .await?;
    let patch = pb::Contact {
        emails: vec![mail("c@example.test")],
        last_name: Some("Ångström".to_owned()),
        ..custom(&json!({"seats": 7, "tier": null}))
    };
    let paths = ["emails", "last_name", "job_title", "custom"];
    let changed = admin.update(&made.id, patch, &paths).await?;
    assert_eq!(changed.version, 2);
    assert_eq!(changed.job_title, None, "named by the mask and not set: cleared");
    assert_eq!(changed.full_name.as_deref(), Some("Zoë Ångström"));
    assert_eq!((changed.emails.len(), changed.emails[0].address.as_str()), (1, "c@example.test"));
    assert_eq!(changed.tags, ["x"]);
    assert_eq!(custom_of(&changed), json!({"seats": 7}));
    assert_eq!(admin.get(&made.id).await?, changed);

    let mut sql = world.sql().await?;
    let addresses: Vec<String> =
        sqlx::query_scalar("SELECT address FROM records.contact_email WHERE tenant_id = $1 ORDER BY address")
            .bind(admin.tenant.uuid())
            .fetch_all(&mut sql)
            .await?;
    assert_eq!(addresses, ["c@example.test"]);
    let slot: Option<String> = sqlx::query_scalar("SELECT txt_01 FROM records.contacts WHERE tenant_id = $1")
        .bind(admin.tenant.uuid())
        .fetch_one(&mut sql)
        .await?;
    assert_eq!(slot, None);
    let nameless =
        admin.update(&made.id, pb::Contact::default(), &["first_name", "last_name", "emails"]).await;
    assert_eq!(nameless.unwrap_err().violations(), [("", "NAME_OR_EMAIL_REQUIRED")]);
    Ok(())
}

#[tokio::test]
async fn a_change_that_changes_nothing_makes_no_version_and_no_event() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.create(named("Zoë", "Ångström")).await?;
    let same = admin.update(&made.id, named("Zoë", "Ångström"), &["first_name", "last_name"]).await?;
    assert_eq!(same, made);
    let mut sql = world.sql().await?;
    let events: i64 = sqlx::query_scalar("SELECT count(*) FROM records.outbox WHERE tenant_id = $1")
        .bind(admin.tenant.uuid())
        .fetch_one(&mut sql)
        .await?;
    assert_eq!(events, 1);
    Ok(())
}

#[tokio::test]
async fn every_change_leaves_its_event_and_its_values_before() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.create(named("Zoë", "Ångström")).await?;
    admin.update(&made.id, custom(&json!({"seats": 1})), &["custom"]).await?;
    admin.delete(&made.id, &[]).await?;
    admin.restore(&made.id).await?;
    let mut sql = world.sql().await?;
    let envelopes: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT envelope FROM records.outbox WHERE tenant_id = $1 ORDER BY seq")
            .bind(admin.tenant.uuid())
            .fetch_all(&mut sql)
            .await?;
    let events = envelopes.iter().map(|bytes| Event::decode(bytes)).collect::<Result<Vec<_>, _>>()?;
    let told: Vec<_> = events.iter().map(|event| (event.kind.as_str(), event.version)).collect();
    assert_eq!(
        told,
        [
            ("records.contact.created.v1", 1),
            ("records.contact.updated.v1", 2),
            ("records.contact.deleted.v1", 3),
            ("records.contact.restored.v1", 4),
        ]
    );
    assert!(events.iter().all(|event| event.owner == Some(admin.id) && event.actor == admin.id));
    let change = events[1].change("custom.seats").unwrap();
    assert_eq!((change.before.as_deref(), change.after.as_deref()), (Some("null"), Some("1")));
    let log: Vec<(i64, String, Value)> = sqlx::query_as(
        "SELECT version, verb, before FROM records.change WHERE tenant_id = $1 ORDER BY version",
    )
    .bind(admin.tenant.uuid())
    .fetch_all(&mut sql)
    .await?;
    assert_eq!(log[1], (2, "updated".to_owned(), json!({"custom.seats": null})));
    assert_eq!(
        log.iter().map(|l| l.1.as_str()).collect::<Vec<_>>(),
        ["created", "updated", "deleted", "restored"]
    );
    Ok(())
}

#[tokio::test]
async fn the_change_log_cannot_be_changed() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    admin.create(named("Zoë", "Ångström")).await?;
    for statement in ["UPDATE records.change SET verb = 'created'", "DELETE FROM records.change"] {
        let mut tx = world.tx(admin.tenant).await?;
        let refused = sqlx::query(statement).execute(tx.conn()).await.unwrap_err();
        assert_eq!(
            refused.as_database_error().and_then(|e| e.code()).as_deref(),
            Some("42501"),
            "{statement}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_repeated_key_gives_the_first_answer_again() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let external = |n: usize| (0..n).map(|i| (format!("s{i}"), format!("v{i}"))).collect();
    let body = || pb::Contact { external_ids: external(15), ..named("Zoë", "Ångström") };
    let key = [("idempotency-key", "k-1")];
    let first = admin.create_as(body(), &key).await?;
    assert!(first.metadata().get("idempotency-replayed").is_none());
    for _ in 0..3 {
        let again = admin.create_as(body(), &key).await?;
        assert_eq!(again.metadata().get("idempotency-replayed").unwrap(), "true");
        assert_eq!(again.metadata().get("version").unwrap(), "1");
        assert_eq!(again.get_ref(), first.get_ref());
    }
    let other = admin.create_as(named("Eve", "X"), &key).await.unwrap_err();
    assert_eq!(super::world::Refusal::from(other).is(), (422, "IDEMPOTENCY_KEY_REUSED"));
    assert_eq!(admin.list(pb::ListContactsRequest::default()).await?.contacts.len(), 1);

    // After a day the key stands for a new call, though nothing else was kept meanwhile.
    let mut sql = world.sql().await?;
    let mut age = async || {
        let older = "UPDATE records.idempotency SET created_at = created_at - interval '25 hours' WHERE tenant_id = $1";
        sqlx::query(older).bind(admin.tenant.uuid()).execute(&mut sql).await
    };
    age().await?;
    let anew = admin.create_as(named("Eve", "X"), &key).await?;
    assert!(anew.metadata().get("idempotency-replayed").is_none());
    // And an answer is forgotten when others are kept.
    age().await?;
    admin.create_as(named("Eve", "Y"), &[("idempotency-key", "k-2")]).await?;
    assert_eq!(world.count(&mut sql, "idempotency", admin.tenant).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_new_field_can_be_used_at_once_and_unknown_ones_ask_once_each_time() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    admin.create(named("A", "B")).await?;
    {
        let mut set = world.definitions.lock().unwrap();
        set.version = 2;
        set.fields.push(new_field("fresh"));
    }
    let before = world.asked.load(Ordering::SeqCst);
    let made = admin
        .create(pb::Contact { first_name: Some("C".to_owned()), ..custom(&json!({"fresh": 3})) })
        .await?;
    assert_eq!(custom_of(&made), json!({"fresh": 3}));
    assert_eq!(world.asked.load(Ordering::SeqCst), before + 1);
    let list = pb::ListContactsRequest { filter: "custom.fresh >= 3".to_owned(), ..Default::default() };
    assert_eq!(admin.list(list).await?.contacts.len(), 1);
    assert_eq!(world.asked.load(Ordering::SeqCst), before + 1);
    Ok(())
}

#[tokio::test]
async fn a_write_on_permissions_older_than_the_fence_is_refused() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.create(named("Zoë", "Ångström")).await?;
    let mut tx = world.tx(admin.tenant).await?;
    db::fence::raise(&mut tx, Some(admin.id), 6).await?;
    tx.commit().await?;
    let late = admin.update(&made.id, named("Eve", ""), &["first_name"]).await.unwrap_err();
    assert_eq!(late.is(), (409, "PERMISSIONS_CHANGED"));
    assert_eq!(admin.get(&made.id).await?.version, 1);
    Ok(())
}

#[tokio::test]
async fn a_unique_value_belongs_to_one_live_record() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let unique = || pb::Contact { first_name: Some("A".to_owned()), ..custom(&json!({"serial": "S-1"})) };
    let first = admin.create(unique()).await?;
    let refused = admin.create(unique()).await.unwrap_err();
    assert_eq!(refused.is(), (409, "DUPLICATE_VALUE"));
    assert_eq!(refused.problem()["candidates"], json!([first.id]));
    let other = admin.create(named("B", "")).await?;
    let refused = admin.update(&other.id, unique(), &["custom"]).await.unwrap_err();
    assert_eq!(refused.is(), (409, "DUPLICATE_VALUE"));
    assert_eq!(refused.problem()["meta"]["fields"], "custom.serial");
    // Another tenant's value does not count.
    world.admin()?.create(unique()).await?;
    admin.delete(&first.id, &[]).await?;
    let second = admin.create(unique()).await?;
    let refused = admin.restore(&first.id).await.unwrap_err();
    assert_eq!(refused.is(), (409, "DUPLICATE_VALUE"));
    assert_eq!(refused.problem()["candidates"], json!([second.id]));
    // Its own value is no duplicate.
    admin.update(&second.id, custom(&json!({"serial": "S-1", "seats": 1})), &["custom"]).await?;
    Ok(())
}

#[tokio::test]
async fn two_at_once_cannot_both_have_a_unique_value() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let unique = || pb::Contact { first_name: Some("A".to_owned()), ..custom(&json!({"serial": "S-1"})) };
    let answers = tokio::join!(
        admin.create(unique()),
        admin.create(unique()),
        admin.create(unique()),
        admin.create(unique())
    );
    let answers = [answers.0, answers.1, answers.2, answers.3];
    assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 1);
    let refused = answers.iter().filter_map(|a| a.as_ref().err());
    assert!(refused.map(super::world::Refusal::is).all(|is| is == (409, "DUPLICATE_VALUE")));
    Ok(())
}
