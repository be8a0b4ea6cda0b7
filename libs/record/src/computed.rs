//! The values of computed fields, made before a transaction begins.
//!
//! Making one of a long text may take a tenth of a second. Nobody's row is locked meanwhile, no connection is held, and no thread that
//! serves calls is kept from them.

use error::Error;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::fields::is_unset;
use crate::{Fields, Object, Record};

/// How many records' values are made at once in a process: calls and jobs share the processors.
static TURNS: Semaphore = Semaphore::const_new(4);

/// Values of computed fields, and what they were made of.
#[derive(Clone)]
pub(crate) struct Computed {
    of: Fields,
    values: Fields,
}

/// They are people's data and stay out of logs.
impl std::fmt::Debug for Computed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Computed").finish_non_exhaustive()
    }
}

impl Computed {
    /// What is computed of fields that were sent, where that takes long; the rest is quicker computed than carried. `None` where none of
    /// them gives another.
    pub(crate) async fn ahead(object: &'static Object, sent: &Fields) -> Result<Option<Self>, Error> {
        let reads = object.computed().iter().flat_map(|(_, reads)| *reads);
        let of = reads.filter_map(|name| Some(((*name).to_owned(), sent.get(*name)?.clone())));
        let of: Fields = of.filter(|(_, value)| !is_unset(value)).collect();
        if of.is_empty() || !object.computes_texts() {
            return Ok(None);
        }
        Self::make(object, of).await.map(Some)
    }

    /// What is computed of a record.
    pub(crate) async fn of(object: &'static Object, record: &Record) -> Result<Self, Error> {
        if object.computes_texts() {
            return Self::make(object, record.fields.clone()).await;
        }
        Ok(Self { of: Fields::new(), values: (object.derive)(&record.fields) })
    }

    /// The turn lives as long as the work, also when the caller has gone.
    async fn make(object: &'static Object, of: Fields) -> Result<Self, Error> {
        let turn = TURNS.acquire().await.map_err(Error::internal)?;
        let made = tokio::task::spawn_blocking(move || {
            let values = (object.derive)(&of);
            drop(turn);
            Self { of, values }
        });
        made.await.map_err(Error::internal)
    }

    pub(crate) fn into_values(self) -> Fields {
        self.values
    }
}

/// Gives a record the values of its computed fields: those that it had, or that were made ahead, if they are of the same values as it has
/// now. What was dropped, set or cleared on the way to the row can make none of them wrong.
pub(crate) fn complete(
    object: &Object,
    before: Option<&Record>,
    ahead: Option<&Computed>,
    record: &mut Record,
) {
    let mut derived: Option<Fields> = None;
    for (name, reads) in object.computed() {
        let same = |of: &Fields| reads.iter().all(|read| of.get(*read) == record.fields.get(*read));
        let value: Option<Value> = if let Some(before) = before.filter(|before| same(&before.fields)) {
            before.fields.get(*name).cloned()
        } else if let Some(ahead) = ahead.filter(|ahead| same(&ahead.of)) {
            ahead.values.get(*name).cloned()
        } else {
            derived.get_or_insert_with(|| (object.derive)(&record.fields)).remove(*name)
        };
        record.set(name, value.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture::{CONTACT, record};

    fn ahead(of: Value, values: Value) -> Computed {
        let fields = |value: Value| record(1, value, json!({})).fields;
        Computed { of: fields(of), values: fields(values) }
    }

    fn completed(before: Option<&Record>, ahead: Option<&Computed>, fields: Value) -> Value {
        let mut after = record(2, fields, json!({}));
        complete(&CONTACT, before, ahead, &mut after);
        after.fields.remove("full_name").unwrap_or_default()
    }

    #[test]
    fn a_value_is_taken_over_only_if_it_is_of_what_the_record_has() {
        let before = record(1, json!({"first_name": "Ada", "full_name": "ADA BEFORE"}), json!({}));
        let made = ahead(json!({"first_name": "Bob"}), json!({"full_name": "BOB AHEAD"}));
        let (before, made) = (Some(&before), Some(&made));
        let name = |name: &str| json!({"first_name": name});
        assert_eq!(completed(before, made, name("Ada")), "ADA BEFORE");
        assert_eq!(completed(before, made, name("Bob")), "BOB AHEAD");
        assert_eq!(completed(before, made, name("Cy")), "Cy");
        assert_eq!(completed(None, made, name("Ada")), "Ada");
        assert_eq!(completed(before, None, name("Bob")), "Bob");
        // What was there and is cleared leaves nothing.
        assert_eq!(completed(before, made, json!({"full_name": "ADA BEFORE"})), Value::Null);
    }

    #[tokio::test]
    async fn nothing_is_made_ahead_of_what_takes_no_time_or_was_not_sent() {
        let sent = record(1, json!({"first_name": "Ada"}), json!({})).fields;
        assert!(Computed::ahead(&CONTACT, &sent).await.unwrap().is_none());
        assert_eq!(
            Computed::of(&CONTACT, &record(1, json!({"first_name": "Ada"}), json!({})))
                .await
                .unwrap()
                .into_values()["full_name"],
            "Ada"
        );
    }
}
