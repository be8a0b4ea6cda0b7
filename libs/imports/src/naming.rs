//! What rows name and do not have the id of: the company of a contact, the stage of a deal. A service finds all that the rows of a batch name
//! at once; what nothing has that the caller may see, or several have, is an error of its row.

use auth::Context;
use db::TenantTx;
use error::Error;

use super::importable::Importable;
use super::row::ReadRow;

/// Finds what rows name. What is found goes into their fields, or stays with them ([`ReadRow::found`]) until they are decided.
#[tonic::async_trait]
pub trait Lookups: Send + Sync {
    /// Asks other services, before a transaction begins.
    async fn ahead(
        &self,
        _cx: &Context,
        _of: &'static Importable,
        _rows: &mut [Option<ReadRow>],
    ) -> Result<(), Error> {
        Ok(())
    }

    /// Asks the service's own tables.
    async fn within(
        &self,
        _tx: &mut TenantTx,
        _cx: &Context,
        _of: &'static Importable,
        _rows: &mut [Option<ReadRow>],
    ) -> Result<(), Error> {
        Ok(())
    }
}
