//! The fleet that the suites share, and organisations on it.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use proto::identity::v1::ExchangeServiceSecretRequest;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use testkit::backing::Backing;
use testkit::fleet::{Environments, Fleet, Launch, Places, Ports, Role, environments, run_once};
use testkit::{Progress, Purpose, Workspace};
use tokio::sync::OnceCell;
use tonic::transport::{Channel, Endpoint};

use crate::client::Client;

/// The password of every user made by tests.
pub const PASSWORD: &str = "correct-horse-battery-staple";

/// Backing services and the fleet as separate processes.
pub struct Stage {
    pub backing: Backing,
    pub fleet: Fleet,
    pub environments: Environments,
    pub ports: Ports,
    /// Without credentials.
    pub anonymous: Client,
}

/// An organisation with its administrator.
#[derive(Clone)]
pub struct Tenant {
    pub id: String,
    pub slug: String,
    pub admin: Client,
    pub admin_id: String,
    pub access_token: String,
}

/// A user of an organisation.
#[derive(Clone)]
pub struct Member {
    pub id: String,
    pub email: String,
    pub client: Client,
}

static SHARED: OnceCell<Stage> = OnceCell::const_new();
static NAMES: AtomicU32 = AtomicU32::new(0);

impl Stage {
    /// The fleet that tests which kill nothing share.
    pub async fn shared() -> &'static Stage {
        SHARED
            .get_or_init(|| async { tokio::task::spawn_blocking(Self::start).await.expect("the stage") })
            .await
    }

    /// A fleet of the caller's own.
    pub fn start() -> Stage {
        Self::start_with(&[])
    }

    /// A fleet of the caller's own whose processes get these variables too.
    pub fn start_with(variables: &[(&str, &str)]) -> Stage {
        Self::try_start(variables).unwrap_or_else(|e| panic!("the fleet did not start: {e:#}"))
    }

    fn try_start(variables: &[(&str, &str)]) -> anyhow::Result<Stage> {
        Self::start_in(&Workspace::here()?, variables, |_, _| Ok(()))
    }

    /// A fleet on the backing services of a workspace; `before` is done between its migration and its start.
    pub fn start_in(
        workspace: &Workspace,
        variables: &[(&str, &str)],
        before: impl FnOnce(&Path, &Environments) -> anyhow::Result<()>,
    ) -> anyhow::Result<Stage> {
        let progress = Progress::silent();
        let backing = Backing::start(workspace, Purpose::Test, &progress)?;
        let program = program(&Workspace::here()?);
        let ports = Ports::fresh()?;
        let places = Places::beside(&backing, ports.clone())?;
        let mut environments = environments(&backing, &places)?;
        // The suites are one client address that signs up and logs in all the time; the limit has tests of its own.
        if let Some(gateway) = environments.roles.get_mut(&Role::Gateway) {
            gateway.insert("GLOBCRM_GATEWAY_RATE_ANONYMOUS_PER_MINUTE".to_owned(), "100000".to_owned());
        }
        if let Some(identity) = environments.roles.get_mut(&Role::Identity) {
            for window in ["HOUR", "DAY"] {
                identity.insert(format!("GLOBCRM_IDENTITY_SIGN_UPS_PER_{window}"), "100000".to_owned());
            }
        }
        for (role, environment) in &mut environments.roles {
            // The line that ends each call, which a test reads.
            let log = "info,globcrm_host::grpc::call=debug";
            environment.insert("GLOBCRM_FLEET_LOG".to_owned(), log.to_owned());
            environment
                .extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            if environment.contains_key("GLOBCRM_FLEET_TLS_CERT_FILE") {
                // Of one that is being changed over, the gateway is the last to call by TLS.
                if !(*role == Role::Gateway && environment.contains_key("GLOBCRM_FLEET_TLS_ALSO_PLAIN")) {
                    speak_tls(environment);
                }
            }
        }
        run_once(&program, "migrate", &environments.migrate, &progress)?;
        before(&program, &environments)?;
        let logs = workspace.state_dir(Purpose::Test).join(format!("logs-{}", ports.public));
        let lifetime = testkit::backing::Lifetime::Parent;
        let launch = Launch { program, arguments: Vec::new(), logs, lifetime };
        let fleet = Fleet::start(launch, &environments, &progress)?;
        let anonymous = Client::new(fleet.gateway_url());
        Ok(Stage { backing, fleet, environments, ports, anonymous })
    }

    /// The administrator's connection to the fleet's database.
    pub async fn sql(&self) -> PgConnection {
        let options: PgConnectOptions = self.backing.postgres_admin_url().parse().expect("a URL");
        options.database("globcrm").application_name("globcrm-tests").connect().await.expect("a connection")
    }

    /// A connection to a service's own port, bypassing the gateway.
    #[allow(clippy::disallowed_methods, reason = "a test is an outside caller")]
    pub async fn grpc(&self, role: Role) -> Channel {
        let url = format!("http://127.0.0.1:{}", self.ports.grpc[&role]);
        Endpoint::from_shared(url).expect("a URL").connect().await.expect("a connection")
    }

    /// The configured secret of a service.
    pub fn service_secret(&self, role: Role) -> String {
        self.environments.roles[&role][&format!("GLOBCRM_{}_SERVICE_SECRET", role.upper())].clone()
    }

    /// A token as the service `role` shows it.
    pub async fn service_token(&self, role: Role) -> String {
        let (service, secret) = (role.name().to_owned(), self.service_secret(role));
        let mut identity = IdentityServiceClient::new(self.grpc(Role::Identity).await);
        let traded = identity.exchange_service_secret(ExchangeServiceSecretRequest { service, secret }).await;
        traded.expect("a service token").into_inner().service_token
    }

    /// Signs up a new organisation; its slug begins with `name`.
    pub async fn tenant(&self, name: &str) -> Tenant {
        sign_up(&self.anonymous, name).await
    }

    /// Invites a user with a role made for the purpose, and accepts.
    pub async fn member(&self, tenant: &Tenant, name: &str, permissions: Value, fields: Value) -> Member {
        invite(&self.anonymous, tenant, name, permissions, fields).await
    }
}

