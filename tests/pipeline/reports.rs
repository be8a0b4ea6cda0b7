//! The reports: what they count, and what each caller sees of it.

use std::time::Duration;

use anyhow::Result;
use proto::common::v1::Money;
use proto::identity::v1::{FieldAccess, Scope};
use proto::pipeline::v1 as pb;

use super::world::{ALL, Asked, Caller, May, World, document, named, stage_id};

const DAY: Duration = Duration::from_secs(86_400);
const MONTH: pb::ForecastPeriod = pb::ForecastPeriod::Month;

pub(super) fn money(minor: i64, currency: &str) -> Money {
    Money { amount_minor: Some(minor), currency: Some(currency.to_owned()) }
}

/// Two open stages, a won and a lost one; back is allowed.
pub(super) async fn pipeline(who: &Caller, name: &str) -> Result<pb::Pipeline> {
    let mut sent = document();
    sent.rules = None;
    Ok(who.create(super::world::with(name, sent)).await?)
}

pub(super) async fn deal(
    who: &Caller,
    pipeline: &pb::Pipeline,
    amount: Option<Money>,
    date: &str,
) -> Result<pb::Deal> {
    let expected_close_date = (!date.is_empty()).then(|| date.to_owned());
    let deal = pb::Deal { pipeline_id: Some(pipeline.id.clone()), amount, expected_close_date, ..named("A") };
    Ok(who.create_deal(deal).await?)
}

pub(super) async fn go(
    who: &Caller,
    deal: &pb::Deal,
    pipeline: &pb::Pipeline,
    key: &str,
) -> Result<pb::Deal> {
    let stage_id = Some(stage_id(pipeline, key).to_owned());
    Ok(who.move_deal(pb::MoveDealRequest { id: deal.id.clone(), stage_id, ..Default::default() }).await?)
}

async fn lose(who: &Caller, deal: &pb::Deal, pipeline: &pb::Pipeline, reason: &str) -> Result<pb::Deal> {
    let request = pb::MoveDealRequest {
        id: deal.id.clone(),
        stage_id: Some(stage_id(pipeline, "lost").to_owned()),
        fields: Some(pb::Deal { lost_reason: Some(reason.to_owned()), ..Default::default() }),
        ..Default::default()
    };
    Ok(who.move_deal(request).await?)
}

/// What a funnel says of a stage: entered, forward, lost, still there, rate and median.
fn of(funnel: &pb::GetFunnelResponse, key: &str) -> (i64, i64, i64, i64, Option<f64>, Option<f64>) {
    let found = funnel.stages.iter().find(|of| of.stage.as_ref().unwrap().key == key).unwrap();
    (
        found.entered,
        found.left_forward,
        found.left_lost,
        found.still_there,
        found.conversion_rate,
        found.median_seconds,
    )
}

/// Four deals: one is won after three days, one lost after three, one goes back and forth, one stays.
async fn story(world: &World) -> Result<(Caller, pb::Pipeline)> {
    let mut admin = world.admin()?;
    let tenant = admin.tenant;
    let made = pipeline(&admin, "A").await?;
    let a = deal(&admin, &made, Some(money(10_000, "EUR")), "2031-01-10").await?;
    let b = deal(&admin, &made, Some(money(20_000, "EUR")), "2031-01-20").await?;
    let c = deal(&admin, &made, Some(money(333, "USD")), "2031-02-01").await?;
    deal(&admin, &made, None, "").await?;
    let later = |days: u32| -> Result<Caller> {
        world.time.advance(DAY * days);
        world.caller(tenant, &ALL)
    };
    admin = later(1)?;
    go(&admin, &a, &made, "demo").await?;
    go(&admin, &b, &made, "demo").await?;
    admin = later(2)?;
    go(&admin, &a, &made, "won").await?;
    lose(&admin, &b, &made, "price").await?;
    go(&admin, &c, &made, "demo").await?;
    admin = later(2)?;
    go(&admin, &c, &made, "new").await?;
    admin = later(1)?;
    go(&admin, &c, &made, "demo").await?;
    Ok((later(4)?, made))
}

