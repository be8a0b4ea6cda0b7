//! The audit log: complete, append-only, chained.

use anyhow::Result;
use auth::VerifiedTenant;
use db::TenantTx;
use ids::TenantId;
use proto::identity::v1 as pb;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use super::world::{Caller, World, role};
use crate::world::AUDIT_SECRET;

#[tokio::test]
async fn every_change_leaves_its_row_and_the_rows_are_a_chain() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let rep = ada.create_role(role("Rep", "contact", &["read"], pb::Scope::Own)).await?;
    let bob = world.member(&ada, &[&rep.id], &[]).await?;
    ada.create_key("k", &["user.read"]).await?;
    ada.disable_user(pb::DisableUserRequest { id: bob.id.clone() }).await?;

    type Text = (String, Option<String>, Option<String>, String, String, String);
    type Row = (i64, OffsetDateTime, Uuid, Uuid, i64, Vec<u8>);
    let tenant = Uuid::parse_str(&ada.tenant)?;
    let mut sql = world.sql().await?;
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT sequence, at, actor_id, record_id, permission_version, hash FROM identity.audit_log
         WHERE tenant_id = $1 ORDER BY sequence",
    )
    .bind(tenant)
    .fetch_all(&mut sql)
    .await?;
    let texts: Vec<Text> = sqlx::query_as(
        "SELECT action, before::text, after::text, reason, request_id, actor_kind FROM identity.audit_log
         WHERE tenant_id = $1 ORDER BY sequence",
    )
    .bind(tenant)
    .fetch_all(&mut sql)
    .await?;
    let actions: Vec<&str> = texts.iter().map(|t| t.0.as_str()).collect();
    assert_eq!(
        actions,
        [
            "identity.tenant.create",
            "identity.role.create",
            "identity.user.create",
            "identity.session.create",
            "identity.role.create",
            "identity.user.create",
            "identity.user.accept_invitation",
            "identity.session.create",
            "identity.api_key.create",
            "identity.user.disable",
        ]
    );
    let disabled = texts.last().unwrap();
    assert!(
        disabled.1.as_ref().unwrap().contains("\"active\"")
            && disabled.2.as_ref().unwrap().contains("\"disabled\"")
    );
    assert_eq!(disabled.4, "the-request");
    assert_eq!(rows.last().unwrap().2.to_string(), ada.id);
    assert!(texts.iter().all(|t| !t.2.as_deref().unwrap_or_default().contains("argon2")));

    // The chain as its rule says, calculated here once more.
    let mut previous = vec![0_u8; 32];
    for ((sequence, at, actor, record, version, stored), (action, before, after, reason, request, kind)) in
        rows.iter().zip(&texts)
    {
        let micros = at.unix_timestamp_nanos() / 1_000;
        previous = hmac(&[
            Some(b"globcrm audit entry"),
            Some(tenant.as_bytes()),
            Some(&previous),
            Some(&sequence.to_be_bytes()),
            Some(&micros.to_be_bytes()),
            Some(kind.as_bytes()),
            Some(actor.as_bytes()),
            Some(action.as_bytes()),
            Some(record.as_bytes()),
            before.as_deref().map(str::as_bytes),
            after.as_deref().map(str::as_bytes),
            Some(reason.as_bytes()),
            Some(request.as_bytes()),
            Some(&version.to_be_bytes()),
        ]);
        assert_eq!(&previous, stored, "row {sequence}");
    }
    Ok(())
}

/// HMAC-SHA-256 as RFC 2104 defines it, over parts with their lengths before them.
fn hmac(parts: &[Option<&[u8]>]) -> Vec<u8> {
    let padded = |with: u8| -> Vec<u8> {
        let mut block = AUDIT_SECRET.as_bytes().to_vec();
        block.resize(64, 0);
        block.iter().map(|byte| byte ^ with).collect()
    };
    let mut inner = Sha256::new();
    inner.update(padded(0x36));
    for part in parts {
        inner.update(part.map_or(-1_i64, |p| p.len() as i64).to_be_bytes());
        inner.update(part.unwrap_or_default());
    }
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner.finalize()).finalize().to_vec()
}

#[tokio::test]
async fn the_service_itself_cannot_change_the_log() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let tenant: TenantId = ada.tenant.parse()?;
    for statement in [
        "UPDATE identity.audit_log SET reason = 'x'",
        "DELETE FROM identity.audit_log",
        "TRUNCATE identity.audit_log",
        "SELECT * FROM identity.audit_log_p0",
        "UPDATE identity.directory SET slug = 'x'",
    ] {
        let mut tx = TenantTx::begin(&world.db, VerifiedTenant::from_claim(tenant)).await?;
        let refused = sqlx::query(statement).execute(tx.conn()).await.unwrap_err();
        assert!(refused.to_string().contains("permission denied"), "{statement}: {refused}");
    }
    Ok(())
}

