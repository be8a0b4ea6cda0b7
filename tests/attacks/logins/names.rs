//! Names that cannot be seen, or that turn what stands beside them.

use anyhow::Result;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server::IdentityService;

use crate::identity::world::{PASSWORD, Refusal, World, done, from, role, sign_up_request, user};

fn is(refused: Refusal, pointer: &str, reason: &str) {
    assert_eq!(refused.violations, [(pointer.to_owned(), reason.to_owned())]);
}

#[tokio::test]
async fn no_name_of_identity_hides_or_turns_the_text_around_it() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    for (bad, reason) in [
        ("\u{202e}evil", "TEXT_DIRECTION_CONTROL"),
        ("Ada\u{2066}", "TEXT_DIRECTION_CONTROL"),
        ("\u{200b}", "TEXT_INVISIBLE"),
        ("\u{3164} \u{feff}", "TEXT_INVISIBLE"),
    ] {
        let named = pb::User { display_name: bad.to_owned(), ..user("x@acme.test") };
        is(ada.create_user(named.clone()).await.unwrap_err(), "/display_name", reason);
        let changed = ada.change_user(&ada.id, named, &["display_name"], None).await.unwrap_err();
        is(changed, "/display_name", reason);
        is(ada.create_team(bad).await.unwrap_err(), "/name", reason);
        let named = role(bad, "contact", &["read"], pb::Scope::Own);
        is(ada.create_role(named).await.unwrap_err(), "/name", reason);
        is(ada.create_key(bad, &["contact.read"]).await.unwrap_err(), "/name", reason);
        let mut organization = sign_up_request(&world.word("n"), "a@a.test");
        organization.organization = bad.to_owned();
        let refused = done(world.grpc.sign_up(from(&world.network(), organization)).await).unwrap_err();
        is(refused, "/organization", reason);
        let token = ada.create_user(user(&format!("{}@acme.test", world.word("i")))).await?.invitation_token;
        let accept = pb::AcceptInvitationRequest {
            token: token.unwrap(),
            password: PASSWORD.to_owned(),
            display_name: Some(bad.to_owned()),
        };
        let refused = done(world.grpc.accept_invitation(from(&world.network(), accept)).await).unwrap_err();
        is(refused, "/display_name", reason);
    }
    Ok(())
}
