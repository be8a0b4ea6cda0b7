//! What passes the door, and how it looks behind it.

use std::sync::Arc;
use std::time::Duration;

use auth::{PrincipalKind, SERVICE_TTL, Signer, Verifier};
use ids::{Clock, FixedClock};
use prost::Message;
use proto::fields::v1::CreateFieldRequest;
use proto::identity::v1::{CheckReferencesRequest, LoginRequest};
use uuid::Uuid;

use super::super::methods::Methods;
use super::*;

/// Throw-away keys made for these tests.
const OURS: &str = "MC4CAQAwBQYDK2VwBCIEIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";
const FOREIGN: &str = "MC4CAQAwBQYDK2VwBCIEIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC";

const INTERNAL: &str = "/globcrm.identity.v1.IdentityService/CheckReferences";
const LOGIN: &str = "/globcrm.identity.v1.IdentityService/Login";
const CREATE_FIELD: &str = "/globcrm.fields.v1.FieldsService/CreateField";

/// What signs, and a gate that knows its key.
pub(in super::super) struct Keys {
    pub(in super::super) gate: Gate,
    signer: Signer,
    foreign: Signer,
    hand: FixedClock,
}

impl Keys {
    pub(in super::super) fn made() -> Self {
        let (clock, hand) = Clock::fixed(time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000));
        let signer = |key: &str| {
            let pem = format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n");
            Signer::from_pem(&pem, clock.clone()).unwrap()
        };
        let (signer, foreign) = (signer(OURS), signer(FOREIGN));
        let keys = vec![signer.jwk()];
        let gate = Gate::new(
            Verifier::new(clock),
            Arc::new(move || {
                let keys = keys.clone();
                Box::pin(async move { Ok(keys) })
            }),
            Arc::new(|_, _| {
                Box::pin(async { Err(Error::unavailable(error::Reason::UNAVAILABLE, "not in this test")) })
            }),
        );
        Self { gate, signer, foreign, hand }
    }

    fn service(&self, name: &str) -> String {
        self.signer.sign_service(name).unwrap()
    }

    fn user(&self) -> String {
        let (tenant, user) = (Uuid::from_u128(1).into(), Uuid::from_u128(2));
        self.signer.sign(tenant, PrincipalKind::User, user, None, None).unwrap()
    }

    async fn admit(&self, request: Request) -> Result<Request, Error> {
        let methods = Methods::compiled_in().unwrap();
        let method = methods.get(request.uri().path());
        Door::new(self.gate.clone()).unwrap().admit(request, method).await
    }

    /// The reason of the refusal.
    async fn refused(&self, request: Request) -> String {
        let error = self.admit(request).await.unwrap_err();
        assert_eq!(error.code(), Code::Unauthenticated, "{error}");
        error.reason().to_owned()
    }
}

fn framed(message: &impl Message) -> Vec<u8> {
    let message = message.encode_to_vec();
    [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), &message].concat()
}

