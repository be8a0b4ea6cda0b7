use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use error::Reason;
use ids::SessionId;
use proto::identity::v1::PermissionSnapshot;
use secrecy::ExposeSecret;

use super::*;
use crate::Signer;
use crate::token::tests::signer;

const TENANT: Uuid = Uuid::from_u128(1);
const USER: Uuid = Uuid::from_u128(2);

fn call() -> Call {
    let metadata = tonic::metadata::MetadataMap::new();
    Call::read(&metadata).unwrap()
}

fn token(signer: &Signer, session: u128) -> SecretString {
    let session = SessionId::from(Uuid::from_u128(session));
    signer.sign(TENANT.into(), PrincipalKind::User, USER, Some(session), None).unwrap().into()
}

fn no_keys() -> FetchKeys {
    Arc::new(|| Box::pin(async { Ok(Vec::new()) }))
}

fn granted() -> GetSnapshotResponse {
    let snapshot = PermissionSnapshot { version: 1, ..PermissionSnapshot::default() };
    GetSnapshotResponse { snapshot: Some(snapshot), version: 1, lease_until: None }
}

#[tokio::test(start_paused = true)]
async fn an_ended_session_does_not_live_on_the_lease_of_another() {
    let (signer, verifier, _) = signer(1);
    let (ended, living) = (token(&signer, 10), token(&signer, 11));
    let (gone, bad) = (Arc::new(AtomicBool::new(false)), ended.expose_secret().to_owned());
    let told = gone.clone();
    let fetch: FetchSnapshot = Arc::new(move |token, _| {
        let refused = told.load(Ordering::SeqCst) && token.expose_secret() == bad;
        Box::pin(async move {
            if refused {
                Err(Error::unauthenticated(Reason::SESSION_REVOKED, "ended"))
            } else {
                Ok(granted())
            }
        })
    });
    let gate = Gate::new(verifier, no_keys(), fetch);
    gate.open(call(), ended.clone()).await.unwrap();
    gone.store(true, Ordering::SeqCst);
    tokio::time::advance(LEASE).await;
    // The other session takes a lease of its own just before.
    gate.open(call(), living.clone()).await.unwrap();
    assert_eq!(gate.open(call(), ended).await.unwrap_err().reason(), "SESSION_REVOKED");
    gate.open(call(), living).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_for_a_fetch_that_hangs_share_its_failure() {
    let (signer, verifier, _) = signer(1);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let fetch: FetchSnapshot = Arc::new(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::pending())
    });
    let gate = Gate::new(verifier, no_keys(), fetch);
    let began = Instant::now();
    let calls = (0..20).map(|_| gate.open(call(), token(&signer, 10)));
    for result in futures_util::future::join_all(calls).await {
        assert_eq!(result.unwrap_err().reason(), "PERMISSIONS_UNAVAILABLE");
    }
    assert_eq!((asked.load(Ordering::SeqCst), began.elapsed()), (1, FETCH_DEADLINE));
    // Who comes later asks anew.
    tokio::time::advance(Duration::from_millis(1)).await;
    gate.open(call(), token(&signer, 10)).await.unwrap_err();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_for_keys_that_do_not_come_share_the_failure() {
    let (signer, ..) = signer(1);
    let (clock, _hand) = ids::Clock::fixed(time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000));
    let keys: FetchKeys = Arc::new(|| Box::pin(std::future::pending()));
    let gate = Gate::new(Verifier::new(clock), keys, Arc::new(|_, _| Box::pin(async { Ok(granted()) })));
    let began = Instant::now();
    let calls = (0..20).map(|_| gate.open(call(), token(&signer, 10)));
    for result in futures_util::future::join_all(calls).await {
        assert_eq!(result.unwrap_err().reason(), "PERMISSIONS_UNAVAILABLE");
    }
    assert_eq!(began.elapsed(), FETCH_DEADLINE);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_has_ended_is_confirmed_anew_once_for_all_and_refused_when_permissions_changed() {
    let (signer, verifier, _) = signer(1);
    let (asked, version) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(1)));
    let (count, now) = (asked.clone(), version.clone());
    let fetch: FetchSnapshot = Arc::new(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        let version = now.load(Ordering::SeqCst) as i64;
        let snapshot = PermissionSnapshot { version, ..PermissionSnapshot::default() };
        let answer = GetSnapshotResponse { snapshot: Some(snapshot), version, lease_until: None };
        Box::pin(async move { Ok(answer) })
    });
    let gate = Gate::new(verifier, no_keys(), fetch);
    let (one, two) = (gate.open(call(), token(&signer, 10)).await.unwrap(), token(&signer, 10));
    let lease = one.lease().unwrap();
    lease.confirm().await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the lease lives");
    tokio::time::advance(LEASE).await;
    lease.confirm().await.unwrap();
    lease.confirm().await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2, "confirmed for all");
    // What another call has fetched tells as well.
    version.store(2, Ordering::SeqCst);
    tokio::time::advance(LEASE).await;
    gate.open(call(), two).await.unwrap();
    assert_eq!(lease.confirm().await.unwrap_err().reason(), "PERMISSIONS_CHANGED");
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_ends_in_a_moment_is_confirmed_before_a_commit_and_so_is_one_that_came_slowly() {
    let (signer, verifier, _) = signer(1);
    let (asked, slow) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, answers_after) = (asked.clone(), slow.clone());
    let fetch: FetchSnapshot = Arc::new(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        let after = Duration::from_millis(answers_after.load(Ordering::SeqCst) as u64);
        let snapshot = PermissionSnapshot { version: 1, ..PermissionSnapshot::default() };
        let answer = GetSnapshotResponse { snapshot: Some(snapshot), version: 1, lease_until: None };
        Box::pin(async move {
            tokio::time::sleep(after).await;
            Ok(answer)
        })
    });
    let gate = Gate::new(verifier, no_keys(), fetch);
    let opened = gate.open(call(), token(&signer, 10)).await.unwrap();
    let lease = opened.lease().unwrap();
    // Enough is left, and then too little for a commit although it still lives.
    tokio::time::advance(Duration::from_millis(1_499)).await;
    lease.confirm().await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    tokio::time::advance(Duration::from_millis(2)).await;
    lease.confirm().await.unwrap();
    assert_eq!(
        asked.load(Ordering::SeqCst),
        2,
        "a commit may end after the lease and the answer of a revoke"
    );
    // What an answer took is not left for the commit.
    tokio::time::advance(LEASE).await;
    slow.store(1_600, Ordering::SeqCst);
    assert_eq!(lease.confirm().await.unwrap_err().reason(), "PERMISSIONS_UNAVAILABLE");
    assert_eq!(asked.load(Ordering::SeqCst), 4, "asked a bounded number of times");
    slow.store(0, Ordering::SeqCst);
    lease.confirm().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_found_to_be_old_drops_its_snapshot_but_no_newer_one() {
    let (signer, verifier, _) = signer(1);
    let (asked, version) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(1)));
    let (versions, now) = (asked.clone(), version.clone());
    let fetch: FetchSnapshot = Arc::new(move |_, held| {
        versions.lock().unwrap().push(held);
        let version = now.load(Ordering::SeqCst) as i64;
        let snapshot = PermissionSnapshot { version, ..PermissionSnapshot::default() };
        let answer = GetSnapshotResponse { snapshot: Some(snapshot), version, lease_until: None };
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(answer)
        })
    });
    let gate = Gate::new(verifier, no_keys(), fetch);
    let open = || gate.open(call(), token(&signer, 10));
    let old = open().await.unwrap();
    old.forget_snapshot();
    version.store(2, Ordering::SeqCst);
    let new = open().await.unwrap();
    old.forget_snapshot();
    assert_eq!(open().await.unwrap().snapshot.version(), 2);
    assert_eq!(*asked.lock().unwrap(), [0, 0], "the newer one stays");
    // One that is being fetched may be old as well, and is not left for the next call.
    gate.forget(TENANT, Some(USER));
    let (early, ()) = tokio::join!(open(), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        version.store(3, Ordering::SeqCst);
        new.forget_snapshot();
    });
    assert_eq!(early.unwrap().snapshot.version(), 2);
    assert_eq!(open().await.unwrap().snapshot.version(), 3);
    assert_eq!(*asked.lock().unwrap(), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_revoke_that_comes_while_a_snapshot_is_fetched_is_heard_by_the_next_call() {
    let (signer, verifier, _) = signer(1);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let fetch: FetchSnapshot = Arc::new(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(granted())
        })
    });
    let gate = Gate::new(verifier, no_keys(), fetch);
    let open = || gate.open(call(), token(&signer, 10));
    for (tenant, principal, is_heard) in [
        (TENANT, Some(USER), true),
        (TENANT, None, true),
        (TENANT, Some(Uuid::from_u128(3)), false),
        (Uuid::from_u128(4), None, false),
    ] {
        gate.forget(TENANT, None);
        let before = asked.load(Ordering::SeqCst);
        let (early, ()) = tokio::join!(open(), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            gate.forget(tenant, principal);
        });
        early.unwrap();
        open().await.unwrap();
        let fetches = if is_heard { 2 } else { 1 };
        assert_eq!(asked.load(Ordering::SeqCst) - before, fetches, "{tenant} {principal:?}");
    }
}

