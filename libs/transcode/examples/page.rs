//! Times the answer path: a page of 50 contacts with 20 custom values each, by `decode_response` and by prost
//! structs with serde, and a create request. `cargo run --release -p globcrm-transcode --example page`
#![expect(clippy::print_stdout, reason = "the figures are the output of this program")]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use bytes::BytesMut;
use globcrm_transcode::{Api, Route};
use prost::Message;
use proto::records::v1::{Contact, EmailAddress, ListContactsResponse, PhoneNumber};
use serde::Serialize;
use serde_json::value::RawValue;

const ROUNDS: u32 = 20_000;

fn contact(n: i64) -> Contact {
    let at = |seconds| Some(prost_types::Timestamp { seconds: 1_767_225_600 + seconds, nanos: 123_456_000 });
    let id = |kind: u8| format!("0190aaaa-bbbb-7ccc-{kind:04x}-{n:012x}");
    let custom: Vec<String> = (0..20)
        .map(|at| match at % 4 {
            0 => format!("\"text_{at}\":\"some text of value {n}\""),
            1 => format!("\"number_{at}\":{}", n * 1000 + at),
            2 => format!("\"date_{at}\":\"2026-12-01\""),
            _ => format!("\"budget_{at}\":{{\"amount_minor\":{n},\"currency\":\"EUR\"}}"),
        })
        .collect();
    Contact {
        id: id(1),
        version: 3 + n,
        created_at: at(n),
        created_by: id(2),
        updated_at: at(n + 5),
        updated_by: id(2),
        owner_id: Some(id(3)),
        team_id: Some(id(4)),
        source: 1,
        external_ids: [("erp".to_owned(), n.to_string())].into(),
        tags: vec!["vip".to_owned(), "newsletter".to_owned()],
        first_name: Some("Zoë".to_owned()),
        last_name: Some(format!("Ångström {n}")),
        full_name: Some(format!("Zoë Ångström {n}")),
        job_title: Some("Head of \"Purchasing\"".to_owned()),
        department: Some("Purchasing".to_owned()),
        emails: vec![EmailAddress { address: format!("zoe{n}@example.test"), kind: 1, is_primary: true }],
        phones: vec![PhoneNumber { number: "+46701740605".to_owned(), kind: 3, is_primary: true }],
        language: Some("sv-SE".to_owned()),
        timezone: Some("Europe/Stockholm".to_owned()),
        birthday: Some("1981-05-17".to_owned()),
        lifecycle: Some(3),
        lead_source: Some("fair".to_owned()),
        score: Some(77),
        last_activity_at: at(n + 9),
        custom: format!("{{{}}}", custom.join(",")).into(),
        ..Contact::default()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let api = Api::compile(proto::DESCRIPTORS)?;
    let page = ListContactsResponse {
        contacts: (0..50).map(contact).collect(),
        next_page_token: "opaque".to_owned(),
        total: None,
        warnings: Vec::new(),
    };
    let wire = page.encode_to_vec();

    let list = find(&api, "GET", "/api/v1/contacts")?;
    let mut out = Vec::new();
    api.decode_response(list, &wire, None, &mut out)?;
    let reference = structs(&wire)?;
    println!("{} bytes of protobuf, {} bytes of JSON (serde: {})", wire.len(), out.len(), reference.len());
    let ours: serde_json::Value = serde_json::from_slice(&out)?;
    let theirs: serde_json::Value = serde_json::from_slice(&reference)?;
    if ours != theirs {
        return Err("the two ways do not print the same".into());
    }

    time("decode_response", || {
        out.clear();
        api.decode_response(list, black_box(&wire), None, &mut out).is_ok()
    })?;
    let selection = api.select(list, "id,first_name,last_name,custom.text_0");
    time("decode_response with fields=", || {
        out.clear();
        api.decode_response(list, black_box(&wire), selection.as_ref(), &mut out).is_ok()
    })?;
    time("prost + serde_json", || structs(black_box(&wire)).is_ok())?;

    let Route::Found { method, params } = api.route("POST", "/api/v1/contacts") else {
        return Err("no route to create a contact".into());
    };
    let mut body = Vec::new();
    api.transcode_message("globcrm.records.v1.Contact", &contact(1).encode_to_vec(), &mut body)?;
    let mut message = BytesMut::new();
    time(&format!("encode_request ({} bytes of JSON)", body.len()), || {
        message.clear();
        api.encode_request(method, &params, "", Some(black_box(&body)), &mut message).is_ok()
    })?;
    Ok(())
}

fn find<'a>(api: &'a Api, verb: &str, path: &str) -> Result<&'a globcrm_transcode::Method, Box<dyn Error>> {
    match api.route(verb, path) {
        Route::Found { method, .. } => Ok(method),
        _ => Err("no route".into()),
    }
}

