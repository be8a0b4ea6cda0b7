//! Reports as of an instant: nothing that happens later changes them.

use std::time::Duration;

use anyhow::Result;
use proto::identity::v1::Scope;
use proto::pipeline::v1 as pb;

use super::reports::{deal, go, money, pipeline};
use super::world::{ALL, Asked, Caller, May, World, document, named, publication, stage_id};
use crate::database::Database;

const HOUR: Duration = Duration::from_secs(3_600);

/// The four reports.
type All = (pb::GetFunnelResponse, Vec<pb::Forecast>, pb::GetVelocityResponse, pb::GetWinLossResponse);

async fn all(who: &Caller, asked: &Asked) -> Result<All> {
    Ok((
        who.funnel(asked).await?,
        who.forecast(asked, pb::ForecastPeriod::Month).await?,
        who.velocity(asked).await?,
        who.win_loss(asked).await?,
    ))
}

/// Questions about a pipeline, each with a filter that looks at something else.
fn questions(pipeline: &pb::Pipeline, owner: &str) -> Vec<Asked> {
    let by_owner = format!("owner_id = \"{owner}\"");
    let stage = format!("stage_id = \"{}\"", stage_id(pipeline, "demo"));
    let filters = [
        "",
        by_owner.as_str(),
        stage.as_str(),
        r#"amount >= "5.00 EUR""#,
        r#"weighted_amount >= "5.00 EUR""#,
        r#"custom.tier = "gold""#,
        "custom.seats > 3",
        "NOT custom.note:*",
        "expected_close_date < 2031-06-01",
        r#"status = "open" AND probability > 20"#,
        r#"lost_reason != "price""#,
        "version = 2",
        "deleted_at:*",
    ];
    filters.map(|filter| Asked { filter: filter.to_owned(), ..Asked::of(pipeline) }).to_vec()
}

/// Changes the members that are set.
async fn edit(who: &Caller, id: &str, deal: pb::Deal, paths: &[&str]) -> Result<()> {
    who.change_deal(id, deal, paths).await?;
    Ok(())
}

fn custom(json: &str) -> pb::Deal {
    pb::Deal { custom: json.to_owned().into(), ..Default::default() }
}

