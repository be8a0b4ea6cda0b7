//! A peer on loopback that speaks identity's protocol and does what the test says.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Once};

use error::Reason;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server::{IdentityService, IdentityServiceServer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};
use tracing_subscriber::layer::SubscriberExt;

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send + 'a>>;

/// Makes every service token another.
static TRADES: AtomicU32 = AtomicU32::new(0);

/// What a peer does with the next call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Answers with this code.
    Refuse(Code),
    /// Answers an error with so many bytes of details.
    Details(usize),
    /// Refuses the service's token, as the door of a service does.
    RefuseToken,
    /// Never answers.
    Hang,
}

/// What all calls share; the test looks at it.
#[derive(Clone, Default)]
pub(crate) struct Peer(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    acts: VecDeque<Act>,
    always: Option<Act>,
    /// What becomes of the calls of one name.
    named: HashMap<&'static str, Act>,
    calls: Vec<(&'static str, MetadataMap)>,
}

/// A served peer; it ends with this.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) peer: Peer,
    _serving: JoinSet<()>,
}

impl Served {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A peer on a runtime of its own, so that it can be killed: its connections break as those of a killed process do.
pub(crate) struct Mortal {
    pub(crate) address: SocketAddr,
    pub(crate) peer: Peer,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Mortal {
    /// Serves a new peer.
    pub(crate) fn born() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (told, address) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let served = serve().await;
            told.send((served.address, served.peer.clone())).unwrap();
            std::future::pending::<()>().await;
            drop(served);
        });
        let (address, peer) = address.recv().unwrap();
        Self { address, peer, runtime: Some(runtime) }
    }

    /// Ends it and all its connections.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Serves a new peer.
pub(crate) async fn serve() -> Served {
    serve_at(([127, 0, 0, 1], 0).into()).await
}

/// Makes every span of this process part of a trace, from before its first call on: a subscriber of one test alone would
/// not hear of a span whose place in the code another test is just making known from a thread where nobody listens.
fn record_traces() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    });
}

/// Serves a new peer at this address.
pub(crate) async fn serve_at(address: SocketAddr) -> Served {
    record_traces();
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let peer = Peer::default();
    let service = IdentityServiceServer::new(peer.clone());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let incoming = TcpListenerStream::new(listener);
        tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
    });
    Served { address, peer, _serving: serving }
}

impl Peer {
    /// What it does with the next calls, one each; then it answers again.
    pub(crate) fn then(&self, acts: impl IntoIterator<Item = Act>) {
        self.0.lock().unwrap().acts.extend(acts);
    }

    /// What it does with every call without an act of its own.
    pub(crate) fn always(&self, act: Act) {
        self.0.lock().unwrap().always = Some(act);
    }

    /// It answers every call again.
    pub(crate) fn answers(&self) {
        self.0.lock().unwrap().always = None;
    }

    /// The calls that came, by name.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().calls.iter().map(|(name, _)| *name).collect()
    }

    /// Does this to every call of `name`, and nothing else to them.
    pub(crate) fn to_each(&self, name: &'static str, act: Act) {
        self.0.lock().unwrap().named.insert(name, act);
    }

    /// The metadata of the last call of `name`.
    pub(crate) fn last_of(&self, name: &'static str) -> MetadataMap {
        let seen = self.0.lock().unwrap();
        seen.calls.iter().rfind(|(call, _)| *call == name).unwrap().1.clone()
    }

    /// The metadata of the last call.
    pub(crate) fn last(&self) -> MetadataMap {
        self.0.lock().unwrap().calls.last().unwrap().1.clone()
    }

    async fn answer<Q, T>(
        &self,
        name: &'static str,
        request: Request<Q>,
        make: impl FnOnce(Q) -> T,
    ) -> Result<Response<T>, Status> {
        let (metadata, _, body) = request.into_parts();
        let act = {
            let mut seen = self.0.lock().unwrap();
            seen.calls.push((name, metadata));
            if let Some(act) = seen.named.get(name) {
                Some(*act)
            } else {
                seen.acts.pop_front().or(seen.always)
            }
        };
        match act {
            Some(Act::Refuse(code)) => Err(Status::new(code, "as told")),
            Some(Act::Details(bytes)) => {
                Err(Status::with_details(Code::Aborted, "as told", vec![7; bytes].into()))
            }
            Some(Act::RefuseToken) => {
                Err(error::Error::unauthenticated(Reason::SERVICE_TOKEN_INVALID, "as told").into())
            }
            Some(Act::Hang) => std::future::pending().await,
            None => {
                let mut response = Response::new(make(body));
                response.metadata_mut().insert("version", "7".parse().unwrap());
                Ok(response)
            }
        }
    }
}

