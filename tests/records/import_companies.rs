//! Companies come out of files as contacts do; a row finds its company by an id in another system or by a domain.

use anyhow::Result;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use uuid::Uuid;

use super::imports::{import, run};
use super::world::{Caller, World};

const COLUMNS: [(&str, &str); 9] = [
    ("Name", "name"),
    ("Domain", "domains"),
    ("Erp", "external_ids.erp"),
    ("Staff", "employee_count"),
    ("Revenue", "annual_revenue"),
    ("Phone", "phones.number"),
    ("Tags", "tags"),
    ("About", "description"),
    ("Parent", "parent_id"),
];

fn companies(upload: Uuid) -> pb::CreateImportRequest {
    pb::CreateImportRequest { object: "company".to_owned(), ..import(upload, &COLUMNS) }
}

async fn find(caller: &Caller, name: &str) -> Result<pb::Company> {
    let request = pb::ListCompaniesRequest { filter: format!("name = \"{name}\""), ..Default::default() };
    let answer = caller.service.list_companies(caller.request(request, &[])).await?.into_inner();
    let [company] = answer.companies.as_slice() else { panic!("{name}: {:?}", answer.companies) };
    Ok(company.clone())
}

fn file(rows: &[&str]) -> String {
    let header: Vec<&str> = COLUMNS.iter().map(|(column, _)| *column).collect();
    format!("{}\n{}\n", header.join(","), rows.join("\n"))
}

#[tokio::test]
async fn companies_are_made_and_changed_by_domain_or_id() -> Result<()> {
    let world = World::alone("globcrm_test_import_companies").await?;
    let admin = world.admin()?;
    let stored = pb::Company {
        name: Some("Acme".to_owned()),
        domains: vec!["acme.test".to_owned()],
        phones: vec![pb::PhoneNumber { number: "+4930901820".to_owned(), ..Default::default() }],
        external_ids: [("erp".to_owned(), "a-1".to_owned())].into(),
        ..Default::default()
    };
    let acme = admin.create_company(stored).await?.id;
    let below = format!("Below,below.test,,,,,,,{acme}");
    let rows = [
        ",ACME.test;acme.example,,0,1200.50 EUR,+16502530000,big,\"one\ntwo\",",
        "Duo,duo.test,d-1,5,,,,,",
        // By the id of the row before, and by the domain that the first row added.
        "Duo AG,,d-1,,,,,,",
        ",acme.example,,7,,,,,",
        below.as_str(),
        // One company alone has a domain, and an id.
        "Acme 2,,a-1,,,,,,",
        ",duo.test;acme.test,,,,,,,",
        ",no domain,,,,,,,",
        ",free.test,,,,,,,",
        "Minus,,,-1,,,,,",
    ];
    let outcome = run(&world, &admin, &file(&rows), companies).await?;
    let expected = vec![
        (9, "Domain", "DUPLICATE_AMBIGUOUS"),
        (10, "Domain", "DOMAIN_INVALID"),
        (10, "Name", "REQUIRED"),
        (11, "Name", "REQUIRED"),
        (12, "Staff", "OUT_OF_RANGE"),
    ];
    assert_eq!((outcome.counts, outcome.errors()), ([2, 4, 0, 4], expected));
    let acme_now = find(&admin, "Acme 2").await?;
    assert_eq!((acme_now.id.as_str(), acme_now.employee_count), (acme.as_str(), Some(7)));
    assert_eq!(acme_now.domains, ["acme.test", "acme.example"]);
    assert_eq!(acme_now.phones.len(), 2);
    assert_eq!(acme_now.annual_revenue.and_then(|money| money.amount_minor), Some(120_050));
    assert_eq!(acme_now.description.as_deref(), Some("one\ntwo"));
    assert_eq!(find(&admin, "Duo AG").await?.employee_count, Some(5));
    assert_eq!(find(&admin, "Below").await?.parent_id.as_deref(), Some(acme.as_str()));
    Ok(())
}

