//! A `PATCH` from its JSON to the record, beside a reference implementation of RFC 7396.

use std::sync::LazyLock;

use auth::{Access, FieldMask};
use bytes::BytesMut;
use error::{Error, Reason};
use proptest::prelude::*;
use prost::Message;
use prost::bytes::Bytes;
use proto::fields::v1 as pb;
use proto::records::v1::{Company, UpdateCompanyRequest};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use transcode::{Api, Route};
use uuid::Uuid;

use crate::definitions::FieldSet;
use crate::draft::Draft;
use crate::fixture::record;
use crate::prepare::{Proposal, Terms};
use crate::view::View;
use crate::{Built, Fields, Included, Object, Reader, Record, Standard, Wire};

static API: LazyLock<Api> = LazyLock::new(|| Api::compile(proto::DESCRIPTORS).unwrap());

static COMPANY: Object = Object {
    name: "company",
    table: "records.companies",
    fields: &[
        Standard::line("name"),
        Standard::line("industry"),
        Standard::integer("employee_count"),
        Standard::money("annual_revenue"),
    ],
    title: "name",
    includes: &[],
    not_found: Reason::COMPANY_NOT_FOUND,
    not_deleted: Reason::COMPANY_NOT_DELETED,
    derive: |_| Fields::new(),
    rules: |_, _| (),
    guard: None,
    ties: None,
    sides: &[],
    likeness: None,
    tree: None,
    built: Built::later(),
};

enum OnWire {}

impl Wire for OnWire {
    type Message = Company;

    fn object() -> &'static Object {
        &COMPANY
    }

    fn read(sent: &Company, r: &mut Reader<'_>) {
        r.external_ids(&sent.external_ids);
        r.tags(&sent.tags);
        r.line("name", &sent.name, 300);
        r.line("industry", &sent.industry, 100);
        r.value("employee_count", sent.employee_count);
        r.money("annual_revenue", sent.annual_revenue.as_ref());
    }

    fn show(_: View<'_>, _: Option<proto::common::v1::Access>) -> Result<Company, Error> {
        Ok(Company::default())
    }

    fn include(_: &mut Company, _: Included) {}

    fn custom(sent: &Company) -> &Bytes {
        &sent.custom
    }

    fn custom_mut(sent: &mut Company) -> &mut Bytes {
        &mut sent.custom
    }

    fn etag(sent: &Company) -> Option<&str> {
        sent.etag.as_deref()
    }
}

/// `seats` integer, `note` text, `budget` money, `kinds` multi-picklist of a, b and c.
fn field_set() -> FieldSet {
    let field = |n: u128, key: &str, kind: pb::FieldType| pb::FieldProjection {
        id: Uuid::from_u128(n).to_string(),
        key: key.to_owned(),
        r#type: kind as i32,
        state: pb::FieldState::Active as i32,
        ..Default::default()
    };
    let option = |key: &str| pb::FieldOption { key: key.to_owned(), label: key.to_owned(), retired: false };
    let kinds = pb::FieldProjection {
        options: ["a", "b", "c"].map(option).to_vec(),
        ..field(4, "kinds", pb::FieldType::MultiPicklist)
    };
    let fields = vec![
        field(1, "seats", pb::FieldType::Integer),
        field(2, "note", pb::FieldType::Text),
        field(3, "budget", pb::FieldType::Money),
        kinds,
    ];
    FieldSet::from_wire(pb::GetFieldSetResponse { version: 1, fields })
}

/// What a `PATCH` with this body makes of a record.
fn patched(before: &Record, body: &Value, mask: &FieldMask) -> Proposal {
    let path = "/api/v1/companies/42";
    let Route::Found { method, params } = API.route("PATCH", path) else { panic!("no route") };
    let mut wire = BytesMut::new();
    API.encode_request(method, &params, "", Some(body.to_string().as_bytes()), &mut wire).unwrap();
    changed(before, UpdateCompanyRequest::decode(&wire[..]).unwrap(), mask)
}

/// What a request makes of a record.
fn changed(before: &Record, request: UpdateCompanyRequest, mask: &FieldMask) -> Proposal {
    let (set, sent) = (field_set(), request.company.unwrap_or_default());
    let read = |names: &[&str], part: &input::Mask| {
        Reader::read_by::<OnWire>((None, OffsetDateTime::UNIX_EPOCH), &sent, names, Some(part))
    };
    let draft = Draft::new(request.update_mask, &sent, &sent.custom, &read).unwrap();
    let opened = draft.open(&set, mask);
    let terms = Terms { object: &COMPANY, set: &set, mask, region: None };
    Proposal::changed(terms, before.clone(), opened)
}

