//! A fields service with its database, and tenants with callers whose permissions the test decides.

use std::collections::HashMap;
use std::ops::Deref;

use anyhow::Result;
use auth::VerifiedTenant;
use db::{Db, TenantTx};
use fields::Service;
use ids::{Clock, TenantId};
use proto::fields::v1 as pb;
use proto::fields::v1::fields_service_server::FieldsService;
use proto::identity::v1::{self as identity, FieldAccess};
use sqlx::PgConnection;
use tokio::sync::OnceCell;
use tonic::{Request, Response, Status};

use crate::database::Database;
use crate::gate::{May, Principal, TestGate};

/// One service; each test has its own, all on one database.
#[derive(Clone)]
pub(super) struct World {
    pub(super) service: Service,
    pub(super) db: Db,
    database: Database,
    clock: Clock,
    gates: TestGate,
}

/// Somebody in a tenant.
#[derive(Clone)]
pub(super) struct Caller {
    service: Service,
    principal: Principal,
}

impl Deref for Caller {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

async fn database() -> Result<Database> {
    static DATABASE: OnceCell<Database> = OnceCell::const_new();
    let made = || Database::kept("globcrm_test_fields", &[fields::MIGRATIONS]);
    Ok(DATABASE.get_or_try_init(made).await?.clone())
}

/// The same in every instance.
fn cursor_key() -> Result<query::CursorKey> {
    Ok(query::CursorKey::new(&"a-key-for-page-tokens-of-the-tests".into())?)
}

impl World {
    pub(super) async fn new() -> Result<Self> {
        let database = database().await?;
        let clock = Clock::system();
        let db = Db::new(&database.config("fields"), "fields")?;
        let gates = TestGate::new(&clock)?;
        let service = Service::new(gates.gate.clone(), db.clone(), clock.clone(), cursor_key()?);
        Ok(Self { service, db, database, clock, gates })
    }

    /// Somebody who may do everything in a tenant of their own.
    pub(super) fn admin(&self) -> Result<Caller> {
        self.caller(TenantId::from(self.clock.new_uuid()), &["*"], identity::Scope::All, &[])
    }

    /// Somebody in `tenant` with these actions on `field`, from whom these fields of contacts are hidden.
    pub(super) fn caller(
        &self,
        tenant: TenantId,
        actions: &[&str],
        scope: identity::Scope,
        hidden: &[&str],
    ) -> Result<Caller> {
        let actions: Vec<_> = actions.iter().map(|action| ("field", *action, scope)).collect();
        let fields: Vec<_> = hidden.iter().map(|field| (*field, FieldAccess::None)).collect();
        let may = May { actions: &actions, fields: &fields };
        let principal = self.gates.somebody(&self.clock, tenant, &may)?;
        Ok(Caller { service: self.service.clone(), principal })
    }

    /// A transaction in a tenant.
    pub(super) async fn tx(&self, tenant: TenantId) -> Result<TenantTx> {
        Ok(TenantTx::begin(&self.db, VerifiedTenant::from_claim(tenant)).await?)
    }

    /// The administrator, who sees all rows.
    pub(super) async fn sql(&self) -> Result<PgConnection> {
        self.database.admin().await
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }
}

impl Caller {
    /// A request of this caller.
    pub(super) fn request<T>(&self, body: T) -> Request<T> {
        self.principal.request(body, &[])
    }

