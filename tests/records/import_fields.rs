//! Every field that callers write can be mapped: entries of lists, ids in other systems, the owner by address, the company by name.

use anyhow::Result;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;

use super::imports::{import, run};
use super::world::{Caller, World, mail, named};

const SKIP: i32 = pb::DuplicatePolicy::Skip as i32;

async fn company(caller: &Caller, name: &str, domain: &str) -> Result<String> {
    let domains = Some(domain).filter(|domain| !domain.is_empty()).map(str::to_owned).into_iter().collect();
    let company = pb::Company { name: Some(name.to_owned()), domains, ..Default::default() };
    Ok(caller.create_company(company).await?.id)
}

/// The links of the only contact with this last name: company, role, primary.
async fn links(caller: &Caller, last_name: &str) -> Result<(pb::Contact, Vec<(String, String, bool)>)> {
    let filter = format!("last_name = \"{last_name}\"");
    let mut page = caller.list(pb::ListContactsRequest { filter, ..Default::default() }).await?.contacts;
    assert_eq!(page.len(), 1, "{last_name}: {page:?}");
    let contact = page.remove(0);
    let request = pb::ListContactCompaniesRequest { contact_id: contact.id.clone() };
    let answer = caller.service.list_contact_companies(caller.request(request, &[])).await?.into_inner();
    let link = |link: pb::ContactCompany| {
        (link.company_id, link.role.unwrap_or_default(), link.is_primary.unwrap_or_default())
    };
    Ok((contact, answer.companies.into_iter().map(link).collect()))
}

#[tokio::test]
async fn a_contact_comes_whole_out_of_a_row() -> Result<()> {
    let world = World::alone("globcrm_test_import_whole").await?;
    let admin = world.admin()?;
    let owner = world.caller(admin.tenant, &super::world::ALL)?;
    world.address(admin.tenant, "boss@x.test", owner.id);
    let acme = company(&admin, "Acme", "acme.test").await?;
    let columns = [
        ("First", "first_name"),
        ("Last", "last_name"),
        ("Mail", "emails.address"),
        ("Private mail", "emails[home].address"),
        ("Phone", "phones.number"),
        ("Phone kind", "phones.kind"),
        ("Cell", "phones[mobile].number"),
        ("Street", "addresses.street"),
        ("Zip", "addresses.postal_code"),
        ("Country", "addresses.country"),
        ("Ship to", "addresses[shipping].city"),
        ("Tags", "tags"),
        ("More tags", "tags"),
        ("Hubspot", "external_ids.hubspot"),
        ("Boss", "owner.email"),
        ("Company", "company.name"),
        ("Role", "company.role"),
        ("Consent", "consents.purpose"),
        ("Given", "consents.given_at"),
        ("Score", "score"),
        ("Stage", "lifecycle"),
    ];
    let header: Vec<&str> = columns.iter().map(|(column, _)| *column).collect();
    let file = format!(
        "{}\nZoë,Whole,Z@x.test,zoe@home.test,650 253 0000,work,+49 151 12345678,\"Ring 1\nTop 2\",1010,at,Graz,vip;press,press; fair,h-1,\
         BOSS@x.test,acme,CFO,newsletter,2026-01-31T10:00:00Z,0,lead\n",
        header.join(",")
    );
    let outcome = run(&world, &admin, &file, |upload| import(upload, &columns)).await?;
    assert_eq!((outcome.counts, outcome.errors()), ([1, 0, 0, 0], vec![]));
    let (contact, links) = links(&admin, "Whole").await?;
    assert_eq!((contact.owner_id, contact.version), (Some(owner.id.to_string()), 1));
    type Kind = pb::ContactPointKind;
    let points: Vec<_> =
        contact.emails.iter().map(|e| (e.address.as_str(), e.kind(), e.is_primary)).collect();
    assert_eq!(points, [("z@x.test", Kind::Unspecified, true), ("zoe@home.test", Kind::Home, false)]);
    let points: Vec<_> = contact.phones.iter().map(|p| (p.number.as_str(), p.kind(), p.is_primary)).collect();
    assert_eq!(points, [("+16502530000", Kind::Work, true), ("+4915112345678", Kind::Mobile, false)]);
    let [home, shipping] = contact.addresses.as_slice() else { panic!("{:?}", contact.addresses) };
    assert_eq!(
        (home.street.as_deref(), home.postal_code.as_deref(), home.country.as_deref()),
        (Some("Ring 1\nTop 2"), Some("1010"), Some("AT"))
    );
    assert_eq!((shipping.city.as_deref(), shipping.kind()), (Some("Graz"), Kind::Shipping));
    assert_eq!(contact.tags, ["vip", "press", "fair"]);
    assert_eq!(contact.external_ids, [("hubspot".to_owned(), "h-1".to_owned())].into());
    assert_eq!((contact.score, contact.lifecycle), (Some(0), Some(pb::Lifecycle::Lead.into())));
    assert_eq!(contact.consents[0].given_at.map(|t| t.seconds), Some(1_769_853_600));
    assert_eq!(links, [(acme, "CFO".to_owned(), true)]);
    Ok(())
}

