//! What is asked of the services that keep records: their own lists, with the caller's permissions. Answers are turned into JSON by the contract, as the
//! gateway does it, so that a record looks the same here as at its own path.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use auth::Context;
use bytes::{Bytes, BytesMut};
use error::{Code, Error, Reason};
use fleet::Role;
use rpc::Channel;
use serde::Deserialize;
use serde_json::value::RawValue;
use tonic::metadata::MetadataMap;
use transcode::{Api, Route};
use uuid::Uuid;

use super::objects::Synced;

/// How long a page may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// A page of records, as it is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What records.
    pub synced: &'static Synced,
    /// Only these, at most 100; empty: all.
    pub ids: Vec<Uuid>,
    /// At most 200.
    pub page_size: usize,
    /// Empty: the first page.
    pub page_token: String,
}

/// A page of those that the caller may see.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// The records.
    pub records: Vec<Shown>,
    /// Empty on the last page.
    pub next_page_token: String,
}

/// A record as the caller may see it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its id.
    pub id: Uuid,
    /// Its version.
    pub version: i64,
    /// The JSON of its own resource.
    pub data: Bytes,
}

/// An answer to come.
pub type Answer = Pin<Box<dyn Future<Output = Result<Listed, Error>> + Send>>;

/// Asks for a page of what a caller may see. Errors: those of the list; 403 where the caller may see nothing of the object.
pub type Ask = Arc<dyn Fn(Context, Asked) -> Answer + Send + Sync>;

/// The services that keep records.
#[derive(Debug)]
pub struct Owners {
    /// The contract.
    pub api: Api,
    /// The way to each.
    pub channels: HashMap<Role, Channel>,
}

impl Owners {
    /// The question.
    pub fn ask(self) -> Ask {
        let owners = Arc::new(self);
        Arc::new(move |cx, asked| {
            let owners = owners.clone();
            Box::pin(async move { owners.list(&cx, &asked).await })
        })
    }

    async fn list(&self, cx: &Context, asked: &Asked) -> Result<Listed, Error> {
        let synced = asked.synced;
        let channel =
            self.channels.get(&synced.role).ok_or_else(|| Error::internal("no channel to an owner"))?;
        let Route::Found { method, params } = self.api.route("GET", synced.path) else {
            return Err(Error::internal("an object without a list"));
        };
        let mut request = BytesMut::new();
        self.api
            .encode_request(method, &params, &query(asked), None, &mut request)
            .map_err(|_| Error::internal("a list cannot be asked for"))?;
        let mut metadata = MetadataMap::new();
        cx.forward(&mut metadata)?;
        let answered =
            rpc::raw::unary(channel, &method.full_name, metadata, request.freeze(), DEADLINE).await;
        let (_, wire) = answered.map_err(|status| failure(synced, status.into()))?;
        let mut json = Vec::with_capacity(wire.len() * 2);
        self.api.decode_response(method, &wire, None, &mut json).map_err(Error::internal)?;
        read(&json, synced.member)
    }
}

/// The query of a list in REST.
fn query(asked: &Asked) -> String {
    let mut query = format!("page_size={}", asked.page_size);
    if !asked.ids.is_empty() {
        let ids: Vec<String> = asked.ids.iter().map(|id| format!("\"{id}\"")).collect();
        query.push_str(&format!("&filter={}", encoded(&format!("id = ({})", ids.join(", ")))));
    }
    if !asked.page_token.is_empty() {
        query.push_str(&format!("&page_token={}", encoded(&asked.page_token)));
    }
    query
}

/// Percent-encoded (RFC 3986), all but letters, digits, `-` and `_`.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// What a list that does not answer is to the caller.
fn failure(synced: &Synced, error: Error) -> Error {
    if !matches!(error.code(), Code::Unavailable | Code::DeadlineExceeded) {
        return error;
    }
    let text = format!("records of the type {} cannot be read at the moment", synced.object);
    let after = error.retry_after().unwrap_or(Duration::from_secs(1));
    Error::unavailable(synced.down, text).with_retry_after(after).with_source(error)
}

