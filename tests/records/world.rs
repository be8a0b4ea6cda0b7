//! A records service with its database, and tenants with callers whose permissions and fields the test decides.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use auth::{Gate, PrincipalKind, VerifiedTenant};
use blobs::Blobs;
use config::SecretString;
use db::{Db, TenantTx, WorkerDb};
use ids::{Clock, TenantId};
use proto::fields::v1 as fields;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use query::CursorKey;
use records::{Parts, Service};
use serde_json::Value;
use sqlx::PgConnection;
use tokio::sync::OnceCell;
use tonic::{Response, Status};
use uuid::Uuid;

use crate::database::Database;
pub(crate) use crate::gate::{ALL, May};
use crate::gate::{Principal, TestGate};

/// One service; each test has its own, all on one database.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) service: Service,
    parts: Arc<dyn Fn() -> Result<Parts> + Send + Sync>,
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) gate: Gate,
    pub(crate) blobs: Blobs,
    database: Database,
    gates: TestGate,
    /// What the fields service would answer.
    pub(crate) definitions: Arc<Mutex<fields::GetFieldSetResponse>>,
    /// How often it was asked.
    pub(crate) asked: Arc<AtomicUsize>,
    /// Users and teams that identity knows.
    pub(crate) people: Arc<Mutex<Vec<Uuid>>>,
}

/// Somebody in a tenant.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) service: Service,
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
    let made = || Database::kept("globcrm_test_records", &[records::MIGRATIONS]);
    Ok(DATABASE.get_or_try_init(made).await?.clone())
}

impl World {
    pub(crate) async fn new() -> Result<Self> {
        Self::on(database().await?)
    }

    /// A service on a database.
    pub(crate) fn on(database: Database) -> Result<Self> {
        Self::with(database, records::Quotas::default())
    }

    /// A service on a database, with quotas.
    pub(crate) fn with(database: Database, quotas: records::Quotas) -> Result<Self> {
        let clock = Clock::system();
        let db = Db::new(&database.config("records"), "records")?;
        let gates = TestGate::new(&clock)?;
        let gate = gates.gate.clone();
        let definitions = Arc::new(Mutex::new(field_set()));
        let (answer, asked) = (definitions.clone(), Arc::new(AtomicUsize::new(0)));
        let counter = asked.clone();
        let people: Arc<Mutex<Vec<Uuid>>> = Arc::default();
        let (known_people, own) = (people.clone(), gates.signer.clone());
        let blobs = Blobs::in_directory(&std::env::temp_dir().join("globcrm-test-records-blobs"))?;
        let worker = WorkerDb::new(&database.config("records"), "records", 2)?;
        let answer: records::FetchDefinitions = Arc::new(move |_, object, version| {
            counter.fetch_add(1, Ordering::SeqCst);
            let mut set = answer.lock().unwrap().clone();
            if object != "contact" || set.version == version {
                set.fields.clear();
            }
            Box::pin(async move { Ok(set) })
        });
        let parts = Arc::new({
            let (gate, db, clock, blobs) = (gate.clone(), db.clone(), clock.clone(), blobs.clone());
            move || {
                let (known_people, own) = (known_people.clone(), own.clone());
                Ok::<_, anyhow::Error>(Parts {
                    gate: gate.clone(),
                    db: db.clone(),
                    clock: clock.clone(),
                    cursor_key: CursorKey::new(&SecretString::from("0123456789abcdef0123456789abcdef"))?,
                    region: "US".parse().ok(),
                    definitions: answer.clone(),
                    people: Arc::new(move |_, users, teams| {
                        let known = known_people.lock().unwrap().clone();
                        let unknown =
                            |ids: Vec<Uuid>| ids.into_iter().filter(|id| !known.contains(id)).collect();
                        let answer = (unknown(users), unknown(teams));
                        Box::pin(async move { Ok(answer) })
                    }),
                    wake: events::Wake::default(),
                    worker: worker.clone(),
                    blobs: blobs.clone(),
                    quotas,
                    service_token: Arc::new(move |tenant, act_for| {
                        let service = Some("records".to_owned());
                        let token = own.sign(tenant, PrincipalKind::User, act_for, None, service);
                        Box::pin(async move { token.map(SecretString::from).map_err(error::Error::internal) })
                    }),
                })
            }
        });
        let service = Service::new(parts()?);
        Ok(Self { service, parts, db, clock, gate, blobs, database, gates, definitions, asked, people })
    }

    /// Another instance of the service, which holds nothing yet.
    pub(crate) fn instance(&self) -> Result<Service> {
        Ok(Service::new((self.parts)()?))
    }