#[tokio::test]
async fn a_deal_counts_once_for_each_stage_by_how_it_left_it_the_last_time() -> Result<()> {
    let world = World::new().await?;
    let (admin, made) = story(&world).await?;
    let day = 86_400.0;
    let funnel = admin.funnel(&Asked::of(&made)).await?;
    let keys: Vec<&str> = funnel.stages.iter().map(|of| of.stage.as_ref().unwrap().key.as_str()).collect();
    assert_eq!(keys, ["new", "demo", "won", "lost"]);
    assert_eq!(of(&funnel, "new"), (4, 3, 0, 1, Some(0.75), Some(day)));
    assert_eq!(of(&funnel, "demo"), (3, 1, 1, 1, Some(1.0 / 3.0), Some(2.0 * day)));
    assert_eq!(of(&funnel, "won"), (1, 0, 0, 1, Some(0.0), None));
    assert_eq!((funnel.won, funnel.lost), (1, 1));
    // Before the deal went on the second time, it had gone back.
    let then = Some(world.clock.now_micros() - DAY * 5 + Duration::from_secs(60));
    let back = admin.funnel(&Asked { as_of: then, ..Asked::of(&made) }).await?;
    assert_eq!(of(&back, "new"), (4, 2, 0, 2, Some(0.5), Some(day)));
    assert_eq!(of(&back, "demo"), (3, 1, 1, 0, Some(1.0 / 3.0), Some(2.0 * day)));
    // The window is that of the creation; its end is not in it.
    let begun = world.clock.now_micros() - DAY * 10;
    let text = |at: time::OffsetDateTime| at.format(&time::format_description::well_known::Rfc3339).unwrap();
    let window = |from: time::OffsetDateTime, to: time::OffsetDateTime| Asked {
        from: text(from),
        to: text(to),
        ..Asked::of(&made)
    };
    let none = admin.funnel(&window(begun - DAY, begun)).await?;
    assert_eq!(of(&none, "new"), (0, 0, 0, 0, None, None));
    let all = admin.funnel(&window(begun, begun + Duration::from_micros(1))).await?;
    assert_eq!(all, funnel);
    let days = Asked {
        from: (begun.date()).to_string(),
        to: begun.date().next_day().unwrap().to_string(),
        ..Asked::of(&made)
    };
    assert_eq!(admin.funnel(&days).await?, funnel);
    Ok(())
}

#[tokio::test]
async fn what_is_open_is_forecast_by_its_date_and_what_was_won_by_its_day() -> Result<()> {
    let world = World::new().await?;
    let (admin, made) = story(&world).await?;
    let won_on = (world.clock.now_micros() - DAY * 7).date();
    let period = |start: Option<String>| pb::Forecast { start, ..Default::default() };
    let won = pb::Forecast {
        won: vec![money(10_000, "EUR")],
        ..period(Some(won_on.replace_day(1).unwrap().to_string()))
    };
    let open = pb::Forecast {
        open: vec![money(333, "USD")],
        // Half of it, rounded half up.
        weighted: vec![money(167, "USD")],
        count: 1,
        ..period(Some("2031-02-01".to_owned()))
    };
    let without = pb::Forecast { count: 1, ..period(None) };
    let found = admin.forecast(&Asked::of(&made), MONTH).await?;
    assert_eq!(found, [won.clone(), open.clone(), without]);
    let window =
        |from: &str, to: &str| Asked { from: from.to_owned(), to: to.to_owned(), ..Asked::of(&made) };
    assert_eq!(admin.forecast(&window("2031-02-01", "2031-02-02"), MONTH).await?, [open]);
    assert_eq!(admin.forecast(&window("", "2031-02-01"), MONTH).await?, [won]);
    for (unit, start) in [
        (pb::ForecastPeriod::Day, "2031-02-01"),
        // A Saturday.
        (pb::ForecastPeriod::Week, "2031-01-27"),
        (pb::ForecastPeriod::Quarter, "2031-01-01"),
        (pb::ForecastPeriod::Year, "2031-01-01"),
    ] {
        let found = admin.forecast(&window("2031-01-01", ""), unit).await?;
        assert_eq!(found[0].start.as_deref(), Some(start), "{unit:?}");
    }
    Ok(())
}

