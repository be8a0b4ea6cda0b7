//! The RPCs of identity.

use anyhow::Result;
use config::SecretString;
use identity::{App, AuditKey, Entropy, Parts, PasswordConfig, Service, Settle};
use ids::Clock;
use prost_types::FieldMask;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::identity_service_server::IdentityServiceServer;
use testkit::fleet::signing_key;
use tonic::Request;

use super::dropping::{Call, Step, Watch, at_every_point, call, rpcs};
use crate::database::Database;
use crate::stage::PASSWORD;
use crate::world::{AUDIT_SECRET, Ground, request};

const SECRET: &str = "a-secret-of-the-records-service-for-tests";

struct World {
    client: IdentityServiceClient<IdentityServiceServer<Service>>,
    ground: Ground,
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_leaves_nothing() -> Result<()> {
    let database = Database::fresh("globcrm_test_dropped_identity", &[identity::MIGRATIONS]).await?;
    let ground = Ground::on(database.clone(), "identity", Clock::system())?;
    let service = Service::new(App::new(Parts {
        db: ground.db.clone(),
        clock: ground.clock.clone(),
        entropy: Entropy::system(),
        settle: Settle::none(),
        signing_key: SecretString::from(signing_key()?),
        audit_key: AuditKey::new(&SecretString::from(AUDIT_SECRET))?,
        service_secrets: identity::ServiceSecrets::default().with("records", &SecretString::from(SECRET)),
        passwords: PasswordConfig { memory_kib: 64, iterations: 1, parallelism: 1, permits: 2 },
        sign_ups: identity::SignUpConfig { per_hour: 1_000_000, per_day: 1_000_000 },
    })?);
    let world = World { client: IdentityServiceClient::new(IdentityServiceServer::new(service)), ground };
    let mut watch = Watch::new(&database, &world.ground.db, "identity").await?;
    for rpc in rpcs("IdentityService") {
        at_every_point(&mut watch, &rpc, ahead(&rpc), async || prepare(&world, &rpc).await).await?;
        // Somebody else's calls are right.
        let other = sign_up(&world).await;
        let me = world.client.clone().get_me(with(&other.access_token, pb::GetMeRequest {})).await?;
        assert_eq!(me.into_inner().user.unwrap().id, other.user.unwrap().id, "after {rpc}");
    }
    Ok(())
}

/// A sign-up is counted by the hour and by the day, for its network and for the wide one, before it is made: else dropping calls would
/// pass the brake.
const COUNTED: Step = &[("login_throttle", 4)];

/// What a call does before its outcome.
fn ahead(rpc: &str) -> &'static [Step] {
    match rpc {
        "SignUp" => &[COUNTED],
        _ => &[],
    }
}

fn with<T>(token: &str, body: T) -> Request<T> {
    request(token, body, &[])
}

fn sign_up_request(world: &World) -> pb::SignUpRequest {
    let id = world.ground.clock.new_uuid().simple().to_string();
    let slug = format!("t{}", &id[8..]);
    pb::SignUpRequest {
        organization: "Acme".to_owned(),
        email: format!("ada@{slug}.test"),
        slug,
        password: PASSWORD.to_owned(),
        display_name: "Ada".to_owned(),
    }
}

async fn sign_up(world: &World) -> pb::SignUpResponse {
    world.client.clone().sign_up(Request::new(sign_up_request(world))).await.unwrap().into_inner()
}

fn new_user(slug: &str) -> pb::User {
    pb::User { email: format!("bob@{slug}.test"), display_name: "Bob".to_owned(), ..Default::default() }
}