    /// The comparison of what is derived.
    pub(crate) fn derived_check(&self) -> Result<records::DerivedCheck> {
        Ok(records::DerivedCheck {
            db: self.db.clone(),
            worker: self.worker()?,
            clock: self.clock.clone(),
            every: std::time::Duration::from_secs(3_600),
        })
    }

    pub(crate) fn tenant(&self) -> TenantId {
        TenantId::from(self.clock.new_uuid())
    }

    /// Somebody who may do everything in a tenant of their own.
    pub(crate) fn admin(&self) -> Result<Caller> {
        self.caller(self.tenant(), &ALL)
    }

    /// Somebody in `tenant`.
    pub(crate) fn caller(&self, tenant: TenantId, may: &May<'_>) -> Result<Caller> {
        let principal = self.gates.somebody(&self.clock, tenant, may)?;
        self.people.lock().unwrap().push(principal.id);
        Ok(Caller { service: self.service.clone(), principal })
    }

    /// Decides what a caller may do from the next snapshot on.
    pub(crate) fn allow(&self, id: Uuid, version: i64, may: &May<'_>) {
        self.gates.allow(id, version, may);
    }

    /// A transaction in a tenant.
    pub(crate) async fn tx(&self, tenant: TenantId) -> Result<TenantTx> {
        Ok(TenantTx::begin(&self.db, VerifiedTenant::from_claim(tenant)).await?)
    }

    /// The worker role's pool.
    pub(crate) fn worker(&self) -> Result<WorkerDb> {
        Ok(WorkerDb::new(&self.database.config("records"), "records", 2)?)
    }

    /// The purge of what has lain in the trash for longer than `retention`.
    pub(crate) fn purge(&self, retention: std::time::Duration) -> Result<records::Purge> {
        Ok(records::Purge {
            db: self.db.clone(),
            worker: self.worker()?,
            clock: self.clock.clone(),
            retention,
        })
    }

    /// How many rows a tenant has in a table.
    #[allow(clippy::disallowed_methods, reason = "the table's name is a constant of the test")]
    pub(crate) async fn count(&self, sql: &mut PgConnection, table: &str, tenant: TenantId) -> Result<i64> {
        let text = format!("SELECT count(*) FROM records.{table} WHERE tenant_id = $1");
        Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(text)).bind(tenant.uuid()).fetch_one(sql).await?)
    }

    /// The administrator, who sees all rows.
    pub(crate) async fn sql(&self) -> Result<PgConnection> {
        self.database.admin().await
    }
}

impl Caller {
    /// The same caller, at another instance.
    pub(crate) fn at(&self, service: &Service) -> Self {
        Self { service: service.clone(), ..self.clone() }
    }

