//! An import with the policy `update` adds to lists and replaces none, and changes what a row says and nothing else.

use anyhow::Result;
use proto::fields::v1 as fields;
use proto::records::v1 as pb;
use serde_json::json;

use super::imports::{import, run};
use super::world::{World, custom, custom_of, mail};
use crate::world::definitions;

type Kind = pb::ContactPointKind;

fn phone(number: &str, kind: Kind, is_primary: bool) -> pb::PhoneNumber {
    pb::PhoneNumber { number: number.to_owned(), kind: kind.into(), is_primary }
}

fn email(address: &str, kind: Kind, is_primary: bool) -> pb::EmailAddress {
    pb::EmailAddress { address: address.to_owned(), kind: kind.into(), is_primary }
}

fn address(street: &str, city: &str) -> pb::PostalAddress {
    let text = |text: &str| Some(text.to_owned());
    pb::PostalAddress {
        street: text(street),
        city: text(city),
        kind: Kind::Work.into(),
        ..Default::default()
    }
}

const WORK: &str = "+4930901820";
const MOBILE: &str = "+4915112345678";
const OTHER: &str = "+16502530000";

#[tokio::test]
async fn every_list_keeps_what_it_had() -> Result<()> {
    let world = World::alone("globcrm_test_import_lists").await?;
    let admin = world.admin()?;
    let full = |mail: &str| pb::Contact {
        emails: vec![email(mail, Kind::Work, true), email(&format!("home.{mail}"), Kind::Home, false)],
        phones: vec![phone(WORK, Kind::Work, true), phone(MOBILE, Kind::Mobile, false)],
        addresses: vec![address("Ring 1", "Wien")],
        tags: vec!["vip".to_owned(), "press".to_owned()],
        external_ids: [("sap".to_owned(), format!("s-{mail}"))].into(),
        consents: vec![pb::Consent { purpose: "newsletter".to_owned(), ..Default::default() }],
        job_title: Some("CTO".to_owned()),
        do_not_call: true,
        do_not_email: true,
        ..Default::default()
    };
    let mut ids = Vec::new();
    for name in ["new", "known", "empty", "kind"] {
        ids.push(admin.create(full(&format!("{name}@x.test"))).await?.id);
    }
    let columns = [
        ("Mail", "emails.address"),
        ("Mail 2", "emails.address"),
        ("Phone", "phones.number"),
        ("Kind", "phones.kind"),
        ("Street", "addresses.street"),
        ("City", "addresses.city"),
        ("Tags", "tags"),
        ("Crm", "external_ids.crm"),
        ("Consent", "consents.purpose"),
        ("No calls", "do_not_call"),
        ("No mails", "do_not_email"),
    ];
    let file = format!(
        "Mail,Mail 2,Phone,Kind,Street,City,Tags,Crm,Consent,No calls,No mails\n\
         new@x.test,third@x.test,{OTHER},,Gasse 2,Graz,fair; vip,c-1,events,no,false\n\
         HOME.known@x.test,,{MOBILE},,,Wien,press,,newsletter,,0\n\
         empty@x.test,,,,,,,,,,\n\
         kind@x.test,,{WORK},home,,,,,,yes,\n"
    );
    let outcome = run(&world, &admin, &file, |upload| import(upload, &columns)).await?;
    assert_eq!((outcome.counts, outcome.errors()), ([0, 4, 0, 0], vec![]));

    let new = admin.get(&ids[0]).await?;
    let before = full("new@x.test");
    assert_eq!(new.phones, [before.phones.clone(), vec![phone(OTHER, Kind::Unspecified, false)]].concat());
    assert_eq!(new.emails, [before.emails, vec![email("third@x.test", Kind::Unspecified, false)]].concat());
    let graz = pb::PostalAddress { kind: 0, ..address("Gasse 2", "Graz") };
    assert_eq!(new.addresses, [address("Ring 1", "Wien"), graz]);
    assert_eq!(new.tags, ["vip", "press", "fair"]);
    let ids_of = [("crm".to_owned(), "c-1".to_owned()), ("sap".to_owned(), "s-new@x.test".to_owned())];
    assert_eq!(new.external_ids, ids_of.into());
    assert_eq!(new.consents.iter().map(|c| c.purpose.as_str()).collect::<Vec<_>>(), ["newsletter", "events"]);
    assert_eq!((new.do_not_call, new.do_not_email, new.job_title.as_deref()), (false, false, Some("CTO")));

    // A number that is there becomes the primary one; the address that found the contact changes nothing.
    let known = admin.get(&ids[1]).await?;
    let before = full("known@x.test");
    assert_eq!(known.phones, [phone(WORK, Kind::Work, false), phone(MOBILE, Kind::Mobile, true)]);
    assert_eq!(
        (&known.emails, &known.addresses, &known.tags),
        (&before.emails, &before.addresses, &before.tags)
    );
    assert_eq!((known.consents.len(), known.do_not_call, known.do_not_email), (1, true, false));

    let empty = admin.get(&ids[2]).await?;
    assert_eq!((empty.version, empty.do_not_call), (1, true));
    let kind = admin.get(&ids[3]).await?;
    assert_eq!(kind.phones, [phone(WORK, Kind::Home, true), phone(MOBILE, Kind::Mobile, false)]);
    assert_eq!((kind.do_not_call, kind.do_not_email), (true, true));
    Ok(())
}

