//! What services ask about the users that a call names: by id, and by address.

use anyhow::Result;
use proto::identity::v1 as pb;

use super::world::{Caller, PASSWORD, World, role, user};

/// The addresses, of those asked for, whose users the caller is told.
async fn found(caller: &Caller, emails: &[&str]) -> Result<Vec<String>> {
    let user_emails = emails.iter().map(|email| (*email).to_owned()).collect();
    let asked = pb::CheckReferencesRequest { user_emails, ..Default::default() };
    let mut found: Vec<String> =
        caller.check_references(asked).await?.user_ids_by_email.into_keys().collect();
    found.sort();
    Ok(found)
}

/// Else an import would tell whoever may not read users which addresses have one.
#[tokio::test]
async fn an_address_names_a_user_whom_the_caller_may_read_or_the_caller() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let north = ada.create_team("North").await?;
    let rep = ada.create_role(role("Rep", "contact", &["*"], pb::Scope::All)).await?.id;
    let lead = ada.create_role(role("Lead", "user", &["read"], pb::Scope::Team)).await?.id;
    let mia = world.member(&ada, &[&rep], &[&north]).await?;
    let leo = world.member(&ada, &[&lead], &[&north]).await?;
    let mut team = [mia.email.as_str(), leo.email.as_str()];
    team.sort_unstable();
    let emails = [ada.email.as_str(), mia.email.as_str(), leo.email.as_str(), "nobody@acme.test"];
    assert_eq!(found(&mia, &emails).await?, [mia.email.as_str()]);
    assert_eq!(found(&leo, &emails).await?, team);
    let mut all = emails[..3].to_vec();
    all.sort_unstable();
    assert_eq!(found(&ada, &emails).await?, all);
    // A key reads what its scopes allow, and is its owner.
    let secret = ada.create_key("k", &["contact.*"]).await?.secret.unwrap();
    let key = ada.with(&world.exchange(&secret).await?.access_token);
    assert_eq!(found(&key, &emails).await?, [ada.email.as_str()]);
    Ok(())
}

/// Whoever made the invitation may still become the user, and would get what was given to the user meanwhile.
#[tokio::test]
async fn who_was_only_invited_owns_nothing_yet() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let bob = ada.create_user(user("bob@acme.test")).await?;
    let by_id = || pb::CheckReferencesRequest { user_ids: vec![bob.id.clone()], ..Default::default() };
    assert_eq!(ada.check_references(by_id()).await?.unknown_user_ids, std::slice::from_ref(&bob.id));
    assert!(found(&ada, &["bob@acme.test"]).await?.is_empty());
    // A manager may be somebody who is still to come.
    let under = pb::User { manager_id: Some(bob.id.clone()), ..user("eve@acme.test") };
    ada.create_user(under).await?;
    world.accept(&bob.invitation_token.clone().unwrap(), PASSWORD).await?;
    assert!(ada.check_references(by_id()).await?.unknown_user_ids.is_empty());
    assert_eq!(found(&ada, &["bob@acme.test"]).await?, ["bob@acme.test"]);
    Ok(())
}

#[tokio::test]
async fn a_users_name_is_told_to_who_may_read_the_user_and_to_the_user() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let north = ada.create_team("North").await?;
    let rep = ada.create_role(role("Rep", "contact", &["*"], pb::Scope::All)).await?.id;
    let lead = ada.create_role(role("Lead", "user", &["read"], pb::Scope::Team)).await?.id;
    let mia = world.member(&ada, &[&rep], &[&north]).await?;
    let leo = world.member(&ada, &[&lead], &[&north]).await?;
    let foreign = world.sign_up().await?;
    let all = [&ada, &mia, &leo].map(|user| user.id.clone());
    let user_ids = [&all[..], &[foreign.id.clone(), "no id".to_owned()]].concat();
    let told = async |caller: &Caller| {
        let asked = pb::GetUserNamesRequest { user_ids: user_ids.clone() };
        let names = caller.get_user_names(asked).await?.names;
        assert_eq!(names.len(), 3, "those who are there, with a name or without");
        assert!(names.iter().all(|name| name.object == "user" && !name.deleted && all.contains(&name.id)));
        let named = names.into_iter().filter(|name| name.name.is_some()).map(|name| name.id);
        let mut named: Vec<usize> =
            named.map(|id| all.iter().position(|known| *known == id).unwrap()).collect();
        named.sort_unstable();
        Ok::<_, anyhow::Error>(named)
    };
    assert_eq!(told(&ada).await?, [0, 1, 2]);
    assert_eq!(told(&mia).await?, [1]);
    assert_eq!(told(&leo).await?, [1, 2]);
    let many = pb::GetUserNamesRequest { user_ids: vec![all[0].clone(); 25_001] };
    assert_eq!(ada.get_user_names(many).await.unwrap_err().is(), (400, "TOO_MANY_IDS"));
    Ok(())
}
