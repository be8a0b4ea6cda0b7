//! Deals out of files. What happens is in `libs/imports`; uploads, and the contacts and companies that rows name, are the service `records`'s,
//! which is asked.

mod columns;
mod contract;
mod deals;
mod files;
mod names;

use std::sync::Arc;

use auth::{Context, Future};
use error::Error;
use imports::importable::Importable;
use imports::{FindUsers, Imports};
use operations::{Acting, Quota};
use proto::records::v1::{FindRecordsRequest, FindRecordsResponse};
use record::Env;
use rpc::records::Records;

pub(crate) use contract::same;
pub use files::UploadReader;

/// The objects whose records come out of files.
const IMPORTABLES: &[&Importable] = &[&deals::DEALS];

/// Asks the records service for what rows name of its records.
pub type FindRecords =
    Arc<dyn Fn(Context, FindRecordsRequest) -> Future<Result<FindRecordsResponse, Error>> + Send + Sync>;

/// Who is asked for what is not kept here.
#[derive(Clone)]
pub struct Peers {
    /// Asks whose e-mail addresses these are.
    pub users: FindUsers,
    /// Asks for contacts and companies.
    pub records: FindRecords,
    /// Reads uploads.
    pub uploads: Arc<dyn UploadReader>,
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peers").finish_non_exhaustive()
    }
}

impl Peers {
    /// Asks the services.
    pub(crate) fn of(users: FindUsers, records: Records) -> Self {
        let client = records.clone();
        let find: FindRecords = Arc::new(move |cx, asked| {
            let records = client.clone();
            Box::pin(async move { records.find_records(&cx, asked).await })
        });
        Self { users, records: find, uploads: Arc::new(records) }
    }
}

/// Imports of this service.
pub fn imports(
    env: &Env,
    operations: &operations::Env,
    (quota, acting): (Quota, Acting),
    peers: Peers,
) -> Imports {
    let Peers { users, records, uploads } = peers;
    Imports::new(imports::Parts {
        env: env.clone(),
        operations: operations.clone(),
        quota,
        users,
        files: Arc::new(files::Uploads { uploads, acting: acting.clone() }),
        lookups: Arc::new(names::Names { records, clock: env.clock.clone() }),
        acting,
        objects: IMPORTABLES,
    })
}