/// A record as its JSON, unset members left out.
fn shown(record: &Record) -> Value {
    let mut json = record.fields.clone();
    json.insert("custom".to_owned(), Value::Object(record.custom.clone()));
    unset_left_out(Value::Object(json))
}

fn of_json(json: &Value) -> Record {
    let mut fields = json.as_object().cloned().unwrap();
    let custom = fields.remove("custom").unwrap_or_else(|| json!({}));
    record(1, Value::Object(fields), custom)
}

/// The pseudo code of RFC 7396, 2.
fn reference(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = if let Value::Object(members) = target { members } else { Map::new() };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            let old = target.remove(name).unwrap_or(Value::Null);
            target.insert(name.clone(), reference(old, value));
        }
    }
    Value::Object(target)
}

/// A record has no `null`, empty list or empty object: they mean that nothing is there.
fn unset_left_out(json: Value) -> Value {
    match json {
        Value::Object(members) => {
            let kept = members.into_iter().map(|(name, value)| (name, unset_left_out(value)));
            kept.filter(|(_, value)| {
                !matches!(value, Value::Null) && *value != json!({}) && *value != json!([])
            })
            .collect()
        }
        other => other,
    }
}

/// The amounts that lack a member: where the violations must be.
fn incomplete(json: &Value) -> Vec<String> {
    let places = ["/annual_revenue", "/custom/budget"].map(|place| (place, json.pointer(place)));
    let amounts = places.into_iter().filter_map(|(place, value)| Some((place, value?)));
    amounts
        .flat_map(|(place, value)| {
            let missing = ["amount_minor", "currency"].into_iter().filter(|name| value.get(*name).is_none());
            missing.map(move |name| format!("{place}/{name}"))
        })
        .collect()
}

/// What a first patch makes, without the amounts that it leaves incomplete.
fn storable(first: &Value) -> Value {
    let mut json = reference(json!({}), first);
    for place in incomplete(&json) {
        let amount = place.rsplit_once('/').map_or("", |(amount, _)| amount);
        if let Some(value) = json.pointer_mut(amount) {
            *value = Value::Null;
        }
    }
    unset_left_out(json)
}

fn or_null(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    prop_oneof![3 => value, 1 => Just(Value::Null)].boxed()
}

/// An object of some of the members.
fn object(members: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let (names, values): (Vec<_>, Vec<_>) = members.into_iter().unzip();
    let values: Vec<_> = values.into_iter().map(|value| prop::option::weighted(0.7, value)).collect();
    values
        .prop_map(move |values| {
            let sent =
                names.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
            Value::Object(sent.collect())
        })
        .boxed()
}

fn text() -> BoxedStrategy<Value> {
    "[a-z]{1,8}".prop_map(Value::from).boxed()
}

fn list() -> BoxedStrategy<Value> {
    prop::sample::subsequence(vec!["a", "b", "c"], 0..=3).prop_map(Value::from).boxed()
}

fn count() -> BoxedStrategy<Value> {
    (0..5_000_i64).prop_map(Value::from).boxed()
}