/// A row that breaks a rule is refused with its column, and what its other columns say is not written.
#[tokio::test]
async fn what_is_wrong_is_told_at_its_column() -> Result<()> {
    let world = World::alone("globcrm_test_import_columns").await?;
    let admin = world.admin()?;
    company(&admin, "Twice", "").await?;
    company(&admin, "Twice", "").await?;
    let columns = [
        ("Last", "last_name"),
        ("Phone", "phones.number"),
        ("Fax", "phones[2].number"),
        ("Fax kind", "phones[2].kind"),
        ("Mail", "emails[2].address"),
        ("Land", "addresses.country"),
        ("Owner", "owner.email"),
        ("Company", "company.name"),
        ("Domain", "company.domain"),
        ("Role", "company.role"),
        ("Calls", "do_not_call"),
        ("Erp", "external_ids.erp"),
    ];
    let header: Vec<&str> = columns.iter().map(|(column, _)| *column).collect();
    let rows = [
        ("A,+49 30 901820 ext. 12,,,,,,,,,,", "Phone", "PHONE_INVALID"),
        // The first number is not there, so the second column is the row's first number.
        ("B,,nonsense,,,,,,,,,", "Fax", "PHONE_INVALID"),
        ("C,,+16502530000,lab,,,,,,,,", "Fax kind", "ENUM_VALUE_UNKNOWN"),
        ("D,,,,no-address,,,,,,,", "Mail", "EMAIL_INVALID"),
        ("E,,,,,XX,,,,,,", "Land", "COUNTRY_UNKNOWN"),
        ("F,,,,,,nobody@x.test,,,,,", "Owner", "REFERENCE_NOT_FOUND"),
        ("G,,,,,,boss,,,,,", "Owner", "EMAIL_INVALID"),
        ("H,,,,,,,Nowhere,,,,", "Company", "REFERENCE_NOT_FOUND"),
        ("I,,,,,,,twice,,,,", "Company", "REFERENCE_AMBIGUOUS"),
        ("J,,,,,,,Twice,nowhere.test,,,", "Domain", "REFERENCE_NOT_FOUND"),
        ("K,,,,,,,,not a domain,,,", "Domain", "DOMAIN_INVALID"),
        ("L,,,,,,,,,CFO,,", "Role", "REQUIRED"),
        ("M,,,,,,,,,,perhaps,", "Calls", "TYPE_MISMATCH"),
        (",+16502530000,,,,,,,,,,", "Last", "NAME_OR_EMAIL_REQUIRED"),
    ];
    let long = format!("N,,,,,,,,,,,{}", "x".repeat(201));
    let mut file = header.join(",") + "\n";
    rows.iter()
        .map(|(row, ..)| *row)
        .chain([long.as_str(), "Good,,,,,,,,,,,e-1", "Late,,,,,,,,,,,e-1"])
        .for_each(|row| {
            file += row;
            file.push('\n');
        });
    let create = pb::DuplicatePolicy::Create.into();
    let request = |upload| pb::CreateImportRequest { duplicate_policy: create, ..import(upload, &columns) };
    let outcome = run(&world, &admin, &file, request).await?;
    let wrong = rows.iter().zip(2..).map(|((_, column, reason), line)| (line, *column, *reason));
    let expected: Vec<_> = wrong.chain([(16, "Erp", "TOO_LONG"), (18, "Erp", "DUPLICATE_VALUE")]).collect();
    assert_eq!((outcome.counts, outcome.errors()), ([1, 0, 0, 16], expected));
    assert_eq!(world.count(&mut world.sql().await?, "contacts", admin.tenant).await?, 1);
    Ok(())
}