/// The permission that a refusal names.
fn denied<T>(result: Result<T, Error>) -> String {
    let error = result.err().unwrap();
    assert_eq!(error.reason(), "PERMISSION_DENIED");
    error.metadata()["permission"].clone()
}

#[tokio::test]
async fn a_call_is_admitted_by_the_permission_of_its_method() {
    use proto::identity::v1::{DeleteSessionRequest, GetMeRequest, ListSessionsRequest};
    use proto::identity::v1::{Scope, SnapshotAction, SnapshotObject};
    use proto::records::v1::{CreateContactRequest, ListContactsRequest};

    let (signer, verifier, _) = signer(1);
    let fetch: FetchSnapshot = Arc::new(|_, _| {
        let reads = |object: &str| SnapshotObject {
            object: object.to_owned(),
            actions: vec![SnapshotAction { action: "read".to_owned(), scopes: vec![Scope::All.into()] }],
        };
        let objects = vec![reads("contact"), reads("session")];
        let snapshot = PermissionSnapshot { version: 1, objects, ..PermissionSnapshot::default() };
        let answer = GetSnapshotResponse { snapshot: Some(snapshot), version: 1, lease_until: None };
        Box::pin(async move { Ok(answer) })
    });
    let gate = Gate::new(verifier, no_keys(), fetch);
    fn request<T>(token: &SecretString, body: T) -> Request<T> {
        let mut request = Request::new(body);
        let bearer = format!("Bearer {}", token.expose_secret());
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        request
    }
    let user = token(&signer, 10);
    let (cx, _) = gate.admit(request(&user, ListContactsRequest::default())).await.unwrap();
    assert_eq!(cx.reached(), &crate::RowPredicate::Always);
    assert_eq!(cx.denied().metadata()["permission"], "contact.read");
    let refused = gate.admit(request(&user, CreateContactRequest::default())).await;
    assert_eq!(denied(refused), "contact.create");
    // What needs no permission reaches no row by one.
    let (cx, _) = gate.admit(request(&user, GetMeRequest::default())).await.unwrap();
    assert_eq!(cx.reached(), &crate::RowPredicate::Never);
    // What is a user's own is not that of the user's key.
    gate.admit(request(&user, DeleteSessionRequest::default())).await.unwrap();
    let key =
        signer.sign(TENANT.into(), PrincipalKind::ApiKey, Uuid::from_u128(3), None, None).unwrap().into();
    gate.admit(request(&key, GetMeRequest::default())).await.unwrap();
    gate.admit(request(&key, ListSessionsRequest::default())).await.unwrap();
    let refused = gate.admit(request(&key, DeleteSessionRequest::default())).await;
    assert_eq!(denied(refused), "session.delete");
}