async fn verify(caller: &Caller) -> Result<pb::VerifyAuditLogResponse> {
    Ok(caller.verify_audit_log(pb::VerifyAuditLogRequest::default()).await?)
}

/// Ways to change the fifth entry.
const CHANGES: [&str; 12] = [
    "at = at + interval '1 second'",
    "actor_kind = 'service'",
    "actor_id = record_id",
    "action = 'identity.role.update'",
    "record_id = actor_id",
    "before = '{}'",
    "after = NULL",
    // The same value in other words.
    "after = (after::text || ' ')::json",
    "reason = 'x'",
    "request_id = 'x'",
    "permission_version = 9",
    "hash = sha256(hash)",
];

/// What else is done to a log of eight entries, and where that is found.
const MOVES: [(&str, i64, pb::AuditProblemKind); 7] = {
    use pb::AuditProblemKind::{EntryAdded, EntryChanged, EntryMissing, HeadChanged};
    [
        ("DELETE FROM identity.audit_log WHERE tenant_id = TENANT AND sequence = 5", 5, EntryMissing),
        ("DELETE FROM identity.audit_log WHERE tenant_id = TENANT AND sequence = 1", 1, EntryMissing),
        ("DELETE FROM identity.audit_log WHERE tenant_id = TENANT AND sequence = 8", 8, EntryMissing),
        // The numbers close the gap.
        (
            "WITH gone AS (
                 DELETE FROM identity.audit_log WHERE tenant_id = TENANT AND sequence >= 5 RETURNING *
             ), moved AS (
                 UPDATE identity.tenant_head SET audit_sequence = 7 WHERE tenant_id = TENANT
             )
             INSERT INTO identity.audit_log
             SELECT tenant_id, sequence + 92, at, actor_kind, actor_id, action, record_id, before, after, reason, request_id,
                 permission_version, hash FROM gone WHERE sequence > 5",
            7,
            HeadChanged,
        ),
        (
            "INSERT INTO identity.audit_log
             SELECT tenant_id, 9, at, actor_kind, actor_id, action, record_id, before, after, reason, request_id,
                 permission_version, hash FROM identity.audit_log WHERE tenant_id = TENANT AND sequence = 8",
            9,
            EntryAdded,
        ),
        // The end goes with the last entry, as if that had never been.
        (
            "WITH gone AS (DELETE FROM identity.audit_log WHERE tenant_id = TENANT AND sequence = 8)
             UPDATE identity.tenant_head SET audit_sequence = 7, audit_hash =
                 (SELECT hash FROM identity.audit_log WHERE tenant_id = TENANT AND sequence = 7)
             WHERE tenant_id = TENANT",
            7,
            HeadChanged,
        ),
        (
            "UPDATE identity.audit_log AS a SET actor_id = b.actor_id, action = b.action, record_id = b.record_id,
                 before = b.before, after = b.after, at = b.at, hash = b.hash
             FROM identity.audit_log AS b WHERE a.tenant_id = TENANT AND b.tenant_id = TENANT
                 AND (a.sequence, b.sequence) IN ((5, 6), (6, 5))",
            5,
            EntryChanged,
        ),
    ]
};

#[tokio::test]
async fn what_the_owner_of_the_database_does_to_the_log_is_found() -> Result<()> {
    let world = World::new().await?;
    let changed = CHANGES.map(|change| {
        let statement =
            format!("UPDATE identity.audit_log SET {change} WHERE tenant_id = TENANT AND sequence = 5");
        (statement, 5, pb::AuditProblemKind::EntryChanged)
    });
    let moved = MOVES.map(|(statement, sequence, kind)| (statement.to_owned(), sequence, kind));
    for (statement, sequence, kind) in changed.into_iter().chain(moved) {
        let ada = world.sign_up().await?;
        for name in ["A", "B", "C", "D"] {
            ada.create_role(role(name, "contact", &["read"], pb::Scope::Own)).await?;
        }
        let whole = verify(&ada).await?;
        assert!(whole.intact && whole.problem.is_none() && whole.next_after_sequence.is_none(), "{whole:?}");
        assert_eq!((whole.verified, whole.head.as_ref().unwrap().sequence), (8, 8));
        let statement = statement.replace("TENANT", &format!("'{}'", ada.tenant));
        let done =
            sqlx::query(sqlx::AssertSqlSafe(statement.clone())).execute(&mut world.sql().await?).await?;
        assert!(done.rows_affected() > 0, "{statement}");
        let found = verify(&ada).await?;
        assert!(!found.intact, "{statement}");
        let problem = found.problem.unwrap();
        assert_eq!((problem.sequence, problem.kind()), (sequence, kind), "{statement}");
    }
    Ok(())
}

