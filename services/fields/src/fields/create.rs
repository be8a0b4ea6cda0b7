//! `CreateField`.

use auth::Context;
use db::idempotency;
use db::{DbError, TenantTx};
use error::{Code, Error, Reason};
use ids::FieldId;
use proto::fields::v1::{CreateFieldRequest, CreateFieldResponse, Field};

use super::definition::{Definition, Object, State};
use super::draft::Draft;
use super::give_slot::give_slot;
use super::{convert, event, not_found, store};
use crate::app::App;

const RPC: &str = <CreateFieldRequest as proto::Rpc>::NAME;

/// What a call to create made.
#[derive(Debug)]
pub(crate) struct Created {
    pub(crate) answer: CreateFieldResponse,
    /// The answer is that of an earlier call with the same `Idempotency-Key`.
    pub(crate) replayed: bool,
}

/// Defines a field, gives it its ordinal and, when indexed, its slot.
#[tracing::instrument(name = "fields.fields.create", skip_all)]
pub(crate) async fn create(app: &App, cx: &Context, request: CreateFieldRequest) -> error::Result<Created> {
    cx.require_scope_all()?;
    let object = Object::in_path(&request.object)?;
    let draft = Draft::read(object, request.field.as_ref().unwrap_or(&Field::default()))?;

    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let result = define(app, cx, &mut tx, &request, object, draft).await;
    let created = tx.settle(result).await?;
    if !created.replayed {
        app.wake.notify();
    }
    Ok(created)
}

async fn define(
    app: &App,
    cx: &Context,
    tx: &mut TenantTx,
    request: &CreateFieldRequest,
    object: Object,
    draft: Draft,
) -> error::Result<Created> {
    db::fence::check(tx, cx).await?;
    let now = app.clock.now_micros();
    let claim = idempotency::claim(tx, cx, RPC, &as_meant(request), now).await?;
    if let Some(kept) = claim.replayed::<CreateFieldResponse>()? {
        return replay(cx, object, kept);
    }

    // From here on, changes of this object's definitions happen one after the other.
    let ordinal = store::lock_object(tx, object, 1).await?;
    if store::key_is_taken(tx, object, &draft.key).await? {
        return Err(key_taken());
    }
    store::usage(tx, object).await?.check_new(draft.options.len())?;
    let given = if draft.indexed {
        Some(give_slot(tx, cx, &app.clock, object, draft.field_type).await?)
    } else {
        None
    };
    let field = Definition {
        id: FieldId::from(app.clock.new_uuid()),
        object,
        key: draft.key,
        label: draft.label,
        field_type: draft.field_type,
        required: draft.required,
        unique: draft.unique,
        options: draft.options,
        default: draft.default,
        description: draft.description,
        state: State::Active,
        lookup_object: draft.lookup_object,
        slot: given.as_ref().map(|given| given.slot),
        // No record has a value yet, but the slot may have those of another field.
        filling: given.as_ref().is_some_and(|given| given.used_before),
        slot_assignment: given.map_or(0, |given| given.assignment),
        ordinal,
        version: 1,
        created_at: now,
        created_by: cx.principal.id,
        updated_at: now,
        updated_by: cx.principal.id,
    };
    store::insert(tx, &field).await.map_err(refused)?;
    events::outbox::append(tx, &event(cx, &app.clock, "created", None, &field)).await?;
    let answer = CreateFieldResponse { field: Some(convert::to_wire(&field)) };
    claim.keep(tx, &answer).await?;
    Ok(Created { answer, replayed: false })
}

/// The request with its default in the one form of all that mean the same.
fn as_meant(request: &CreateFieldRequest) -> CreateFieldRequest {
    let mut request = request.clone();
    if let Some(field) = &mut request.field {
        field.default = input::canonical(&field.default).into();
    }
    request
}

/// The answer kept, unless the caller may not know of the field any more.
fn replay(cx: &Context, object: Object, answer: CreateFieldResponse) -> error::Result<Created> {
    let key = answer.field.as_ref().map_or("", |field| field.key.as_str());
    if cx.mask(object.as_str()).hides_custom(key) {
        return Err(not_found());
    }
    Ok(Created { answer, replayed: true })
}

fn refused(error: DbError) -> Error {
    match error.duplicate() {
        Some("field_definition_key") => key_taken(),
        _ => error.into(),
    }
}

fn key_taken() -> Error {
    let text = "another field of this object has this key, or had it and is archived";
    Error::new(Code::AlreadyExists, Reason::FIELD_KEY_TAKEN, text)
}
