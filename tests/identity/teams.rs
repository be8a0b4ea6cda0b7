//! Teams: changed, moved in their tree, deleted.

use anyhow::Result;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server::IdentityService;

use super::world::{Caller, Refusal, World, done, mask, role};

async fn put(caller: &Caller, id: &str, team: pb::Team, paths: &[&str]) -> Result<pb::Team, Refusal> {
    put_if(caller, id, team, paths, None).await
}

async fn put_if(
    caller: &Caller,
    id: &str,
    team: pb::Team,
    paths: &[&str],
    if_match: Option<&str>,
) -> Result<pb::Team, Refusal> {
    let mut request = caller.request(pb::UpdateTeamRequest {
        id: id.to_owned(),
        team: Some(team),
        update_mask: Some(mask(paths)),
    });
    if let Some(condition) = if_match {
        request.metadata_mut().insert("if-match", condition.parse().unwrap());
    }
    Ok(done(caller.service.update_team(request).await)?.team.unwrap())
}

fn named(name: &str) -> pb::Team {
    pb::Team { name: name.to_owned(), ..pb::Team::default() }
}

fn under(parent: Option<&str>) -> pb::Team {
    pb::Team { parent_id: parent.map(str::to_owned), ..pb::Team::default() }
}

async fn delete(caller: &Caller, id: &str) -> Result<(), Refusal> {
    caller.delete_team(pb::DeleteTeamRequest { id: id.to_owned() }).await.map(|_| ())
}

async fn get(caller: &Caller, id: &str) -> Result<pb::Team, Refusal> {
    Ok(caller.get_team(pb::GetTeamRequest { id: id.to_owned() }).await?.team.unwrap())
}

#[tokio::test]
async fn a_team_is_renamed_and_moved_under_the_condition_of_its_version() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let top = ada.create_team("Top").await?;
    let low = ada.create_team_under(&top).await?;
    let changed = put_if(&ada, &low, named("North"), &["name"], Some("\"1\"")).await?;
    assert_eq!(
        (changed.version, changed.name.as_str(), changed.parent_id.as_deref()),
        (2, "North", Some(&*top))
    );
    let stale = put_if(&ada, &low, named("Late"), &["name"], Some("\"1\"")).await.unwrap_err();
    assert_eq!(stale.is(), (412, "VERSION_STALE"));
    assert_eq!(put(&ada, &low, named("North"), &["name"]).await?.version, 2, "nothing has changed");
    assert_eq!(put(&ada, &low, under(None), &["parent_id"]).await?.parent_id, None);
    assert_eq!(put(&ada, &low, under(Some(&top)), &["parent_id"]).await?.version, 4);

    let nameless = put(&ada, &low, named(" "), &["name"]).await.unwrap_err();
    assert_eq!(nameless.violations(), [("/name", "REQUIRED")]);
    for parent in [&low, &top] {
        let circle = put(&ada, &top, under(Some(parent)), &["parent_id"]).await.unwrap_err();
        assert_eq!(circle.violations(), [("/parent_id", "REFERENCE_CYCLE")]);
    }
    let eve = world.sign_up().await?;
    let foreign = eve.create_team("Foreign").await?;
    let random = world.clock.new_uuid().to_string();
    for parent in [&foreign, &random] {
        let unknown = put(&ada, &low, under(Some(parent)), &["parent_id"]).await.unwrap_err();
        assert_eq!(unknown.violations(), [("/parent_id", "REFERENCE_NOT_FOUND")]);
    }
    assert_eq!(put(&eve, &low, named("Mine"), &["name"]).await.unwrap_err().is(), (404, "TEAM_NOT_FOUND"));
    assert_eq!(get(&ada, &low).await?.version, 4);
    Ok(())
}

