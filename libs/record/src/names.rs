//! Names of what records refer to: found for a whole page by one statement for each object that is kept here, and by one call for each other
//! service, whatever the number of records; and given to other services.
//!
//! A service that does not answer takes only its names away: the page says so in its warnings.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use auth::{Context, RowPredicate};
use db::TenantTx;
use error::{Error, Reason};
use futures_util::future::join_all;
use proto::common::v1::{RecordIds, RecordName, Warning};
use query::RowScope;
use query::list::{MAX_PAGE_BYTES, MAX_REFERENCES, REFERENCE_BYTES};
use uuid::Uuid;

use super::include::{Reference, Referred, Source, Wanted};
use super::reference::Ids;
use super::{Env, Object, Wire, patience, store};

/// Bytes of the names of a page, beyond those that its references take anyway.
const NAME_BYTES: usize = MAX_PAGE_BYTES / 2;
/// Bytes of the names of one answer to another service. A page that has more of them is one that finds names missing, too: this is what a page
/// may show, and a name.
const MAX_BYTES: usize = NAME_BYTES + MAX_REFERENCES * REFERENCE_BYTES / 2 + 4_096;

/// The names of what a record refers to, to be put into its message.
#[derive(Debug, Default)]
pub struct Included {
    names: Vec<(&'static str, Vec<RecordName>)>,
    /// What is missing, where one record was asked for.
    pub warnings: Vec<Warning>,
}

impl Included {
    /// What an id refers to, once.
    pub fn one(&mut self, name: &str) -> Option<RecordName> {
        self.all(name).into_iter().next()
    }

    /// What a list refers to, once.
    pub fn all(&mut self, name: &str) -> Vec<RecordName> {
        let found = self.names.iter_mut().find(|(known, _)| *known == name);
        found.map(|(_, names)| std::mem::take(names)).unwrap_or_default()
    }
}

/// Puts the names that are wanted into the records of a page. Gives what is missing.
pub(crate) async fn put<'m, W: Wire>(
    env: &Env,
    cx: &Context,
    wanted: &Wanted,
    page: impl IntoIterator<Item = (&'m mut W::Message, Referred)>,
) -> Result<Vec<Warning>, Error>
where
    W::Message: 'm,
{
    if wanted.names.is_empty() {
        return Ok(Vec::new());
    }
    let (messages, mut referred): (Vec<_>, Vec<_>) = page.into_iter().unzip();
    let mut found = find(env, cx, wanted, &mut referred).await?;
    for (message, referred) in messages.into_iter().zip(&referred) {
        W::include(message, found.of(wanted, referred));
    }
    Ok(found.into_warnings())
}

/// As [`put`], into one record, which also has the warnings.
pub(crate) async fn put_one<W: Wire>(
    env: &Env,
    cx: &Context,
    wanted: &Wanted,
    (message, referred): (&mut W::Message, Referred),
) -> Result<(), Error> {
    if wanted.names.is_empty() {
        return Ok(());
    }
    let mut referred = [referred];
    let mut found = find(env, cx, wanted, &mut referred).await?;
    let [referred] = &referred;
    let mut included = found.of(wanted, referred);
    included.warnings = found.into_warnings();
    W::include(message, included);
    Ok(())
}

/// The names that were found for a page.
struct Found {
    /// By objects whose owners answered. What is not among them does not exist any more.
    names: BTreeMap<String, HashMap<Uuid, RecordName>>,
    /// Bytes of names that the page may still show.
    left: usize,
    is_cut: bool,
    warnings: Vec<Warning>,
}

impl Found {
    fn of(&mut self, wanted: &Wanted, referred: &Referred) -> Included {
        let names = wanted.names.iter().zip(&referred.by).map(|(include, references)| {
            (include.name, references.iter().filter_map(|reference| self.name(reference)).collect())
        });
        Included { names: names.collect(), warnings: Vec::new() }
    }

    /// `None` where the record exists no more.
    fn name(&mut self, reference: &Reference) -> Option<RecordName> {
        let Reference { object, id, is_deleted } = reference;
        let Some(names) = self.names.get(object) else {
            let (object, id) = (object.clone(), id.to_string());
            return Some(RecordName { object, id, name: None, deleted: *is_deleted });
        };
        let mut named = names.get(id)?.clone();
        match named.name.as_ref().map(String::len) {
            Some(bytes) if bytes > self.left => {
                named.name = None;
                self.is_cut = true;
            }
            bytes => self.left -= bytes.unwrap_or_default(),
        }
        Some(named)
    }

