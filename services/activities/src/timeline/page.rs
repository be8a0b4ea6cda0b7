//! `GetContactTimeline`, `GetCompanyTimeline`, `GetDealTimeline`: a page of a timeline.

use std::collections::BTreeSet;

use auth::{Access, Context};
use db::TenantTx;
use error::{Error, Reason};
use proto::activities::v1 as pb;
use proto::common::v1::Warning;
use query::RowScope;
use query::list::MAX_PAGE_BYTES;
use query::page::{Anchor, PageRequest, Phased};
use record::Env;
use record::definitions::FieldSet;
use record::reference::{Reference, Soon};

use super::fact::LINKING;
use super::show::{self, bytes, show};
use super::store::page::{self as store, Found, Sight, Stored, Wanted};
use super::types::{self, ACTIVITY, NOTE};

/// The objects of whose fields entries say something.
const OBJECTS: [&str; 5] = ["activity", "company", "contact", "deal", "note"];

/// The fields that say when something happened, see [`show`] and the statement of a page.
const TIMES: [&str; 3] = [".created_at", ".updated_at", ".stage_entered_at"];

/// A page as it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Of the record.
    pub(crate) id: String,
    /// Separated by commas.
    pub(crate) types: String,
    pub(crate) page_size: Option<i32>,
    pub(crate) page_token: String,
}

/// The requests of the three objects say the same.
macro_rules! asked_by {
    ($($request:ident)*) => {
        $(impl From<pb::$request> for Asked {
            fn from(request: pb::$request) -> Self {
                let pb::$request { id, types, page_size, page_token } = request;
                Self { id, types, page_size, page_token }
            }
        })*
    };
}

asked_by! { GetContactTimelineRequest GetCompanyTimelineRequest GetDealTimelineRequest }

/// A page.
#[derive(Debug)]
pub(crate) struct Paged {
    pub(crate) entries: Vec<pb::TimelineEntry>,
    pub(crate) next_page_token: String,
    /// Of services that do not answer.
    pub(crate) warnings: Vec<Warning>,
}

/// A page of the timeline of a live record that the caller may read.
#[tracing::instrument(name = "activities.timeline.page", skip_all)]
pub(crate) async fn page(
    env: &Env,
    cx: &Context,
    object: &'static str,
    asked: Asked,
) -> Result<Paged, Error> {
    let not_found = || {
        Error::not_found(match object {
            "contact" => Reason::CONTACT_NOT_FOUND,
            "company" => Reason::COMPANY_NOT_FOUND,
            _ => Reason::DEAL_NOT_FOUND,
        })
    };
    let id = input::id(&asked.id).map_err(|_| not_found())?;
    let types = types::read(&asked.types)?;
    let fields = env.definitions.of_peer(cx, object).await?;
    let list = format!("timeline/{id}/{}", types.join(","));
    let owner = (cx.tenant.id().uuid(), cx.principal.id);
    let page: PageRequest<'_, Phased> =
        PageRequest::read_own(&env.cursor_key, &list, owner, asked.page_size, &asked.page_token)?;
    // The service that has the record is asked, with the caller's own permissions.
    let named = Reference { object: object.to_owned(), id, pointer: String::new() };
    if !env.references.check(cx, &[named]).await?.is_empty() {
        return Err(not_found());
    }
    let sight = |object: &str| Sight {
        is_wanted: types.contains(&object) && !cx.mask(object).hides("links"),
        scope: RowScope::from(&cx.snapshot.predicate(object, "read")),
    };
    let of_records: Vec<&'static str> =
        types.iter().copied().filter(|kind| ![ACTIVITY, NOTE].contains(kind)).collect();
    let hidden = hidden(cx, object, &fields);
    let wanted = Wanted {
        record_id: id,
        types: &of_records,
        activities: sight("activity"),
        notes: sight("note"),
        hidden: &hidden,
        after: page.after,
        limit: page.limit(),
    };
    let Found { entries: mut stored, stopped } = look(env, cx, wanted).await?;
    let most = fitting(&stored);
    let cut = page.cut(&mut stored, most, |entry| entry.place)?;
    let next_page_token = match stopped {
        Some(place) if cut.is_empty() => page.seal(place)?,
        _ => cut,
    };
    let (unseen, warnings) = unseen(env, cx, &stored).await?;
    let seen = stored.into_iter().enumerate().filter(|(n, _)| !unseen.contains(n));
    let seen = seen.filter(|(_, entry)| may_know_of_purge(cx, entry));
    let seen = seen.filter_map(|(_, entry)| show::with_what_is_seen(cx, &fields, entry));
    let entries = seen.map(|entry| show(cx, id, entry)).collect::<Result<_, Error>>()?;
    Ok(Paged { entries, next_page_token, warnings })
}

