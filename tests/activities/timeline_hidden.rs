//! What ids, page tokens and the order of a timeline say of times that are hidden, which is nothing; and who is shown a purge.

use std::time::Duration;

use anyhow::Result;
use auth::VerifiedTenant;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proto::identity::v1::{FieldAccess, Scope};
use serde_json::{Value, json};
use uuid::Uuid;

use super::timeline::{event, happened, hear, own_events, task_about, told};
use super::world::{Caller, May, World, about};

const EVERYTHING: &[(&str, &str, Scope)] = &[("*", "*", Scope::All)];

#[tokio::test]
async fn ids_and_page_tokens_say_nothing_of_the_time() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let deal = world.known.add("deal");
    let of = ("deal", deal.as_str());
    let events = [1, 2, 3].map(|n| event(&world, &admin, of, "updated", &[("name", Value::Null, n.into())]));
    hear(&world, &events).await?;
    let hidden: &[(&str, &str, FieldAccess)] = &[("deal", "updated_at", FieldAccess::None)];
    let blind = world.caller(admin.tenant, &May { actions: EVERYTHING, fields: hidden })?;
    let (entries, token) = blind.timeline("deal", &deal, "", (2, "")).await?;
    assert_eq!(entries.len(), 2);
    for (entry, event) in entries.iter().zip(events.iter().rev()) {
        let id = Uuid::try_parse(&entry.id)?;
        assert_eq!((entry.at, id.get_version_num()), (None, 8));
        let millis = (event.time.unix_timestamp_nanos() / 1_000_000).to_be_bytes();
        assert_ne!(id.as_bytes()[..5], millis[10..15], "the time is not in the id");
    }
    let bytes = URL_SAFE_NO_PAD.decode(&token)?;
    let micros = (events[1].time.unix_timestamp_nanos() / 1_000).to_be_bytes();
    let is_there = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(!is_there(&micros[10..15]) && !is_there(&events[1].id.as_bytes()[..6]), "nor in the token");
    let (rest, _) = blind.timeline("deal", &deal, "", (2, &token)).await?;
    assert_eq!(rest.len(), 1);
    let ids = async |who: &Caller| -> Result<Vec<String>> {
        let (entries, _) = who.timeline("deal", &deal, "", (10, "")).await?;
        Ok(entries.into_iter().map(|entry| entry.id).collect())
    };
    let before = ids(&blind).await?;
    assert_eq!(before, ids(&admin).await?, "everybody knows an entry by the same id");
    activities::rebuild_timeline(&world.db, VerifiedTenant::from_claim(admin.tenant)).await?;
    assert_eq!(ids(&blind).await?, before, "and by the same one when timelines were made anew");
    Ok(())
}