/// A call of `rpc` by the administrator of a new organisation.
async fn prepare(world: &World, rpc: &str) -> Call {
    let mut client = world.client.clone();
    if rpc == "SignUp" {
        return call!(client, sign_up, Request::new(sign_up_request(world)));
    }
    let session = sign_up(world).await;
    let (tenant, admin) = (session.tenant.unwrap(), session.user.unwrap());
    let token = session.access_token;
    let login = pb::LoginRequest {
        organization: tenant.slug.clone(),
        email: format!("ada@{}.test", tenant.slug),
        password: PASSWORD.to_owned(),
        device_token: None,
    };
    match rpc {
        "ChangePassword" => {
            let request = pb::ChangePasswordRequest {
                current_password: PASSWORD.to_owned(),
                new_password: "another-horse-battery-staple".to_owned(),
            };
            return call!(client, change_password, with(&token, request));
        }
        "Login" => return call!(client, login, Request::new(login)),
        "Refresh" => {
            let request = pb::RefreshRequest { refresh_token: session.refresh_token };
            return call!(client, refresh, Request::new(request));
        }
        "Logout" => return call!(client, logout, with(&token, pb::LogoutRequest {})),
        "GetMe" => return call!(client, get_me, with(&token, pb::GetMeRequest {})),
        "ListAuditLog" => {
            let request = with(&token, pb::ListAuditLogRequest::default());
            return call!(client, list_audit_log, request);
        }
        "VerifyAuditLog" => {
            let request = with(&token, pb::VerifyAuditLogRequest::default());
            return call!(client, verify_audit_log, request);
        }
        "ListSessions" => {
            return call!(client, list_sessions, with(&token, pb::ListSessionsRequest::default()));
        }
        "DeleteSession" => {
            client.login(Request::new(login)).await.unwrap();
            let listed =
                client.list_sessions(with(&token, pb::ListSessionsRequest::default())).await.unwrap();
            let other = listed.into_inner().sessions.into_iter().find(|s| !s.current).unwrap();
            return call!(client, delete_session, with(&token, pb::DeleteSessionRequest { id: other.id }));
        }
        "GetSnapshot" => {
            return call!(client, get_snapshot, with(&token, pb::GetSnapshotRequest { if_version: 0 }));
        }
        "ExchangeServiceSecret" => {
            let (service, secret) = ("records".to_owned(), SECRET.to_owned());
            let request = pb::ExchangeServiceSecretRequest { service, secret };
            return call!(client, exchange_service_secret, Request::new(request));
        }
        "ExchangeServiceToken" => {
            let request = pb::ExchangeServiceTokenRequest {
                service: "records".to_owned(),
                secret: SECRET.to_owned(),
                tenant_id: tenant.id,
                act_for: admin.id,
            };
            return call!(client, exchange_service_token, Request::new(request));
        }
        "GetJwks" => return call!(client, get_jwks, Request::new(pb::GetJwksRequest {})),
        "CheckReferences" => {
            let request = pb::CheckReferencesRequest { user_ids: vec![admin.id], ..Default::default() };
            return call!(client, check_references, with(&token, request));
        }
        "GetUserNames" => {
            let request = pb::GetUserNamesRequest { user_ids: vec![admin.id] };
            return call!(client, get_user_names, with(&token, request));
        }
        "GetOrganization" => {
            return call!(client, get_organization, with(&token, pb::GetOrganizationRequest {}));
        }
        "UpdateOrganization" => {
            let organization = pb::Organization { duplicate_check: Some(false), ..Default::default() };
            let request =
                pb::UpdateOrganizationRequest { organization: Some(organization), update_mask: None };
            return call!(client, update_organization, with(&token, request));
        }
        _ => {}
    }
    if rpc.contains("User")
        || rpc.ends_with("Invitation")
        || rpc.ends_with("PasswordReset")
        || rpc == "ResetPassword"
    {
        users(client, rpc, &token, &tenant.slug).await
    } else if rpc.contains("Team") {
        teams(client, rpc, &token).await
    } else if rpc.contains("Role") {
        roles(client, rpc, &token).await
    } else {
        keys(client, rpc, &token).await
    }
}

type Client = IdentityServiceClient<IdentityServiceServer<Service>>;

async fn users(mut client: Client, rpc: &str, token: &str, slug: &str) -> Call {
    let create = pb::CreateUserRequest { user: Some(new_user(slug)) };
    match rpc {
        "CreateUser" => return call!(client, create_user, with(token, create)),
        "ListUsers" => return call!(client, list_users, with(token, pb::ListUsersRequest::default())),
        _ => {}
    }
    let made = client.create_user(with(token, create)).await.unwrap().into_inner().user.unwrap();
    let id = made.id;
    match rpc {
        "GetUser" => call!(client, get_user, with(token, pb::GetUserRequest { id })),
        "UpdateUser" => {
            let request = pb::UpdateUserRequest {
                id,
                user: Some(pb::User { display_name: "Robert".to_owned(), ..Default::default() }),
                update_mask: Some(FieldMask { paths: vec!["display_name".to_owned()] }),
            };
            call!(client, update_user, with(token, request))
        }
        "ResendInvitation" => {
            call!(client, resend_invitation, with(token, pb::ResendInvitationRequest { id }))
        }
        "CreatePasswordReset" | "ResetPassword" => {
            let accept = pb::AcceptInvitationRequest {
                token: made.invitation_token.unwrap(),
                password: PASSWORD.to_owned(),
                display_name: None,
            };
            client.accept_invitation(Request::new(accept)).await.unwrap();
            let create = pb::CreatePasswordResetRequest { id };
            if rpc == "CreatePasswordReset" {
                return call!(client, create_password_reset, with(token, create));
            }
            let reset = client.create_password_reset(with(token, create)).await.unwrap().into_inner();
            let request = pb::ResetPasswordRequest {
                token: reset.reset_token,
                password: "another-horse-battery-staple".to_owned(),
            };
            call!(client, reset_password, Request::new(request))
        }
        "DisableUser" => call!(client, disable_user, with(token, pb::DisableUserRequest { id })),
        "EnableUser" => {
            let disable = pb::DisableUserRequest { id: id.clone() };
            client.disable_user(with(token, disable)).await.unwrap();
            call!(client, enable_user, with(token, pb::EnableUserRequest { id }))
        }
        "AcceptInvitation" => {
            let request = pb::AcceptInvitationRequest {
                token: made.invitation_token.unwrap(),
                password: PASSWORD.to_owned(),
                display_name: None,
            };
            call!(client, accept_invitation, Request::new(request))
        }
        other => panic!("{other} has no call here"),
    }
}

