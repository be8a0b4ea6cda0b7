//! The board: cards in their order, what the columns amount to, and what each caller sees of it.

use anyhow::Result;
use proto::common::v1::Money;
use proto::identity::v1::{FieldAccess, Scope};
use proto::pipeline::v1 as pb;

use crate::database::execute;

use super::world::{ALL, Caller, May, Refusal, World, document, named, publication, stage_id};

async fn card(who: &Caller, pipeline: &pb::Pipeline, name: &str, minor: i64) -> Result<pb::Deal> {
    let amount = Money { amount_minor: Some(minor), currency: Some("EUR".to_owned()) };
    let amount = (minor > 0).then_some(amount);
    Ok(who.create_deal(pb::Deal { pipeline_id: Some(pipeline.id.clone()), amount, ..named(name) }).await?)
}

fn asked(pipeline: &pb::Pipeline) -> pb::GetDealBoardRequest {
    pb::GetDealBoardRequest { pipeline_id: Some(pipeline.id.clone()), ..Default::default() }
}

fn names(column: &pb::BoardColumn) -> Vec<&str> {
    column.deals.iter().filter_map(|deal| deal.name.as_deref()).collect()
}

/// The names of the cards of the first column.
async fn first(who: &Caller, pipeline: &pb::Pipeline) -> Result<String> {
    let columns = who.board(asked(pipeline)).await?;
    Ok(names(&columns[0]).join(" "))
}

/// Places a card in its column: behind one, or before one.
async fn placed(
    who: &Caller,
    deal: &pb::Deal,
    (after, before): (Option<&pb::Deal>, Option<&pb::Deal>),
) -> Result<pb::Deal, Refusal> {
    let id = |deal: &pb::Deal| deal.id.clone();
    who.move_deal(pb::MoveDealRequest {
        id: deal.id.clone(),
        stage_id: deal.stage_id.clone(),
        after_id: after.map(id),
        before_id: before.map(id),
        ..Default::default()
    })
    .await
}

#[tokio::test]
async fn a_new_card_comes_first_and_any_card_goes_anywhere() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let mut cards = Vec::new();
    for name in ["a", "b", "c", "d"] {
        world.time.advance(std::time::Duration::from_millis(1));
        cards.push(card(&admin, &made, name, 0).await?);
    }
    let [a, b, c, d] = &cards[..] else { unreachable!("four were made") };
    assert_eq!(first(&admin, &made).await?, "d c b a");
    let moved = placed(&admin, d, (Some(b), None)).await?;
    assert_eq!((first(&admin, &made).await?.as_str(), moved.version), ("c b d a", 2));
    placed(&admin, a, (None, Some(c))).await?;
    assert_eq!(first(&admin, &made).await?, "a c b d");
    placed(&admin, a, (Some(d), None)).await?;
    assert_eq!(first(&admin, &made).await?, "c b d a");
    // Where both are named and are no neighbours, the first counts.
    placed(&admin, c, (Some(b), Some(a))).await?;
    assert_eq!(first(&admin, &made).await?, "b c d a");
    // It is where it is: no change.
    let same = admin.deal(&b.id).await?;
    let stays = pb::MoveDealRequest { id: b.id.clone(), stage_id: None, ..Default::default() };
    assert_eq!(admin.move_deal(stays).await?, same);
    // By a change of stage the card comes first there, or where it is put.
    let demo = stage_id(&made, "demo").to_owned();
    for deal in [a, b] {
        world.time.advance(std::time::Duration::from_millis(1));
        let request =
            pb::MoveDealRequest { id: deal.id.clone(), stage_id: Some(demo.clone()), ..Default::default() };
        admin.move_deal(request).await?;
    }
    let put = pb::MoveDealRequest {
        id: c.id.clone(),
        stage_id: Some(demo.clone()),
        after_id: Some(b.id.clone()),
        ..Default::default()
    };
    admin.move_deal(put).await?;
    let columns = admin.board(asked(&made)).await?;
    assert_eq!((names(&columns[0]), names(&columns[1])), (vec!["d"], vec!["b", "c", "a"]));
    // What comes after a card was put at the top is before it.
    let top = card(&admin, &made, "top", 0).await?;
    placed(&admin, d, (None, Some(&top))).await?;
    world.time.advance(std::time::Duration::from_millis(1));
    card(&admin, &made, "late", 0).await?;
    assert_eq!(first(&admin, &made).await?, "late d top");
    // What is no card of the column is no place, nor is the card itself.
    let refused = placed(&admin, d, (Some(b), None)).await.unwrap_err();
    assert_eq!(refused.violations(), [("/after_id", "REFERENCE_NOT_FOUND")]);
    let refused = placed(&admin, d, (None, Some(d))).await.unwrap_err();
    assert_eq!(refused.violations(), [("/before_id", "OUT_OF_RANGE")]);
    Ok(())
}