#[tokio::test]
async fn nothing_that_happens_later_changes_a_report() -> Result<()> {
    let world = World::on(Database::fresh("globcrm_test_reports", &[pipeline::MIGRATIONS]).await?)?;
    let mut admin = world.admin()?;
    let tenant = admin.tenant;
    let (made, other) = (pipeline(&admin, "A").await?, pipeline(&admin, "B").await?);
    let mut deals = Vec::new();
    for n in 0_u32..12 {
        let date = if n % 4 == 3 { String::new() } else { format!("2031-{:02}-15", 1 + n) };
        let amount = (n % 5 != 4).then(|| money(i64::from(n) * 301, if n % 3 == 0 { "USD" } else { "EUR" }));
        let made_of = deal(&admin, &made, amount, &date).await?;
        let set = format!(r#"{{"tier":"{}","seats":{n}}}"#, if n % 2 == 0 { "gold" } else { "silver" });
        edit(&admin, &made_of.id, custom(&set), &["custom"]).await?;
        deals.push(made_of);
        world.time.advance(Duration::from_secs(7));
    }
    for (n, deal) in deals.iter().enumerate() {
        let key = ["demo", "won", "lost", "new"][n % 4];
        if key != "new" {
            go(&admin, deal, &made, key).await?;
        }
        world.time.advance(Duration::from_secs(11));
    }
    let reason = pb::Deal { lost_reason: Some("price".to_owned()), ..Default::default() };
    edit(&admin, &deals[2].id, reason, &["lost_reason"]).await?;
    // Two in the trash; one of them was there before and comes back.
    admin.delete_deal(&deals[11].id).await?;
    admin.delete_deal(&deals[10].id).await?;
    world.time.advance(Duration::from_secs(1));
    admin.restore_deal(&deals[10].id).await?;
    let first = admin.clone();
    world.time.advance(HOUR);
    admin = world.caller(tenant, &ALL)?;
    let questions = questions(&made, &first.id.to_string());
    let then = world.clock.now_micros();
    let mut before = Vec::new();
    for asked in &questions {
        before.push(all(&admin, asked).await?);
    }
    assert!(before.iter().filter(|found| **found != before[0]).count() > 9, "the filters choose");

    // As of now it is the same as without a moment, and so it stays.
    let same = async |who: &Caller, what: &str| -> Result<()> {
        for (asked, before) in questions.iter().zip(&before) {
            let found = all(who, &Asked { as_of: Some(then), ..asked.clone() }).await?;
            assert_eq!(found, *before, "{what}, {}", asked.filter);
        }
        anyhow::Ok(())
    };
    same(&admin, "at once").await?;

    world.time.advance(HOUR);
    admin = world.caller(tenant, &ALL)?;
    for (n, deal) in deals.iter().enumerate().take(11) {
        match n {
            0 => drop(go(&admin, deal, &made, "won").await?),
            4 => drop(go(&admin, deal, &made, "new").await?),
            8 => drop(go(&admin, deal, &made, "lost").await?),
            7 => {
                let request = pb::ChangeDealPipelineRequest {
                    id: deal.id.clone(),
                    pipeline_id: other.id.clone(),
                    ..Default::default()
                };
                admin.change_pipeline(request).await?;
            }
            _ => {}
        }
        let amount = Some(money(999_999, "GBP"));
        edit(&admin, &deal.id, pb::Deal { amount, ..Default::default() }, &["amount"]).await?;
        edit(&admin, &deal.id, custom(r#"{"tier":null,"seats":9,"note":"x"}"#), &["custom"]).await?;
        let late = pb::Deal {
            expected_close_date: Some("2039-01-01".to_owned()),
            lost_reason: Some("other".to_owned()),
            owner_id: Some(world.people.add("user")),
            ..Default::default()
        };
        edit(&admin, &deal.id, late, &["expected_close_date", "lost_reason", "owner_id"]).await?;
    }
    let own = pb::Deal { probability: Some(99), ..Default::default() };
    edit(&admin, &deals[3].id, own, &["probability"]).await?;
    deal(&admin, &made, Some(money(5, "EUR")), "2031-01-01").await?;
    same(&admin, "edits and moves").await?;

    world.time.advance(HOUR);
    admin = world.caller(tenant, &ALL)?;
    let mut second = document();
    second.stages[0].name = "Renamed".to_owned();
    second.stages[1] = super::world::stage("talk", pb::StageKind::Open, 70);
    admin.put(&made.id, second).await?;
    let stage_mapping = [("demo".to_owned(), "talk".to_owned())].into();
    admin.publish(pb::PublishPipelineRequest { stage_mapping, ..publication(&made.id) }).await?;
    world.map().await?;
    same(&admin, "a publication").await?;
    let now = admin.funnel(&Asked::of(&made)).await?;
    let names: Vec<(&str, bool)> =
        now.stages.iter().map(|of| (of.stage.as_ref().unwrap().name.as_str(), of.is_retired)).collect();
    assert_eq!(names, [("Renamed", false), ("TALK", false), ("WON", false), ("LOST", false), ("DEMO", true)]);

    world.time.advance(HOUR);
    admin = world.caller(tenant, &ALL)?;
    for deal in [0, 1, 2, 3, 5, 9] {
        admin.delete_deal(&deals[deal].id).await?;
    }
    admin.restore_deal(&deals[11].id).await?;
    world.time.advance(Duration::from_secs(1));
    admin.restore_deal(&deals[3].id).await?;
    same(&admin, "the trash").await?;

    // What was purged counts without its fields: not with a filter, and without amounts and reasons.
    world.time.advance(HOUR * 24 * 31);
    let purge = record::Purge {
        role: fleet::Role::Pipeline,
        objects: pipeline::OBJECTS,
        db: world.db.clone(),
        worker: world.worker()?,
        clock: world.clock.clone(),
        wake: events::Wake::default(),
        retention: HOUR * 24 * 30,
    };
    assert_eq!(purge.round().await?, 5);
    admin = world.caller(tenant, &ALL)?;
    let found = all(&admin, &Asked { as_of: Some(then), ..Asked::of(&made) }).await?;
    let (funnel, forecast, velocity, win_loss) = &before[0];
    assert_eq!((&found.0, &found.2), (funnel, velocity));
    let (counts, of_reasons) = (
        |found: &pb::GetWinLossResponse| (found.won, found.lost, found.rate),
        |found: &pb::GetWinLossResponse| found.lost_reasons.iter().map(|of| of.count).sum::<i64>(),
    );
    assert_eq!((counts(&found.3), of_reasons(&found.3)), (counts(win_loss), of_reasons(win_loss)));
    assert!(found.3.lost_reasons.iter().all(|of| of.reason.is_none()), "{:?}", found.3);
    let open = |periods: &[pb::Forecast]| periods.iter().map(|period| period.count).sum::<i64>();
    assert_eq!(open(&found.1), open(forecast));
    let filtered = Asked { as_of: Some(then), filter: "name:*".to_owned(), ..Asked::of(&made) };
    let found = all(&admin, &filtered).await?;
    assert_eq!(found.0.stages[0].entered, funnel.stages[0].entered - 5);
    // One that was in the trash by then is not in a report of then, and is gone from those of now.
    let later = Asked { as_of: Some(world.clock.now_micros() - HOUR), ..Asked::of(&made) };
    assert_eq!(all(&admin, &later).await?, all(&admin, &Asked::of(&made)).await?);
    assert_eq!(admin.funnel(&later).await?.stages[0].entered, 8);
    Ok(())
}

#[tokio::test]
async fn who_may_not_read_a_deal_now_does_not_see_it_in_a_report_of_then() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = pipeline(&admin, "A").await?;
    let own = |action| ("deal", action, Scope::Own);
    let mine = May { actions: &[own("read"), own("create")], fields: &[] };
    let rep = world.caller(admin.tenant, &mine)?;
    let (kept, given) = (deal(&rep, &made, None, "").await?, deal(&rep, &made, None, "").await?);
    let taken = deal(&admin, &made, None, "").await?;
    world.time.advance(Duration::from_secs(10));
    let asked = Asked { as_of: Some(world.clock.now_micros()), ..Asked::of(&made) };
    world.time.advance(Duration::from_secs(10));
    let to = |id: String| pb::Deal { owner_id: Some(id), ..Default::default() };
    world.people.insert("user", rep.id);
    edit(&admin, &given.id, to(world.people.add("user")), &["owner_id"]).await?;
    edit(&admin, &taken.id, to(rep.id.to_string()), &["owner_id"]).await?;
    edit(&admin, &kept.id, named("Other"), &["name"]).await?;
    let (funnel, forecast, ..) = all(&rep, &asked).await?;
    assert_eq!((funnel.stages[0].entered, forecast[0].count), (2, 2));
    // The filter compares the owner of then.
    let was = Asked { filter: format!("owner_id = \"{}\"", admin.id), ..asked.clone() };
    assert_eq!(all(&rep, &was).await?.0.stages[0].entered, 1);
    assert_eq!(all(&admin, &was).await?.0.stages[0].entered, 1);
    Ok(())
}

#[tokio::test]
async fn every_field_can_be_filtered_by_as_of_then() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = pipeline(&admin, "A").await?;
    let kept = deal(&admin, &made, Some(money(5, "EUR")), "2031-01-01").await?;
    let then = world.clock.now_micros();
    world.time.advance(Duration::from_secs(10));
    go(&admin, &kept, &made, "demo").await?;
    edit(&admin, &kept.id, custom(r#"{"tier":"gold","note":"x","boss":null}"#), &["custom"]).await?;
    let standard = pipeline::OBJECTS[0].table().fields.iter().map(query::Field::name);
    let custom =
        ["custom.tier", "custom.seats", "custom.renewal", "custom.serial", "custom.boss", "custom.note"];
    for field in standard.chain(custom) {
        let asked = Asked { as_of: Some(then), filter: format!("{field}:*"), ..Asked::of(&made) };
        let set = all(&admin, &asked).await.map_err(|error| error.context(field))?.0.stages[0].entered;
        let not = Asked { filter: format!("NOT {field}:*"), ..asked };
        assert_eq!(set + all(&admin, &not).await?.0.stages[0].entered, 1, "{field}");
    }
    // There is no index of values of then.
    let asked = Asked { as_of: Some(then), filter: r#"custom.serial:"S""#.to_owned(), ..Asked::of(&made) };
    assert_eq!(admin.funnel(&asked).await.unwrap_err().http(), 422);
    Ok(())
}
