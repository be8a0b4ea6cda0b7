//! The address of a user's calendar: made, shown once, replaced, ended.

use anyhow::Result;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server::IdentityService;
use tonic::Request;

use super::world::{Caller, Refusal, World, done};

impl World {
    async fn owner(&self, token: &str) -> Result<(String, String), Refusal> {
        let request = Request::new(pb::ResolveCalendarFeedRequest { token: token.to_owned() });
        let owner = done(self.service.resolve_calendar_feed(request).await)?;
        Ok((owner.tenant_id, owner.user_id))
    }
}

/// The token of a new address.
async fn token(who: &Caller) -> Result<String, Refusal> {
    let made = who.create_calendar_feed(pb::CreateCalendarFeedRequest {}).await?.calendar_feed.unwrap();
    assert!(!format!("{made:?}").contains("gcf_"), "{made:?}");
    let path = made.path.unwrap();
    Ok(path.strip_prefix("/calendar/").unwrap().strip_suffix(".ics").unwrap().to_owned())
}

#[tokio::test]
async fn an_address_is_its_users_until_it_ends() -> Result<()> {
    let world = World::new().await?;
    let (ada, bob) = (world.sign_up().await?, world.sign_up().await?);
    let (first, other) = (token(&ada).await?, token(&bob).await?);
    // 256 bits, of which only a hash is kept.
    assert!(first.starts_with("gcf_") && first.rsplit('.').next().unwrap().len() == 43, "{first}");
    let own = (ada.tenant.clone(), ada.id.clone());
    assert_eq!(world.owner(&first).await?, own);
    let secret = |token: &str| token.rsplit_once('.').unwrap().1.to_owned();
    let forged = format!("{}.{}", first.rsplit_once('.').unwrap().0, secret(&other));
    let gone = async |token: &str| {
        let refusal = world.owner(token).await.unwrap_err();
        (refusal.http(), refusal.reason().to_owned())
    };
    let ended = (404, "CALENDAR_FEED_NOT_FOUND".to_owned());
    assert_eq!(gone(&forged).await, ended);
    let second = token(&ada).await?;
    assert_eq!(gone(&first).await, ended);
    assert_eq!(world.owner(&second).await?, own);

    // Whoever may not log in has none, also before anything else has ended it.
    let set =
        "UPDATE identity.app_user SET state = $3 WHERE tenant_id = $1::text::uuid AND id = $2::text::uuid";
    for (state, found) in [("disabled", false), ("active", true)] {
        sqlx::query(set).bind(&ada.tenant).bind(&ada.id).bind(state).execute(&mut world.sql().await?).await?;
        assert_eq!(world.owner(&second).await.is_ok(), found, "{state}");
    }
    ada.delete_calendar_feed(pb::DeleteCalendarFeedRequest {}).await?;
    assert_eq!(gone(&second).await, ended);
    assert_eq!(world.owner(&other).await?, (bob.tenant.clone(), bob.id.clone()));
    let none = ada.delete_calendar_feed(pb::DeleteCalendarFeedRequest {}).await.unwrap_err();
    assert_eq!(none.is(), (404, "CALENDAR_FEED_NOT_FOUND"));
    Ok(())
}

#[tokio::test]
async fn a_use_is_noted_every_five_minutes_and_forgotten_with_the_address() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let shown = async || -> Result<pb::CalendarFeed> {
        Ok(ada.get_calendar_feed(pb::GetCalendarFeedRequest {}).await?.calendar_feed.unwrap())
    };
    let token = self::token(&ada).await?;
    let made = shown().await?;
    assert_eq!((made.last_used_at, made.path), (None, None));
    let mut used = Vec::new();
    for seconds in [0, 299, 2] {
        world.advance_seconds(seconds);
        world.owner(&token).await?;
        used.push(shown().await?.last_used_at.unwrap());
    }
    assert_eq!(used[0], used[1], "so soon it is not noted again");
    assert_eq!(used[2].seconds - used[0].seconds, 301);
    self::token(&ada).await?;
    assert_eq!(shown().await?.last_used_at, None);
    Ok(())
}

#[tokio::test]
async fn versions_go_on_after_an_address_has_ended() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    for _ in 0..2 {
        token(&ada).await?;
        token(&ada).await?;
        ada.delete_calendar_feed(pb::DeleteCalendarFeedRequest {}).await?;
        let none = ada.get_calendar_feed(pb::GetCalendarFeedRequest {}).await.unwrap_err();
        assert_eq!(none.is(), (404, "CALENDAR_FEED_NOT_FOUND"));
    }
    let query = "SELECT version FROM identity.outbox
                 WHERE record_id = $1::text::uuid AND type LIKE 'identity.calendar_feed.%' ORDER BY seq";
    let versions: Vec<i64> =
        sqlx::query_scalar(query).bind(&ada.id).fetch_all(&mut world.sql().await?).await?;
    assert_eq!(versions, [1, 2, 3, 4, 5, 6]);
    Ok(())
}
