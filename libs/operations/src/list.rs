//! Lists operations: the part of a caller's list that one service has. The gateway merges the parts, so that a token is a place in
//! the list of all services and names none.

use auth::Context;
use db::TenantTx;
use error::Error;
use proto::common::v1 as pb;
use query::page::{Newest, OPERATIONS, PageRequest};

use crate::{Env, store};

/// One page of operations.
#[derive(Debug)]
pub struct Listed {
    /// The newest first, each without the errors of its rows.
    pub operations: Vec<pb::Operation>,
    /// Empty on the last page.
    pub next_page_token: String,
}

/// One page of the operations of the caller.
#[tracing::instrument(name = "operations.list", skip_all)]
pub async fn list(
    env: &Env,
    cx: &Context,
    page_size: Option<i32>,
    page_token: &str,
) -> Result<Listed, Error> {
    let principal = cx.principal.id;
    let owner = (cx.tenant.id().uuid(), principal);
    let page = PageRequest::<Newest>::read_own(&env.cursor_key, OPERATIONS, owner, page_size, page_token)?;
    let mut tx = TenantTx::begin(&env.db, cx.tenant).await?;
    let mut stored = store::list(&mut tx, principal, page.after, page.limit()).await?;
    tx.commit().await?;
    let place = |operation: &crate::operation::Operation| Newest {
        created_at: operation.created_at,
        id: operation.id,
    };
    let next_page_token = page.cut(&mut stored, usize::MAX, place)?;
    let operations = stored.into_iter().map(|operation| operation.into_listed(env.role)).collect();
    Ok(Listed { operations, next_page_token })
}