/// The entries that are wanted, and after all others those whose time is hidden: among the others, their places would say between which times
/// they happened.
async fn look(env: &Env, cx: &Context, mut wanted: Wanted<'_>) -> Result<Found, Error> {
    let mut tx = TenantTx::begin_snapshot(&env.db, cx.tenant).await?;
    let mut found = store::page(&mut tx, &wanted).await?;
    wanted.limit -= i64::try_from(found.entries.len()).map_err(Error::internal)?;
    let hides_times = wanted.hidden.iter().any(|name| TIMES.iter().any(|time| name.ends_with(time)));
    if hides_times && !wanted.after.is_last_phase && found.stopped.is_none() && wanted.limit > 0 {
        wanted.after = Phased { is_last_phase: true, ..Phased::start() };
        let last = store::page(&mut tx, &wanted).await?;
        found.entries.extend(last.entries);
        found.stopped = last.stopped;
    }
    tx.commit().await?;
    Ok(found)
}

/// What the caller does not see, by object and name; of `subject`, which has these fields, also what is archived.
fn hidden(cx: &Context, subject: &str, fields: &FieldSet) -> Vec<String> {
    let of = |object: &'static str| {
        let names = cx.mask(object).names(Access::None).into_iter();
        names.map(move |name| format!("{object}.{name}"))
    };
    let archived = fields.all().iter().filter(|field| fields.usable(&field.key).is_none());
    let archived = archived.map(|field| format!("{subject}.custom.{}", field.key));
    OBJECTS.into_iter().flat_map(of).chain(archived).collect()
}

/// How many of the first entries a page can have.
fn fitting(stored: &[Stored]) -> usize {
    let mut left = MAX_PAGE_BYTES;
    stored
        .iter()
        .take_while(|entry| left.checked_sub(bytes(entry)).inspect(|rest| left = *rest).is_some())
        .count()
}

/// Nobody can say any more whether the caller could read a record that is purged. Its purge is shown to those who see all records of its object, and
/// the field by which it was linked.
fn may_know_of_purge(cx: &Context, entry: &Stored) -> bool {
    let Some((other, _)) = entry.other.as_ref().filter(|_| entry.event == "purged") else { return true };
    let is_hidden = LINKING.iter().any(|linking| {
        let hides = |holder: &str, object: &str| {
            linking.is_between(holder, object) && cx.mask(holder).hides(linking.field)
        };
        hides(other, &entry.object) || hides(&entry.object, other)
    });
    RowScope::from(&cx.snapshot.predicate(other, "read")).all && !is_hidden
}

/// Entries that say which record links this one, by their numbers, where the caller may not read that record now. If its service cannot say, they
/// are left out as well, with a warning: the rest of the timeline does not depend on it.
async fn unseen(
    env: &Env,
    cx: &Context,
    stored: &[Stored],
) -> Result<(BTreeSet<usize>, Vec<Warning>), Error> {
    let linked = stored.iter().enumerate().filter_map(|(n, entry)| {
        let (object, id) = entry.other.clone()?;
        // Which companies a contact is linked to is not a field of the contact, so it is no mask that hides it.
        let is_hidden_by_none = entry.source_object == "contact" && object == "company";
        let is_linked = (id == entry.source_id || is_hidden_by_none) && entry.event != "purged";
        is_linked.then(|| Reference { object, id, pointer: n.to_string() })
    });
    let linked: Vec<Reference> = linked.collect();
    let Soon { missing, warnings } = env.references.check_soon(cx, &linked).await?;
    Ok((missing.iter().filter_map(|violation| violation.pointer.parse().ok()).collect(), warnings))
}
