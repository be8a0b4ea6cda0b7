//! Every row error of an operation as CSV, streamed page by page.

use auth::Context;
use bytes::Bytes;
use db::TenantTx;
use error::Error;
use futures_util::stream::{self, BoxStream, StreamExt};
use tonic::Status;
use uuid::Uuid;

use crate::id::{not_found, parse};
use crate::{Env, RowError, store};

/// Errors read at once.
const PAGE: i64 = 1_000;

/// A piece of a stream of bytes; the first one names their type.
#[derive(Debug)]
pub struct Piece {
    /// Empty but for the first.
    pub content_type: &'static str,
    /// The bytes.
    pub data: Bytes,
}

impl Piece {
    fn more(text: String) -> Self {
        Self { content_type: "", data: text.into() }
    }
}

/// The errors of an operation of the caller, by its public id.
#[tracing::instrument(name = "operations.errors", skip_all)]
pub async fn errors(
    env: &Env,
    cx: &Context,
    id: &str,
) -> Result<BoxStream<'static, Result<Piece, Status>>, Error> {
    let id = parse(env.role, id)?;
    let mut tx = TenantTx::begin(&env.db, cx.tenant).await?;
    let operation = store::find(&mut tx, id, cx.principal.id).await?.ok_or_else(not_found)?;
    tx.commit().await?;
    let omitted = (operation.errors_omitted > 0).then(|| {
        Piece::more(format!(",,ERRORS_OMITTED,{} more errors are not kept,,\r\n", operation.errors_omitted))
    });
    let head = Piece {
        content_type: "text/csv; charset=utf-8",
        data: "line,column,reason,detail,field,record_id\r\n".into(),
    };
    let (env, cx) = (env.clone(), cx.clone());
    let pages = stream::unfold(Some((0, 0)), move |after| {
        let (env, cx) = (env.clone(), cx.clone());
        async move {
            match page(&env, &cx, id, after?).await {
                Ok(rows) => {
                    let last = rows.last().map(|e| (e.line, e.number));
                    let next = last.filter(|_| rows.len() as i64 == PAGE);
                    last?;
                    Some((Ok(Piece::more(csv(&rows))), next))
                }
                Err(error) => Some((Err(Status::from(error)), None)),
            }
        }
    });
    Ok(stream::iter([Ok(head)]).chain(pages).chain(stream::iter(omitted.map(Ok))).boxed())
}

async fn page(env: &Env, cx: &Context, id: Uuid, after: (i64, i32)) -> Result<Vec<RowError>, Error> {
    let mut tx = TenantTx::begin(&env.db, cx.tenant).await?;
    let rows = store::errors(&mut tx, id, after, PAGE).await?;
    // Checked after the read: a purge hides the operation before it removes errors, so a partial page is never returned.
    store::find(&mut tx, id, cx.principal.id).await?.ok_or_else(not_found)?;
    tx.commit().await?;
    Ok(rows)
}

fn csv(rows: &[RowError]) -> String {
    let mut text = String::new();
    for row in rows {
        text.push_str(&format!(
            "{},{},{},{},{},{}\r\n",
            row.line,
            cell(&row.column_name),
            cell(&row.reason),
            cell(&row.detail),
            cell(&row.field),
            row.record_id.map(|id| id.to_string()).unwrap_or_default()
        ));
    }
    text
}

/// Quoted where needed (RFC 4180). A cell that a spreadsheet would take for a formula begins with an apostrophe.
fn cell(text: &str) -> String {
    let text =
        if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_cannot_become_formulas() {
        assert_eq!(cell("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
        assert_eq!(cell("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(cell("Stufe"), "Stufe");
    }
}
