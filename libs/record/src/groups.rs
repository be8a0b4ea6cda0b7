//! Lists records in groups by a column, such as the cards of a board by their stages.

use std::collections::BTreeMap;

use auth::Context;
use db::TenantTx;
use error::Error;
use proto::common::v1::Warning;
use query::groups::{Grouping, fetch_groups};
use query::{Deleted, Limits, List, ListRequest, Projection, Schema};
use uuid::Uuid;

use super::definitions::{FieldSet, keys_in, newer};
use super::include::{Referred, Wanted};
use super::list::{Shown, Within};
use super::{Object, Wire, names};
use crate::Env;

/// Groups as they were asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Of the records.
    pub filter: &'a str,
    /// What the operation decides. It has an order.
    pub within: Within<'a>,
    /// By what they are grouped.
    pub grouping: Grouping,
    /// The field whose amounts are summed up: whoever does not see it sees no sums.
    pub summed: &'static str,
    /// Records of each group.
    pub page_size: usize,
    /// As of a list.
    pub include: &'a str,
}

/// The records of a group, as the caller sees them.
#[derive(Debug)]
pub struct Group<T> {
    /// All of them.
    pub count: i64,
    /// The sums of the amounts, by currency.
    pub sums: Vec<(String, i64)>,
    /// The first ones.
    pub records: Vec<T>,
    /// Goes on behind them, in a list that also fixes the group's column; empty if there are no more.
    pub next_page_token: String,
}

/// The groups that have records.
#[derive(Debug)]
pub struct Grouped<T> {
    /// By the values of the column.
    pub groups: BTreeMap<Uuid, Group<T>>,
    /// What of `include` is missing.
    pub warnings: Vec<Warning>,
    /// What they cost beside others, see [`super::list::charged`].
    pub cost: u64,
}

/// Reads the groups that have records which the caller may see: one statement.
#[tracing::instrument(name = "record.grouped", skip_all, fields(object = W::object().name))]
pub async fn grouped<W: Wire>(
    env: &Env,
    cx: &Context,
    asked: Asked<'_>,
) -> Result<Grouped<W::Message>, Error> {
    let object = W::object();
    let keys = keys_in(&[asked.filter]);
    let wanted = Wanted::parse(object, asked.include)?;
    let set = env.definitions.for_keys(cx, object, keys.iter().copied()).await?;
    let (mut grouped, referred) = match by_definitions::<W>(env, cx, object, asked, (&set, &wanted)).await {
        Err(refused) => {
            let newer = newer(env, cx, object, (&keys, &set), refused).await?;
            by_definitions::<W>(env, cx, object, asked, (&newer, &wanted)).await?
        }
        done => done?,
    };
    let records = grouped.groups.values_mut().flat_map(|group| &mut group.records);
    // In the order of groups, as the map has them.
    let referred = referred.into_values().flatten();
    grouped.warnings = names::put::<W>(env, cx, &wanted, records.zip(referred)).await?;
    Ok(grouped)
}

async fn by_definitions<W: Wire>(
    env: &Env,
    cx: &Context,
    object: &'static Object,
    asked: Asked<'_>,
    (set, wanted): (&FieldSet, &Wanted),
) -> Result<(Grouped<W::Message>, BTreeMap<Uuid, Vec<Referred>>), Error> {
    let mask = set.mask(object, cx.mask(object.name));
    let projection = Projection::parse(object.columns(), Some(set.queryable()), &mask, "")?;
    let filter = query::filter::parse(asked.filter)?;
    let now = env.clock.now_micros();
    let request = ListRequest {
        schema: Schema {
            table: object.table(),
            custom: set.queryable(),
            mask: &mask,
            region: env.region,
            now,
        },
        predicate: cx.reached(),
        fixed: asked.within.fixed,
        deleted: Deleted::Hidden,
        filter: filter.as_ref(),
        order_by: "",
        limits: Limits::default(),
    };
    let money = asked.grouping.money.filter(|_| !mask.hides(asked.summed));
    let grouping = Grouping { money, ..asked.grouping };
    let mut tx = TenantTx::begin_snapshot(&env.db, cx.tenant).await?;
    let list = List::open(&mut tx, &request).await?;
    let cost = list.cost();
    let list = asked.within.ordered(&tx, list, &request)?;
    let groups =
        fetch_groups(&mut tx, &list, &projection, grouping, &env.cursor_key, asked.page_size).await?;
    tx.commit().await?;
    let shown =
        Shown { cx, object, set, mask: &mask, projection: &projection, wanted, convert: W::show, now };
    let mut bytes = query::list::MAX_PAGE_BYTES;
    let mut all_referred = BTreeMap::new();
    let groups = groups.into_iter().map(|(id, mut group)| {
        let (records, referred) = shown.records(&group.page.rows, &mut bytes)?;
        let fixed = [asked.within.fixed, &[(grouping.column, query::Bind::Uuid(id))]].concat();
        group.page.end_after(records.len(), &list.within(&fixed), &env.cursor_key)?;
        all_referred.insert(id, referred);
        let (count, sums, next_page_token) = (group.count, group.sums, group.page.next_page_token);
        Ok((id, Group { count, sums, records, next_page_token }))
    });
    let groups = groups.collect::<Result<_, Error>>()?;
    Ok((Grouped { groups, warnings: Vec::new(), cost }, all_referred))
}
