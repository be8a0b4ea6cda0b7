//! A records service with its database, the calls of it that tests make, and fields and people that the test decides.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use blobs::Blobs;
use config::SecretString;
use ids::{Clock, TenantId};
use proto::common::v1 as common;
use proto::fields::v1 as fields;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use query::CursorKey;
use records::{Parts, Service};
use serde_json::Value;
use tonic::{Response, Status};
use uuid::Uuid;

use crate::database::Database;
pub(crate) use crate::world::{ALL, May, Refusal};
use crate::world::{Ground, Known, TestGate, definitions};

pub(crate) type Caller = crate::world::Caller<Service>;

/// One service, with what is around it.
pub(crate) struct World {
    served: crate::world::World<Service>,
    parts: Arc<dyn Fn() -> Result<Parts> + Send + Sync>,
    pub(crate) blobs: Blobs,
    /// What the fields service would answer.
    pub(crate) definitions: Arc<Mutex<fields::GetFieldSetResponse>>,
    /// How often it was asked.
    pub(crate) asked: Arc<AtomicUsize>,
    /// Users and teams that identity knows.
    pub(crate) people: Known,
    /// Addresses of users by their tenants.
    pub(crate) addresses: Arc<Mutex<Vec<(TenantId, String, Uuid)>>>,
}

impl Deref for World {
    type Target = crate::world::World<Service>;

    fn deref(&self) -> &Self::Target {
        &self.served
    }
}

/// Where the worlds keep their files: in the target directory, which whoever is short of space knows how to empty.
pub(crate) fn blob_directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("records-blobs")
}

impl World {
    pub(crate) async fn new() -> Result<Self> {
        Self::on(Database::shared(records::MIGRATIONS).await?)
    }

    /// A service on a database of its own: for jobs, which go across tenants.
    pub(crate) async fn alone(name: &'static str) -> Result<Self> {
        Self::on(Database::fresh(name, &[records::MIGRATIONS]).await?)
    }

    /// A service on a database.
    pub(crate) fn on(database: Database) -> Result<Self> {
        Self::with(database, records::Quotas::default())
    }

    /// A service on a database, with quotas.
    pub(crate) fn with(database: Database, quotas: records::Quotas) -> Result<Self> {
        Self::of(database, quotas, Blobs::in_directory(&blob_directory())?)
    }

    /// A service on a database, with its files elsewhere.
    pub(crate) fn storing(database: Database, blobs: Blobs) -> Result<Self> {
        Self::of(database, records::Quotas::default(), blobs)
    }

    fn of(database: Database, quotas: records::Quotas, blobs: Blobs) -> Result<Self> {
        let ground = Ground::on(database, "records", Clock::system())?;
        let gates = TestGate::new(&ground.clock)?;
        let definitions = Arc::new(Mutex::new(definitions::field_set()));
        let (answer, asked) = (definitions.clone(), Arc::new(AtomicUsize::new(0)));
        let counter = asked.clone();
        let (people, service_token) = (Known::default(), gates.acts_for("records"));
        let addresses = Arc::<Mutex<Vec<(TenantId, String, Uuid)>>>::default();
        let worker = ground.worker()?;
        let answer: records::FetchDefinitions = Arc::new(move |_, object, version| {
            counter.fetch_add(1, Ordering::SeqCst);
            let mut set = answer.lock().unwrap().clone();
            if object != "contact" || set.version == version {
                set.fields.clear();
            }
            Box::pin(async move { Ok(set) })
        });
        let slots = slots(definitions.clone());
        let parts = Arc::new({
            let (gate, blobs, people) = (gates.gate.clone(), blobs.clone(), people.clone());
            let (db, clock, addresses) = (ground.db.clone(), ground.clock.clone(), addresses.clone());
            move || {
                let addresses = addresses.clone();
                Ok::<_, anyhow::Error>(Parts {
                    gate: gate.clone(),
                    db: db.clone(),
                    clock: clock.clone(),
                    cursor_key: CursorKey::new(&SecretString::from("0123456789abcdef0123456789abcdef"))?,
                    region: "US".parse().ok(),
                    definitions: answer.clone(),
                    slots: slots.clone(),
                    people: people.ask(),
                    names: people.ask_names(),
                    users: Arc::new(move |cx, asked| {
                        let known = addresses.lock().unwrap().clone().into_iter();
                        let of = known.filter(move |(tenant, ..)| *tenant == cx.tenant.id());
                        let found = of.map(|(_, address, id)| (address, id));
                        let found = found.filter(|(address, _)| asked.contains(address)).collect();
                        Box::pin(async move { Ok(found) })
                    }),
                    wake: events::Wake::default(),
                    worker: worker.clone(),
                    blobs: blobs.clone(),
                    quotas,
                    service_token: service_token.clone(),
                })
            }
        });
        let served = crate::world::World::on(ground, gates, Service::new(parts()?));
        Ok(Self { served, parts, blobs, definitions, asked, people, addresses })
    }