#[tokio::test]
async fn entries_whose_time_is_hidden_come_after_all_others() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let deal = world.known.add("deal");
    let of = ("deal", deal.as_str());
    let name = |n: i32| [("name", Value::Null, Value::from(n))];
    let created = event(&world, &admin, of, "created", &[]);
    let first = event(&world, &admin, of, "updated", &name(1));
    world.time.advance(Duration::from_secs(1));
    admin.create_activity(task_about("deal", &deal)).await?;
    let second = event(&world, &admin, of, "updated", &name(2));
    world.time.advance(Duration::from_secs(1));
    admin.create(about(&[("deal", &deal)])).await?;
    let own = own_events(&world, &admin).await?;
    hear(&world, &[created, first, second]).await?;
    hear(&world, &own).await?;
    let in_time = ["note:created", "field_change", "activity:created", "field_change", "record:created"];
    assert_eq!(happened(&told(&admin, of, "").await?), in_time);

    let rules = |field| [("deal", field, FieldAccess::None)];
    for (field, expected) in [
        (
            "updated_at",
            ["note:created", "activity:created", "record:created", "field_change", "field_change"],
        ),
        (
            "created_at",
            ["note:created", "field_change", "activity:created", "field_change", "record:created"],
        ),
    ] {
        let blind = world.caller(admin.tenant, &May { actions: EVERYTHING, fields: &rules(field) })?;
        assert_eq!(happened(&told(&blind, of, "").await?), expected, "{field}");
        let (whole, _) = blind.timeline("deal", &deal, "", (10, "")).await?;
        let is_last = whole.iter().map(|entry| entry.at.is_none()).collect::<Vec<_>>();
        assert!(is_last.is_sorted() && is_last[4], "{field}: {is_last:?}");
        // Page by page, the same.
        for size in [1, 2, 3] {
            let (mut paged, mut token) = (Vec::new(), String::new());
            loop {
                let (entries, next) = blind.timeline("deal", &deal, "", (size, &token)).await?;
                paged.extend(entries);
                if next.is_empty() {
                    break;
                }
                token = next;
            }
            assert_eq!(paged, whole, "{field}, pages of {size}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn links_that_a_record_was_created_with_do_not_say_when_or_by_whom() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let [acme, deal] = ["company", "deal"].map(|object| world.known.add(object));
    let tie = [("company_id", Value::Null, Value::from(acme.clone()))];
    hear(&world, &[event(&world, &admin, ("deal", &deal), "created", &tie)]).await?;
    let fields = ["created_at", "created_by"].map(|field| ("deal", field, FieldAccess::None));
    let blind = world.caller(admin.tenant, &May { actions: EVERYTHING, fields: &fields })?;
    for of in [("deal", &deal), ("company", &acme)] {
        let (seen, _) = admin.timeline(of.0, of.1, "", (10, "")).await?;
        assert!(seen.iter().all(|entry| entry.at.is_some() && entry.actor.is_some()), "{seen:?}");
        let (entries, _) = blind.timeline(of.0, of.1, "", (10, "")).await?;
        assert!(!entries.is_empty() && entries.len() == seen.len(), "{entries:?}");
        assert!(entries.iter().all(|entry| entry.at.is_none() && entry.actor.is_none()), "{entries:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_purge_is_shown_to_callers_that_see_all_of_its_object_and_the_link() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let [ada, acme, deal] = ["contact", "company", "deal"].map(|object| world.known.add(object));
    let tie = json!({"company_id": acme});
    let people = json!([{"contact_id": ada}]);
    hear(
        &world,
        &[
            event(&world, &admin, ("contact", &ada), "created", &[("companies", Value::Null, tie)]),
            event(&world, &admin, ("deal", &deal), "created", &[("contacts", Value::Null, people)]),
            event(&world, &admin, ("contact", &ada), "purged", &[]),
        ],
    )
    .await?;
    let sees = async |contacts: Scope,
                      fields: &[(&str, &str, FieldAccess)],
                      of: (&str, &str)|
           -> Result<bool> {
        let actions: &[(&str, &str, Scope)] =
            &[("deal", "read", Scope::All), ("company", "read", Scope::All), ("contact", "read", contacts)];
        let who = world.caller(admin.tenant, &May { actions, fields })?;
        Ok(happened(&told(&who, of, "").await?).contains(&"record:purged".to_owned()))
    };
    let (deal, acme) = (("deal", deal.as_str()), ("company", acme.as_str()));
    for of in [deal, acme] {
        assert!(sees(Scope::All, &[], of).await?, "{of:?}");
        // Whether the contact was one of their own cannot be said any more.
        assert!(!sees(Scope::Own, &[], of).await?, "{of:?}");
        assert!(!sees(Scope::Team, &[], of).await?, "{of:?}");
    }
    let hidden = [("deal", "contacts", FieldAccess::None)];
    assert!(!sees(Scope::All, &hidden, deal).await?, "whoever does not see the contacts of deals");
    assert!(sees(Scope::All, &hidden, acme).await?, "which are not what linked it to the company");
    Ok(())
}
