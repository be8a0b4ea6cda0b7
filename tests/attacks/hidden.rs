//! M6, M7, L5: what a caller may not see cannot be measured by what is refused, and a change is no way around what is refused
//! of a new record.

use anyhow::Result;
use proto::identity::v1::{FieldAccess, Scope};
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use serde_json::json;

use crate::records::world::{ALL, Caller, May, Refusal, World, custom, mail, named};
use crate::world::definitions;

const OWN: [(&str, &str, Scope); 4] = [
    ("contact", "create", Scope::Own),
    ("contact", "read", Scope::Own),
    ("contact", "update", Scope::Own),
    ("contact", "delete", Scope::Own),
];

/// What a caller learns: the answer, or everything of the refusal.
type Learnt = Result<(), (u16, (String, Vec<u8>))>;

fn learnt<T>(outcome: Result<T, Refusal>) -> Learnt {
    outcome.map(|_| ()).map_err(|refusal| (refusal.http(), refusal.bytes()))
}

/// M6a: which of the names may be cleared says nothing of the hidden ones.
#[tokio::test]
async fn clearing_the_last_visible_name_is_refused_whatever_is_hidden() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let hides = |fields: &'static [(&'static str, &'static str, FieldAccess)]| {
        world.caller(admin.tenant, &May { fields, ..ALL })
    };
    let by_mail = hides(&[("contact", "emails", FieldAccess::None)])?;
    let by_last =
        hides(&[("contact", "emails", FieldAccess::None), ("contact", "last_name", FieldAccess::None)])?;
    let with = |last: Option<&str>, address: Option<&str>| pb::Contact {
        first_name: Some("Ada".to_owned()),
        last_name: last.map(str::to_owned),
        emails: address.map(mail).into_iter().collect(),
        ..Default::default()
    };
    let clear = pb::Contact::default();
    // Nothing hidden is set, one thing is, both are: the same answer.
    let mut answers = Vec::new();
    for (last, address) in
        [(None, None), (None, Some("a1@x.test")), (Some("L"), None), (Some("L"), Some("a2@x.test"))]
    {
        let id = admin.create(with(last, address)).await?.id;
        answers.push(learnt(by_last.update(&id, clear.clone(), &["first_name"]).await));
        if last.is_none() {
            answers.push(learnt(by_mail.update(&id, clear.clone(), &["first_name"]).await));
        }
    }
    assert!(matches!(&answers[0], Err((422, _))), "{:?}", answers[0]);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    // A contact that is known by what the caller does not see can be changed in what it does, and its name be set again.
    let by_hidden =
        admin.create(pb::Contact { emails: vec![mail("a3@x.test")], ..Default::default() }).await?;
    let title = pb::Contact { job_title: Some("CTO".to_owned()), ..Default::default() };
    by_last.update(&by_hidden.id, title, &["job_title"]).await?;
    // Who sees everything is asked for one of the three, and no more.
    let seen = admin.create(with(None, Some("a4@x.test"))).await?;
    admin.update(&seen.id, clear.clone(), &["first_name"]).await?;
    let refused = admin.update(&seen.id, clear, &["emails"]).await.unwrap_err();
    assert_eq!(refused.violations(), [("", "NAME_OR_EMAIL_REQUIRED")]);
    Ok(())
}

/// The longest visible text that is taken, by bisection: what the review measured the hidden one with.
async fn longest(caller: &Caller, id: &str) -> Result<usize> {
    let (mut taken, mut refused) = (0, 80_000);
    while refused - taken > 1 {
        let middle = usize::midpoint(taken, refused);
        // Characters of four bytes: eight texts of them are more than all together may have.
        let part = |n: usize| "\u{1f4bb}".repeat(middle.saturating_sub(n * 10_000).min(10_000));
        let texts: serde_json::Map<_, _> = (0..8).map(|n| (format!("long_{n}"), part(n).into())).collect();
        match caller.update(id, custom(&texts.into()), &["custom"]).await {
            Ok(_) => taken = middle,
            Err(refusal) => {
                let found = refusal.violations();
                let [(pointer, "CUSTOM_TOO_LARGE")] = found[..] else { panic!("{found:?}") };
                assert!(pointer.starts_with("/custom/long_"), "{pointer}");
                refused = middle;
            }
        }
    }
    Ok(taken)
}