fn request(path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Request {
    let mut request = http::Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let peer: SocketAddr = ([192, 0, 2, 9], 4711).into();
    request.extension(ConnectInfo(peer)).body(Body::from(body)).unwrap()
}

fn internal(headers: &[(&str, &str)]) -> Request {
    request(INTERNAL, headers, framed(&CheckReferencesRequest::default()))
}

#[tokio::test]
async fn what_only_services_call_wants_a_services_token_and_nothing_else_will_do() {
    let keys = Keys::made();
    let token = keys.service("records");
    let passed = keys.admit(internal(&[("x-service-token", &token)])).await.unwrap();
    assert!(!passed.headers().contains_key("x-service-token"), "the token goes no further");

    let bearer = format!("Bearer {}", keys.user());
    assert_eq!(keys.refused(internal(&[])).await, "SERVICE_TOKEN_MISSING");
    assert_eq!(keys.refused(internal(&[("authorization", &bearer)])).await, "SERVICE_TOKEN_MISSING");
    let in_the_other_place = format!("Bearer {token}");
    assert_eq!(
        keys.refused(internal(&[("authorization", &in_the_other_place)])).await,
        "SERVICE_TOKEN_MISSING"
    );
    let foreign = keys.foreign.sign_service("records").unwrap();
    for bad in [&keys.user(), &foreign, "", "x", &bearer, &format!("{token}x"), &format!("Bearer {token}")] {
        assert_eq!(
            keys.refused(internal(&[("x-service-token", bad)])).await,
            "SERVICE_TOKEN_INVALID",
            "{bad}"
        );
    }
    let twice = internal(&[("x-service-token", &token), ("x-service-token", &token)]);
    assert_eq!(keys.refused(twice).await, "SERVICE_TOKEN_INVALID");
    keys.hand.advance(SERVICE_TTL + Duration::from_secs(5));
    assert_eq!(keys.refused(internal(&[("x-service-token", &token)])).await, "SERVICE_TOKEN_INVALID");
}

#[tokio::test]
async fn only_the_gateway_says_where_a_call_comes_from() {
    let keys = Keys::made();
    let login = LoginRequest {
        organization: "acme".to_owned(),
        email: "a@b.c".to_owned(),
        password: "p".to_owned(),
        ..Default::default()
    };
    let seen = async |headers: &[(&str, &str)]| {
        let passed = keys.admit(request(LOGIN, headers, framed(&login))).await.unwrap();
        let addresses = passed.headers().get_all("x-client-address").iter();
        addresses.map(|a| a.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (gateway, records) = (keys.service("gateway"), keys.service("records"));
    let (said, more) = (("x-client-address", "203.0.113.7"), ("x-client-address", "203.0.113.8"));
    assert_eq!(seen(&[said, ("x-service-token", &gateway)]).await, ["203.0.113.7"]);
    assert_eq!(seen(&[said, ("x-service-token", &records)]).await, ["192.0.2.9"]);
    assert_eq!(seen(&[said, more]).await, ["192.0.2.9"]);
    assert_eq!(seen(&[]).await, ["192.0.2.9"]);
    // A token that is none is refused everywhere, so that no caller goes on as somebody else than they meant to be.
    let wrong = request(LOGIN, &[said, ("x-service-token", &keys.user())], framed(&login));
    assert_eq!(keys.refused(wrong).await, "SERVICE_TOKEN_INVALID");
}

#[tokio::test]
async fn a_request_keeps_its_rules_unless_the_gateway_has_checked_it() {
    let keys = Keys::made();
    let broken = framed(&CreateFieldRequest {
        object: "contact".to_owned(),
        field: Some(proto::fields::v1::Field {
            label: "x".repeat(5_000),
            description: Some("nul\0".to_owned()),
            ..Default::default()
        }),
    });
    let error = keys.admit(request(CREATE_FIELD, &[], broken.clone())).await.unwrap_err();
    assert_eq!((error.code(), error.reason()), (Code::Unprocessable, "VALIDATION_FAILED"));
    let mut found: Vec<(&str, &str)> =
        error.violations().iter().map(|v| (v.pointer.as_str(), v.reason.as_ref())).collect();
    found.sort_unstable();
    assert!(
        found.contains(&("/description", "NUL_CHARACTER")) && found.contains(&("/label", "TOO_LONG")),
        "{found:?}"
    );
    let gateway = keys.service("gateway");
    let passed = keys.admit(request(CREATE_FIELD, &[("x-service-token", &gateway)], broken.clone())).await;
    assert_eq!(to_bytes(passed.unwrap().into_body(), 1 << 20).await.unwrap(), broken);
    let records = keys.service("records");
    let error =
        keys.admit(request(CREATE_FIELD, &[("x-service-token", &records)], broken)).await.unwrap_err();
    assert_eq!(error.code(), Code::Unprocessable);
}

#[tokio::test]
async fn a_request_that_is_not_one_message_is_malformed_and_a_good_one_arrives_whole() {
    let keys = Keys::made();
    let good = framed(&LoginRequest {
        organization: "acme".to_owned(),
        email: "a@b.c".to_owned(),
        password: "p".to_owned(),
        ..Default::default()
    });
    let passed = keys.admit(request(LOGIN, &[], good.clone())).await.unwrap();
    assert_eq!(to_bytes(passed.into_body(), 1 << 20).await.unwrap(), good);
    let mut compressed = good.clone();
    compressed[0] = 1;
    let mut large = good.clone();
    large.resize(MAX_MESSAGE + PREFIX + 1, 0);
    let twice = [good.clone(), good.clone()].concat();
    for bad in [compressed, twice, large, good[..good.len() - 1].to_vec(), vec![0], vec![0, 0, 0, 0, 1, 0xff]]
    {
        let error = keys.admit(request(LOGIN, &[], bad)).await.unwrap_err();
        assert_eq!((error.code(), error.reason()), (Code::InvalidArgument, "MESSAGE_MALFORMED"));
    }
}

#[tokio::test]
async fn what_the_descriptors_do_not_name_is_not_served() {
    let keys = Keys::made();
    for path in [
        "/globcrm.identity.v1.IdentityService/Check%52eferences",
        "/x",
        "/globcrm.identity.v1.IdentityService/GetMe/",
    ] {
        let error = keys.admit(request(path, &[], Vec::new())).await.unwrap_err();
        assert_eq!(error.code(), Code::Unimplemented, "{path}");
    }
}