fn patches() -> BoxedStrategy<Value> {
    let money = || {
        let currency = prop::sample::select(vec!["EUR", "USD"]).prop_map(Value::from);
        or_null(object(vec![("amount_minor", or_null(count())), ("currency", or_null(currency))]))
    };
    let systems = ["erp", "sap", "a.b", "two words", "tick`s", "ü"];
    let systems = systems.map(|system| (system, or_null(text())));
    let custom = vec![
        ("seats", or_null(count())),
        ("note", or_null(text())),
        ("kinds", or_null(list())),
        ("budget", money()),
    ];
    object(vec![
        ("name", or_null(text())),
        ("industry", or_null(text())),
        ("employee_count", or_null(count())),
        ("tags", or_null(list())),
        ("external_ids", or_null(object(systems.to_vec()))),
        ("annual_revenue", money()),
        ("custom", or_null(object(custom))),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Two patches after each other, the first of which makes the record.
    #[test]
    fn a_patch_is_what_the_rfc_says_at_every_depth(first in patches(), then in patches()) {
        let before = storable(&first);
        let wanted = unset_left_out(reference(before.clone(), &then));
        let mut proposal = patched(&of_json(&before), &then, &FieldMask::default());
        let missing: Vec<String> = proposal.violations().iter().map(|v| v.pointer.clone()).collect();
        prop_assert_eq!(&missing, &incomplete(&wanted), "{} {}", before, then);
        if missing.is_empty() {
            prop_assert_eq!(shown(proposal.after()), wanted, "{} {}", before, then);
        }
    }

    /// What is read can be sent back: nothing changes, whatever the caller may write.
    #[test]
    fn a_record_that_is_sent_back_as_it_is_changes_nothing(first in patches(), access in 0..3_u8) {
        let before = storable(&first);
        let record = of_json(&before);
        let names = ["name", "annual_revenue", "external_ids", "custom.seats", "custom.budget", "tags"];
        let read = names.iter().take(usize::from(access) * 3).map(|name| ((*name).to_owned(), Access::Read));
        let mut proposal = patched(&record, &before, &FieldMask::new(read));
        prop_assert!(proposal.violations().is_empty());
        prop_assert_eq!(proposal.denied(), <&[String]>::default());
        prop_assert_eq!(proposal.after(), &record);
    }
}

fn full() -> Value {
    json!({
        "name": "Acme", "external_ids": {"hubspot": "h1", "sap": "s1"}, "tags": ["a"],
        "annual_revenue": {"amount_minor": 100, "currency": "EUR"},
        "custom": {"seats": 5, "note": "x", "budget": {"amount_minor": 7, "currency": "EUR"}},
    })
}

#[test]
fn integrations_that_write_their_own_key_leave_those_of_others() {
    let all = FieldMask::default();
    let after = |patch: Value| shown(patched(&of_json(&full()), &patch, &all).after());
    let ids = |patch: Value| after(json!({"external_ids": patch}))["external_ids"].clone();
    assert_eq!(ids(json!({"crm2": "c1"})), json!({"hubspot": "h1", "sap": "s1", "crm2": "c1"}));
    assert_eq!(ids(json!({"sap": null})), json!({"hubspot": "h1"}));
    assert_eq!(ids(json!({})), full()["external_ids"]);
    assert_eq!(ids(Value::Null), Value::Null);
    assert_eq!(after(json!({"custom": {}})), full());
    assert_eq!(after(json!({})), full());
    let budget = after(json!({"custom": {"budget": {"amount_minor": 9}}}))["custom"]["budget"].clone();
    assert_eq!(budget, json!({"amount_minor": 9, "currency": "EUR"}));
    let revenue = after(json!({"annual_revenue": {"amount_minor": 0}}))["annual_revenue"].clone();
    assert_eq!(revenue, json!({"amount_minor": 0, "currency": "EUR"}));
}

#[test]
fn without_custom_everything_that_the_caller_may_write_is_gone_and_nothing_else() {
    let rules = [("custom.seats".to_owned(), Access::Read), ("custom.note".to_owned(), Access::None)];
    let mut proposal = patched(&of_json(&full()), &json!({"custom": null}), &FieldMask::new(rules));
    assert!(proposal.violations().is_empty());
    assert_eq!(shown(proposal.after())["custom"], json!({"seats": 5, "note": "x"}));
    let proposal = patched(&of_json(&full()), &json!({"custom": null}), &FieldMask::default());
    assert_eq!(shown(proposal.after()).get("custom"), None);
}

#[test]
fn what_may_only_be_read_must_be_as_it_is() {
    let names = ["name", "external_ids", "annual_revenue", "custom.seats", "custom.budget"];
    let mask = FieldMask::new(names.map(|name| (name.to_owned(), Access::Read)));
    let denied = |patch: Value| patched(&of_json(&full()), &patch, &mask).denied().to_vec();
    let mut whole = full();
    whole["tags"] = json!(["b"]);
    assert_eq!(denied(whole), Vec::<String>::new());
    for (patch, name) in [
        (json!({"name": "B"}), "name"),
        (json!({"name": null}), "name"),
        (json!({"name": "a\nb"}), "name"),
        (json!({"external_ids": {"x": "1"}}), "external_ids"),
        (json!({"external_ids": {"sap": null}}), "external_ids"),
        (json!({"annual_revenue": {"amount_minor": 1}}), "annual_revenue"),
        (json!({"custom": {"seats": 6}}), "custom.seats"),
        (json!({"custom": {"seats": "wrong"}}), "custom.seats"),
        (json!({"custom": {"budget": {"currency": "USD"}}}), "custom.budget"),
    ] {
        assert_eq!(denied(patch.clone()), [name], "{patch}");
    }
    assert_eq!(
        denied(json!({"external_ids": {"sap": "s1"}, "custom": {"seats": 5.0}})),
        Vec::<String>::new()
    );
}

#[test]
fn what_is_hidden_is_sent_back_without_a_value_and_has_none_to_be_set() {
    let names = ["name", "external_ids", "tags", "annual_revenue"];
    let mask = FieldMask::new(names.map(|name| (name.to_owned(), Access::None)));
    let seen = json!({"name": null, "external_ids": {}, "tags": [], "annual_revenue": null, "industry": "x"});
    let mut proposal = patched(&of_json(&full()), &seen, &mask);
    assert!(proposal.violations().is_empty());
    let mut wanted = full();
    wanted["industry"] = "x".into();
    assert_eq!(shown(proposal.after()), wanted);
    for (patch, pointer) in [
        (json!({"name": "B"}), "/name"),
        (json!({"external_ids": {"sap": null}}), "/external_ids"),
        (json!({"annual_revenue": {"currency": null}}), "/annual_revenue"),
    ] {
        let mut proposal = patched(&of_json(&full()), &patch, &mask);
        let found: Vec<_> =
            proposal.violations().iter().map(|v| (v.pointer.as_str(), v.reason.as_ref())).collect();
        assert_eq!(found, [(pointer, "UNKNOWN_FIELD")], "{patch}");
        assert_eq!(shown(proposal.after()), full());
    }
}

#[test]
fn over_grpc_a_path_into_an_object_says_the_same() {
    let sent = Company {
        external_ids: [("crm2".to_owned(), "c1".to_owned()), ("other".to_owned(), "x".to_owned())].into(),
        custom: br#"{"seats": 6, "note": "not named"}"#.to_vec().into(),
        annual_revenue: Some(proto::common::v1::Money { amount_minor: Some(5), currency: None }),
        ..Company::default()
    };
    let after = |paths: Option<&[&str]>| {
        let paths = paths.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect());
        let update_mask = paths.map(|paths| prost_types::FieldMask { paths });
        let request = UpdateCompanyRequest { company: Some(sent.clone()), update_mask, ..Default::default() };
        let mut proposal = changed(&of_json(&full()), request, &FieldMask::default());
        let found = proposal.violations().iter().map(|v| v.pointer.clone()).collect::<Vec<_>>();
        (shown(proposal.after()), found)
    };
    let paths = [
        "external_ids.crm2",
        "external_ids.sap",
        "custom.seats",
        "custom.budget",
        "annual_revenue.amount_minor",
    ];
    let (json, found) = after(Some(&paths));
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(json["external_ids"], json!({"hubspot": "h1", "crm2": "c1"}));
    assert_eq!(json["custom"], json!({"seats": 6, "note": "x"}));
    assert_eq!(json["annual_revenue"], json!({"amount_minor": 5, "currency": "EUR"}));
    // A path to the whole replaces it, and the amount sent lacks its currency.
    let (json, found) = after(Some(&["external_ids", "annual_revenue"]));
    assert_eq!(json["external_ids"], json!({"crm2": "c1", "other": "x"}));
    assert_eq!(found, ["/annual_revenue/currency"]);
    // Without a mask, what is set is merged.
    let (json, found) = after(None);
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(json["external_ids"], json!({"hubspot": "h1", "sap": "s1", "crm2": "c1", "other": "x"}));
    assert_eq!(json["annual_revenue"], json!({"amount_minor": 5, "currency": "EUR"}));
    assert_eq!(json["custom"]["note"], "not named");
}

#[test]
fn merged_ids_are_bounded_as_a_whole() {
    let before =
        json!({"external_ids": (0..15).map(|n| (format!("a{n}"), "1".into())).collect::<Map<_, Value>>()});
    let more: Map<String, Value> = (0..6).map(|n| (format!("b{n}"), "1".into())).collect();
    let mut proposal = patched(&of_json(&before), &json!({"external_ids": more}), &FieldMask::default());
    let found: Vec<_> =
        proposal.violations().iter().map(|v| (v.pointer.clone(), v.reason.to_string())).collect();
    assert_eq!(found, [("/external_ids".to_owned(), "TOO_MANY_ITEMS".to_owned())]);
}
