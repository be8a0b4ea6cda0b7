//! `ListFields`.

use auth::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use db::TenantTx;
use error::Error;
use prost::Message;
use proto::fields::v1::{ListFieldsRequest, ListFieldsResponse};

use super::definition::{Definition, Object};
use super::{convert, permit, store};
use crate::Service;

const TOKEN_VERSION: u8 = 1;

/// Lists the definitions of an object in order of creation, archived ones included.
#[tracing::instrument(name = "fields.fields.list", skip_all)]
pub(crate) async fn list(
    service: &Service,
    cx: &Context,
    request: ListFieldsRequest,
) -> error::Result<ListFieldsResponse> {
    permit(cx, "read")?;
    let object = Object::in_path(&request.object)?;
    let size = query::list::page_size(request.page_size)?;
    let after = match request.page_token.as_str() {
        "" => -1,
        token => open_token(object, token)?,
    };
    let hidden = cx.mask(object.as_str()).hidden_custom_keys();
    let mut tx = TenantTx::begin(&service.db, cx.tenant).await?;
    // One more than asked for tells whether there is another page.
    let mut fields = store::list(&mut tx, object, after, size as i64 + 1, &hidden).await?;
    let fits = fitting(&fields);
    let more = fields.len() > size.min(fits);
    fields.truncate(size.min(fits));
    let next_page_token = match fields.last() {
        Some(last) if more => seal_token(object, last.ordinal),
        _ => String::new(),
    };
    Ok(ListFieldsResponse { fields: fields.iter().map(convert::to_wire).collect(), next_page_token })
}

/// How many fields have at most [`query::list::MAX_PAGE_BYTES`] together; one at least.
fn fitting(fields: &[Definition]) -> usize {
    let mut bytes = 0;
    let too_many = fields.iter().position(|field| {
        bytes += convert::to_wire(field).encoded_len();
        bytes > query::list::MAX_PAGE_BYTES
    });
    too_many.map_or(fields.len(), |at| at.max(1))
}

/// A token is an ordinal and its object. It is not signed: whatever number a client makes up, it gets a page of the list
/// that it may read anyway.
fn seal_token(object: Object, after: i32) -> String {
    let mut bytes = vec![TOKEN_VERSION];
    bytes.extend_from_slice(&after.to_be_bytes());
    bytes.extend_from_slice(object.as_str().as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn open_token(object: Object, token: &str) -> error::Result<i32> {
    let (made_for, after) = read_token(token).ok_or_else(|| {
        Error::malformed("PAGE_TOKEN_INVALID", "not a page token").with_metadata("parameter", "page_token")
    })?;
    if made_for == object {
        return Ok(after);
    }
    Err(Error::malformed("PAGE_TOKEN_MISMATCH", "the page token belongs to a request with other arguments")
        .with_metadata("parameter", "page_token"))
}

fn read_token(token: &str) -> Option<(Object, i32)> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (version, rest) = bytes.split_first()?;
    let (after, object) = rest.split_first_chunk::<4>()?;
    let after = i32::from_be_bytes(*after);
    let object = std::str::from_utf8(object).ok()?.parse().ok()?;
    (*version == TOKEN_VERSION && after >= 0).then_some((object, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_gives_its_place_back_for_its_own_object_only() {
        let token = seal_token(Object::Contact, 199);
        assert_eq!(open_token(Object::Contact, &token).unwrap(), 199);
        assert_eq!(open_token(Object::Company, &token).unwrap_err().reason(), "PAGE_TOKEN_MISMATCH");
    }

    #[test]
    fn garbage_is_no_token() {
        let negative = URL_SAFE_NO_PAD.encode([&[1, 255, 0, 0, 0][..], b"contact"].concat());
        let other_version = URL_SAFE_NO_PAD.encode([&[2, 0, 0, 0, 0][..], b"contact"].concat());
        for token in ["x", "====", "AQ", "AQAAAAA", &negative, &other_version] {
            let refused = open_token(Object::Contact, token).unwrap_err();
            assert_eq!((refused.reason(), refused.code().http("")), ("PAGE_TOKEN_INVALID", 400), "{token}");
        }
    }
}