#[tokio::test]
async fn a_log_that_was_put_back_is_known_by_an_entry_that_was_noted() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let mut sql = world.sql().await?;
    let tenant = Uuid::parse_str(&ada.tenant)?;
    sqlx::query("CREATE TEMP TABLE kept AS SELECT * FROM identity.tenant_head WHERE tenant_id = $1")
        .bind(tenant)
        .execute(&mut sql)
        .await?;
    ada.create_role(role("Rep", "contact", &["read"], pb::Scope::Own)).await?;
    let noted = verify(&ada).await?.head.unwrap();
    let known = pb::VerifyAuditLogRequest {
        known_sequence: noted.sequence,
        known_hash: noted.hash.clone(),
        ..Default::default()
    };
    assert!(ada.verify_audit_log(known.clone()).await?.intact);
    for statement in [
        "DELETE FROM identity.audit_log WHERE tenant_id = $1
             AND sequence > (SELECT audit_sequence FROM kept)",
        "UPDATE identity.tenant_head AS h SET audit_sequence = k.audit_sequence, audit_hash = k.audit_hash, audit_seal = k.audit_seal
         FROM kept AS k WHERE h.tenant_id = $1",
    ] {
        assert_eq!(sqlx::query(statement).bind(tenant).execute(&mut sql).await?.rows_affected(), 1);
    }
    // Nothing inside says so.
    assert!(verify(&ada).await?.intact);
    let found = ada.verify_audit_log(known).await?;
    assert_eq!(found.problem.unwrap().kind(), pb::AuditProblemKind::KnownEntryDiffers);
    // The next entry takes its number, not its hash.
    ada.create_role(role("Other", "contact", &["read"], pb::Scope::Own)).await?;
    let known = pb::VerifyAuditLogRequest {
        known_sequence: noted.sequence,
        known_hash: noted.hash.to_uppercase(),
        ..Default::default()
    };
    assert!(!ada.verify_audit_log(known).await?.intact);
    let half = pb::VerifyAuditLogRequest { known_sequence: 3, ..Default::default() };
    assert_eq!(ada.verify_audit_log(half).await.unwrap_err().is(), (400, "QUERY_MALFORMED"));
    Ok(())
}

#[tokio::test]
async fn the_walk_goes_on_where_it_was_and_changes_meanwhile_do_not_disturb_it() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let whole = verify(&ada).await?;
    let go_on = |after_sequence| pb::VerifyAuditLogRequest { after_sequence, ..Default::default() };
    let rest = ada.verify_audit_log(go_on(2)).await?;
    assert_eq!((rest.intact, rest.verified), (true, whole.verified - 2));
    let beyond = ada.verify_audit_log(go_on(1_000)).await?;
    assert_eq!(beyond.problem.unwrap().kind(), pb::AuditProblemKind::EntryMissing);
    let malformed =
        pb::VerifyAuditLogRequest { known_sequence: 1, known_hash: "ü".repeat(32), ..Default::default() };
    assert_eq!(ada.verify_audit_log(malformed).await.unwrap_err().is(), (400, "QUERY_MALFORMED"));
    let writing = async {
        for n in 0..20 {
            ada.create_role(role(&format!("R{n}"), "contact", &["read"], pb::Scope::Own)).await.unwrap();
        }
    };
    let walking = async {
        for _ in 0..20 {
            assert!(verify(&ada).await.unwrap().intact);
        }
    };
    tokio::join!(writing, walking);
    assert_eq!(verify(&ada).await?.verified, whole.verified + 20);
    Ok(())
}

