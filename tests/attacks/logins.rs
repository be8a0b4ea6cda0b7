//! Guessing passwords, and keeping others out by it.

mod accounts;
mod floods;
mod names;
mod resets;

use anyhow::Result;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server::IdentityService;

use crate::identity::world::{Caller, PASSWORD, Refusal, World, done, from};

const WRONG: (u16, &str) = (401, "CREDENTIALS_INVALID");
const SLOWED: (u16, &str) = (429, "LOGIN_THROTTLED");

/// A login at the account of `owner`, from an address and, if known, with what a device was given.
async fn login(
    world: &World,
    owner: &Caller,
    address: &str,
    device: Option<&str>,
    password: &str,
) -> Result<pb::LoginResponse, Refusal> {
    let request = pb::LoginRequest {
        organization: owner.slug.clone(),
        email: owner.email.clone(),
        password: password.to_owned(),
        device_token: device.map(str::to_owned),
    };
    done(world.service.login(from(address, request)).await)
}

/// Fails once from each of so many networks.
async fn guess(world: &World, owner: &Caller, times: usize) -> Result<()> {
    for _ in 0..times {
        let refused = login(world, owner, &world.network(), None, "a guess of many").await.unwrap_err();
        anyhow::ensure!(refused.is() == WRONG, "{refused}");
    }
    Ok(())
}

#[tokio::test]
async fn guesses_from_elsewhere_do_not_keep_the_owner_out() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let (thief, home) = (world.network(), world.network());
    for _ in 0..5 {
        assert_eq!(login(&world, &ada, &thief, None, "a guess").await.unwrap_err().is(), WRONG);
    }
    assert_eq!(login(&world, &ada, &thief, None, PASSWORD).await.unwrap_err().is(), SLOWED);
    login(&world, &ada, &home, None, PASSWORD).await?;
    Ok(())
}

#[tokio::test]
async fn guesses_from_many_networks_are_slowed_and_the_owner_still_comes_in() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let home = world.network();
    let device = login(&world, &ada, &home, None, PASSWORD).await?.device_token.unwrap();
    guess(&world, &ada, 20).await?;
    // Nobody knows these: wrong or right, they wait.
    for password in ["a guess", PASSWORD] {
        let refused = login(&world, &ada, &world.network(), None, password).await.unwrap_err();
        assert_eq!(refused.is(), SLOWED);
        assert!(refused.retry_after().is_some());
    }
    login(&world, &ada, &home, None, PASSWORD).await?;
    let again = login(&world, &ada, &world.network(), Some(&device), PASSWORD).await?;
    // Nor is the owner's own network, spoilt by somebody else in it, in the way of a device.
    for _ in 0..5 {
        assert_eq!(login(&world, &ada, &home, None, "a guess").await.unwrap_err().is(), SLOWED);
    }
    assert_eq!(login(&world, &ada, &home, None, PASSWORD).await.unwrap_err().is(), SLOWED);
    login(&world, &ada, &home, again.device_token.as_deref(), PASSWORD).await?;

    // There is no mail yet: the user finds it in the audit log, once.
    let mut sql = world.sql().await?;
    let noted: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM identity.audit_log WHERE tenant_id = $1 AND action = 'identity.user.slow_logins'",
    )
    .bind(uuid::Uuid::parse_str(&ada.tenant)?)
    .fetch_one(&mut sql)
    .await?;
    assert_eq!(noted, 1);
    Ok(())
}