/// The addresses of other services begin with https where there are certificates.
fn speak_tls(environment: &mut testkit::fleet::Env) {
    for role in Role::ALL {
        if let Some(url) = environment.get_mut(&format!("GLOBCRM_FLEET_{}", role.names().url[0])) {
            *url = url.replacen("http://", "https://", 1);
        }
    }
}

/// Signs up a new organisation with a client without credentials.
pub async fn sign_up(anonymous: &Client, name: &str) -> Tenant {
    let n = NAMES.fetch_add(1, Ordering::Relaxed);
    let slug = format!("{name}-{}-{n}", std::process::id());
    let body = json!({
        "organization": format!("{name} Ltd"), "slug": slug, "email": format!("admin@{slug}.test"),
        "password": PASSWORD, "display_name": "Ada Admin",
    });
    let answer = anonymous.post("/api/v1/signup", body).await.expect(201);
    Tenant {
        id: text(&answer["tenant"]["id"]),
        slug,
        admin: anonymous.with_token(&text(&answer["access_token"])),
        admin_id: text(&answer["user"]["id"]),
        access_token: text(&answer["access_token"]),
    }
}

/// Invites a user with a role made for the purpose, and accepts with a client without credentials.
pub async fn invite(
    anonymous: &Client,
    tenant: &Tenant,
    name: &str,
    permissions: Value,
    fields: Value,
) -> Member {
    let n = NAMES.fetch_add(1, Ordering::Relaxed);
    let body = json!({"name": format!("{name} {n}"), "permissions": permissions, "fields": fields});
    let role = tenant.admin.post("/api/v1/roles", body).await.expect(201);
    let email = format!("{name}{n}@{}.test", tenant.slug);
    let body = json!({"email": email, "display_name": name, "role_ids": [role["id"]]});
    let user = tenant.admin.post("/api/v1/users", body).await.expect(201);
    let body = json!({"token": user["invitation_token"], "password": PASSWORD, "display_name": name});
    let session = anonymous.post("/api/v1/invitations:accept", body).await.expect(200);
    let client = anonymous.with_token(&text(&session["access_token"]));
    Member { id: text(&user["id"]), email, client }
}

/// The binary under test.
pub fn program(workspace: &Workspace) -> std::path::PathBuf {
    std::env::var_os("GLOBCRM_TEST_BINARY")
        .map_or_else(|| workspace.target().join("debug/globcrm"), std::path::PathBuf::from)
}

/// A JSON text that must be there.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
