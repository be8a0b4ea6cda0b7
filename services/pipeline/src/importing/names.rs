//! What the rows of a batch name and do not have the id of: companies and contacts, for which the service `records` is asked once, and
//! pipelines with their stages.

use std::collections::BTreeSet;

use auth::Context;
use db::TenantTx;
use error::{Error, Reason};
use field_types::fold;
use ids::Clock;
use imports::importable::Importable;
use imports::{Lookups, ReadRow};
use proto::records::v1::{CompanyName, FindRecordsRequest, FoundRecord};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::FindRecords;
use super::deals::{COMPANY_DOMAIN, COMPANY_NAME, CONTACT, DEFAULT, PIPELINE, STAGE, STAGES};
use crate::pipelines::{By, State, Whole, every};

/// Finds what rows of deals name.
pub(super) struct Names {
    pub(super) records: FindRecords,
    pub(super) clock: Clock,
}

#[tonic::async_trait]
impl Lookups for Names {
    async fn ahead(
        &self,
        cx: &Context,
        _of: &'static Importable,
        rows: &mut [Option<ReadRow>],
    ) -> Result<(), Error> {
        let companies: BTreeSet<CompanyKey> = rows.iter().flatten().filter_map(company).collect();
        let companies: Vec<CompanyKey> = companies.into_iter().collect();
        let emails: BTreeSet<&String> =
            rows.iter().flatten().filter_map(|row| row.names.get(CONTACT)).collect();
        let emails: Vec<String> = emails.into_iter().cloned().collect();
        if companies.is_empty() && emails.is_empty() {
            return Ok(());
        }
        let named = companies.iter().cloned();
        let asked = FindRecordsRequest {
            companies: named.map(|(name, domain)| CompanyName { name, domain }).collect(),
            emails: emails.clone(),
        };
        let found = (self.records)(cx.clone(), asked).await?;
        if found.companies.len() != companies.len() || found.contacts.len() != emails.len() {
            return Err(Error::internal("the records service answered for other names than were asked"));
        }
        for row in rows.iter_mut().flatten() {
            let at = company(row).and_then(|named| companies.binary_search(&named).ok());
            if let Some(id) = at.and_then(|at| take(row, "company", &found.companies[at])) {
                row.fields.insert("company_id".to_owned(), id.into());
            }
            let at = row.names.get(CONTACT).and_then(|email| emails.binary_search(email).ok());
            if let Some(id) = at.and_then(|at| take(row, "contact", &found.contacts[at])) {
                let contact = json!([{"contact_id": id, "role": "other", "is_primary": true}]);
                row.fields.insert("contacts".to_owned(), contact);
            }
        }
        Ok(())
    }

    async fn within(
        &self,
        tx: &mut TenantTx,
        cx: &Context,
        _of: &'static Importable,
        rows: &mut [Option<ReadRow>],
    ) -> Result<(), Error> {
        let names = |row: &&mut ReadRow| row.names.contains_key(PIPELINE) || row.names.contains_key(STAGE);
        let mut rows: Vec<&mut ReadRow> = rows.iter_mut().flatten().filter(names).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let by = By { clock: &self.clock, actor: cx.principal.id, now: self.clock.now_micros() };
        let all = every(tx, by).await?;
        let default = all.iter().find(|whole| whole.pipeline.is_default);
        let default: Value = default.map(|whole| whole.pipeline.id.to_string()).into();
        // Whoever may not read pipelines must not learn by rows which there are.
        let shown = if cx.authorize("pipeline", "read").is_ok() { all.as_slice() } else { &[] };
        for row in &mut rows {
            if let Some(name) = row.names.get(PIPELINE).cloned() {
                match pipeline(shown, &name) {
                    Ok(id) => drop(row.fields.insert("pipeline_id".to_owned(), id.to_string().into())),
                    Err((reason, text)) => row.violations.note("/pipeline/name", reason, text),
                }
            }
            if let Some(name) = row.names.get(STAGE).cloned() {
                row.found.insert(DEFAULT, default.clone());
                row.found.insert(STAGES, stages(&all, &name).into());
            }
        }
        Ok(())
    }
}

/// A company as a row names it: by its name or its domain; the other is empty.
type CompanyKey = (String, String);

/// The company that a row names. Where both are given the domain decides.
fn company(row: &ReadRow) -> Option<CompanyKey> {
    let domain = row.names.get(COMPANY_DOMAIN).cloned().unwrap_or_default();
    let name = row.names.get(COMPANY_NAME).filter(|_| domain.is_empty()).cloned().unwrap_or_default();
    (!name.is_empty() || !domain.is_empty()).then_some((name, domain))
}

/// The id of what was found; why nothing was is noted at the row.
fn take(row: &mut ReadRow, object: &str, found: &FoundRecord) -> Option<String> {
    if !found.id.is_empty() {
        return Some(found.id.clone());
    }
    let reason = Reason::find(&found.reason).unwrap_or(Reason::REFERENCE_NOT_FOUND);
    row.violations.note(format!("/{object}/{}", found.by), reason, found.detail.clone());
    None
}

/// The pipeline of a name; case and accents matter only between several, and archived ones only where no other has the name.
fn pipeline(all: &[Whole], name: &str) -> Result<Uuid, (Reason, &'static str)> {
    let wanted = fold(name);
    let mut same: Vec<&Whole> = all.iter().filter(|whole| fold(&whole.pipeline.name) == wanted).collect();
    if same.iter().any(|whole| whole.pipeline.state == State::Active) {
        same.retain(|whole| whole.pipeline.state == State::Active);
    }
    let exact: Vec<&Whole> = same.iter().copied().filter(|whole| whole.pipeline.name == name).collect();
    match (same.as_slice(), exact.as_slice()) {
        ([one], _) | (_, [one]) => Ok(one.pipeline.id),
        ([], _) => Err((Reason::REFERENCE_NOT_FOUND, "no pipeline that you may see has this name")),
        _ => {
            let text = "several pipelines have this name; map `pipeline_id` to say which";
            Err((Reason::REFERENCE_AMBIGUOUS, text))
        }
    }
}

/// The ids of the stages that a name stands for, by the ids of their pipelines: those with this key, else with this name.
fn stages(all: &[Whole], name: &str) -> Map<String, Value> {
    let wanted = fold(name);
    let found = all.iter().filter_map(|whole| {
        let stages = &whole.in_force.document.stages;
        let of_key = stages.iter().find(|stage| stage.key == name);
        let stage = of_key.or_else(|| stages.iter().find(|stage| fold(&stage.name) == wanted))?;
        let id = whole.stage_ids.get(&stage.key)?;
        Some((whole.pipeline.id.to_string(), id.to_string().into()))
    });
    found.collect()
}