    pub(crate) async fn create_as(
        &self,
        contact: pb::Contact,
        headers: &[(&'static str, &str)],
    ) -> Result<Response<pb::CreateContactResponse>, Status> {
        let request = self.request(pb::CreateContactRequest { contact: Some(contact) }, headers);
        self.service.create_contact(request).await
    }

    pub(crate) async fn create(&self, contact: pb::Contact) -> Result<pb::Contact, Refusal> {
        Ok(self.create_as(contact, &[]).await?.into_inner().contact.unwrap())
    }

    pub(crate) async fn get_with(
        &self,
        id: &str,
        fields: &str,
        include: &str,
    ) -> Result<pb::Contact, Refusal> {
        let request = pb::GetContactRequest {
            id: id.to_owned(),
            fields: fields.to_owned(),
            include: include.to_owned(),
        };
        Ok(self.service.get_contact(self.request(request, &[])).await?.into_inner().contact.unwrap())
    }

    pub(crate) async fn get(&self, id: &str) -> Result<pb::Contact, Refusal> {
        self.get_with(id, "", "").await
    }

    /// Changes the members in `paths`.
    pub(crate) async fn update_as(
        &self,
        id: &str,
        contact: pb::Contact,
        paths: &[&str],
        headers: &[(&'static str, &str)],
    ) -> Result<pb::Contact, Refusal> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let request = pb::UpdateContactRequest {
            id: id.to_owned(),
            contact: Some(contact),
            update_mask: Some(prost_types::FieldMask { paths }),
        };
        Ok(self.service.update_contact(self.request(request, headers)).await?.into_inner().contact.unwrap())
    }

    pub(crate) async fn update(
        &self,
        id: &str,
        contact: pb::Contact,
        paths: &[&str],
    ) -> Result<pb::Contact, Refusal> {
        self.update_as(id, contact, paths, &[]).await
    }

    pub(crate) async fn delete(&self, id: &str, headers: &[(&'static str, &str)]) -> Result<(), Refusal> {
        let request = pb::DeleteContactRequest { id: id.to_owned() };
        self.service.delete_contact(self.request(request, headers)).await?;
        Ok(())
    }

    pub(crate) async fn restore(&self, id: &str) -> Result<pb::Contact, Refusal> {
        let request = pb::RestoreContactRequest { id: id.to_owned() };
        Ok(self.service.restore_contact(self.request(request, &[])).await?.into_inner().contact.unwrap())
    }

    pub(crate) async fn list(
        &self,
        request: pb::ListContactsRequest,
    ) -> Result<pb::ListContactsResponse, Refusal> {
        Ok(self.service.list_contacts(self.request(request, &[])).await?.into_inner())
    }

    pub(crate) async fn create_company(&self, company: pb::Company) -> Result<pb::Company, Refusal> {
        let request = pb::CreateCompanyRequest { company: Some(company) };
        Ok(self.service.create_company(self.request(request, &[])).await?.into_inner().company.unwrap())
    }
}

/// What a caller learns of a refusal.
pub(crate) struct Refusal {
    pub(crate) status: Status,
    pub(crate) error: error::Error,
}

impl Refusal {
    pub(crate) fn http(&self) -> u16 {
        self.error.code().http(self.error.reason())
    }

    pub(crate) fn is(&self) -> (u16, &str) {
        (self.http(), self.error.reason())
    }

    /// Pointer and reason of every violation.
    pub(crate) fn violations(&self) -> Vec<(&str, &str)> {
        self.error.violations().iter().map(|v| (v.pointer.as_str(), v.reason.as_ref())).collect()
    }

    /// The problem document.
    pub(crate) fn problem(&self) -> Value {
        serde_json::from_slice(&error::Problem::new(&self.error, "0").to_json()).unwrap()
    }

    /// Everything that goes over the wire.
    pub(crate) fn bytes(&self) -> (String, Vec<u8>) {
        (self.status.message().to_owned(), self.status.details().to_vec())
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self { error: error::Error::from(status.clone()), status }
    }
}

impl std::error::Error for Refusal {}

impl std::fmt::Debug for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {:?}", self.http(), self.error.reason(), self.violations())
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

fn field(n: u128, key: &str, kind: fields::FieldType, slot: &str) -> fields::FieldProjection {
    fields::FieldProjection {
        id: Uuid::from_u128(n).to_string(),
        key: key.to_owned(),
        r#type: kind.into(),
        state: fields::FieldState::Active.into(),
        slot: slot.to_owned(),
        ..Default::default()
    }
}

/// `tier` picklist (txt_01), `seats` integer (num_01), `renewal` date (ts_01), `serial` text (unique), `boss` lookup of
/// contacts (ref_01), `note` text without index, `old` archived.
fn field_set() -> fields::GetFieldSetResponse {
    use fields::FieldType as Type;
    let option =
        |key: &str| fields::FieldOption { key: key.to_owned(), label: key.to_owned(), retired: false };
    let old = fields::FieldState::Archived.into();
    fields::GetFieldSetResponse {
        version: 1,
        fields: vec![
            fields::FieldProjection {
                options: vec![option("gold"), option("silver")],
                ..field(1, "tier", Type::Picklist, "txt_01")
            },
            field(2, "seats", Type::Integer, "num_01"),
            field(3, "renewal", Type::Date, "ts_01"),
            fields::FieldProjection { unique: true, ..field(4, "serial", Type::Text, "txt_02") },
            fields::FieldProjection {
                lookup_object: "contact".to_owned(),
                ..field(5, "boss", Type::Lookup, "ref_01")
            },
            field(6, "note", Type::Text, ""),
            fields::FieldProjection { state: old, ..field(7, "old", Type::Integer, "num_02") },
        ],
    }
}

/// A field for [`World::definitions`].
pub(crate) fn new_field(key: &str) -> fields::FieldProjection {
    field(100, key, fields::FieldType::Integer, "num_03")
}

pub(crate) fn named(first: &str, last: &str) -> pb::Contact {
    pb::Contact { first_name: Some(first.to_owned()), last_name: Some(last.to_owned()), ..Default::default() }
}

pub(crate) fn custom(value: &Value) -> pb::Contact {
    pb::Contact { custom: value.to_string().into_bytes().into(), ..Default::default() }
}

pub(crate) fn mail(address: &str) -> pb::EmailAddress {
    pb::EmailAddress { address: address.to_owned(), ..Default::default() }
}

/// The custom values of an answer.
pub(crate) fn custom_of(contact: &pb::Contact) -> Value {
    serde_json::from_slice(&contact.custom).unwrap()
}