/// M6b: the room that is left for visible values does not tell how long hidden ones are.
#[tokio::test]
async fn the_size_of_a_hidden_value_is_not_found_by_bisection() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let long = |(n, key)| definitions::field(n, key, proto::fields::v1::FieldType::LongText, "");
    let names: Vec<String> = (0..8).map(|n| format!("long_{n}")).chain(["secret".to_owned()]).collect();
    let fields = (400..).zip(&names).map(|(n, name)| long((n, name.as_str())));
    definitions::add(&mut world.definitions.lock().unwrap(), fields);
    let rules = [("contact", "custom.secret", FieldAccess::None)];
    let spy = world.caller(admin.tenant, &May { fields: &rules, ..ALL })?;
    let mut found = Vec::new();
    for length in [0, 1, 1_243, 9_999] {
        let secret = custom(&json!({"secret": "s".repeat(length)}));
        let id = admin.create(pb::Contact { first_name: Some("A".into()), ..secret }).await?.id;
        found.push(longest(&spy, &id).await?);
        // What was hidden is still there, and what is too large for who sees all of it is so.
        let whole = admin.get(&id).await?;
        let held = crate::records::world::custom_of(&whole)["secret"].as_str().map_or(0, str::len);
        assert_eq!(held, length);
    }
    assert!(found[0] > 60_000 && found.iter().all(|size| *size == found[0]), "{found:?}");
    Ok(())
}

/// M6c: how companies hang together of which the caller does not see one is not told.
#[tokio::test]
async fn a_circle_through_companies_that_are_not_seen_is_not_told_from_a_line_that_is_too_long() -> Result<()>
{
    let world = World::new().await?;
    let admin = world.admin()?;
    let own: Vec<(&str, &str, Scope)> =
        OWN.iter().map(|(_, action, scope)| ("company", *action, *scope)).collect();
    let rep = world.caller(admin.tenant, &May { actions: &own, fields: &[] })?;
    let company = async |caller: &Caller, name: &str, parent: Option<&str>| {
        let company = pb::Company {
            name: Some(name.to_owned()),
            parent_id: parent.map(str::to_owned),
            ..Default::default()
        };
        caller.create_company(company).await.map(|company| company.id)
    };
    let put = async |caller: &Caller, id: &str, parent: &str| {
        let request = pb::UpdateCompanyRequest {
            id: id.to_owned(),
            company: Some(pb::Company { parent_id: Some(parent.to_owned()), ..Default::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["parent_id".to_owned()] }),
        };
        let answer = caller.service.update_company(caller.request(request, &[])).await;
        answer.map(|_| ()).map_err(Refusal::from)
    };
    // Mine stands above a hidden one, which stands above another of mine.
    let (top, low) = (company(&rep, "top", None).await?, company(&rep, "low", None).await?);
    let between = company(&admin, "between", Some(&top)).await?;
    put(&admin, &low, &between).await?;
    let circle = put(&rep, &top, &low).await.unwrap_err();
    // Another of mine at the end of a line that is as long as one may be, with hidden ones in it.
    let mut above = company(&admin, "first", None).await?;
    for _ in 0..49 {
        above = company(&admin, "next", Some(&above)).await?;
    }
    let end = company(&rep, "end", None).await?;
    put(&admin, &end, &above).await?;
    let mine = company(&rep, "mine", None).await?;
    let deep = put(&rep, &mine, &end).await.unwrap_err();
    assert_eq!(circle.violations(), [("/parent_id", "REFERENCE_NOT_POSSIBLE")]);
    assert_eq!(circle.bytes(), deep.bytes());
    // Who sees them all is told which it is.
    assert_eq!(put(&admin, &top, &low).await.unwrap_err().violations(), [("/parent_id", "REFERENCE_CYCLE")]);
    assert_eq!(
        put(&admin, &mine, &end).await.unwrap_err().violations(),
        [("/parent_id", "REFERENCE_TOO_DEEP")]
    );
    Ok(())
}

/// M6d: a restore that meets a hidden value names neither the field nor who has it.
#[tokio::test]
async fn a_restore_that_meets_a_hidden_value_names_nobody() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let rules = [("contact", "custom.serial", FieldAccess::None)];
    let spy = world.caller(admin.tenant, &May { fields: &rules, ..ALL })?;
    let serial = || pb::Contact { first_name: Some("A".into()), ..custom(&json!({"serial": "S-9"})) };
    let first = admin.create(serial()).await?.id;
    admin.delete(&first, &[]).await?;
    let second = admin.create(serial()).await?.id;
    let refused = spy.restore(&first).await.unwrap_err();
    let problem = refused.problem();
    assert_eq!(refused.is(), (409, "DUPLICATE_VALUE"));
    assert!(!problem.to_string().contains(&second), "{problem}");
    assert!(!problem.to_string().contains("serial"), "{problem}");
    // Who sees the field is told.
    let problem = admin.restore(&first).await.unwrap_err().problem();
    assert!(problem.to_string().contains(&second), "{problem}");
    // A visible value that is taken by one, and a hidden one by another: the other is not named.
    let other =
        admin.create(pb::Contact { external_ids: [("erp".into(), "7".into())].into(), ..named("B", "") });
    let other = other.await?.id;
    let both = pb::Contact { external_ids: [("erp".into(), "8".into())].into(), ..serial() };
    admin.delete(&second, &[]).await?;
    let both = admin.create(both).await?.id;
    admin.delete(&both, &[]).await?;
    let change = pb::Contact { external_ids: [("erp".into(), "8".into())].into(), ..Default::default() };
    admin.update(&other, change, &["external_ids"]).await?;
    let third = admin.create(serial()).await?.id;
    let problem = spy.restore(&both).await.unwrap_err().problem().to_string();
    assert!(problem.contains(&other) && !problem.contains(&third), "{problem}");
    Ok(())
}

