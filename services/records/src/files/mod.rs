//! Uploads as files with rows: read for imports of this service's records, and for those of other services.

mod find;
mod lent;
mod local;
mod options;
mod source;
mod table;
mod upload;

pub(crate) use find::find;
pub(crate) use lent::{examine, read};
pub(crate) use local::LocalFiles;
pub(crate) use source::readers;
pub(crate) use table::{MAX_COLUMNS, MAX_ROW, MAX_ROWS};
