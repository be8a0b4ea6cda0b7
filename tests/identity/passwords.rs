//! Passwords: one form at every place where one is set or checked.

use anyhow::Result;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server::IdentityService;

use super::world::{World, done, from, sign_up_request, user};

/// One password as three keyboards send it: composed, decomposed, and with a space that does not break.
const COMPOSED: &str = "Zoë-Ångström 77 kelp";
const DECOMPOSED: &str = "Zoe\u{308}-A\u{30a}ngstro\u{308}m 77 kelp";
const SPACED: &str = "Zoë-\u{212b}ngström\u{a0}77\u{3000}kelp";

#[tokio::test]
async fn a_password_is_the_same_whichever_keyboard_sends_it() -> Result<()> {
    let world = World::new().await?;
    for (set, sent) in [(COMPOSED, [DECOMPOSED, SPACED]), (DECOMPOSED, [COMPOSED, SPACED])] {
        let slug = world.word("t");
        let email = format!("ada@{slug}.test");
        let request = pb::SignUpRequest { password: set.to_owned(), ..sign_up_request(&slug, &email) };
        let made = done(world.service.sign_up(from(&world.network(), request)).await)?;
        world.watch(made.tenant.unwrap().id.parse()?);
        for sent in sent {
            world.login(&slug, &email, sent).await?;
            assert_eq!(
                world.login(&slug, &email, &sent.to_lowercase()).await.unwrap_err().is(),
                (401, "CREDENTIALS_INVALID")
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_invitation_and_a_change_set_the_same_form() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let token = ada.create_user(user("bob@acme.test")).await?.invitation_token.unwrap();
    let bob = world.accept(&token, DECOMPOSED).await?.access_token;
    world.login(&ada.slug, "bob@acme.test", COMPOSED).await?;
    let change = |current: &str, new: &str| pb::ChangePasswordRequest {
        current_password: current.to_owned(),
        new_password: new.to_owned(),
    };
    // The same password in another form is the same password.
    let unchanged = ada.with(&bob).change_password(change(SPACED, COMPOSED)).await.unwrap_err();
    assert_eq!(unchanged.violations(), [("/new_password", "PASSWORD_UNCHANGED")]);
    ada.with(&bob).change_password(change(SPACED, "e\u{301}lan vital, encore")).await?;
    world.login(&ada.slug, "bob@acme.test", "élan vital, encore").await?;
    Ok(())
}

#[tokio::test]
async fn what_nobody_can_type_is_refused_where_it_is_set_and_wrong_where_it_is_checked() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let token = ada.create_user(user("bob@acme.test")).await?.invitation_token.unwrap();
    for sent in ["correct\nhorse battery", "correct\u{200b}horse battery", "correct\u{202e}horse battery"] {
        let refused = world.accept(&token, sent).await.unwrap_err();
        assert_eq!(refused.violations(), [("/password", "TEXT_CONTROL_CHARACTER")], "{sent:?}");
        let wrong = world.login(&ada.slug, &ada.email, sent).await.unwrap_err();
        assert_eq!(wrong.is(), (401, "CREDENTIALS_INVALID"), "{sent:?}");
    }
    world.accept(&token, "👩\u{200d}👧 walks the dog").await?;
    world.login(&ada.slug, "bob@acme.test", "👩\u{200d}👧 walks the dog").await?;
    Ok(())
}