/// A domain of a company that the caller does not see is taken, and its company is not found.
#[tokio::test]
async fn a_company_that_is_not_seen_is_neither_found_nor_repeated() -> Result<()> {
    use proto::identity::v1::Scope;
    let world = World::alone("globcrm_test_import_unseen").await?;
    let admin = world.admin()?;
    let (stored, foreign) = (world.admin()?, ["theirs.test".to_owned()]);
    for (caller, domains) in [(&admin, vec!["hidden.test".to_owned()]), (&stored, foreign.to_vec())] {
        let external_ids = [("erp".to_owned(), domains[0].clone())].into();
        let name = Some("Theirs".to_owned());
        caller.create_company(pb::Company { name, domains, external_ids, ..Default::default() }).await?;
    }
    let actions = ["import", "create", "update", "read"].map(|action| ("company", action, Scope::Own));
    let own = world.caller(admin.tenant, &super::world::May { actions: &actions, fields: &[] })?;
    let rows = [
        "Mine,hidden.test,,,,,,,",
        "Mine,,hidden.test,,,,,,",
        "Mine,theirs.test,theirs.test,,,,,,",
        "Mine,theirs.test,,1,,,,,",
    ];
    let outcome = run(&world, &own, &file(&rows), companies).await?;
    let taken = vec![(2, "Domain", "DUPLICATE_VALUE"), (3, "Erp", "DUPLICATE_VALUE")];
    assert_eq!((outcome.counts, outcome.errors()), ([1, 1, 0, 2], taken));
    assert_eq!(find(&own, "Mine").await?.employee_count, Some(1));
    Ok(())
}

/// Rows that come to nothing, more than a batch.
fn filler() -> Vec<String> {
    (0..600).map(|n| format!("Filler {n},,,,,,,,")).collect()
}

/// Rows before say what a company stands below by now, in a dry run as well (`run` compares both), also those of other batches.
#[tokio::test]
async fn a_circle_is_one_by_what_the_rows_before_have_moved() -> Result<()> {
    let world = World::alone("globcrm_test_import_circles").await?;
    let admin = world.admin()?;
    let company = async |erp: &str, parent_id: Option<&String>| {
        let (name, parent_id) = (Some(erp.to_owned()), parent_id.cloned());
        let external_ids = [("erp".to_owned(), erp.to_owned())].into();
        let company = pb::Company { name, parent_id, external_ids, ..Default::default() };
        Ok::<_, anyhow::Error>(admin.create_company(company).await?.id)
    };
    let (a, b) = (company("a", None).await?, company("b", None).await?);
    let c = company("c", None).await?;
    let d = company("d", Some(&c)).await?;
    let move_to = |erp: &str, parent: &String| format!(",,{erp},,,,,,{parent}");
    let mut rows = vec![move_to("a", &b), move_to("b", &a), move_to("d", &a)];
    // Below `d` there was nothing but `c` above it, and it stands elsewhere by now.
    rows.push(move_to("c", &d));
    rows.extend(filler());
    rows.extend([move_to("b", &c), move_to("b", &d)]);
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let outcome = run(&world, &admin, &file(&rows), companies).await?;
    let circle = |line| (line, "Parent", "REFERENCE_CYCLE");
    assert_eq!(
        (outcome.counts, outcome.errors()),
        ([600, 3, 0, 3], vec![circle(3), circle(606), circle(607)])
    );
    assert_eq!(find(&admin, "c").await?.parent_id, Some(d));
    Ok(())
}

/// The links that rows before have made count, also those of other batches.
#[tokio::test]
async fn a_contact_has_no_more_links_than_it_may_have_after_the_rows_before() -> Result<()> {
    const MOST: usize = 200;
    let world = World::alone("globcrm_test_import_most_links").await?;
    let admin = world.admin()?;
    let emails = vec![super::world::mail("a@x.test")];
    admin.create(pb::Contact { emails, ..Default::default() }).await?;
    for n in 0..MOST + 2 {
        let name = Some(format!("Company {n}"));
        admin.create_company(pb::Company { name, ..Default::default() }).await?;
    }
    let links = |from: usize, to: usize| (from..to).map(|n| format!("a@x.test,,Company {n}"));
    let filler = (0..600).map(|n| format!(",Filler {n},"));
    // One that is there already is no other.
    let rows = links(0, 100).chain(filler).chain(links(0, 1)).chain(links(100, MOST + 2));
    let file = format!("Mail,Last,Company\n{}\n", rows.collect::<Vec<_>>().join("\n"));
    let columns = [("Mail", "emails.address"), ("Last", "last_name"), ("Company", "company.name")];
    let outcome = run(&world, &admin, &file, |upload| import(upload, &columns)).await?;
    let full = |line| (line, "Company", "LINK_LIMIT_REACHED");
    assert_eq!((outcome.counts, outcome.errors()), ([600, 201, 0, 2], vec![full(803), full(804)]));
    Ok(())
}