#[tokio::test]
async fn velocity_and_win_loss_are_about_what_was_closed_in_the_window() -> Result<()> {
    let world = World::new().await?;
    let (admin, made) = story(&world).await?;
    let velocity = admin.velocity(&Asked::of(&made)).await?;
    let won = pb::WonVelocity { count: 1, median_days: Some(3.0), p90_days: Some(3.0) };
    assert_eq!(velocity.won, Some(won));
    let stages: Vec<_> = velocity
        .by_stage
        .iter()
        .map(|of| (of.stage.as_ref().unwrap().key.as_str(), of.deals, of.median_seconds))
        .collect();
    // Of the two that were closed; those that are still open do not count.
    let day = 86_400.0;
    assert_eq!(
        stages,
        [("new", 2, Some(day)), ("demo", 2, Some(2.0 * day)), ("won", 0, None), ("lost", 0, None)]
    );
    let found = admin.win_loss(&Asked::of(&made)).await?;
    let price = pb::LostReason { reason: Some("price".to_owned()), count: 1 };
    assert_eq!(found, pb::GetWinLossResponse { won: 1, lost: 1, rate: Some(0.5), lost_reasons: vec![price] });
    let day = (world.clock.now_micros() - DAY * 6).date();
    let later = Asked { from: day.to_string(), ..Asked::of(&made) };
    assert_eq!(admin.win_loss(&later).await?, pb::GetWinLossResponse::default());
    assert_eq!(admin.velocity(&later).await?.won, Some(pb::WonVelocity::default()));
    Ok(())
}