    pub(super) async fn create_as(
        &self,
        object: &str,
        field: pb::Field,
        headers: &[(&'static str, &str)],
    ) -> Result<Response<pb::CreateFieldResponse>, Status> {
        let request = pb::CreateFieldRequest { object: object.to_owned(), field: Some(field) };
        self.service.create_field(self.principal.request(request, headers)).await
    }

    pub(super) async fn create(&self, field: pb::Field) -> Result<pb::Field, Refusal> {
        let answer = self.create_as("contact", field, &[]).await.map_err(Refusal::from)?;
        Ok(answer.into_inner().field.unwrap())
    }

    pub(super) async fn get(&self, object: &str, id: &str) -> Result<pb::Field, Status> {
        let request = pb::GetFieldRequest { object: object.to_owned(), id: id.to_owned() };
        Ok(self.service.get_field(self.request(request)).await?.into_inner().field.unwrap())
    }

    pub(super) async fn list(
        &self,
        size: Option<i32>,
        token: &str,
    ) -> Result<(Vec<String>, String), Refusal> {
        let request = pb::ListFieldsRequest {
            object: "contact".to_owned(),
            page_size: size,
            page_token: token.to_owned(),
        };
        let page = self.service.list_fields(self.request(request)).await.map_err(Refusal::from)?.into_inner();
        Ok((page.fields.into_iter().map(|field| field.key).collect(), page.next_page_token))
    }

    /// Changes the members in `paths`, under the condition `if_match`.
    pub(super) async fn update(
        &self,
        id: &str,
        field: pb::Field,
        paths: &[&str],
        if_match: Option<&str>,
    ) -> Result<pb::Field, Refusal> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let mut request = self.request(pb::UpdateFieldRequest {
            object: "contact".to_owned(),
            id: id.to_owned(),
            field: Some(field),
            update_mask: Some(prost_types::FieldMask { paths }),
        });
        if let Some(condition) = if_match {
            request.metadata_mut().insert("if-match", condition.parse().unwrap());
        }
        let answer = self.service.update_field(request).await.map_err(Refusal::from)?;
        Ok(answer.into_inner().field.unwrap())
    }

    pub(super) async fn deprecate(&self, id: &str) -> Result<pb::Field, Refusal> {
        let request = pb::DeprecateFieldRequest { object: "contact".to_owned(), id: id.to_owned() };
        let answer = self.service.deprecate_field(self.request(request)).await.map_err(Refusal::from)?;
        Ok(answer.into_inner().field.unwrap())
    }

    pub(super) async fn archive(&self, id: &str) -> Result<pb::Field, Refusal> {
        let request = pb::ArchiveFieldRequest { object: "contact".to_owned(), id: id.to_owned() };
        let answer = self.service.archive_field(self.request(request)).await.map_err(Refusal::from)?;
        Ok(answer.into_inner().field.unwrap())
    }

    pub(super) async fn restore(&self, id: &str) -> Result<pb::Field, Refusal> {
        let request = pb::RestoreFieldRequest { object: "contact".to_owned(), id: id.to_owned() };
        let answer = self.service.restore_field(self.request(request)).await.map_err(Refusal::from)?;
        Ok(answer.into_inner().field.unwrap())
    }

    pub(super) async fn field_set(&self, if_version: i64) -> Result<pb::GetFieldSetResponse, Refusal> {
        let request = pb::GetFieldSetRequest { object: "contact".to_owned(), if_version };
        Ok(self.service.get_field_set(self.request(request)).await.map_err(Refusal::from)?.into_inner())
    }

    pub(super) async fn limits(&self) -> Result<HashMap<String, (i64, i64)>, Refusal> {
        let answer =
            self.service.get_limits(self.request(pb::GetLimitsRequest {})).await.map_err(Refusal::from)?;
        let limits = answer.into_inner().limits.into_iter();
        Ok(limits
            .map(|limit| (format!("{}.{}", limit.object, limit.name), (limit.used, limit.max)))
            .collect())
    }
}

/// What a caller learns of a refusal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) http: u16,
    pub(super) reason: String,
}

impl std::error::Error for Refusal {}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.http, self.reason)
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        let error = error::Error::from(status);
        Self { http: error.code().http(error.reason()), reason: error.reason().to_owned() }
    }
}

pub(super) fn refusal(http: u16, reason: &str) -> Refusal {
    Refusal { http, reason: reason.to_owned() }
}

/// A field as a caller sends it.
pub(super) fn field(key: &str, kind: pb::FieldType) -> pb::Field {
    pb::Field { key: key.to_owned(), label: key.to_owned(), r#type: kind.into(), ..Default::default() }
}

pub(super) fn indexed(key: &str, kind: pb::FieldType) -> pb::Field {
    pb::Field { indexed: true, ..field(key, kind) }
}
