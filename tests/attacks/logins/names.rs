//! Names that cannot be seen, or that turn what stands beside them.

use anyhow::Result;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server::IdentityService;

use crate::identity::world::{PASSWORD, Refusal, World, done, from, role, sign_up_request, user};

fn is(refused: Refusal, pointer: &str, reason: &str) {
    assert_eq!(refused.violations(), [(pointer, reason)]);
}

#[tokio::test]
async fn no_name_of_identity_hides_or_turns_the_text_around_it() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let invitation = async || {
        let invited = ada.create_user(user(&format!("{}@acme.test", world.word("i")))).await;
        invited.map(|invited| (invited.id, invited.invitation_token.unwrap_or_default()))
    };
    let accepted = async |token: String, name: &str| {
        let password = PASSWORD.to_owned();
        let accept = pb::AcceptInvitationRequest { token, password, display_name: Some(name.to_owned()) };
        done(world.service.accept_invitation(from(&world.network(), accept)).await)
    };
    let signed_up = async |name: &str| {
        let mut organization = sign_up_request(&world.word("n"), "a@a.test");
        organization.organization = name.to_owned();
        done(world.service.sign_up(from(&world.network(), organization)).await)
    };
    // What nobody sees is taken out, as in every text: what is stored is what is shown.
    for (sent, kept) in [
        ("\u{202e}evil", "evil"),
        ("Ada\u{2066}", "Ada"),
        ("A\u{200b}m\u{feff}y", "Amy"),
        ("می\u{200c}خواهم", "می\u{200c}خواهم"),
    ] {
        let email = format!("{}@acme.test", world.word("u"));
        let named = pb::User { display_name: sent.to_owned(), ..user(&email) };
        let made = ada.create_user(named.clone()).await?;
        assert_eq!(made.display_name, kept);
        assert_eq!(ada.change_user(&ada.id, named, &["display_name"], None).await?.display_name, kept);
        let team = ada.create_team(sent).await?;
        assert_eq!(ada.get_team(pb::GetTeamRequest { id: team }).await?.team.unwrap_or_default().name, kept);
        assert_eq!(ada.create_role(role(sent, "contact", &["read"], pb::Scope::Own)).await?.name, kept);
        assert_eq!(ada.create_key(sent, &["contact.read"]).await?.name, kept);
        assert_eq!(signed_up(sent).await?.tenant.unwrap_or_default().organization, kept);
        let (id, token) = invitation().await?;
        accepted(token, sent).await?;
        let user = ada.get_user(pb::GetUserRequest { id }).await?.user.unwrap_or_default();
        assert_eq!(user.display_name, kept);
    }
    // And what has nothing else is no name.
    for hidden in
        ["\u{200b}", "\u{200d}\u{feff}", "\u{3164} \u{ad}", "\u{2800}", "\u{e0041}", "\u{fe0f}", "\u{180b}"]
    {
        let named = pb::User { display_name: hidden.to_owned(), ..user("x@acme.test") };
        is(ada.create_user(named.clone()).await.unwrap_err(), "/display_name", "REQUIRED");
        let changed = ada.change_user(&ada.id, named, &["display_name"], None).await.unwrap_err();
        is(changed, "/display_name", "REQUIRED");
        is(ada.create_team(hidden).await.unwrap_err(), "/name", "REQUIRED");
        let named = role(hidden, "contact", &["read"], pb::Scope::Own);
        is(ada.create_role(named).await.unwrap_err(), "/name", "REQUIRED");
        is(ada.create_key(hidden, &["contact.read"]).await.unwrap_err(), "/name", "REQUIRED");
        is(signed_up(hidden).await.unwrap_err(), "/organization", "REQUIRED");
        let (_, token) = invitation().await?;
        is(accepted(token, hidden).await.unwrap_err(), "/display_name", "REQUIRED");
    }
    Ok(())
}