async fn teams(mut client: Client, rpc: &str, token: &str) -> Call {
    let team = pb::Team { name: "Board".to_owned(), ..Default::default() };
    let create = pb::CreateTeamRequest { team: Some(team) };
    match rpc {
        "CreateTeam" => call!(client, create_team, with(token, create)),
        "GetTeam" => {
            let made = client.create_team(with(token, create)).await.unwrap().into_inner();
            call!(client, get_team, with(token, pb::GetTeamRequest { id: made.team.unwrap().id }))
        }
        "UpdateTeam" => {
            let made = client.create_team(with(token, create)).await.unwrap().into_inner().team.unwrap();
            let request = pb::UpdateTeamRequest {
                id: made.id,
                team: Some(pb::Team { name: "Council".to_owned(), ..Default::default() }),
                update_mask: Some(FieldMask { paths: vec!["name".to_owned()] }),
            };
            call!(client, update_team, with(token, request))
        }
        "DeleteTeam" => {
            let made = client.create_team(with(token, create)).await.unwrap().into_inner().team.unwrap();
            let user = pb::User { team_ids: vec![made.id.clone()], ..new_user(&made.id) };
            client.create_user(with(token, pb::CreateUserRequest { user: Some(user) })).await.unwrap();
            call!(client, delete_team, with(token, pb::DeleteTeamRequest { id: made.id }))
        }
        "ListTeams" => call!(client, list_teams, with(token, pb::ListTeamsRequest::default())),
        other => panic!("{other} has no call here"),
    }
}

async fn roles(mut client: Client, rpc: &str, token: &str) -> Call {
    let role = pb::Role { name: "Sales".to_owned(), ..Default::default() };
    let create = pb::CreateRoleRequest { role: Some(role) };
    match rpc {
        "CreateRole" => return call!(client, create_role, with(token, create)),
        "ListRoles" => return call!(client, list_roles, with(token, pb::ListRolesRequest::default())),
        _ => {}
    }
    let made = client.create_role(with(token, create)).await.unwrap().into_inner().role.unwrap();
    let id = made.id;
    match rpc {
        "GetRole" => call!(client, get_role, with(token, pb::GetRoleRequest { id })),
        "UpdateRole" => {
            let request = pb::UpdateRoleRequest {
                id,
                role: Some(pb::Role { name: "Marketing".to_owned(), ..Default::default() }),
                update_mask: Some(FieldMask { paths: vec!["name".to_owned()] }),
            };
            call!(client, update_role, with(token, request))
        }
        "DeleteRole" => call!(client, delete_role, with(token, pb::DeleteRoleRequest { id })),
        other => panic!("{other} has no call here"),
    }
}

async fn keys(mut client: Client, rpc: &str, token: &str) -> Call {
    let scopes = vec!["user.read".to_owned()];
    let key = pb::ApiKey { name: "import".to_owned(), scopes, ..Default::default() };
    let create = pb::CreateApiKeyRequest { api_key: Some(key) };
    match rpc {
        "CreateApiKey" => return call!(client, create_api_key, with(token, create)),
        "CreateCalendarFeed" => {
            return call!(client, create_calendar_feed, with(token, pb::CreateCalendarFeedRequest {}));
        }
        "GetCalendarFeed" | "DeleteCalendarFeed" | "ResolveCalendarFeed" => {
            return calendar_feed(client, rpc, token).await;
        }
        "ListApiKeys" => return call!(client, list_api_keys, with(token, pb::ListApiKeysRequest::default())),
        _ => {}
    }
    let made = client.create_api_key(with(token, create)).await.unwrap().into_inner().api_key.unwrap();
    match rpc {
        "DeleteApiKey" => call!(client, delete_api_key, with(token, pb::DeleteApiKeyRequest { id: made.id })),
        "ExchangeApiKey" => {
            let request = pb::ExchangeApiKeyRequest { api_key: made.secret.unwrap() };
            call!(client, exchange_api_key, Request::new(request))
        }
        other => panic!("{other} has no call here"),
    }
}

async fn calendar_feed(mut client: Client, rpc: &str, token: &str) -> Call {
    let made = client.create_calendar_feed(with(token, pb::CreateCalendarFeedRequest {})).await.unwrap();
    match rpc {
        "GetCalendarFeed" => call!(client, get_calendar_feed, with(token, pb::GetCalendarFeedRequest {})),
        "DeleteCalendarFeed" => {
            call!(client, delete_calendar_feed, with(token, pb::DeleteCalendarFeedRequest {}))
        }
        _ => {
            let path = made.into_inner().calendar_feed.unwrap().path.unwrap();
            let token = path.trim_start_matches("/calendar/").trim_end_matches(".ics").to_owned();
            call!(client, resolve_calendar_feed, Request::new(pb::ResolveCalendarFeedRequest { token }))
        }
    }
}
