//! What other services know: they answer whether an id names a record that a caller may refer to.

use std::sync::{Arc, Mutex};

use record::reference::{Ask, Ids};
use uuid::Uuid;

/// Ids by object, and what was asked for, one entry for each call.
#[derive(Clone, Default)]
pub struct Known {
    pub ids: Arc<Mutex<Ids>>,
    pub asked: Arc<Mutex<Vec<Ids>>>,
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

    /// The question, as a service asks it.
    pub fn ask(&self) -> Ask {
        let Self { ids, asked } = self.clone();
        Arc::new(move |_, mut wanted| {
            asked.lock().unwrap().push(wanted.clone());
            let known = ids.lock().unwrap().clone();
            for (object, ids) in &mut wanted {
                ids.retain(|id| !known.get(object).is_some_and(|known| known.contains(id)));
            }
            Box::pin(async move { Ok(wanted) })
        })
    }
}