#[tokio::test]
async fn any_number_of_cards_goes_to_one_place_and_the_others_do_not_change() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let last = card(&admin, &made, "last", 0).await?;
    // All of one moment: their keys are equal until they are placed.
    for n in 0..5 {
        card(&admin, &made, &format!("n{n}"), 0).await?;
    }
    let top = admin.board(asked(&made)).await?.remove(0).deals.remove(0);
    let wanderers = (card(&admin, &made, "x", 0).await?, card(&admin, &made, "y", 0).await?);
    let before = admin.deal(&last.id).await?;
    let mut longest = 0;
    for n in 0..120 {
        // Each time closer to the top.
        let deal = if n % 2 == 0 { &wanderers.0 } else { &wanderers.1 };
        longest = longest.max(placed(&admin, deal, (Some(&top), None)).await?.rank.len());
        let columns = admin.board(asked(&made)).await?;
        let at = |id: &str| columns[0].deals.iter().position(|deal| deal.id == id).unwrap();
        assert_eq!(at(&deal.id), at(&top.id) + 1, "{n}");
    }
    assert!((20..=60).contains(&longest), "{longest}");
    let after = admin.deal(&last.id).await?;
    assert_eq!((after.version, after.updated_at), (before.version, before.updated_at));
    assert_eq!(admin.board(asked(&made)).await?[0].deals.len(), 8);
    Ok(())
}

#[tokio::test]
async fn a_board_is_there_before_anybody_asked_for_a_pipeline() -> Result<()> {
    let world = World::new().await?;
    let columns = world.admin()?.board(pb::GetDealBoardRequest::default()).await?;
    assert_eq!(columns[0].stage.as_ref().unwrap().key, "qualified");
    Ok(())
}

#[tokio::test]
async fn columns_count_and_sum_up_everything_and_show_it_in_pages() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let mut sent = document();
    sent.stages[0].wip_limit = Some(4);
    let made = admin.create(super::world::with("A", sent)).await?;
    for n in 1..=5 {
        card(&admin, &made, &format!("n{n}"), n * 100).await?;
    }
    let dollars = Money { amount_minor: Some(7), currency: Some("USD".to_owned()) };
    let fields = pb::Deal {
        pipeline_id: Some(made.id.clone()),
        stage_id: Some(stage_id(&made, "demo").to_owned()),
        amount: Some(dollars.clone()),
        ..named("dollars")
    };
    admin.create_deal(fields).await?;
    admin.delete_deal(&card(&admin, &made, "gone", 1_000_000).await?.id).await?;
    let other = admin.make("B").await?;
    card(&admin, &other, "elsewhere", 1_000_000).await?;
    let columns = admin.board(pb::GetDealBoardRequest { limit: Some(2), ..asked(&made) }).await?;
    let keys: Vec<&str> = columns.iter().map(|column| column.stage.as_ref().unwrap().key.as_str()).collect();
    assert_eq!(keys, ["new", "demo", "won", "lost"]);
    let euros = Money { amount_minor: Some(1_500), currency: Some("EUR".to_owned()) };
    let new = &columns[0];
    assert_eq!((new.count.unwrap().value, new.over_limit, &new.sums), (5, true, &vec![euros]));
    assert_eq!((columns[1].count.unwrap().value, &columns[1].sums), (1, &vec![dollars]));
    assert_eq!(
        (columns[2].count.unwrap().value, columns[2].sums.len(), columns[2].over_limit),
        (0, 0, false)
    );
    // The pages of a column hold every card once.
    let mut seen: Vec<String> = new.deals.iter().map(|deal| deal.id.clone()).collect();
    let mut token = new.next_page_token.clone();
    while !token.is_empty() {
        let more = pb::GetDealBoardRequest {
            limit: Some(2),
            stage_id: Some(new.stage.as_ref().unwrap().id.clone()),
            page_token: token,
            ..asked(&made)
        };
        let mut more = admin.board(more).await?;
        assert_eq!(more.len(), 1);
        seen.extend(more[0].deals.iter().map(|deal| deal.id.clone()));
        token = std::mem::take(&mut more[0].next_page_token);
    }
    let all = admin.board(asked(&made)).await?;
    assert_eq!(seen, all[0].deals.iter().map(|deal| deal.id.clone()).collect::<Vec<_>>());
    assert_eq!(seen.len(), 5);
    // A filter is that of the list.
    let some = pb::GetDealBoardRequest { filter: r#"amount >= "4.00 EUR""#.to_owned(), ..asked(&made) };
    let some = admin.board(some).await?;
    let sum = some[0].sums[0].amount_minor;
    assert_eq!((some[0].count.unwrap().value, sum, some[1].count.unwrap().value), (2, Some(900), 0));
    let wrong = pb::GetDealBoardRequest { filter: "amount >".to_owned(), ..asked(&made) };
    assert_eq!(admin.board(wrong).await.unwrap_err().is(), (400, "FILTER_INVALID"));
    let capitals = Some(stage_id(&made, "new").to_uppercase());
    let capitals = admin.board(pb::GetDealBoardRequest { stage_id: capitals, ..asked(&made) }).await?;
    assert!(!capitals[0].is_retired && capitals[0].deals.len() == 5);
    let nowhere =
        pb::GetDealBoardRequest { stage_id: Some(stage_id(&other, "new").to_owned()), ..asked(&made) };
    assert_eq!(admin.board(nowhere).await.unwrap_err().violations(), [("/stage_id", "REFERENCE_NOT_FOUND")]);
    Ok(())
}

