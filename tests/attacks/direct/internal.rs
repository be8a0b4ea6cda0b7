//! RPCs that services make: nobody else gets an answer, whatever they show.

use auth::{SERVICE_TTL, Signer};
use error::Code;
use ids::Clock;
use prost::Message;
use proto::descriptor::FileDescriptorSet;
use proto::identity::v1::{ExchangeServiceSecretRequest, LoginRequest};
use serde_json::json;
use testkit::fleet::Role;

use super::{Direct, key_token};
use crate::stage::Stage;

const IDENTITY: &str = "globcrm.identity.v1.IdentityService";

/// Every internal method by its service's role and path, and whether it is public besides.
fn internal() -> Vec<(Role, String, bool)> {
    let set = FileDescriptorSet::decode(proto::DESCRIPTORS).expect("descriptors");
    let mut found = Vec::new();
    for file in &set.file {
        for service in &file.service {
            let full = format!("{}.{}", file.package, service.name);
            let role = Role::ALL.into_iter().find(|role| role.member().service == Some(&full));
            let role = role.unwrap_or_else(|| panic!("{full} has no role"));
            for method in &service.method {
                let policy = method.options.clone().and_then(|options| options.policy).unwrap_or_default();
                if policy.internal {
                    let path = format!("/{full}/{}", method.name);
                    found.push((role, path, policy.public));
                }
            }
        }
    }
    found
}

/// A token of the gateway that has just ended, signed by the fleet's own key.
fn ended(stage: &Stage) -> String {
    let file = &stage.environments.roles[&Role::Identity]["GLOBCRM_IDENTITY_SIGNING_KEY_FILE"];
    let pem = std::fs::read_to_string(file).expect("the fleet's key");
    let past = Clock::system().now() - SERVICE_TTL - std::time::Duration::from_secs(6);
    let signer = Signer::from_pem(&pem, Clock::fixed(past).0).expect("a signer");
    signer.sign_service("gateway").expect("a token")
}

