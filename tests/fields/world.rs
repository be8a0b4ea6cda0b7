//! A fields service with its database, and the calls of it that tests make.

use std::collections::HashMap;

use anyhow::Result;
use events::Event;
use fields::Service;
use ids::{Clock, TenantId};
use proto::fields::v1 as pb;
use proto::fields::v1::fields_service_server::FieldsService;
use proto::identity::v1::{self as identity, FieldAccess};
use tonic::{Request, Response, Status};

use crate::database::Database;
pub(super) use crate::world::Refusal;
use crate::world::{Ground, May, TestGate, done};

pub(crate) type World = crate::world::World<Service>;
pub(super) type Caller = crate::world::Caller<Service>;

impl World {
    pub(super) async fn new() -> Result<Self> {
        Self::at(Database::shared(fields::MIGRATIONS).await?)
    }

    /// On a database.
    pub(crate) fn at(database: Database) -> Result<Self> {
        let ground = Ground::on(database, "fields", Clock::system())?;
        let gates = TestGate::new(&ground.clock)?;
        // The same in every instance.
        let key = query::CursorKey::new(&"a-key-for-page-tokens-of-the-tests".into())?;
        let service = Service::new(gates.gate.clone(), ground.db.clone(), ground.clock.clone(), key);
        Ok(Self::on(ground, gates, service))
    }

    /// Somebody in `tenant` with these actions on `field`, from whom these fields of contacts are hidden.
    pub(super) fn member(
        &self,
        tenant: TenantId,
        actions: &[&str],
        scope: identity::Scope,
        hidden: &[&str],
    ) -> Result<Caller> {
        let actions: Vec<_> = actions.iter().map(|action| ("field", *action, scope)).collect();
        let fields: Vec<_> = hidden.iter().map(|field| ("contact", *field, FieldAccess::None)).collect();
        self.caller(tenant, &May { actions: &actions, fields: &fields })
    }
}

impl Caller {
    /// A request of this caller.
    pub(super) fn request<T>(&self, body: T) -> Request<T> {
        self.who.request(body, &[])
    }

    pub(super) async fn create_as(
        &self,
        object: &str,
        field: pb::Field,
        headers: &[(&'static str, &str)],
    ) -> Result<Response<pb::CreateFieldResponse>, Status> {
        let request = pb::CreateFieldRequest { object: object.to_owned(), field: Some(field) };
        self.service.create_field(self.who.request(request, headers)).await
    }

    pub(super) async fn create(&self, field: pb::Field) -> Result<pb::Field, Refusal> {
        Ok(done(self.create_as("contact", field, &[]).await)?.field.unwrap())
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
        let page = done(self.service.list_fields(self.request(request)).await)?;
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
        Ok(done(self.service.update_field(request).await)?.field.unwrap())
    }

    pub(super) async fn deprecate(&self, id: &str) -> Result<pb::Field, Refusal> {
        let request = pb::DeprecateFieldRequest { object: "contact".to_owned(), id: id.to_owned() };
        Ok(done(self.service.deprecate_field(self.request(request)).await)?.field.unwrap())
    }

    pub(super) async fn archive(&self, id: &str) -> Result<pb::Field, Refusal> {
        let request = pb::ArchiveFieldRequest { object: "contact".to_owned(), id: id.to_owned() };
        Ok(done(self.service.archive_field(self.request(request)).await)?.field.unwrap())
    }

    pub(super) async fn restore(&self, id: &str) -> Result<pb::Field, Refusal> {
        let request = pb::RestoreFieldRequest { object: "contact".to_owned(), id: id.to_owned() };
        Ok(done(self.service.restore_field(self.request(request)).await)?.field.unwrap())
    }

    pub(super) async fn field_set(&self, if_version: i64) -> Result<pb::GetFieldSetResponse, Refusal> {
        let request = pb::GetFieldSetRequest { object: "contact".to_owned(), if_version };
        done(self.service.get_field_set(self.request(request)).await)
    }

    /// The events of the caller's tenant, in their order.
    pub(super) async fn events(&self, world: &World) -> Result<Vec<Event>> {
        let envelopes: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT envelope FROM fields.outbox WHERE tenant_id = $1 ORDER BY seq")
                .bind(self.tenant.uuid())
                .fetch_all(&mut world.sql().await?)
                .await?;
        Ok(envelopes.iter().map(|bytes| Event::decode(bytes)).collect::<Result<_, _>>()?)
    }

    /// Gives a field of contacts a slot.
    pub(super) async fn assign_slot(&self, id: &str) -> Result<(), Refusal> {
        let request =
            pb::AssignSlotRequest { object: "contact".to_owned(), id: id.to_owned(), ..Default::default() };
        done(self.service.assign_slot(self.request(request)).await).map(drop)
    }

    /// Asks whether a field of contacts would get a slot.
    pub(super) async fn check_slot(&self, id: &str) -> Result<(), Refusal> {
        let request =
            pb::AssignSlotRequest { object: "contact".to_owned(), id: id.to_owned(), validate_only: true };
        done(self.service.assign_slot(self.request(request)).await).map(drop)
    }

    /// Says that the slot of an assignment is filled.
    pub(super) async fn finish_slot(&self, id: &str, slot_assignment: i64) -> Result<(), Refusal> {
        let request =
            pb::FinishSlotRequest { object: "contact".to_owned(), id: id.to_owned(), slot_assignment };
        done(self.service.finish_slot(self.request(request)).await).map(drop)
    }

    /// A field of contacts as the owner of their records sees it.
    pub(super) async fn projection(&self, id: &str) -> Result<pb::FieldProjection, Refusal> {
        Ok(self.field_set(0).await?.fields.into_iter().find(|field| field.id == id).unwrap())
    }

    pub(super) async fn limits(&self) -> Result<HashMap<String, (i64, i64)>, Refusal> {
        let answer = done(self.service.get_limits(self.request(pb::GetLimitsRequest {})).await)?;
        let limits = answer.limits.into_iter();
        Ok(limits
            .map(|limit| (format!("{}.{}", limit.object, limit.name), (limit.used, limit.max)))
            .collect())
    }
}

/// A field as a caller sends it.
pub(super) fn field(key: &str, kind: pb::FieldType) -> pb::Field {
    pb::Field { key: key.to_owned(), label: key.to_owned(), r#type: kind.into(), ..Default::default() }
}

pub(super) fn indexed(key: &str, kind: pb::FieldType) -> pb::Field {
    pb::Field { indexed: true, ..field(key, kind) }
}