macro_rules! methods {
    ($($name:ident($request:ident) -> $response:ident = $make:expr;)*) => {$(
        fn $name<'a, 'b>(&'a self, request: Request<pb::$request>) -> Answer<'b, pb::$response>
        where
            'a: 'b,
            Self: 'b,
        {
            Box::pin(self.answer(stringify!($name), request, $make))
        }
    )*};
}

macro_rules! not_here {
    ($($name:ident($request:ident) -> $response:ident,)*) => {$(
        fn $name<'a, 'b>(&'a self, _: Request<pb::$request>) -> Answer<'b, pb::$response>
        where
            'a: 'b,
            Self: 'b,
        {
            Box::pin(async { Err(Status::unimplemented("not in this test")) })
        }
    )*};
}

impl IdentityService for Peer {
    methods! {
        get_jwks(GetJwksRequest) -> GetJwksResponse = |_| pb::GetJwksResponse {
            keys: vec![pb::Jwk { kid: "k1".to_owned(), ..Default::default() }],
        };
        get_me(GetMeRequest) -> GetMeResponse = |_| pb::GetMeResponse::default();
        login(LoginRequest) -> LoginResponse = |_| pb::LoginResponse::default();
        create_team(CreateTeamRequest) -> CreateTeamResponse = |asked| pb::CreateTeamResponse { team: asked.team };
        check_references(CheckReferencesRequest) -> CheckReferencesResponse = |asked| pb::CheckReferencesResponse {
            unknown_user_ids: asked.user_ids.into_iter().skip(1).collect(),
            unknown_team_ids: Vec::new(),
            unknown_role_ids: asked.role_ids.into_iter().skip(1).collect(),
            user_ids_by_email: asked.user_emails.into_iter().take(1).map(|email| (email, uuid::Uuid::from_u128(7).to_string())).collect(),
        };
        get_user_names(GetUserNamesRequest) -> GetUserNamesResponse = |asked| pb::GetUserNamesResponse {
            names: asked.user_ids.into_iter().take(1).map(|id| proto::common::v1::RecordName { id, ..Default::default() }).collect(),
        };
        exchange_service_secret(ExchangeServiceSecretRequest) -> ExchangeServiceSecretResponse = |asked| {
            pb::ExchangeServiceSecretResponse {
                service_token: format!("{}-{}", asked.service, TRADES.fetch_add(1, Ordering::SeqCst)),
                expires_in: 300,
            }
        };
        exchange_service_token(ExchangeServiceTokenRequest) -> ExchangeServiceTokenResponse = |asked| {
            pb::ExchangeServiceTokenResponse {
                access_token: format!("{}:{}", asked.tenant_id, asked.act_for),
                expires_in: 300,
            }
        };
        exchange_api_key(ExchangeApiKeyRequest) -> ExchangeApiKeyResponse = |asked| pb::ExchangeApiKeyResponse {
            access_token: format!("token of {}", asked.api_key),
            expires_in: 300,
            api_key_id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
            tenant_id: "01890a5d-ac96-774b-bcce-b302099a8058".to_owned(),
        };
        resolve_calendar_feed(ResolveCalendarFeedRequest) -> ResolveCalendarFeedResponse = |asked| {
            let (tenant_id, user_id) = asked.token.split_once(':').unwrap_or_default();
            pb::ResolveCalendarFeedResponse { tenant_id: tenant_id.to_owned(), user_id: user_id.to_owned() }
        };
    }
    not_here! {
        sign_up(SignUpRequest) -> SignUpResponse,
        refresh(RefreshRequest) -> RefreshResponse,
        logout(LogoutRequest) -> LogoutResponse,
        list_sessions(ListSessionsRequest) -> ListSessionsResponse,
        delete_session(DeleteSessionRequest) -> DeleteSessionResponse,
        create_user(CreateUserRequest) -> CreateUserResponse,
        get_user(GetUserRequest) -> GetUserResponse,
        list_users(ListUsersRequest) -> ListUsersResponse,
        update_user(UpdateUserRequest) -> UpdateUserResponse,
        disable_user(DisableUserRequest) -> DisableUserResponse,
        enable_user(EnableUserRequest) -> EnableUserResponse,
        accept_invitation(AcceptInvitationRequest) -> AcceptInvitationResponse,
        resend_invitation(ResendInvitationRequest) -> ResendInvitationResponse,
        change_password(ChangePasswordRequest) -> ChangePasswordResponse,
        create_password_reset(CreatePasswordResetRequest) -> CreatePasswordResetResponse,
        reset_password(ResetPasswordRequest) -> ResetPasswordResponse,
        get_organization(GetOrganizationRequest) -> GetOrganizationResponse,
        update_organization(UpdateOrganizationRequest) -> UpdateOrganizationResponse,
        get_team(GetTeamRequest) -> GetTeamResponse,
        list_teams(ListTeamsRequest) -> ListTeamsResponse,
        update_team(UpdateTeamRequest) -> UpdateTeamResponse,
        delete_team(DeleteTeamRequest) -> DeleteTeamResponse,
        create_role(CreateRoleRequest) -> CreateRoleResponse,
        get_role(GetRoleRequest) -> GetRoleResponse,
        list_roles(ListRolesRequest) -> ListRolesResponse,
        list_audit_log(ListAuditLogRequest) -> ListAuditLogResponse,
        verify_audit_log(VerifyAuditLogRequest) -> VerifyAuditLogResponse,
        update_role(UpdateRoleRequest) -> UpdateRoleResponse,
        delete_role(DeleteRoleRequest) -> DeleteRoleResponse,
        create_api_key(CreateApiKeyRequest) -> CreateApiKeyResponse,
        list_api_keys(ListApiKeysRequest) -> ListApiKeysResponse,
        delete_api_key(DeleteApiKeyRequest) -> DeleteApiKeyResponse,
        create_calendar_feed(CreateCalendarFeedRequest) -> CreateCalendarFeedResponse,
        get_calendar_feed(GetCalendarFeedRequest) -> GetCalendarFeedResponse,
        delete_calendar_feed(DeleteCalendarFeedRequest) -> DeleteCalendarFeedResponse,
        get_snapshot(GetSnapshotRequest) -> GetSnapshotResponse,
    }
}