/// A token that says all the right things, signed by a key of the caller's own.
fn foreign() -> String {
    let clock = Clock::system();
    let signer = Signer::from_pem(&testkit::fleet::signing_key().expect("a key"), clock).expect("a signer");
    signer.sign_service("gateway").expect("a token")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_internal_rpc_refuses_whoever_is_no_service() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("direct").await;
    let (user, key) = (&tenant.access_token, key_token(stage, &tenant, &["contact.read"]).await);
    let (ended, foreign) = (ended(stage), foreign());
    let service = stage.service_token(Role::Records).await;
    let bearer = |token: &str| format!("Bearer {token}");
    let (as_user, as_key, misplaced) = (bearer(user), bearer(&key), bearer(&service));
    let rpcs = internal();
    let public: Vec<&str> = rpcs.iter().filter(|rpc| rpc.2).map(|rpc| rpc.1.as_str()).collect();
    let wanted = ["ExchangeServiceSecret", "GetJwks"].map(|rpc| format!("/{IDENTITY}/{rpc}"));
    assert_eq!(public, wanted, "only the way to a service's token is open without one");
    let mut wrong = Vec::new();
    for (role, path, _) in rpcs.iter().filter(|rpc| !rpc.2) {
        let direct = Direct::to(stage, *role);
        let mut expect = |what: &str, refused: Option<error::Error>, reason: &str| {
            let found = refused.as_ref().map(|error| (error.code(), error.reason()));
            if found != Some((Code::Unauthenticated, reason)) {
                wrong.push(format!("{path} with {what}: {refused:?} instead of {reason}"));
            }
        };
        let none = direct.call(path, &[], Vec::new()).await.err();
        expect("nothing", none, "SERVICE_TOKEN_MISSING");
        for (what, value) in [("a user's token", &as_user), ("a key's", &as_key), ("a service's", &misplaced)]
        {
            let refused = direct.call(path, &[("authorization", value)], Vec::new()).await.err();
            expect(&format!("{what} as bearer"), refused, "SERVICE_TOKEN_MISSING");
        }
        let mangled = format!("{service}A");
        for (what, token) in [
            ("a user's token", user.as_str()),
            ("a key's", &key),
            ("one that has ended", &ended),
            ("one of another key", &foreign),
            ("a changed one", &mangled),
            ("nonsense", "x"),
        ] {
            let shown = [("authorization", as_user.as_str()), ("x-service-token", token)];
            let refused = direct.call(path, &shown, Vec::new()).await.err();
            expect(&format!("{what} in place of a service's"), refused, "SERVICE_TOKEN_INVALID");
        }
        let twice = [("x-service-token", service.as_str()), ("x-service-token", service.as_str())];
        expect("two tokens", direct.call(path, &twice, Vec::new()).await.err(), "SERVICE_TOKEN_INVALID");
        // The way it is meant: whatever else is wrong, it is not the token.
        let shown = [("authorization", as_user.as_str()), ("x-service-token", service.as_str())];
        let answer = direct.call(path, &shown, Vec::new()).await;
        if let Err(error) = answer
            && error.reason().starts_with("SERVICE_TOKEN")
        {
            wrong.push(format!("{path} with a service's token: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_services_token_is_nobodys_access_token() {
    let stage = Stage::shared().await;
    let service = stage.service_token(Role::Gateway).await;
    let bearer = format!("Bearer {service}");
    for (role, path) in [
        (Role::Identity, format!("/{IDENTITY}/GetMe")),
        (Role::Identity, format!("/{IDENTITY}/GetSnapshot")),
        (Role::Fields, "/globcrm.fields.v1.FieldsService/GetLimits".to_owned()),
        (Role::Records, "/globcrm.records.v1.RecordsService/ListContacts".to_owned()),
    ] {
        let shown = [("authorization", bearer.as_str()), ("x-service-token", service.as_str())];
        let refused = Direct::to(stage, role).call(&path, &shown, Vec::new()).await.expect_err(&path);
        assert_eq!((refused.code(), refused.reason()), (Code::Unauthenticated, "TOKEN_INVALID"), "{path}");
    }
    stage.anonymous.with_token(&service).get("/api/v1/me").await.refused(401, "TOKEN_INVALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_that_of_its_service_and_the_gateway_acts_for_nobody() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("deputy").await;
    let direct = Direct::to(stage, Role::Identity);
    let (gateway, records) = (stage.service_secret(Role::Gateway), stage.service_secret(Role::Records));
    for (service, secret) in
        [("gateway", &*records), ("records", &*gateway), ("gateway", "x"), ("nobody", &*gateway)]
    {
        let message = ExchangeServiceSecretRequest { service: service.to_owned(), secret: secret.to_owned() };
        let path = format!("/{IDENTITY}/ExchangeServiceSecret");
        let refused = direct.call(&path, &[], message.encode_to_vec()).await.expect_err(service);
        assert_eq!((refused.code(), refused.reason()), (Code::Unauthenticated, "SERVICE_SECRET_INVALID"));
    }
    let act = proto::identity::v1::ExchangeServiceTokenRequest {
        service: "gateway".to_owned(),
        secret: gateway,
        tenant_id: tenant.id.clone(),
        act_for: tenant.admin_id.clone(),
    };
    let token = stage.service_token(Role::Gateway).await;
    let path = format!("/{IDENTITY}/ExchangeServiceToken");
    let refused = direct.call(&path, &[("x-service-token", &token)], act.encode_to_vec()).await;
    assert_eq!(refused.expect_err("a deputy").reason(), "SERVICE_NOT_ACTING");
}

/// Wrong passwords, each said to come from another address; the reasons of the refusals.
async fn guesses(stage: &Stage, slug: &str, token: Option<&str>) -> Vec<String> {
    let direct = Direct::to(stage, Role::Identity);
    let login = LoginRequest {
        organization: slug.to_owned(),
        email: format!("admin@{slug}.test"),
        password: "not-the-password".to_owned(),
        ..Default::default()
    };
    let mut reasons = Vec::new();
    for n in 1..=7 {
        let address = format!("203.0.113.{n}");
        let mut shown = vec![("x-client-address", address.as_str())];
        shown.extend(token.map(|token| ("x-service-token", token)));
        let refused = direct.call(&format!("/{IDENTITY}/Login"), &shown, login.encode_to_vec()).await;
        reasons.push(refused.expect_err("a wrong password").reason().to_owned());
    }
    reasons
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_caller_does_not_choose_the_address_that_is_braked() {
    let stage = Stage::shared().await;
    let (gateway, records) =
        (stage.service_token(Role::Gateway).await, stage.service_token(Role::Records).await);
    let wrong = |reasons: &[String]| reasons.iter().filter(|reason| *reason != "LOGIN_THROTTLED").count();
    // The peer counts: five failures of one network close the account to it.
    let tenant = stage.tenant("forged").await;
    let forged = guesses(stage, &tenant.slug, None).await;
    assert_eq!((wrong(&forged), &*forged[6]), (5, "LOGIN_THROTTLED"), "{forged:?}");
    // Another service has no say in it either.
    let tenant = stage.tenant("lent").await;
    let lent = guesses(stage, &tenant.slug, Some(&records)).await;
    assert_eq!((wrong(&lent), &*lent[6]), (5, "LOGIN_THROTTLED"), "{lent:?}");
    // The gateway has: seven networks with a failure each.
    let tenant = stage.tenant("told").await;
    let told = guesses(stage, &tenant.slug, Some(&gateway)).await;
    assert_eq!(wrong(&told), 7, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_exchanged_without_an_outage() {
    // Identity has the new one, records still shows the one before.
    let start = || {
        let (now, before) = ("a-new-secret-of-records-for-the-tests", "the-secret-of-records-from-before");
        Stage::start_with(&[
            ("GLOBCRM_IDENTITY_SERVICE_SECRET_RECORDS", now),
            ("GLOBCRM_IDENTITY_SERVICE_SECRET_RECORDS_PREVIOUS", before),
            ("GLOBCRM_RECORDS_SERVICE_SECRET", before),
        ])
    };
    let stage = tokio::task::spawn_blocking(start).await.expect("a fleet");
    let tenant = stage.tenant("exchanged").await;
    tenant.admin.post("/api/v1/contacts", json!({"last_name": "Lovelace"})).await.expect(201);
}
