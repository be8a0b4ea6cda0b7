//! What differs all the same is found and put right.

use anyhow::Result;
use proto::records::v1 as pb;
use serde_json::json;
use uuid::Uuid;

use super::found;
use crate::records::world::{World, custom, mail, named};

/// Everything that is derived of a contact and a company, broken by hand.
const BREAK: [&str; 12] = [
    "UPDATE records.contacts SET num_01 = NULL, txt_05 = 'left over', first_name_folded = 'x', full_name = NULL
     WHERE tenant_id = $1",
    "DELETE FROM records.record_tag WHERE tenant_id = $1",
    "UPDATE records.contact_email SET live = NOT live WHERE tenant_id = $1",
    "INSERT INTO records.contact_email (tenant_id, contact_id, address, live)
     SELECT tenant_id, id, 'nobody@x.test', true FROM records.contacts WHERE tenant_id = $1",
    "DELETE FROM records.external_id WHERE tenant_id = $1",
    "UPDATE records.custom_unique SET value = decode(md5(record_id::text), 'hex') WHERE tenant_id = $1 AND live",
    "UPDATE records.custom_unique SET live = true WHERE tenant_id = $1",
    "UPDATE records.companies SET name_folded = 'x', annual_revenue_minor = 1 WHERE tenant_id = $1",
    "DELETE FROM records.company_domain WHERE tenant_id = $1",
    "UPDATE records.contact_phone SET number = '+1' WHERE tenant_id = $1",
    "DELETE FROM records.company_phone WHERE tenant_id = $1",
    "INSERT INTO records.record_tag (tenant_id, object, record_id, tag, tag_folded)
     SELECT tenant_id, 'company', id, 'stray', 'stray' FROM records.companies WHERE tenant_id = $1",
];

/// Everything derived as text, in one order; `to_jsonb` of each row.
const DERIVED: &str = "SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
    SELECT to_jsonb(t)::text AS line FROM records.contacts AS t WHERE t.tenant_id = $1
    UNION ALL SELECT to_jsonb(t)::text FROM records.companies AS t WHERE t.tenant_id = $1
    UNION ALL SELECT to_jsonb(t)::text FROM records.record_tag AS t WHERE t.tenant_id = $1
    UNION ALL SELECT to_jsonb(t)::text FROM records.contact_email AS t WHERE t.tenant_id = $1
    UNION ALL SELECT to_jsonb(t)::text FROM records.company_domain AS t WHERE t.tenant_id = $1
    UNION ALL SELECT to_jsonb(t)::text FROM records.contact_phone AS t WHERE t.tenant_id = $1
    UNION ALL SELECT to_jsonb(t)::text FROM records.company_phone AS t WHERE t.tenant_id = $1
    UNION ALL SELECT to_jsonb(t)::text FROM records.external_id AS t WHERE t.tenant_id = $1
    UNION ALL SELECT to_jsonb(t)::text FROM records.custom_unique AS t WHERE t.tenant_id = $1) AS lines";

#[tokio::test]
async fn whatever_is_derived_and_differs_is_put_right() -> Result<()> {
    let world = World::alone("globcrm_test_derived").await?;
    let admin = world.admin()?;
    let phone = || pb::PhoneNumber { number: "+4930901820".to_owned(), ..Default::default() };
    let full = |n: u32| pb::Contact {
        emails: vec![mail(&format!("p{n}@x.test"))],
        phones: vec![phone()],
        tags: vec!["Blue".to_owned(), "red".to_owned()],
        external_ids: [("erp".to_owned(), format!("E-{n}"))].into(),
        custom: custom(&json!({"seats": n, "serial": format!("S-{n}"), "renewal": "2027-01-31"})).custom,
        ..named("Zoë", "Å")
    };
    // More than a slice of them, and some in the trash.
    let mut ids = Vec::new();
    for n in 0..230 {
        ids.push(admin.create(full(n)).await?.id);
    }
    for id in &ids[..3] {
        admin.delete(id, &[]).await?;
    }
    admin
        .create_company(pb::Company {
            name: Some("Acme".to_owned()),
            domains: vec!["acme.com".to_owned()],
            phones: vec![phone()],
            annual_revenue: Some(proto::common::v1::Money {
                amount_minor: Some(5),
                currency: Some("EUR".to_owned()),
            }),
            ..Default::default()
        })
        .await?;
    let mut sql = world.sql().await?;
    let whole: String = sqlx::query_scalar(DERIVED).bind(admin.tenant.uuid()).fetch_one(&mut sql).await?;
    let check = world.derived_check()?;
    while check.round().await? {}
    let untouched: String = sqlx::query_scalar(DERIVED).bind(admin.tenant.uuid()).fetch_one(&mut sql).await?;
    assert_eq!(untouched, whole, "what is right was changed");

    for statement in BREAK {
        let broken = sqlx::query(statement).bind(admin.tenant.uuid()).execute(&mut sql).await?;
        assert!(broken.rows_affected() > 0, "{statement}");
    }
    assert_eq!(found(&world, &admin, "custom.seats = 77").await?, Vec::<String>::new());
    sqlx::query("UPDATE records.derived_check SET due_at = now()").execute(&mut sql).await?;
    while check.round().await? {}
    let right: String = sqlx::query_scalar(DERIVED).bind(admin.tenant.uuid()).fetch_one(&mut sql).await?;
    assert_eq!(right, whole);
    assert_eq!(found(&world, &admin, "custom.seats = 77").await?, [ids[77].clone()]);
    Ok(())
}

/// A record that cannot be put right, as another has its value by now, holds up no other.
#[tokio::test]
async fn what_cannot_be_put_right_holds_up_nothing() -> Result<()> {
    let world = World::alone("globcrm_test_derived_taken").await?;
    let admin = world.admin()?;
    let serial =
        |text: &str| pb::Contact { first_name: Some("A".into()), ..custom(&json!({ "serial": text })) };
    let first = admin.create(serial("S-1")).await?.id;
    let mut sql = world.sql().await?;
    sqlx::query("DELETE FROM records.custom_unique WHERE record_id = $1")
        .bind(Uuid::parse_str(&first)?)
        .execute(&mut sql)
        .await?;
    admin.create(serial("S-1")).await?;
    let later = admin.create(serial("S-2")).await?.id;
    sqlx::query("UPDATE records.contacts SET txt_02 = NULL WHERE id = $1")
        .bind(Uuid::parse_str(&later)?)
        .execute(&mut sql)
        .await?;
    while world.derived_check()?.round().await? {}
    assert_eq!(found(&world, &admin, "custom.serial = \"S-2\"").await?, [later]);
    Ok(())
}
