//! Shows one record.

use auth::Context;
use db::DbError;
use error::Error;
use query::{Bind, Deleted, Limits, List, ListRequest, Projection, Schema};
use uuid::Uuid;

use super::definitions::keys_in;
use super::include::{Referred, Wanted};
use super::{Answer, Object, Record, access, list};
use crate::Env;

/// Reads one live record that the caller may see, and what it refers to; hidden fields are not selected. 404 for all others.
pub(crate) async fn get(
    env: &Env,
    cx: &Context,
    object: &'static Object,
    id: &str,
    fields: &str,
    wanted: &Wanted,
) -> Result<(Answer, Referred), Error> {
    let set = env.definitions.for_keys(cx, object, keys_in(&[fields])).await?;
    let mask = set.mask(object, cx.mask(object.name));
    let projection =
        Projection::parse(object.columns(), Some(set.queryable()), &mask, &wanted.fields(fields, &mask))?;
    let (id, now) = (parse_id(object, id)?, env.clock.now_micros());
    let request = ListRequest {
        schema: Schema {
            table: object.table(),
            custom: set.queryable(),
            mask: &mask,
            region: env.region,
            now,
        },
        predicate: cx.reached(),
        fixed: &[("id", Bind::Uuid(id))],
        deleted: Deleted::Hidden,
        filter: None,
        order_by: "",
        limits: Limits::default(),
    };
    let mut tx = list::begin(env, cx, &request, fields, true).await?;
    let list = List::new(tx.tenant_id(), &request)?;
    let page = query::fetch_page(&mut tx, &list, &projection, &env.cursor_key, 1, "").await?;
    tx.commit().await?;
    let row = page.rows.first().ok_or_else(|| Error::not_found(object.not_found))?;
    let record = Record::from_row(row, object.columns()).map_err(DbError::from)?;
    let access = wanted.access.then(|| access::of(cx, object, &set, &mask, record.facts()));
    let answer = Answer { asked: projection.custom_keys().to_vec(), access, ..Answer::new(record, mask) };
    let referred = wanted.referred(object, id, &answer.view(now));
    Ok((answer, referred))
}

/// The id in a path. What is no id names nothing.
pub fn parse_id(object: &Object, id: &str) -> Result<Uuid, Error> {
    let parsed = if id.len() == 36 { Uuid::try_parse(id).ok() } else { None };
    parsed.ok_or_else(|| Error::not_found(object.not_found))
}