/// What a row adds is there for the next one, and a list has its limit.
#[tokio::test]
async fn rows_add_one_after_the_other_up_to_the_limit() -> Result<()> {
    let world = World::alone("globcrm_test_import_limits").await?;
    let admin = world.admin()?;
    let id = admin.create(pb::Contact { emails: vec![mail("a@x.test")], ..Default::default() }).await?.id;
    let rows = (0..11).map(|n| format!("a@x.test,+1650253{n:04}\n")).collect::<Vec<_>>().concat();
    // The row of the second address finds the contact that the row before has given it.
    let file = format!("Mail,Phone,Mail 2,Title\n{rows}a@x.test,,b@x.test,\nb@x.test,,,CTO\n");
    let columns = [
        ("Mail", "emails.address"),
        ("Phone", "phones[mobile].number"),
        ("Mail 2", "emails[2].address"),
        ("Title", "job_title"),
    ];
    let outcome = run(&world, &admin, &file, |upload| import(upload, &columns)).await?;
    assert_eq!((outcome.counts, outcome.errors()), ([0, 12, 0, 1], vec![(12, "Phone", "TOO_MANY_ITEMS")]));
    let contact = admin.get(&id).await?;
    assert!(contact.phones.iter().all(|phone| phone.kind == i32::from(Kind::Mobile)), "{contact:?}");
    assert_eq!((contact.phones.len(), contact.emails.len()), (10, 2));
    assert_eq!((contact.phones[0].is_primary, contact.job_title.as_deref()), (true, Some("CTO")));
    Ok(())
}

/// A list is a list, whoever has made its field.
#[tokio::test]
async fn a_list_of_options_is_added_to_as_well() -> Result<()> {
    let world = World::alone("globcrm_test_import_options").await?;
    let option =
        |key: &str| fields::FieldOption { key: key.to_owned(), label: key.to_owned(), retired: false };
    let colours = fields::FieldProjection {
        options: ["blue", "green", "old", "red"].map(option).into(),
        ..definitions::field(90, "colours", fields::FieldType::MultiPicklist, "")
    };
    definitions::add(&mut world.definitions.lock().unwrap(), [colours]);
    let admin = world.admin()?;
    let made = pb::Contact {
        emails: vec![mail("a@x.test")],
        ..custom(&json!({"colours": ["red", "old"], "tier": "gold"}))
    };
    let id = admin.create(made).await?.id;
    // What is there stays, also where the option is not given to anybody new.
    {
        let mut set = world.definitions.lock().unwrap();
        let field = set.fields.iter_mut().find(|field| field.key == "colours").unwrap();
        field.options[2].retired = true;
        set.version += 1;
    }
    let columns = [("Mail", "emails.address"), ("Colours", "custom.colours"), ("Tier", "custom.tier")];
    let file =
        "Mail,Colours,Tier\na@x.test,green; red,silver\na@x.test,blue,\nb@x.test,red,\nb@x.test,blue,\n";
    let outcome = run(&world, &admin, file, |upload| import(upload, &columns)).await?;
    assert_eq!((outcome.counts, outcome.errors()), ([1, 3, 0, 0], vec![]));
    let contact = admin.get(&id).await?;
    assert_eq!(custom_of(&contact), json!({"colours": ["blue", "green", "old", "red"], "tier": "silver"}));
    let filter = "emails.address = \"b@x.test\"".to_owned();
    let listed = admin.list(pb::ListContactsRequest { filter, ..Default::default() }).await?.contacts;
    assert_eq!(custom_of(&listed[0])["colours"], json!(["blue", "red"]));
    Ok(())
}