    /// Another instance of the service, which holds nothing yet.
    pub(crate) fn instance(&self) -> Result<Service> {
        Ok(Service::new((self.parts)()?))
    }

    /// Another instance, which asks for slots in another way.
    pub(crate) fn instance_with(
        &self,
        slots: impl FnOnce(records::AskSlot) -> records::AskSlot,
    ) -> Result<Service> {
        let mut parts = (self.parts)()?;
        parts.slots = slots(parts.slots);
        Ok(Service::new(parts))
    }

    /// The comparison of what is derived.
    pub(crate) fn derived_check(&self) -> Result<record::DerivedCheck> {
        Ok(record::DerivedCheck {
            role: fleet::Role::Records,
            objects: records::OBJECTS,
            db: self.db.clone(),
            worker: self.worker()?,
            clock: self.clock.clone(),
            every: std::time::Duration::from_secs(3_600),
        })
    }

    /// Somebody in `tenant`, whom identity knows.
    pub(crate) fn caller(&self, tenant: TenantId, may: &May<'_>) -> Result<Caller> {
        let caller = self.served.caller(tenant, may)?;
        self.people.insert("user", caller.id);
        Ok(caller)
    }

    /// From now on a user of the tenant has this address.
    pub(crate) fn address(&self, tenant: TenantId, address: &str, id: Uuid) {
        self.addresses.lock().unwrap().push((tenant, address.to_owned(), id));
    }

    /// Somebody who may do everything in a tenant of their own.
    pub(crate) fn admin(&self) -> Result<Caller> {
        self.caller(self.tenant(), &ALL)
    }

    /// The purge of what has lain in the trash for longer than `retention`.
    pub(crate) fn purge(&self, retention: std::time::Duration) -> Result<record::Purge> {
        Ok(record::Purge {
            role: fleet::Role::Records,
            objects: records::OBJECTS,
            db: self.db.clone(),
            worker: self.worker()?,
            clock: self.clock.clone(),
            wake: events::Wake::default(),
            retention,
        })
    }
}

impl Caller {
    pub(crate) async fn create_as(
        &self,
        contact: pb::Contact,
        headers: &[(&'static str, &str)],
    ) -> Result<Response<pb::CreateContactResponse>, Status> {
        let request =
            self.request(pb::CreateContactRequest { contact: Some(contact), ..Default::default() }, headers);
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

    pub(crate) async fn queue_import(
        &self,
        request: pb::CreateImportRequest,
    ) -> Result<common::Operation, Refusal> {
        let answer = self.service.create_import(self.request(request, &[])).await?.into_inner();
        Ok(answer.operation.unwrap())
    }

    pub(crate) async fn create_company(&self, company: pb::Company) -> Result<pb::Company, Refusal> {
        let request = pb::CreateCompanyRequest { company: Some(company) };
        Ok(self.service.create_company(self.request(request, &[])).await?.into_inner().company.unwrap())
    }
}

/// The id of the row of an operation.
pub(crate) fn row_id(operation: &str) -> Result<Uuid> {
    let id =
        operation.strip_prefix("records.").with_context(|| format!("{operation} is of another service"))?;
    Ok(id.parse()?)
}

/// A field for [`World::definitions`].
pub(crate) fn new_field(key: &str) -> fields::FieldProjection {
    definitions::field(100, key, fields::FieldType::Integer, "num_03")
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

/// Does to the definitions what the fields service would do to a field's slot.
pub(crate) fn slots(definitions: Arc<Mutex<fields::GetFieldSetResponse>>) -> records::AskSlot {
    Arc::new(move |_, step, _, id| {
        let done = step_of_slot(&mut definitions.lock().unwrap(), step, &id);
        Box::pin(async move { done })
    })
}

fn step_of_slot(
    set: &mut fields::GetFieldSetResponse,
    step: records::SlotStep,
    id: &str,
) -> Result<(), error::Error> {
    let version = set.version + 1;
    let Some(field) = set.fields.iter_mut().find(|field| field.id == id) else {
        return Err(error::Error::not_found(error::Reason::FIELD_NOT_FOUND));
    };
    match step {
        records::SlotStep::Check => return Ok(()),
        records::SlotStep::Assign => assign(field, "txt_07", version),
        records::SlotStep::Finish(assignment) if assignment == field.slot_assignment => {
            field.slot = std::mem::take(&mut field.filling_slot);
            field.filling = false;
        }
        records::SlotStep::Finish(_) => {
            let reason = error::Reason::FIELD_STATE_INVALID;
            return Err(error::Error::new(error::Code::FailedPrecondition, reason, ""));
        }
    }
    set.version = version;
    Ok(())
}

/// Gives a field a slot that is to be filled.
pub(crate) fn assign(field: &mut fields::FieldProjection, slot: &str, assignment: i64) {
    field.slot = String::new();
    field.filling_slot = slot.to_owned();
    field.filling = true;
    field.slot_assignment = assignment;
}
