//! Statements about the rows of a list, such as reports: static text of the owning service, with the rows that the caller may see and has chosen
//! where it says so.

use db::{DbError, TenantTx};
use error::Error;
use sqlx::postgres::PgRow;

use crate::list::List;
use crate::sql::{Bind, Sql};

/// A piece of a statement.
#[derive(Debug, Clone, Copy)]
pub enum Piece {
    /// Text.
    Text(&'static str),
    /// FROM and WHERE of the rows, as `t`; what is selected of them stands before it.
    Rows,
}

/// A statement about rows.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Its text; `$1` is the tenant.
    pub pieces: &'static [Piece],
    /// The values of `$2`, `$3`, …
    pub binds: Vec<Bind>,
    /// Rows as they were, instead of those of the table: a statement of them whose WHERE goes on with what the caller may see, of rows `t` as they
    /// are now.
    pub past: Option<&'static str>,
}

/// The statement with its rows; to look at its plan.
pub fn statement(list: &List<'_>, Statement { pieces, binds, past }: Statement) -> Sql {
    let mut sql = Sql::for_tenant(list.tenant());
    sql.add_binds(binds);
    for piece in pieces {
        match (piece, past) {
            (Piece::Text(text), _) => sql.push(text),
            (Piece::Rows, None) => list.push_visible(&mut sql),
            (Piece::Rows, Some(past)) => list.push_visible_past(&mut sql, past),
        }
    }
    sql
}

/// Runs the statement.
pub async fn fetch(tx: &mut TenantTx, list: &List<'_>, asked: Statement) -> Result<Vec<PgRow>, Error> {
    if tx.tenant_id() != list.tenant() {
        return Err(Error::internal("a list was made for another tenant than its transaction's"));
    }
    let query = statement(list, asked).into_query();
    Ok(query.fetch_all(tx.conn()).await.map_err(DbError::from)?)
}