/// M7: to another, to a team, to nobody: as for a new record.
#[tokio::test]
async fn a_record_is_not_moved_out_of_ones_own_reach() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let rep = world.caller(admin.tenant, &May { actions: &OWN, fields: &[] })?;
    let team = world.people.add("team");
    let mine = rep.create(named("M", "")).await?.id;
    let to = |owner: Option<String>, team: Option<String>| pb::Contact {
        owner_id: owner,
        team_id: team,
        ..named("M", "")
    };
    let away = [
        (to(Some(admin.id.to_string()), None), vec!["owner_id"]),
        (to(None, None), vec!["owner_id"]),
        (to(Some(admin.id.to_string()), Some(team.clone())), vec!["owner_id", "team_id"]),
    ];
    for (contact, paths) in &away {
        let refused = rep.update(&mine, contact.clone(), paths).await.unwrap_err();
        assert_eq!(refused.is(), (403, "PERMISSION_DENIED"), "{paths:?}");
        if contact.owner_id.is_some() {
            let refused = rep.create(contact.clone()).await.unwrap_err();
            assert_eq!(refused.is(), (403, "PERMISSION_DENIED"), "{paths:?}");
        }
    }
    assert_eq!(rep.get(&mine).await?.version, 1);
    // What stays within reach is one's own business.
    rep.update(&mine, to(None, Some(team.clone())), &["team_id"]).await?;
    // Who may assign may give away what they reach, and no other's.
    let assigns: Vec<_> = OWN.iter().copied().chain([("contact", "assign", Scope::Own)]).collect();
    let giver = world.caller(admin.tenant, &May { actions: &assigns, fields: &[] })?;
    for (contact, paths) in &away {
        let id = giver.create(named("G", "")).await?.id;
        giver.update(&id, contact.clone(), paths).await?;
        assert_eq!(giver.get(&id).await.unwrap_err().http(), 404);
    }
    let reads: Vec<_> = [
        ("contact", "read", Scope::All),
        ("contact", "update", Scope::All),
        ("contact", "assign", Scope::Own),
    ]
    .into();
    let editor = world.caller(admin.tenant, &May { actions: &reads, fields: &[] })?;
    editor.update(&mine, to(Some(admin.id.to_string()), None), &["owner_id"]).await?;
    Ok(())
}

/// L5: what a field was before the record was one's own is not told by a stale `If-Match` or `etag`, and still a conflict.
#[tokio::test]
async fn past_values_from_before_the_record_was_ones_own_are_not_told() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let rep = world.caller(admin.tenant, &May { actions: &OWN, fields: &[] })?;
    let titled = |title: &str| pb::Contact { job_title: Some(title.to_owned()), ..Default::default() };
    let contact =
        admin.create(pb::Contact { job_title: Some("Secret one".into()), ..named("A", "") }).await?.id;
    admin.update(&contact, titled("Secret two"), &["job_title"]).await?;
    let mut given = titled("Known three");
    given.owner_id = Some(rep.id.to_string());
    admin.update(&contact, given, &["job_title", "owner_id"]).await?;
    admin.update(&contact, titled("Known four"), &["job_title"]).await?;
    for version in 1..=2 {
        let stale = [("if-match", format!("\"{version}\""))];
        let stale: Vec<(&'static str, &str)> =
            stale.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let refused = rep.update_as(&contact, titled("Mine"), &["job_title"], &stale).await.unwrap_err();
        assert_eq!(refused.is(), (412, "VERSION_STALE"));
        let conflicts = refused.problem()["conflicts"].clone();
        assert_eq!(
            conflicts,
            json!([{"field": "job_title", "base": null, "yours": "Mine", "current": "Known four"}])
        );
        let mut merged = titled("Mine");
        merged.etag = Some(version.to_string());
        let refused = rep.update(&contact, merged, &["job_title", "etag"]).await.unwrap_err();
        assert_eq!(refused.is(), (409, "EDIT_CONFLICT"));
        assert!(!refused.problem().to_string().contains("Secret"), "{}", refused.problem());
    }
    let stale = [("if-match", "\"3\"")];
    let refused = rep.update_as(&contact, titled("Mine"), &["job_title"], &stale).await.unwrap_err();
    assert_eq!(refused.problem()["conflicts"][0]["base"], "Known three");
    // Who sees every record is told what it was.
    let refused = admin
        .update_as(&contact, titled("Mine"), &["job_title"], &[("if-match", "\"1\"")])
        .await
        .unwrap_err();
    assert_eq!(refused.problem()["conflicts"][0]["base"], "Secret one");
    Ok(())
}
