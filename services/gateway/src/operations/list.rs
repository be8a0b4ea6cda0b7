//! `GET /operations`: what the caller has of operations in all services, the newest first.
//!
//! Every service with operations is asked for a page of its own, all of them at the same time, and the page is cut from their merged
//! rows ([`merge`]). Its token is one place, the moment and the id of the last row that was shown, and all services are asked for
//! what comes after it. So nothing has to be remembered of pages that were used in part, and neither a new operation nor one that is
//! removed meanwhile moves the place. It is signed as the services sign their own, which is why all of them have the same key.
//!
//! Where one service does not answer, there is no list: one without its operations would look whole. The problem names the service,
//! and an operation of another is still found by its id.

mod merge;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use error::{Code, Error};
use fleet::Member;
use futures_util::future::try_join_all;
use prost::Message;
use proto::records::v1::{ListOperationsRequest, ListOperationsResponse};
use query::page::{Newest, OPERATIONS, PageRequest};
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use transcode::{Method, Verb};

use self::merge::{Part, merge};
use crate::app::Incoming;
use crate::call;

/// Whether the method is the list.
pub(crate) fn is_list(method: &Method) -> bool {
    method.verb == Verb::Get && method.path == "/api/v1/operations"
}

/// Answers a list, as one service would: what it says beside the message, and the message.
pub(crate) async fn list(
    incoming: &Incoming<'_>,
    metadata: &MetadataMap,
    request: &Bytes,
    deadline: Duration,
) -> Result<(MetadataMap, Bytes), Error> {
    let caller = incoming.caller.as_ref().ok_or_else(|| Error::internal("a list of nobody's operations"))?;
    let asked = ListOperationsRequest::decode(&request[..]).map_err(Error::internal)?;
    let owner = (caller.tenant.uuid(), caller.principal);
    let key = &incoming.app.config.cursor_key;
    let page = PageRequest::read_own(key, OPERATIONS, owner, asked.page_size, &asked.page_token)?;
    let sources = sources(fleet::FLEET, &incoming.app.channels)?;
    let (answered, page) = page_of(&sources, &page, metadata, request, deadline).await?;
    Ok((answered, page.encode_to_vec().into()))
}

/// A service that has operations.
struct Source<'a> {
    /// What the ids of its operations begin with.
    name: &'static str,
    channel: &'a rpc::Channel,
    path: String,
}

fn sources<'a>(
    fleet: &[Member],
    channels: &'a HashMap<&'static str, rpc::Channel>,
) -> Result<Vec<Source<'a>>, Error> {
    let of = |member: &Member| {
        let found = member.service.and_then(|service| Some((service, channels.get(service)?)));
        let name = member.names.name;
        let (service, channel) = found.ok_or_else(|| Error::internal(format!("no channel to {name}")))?;
        Ok(Source { name, channel, path: format!("/{service}/ListOperations") })
    };
    fleet.iter().filter(|member| member.has_operations).map(of).collect()
}

/// The page, and what the services said beside theirs. The first that fails ends the calls of the others.
async fn page_of(
    sources: &[Source<'_>],
    page: &PageRequest<'_, Newest>,
    metadata: &MetadataMap,
    request: &Bytes,
    deadline: Duration,
) -> Result<(MetadataMap, ListOperationsResponse), Error> {
    let answers = try_join_all(sources.iter().map(|source| source.ask(metadata, request, deadline))).await?;
    let (said, parts): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
    Ok((said_by_all(&said), merge(page, parts).map_err(Error::internal)?))
}

impl Source<'_> {
    async fn ask(
        &self,
        metadata: &MetadataMap,
        request: &Bytes,
        deadline: Duration,
    ) -> Result<(MetadataMap, Part), Error> {
        let answered = call::ask(self.channel, &self.path, metadata, request, deadline).await;
        let (said, wire) = answered.map_err(|error| match error.code() {
            Code::Unavailable | Code::DeadlineExceeded => error.with_metadata("service", self.name),
            _ => error,
        })?;
        let answer = ListOperationsResponse::decode(wire).map_err(Error::internal)?;
        let (operations, more) = (answer.operations, !answer.next_page_token.is_empty());
        Ok((said, Part { service: self.name, operations, more }))
    }
}

/// The list costs what all calls cost together. The permission version is the newest that any of them knows.
fn said_by_all(said: &[MetadataMap]) -> MetadataMap {
    let number = |said: &MetadataMap, name: &str| said.get(name)?.to_str().ok()?.parse::<u64>().ok();
    let mut all = MetadataMap::new();
    let cost: u64 = said.iter().map(|said| number(said, "request-cost").unwrap_or(1)).sum();
    all.insert("request-cost", AsciiMetadataValue::from(cost));
    if let Some(version) = said.iter().filter_map(|said| number(said, "permission-version")).max() {
        all.insert("permission-version", AsciiMetadataValue::from(version));
    }
    all
}