#[tokio::test]
async fn the_log_is_shown_newest_first_and_by_what_is_asked_for() -> Result<()> {
    let world = World::new().await?;
    let (ada, other) = (world.sign_up().await?, world.sign_up().await?);
    let rep = ada.create_role(role("Rep", "contact", &["read"], pb::Scope::Own)).await?;
    let bob = world.member(&ada, &[&rep.id], &[]).await?;
    world.hand.advance(std::time::Duration::from_secs(1));
    ada.disable_user(pb::DisableUserRequest { id: bob.id.clone() }).await?;
    let list = async |request: pb::ListAuditLogRequest| ada.list_audit_log(request).await;
    let all = list(pb::ListAuditLogRequest::default()).await?.entries;
    let numbers: Vec<i64> = all.iter().map(|entry| entry.sequence).collect();
    assert_eq!(numbers, (1..=all.len() as i64).rev().collect::<Vec<_>>());
    let last = &all[0];
    assert_eq!((last.action.as_str(), last.object.as_str()), ("identity.user.disable", "user"));
    assert_eq!((last.record_id.as_str(), last.request_id.as_str()), (bob.id.as_str(), "the-request"));
    let actor = last.actor.as_ref().unwrap();
    assert_eq!((actor.kind.as_str(), actor.id.as_str()), ("user", ada.id.as_str()));
    let state = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).unwrap()["state"].clone();
    assert_eq!((state(&last.before), state(&last.after)), ("active".into(), "disabled".into()));
    assert_eq!(last.hash.len(), 64);

    type Keep = Box<dyn Fn(&pb::AuditEntry) -> bool>;
    let empty = pb::ListAuditLogRequest::default;
    let (actor, record, from) = (bob.id.clone(), bob.id.clone(), last.at.unwrap());
    let order = |at: &prost_types::Timestamp| (at.seconds, at.nanos);
    let asked: Vec<(pb::ListAuditLogRequest, Keep)> = vec![
        (
            pb::ListAuditLogRequest { actor_id: bob.id.clone(), ..empty() },
            Box::new(move |entry| entry.actor.as_ref().unwrap().id == actor),
        ),
        (
            pb::ListAuditLogRequest { record_id: bob.id.clone(), ..empty() },
            Box::new(move |entry| entry.record_id == record),
        ),
        (
            pb::ListAuditLogRequest { action: "identity.role.create".to_owned(), ..empty() },
            Box::new(|entry| entry.action == "identity.role.create"),
        ),
        (
            pb::ListAuditLogRequest { object: "user".to_owned(), ..empty() },
            Box::new(|entry| entry.object == "user"),
        ),
        (pb::ListAuditLogRequest { after_sequence: 3, ..empty() }, Box::new(|entry| entry.sequence > 3)),
        (
            pb::ListAuditLogRequest { from: Some(from), ..empty() },
            Box::new(move |entry| order(&entry.at.unwrap()) >= order(&from)),
        ),
        (
            pb::ListAuditLogRequest { to: Some(from), object: "user".to_owned(), ..empty() },
            Box::new(move |entry| order(&entry.at.unwrap()) < order(&from) && entry.object == "user"),
        ),
    ];
    for (request, keep) in asked {
        let expected: Vec<i64> = all.iter().filter(|entry| keep(entry)).map(|entry| entry.sequence).collect();
        assert!(!expected.is_empty() && expected.len() < all.len(), "{request:?}");
        // In pages of two, which go on rightly while entries are added.
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let page = pb::ListAuditLogRequest { page_size: Some(2), page_token: token, ..request.clone() };
            let answer = list(page).await?;
            found.extend(answer.entries.iter().map(|entry| entry.sequence));
            token = answer.next_page_token;
            if token.is_empty() {
                break;
            }
            let another = pb::ListAuditLogRequest { page_token: token.clone(), ..empty() };
            assert_eq!(list(another).await.unwrap_err().is(), (400, "PAGE_TOKEN_MISMATCH"));
        }
        assert_eq!(found, expected, "{request:?}");
    }
    let nobody = pb::ListAuditLogRequest { actor_id: "nobody".to_owned(), ..empty() };
    assert_eq!(list(nobody).await.unwrap_err().is(), (400, "QUERY_MALFORMED"));
    // Another organisation has its own.
    assert!(other.list_audit_log(empty()).await?.entries.iter().all(|entry| entry.sequence <= 4));
    let theirs = pb::ListAuditLogRequest { record_id: bob.id.clone(), ..empty() };
    assert!(other.list_audit_log(theirs).await?.entries.is_empty());
    Ok(())
}

#[tokio::test]
async fn only_the_whole_log_can_be_granted() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let mut allowed = Vec::new();
    for scope in [pb::Scope::Own, pb::Scope::Team, pb::Scope::All] {
        let name = format!("{scope:?}");
        let role = ada.create_role(role(&name, "audit_entry", &["read"], scope)).await?;
        let caller = world.member(&ada, &[&role.id], &[]).await?;
        let (listed, walked) = (
            caller.list_audit_log(pb::ListAuditLogRequest::default()).await.is_ok(),
            caller.verify_audit_log(pb::VerifyAuditLogRequest::default()).await.is_ok(),
        );
        assert_eq!(listed, walked);
        allowed.push(listed);
    }
    assert_eq!(allowed, [false, false, true]);
    Ok(())
}