#[tokio::test]
async fn everybody_sees_reports_on_their_own_deals_and_no_field_that_is_hidden() -> Result<()> {
    let world = World::new().await?;
    let (admin, made) = story(&world).await?;
    let own = |action| ("deal", action, Scope::Own);
    let rep = May { actions: &[own("read"), own("update"), own("create")], fields: &[] };
    let rep = world.caller(admin.tenant, &rep)?;
    let asked = Asked::of(&made);
    assert_eq!(of(&rep.funnel(&asked).await?, "new"), (0, 0, 0, 0, None, None));
    assert!(rep.forecast(&asked, MONTH).await?.is_empty());
    let mine = deal(&rep, &made, Some(money(700, "EUR")), "2031-05-05").await?;
    lose(&rep, &mine, &made, "mine").await?;
    assert_eq!(of(&rep.funnel(&asked).await?, "new").0, 1);
    let found = rep.win_loss(&asked).await?;
    assert_eq!((found.won, found.lost, found.lost_reasons.len()), (0, 1, 1));
    assert_eq!(rep.velocity(&asked).await?.by_stage[0].deals, 1);

    let without = |fields| May { fields, ..ALL };
    let hidden = [("deal", "amount", FieldAccess::None)];
    let blind = world.caller(admin.tenant, &without(&hidden))?;
    let seen = blind.forecast(&asked, MONTH).await?;
    assert_eq!(seen.iter().map(|period| period.count).sum::<i64>(), 2);
    assert!(seen.iter().all(|of| of.open.is_empty() && of.weighted.is_empty() && of.won.is_empty()));
    let filtered = Asked { filter: r#"amount > "1.00 EUR""#.to_owned(), ..asked.clone() };
    for refused in [
        blind.funnel(&filtered).await.unwrap_err(),
        blind.forecast(&filtered, MONTH).await.unwrap_err(),
        blind.velocity(&filtered).await.unwrap_err(),
        blind.win_loss(&filtered).await.unwrap_err(),
    ] {
        assert_eq!(refused.is(), (400, "UNKNOWN_FIELD"));
    }
    // The weighted sum would tell what is hidden.
    let hidden = [("deal", "probability", FieldAccess::None)];
    let unsure = world.caller(admin.tenant, &without(&hidden))?;
    let seen = unsure.forecast(&asked, MONTH).await?;
    assert!(seen.iter().all(|period| period.weighted.is_empty()));
    assert!(seen.iter().any(|period| !period.open.is_empty()));

    let hidden = [("deal", "lost_reason", FieldAccess::None)];
    let kind = world.caller(admin.tenant, &without(&hidden))?;
    let found = kind.win_loss(&asked).await?;
    assert_eq!((found.lost, found.lost_reasons.len()), (2, 0));
    let hidden = [("deal", "stage_id", FieldAccess::None), ("deal", "status", FieldAccess::None)];
    let lost = world.caller(admin.tenant, &without(&hidden))?;
    assert_eq!(lost.funnel(&asked).await.unwrap_err().is(), (403, "PERMISSION_DENIED"));
    assert_eq!(lost.velocity(&asked).await.unwrap_err().is(), (403, "PERMISSION_DENIED"));
    assert_eq!(lost.win_loss(&asked).await.unwrap_err().is(), (403, "PERMISSION_DENIED"));
    assert_eq!(lost.forecast(&asked, MONTH).await.unwrap_err().is(), (403, "PERMISSION_DENIED"));
    Ok(())
}

#[tokio::test]
async fn a_wrong_question_is_refused_by_the_name_of_what_is_wrong() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = pipeline(&admin, "A").await?;
    let asked = Asked::of(&made);
    let ahead = Some(world.clock.now_micros() + Duration::from_secs(1));
    let refused = admin.funnel(&Asked { as_of: ahead, ..asked.clone() }).await.unwrap_err();
    assert_eq!((refused.http(), refused.violations()), (422, vec![("/as_of", "DATE_IN_FUTURE")]));
    let window = |from: &str, to: &str| Asked { from: from.to_owned(), to: to.to_owned(), ..asked.clone() };
    let refused = admin.win_loss(&window("yesterday", "2026-13-01")).await.unwrap_err();
    assert_eq!(refused.violations(), [("/from", "TIMESTAMP_INVALID"), ("/to", "TIMESTAMP_INVALID")]);
    let refused = admin.velocity(&window("2026-02-01", "2026-02-01")).await.unwrap_err();
    assert_eq!(refused.violations(), [("/to", "OUT_OF_RANGE")]);
    let refused = admin.forecast(&Asked { filter: "amount >".to_owned(), ..asked.clone() }, MONTH).await;
    assert_eq!(refused.unwrap_err().is(), (400, "FILTER_INVALID"));
    // Of another tenant, of nobody, and no id at all.
    let other = world.admin()?;
    let theirs = pipeline(&other, "B").await?.id;
    for id in [theirs.as_str(), "0190ad00-0000-7000-8000-00000000000a", "x"] {
        let asked = Asked { pipeline_id: Some(id.to_owned()), ..asked.clone() };
        for refused in [
            admin.funnel(&asked).await.unwrap_err(),
            admin.forecast(&asked, MONTH).await.unwrap_err(),
            admin.velocity(&asked).await.unwrap_err(),
            admin.win_loss(&asked).await.unwrap_err(),
        ] {
            assert_eq!(refused.is(), (404, "PIPELINE_NOT_FOUND"));
        }
    }
    // Without deals nothing is counted, and without a pipeline the default one is asked.
    let nothing = admin.funnel(&Asked::default()).await?;
    assert!(nothing.stages.len() > 3 && nothing.stages.iter().all(|of| of.entered == 0), "{nothing:?}");
    assert!(admin.forecast(&asked, MONTH).await?.is_empty());
    assert_eq!(admin.velocity(&asked).await?.won, Some(pb::WonVelocity::default()));
    assert_eq!(admin.win_loss(&asked).await?, pb::GetWinLossResponse::default());
    Ok(())
}

#[tokio::test]
async fn a_forecast_of_too_many_periods_is_refused() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = pipeline(&admin, "A").await?;
    for n in 0..121 {
        deal(&admin, &made, None, &format!("{}-{:02}-01", 2030 + n / 12, 1 + n % 12)).await?;
    }
    deal(&admin, &made, None, "").await?;
    let asked = Asked::of(&made);
    let refused = admin.forecast(&asked, MONTH).await.unwrap_err();
    assert_eq!((refused.http(), refused.violations()), (422, vec![("/period", "TOO_MANY_PERIODS")]));
    assert_eq!(admin.forecast(&asked, pb::ForecastPeriod::Year).await?.len(), 12);
    let some = Asked { to: "2040-01-01".to_owned(), ..asked };
    assert_eq!(admin.forecast(&some, MONTH).await?.len(), 120);
    Ok(())
}
