//! Calls through the layers, with a service that misbehaves on request. Most run without a socket.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use ids::Clock;
use proto::fields::v1 as pb;
use proto::fields::v1::fields_service_client::FieldsServiceClient;
use proto::fields::v1::fields_service_server::{FieldsService, FieldsServiceServer};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus as Health;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::*;
use ::config::Seconds;

use crate::{GrpcConfig, LifeConfig, LogFormat, deadline};

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send + 'a>>;

/// Does what the id asked for says.
#[derive(Clone, Default)]
struct Peer {
    entered: Arc<tokio::sync::Notify>,
    release: Arc<tokio::sync::Notify>,
}

impl Peer {
    async fn act(&self, id: &str) -> Result<Response<pb::GetFieldResponse>, Status> {
        match id {
            "panic" => panic!("a bug"),
            "hang" => std::future::pending::<()>().await,
            "wait" => {
                self.entered.notify_one();
                self.release.notified().await;
            }
            "remaining" => {
                let millis = deadline::remaining().map_or(0, |left| left.as_millis());
                return Err(Status::not_found(millis.to_string()));
            }
            _ => {}
        }
        Ok(Response::new(pb::GetFieldResponse::default()))
    }
}

macro_rules! not_here {
    ($($name:ident($request:ident) -> $response:ident),* $(,)?) => {$(
        fn $name<'a, 'b>(&'a self, _: Request<pb::$request>) -> Answer<'b, pb::$response>
        where
            'a: 'b,
            Self: 'b,
        {
            Box::pin(async { Err(Status::unimplemented("not in this test")) })
        }
    )*};
}

impl FieldsService for Peer {
    fn get_field<'a, 'b>(&'a self, request: Request<pb::GetFieldRequest>) -> Answer<'b, pb::GetFieldResponse>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move { self.act(&request.into_inner().id).await })
    }

    not_here! {
        create_field(CreateFieldRequest) -> CreateFieldResponse,
        list_fields(ListFieldsRequest) -> ListFieldsResponse,
        update_field(UpdateFieldRequest) -> UpdateFieldResponse,
        deprecate_field(DeprecateFieldRequest) -> DeprecateFieldResponse,
        archive_field(ArchiveFieldRequest) -> ArchiveFieldResponse,
        restore_field(RestoreFieldRequest) -> RestoreFieldResponse,
        get_limits(GetLimitsRequest) -> GetLimitsResponse,
        assign_slot(AssignSlotRequest) -> AssignSlotResponse,
        finish_slot(FinishSlotRequest) -> FinishSlotResponse,
        get_field_set(GetFieldSetRequest) -> GetFieldSetResponse,
    }
}

/// The service behind the layers, without a socket.
fn layered(peer: Peer, places: usize) -> FieldsServiceClient<axum::Router> {
    let door = Door::new(door::tests::Keys::made().gate).unwrap();
    let calls = Calls::new(Methods::compiled_in().unwrap(), door, places);
    let router = Routes::new(FieldsServiceServer::new(peer)).into_axum_router();
    FieldsServiceClient::new(router.layer(axum::middleware::from_fn_with_state(calls, call::handle)))
}