/// Whoever does not know the password learns nothing: not whether there is such an account, nor from where it logs in. Before the
/// account waits, when it begins to, while it does, and when this network does too.
#[tokio::test]
async fn a_stranger_sees_no_difference_between_accounts_nor_between_networks() -> Result<()> {
    let world = World::new().await?;
    let (known, elsewhere) = (world.sign_up().await?, world.sign_up().await?);
    let (mut nobody, mut nowhere) = (known.clone(), known.clone());
    nobody.who.email = format!("nobody-{}", known.email);
    nowhere.who.slug = format!("no-{}", known.slug);
    let mut seen = Vec::new();
    for account in [&known, &elsewhere, &nobody, &nowhere] {
        let here = world.network();
        if std::ptr::eq(account, &raw const known) {
            login(&world, account, &here, None, PASSWORD).await?;
        }
        let mut answers = Vec::new();
        let mut note = |refused: Refusal| answers.push(refused);
        note(login(&world, account, &here, None, "a guess").await.unwrap_err());
        guess(&world, account, 18).await?;
        // The twentieth failure, and one more from elsewhere.
        note(login(&world, account, &here, None, "a guess").await.unwrap_err());
        note(login(&world, account, &world.network(), None, "a guess").await.unwrap_err());
        for _ in 0..5 {
            note(login(&world, account, &here, None, "a guess").await.unwrap_err());
        }
        seen.push(answers);
    }
    assert_eq!((seen[0][0].is(), seen[0][2].is()), (WRONG, SLOWED));
    // While it waits the right password is as wrong as any, however often it is tried.
    let tries = async |password: &str| {
        let owner = world.sign_up().await?;
        guess(&world, &owner, 20).await?;
        // The account waits for less now than a network that begins to.
        world.hand.advance(std::time::Duration::from_secs(20));
        let (here, mut answers) = (world.network(), Vec::new());
        for _ in 0..8 {
            answers.push(login(&world, &owner, &here, None, password).await.unwrap_err());
        }
        Ok::<_, anyhow::Error>(answers)
    };
    assert_eq!(tries(PASSWORD).await?, tries("a guess").await?);
    for (other, answers) in seen.iter().enumerate() {
        assert_eq!(answers, &seen[0], "account {other}");
    }
    // The owner is not kept out for that.
    let home = world.network();
    let owner = world.sign_up().await?;
    login(&world, &owner, &home, None, PASSWORD).await?;
    guess(&world, &owner, 20).await?;
    login(&world, &owner, &home, None, PASSWORD).await?;
    Ok(())
}

#[tokio::test]
async fn a_device_is_known_by_its_latest_tokens_and_to_its_own_user_only() -> Result<()> {
    let world = World::new().await?;
    let (ada, eve) = (world.sign_up().await?, world.sign_up().await?);
    let bob = world.member(&ada, &[], &[]).await?;
    let away = || world.network();
    let first = login(&world, &ada, &away(), None, PASSWORD).await?.device_token.unwrap();
    let second = login(&world, &ada, &away(), Some(&first), PASSWORD).await?.device_token.unwrap();
    assert_ne!(first, second);
    // The one before is good once more: an answer may be lost on its way.
    let third = login(&world, &ada, &away(), Some(&first), PASSWORD).await?.device_token.unwrap();
    let of_bob = login(&world, &bob, &away(), None, PASSWORD).await?.device_token.unwrap();
    let of_eve = login(&world, &eve, &away(), None, PASSWORD).await?.device_token.unwrap();
    guess(&world, &ada, 20).await?;
    let other = if third.ends_with('A') { 'B' } else { 'A' };
    let altered = format!("{}{other}", &third[..third.len() - 1]);
    for bad in [of_bob.as_str(), &of_eve, &first, &altered, "gdv_nonsense", ""] {
        let refused = login(&world, &ada, &away(), Some(bad), PASSWORD).await.unwrap_err();
        assert_eq!(refused.is(), SLOWED, "{bad}");
    }
    login(&world, &ada, &away(), Some(&third), PASSWORD).await?;
    Ok(())
}

#[tokio::test]
async fn a_stolen_device_guesses_no_faster_than_anybody() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let device = login(&world, &ada, &world.network(), None, PASSWORD).await?.device_token.unwrap();
    for _ in 0..5 {
        let guessed = login(&world, &ada, &world.network(), Some(&device), "a guess").await.unwrap_err();
        assert_eq!(guessed.is(), WRONG);
    }
    let slowed = login(&world, &ada, &world.network(), Some(&device), PASSWORD).await.unwrap_err();
    assert_eq!(slowed.is(), SLOWED);
    // Its failures are its own: the owner is not kept out by them.
    login(&world, &ada, &world.network(), None, PASSWORD).await?;
    Ok(())
}

#[tokio::test]
async fn the_first_64_bits_are_one_network_and_an_address_in_another_form_the_same() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let prefix = world.network().trim_end_matches("::1").to_owned();
    for last in 1..=5 {
        let refused = login(&world, &ada, &format!("{prefix}::{last}"), None, "a guess").await.unwrap_err();
        assert_eq!(refused.is(), WRONG);
    }
    assert_eq!(
        login(&world, &ada, &format!("{prefix}:a:b:c:d"), None, PASSWORD).await.unwrap_err().is(),
        SLOWED
    );
    let [.., a, b, c] = world.clock.new_uuid().into_bytes();
    let (plain, mapped) = (format!("10.{a}.{b}.{c}"), format!("::ffff:10.{a}.{b}.{c}"));
    for address in [&plain, &mapped, &plain, &mapped, &plain] {
        assert_eq!(login(&world, &ada, address, None, "a guess").await.unwrap_err().is(), WRONG);
    }
    assert_eq!(login(&world, &ada, &mapped, None, PASSWORD).await.unwrap_err().is(), SLOWED);
    Ok(())
}
