//! The operations on records of any message.

use auth::{Answer, Context};
use error::Error;
use input::Mask;
use prost::Message;
use proto::Rpc;

use super::create::Asked;
use super::draft::Draft;
use super::include::Wanted;
use super::list::{self, Listed};
use super::prepare::Path;
use super::{Alike, Env, Fields, Reader, Wire, names};

/// Creates a record of what was sent, also of one that is like another; the owner is the caller when none is named. `sent` is where the
/// request has it.
pub async fn create<W: Wire, R: Rpc + Message>(
    env: &Env,
    cx: &Context,
    request: R,
    sent: fn(&mut R) -> &mut Option<W::Message>,
) -> Result<Answer<W::Message>, Error> {
    create_unlike::<W, R>(env, cx, request, sent, Alike::Allowed).await
}

/// As [`create`], unless the record is like another and that is refused: 409 `DUPLICATE`.
#[tracing::instrument(name = "record.create", skip_all, fields(object = W::object().name))]
pub async fn create_unlike<W: Wire, R: Rpc + Message>(
    env: &Env,
    cx: &Context,
    mut request: R,
    sent: fn(&mut R) -> &mut Option<W::Message>,
    alike: Alike,
) -> Result<Answer<W::Message>, Error> {
    // An `Idempotency-Key` stands for what was meant, not for how it was written.
    if let Some(sent) = sent(&mut request) {
        let custom = W::custom_mut(sent);
        *custom = input::canonical(custom).into();
    }
    let fingerprint = request.encode_to_vec();
    let sent = sent(&mut request).take().unwrap_or_default();
    let surroundings = (env.region, env.clock.now());
    let read = |names: &[&str], mask: &Mask| Reader::read_by::<W>(surroundings, &sent, names, Some(mask));
    let draft = Draft::new(None, &sent, W::custom(&sent), &read)?;
    let asked = Asked { rpc: R::NAME, request: &fingerprint };
    crate::create::create(env, cx, W::object(), asked, draft, alike).await?.shown::<W>(env.clock.now())
}

/// Shows one record that the caller may see.
#[tracing::instrument(name = "record.get", skip_all, fields(object = W::object().name))]
pub async fn get<W: Wire>(
    env: &Env,
    cx: &Context,
    id: &str,
    fields: &str,
    include: &str,
) -> Result<Answer<W::Message>, Error> {
    let object = W::object();
    let wanted = Wanted::parse(object, include)?;
    let (found, referred) = crate::get::get(env, cx, object, id, fields, &wanted).await?;
    let mut answer = found.shown::<W>(env.clock.now())?;
    names::put_one::<W>(env, cx, &wanted, (&mut answer.message, referred)).await?;
    Ok(answer)
}

/// Lists the records that the caller may see.
#[tracing::instrument(name = "record.list", skip_all, fields(object = W::object().name))]
pub async fn list<W: Wire>(
    env: &Env,
    cx: &Context,
    asked: list::Asked<'_>,
) -> Result<Listed<W::Message>, Error> {
    list_within::<W>(env, cx, asked, list::Within::default()).await
}

/// As [`list()`], of some records and in an order that the operation decides.
pub async fn list_within<W: Wire>(
    env: &Env,
    cx: &Context,
    asked: list::Asked<'_>,
    within: list::Within<'_>,
) -> Result<Listed<W::Message>, Error> {
    let object = W::object();
    let wanted = Wanted::parse(object, asked.include)?;
    let (mut listed, referred) =
        crate::list::list(env, cx, object, (asked, within), &wanted, W::show).await?;
    listed.warnings = names::put::<W>(env, cx, &wanted, listed.records.iter_mut().zip(referred)).await?;
    Ok(listed)
}

/// Changes the members that the update mask names; without a mask those that are set. Objects are merged (RFC 7396).
pub async fn update<W: Wire>(
    env: &Env,
    cx: &Context,
    id: &str,
    mask: Option<prost_types::FieldMask>,
    sent: Option<&W::Message>,
) -> Result<Answer<W::Message>, Error> {
    update_by::<W>(env, cx, (id, Path::Update), mask, sent, Fields::new()).await
}

/// As [`update_by`], by a call that takes an `Idempotency-Key`: `request`, without what only says how it was written.
pub async fn update_once<W: Wire, R: Rpc + Message>(
    env: &Env,
    cx: &Context,
    (id, path): (&str, Path),
    request: &R,
    sent: &W::Message,
    inputs: Fields,
) -> Result<Answer<W::Message>, Error> {
    let request = request.encode_to_vec();
    let asked = Some(Asked { rpc: R::NAME, request: &request });
    changed::<W>(env, cx, (id, path, asked), None, sent, inputs).await
}

/// As [`update`], by a call of another kind, which the object's guard is told; `inputs` are what the call says beside the body, see
/// [`super::Standard::input`].
pub async fn update_by<W: Wire>(
    env: &Env,
    cx: &Context,
    (id, path): (&str, Path),
    mask: Option<prost_types::FieldMask>,
    sent: Option<&W::Message>,
    inputs: Fields,
) -> Result<Answer<W::Message>, Error> {
    let nothing = W::Message::default();
    changed::<W>(env, cx, (id, path, None), mask, sent.unwrap_or(&nothing), inputs).await
}

#[tracing::instrument(name = "record.update", skip_all, fields(object = W::object().name))]
async fn changed<W: Wire>(
    env: &Env,
    cx: &Context,
    (id, path, asked): (&str, Path, Option<Asked<'_>>),
    mask: Option<prost_types::FieldMask>,
    sent: &W::Message,
    inputs: Fields,
) -> Result<Answer<W::Message>, Error> {
    let surroundings = (env.region, env.clock.now());
    let read = |names: &[&str], mask: &Mask| Reader::read_by::<W>(surroundings, sent, names, Some(mask));
    let draft = Draft::new(mask, sent, W::custom(sent), &read)?.with(inputs);
    crate::update::update(env, cx, W::object(), (id, path, asked), W::etag(sent), draft)
        .await?
        .shown::<W>(env.clock.now())
}

/// Moves a record to the trash.
#[tracing::instrument(name = "record.delete", skip_all, fields(object = W::object().name))]
pub async fn delete<W: Wire>(env: &Env, cx: &Context, id: &str) -> Result<(), Error> {
    crate::delete::delete(env, cx, W::object(), id).await
}

/// Takes a record out of the trash.
#[tracing::instrument(name = "record.restore", skip_all, fields(object = W::object().name))]
pub async fn restore<W: Wire, R: Rpc + Message>(
    env: &Env,
    cx: &Context,
    request: &R,
    id: &str,
) -> Result<Answer<W::Message>, Error> {
    crate::restore::restore(env, cx, W::object(), R::NAME, request.encode_to_vec(), id)
        .await?
        .shown::<W>(env.clock.now())
}