#[tokio::test]
async fn a_retired_stage_is_shown_last_while_it_holds_deals() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let stays = card(&admin, &made, "stays", 0).await?;
    let mut without = document();
    without.stages[0] = super::world::stage("fresh", pb::StageKind::Open, 5);
    admin.put(&made.id, without).await?;
    admin.publish(publication(&made.id)).await?;
    let columns = admin.board(asked(&made)).await?;
    let shown: Vec<(&str, bool)> = columns
        .iter()
        .map(|column| (column.stage.as_ref().unwrap().key.as_str(), column.is_retired))
        .collect();
    assert_eq!(shown, [("fresh", false), ("demo", false), ("won", false), ("lost", false), ("new", true)]);
    assert_eq!(
        (names(&columns[4]), columns[4].stage.as_ref().unwrap().name.as_str()),
        (vec!["stays"], "NEW")
    );
    let to = stage_id(&admin.get(&made.id).await?, "fresh").to_owned();
    admin.move_deal(pb::MoveDealRequest { id: stays.id, stage_id: Some(to), ..Default::default() }).await?;
    assert_eq!(admin.board(asked(&made)).await?.len(), 4);
    Ok(())
}

#[tokio::test]
async fn everybody_sees_their_own_cards_and_no_amount_that_is_hidden() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let theirs = card(&admin, &made, "theirs", 500).await?;
    let own = |action| ("deal", action, Scope::Own);
    let rep = May { actions: &[own("read"), own("update"), own("create")], fields: &[] };
    let rep = world.caller(admin.tenant, &rep)?;
    let own = card(&rep, &made, "own", 700).await?;
    let columns = rep.board(asked(&made)).await?;
    assert_eq!(names(&columns[0]), ["own"]);
    assert_eq!((columns[0].count.unwrap().value, columns[0].sums[0].amount_minor), (1, Some(700)));
    // A card that they do not see is no place for theirs.
    let refused = placed(&rep, &own, (Some(&theirs), None)).await.unwrap_err();
    assert_eq!(refused.violations(), [("/after_id", "REFERENCE_NOT_FOUND")]);
    let without = |field| May { fields: field, ..ALL };
    let blind = world.caller(admin.tenant, &without(&[("deal", "amount", FieldAccess::None)]))?;
    let columns = blind.board(asked(&made)).await?;
    assert_eq!((columns[0].count.unwrap().value, columns[0].sums.len()), (2, 0));
    assert!(columns[0].deals.iter().all(|deal| deal.amount.is_none() && deal.weighted_amount.is_none()));
    let timeless =
        world.caller(admin.tenant, &without(&[("deal", "stage_entered_at", FieldAccess::None)]))?;
    let columns = timeless.board(asked(&made)).await?;
    assert!(columns[0].deals.len() == 2 && columns[0].deals.iter().all(|deal| deal.rank.is_empty()));
    let lost = world.caller(admin.tenant, &without(&[("deal", "stage_id", FieldAccess::None)]))?;
    assert_eq!(lost.board(asked(&made)).await.unwrap_err().is().0, 403);
    Ok(())
}