fn ask(id: &str) -> Request<pb::GetFieldRequest> {
    Request::new(pb::GetFieldRequest { object: "contact".to_owned(), id: id.to_owned() })
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_the_next_call_is_served() {
    let mut client = layered(Peer::default(), 1);
    let refused = client.get_field(ask("panic")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Internal);
    assert!(!refused.message().contains("a bug"), "{refused}");
    client.get_field(ask("ok")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_caller_holds_and_the_cap_above_it() {
    let mut client = layered(Peer::default(), 1);
    for (asked, allowed) in
        [(Some(Duration::from_millis(700)), 700), (None, 30_000), (Some(Duration::from_secs(600)), 30_000)]
    {
        let mut request = ask("hang");
        let mut probe = ask("remaining");
        if let Some(asked) = asked {
            request.set_timeout(asked);
            probe.set_timeout(asked);
        }
        let began = tokio::time::Instant::now();
        assert_eq!(client.get_field(request).await.unwrap_err().code(), Code::DeadlineExceeded);
        assert_eq!(began.elapsed().as_millis(), allowed);
        assert_eq!(client.get_field(probe).await.unwrap_err().message(), allowed.to_string());
    }
}

#[tokio::test]
async fn too_many_calls_at_once_are_refused_and_not_queued() {
    let peer = Peer::default();
    let client = layered(peer.clone(), 1);
    let mut first = client.clone();
    let mut running = tokio::task::JoinSet::new();
    running.spawn(async move { first.get_field(ask("wait")).await.map(drop) });
    peer.entered.notified().await;
    let refused = client.clone().get_field(ask("ok")).await.unwrap_err();
    let refused = error::Error::from(refused);
    assert_eq!((refused.code(), refused.reason()), (error::Code::Unavailable, "OVERLOADED"));
    assert!(refused.retry_after().is_some());
    peer.release.notify_one();
    running.join_next().await.unwrap().unwrap().unwrap();
    client.clone().get_field(ask("ok")).await.unwrap();
}

/// A served process on loopback.
struct Served {
    process: Process,
    url: String,
    peer: Peer,
    serving: tokio::task::JoinHandle<Option<Result<(), ServeError>>>,
}

async fn served(grace: Duration) -> Served {
    let process = Process::without_signals("fields", Clock::system());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let config = HostConfig {
        grpc: GrpcConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            connection_age: Seconds(Duration::from_secs(300)),
            reflection: false,
        },
        life: LifeConfig {
            admin_listen: ([127, 0, 0, 1], 0).into(),
            log_format: LogFormat::Json,
            otlp_endpoint: None,
            shutdown_grace: Seconds(grace),
            reload_file: None,
            telemetry: ::config::Hot::default(),
            tls: ::config::Hot::default(),
        },
    };
    let (own, peer) = (process.clone(), Peer::default());
    let routes = Routes::new(FieldsServiceServer::new(peer.clone()));
    let gate = door::tests::Keys::made().gate;
    let serving =
        process.tasks.spawn("test.grpc", async move { serve_on(own, &config, listener, gate, routes).await });
    Served { process, url, peer, serving }
}

async fn channel(url: &str) -> tonic::transport::Channel {
    #[allow(clippy::disallowed_methods, reason = "rpc is above host; this test needs a bare channel")]
    tonic::transport::Endpoint::from_shared(url.to_owned()).unwrap().connect().await.unwrap()
}

async fn next_is(answers: &mut tonic::Streaming<HealthCheckResponse>, wanted: Health) {
    while answers.message().await.unwrap().unwrap().status() != wanted {}
}

#[tokio::test]
async fn health_follows_the_readiness_for_the_process_and_its_service() {
    let served = served(Duration::from_secs(5)).await;
    let well = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let seen = well.clone();
    served.process.readiness.watch("database", move || {
        let well = seen.load(std::sync::atomic::Ordering::SeqCst);
        async move { if well { Ok(()) } else { Err("gone".to_owned()) } }
    });
    let mut client = HealthClient::new(channel(&served.url).await);
    let own = "globcrm.fields.v1.FieldsService".to_owned();
    let watch = HealthCheckRequest { service: own.clone() };
    let mut answers = client.watch(watch).await.unwrap().into_inner();
    next_is(&mut answers, Health::Serving).await;
    well.store(false, std::sync::atomic::Ordering::SeqCst);
    next_is(&mut answers, Health::NotServing).await;
    well.store(true, std::sync::atomic::Ordering::SeqCst);
    next_is(&mut answers, Health::Serving).await;
    let other =
        client.check(HealthCheckRequest { service: "globcrm.records.v1.RecordsService".to_owned() }).await;
    assert_eq!(other.unwrap_err().code(), Code::NotFound, "another role's service is not here");
    served.process.shutdown.cancel();
    next_is(&mut answers, Health::NotServing).await;
    assert!(answers.message().await.unwrap().is_none(), "a watcher does not hold up the stop");
    served.serving.await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_call_in_flight_is_answered_after_the_stop_began() {
    let served = served(Duration::from_secs(20)).await;
    let mut client = FieldsServiceClient::new(channel(&served.url).await);
    let mut calls = tokio::task::JoinSet::new();
    calls.spawn(async move { client.get_field(ask("wait")).await.map(drop) });
    served.peer.entered.notified().await;
    served.process.shutdown.cancel();
    served.process.readiness.subscribe().wait_for(|s| *s == State::Stopping).await.unwrap();
    served.peer.release.notify_one();
    calls.join_next().await.unwrap().unwrap().unwrap();
    served.serving.await.unwrap().unwrap().unwrap();
    served.process.finish(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn a_call_that_outlives_the_grace_is_cut_off() {
    let served = served(Duration::from_millis(50)).await;
    let mut client = FieldsServiceClient::new(channel(&served.url).await);
    let mut calls = tokio::task::JoinSet::new();
    calls.spawn(async move { client.get_field(ask("wait")).await.map(drop) });
    served.peer.entered.notified().await;
    let began = tokio::time::Instant::now();
    served.process.shutdown.cancel();
    let error = served.serving.await.unwrap().unwrap().unwrap_err();
    assert!(matches!(error, ServeError::Unfinished { what: "connections", open: 1, .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    calls.join_next().await.unwrap().unwrap().unwrap_err();
}
