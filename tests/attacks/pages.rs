//! H8: every list within the limits can be read, whatever its records hold.

use anyhow::Result;
use prost::Message;
use proto::identity::v1::FieldAccess;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use serde_json::json;

use crate::records::world::{ALL, Caller, May, World, custom};
use crate::world::definitions;

/// What a client of gRPC takes unless it is told otherwise.
const DECODED: usize = 4 << 20;

/// Four bytes a character, as many as a description may have.
fn long() -> String {
    "\u{1f427}".repeat(10_000)
}

async fn companies(caller: &Caller, ask: pb::ListCompaniesRequest) -> Result<pb::ListCompaniesResponse> {
    let page = caller.service.list_companies(caller.request(ask, &[])).await?.into_inner();
    assert!(page.encoded_len() < DECODED - (512 << 10), "{} bytes", page.encoded_len());
    Ok(page)
}

#[tokio::test]
async fn two_hundred_of_the_largest_companies_are_read_page_by_page() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let mut made = Vec::new();
    for n in 0..200 {
        let company = pb::Company {
            name: Some(format!("C{n:03}")),
            // Some of them are small: pages end by rows as well.
            description: (n % 5 != 0).then(long),
            tags: (0..20).map(|tag| format!("tag {tag} of {n}")).collect(),
            ..Default::default()
        };
        made.push(admin.create_company(company).await?.id);
    }
    for (order_by, size) in [("name", 200), ("name desc", 200), ("", 200), ("employee_count", 7)] {
        let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let ask = pb::ListCompaniesRequest {
                page_size: Some(size),
                page_token: token,
                order_by: order_by.to_owned(),
                ..Default::default()
            };
            let page = companies(&admin, ask).await?;
            assert!(!page.companies.is_empty());
            seen.extend(page.companies.into_iter().map(|company| company.id));
            (token, pages) = (page.next_page_token, pages + 1);
            if token.is_empty() {
                break;
            }
        }
        assert!(pages > 2, "{pages} pages");
        seen.sort_unstable();
        made.sort_unstable();
        assert_eq!(seen, made, "{order_by}");
    }
    Ok(())
}

/// What an answer adds to its rows counts as well: access blocks that name hundreds of fields.
#[tokio::test]
async fn pages_end_by_what_they_answer_and_not_by_what_is_stored_alone() -> Result<()> {
    let world = World::new().await?;
    let tenant = world.tenant();
    let keys: Vec<String> =
        (0..400).map(|n| format!("a_field_with_quite_a_long_key_{n:03}_{}", "x".repeat(25))).collect();
    let fields = (1_000..)
        .zip(&keys)
        .map(|(n, key)| definitions::field(n, key, proto::fields::v1::FieldType::Text, ""));
    definitions::add(&mut world.definitions.lock().unwrap(), fields);
    let admin = world.caller(tenant, &ALL)?;
    for n in 0..200 {
        let contact =
            pb::Contact { first_name: Some(format!("P{n}")), ..custom(&json!({"note": "x".repeat(500)})) };
        admin.create(contact).await?;
    }
    let names: Vec<String> = keys.iter().map(|key| format!("custom.{key}")).collect();
    let rules: Vec<_> = names.iter().map(|name| ("contact", name.as_str(), FieldAccess::Read)).collect();
    let reader = world.caller(tenant, &May { fields: &rules, ..ALL })?;
    let (mut seen, mut token) = (0, String::new());
    loop {
        let ask = pb::ListContactsRequest {
            page_size: Some(200),
            include: "access".to_owned(),
            page_token: token,
            ..Default::default()
        };
        let page = reader.list(ask).await?;
        assert!(page.encoded_len() < DECODED - (512 << 10), "{} bytes", page.encoded_len());
        seen += page.contacts.len();
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, 200);
    Ok(())
}