#[tokio::test]
async fn a_deleted_team_is_nowhere_and_its_members_see_nothing_by_it() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let reads = ada.create_role(role("Reads", "contact", &["read"], pb::Scope::Team)).await?.id;
    let (north, south) = (ada.create_team("North").await?, ada.create_team("South").await?);
    let bob = world.member(&ada, &[&reads], &[&north, &south]).await?;
    let eve = world.member(&ada, &[&reads], &[&north]).await?;
    let before = bob.snapshot().await?;
    assert!(before.team_member_ids.contains(&eve.id));
    let shown = |id: &str| pb::GetUserRequest { id: id.to_owned() };
    let version = ada.get_user(shown(&bob.id)).await?.user.unwrap().version;

    delete(&ada, &north).await?;
    let after = bob.snapshot().await?;
    assert!(after.version > before.version);
    assert_eq!((after.team_ids, after.team_member_ids), (vec![south.clone()], vec![bob.id.clone()]));
    let user = ada.get_user(shown(&bob.id)).await?.user.unwrap();
    assert_eq!((user.team_ids, user.version), (vec![south.clone()], version + 1));
    assert_eq!(get(&ada, &north).await.unwrap_err().is(), (404, "TEAM_NOT_FOUND"));
    assert_eq!(delete(&ada, &north).await.unwrap_err().is(), (404, "TEAM_NOT_FOUND"));
    assert_eq!(put(&ada, &north, named("X"), &["name"]).await.unwrap_err().is(), (404, "TEAM_NOT_FOUND"));
    let listed = ada.list_teams(pb::ListTeamsRequest::default()).await?.teams;
    assert_eq!(listed.into_iter().map(|t| t.id).collect::<Vec<_>>(), std::slice::from_ref(&south));
    // Nobody joins it, nothing is put under it, and no service takes it for one.
    let joins = pb::User { team_ids: vec![north.clone()], ..pb::User::default() };
    let refused = ada.change_user(&eve.id, joins, &["team_ids"], None).await.unwrap_err();
    assert_eq!(refused.violations(), [("/team_ids/0", "REFERENCE_NOT_FOUND")]);
    let refused = put(&ada, &south, under(Some(&north)), &["parent_id"]).await.unwrap_err();
    assert_eq!(refused.violations(), [("/parent_id", "REFERENCE_NOT_FOUND")]);
    let asked = pb::CheckReferencesRequest { team_ids: vec![south, north.clone()], ..Default::default() };
    assert_eq!(ada.check_references(asked).await?.unknown_team_ids, std::slice::from_ref(&north));

    // One event of the team, one of each member, and a fence for all.
    let mut sql = world.sql().await?;
    let tenant = uuid::Uuid::parse_str(&ada.tenant)?;
    let events: Vec<(String, i64)> = sqlx::query_as(
        "SELECT type, count(*) FROM identity.outbox WHERE tenant_id = $1 AND record_id = ANY($2)
         AND type IN ('identity.team.deleted.v1', 'identity.user.updated.v1') GROUP BY type ORDER BY type",
    )
    .bind(tenant)
    .bind([&north, &bob.id, &eve.id].map(|id| uuid::Uuid::parse_str(id).unwrap()))
    .fetch_all(&mut sql)
    .await?;
    let wanted = [("identity.team.deleted.v1", 1), ("identity.user.updated.v1", 2)];
    assert_eq!(events, wanted.map(|(name, count)| (name.to_owned(), count)));
    let fence: Option<i64> =
        sqlx::query_scalar("SELECT max(min_version) FROM identity.authz_fence WHERE tenant_id = $1")
            .bind(tenant)
            .fetch_one(&mut sql)
            .await?;
    assert_eq!(fence, Some(after.version));
    Ok(())
}

#[tokio::test]
async fn a_team_with_teams_below_it_stays() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let top = ada.create_team("Top").await?;
    let low = ada.create_team_under(&top).await?;
    assert_eq!(delete(&ada, &top).await.unwrap_err().is(), (409, "TEAM_IN_USE"));
    delete(&ada, &low).await?;
    delete(&ada, &top).await?;
    Ok(())
}

#[tokio::test]
async fn a_team_goes_only_by_whoever_could_take_out_each_of_its_members() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let keeper = ada.create_role(role("Keeper", "team", &["*"], pb::Scope::All)).await?.id;
    let owner = ada
        .create_role(role("Owner", "team", &["create", "read", "update", "delete"], pb::Scope::Own))
        .await?
        .id;
    let reads = ada.create_role(role("Reads", "contact", &["read"], pb::Scope::Team)).await?.id;
    let (north, empty) = (ada.create_team("North").await?, ada.create_team("Empty").await?);
    let mia = world.member(&ada, &[&keeper], &[]).await?;
    let own = world.member(&ada, &[&owner], &[]).await?;
    world.member(&ada, &[&reads], &[&north]).await?;
    world.member(&ada, &[&reads], &[&north]).await?;
    // Members of the team see each other's contacts, which Mia does not reach.
    let refused = delete(&mia, &north).await.unwrap_err();
    assert!(
        refused.is() == (403, "TEAM_EXCEEDS_CALLER") || refused.is() == (403, "ROLE_EXCEEDS_CALLER"),
        "{refused}"
    );
    assert_eq!(get(&ada, &north).await?.version, 1);
    delete(&mia, &empty).await?;
    // The scope `own` reaches the teams that one has made.
    assert_eq!(delete(&own, &north).await.unwrap_err().is(), (404, "TEAM_NOT_FOUND"));
    assert_eq!(put(&own, &north, named("Mine"), &["name"]).await.unwrap_err().is(), (404, "TEAM_NOT_FOUND"));
    let mine = own.create_team("Mine").await?;
    put(&own, &mine, named("Still mine"), &["name"]).await?;
    let joins = pb::User { team_ids: vec![mine.clone()], ..pb::User::default() };
    ada.change_user(&own.id, joins, &["team_ids"], None).await?;
    assert_eq!(delete(&own, &mine).await.unwrap_err().is(), (403, "TEAM_EXCEEDS_CALLER"));
    delete(&ada, &mine).await?;
    delete(&ada, &north).await?;
    Ok(())
}
