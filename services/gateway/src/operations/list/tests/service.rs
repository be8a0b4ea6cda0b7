//! A service on loopback that has operations and lists them as `libs/operations` does, or does not answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use error::{Code, Error, Reason};
use proto::common::v1::Operation;
use proto::records::v1::{ListOperationsRequest, ListOperationsResponse};
use query::page::{Newest, OPERATIONS, PageRequest};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codegen::{Service as Tower, http};
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use uuid::Uuid;

use super::super::merge::place;
use super::{key, owner};

/// What the service does with a call.
#[derive(Clone, Debug, Default)]
pub(super) enum Act {
    #[default]
    List,
    /// Lists when so many services have been asked.
    Together(Arc<Barrier>),
    /// Never answers.
    Hang,
    /// Refuses the first call for permissions that have changed, and lists at the second.
    Stale,
    /// Answers this.
    Say(ListOperationsResponse),
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) operations: Vec<(Newest, Operation)>,
    /// It ends its pages after so many rows, whatever is asked for.
    pub(super) most: Option<usize>,
    pub(super) act: Act,
    /// What it says beside the list.
    pub(super) says: Vec<(&'static str, u64)>,
    /// The metadata of the calls that came.
    pub(super) asked: Vec<MetadataMap>,
}

#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Served {
    /// Serves on a port of its own for as long as `serving` lives.
    pub(super) async fn start(name: &'static str, serving: &mut JoinSet<()>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let served = Self { name, address: listener.local_addr().unwrap(), state: Arc::default() };
        let server = tonic::transport::Server::builder().add_service(served.clone());
        serving.spawn(async move {
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        served
    }

    pub(super) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap())
    }

    /// Has another operation.
    pub(super) fn add(&self, seconds: i64, id: u128) {
        let operation = self.operation(seconds, id);
        let place = place(self.name, &operation).unwrap();
        self.with(|state| {
            state.operations.push((place, operation));
            state.operations.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
        });
    }

    pub(super) fn operation(&self, seconds: i64, id: u128) -> Operation {
        let created_at = time::OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(seconds);
        Operation {
            id: format!("{}.{}", self.name, Uuid::from_u128(id)),
            created_at: Some(proto::timestamp(created_at)),
            ..Operation::default()
        }
    }

    /// The operation is no longer there.
    pub(super) fn forget(&self, id: &str) {
        self.with(|state| state.operations.retain(|(_, operation)| operation.id != id));
    }

    fn page(&self, asked: &ListOperationsRequest) -> Result<ListOperationsResponse, Error> {
        let key = key();
        let page: PageRequest<'_, Newest> =
            PageRequest::read_own(&key, OPERATIONS, owner(), asked.page_size, &asked.page_token)?;
        self.with(|state| {
            let limit = usize::try_from(page.limit()).unwrap();
            let mut rows: Vec<_> = state
                .operations
                .iter()
                .filter(|(place, _)| *place < page.after)
                .take(limit)
                .cloned()
                .collect();
            let next_page_token =
                page.cut(&mut rows, state.most.unwrap_or(usize::MAX), |(place, _)| *place).unwrap();
            let operations = rows.into_iter().map(|(_, operation)| operation).collect();
            Ok(ListOperationsResponse { operations, next_page_token })
        })
    }

    async fn answer(
        self,
        request: Request<ListOperationsRequest>,
    ) -> Result<Response<ListOperationsResponse>, Status> {
        let (act, calls) = self.with(|state| {
            state.asked.push(request.metadata().clone());
            (state.act.clone(), state.asked.len())
        });
        let list = match act {
            Act::Hang => std::future::pending().await,
            Act::Say(list) => list,
            Act::Stale if calls == 1 => {
                let text = "permissions have changed";
                return Err(Error::new(Code::Aborted, Reason::PERMISSIONS_CHANGED, text).into());
            }
            Act::Together(others) => {
                others.wait().await;
                self.page(request.get_ref())?
            }
            Act::List | Act::Stale => self.page(request.get_ref())?,
        };
        let mut response = Response::new(list);
        for (name, value) in self.with(|state| state.says.clone()) {
            response.metadata_mut().insert(name, AsciiMetadataValue::from(value));
        }
        Ok(response)
    }
}

type Answering<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl NamedService for Served {
    const NAME: &'static str = super::SERVICE;
}

impl UnaryService<ListOperationsRequest> for Served {
    type Response = ListOperationsResponse;
    type Future = Answering<Response<ListOperationsResponse>, Status>;

    fn call(&mut self, request: Request<ListOperationsRequest>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

impl Tower<http::Request<Body>> for Served {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answering<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        assert_eq!(request.uri().path(), format!("/{}/ListOperations", super::SERVICE));
        let served = self.clone();
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(served, request).await) })
    }
}
