//! What the gateway's work is set beside (`cargo xtask bench slice`): one gRPC call per HTTP request, its bytes copied
//! back as they are. No routes, no limits, no JSON.
//!
//! `byte_proxy <url of records> <filter> <order_by> <page_size>` says on standard output where it listens, and ends when
//! its standard input does.
#![allow(clippy::print_stdout, reason = "the bench reads the address from standard output")]

use std::io::Read;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use proto::records::v1::ListContactsRequest;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};

/// The same as the product's.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const RPC: &str = "/globcrm.records.v1.RecordsService/ListContacts";
const DEADLINE: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Proxy {
    records: rpc::Channel,
    request: Bytes,
}

async fn copy(State(proxy): State<Proxy>, request: Request) -> Response {
    let mut metadata = MetadataMap::new();
    let token = request.headers().get(header::AUTHORIZATION).and_then(|token| token.to_str().ok());
    if let Some(Ok(token)) = token.map(AsciiMetadataValue::try_from) {
        metadata.insert("authorization", token);
    }
    match rpc::raw::unary(&proxy.records, RPC, metadata, proxy.request.clone(), DEADLINE).await {
        Ok((_, answer)) => ([(header::CONTENT_TYPE, "application/octet-stream")], answer).into_response(),
        Err(status) => (StatusCode::BAD_GATEWAY, status.message().to_owned()).into_response(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, filter, order_by, page_size] = arguments.as_slice() else {
        return Err("byte_proxy <url of records> <filter> <order_by> <page_size>".into());
    };
    let request = ListContactsRequest {
        filter: filter.clone(),
        order_by: order_by.clone(),
        page_size: Some(page_size.parse()?),
        ..ListContactsRequest::default()
    };
    let request = prost::Message::encode_to_vec(&request).into();
    let proxy = Proxy { records: rpc::connect(url, "records")?, request };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let router = Router::new().fallback(copy).with_state(proxy);
    let ended = async {
        // Whatever comes in, an end included, is the end.
        drop(tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await);
    };
    axum::serve(listener, router).with_graceful_shutdown(ended).await?;
    Ok(())
}