/// The best of ten runs, so that what else the machine does counts least.
fn time(name: &str, mut work: impl FnMut() -> bool) -> Result<(), Box<dyn Error>> {
    let mut best = f64::INFINITY;
    for _ in 0..10 {
        let start = Instant::now();
        for _ in 0..ROUNDS / 10 {
            if !work() {
                return Err("the work failed".into());
            }
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(ROUNDS / 10));
    }
    println!("{name:<45} {best:>10.0} ns");
    Ok(())
}

/// The usual way: decode into structs, serialise those.
fn structs(wire: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let page = ListContactsResponse::decode(wire)?;
    let view = PageView {
        contacts: page.contacts.iter().map(ContactView::of).collect::<Result<_, _>>()?,
        next_page_token: &page.next_page_token,
        total: None,
    };
    Ok(serde_json::to_vec(&view)?)
}

#[derive(Serialize)]
struct PageView<'a> {
    contacts: Vec<ContactView<'a>>,
    next_page_token: &'a str,
    total: Option<()>,
}

#[derive(Serialize)]
struct PointView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<&'a str>,
    kind: Option<String>,
    is_primary: bool,
}

#[derive(Serialize)]
struct ContactView<'a> {
    id: &'a str,
    version: i64,
    created_at: Option<String>,
    created_by: &'a str,
    updated_at: Option<String>,
    updated_by: &'a str,
    deleted_at: Option<String>,
    owner_id: Option<&'a str>,
    team_id: Option<&'a str>,
    source: Option<String>,
    external_ids: &'a std::collections::BTreeMap<String, String>,
    tags: &'a [String],
    first_name: Option<&'a str>,
    last_name: Option<&'a str>,
    full_name: Option<&'a str>,
    job_title: Option<&'a str>,
    department: Option<&'a str>,
    emails: Vec<PointView<'a>>,
    phones: Vec<PointView<'a>>,
    addresses: [(); 0],
    language: Option<&'a str>,
    timezone: Option<&'a str>,
    birthday: Option<&'a str>,
    lifecycle: Option<String>,
    lead_source: Option<&'a str>,
    score: Option<i32>,
    do_not_call: bool,
    do_not_email: bool,
    consents: [(); 0],
    last_activity_at: Option<String>,
    custom: &'a RawValue,
}

impl<'a> ContactView<'a> {
    fn of(contact: &'a Contact) -> Result<Self, Box<dyn Error>> {
        let time = |at: Option<prost_types::Timestamp>| at.map(|at| at.to_string());
        let kind = |kind: proto::records::v1::ContactPointKind| {
            Some(kind.as_str_name().trim_start_matches("CONTACT_POINT_KIND_").to_lowercase())
        };
        Ok(Self {
            id: &contact.id,
            version: contact.version,
            created_at: time(contact.created_at),
            created_by: &contact.created_by,
            updated_at: time(contact.updated_at),
            updated_by: &contact.updated_by,
            deleted_at: time(contact.deleted_at),
            owner_id: contact.owner_id.as_deref(),
            team_id: contact.team_id.as_deref(),
            source: Some(contact.source().as_str_name().trim_start_matches("SOURCE_").to_lowercase()),
            external_ids: &contact.external_ids,
            tags: &contact.tags,
            first_name: contact.first_name.as_deref(),
            last_name: contact.last_name.as_deref(),
            full_name: contact.full_name.as_deref(),
            job_title: contact.job_title.as_deref(),
            department: contact.department.as_deref(),
            emails: contact
                .emails
                .iter()
                .map(|e| PointView {
                    address: Some(&e.address),
                    number: None,
                    kind: kind(e.kind()),
                    is_primary: e.is_primary,
                })
                .collect(),
            phones: contact
                .phones
                .iter()
                .map(|p| PointView {
                    address: None,
                    number: Some(&p.number),
                    kind: kind(p.kind()),
                    is_primary: p.is_primary,
                })
                .collect(),
            addresses: [],
            language: contact.language.as_deref(),
            timezone: contact.timezone.as_deref(),
            birthday: contact.birthday.as_deref(),
            lifecycle: contact
                .lifecycle
                .is_some()
                .then(|| contact.lifecycle().as_str_name().trim_start_matches("LIFECYCLE_").to_lowercase()),
            lead_source: contact.lead_source.as_deref(),
            score: contact.score,
            do_not_call: contact.do_not_call,
            do_not_email: contact.do_not_email,
            consents: [],
            last_activity_at: time(contact.last_activity_at),
            custom: serde_json::from_slice(&contact.custom)?,
        })
    }
}