fn read(json: &[u8], member: &str) -> Result<Listed, Error> {
    #[derive(Deserialize)]
    struct Head {
        id: Uuid,
        version: i64,
    }
    let members: BTreeMap<String, &RawValue> = serde_json::from_slice(json).map_err(Error::internal)?;
    let missing = || Error::internal("a list without its records");
    let records: Vec<&RawValue> =
        serde_json::from_str(members.get(member).ok_or_else(missing)?.get()).map_err(Error::internal)?;
    let shown = records.into_iter().map(|record| {
        let Head { id, version } = serde_json::from_str(record.get()).map_err(Error::internal)?;
        Ok::<_, Error>(Shown { id, version, data: Bytes::copy_from_slice(record.get().as_bytes()) })
    });
    let token = members.get("next_page_token").map_or("null", |token| token.get());
    let token: Option<String> = serde_json::from_str(token).map_err(Error::internal)?;
    Ok(Listed { records: shown.collect::<Result<_, Error>>()?, next_page_token: token.unwrap_or_default() })
}

/// Nobody may see anything of it any more, which is not a failure: the page is empty. A list whose page token no longer holds begins anew.
pub(super) async fn page(ask: &Ask, cx: &Context, asked: Asked) -> Result<Listed, Error> {
    match ask(cx.clone(), asked.clone()).await {
        Err(error) if error.code() == Code::PermissionDenied => Ok(Listed::default()),
        Err(error) if !asked.page_token.is_empty() && is_of_token(&error) => {
            let first = Asked { page_token: String::new(), ..asked };
            ask(cx.clone(), first).await
        }
        answered => answered,
    }
}

fn is_of_token(error: &Error) -> bool {
    error.reason() == Reason::PAGE_TOKEN_MISMATCH || error.reason() == Reason::PAGE_TOKEN_INVALID
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::objects::SYNCED;

    fn asked(ids: Vec<Uuid>, page_token: &str) -> Asked {
        Asked { synced: &SYNCED[2], ids, page_size: 100, page_token: page_token.to_owned() }
    }

    #[test]
    fn a_question_is_one_that_every_list_takes() {
        let api = Api::compile(proto::DESCRIPTORS).unwrap();
        let ids = (0..100).map(|_| Uuid::max()).collect();
        for synced in &SYNCED {
            let Route::Found { method, params } = api.route("GET", synced.path) else {
                panic!("{}", synced.path)
            };
            let question = query(&Asked { synced, ..asked(Vec::clone(&ids), "a-token_1") });
            let mut out = BytesMut::new();
            api.encode_request(method, &params, &question, None, &mut out).unwrap();
            assert!(out.len() < 8_000, "the filter is longer than a list takes");
        }
    }

    #[test]
    fn records_are_taken_as_they_are() {
        let id = Uuid::from_u128(7);
        let json = format!(
            r#"{{"contacts":[{{"id":"{id}","version":3,"custom":{{"nps":1.50}}}}],"next_page_token":"next","total":null}}"#
        );
        let listed = read(json.as_bytes(), "contacts").unwrap();
        assert_eq!(listed.next_page_token, "next");
        let [shown] = listed.records.as_slice() else { panic!("{listed:?}") };
        assert_eq!((shown.id, shown.version), (id, 3));
        assert!(shown.data.ends_with(br#""custom":{"nps":1.50}}"#), "{shown:?}");
        assert!(read(b"{}", "contacts").is_err());
    }

    #[test]
    fn a_service_that_does_not_answer_is_named_by_its_reason() {
        let gone = failure(&SYNCED[3], Error::unavailable(Reason::UNAVAILABLE, "no connection"));
        assert_eq!((gone.code(), gone.reason()), (Code::Unavailable, "PIPELINE_UNAVAILABLE"));
        assert!(gone.retry_after().is_some());
        let other = failure(&SYNCED[3], Error::not_found(Reason::NOT_FOUND));
        assert_eq!(other.code(), Code::NotFound);
    }
}