    fn into_warnings(self) -> Vec<Warning> {
        let cut = self.is_cut.then(|| {
            let text = "names are missing from the end of the page, which would be too large with them: ask for fewer records at once";
            warning(Reason::NAMES_OMITTED, text.to_owned())
        });
        self.warnings.into_iter().chain(cut).collect()
    }
}

fn warning(reason: Reason, detail: String) -> Warning {
    Warning { reason: reason.as_str().to_owned(), detail, parameter: "include".to_owned() }
}

/// Finds what no field refers to, and then the names of everything.
async fn find(env: &Env, cx: &Context, wanted: &Wanted, referred: &mut [Referred]) -> Result<Found, Error> {
    let mut names = own(env, cx, wanted, referred).await?;
    let elsewhere = ids(referred, |object| env.object(object).is_none());
    let mut warnings = Vec::new();
    let asked =
        env.references.peers().filter_map(|peer| Some((peer, peer.names.as_ref()?, peer.part(&elsewhere)?)));
    let asked = asked.map(|(peer, ask, part)| async move {
        let objects: Vec<String> = part.keys().cloned().collect();
        (peer, objects, patience::within(ask(cx.clone(), part)).await)
    });
    for (peer, objects, answer) in join_all(asked).await {
        match answer {
            Ok(answer) => {
                names.extend(objects.into_iter().map(|object| (object, HashMap::new())));
                for (name, id) in answer.into_iter().filter_map(with_id) {
                    names.entry(name.object.clone()).or_default().insert(id, name);
                }
            }
            Err(error) if patience::is_outage(&error) => {
                tracing::warn!(?objects, error = %error::chain(&error), "names are left out of an answer");
                let text = format!(
                    "names are missing ({}): the service that has them does not answer at the moment",
                    objects.join(", ")
                );
                warnings.push(warning(peer.down(), text));
            }
            Err(error) => return Err(error),
        }
    }
    let references: usize = referred.iter().map(Referred::bytes).sum();
    Ok(Found { names, left: NAME_BYTES + references / 2, is_cut: false, warnings })
}

fn with_id(name: RecordName) -> Option<(RecordName, Uuid)> {
    let id = Uuid::try_parse(&name.id).ok()?;
    Some((name, id))
}

/// The ids of those objects, each once.
fn ids(referred: &[Referred], of: impl Fn(&str) -> bool) -> Ids {
    let mut ids: BTreeMap<&str, BTreeSet<Uuid>> = BTreeMap::new();
    let all = referred.iter().flat_map(|referred| referred.by.iter().flatten());
    for reference in all.filter(|reference| of(&reference.object)) {
        ids.entry(&reference.object).or_default().insert(reference.id);
    }
    ids.into_iter().map(|(object, ids)| (object.to_owned(), ids.into_iter().collect())).collect()
}

/// Finds what statements of this service find, and the names of records that are kept here.
async fn own(
    env: &Env,
    cx: &Context,
    wanted: &Wanted,
    referred: &mut [Referred],
) -> Result<BTreeMap<String, HashMap<Uuid, RecordName>>, Error> {
    let is_here = |object: &str| env.object(object).is_some();
    let finds = wanted.names.iter().any(|include| matches!(include.source, Source::Rows { .. }));
    if referred.is_empty() || (!finds && ids(referred, is_here).is_empty()) {
        return Ok(BTreeMap::new());
    }
    let mut tx = TenantTx::begin(&env.db, cx.tenant).await?;
    let records: Vec<Uuid> = referred.iter().map(|referred| referred.record).collect();
    for (at, include) in wanted.names.iter().enumerate() {
        let Source::Rows { object, statement } = include.source else { continue };
        let scope = RowScope::from(&cx.snapshot.predicate(object, "read"));
        let mut found: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
        for (record, id) in store::referred(&mut tx, statement, &records, &scope).await? {
            found.entry(record).or_default().push(id);
        }
        for referred in &mut *referred {
            let ids = found.remove(&referred.record).unwrap_or_default();
            let of = |id| Reference { object: object.to_owned(), id, is_deleted: false };
            if let Some(references) = referred.by.get_mut(at) {
                *references = ids.into_iter().map(of).collect();
            }
        }
    }
    let mut names = BTreeMap::new();
    for (object, ids) in ids(referred, is_here) {
        let Some(of) = env.object(&object) else { continue };
        let named = named(&mut tx, cx, of, &ids).await?;
        names.insert(object, named.into_iter().filter_map(with_id).map(|(name, id)| (id, name)).collect());
    }
    tx.commit().await?;
    Ok(names)
}

/// The records of these ids that exist, deleted or not; named are those that the caller may read, if it sees their titles.
async fn named(
    tx: &mut TenantTx,
    cx: &Context,
    object: &Object,
    ids: &[Uuid],
) -> Result<Vec<RecordName>, Error> {
    let is_hidden = object.mask(cx.mask(object.name)).hides(object.title);
    let scope = if is_hidden { RowPredicate::Never } else { cx.snapshot.predicate(object.name, "read") };
    let found = store::named(tx, object, ids, &RowScope::from(&scope)).await?;
    let of = |(id, name, deleted): (Uuid, Option<String>, bool)| {
        let name = name.filter(|name| !name.is_empty());
        RecordName { object: object.name.to_owned(), id: id.to_string(), name, deleted }
    };
    Ok(found.into_iter().map(of).collect())
}

/// Names records that another service refers to: those of the ids that exist in the tenant. One that the caller may not read is there without
/// its name, for whoever refers to it knows that it exists; ids of other tenants, of objects that are not kept here, and malformed ones are not
/// there. Errors: 400 above a number of ids that no page has.
pub async fn names(env: &Env, cx: &Context, asked: Vec<RecordIds>) -> Result<Vec<RecordName>, Error> {
    if asked.iter().map(|records| records.ids.len()).sum::<usize>() > MAX_REFERENCES {
        let text = format!("at most {MAX_REFERENCES} ids in one call");
        return Err(Error::malformed(Reason::TOO_MANY_IDS, text));
    }
    let mut names = Vec::new();
    let mut tx = TenantTx::begin(&env.db, cx.tenant).await?;
    for RecordIds { object, ids } in asked {
        let Some(object) = env.object(&object) else { continue };
        let ids: Vec<Uuid> = ids.iter().filter_map(|text| Uuid::try_parse(text).ok()).collect();
        names.extend(named(&mut tx, cx, object, &ids).await?);
    }
    tx.commit().await?;
    let mut left = MAX_BYTES;
    for named in &mut names {
        match named.name.as_ref().map(String::len) {
            Some(bytes) if bytes > left => named.name = None,
            bytes => left -= bytes.unwrap_or_default(),
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(n: u128, is_deleted: bool) -> Reference {
        Reference { object: "contact".to_owned(), id: Uuid::from_u128(n), is_deleted }
    }

    fn named(n: u128, name: &str, deleted: bool) -> (Uuid, RecordName) {
        let (object, id) = ("contact".to_owned(), Uuid::from_u128(n));
        (id, RecordName { object, id: id.to_string(), name: Some(name.to_owned()), deleted })
    }

    fn found(names: Option<Vec<(Uuid, RecordName)>>, left: usize) -> Found {
        let names = names.map(|names| ("contact".to_owned(), names.into_iter().collect()));
        Found { names: names.into_iter().collect(), left, is_cut: false, warnings: Vec::new() }
    }

    /// Name and state.
    fn shown(found: &mut Found, reference: &Reference) -> Option<(Option<String>, bool)> {
        found.name(reference).map(|name| (name.name, name.deleted))
    }

    #[test]
    fn who_answered_knows_the_state_and_without_an_answer_the_record_does() {
        let mut answered = found(Some(vec![named(1, "Ada", true), named(2, "Bo", false)]), 100);
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(shown(&mut answered, &reference(1, false)), Some((name("Ada"), true)));
        assert_eq!(shown(&mut answered, &reference(2, true)), Some((name("Bo"), false)));
        assert_eq!(shown(&mut answered, &reference(3, false)), None, "purged");
        let mut unanswered = found(None, 100);
        assert_eq!(shown(&mut unanswered, &reference(1, true)), Some((None, true)));
        assert_eq!(shown(&mut unanswered, &reference(2, false)), Some((None, false)));
        assert!(answered.into_warnings().is_empty());
    }

    #[test]
    fn a_name_that_is_shown_twice_takes_its_bytes_twice() {
        let mut found = found(Some(vec![named(1, "Ada", false), named(2, "B", false)]), 7);
        let shown = [1, 1, 1, 2, 2].map(|n| shown(&mut found, &reference(n, false)).unwrap().0.is_some());
        assert_eq!(shown, [true, true, false, true, false]);
        let reasons: Vec<String> = found.into_warnings().into_iter().map(|warning| warning.reason).collect();
        assert_eq!(reasons, ["NAMES_OMITTED"]);
    }
}
