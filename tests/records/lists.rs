//! Lists: filters, orders, pages, totals, chosen fields.

use anyhow::Result;
use proto::common::v1::{CountKind, TotalKind};
use proto::records::v1 as pb;
use serde_json::json;

use super::world::{Caller, World, custom, custom_of, mail};

async fn people(caller: &Caller, count: usize) -> Result<Vec<pb::Contact>> {
    let mut made = Vec::new();
    for n in 0..count {
        let custom_values = match n % 3 {
            0 => json!({}),
            1 => json!({"seats": n, "tier": "gold"}),
            _ => json!({"seats": n / 4, "tier": "silver", "note": "n"}),
        };
        let contact = pb::Contact {
            first_name: (n % 4 != 0).then(|| format!("First {}", n % 5)),
            last_name: Some(format!("Läst {n:02}")),
            emails: vec![mail(&format!("p{n}@example.test"))],
            tags: if n % 2 == 0 { vec!["VIP".to_owned()] } else { Vec::new() },
            ..custom(&custom_values)
        };
        made.push(caller.create(contact).await?);
    }
    Ok(made)
}

fn asked(filter: &str, order_by: &str) -> pb::ListContactsRequest {
    pb::ListContactsRequest { filter: filter.to_owned(), order_by: order_by.to_owned(), ..Default::default() }
}

#[tokio::test]
async fn every_page_together_is_every_row_once_whatever_the_order() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    people(&world.admin()?, 3).await?;
    let made = people(&admin, 23).await?;
    for order_by in [
        "",
        "created_at desc",
        "first_name, last_name desc",
        "custom.seats desc",
        "custom.renewal",
        "owner_id",
        "full_name",
    ] {
        let mut seen = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = pb::ListContactsRequest { page_size: Some(4), page_token, ..asked("", order_by) };
            match admin.list(request).await {
                Err(refused) if order_by == "owner_id" => {
                    assert_eq!(refused.http(), 400);
                    seen = made.iter().map(|c| c.id.clone()).collect();
                    break;
                }
                page => {
                    let page = page?;
                    seen.extend(page.contacts.into_iter().map(|c| c.id));
                    page_token = page.next_page_token;
                }
            }
            if page_token.is_empty() {
                break;
            }
        }
        let mut expected: Vec<String> = made.iter().map(|c| c.id.clone()).collect();
        expected.sort_unstable();
        seen.sort_unstable();
        assert_eq!(seen, expected, "{order_by}");
    }
    Ok(())
}

#[tokio::test]
async fn filters_find_by_standard_and_custom_fields_tags_and_addresses() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    people(&admin, 12).await?;
    for (filter, count) in [
        ("custom.tier = \"gold\"", 4),
        ("custom.seats >= 4 AND custom.tier = \"gold\"", 3),
        ("last_name:\"last 1\"", 2),
        ("last_name = \"Läst 03\"", 1),
        ("tags:\"vip\"", 6),
        ("emails.address = \"P7@example.test\"", 1),
        ("NOT custom.tier:*", 4),
        ("custom.note = \"n\"", 4),
        ("first_name = (\"First 1\", \"First 2\")", 5),
        ("created_at > 2020-01-01T00:00:00Z", 12),
    ] {
        let request =
            pb::ListContactsRequest { count: CountKind::Exact as i32, ..asked(filter, "last_name") };
        let listed = admin.list(request).await?;
        let total = listed.total.unwrap();
        assert_eq!(
            (listed.contacts.len(), total.value, total.kind),
            (count, count as i64, TotalKind::Exact as i32),
            "{filter}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_page_token_serves_its_own_request_only() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    people(&admin, 5).await?;
    let first = admin.list(pb::ListContactsRequest { page_size: Some(2), ..asked("", "last_name") }).await?;
    let token = first.next_page_token;
    let other = pb::ListContactsRequest { page_token: token.clone(), ..asked("", "first_name") };
    assert_eq!(admin.list(other).await.unwrap_err().is(), (400, "PAGE_TOKEN_MISMATCH"));
    let foreign = pb::ListContactsRequest { page_token: token, ..asked("", "last_name") };
    assert_eq!(world.admin()?.list(foreign).await.unwrap_err().is(), (400, "PAGE_TOKEN_MISMATCH"));
    for page_size in [0, 201, -1] {
        let request = pb::ListContactsRequest { page_size: Some(page_size), ..Default::default() };
        assert_eq!(admin.list(request).await.unwrap_err().is(), (400, "PAGE_SIZE_INVALID"));
    }
    Ok(())
}

#[tokio::test]
async fn only_the_fields_asked_for_are_answered_and_unset_custom_ones_as_null() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = people(&admin, 2).await?;
    let request =
        pb::ListContactsRequest { fields: "id,last_name,custom.tier".to_owned(), ..asked("", "last_name") };
    let listed = admin.list(request).await?.contacts;
    assert_eq!(listed[0].id, made[0].id);
    assert_eq!((listed[0].last_name.as_deref(), listed[0].owner_id.clone()), (Some("Läst 00"), None));
    assert!(listed[0].emails.is_empty());
    assert_eq!(custom_of(&listed[0]), json!({"tier": null}));
    assert_eq!(custom_of(&listed[1]), json!({"tier": "gold"}));
    assert_eq!(custom_of(&admin.get(&made[0].id).await?), json!({}));
    let unknown = admin.get_with(&made[0].id, "nothing", "").await.unwrap_err();
    assert_eq!(unknown.is(), (400, "UNKNOWN_FIELD"));
    Ok(())
}
