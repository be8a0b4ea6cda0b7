//! Pages of identity's lists: the newest first, each token for one list, tenant and user.

use auth::Context;
use error::Error;
use query::CursorKey;
use query::page::{Newest, PageRequest};

/// What one request asks of a list.
pub(crate) type Page<'a> = PageRequest<'a, Newest>;

/// Reads page size and token. Errors: 400, as [`PageRequest::read`].
pub(crate) fn read<'a>(
    key: &'a CursorKey,
    list: &str,
    cx: &Context,
    page_size: Option<i32>,
    token: &str,
) -> Result<Page<'a>, Error> {
    PageRequest::read_own(key, list, (cx.tenant.id().uuid(), cx.principal.id), page_size, token)
}
