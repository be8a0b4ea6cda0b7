//! The audit log: complete, append-only, chained.

use anyhow::Result;
use auth::VerifiedTenant;
use db::TenantTx;
use ids::TenantId;
use proto::identity::v1 as pb;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use super::world::{World, role};

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
        let mut hasher = Sha256::new();
        let micros = at.unix_timestamp_nanos() / 1_000;
        let parts: [Option<&[u8]>; 12] = [
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
        ];
        for part in parts {
            hasher.update(part.map_or(-1_i64, |p| p.len() as i64).to_be_bytes());
            hasher.update(part.unwrap_or_default());
        }
        previous = hasher.finalize().to_vec();
        assert_eq!(&previous, stored, "row {sequence}");
    }
    Ok(())
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
