use std::future::Future;
use std::sync::Mutex;

use auth::{Call, Principal, PrincipalKind, Snapshot, VerifiedTenant};
use futures_util::future::join_all;
use proto::identity::v1::PermissionSnapshot;
use secrecy::SecretString;
use tokio::time::{Instant, advance, sleep};
use tonic::metadata::MetadataMap;

use super::*;
use crate::fixture::CONTACT;

/// How long the fields service takes.
const ANSWER: Duration = Duration::from_millis(100);
/// How long a channel waits for it.
const DEADLINE: Duration = Duration::from_secs(2);

/// A fields service that answers each question as the test says, after that time; by a set of that version when nothing is said.
#[derive(Default)]
struct Answers {
    asked: Vec<i64>,
    failures: Vec<(Error, Duration)>,
    version: i64,
}

type Service = Arc<Mutex<Answers>>;

fn service() -> (Service, Definitions) {
    let service = Service::default();
    let answers = service.clone();
    let definitions = Definitions::new(Arc::new(move |_, _, version| {
        let mut answers = answers.lock().unwrap();
        answers.asked.push(version);
        let failure = (!answers.failures.is_empty()).then(|| answers.failures.remove(0));
        let set = pb::GetFieldSetResponse { version: answers.version, ..Default::default() };
        Box::pin(async move {
            let (answer, after) = match failure {
                Some((error, after)) => (Err(error), after),
                None => (Ok(set), ANSWER),
            };
            sleep(after).await;
            answer
        })
    }));
    (service, definitions)
}

fn fail(service: &Service, code: Code, reason: Reason, after: Duration) {
    service.lock().unwrap().failures.push((Error::new(code, reason, "failed"), after));
}

fn asked(service: &Service) -> usize {
    service.lock().unwrap().asked.len()
}

fn cx() -> Context {
    let tenant = VerifiedTenant::from_directory(Uuid::from_u128(1).into());
    let principal = Principal { kind: PrincipalKind::User, id: Uuid::from_u128(2) };
    let snapshot = Arc::new(Snapshot::from_wire(&PermissionSnapshot::default()));
    Context::new(
        Call::read(&MetadataMap::new()).unwrap(),
        tenant,
        principal,
        None,
        snapshot,
        SecretString::from("jwt"),
    )
}

/// What callers that begin at the same time get: a version, or a reason.
async fn all<F: Future<Output = Result<Arc<FieldSet>, Error>>>(
    calls: impl Iterator<Item = F>,
) -> Vec<Result<i64, String>> {
    let results = join_all(calls).await.into_iter();
    results.map(|result| result.map(|set| set.version()).map_err(|error| error.reason().to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_for_definitions_that_do_not_come_share_the_failure() {
    let ((service, definitions), cx) = (service(), cx());
    let late = || vec![Err("DEADLINE_EXCEEDED".to_owned()); 20];
    // Nothing is held.
    fail(&service, Code::DeadlineExceeded, Reason::DEADLINE_EXCEEDED, DEADLINE);
    let began = Instant::now();
    assert_eq!(all((0..20).map(|_| definitions.for_keys(&cx, &CONTACT, []))).await, late());
    assert_eq!((asked(&service), began.elapsed()), (1, DEADLINE));
    definitions.for_keys(&cx, &CONTACT, []).await.unwrap();
    // Newer ones are wanted.
    fail(&service, Code::DeadlineExceeded, Reason::DEADLINE_EXCEEDED, DEADLINE);
    let began = Instant::now();
    assert_eq!(all((0..20).map(|_| definitions.renew(&cx, &CONTACT))).await, late());
    assert_eq!((asked(&service), began.elapsed()), (3, DEADLINE));
    // So is a call that hangs in spite of its channel.
    fail(&service, Code::Internal, Reason::INTERNAL, Duration::MAX);
    assert_eq!(all((0..20).map(|_| definitions.renew(&cx, &CONTACT))).await, late());
    assert_eq!(asked(&service), 4);
    // Who comes later asks anew, once for the first one and once for those who came when that had begun.
    assert_eq!(all((0..20).map(|_| definitions.renew(&cx, &CONTACT))).await, vec![Ok(0); 20]);
    assert_eq!(asked(&service), 6);
}

#[tokio::test(start_paused = true)]
async fn what_concerns_the_caller_that_asked_is_not_shared_with_its_tenant() {
    for (code, reason, after) in [
        (Code::Unauthenticated, Reason::SESSION_REVOKED, ANSWER),
        (Code::PermissionDenied, Reason::PERMISSION_DENIED, ANSWER),
        // It had little time left.
        (Code::DeadlineExceeded, Reason::DEADLINE_EXCEEDED, ANSWER),
    ] {
        let ((service, definitions), cx) = (service(), cx());
        fail(&service, code, reason, after);
        let answers = all((0..3).map(|_| definitions.for_keys(&cx, &CONTACT, []))).await;
        assert_eq!(answers, [Err(reason.as_str().to_owned()), Ok(0), Ok(0)]);
        assert_eq!(asked(&service), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn held_definitions_are_used_while_they_cannot_be_confirmed_and_do_not_pass_for_new_ones() {
    let ((service, definitions), cx) = (service(), cx());
    service.lock().unwrap().version = 7;
    definitions.for_keys(&cx, &CONTACT, []).await.unwrap();
    advance(CONFIRM_AFTER).await;
    fail(&service, Code::Unavailable, Reason::DATABASE_UNAVAILABLE, ANSWER);
    let confirm = all((0..3).map(|_| definitions.for_keys(&cx, &CONTACT, [])));
    let renew = all((0..3).map(|_| definitions.renew(&cx, &CONTACT)));
    let refused = vec![Err("DATABASE_UNAVAILABLE".to_owned()); 3];
    assert_eq!(tokio::join!(confirm, renew), (vec![Ok(7); 3], refused));
    assert_eq!(service.lock().unwrap().asked, [0, 7]);
    // They are not asked for again for a while, but where newer ones are wanted.
    definitions.for_keys(&cx, &CONTACT, []).await.unwrap();
    assert_eq!(asked(&service), 2);
    service.lock().unwrap().version = 8;
    assert_eq!(definitions.renew(&cx, &CONTACT).await.unwrap().version(), 8);
    assert_eq!(service.lock().unwrap().asked, [0, 7, 7]);
}

#[tokio::test(start_paused = true)]
async fn definitions_that_are_dropped_while_they_are_asked_for_are_asked_for_again() {
    let ((service, definitions), cx) = (service(), cx());
    let dropped = async {
        sleep(ANSWER / 2).await;
        service.lock().unwrap().version = 1;
        definitions.forget(cx.tenant.id().uuid());
    };
    let (early, ()) = tokio::join!(definitions.for_keys(&cx, &CONTACT, []), dropped);
    assert_eq!(early.unwrap().version(), 0);
    assert_eq!(definitions.for_keys(&cx, &CONTACT, []).await.unwrap().version(), 1);
}