/// What the board says of a column without a filter is kept, and with one it is counted: both are the same, whatever happened.
async fn totals(who: &Caller, pipeline: &pb::Pipeline) -> Result<Vec<(String, i64, Vec<Money>)>> {
    let shown = |columns: Vec<pb::BoardColumn>| -> Vec<(String, i64, Vec<Money>)> {
        let shown =
            |column: pb::BoardColumn| (column.stage.unwrap().key, column.count.unwrap().value, column.sums);
        columns.into_iter().map(shown).collect()
    };
    let kept = shown(who.board(asked(pipeline)).await?);
    let all = r#"name != "nothing has this name""#.to_owned();
    let counted = shown(who.board(pb::GetDealBoardRequest { filter: all, ..asked(pipeline) }).await?);
    assert_eq!(kept, counted);
    Ok(kept)
}

#[tokio::test]
async fn totals_that_are_kept_are_those_that_are_counted_whatever_happens_at_once() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let mine = May { actions: &[("deal", "*", Scope::Own)], fields: &[] };
    let people = [world.caller(admin.tenant, &mine)?, world.caller(admin.tenant, &mine)?, admin.clone()];
    let work = people.iter().enumerate().map(|(n, who)| {
        let (made, who) = (made.clone(), who.clone());
        async move {
            for round in 0..12_u32 {
                let amount = i64::from(round * 7 + 1) * 100;
                let one = card(&who, &made, &format!("{n}-{round}"), amount).await?;
                let key = ["demo", "won", "lost", "new"][(round as usize + n) % 4];
                if key != "new" {
                    let stage_id = Some(stage_id(&made, key).to_owned());
                    who.move_deal(pb::MoveDealRequest { id: one.id.clone(), stage_id, ..Default::default() })
                        .await?;
                }
                let currency = Some(if round % 3 == 0 { "USD" } else { "EUR" }.to_owned());
                let amount = (round % 4 != 0).then_some(Money { amount_minor: Some(amount * 2), currency });
                who.change_deal(&one.id, pb::Deal { amount, ..Default::default() }, &["amount"]).await?;
                if round % 3 == 1 {
                    who.delete_deal(&one.id).await?;
                }
                if round % 6 == 1 {
                    who.restore_deal(&one.id).await?;
                }
            }
            anyhow::Ok(())
        }
    });
    let mut tasks: tokio::task::JoinSet<Result<()>> = work.collect();
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let mut sql = world.sql().await?;
    for who in &people {
        totals(who, &made).await?;
    }
    // Folding changes nothing, and leaves a row for each group.
    let before = totals(&admin, &made).await?;
    let rows = "SELECT count(*) FROM pipeline.deal_total WHERE tenant_id = $1";
    let count = async |sql: &mut sqlx::PgConnection| -> Result<i64> {
        Ok(sqlx::query_scalar(rows).bind(admin.tenant.uuid()).fetch_one(sql).await?)
    };
    let (tenant, pipeline) = (admin.tenant.uuid(), &made.id);
    execute(
        &mut sql,
        format!(
            "BEGIN; SET LOCAL ROLE globcrm_pipeline_app; SELECT set_config('app.tenant', '{tenant}', true);
             SELECT pipeline.fold_deal_totals('{tenant}', ARRAY['{pipeline}'::uuid]); COMMIT"
        ),
    )
    .await?;
    // Four stages, three people, two currencies and none.
    assert!(count(&mut sql).await? <= 36);
    assert_eq!(totals(&admin, &made).await?, before);
    assert!(before.iter().all(|(_, count, _)| *count > 0), "{before:?}");
    Ok(())
}