/// By an id in another system, before its address; and values of several contacts are an error.
#[tokio::test]
async fn a_row_finds_its_contact_by_an_id_in_another_system() -> Result<()> {
    let world = World::alone("globcrm_test_import_keys").await?;
    let admin = world.admin()?;
    let made = |name: &str| pb::Contact {
        emails: vec![mail(&format!("{name}@x.test"))],
        external_ids: [("erp".to_owned(), name.to_owned())].into(),
        ..named("", name)
    };
    for name in ["one", "two"] {
        admin.create(made(name)).await?;
    }
    let columns = [("Erp", "external_ids.erp"), ("Mail", "emails.address"), ("Title", "job_title")];
    let file =
        "Erp,Mail,Title\none,other@x.test,CTO\none,two@x.test,CFO\nthree,,CEO\nthree,,COO\n,two@x.test,CIO\n";
    let outcome = run(&world, &admin, file, |upload| import(upload, &columns)).await?;
    // The third row has no name: an id in another system is none.
    let expected = vec![
        (3, "Mail", "DUPLICATE_AMBIGUOUS"),
        (4, "Mail", "NAME_OR_EMAIL_REQUIRED"),
        (5, "Mail", "NAME_OR_EMAIL_REQUIRED"),
    ];
    assert_eq!((outcome.counts, outcome.errors()), ([0, 2, 0, 3], expected));
    let one = links(&admin, "one").await?.0;
    let addresses: Vec<&str> = one.emails.iter().map(|e| e.address.as_str()).collect();
    assert_eq!((one.job_title.as_deref(), addresses), (Some("CTO"), vec!["one@x.test", "other@x.test"]));
    let request = |upload| pb::CreateImportRequest { duplicate_policy: SKIP, ..import(upload, &columns) };
    let file = "Erp,Mail,Title\none,,x\n,other@x.test,x\n,new@x.test,x\n,new@x.test,x\nfour,four@x.test,x\nfour,,x\n";
    assert_eq!(run(&world, &admin, file, request).await?.counts, [2, 0, 4, 0]);
    let fail = pb::DuplicatePolicy::Fail.into();
    let request = |upload| pb::CreateImportRequest { duplicate_policy: fail, ..import(upload, &columns) };
    let outcome = run(&world, &admin, "Erp,Mail,Title\ntwo,,x\n,one@x.test,x\n", request).await?;
    assert_eq!(outcome.errors(), [(2, "Erp", "DUPLICATE"), (3, "Mail", "DUPLICATE")]);
    Ok(())
}

/// A link is added to those of the contact; its first is the primary one. A row links also whom an earlier row has made.
#[tokio::test]
async fn companies_are_added_to_those_of_a_contact() -> Result<()> {
    let world = World::alone("globcrm_test_import_links").await?;
    let admin = world.admin()?;
    let (acme, duo) =
        (company(&admin, "Acme", "acme.test").await?, company(&admin, "Duo", "duo.test").await?);
    admin.create(pb::Contact { emails: vec![mail("a@x.test")], ..named("", "Stored") }).await?;
    let columns = [
        ("Mail", "emails.address"),
        ("Last", "last_name"),
        ("Company", "company.name"),
        ("Domain", "company.domain"),
        ("Role", "company.role"),
    ];
    let file = "Mail,Last,Company,Domain,Role\n\
                a@x.test,,Acme,,CFO\n\
                a@x.test,,,duo.test,\n\
                a@x.test,,ACME,,\n\
                n@x.test,New,Whatever,DUO.test,CEO\n\
                n@x.test,,acme,,\n\
                n@x.test,,Duo,,Chair\n";
    let outcome = run(&world, &admin, file, |upload| import(upload, &columns)).await?;
    assert_eq!((outcome.counts, outcome.errors()), ([1, 5, 0, 0], vec![]));
    let (stored, found) = links(&admin, "Stored").await?;
    // The third row says nothing new.
    assert_eq!(stored.version, 3);
    assert_eq!(found, [(acme.clone(), "CFO".to_owned(), true), (duo.clone(), String::new(), false)]);
    let (new, found) = links(&admin, "New").await?;
    assert_eq!(new.version, 1);
    assert_eq!(found, [(duo, "Chair".to_owned(), true), (acme, String::new(), false)]);
    Ok(())
}

/// Files from spreadsheets have the day on which somebody consented.
#[tokio::test]
async fn a_consent_is_given_on_a_day_in_the_format_of_the_file_or_at_a_moment() -> Result<()> {
    let world = World::alone("globcrm_test_import_consents").await?;
    let admin = world.admin()?;
    let columns = [("Last", "last_name"), ("Consent", "consents.purpose"), ("Given", "consents.given_at")];
    let file = "Last,Consent,Given\n\
                A,news,31.01.2026\n\
                B,news,2026-01-31\n\
                C,news,31.01.2026 00:00\n\
                D,news,31.01.2026 01:00:00+01:00\n\
                E,news,2026-01-31T00:00:00Z\n\
                F,news,31.01.2026 08:00\n\
                G,news,01/31/2026\n";
    let request = |upload| pb::CreateImportRequest {
        date_format: "DD.MM.YYYY".to_owned(),
        duplicate_policy: SKIP,
        ..import(upload, &columns)
    };
    let outcome = run(&world, &admin, file, request).await?;
    let wrong = |line| (line, "Given", "TIMESTAMP_INVALID");
    assert_eq!((outcome.counts, outcome.errors()), ([5, 0, 0, 2], vec![wrong(7), wrong(8)]));
    for contact in admin.list(pb::ListContactsRequest::default()).await?.contacts {
        let given = contact.consents[0].given_at.map(|at| at.seconds);
        assert_eq!(given, Some(1_769_817_600), "{:?}", contact.last_name);
    }
    Ok(())
}
