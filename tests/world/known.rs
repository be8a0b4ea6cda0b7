//! What other services know: they answer whether an id names a record that a caller may refer to, and what it is called.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use error::{Error, Reason};
use proto::common::v1::RecordName;
use record::reference::{Ask, AskNames, Ids};
use uuid::Uuid;

/// Ids by object, and what was asked for, one entry for each call.
#[derive(Clone, Default)]
pub struct Known {
    pub ids: Arc<Mutex<Ids>>,
    pub asked: Arc<Mutex<Vec<Ids>>>,
    /// The names of what exists, as all callers may read them.
    pub names: Arc<Mutex<BTreeMap<Uuid, RecordName>>>,
    /// What names were asked for, one entry for each call.
    pub asked_names: Arc<Mutex<Vec<Ids>>>,
    /// The service that has these objects is down.
    pub down: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl Known {
    /// A record that callers may refer to from now on.
    pub fn add(&self, object: &str) -> String {
        let id = Uuid::now_v7();
        self.insert(object, id);
        id.to_string()
    }

    /// Callers may refer to this one from now on.
    pub fn insert(&self, object: &str, id: Uuid) {
        self.ids.lock().unwrap().entry(object.to_owned()).or_default().push(id);
    }

    /// As [`Self::add`], of a record with a name.
    pub fn add_named(&self, object: &str, name: &str) -> String {
        let id = Uuid::now_v7();
        self.insert(object, id);
        self.name(object, id, Some(name), false);
        id.to_string()
    }

    /// What is answered of a record from now on.
    pub fn name(&self, object: &str, id: Uuid, name: Option<&str>, deleted: bool) {
        let (object, name) = (object.to_owned(), name.map(str::to_owned));
        let named = RecordName { object, id: id.to_string(), name, deleted };
        self.names.lock().unwrap().insert(id, named);
    }

    /// The question, as a service asks it.
    pub fn ask(&self) -> Ask {
        let Self { ids, asked, down, .. } = self.clone();
        Arc::new(move |_, mut wanted| {
            asked.lock().unwrap().push(wanted.clone());
            let known = ids.lock().unwrap().clone();
            let answers = answers(&down, &wanted);
            for (object, ids) in &mut wanted {
                ids.retain(|id| !known.get(object).is_some_and(|known| known.contains(id)));
            }
            Box::pin(async move { answers.map(|()| wanted) })
        })
    }

    /// The question for names, as a service asks it.
    pub fn ask_names(&self) -> AskNames {
        let Self { names, asked_names, down, .. } = self.clone();
        Arc::new(move |_, wanted| {
            asked_names.lock().unwrap().push(wanted.clone());
            let names = names.lock().unwrap().clone();
            let answers = answers(&down, &wanted);
            let found = wanted.values().flatten().filter_map(|id| names.get(id).cloned()).collect();
            Box::pin(async move { answers.map(|()| found) })
        })
    }
}

fn answers(down: &Mutex<BTreeSet<&'static str>>, wanted: &Ids) -> Result<(), Error> {
    let down = down.lock().unwrap();
    if wanted.keys().any(|object| down.contains(object.as_str())) {
        return Err(Error::unavailable(Reason::UNAVAILABLE, "the service is down"));
    }
    Ok(())
}
