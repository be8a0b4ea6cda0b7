use super::*;

fn object(name: &str) -> Object {
    name.parse().unwrap()
}

fn option(key: &str) -> pb::FieldOption {
    pb::FieldOption { key: key.to_owned(), label: key.to_owned(), retired: false }
}

fn field(kind: pb::FieldType) -> pb::Field {
    pb::Field {
        key: "tier".to_owned(),
        label: "Tier".to_owned(),
        r#type: kind.into(),
        options: match kind {
            pb::FieldType::Picklist | pb::FieldType::MultiPicklist => vec![option("gold"), option("silver")],
            _ => Vec::new(),
        },
        lookup_object: (kind == pb::FieldType::Lookup).then(|| "company".to_owned()),
        ..Default::default()
    }
}

/// Pointer and reason of every violation.
fn violations(sent: &pb::Field) -> Vec<(String, String)> {
    let refused = Draft::read(object("contact"), sent).unwrap_err();
    assert_eq!((refused.reason(), refused.code().http("")), ("VALIDATION_FAILED", 422));
    refused.violations().iter().map(|v| (v.pointer.clone(), v.reason.to_string())).collect()
}

fn only(sent: &pb::Field, pointer: &str, reason: &str) {
    assert_eq!(violations(sent), [(pointer.to_owned(), reason.to_owned())], "{sent:?}");
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place() {
    let sent = pb::Field {
        key: "First Name".to_owned(),
        label: "  ".to_owned(),
        description: Some("x".repeat(1_001)),
        options: vec![
            option("gold"),
            option("gold"),
            pb::FieldOption { label: String::new(), ..option("A") },
        ],
        default: "\"bronze\"".into(),
        unique: true,
        lookup_object: Some("deal".to_owned()),
        ..field(pb::FieldType::Picklist)
    };
    let mut found = violations(&sent);
    found.sort();
    let expected = [
        ("/default", "OPTION_UNKNOWN"),
        ("/description", "TOO_LONG"),
        ("/key", "KEY_INVALID"),
        ("/label", "REQUIRED"),
        ("/lookup_object", "LOOKUP_OBJECT_NOT_SUPPORTED"),
        ("/options/1/key", "REPEATED"),
        ("/options/2/key", "KEY_INVALID"),
        ("/options/2/label", "REQUIRED"),
        ("/unique", "FIELD_NOT_UNIQUABLE"),
    ];
    assert_eq!(found, expected.map(|(pointer, reason)| (pointer.to_owned(), reason.to_owned())));
}

#[test]
fn an_empty_field_names_key_label_and_type() {
    let found = violations(&pb::Field::default());
    let pointers: Vec<_> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/key", "/label", "/type"]);
}

#[test]
fn every_type_can_be_defined() {
    for kind in 1..=14 {
        let kind = pb::FieldType::try_from(kind).unwrap();
        let draft = Draft::read(object("contact"), &field(kind)).unwrap();
        assert_eq!(convert::type_to_wire(draft.field_type), kind);
    }
}

#[test]
fn a_standard_name_is_reserved_for_its_own_object_only() {
    let sent = |key: &str| pb::Field { key: key.to_owned(), ..field(pb::FieldType::Text) };
    only(&sent("first_name"), "/key", "FIELD_KEY_RESERVED");
    only(&sent("merged_into_id"), "/key", "FIELD_KEY_RESERVED");
    assert!(Draft::read(object("company"), &sent("first_name")).is_ok());
    assert!(Draft::read(object("contact"), &sent("domains")).is_ok());
}

#[test]
fn keys_follow_their_pattern() {
    let sent = |key: &str| pb::Field { key: key.to_owned(), ..field(pb::FieldType::Text) };
    for good in ["a", "a1_", &"k".repeat(60)] {
        assert!(Draft::read(object("contact"), &sent(good)).is_ok(), "{good}");
    }
    for bad in ["", "1a", "_a", "A", "a-b", "ä", "a b", &"k".repeat(61)] {
        only(&sent(bad), "/key", "KEY_INVALID");
    }
}

#[test]
fn long_texts_and_multi_picklists_cannot_be_indexed() {
    for kind in [pb::FieldType::LongText, pb::FieldType::MultiPicklist] {
        only(&pb::Field { indexed: true, ..field(kind) }, "/indexed", "FIELD_NOT_INDEXABLE");
    }
}

#[test]
fn options_belong_to_picklists() {
    for kind in [pb::FieldType::Picklist, pb::FieldType::MultiPicklist] {
        only(&pb::Field { options: vec![], ..field(kind) }, "/options", "OPTIONS_REQUIRED");
        let many = |n: usize| (0..n).map(|i| option(&format!("o{i}"))).collect::<Vec<_>>();
        assert!(Draft::read(object("contact"), &pb::Field { options: many(500), ..field(kind) }).is_ok());
        only(&pb::Field { options: many(501), ..field(kind) }, "/options", "TOO_MANY_ITEMS");
    }
    let text = pb::Field { options: vec![option("gold")], ..field(pb::FieldType::Text) };
    only(&text, "/options", "OPTIONS_NOT_SUPPORTED");
}

#[test]
fn a_lookup_needs_an_object_that_is_there() {
    let sent = |object: Option<&str>| pb::Field {
        lookup_object: object.map(str::to_owned),
        ..field(pb::FieldType::Lookup)
    };
    only(&sent(None), "/lookup_object", "REQUIRED");
    only(&sent(Some("")), "/lookup_object", "REQUIRED");
    only(&sent(Some("deal")), "/lookup_object", "UNKNOWN_OBJECT");
    let draft = Draft::read(object("contact"), &sent(Some("contact"))).unwrap();
    assert_eq!(draft.lookup_object, Some(object("contact")));
}

#[test]
fn a_default_is_checked_by_its_type_and_kept_canonical() {
    let with = |kind, default: &'static str| pb::Field { default: default.into(), ..field(kind) };
    let draft = |kind, default| Draft::read(object("contact"), &with(kind, default)).unwrap().default;
    assert_eq!(draft(pb::FieldType::Text, r#"" Zoe\u0308 ""#), Some("Zo\u{eb}".into()));
    assert_eq!(
        draft(pb::FieldType::MultiPicklist, r#"["silver","gold","gold"]"#),
        Some(serde_json::json!(["gold", "silver"]))
    );
    for unset in ["", "null", r#""  ""#] {
        assert_eq!(draft(pb::FieldType::Text, unset), None, "{unset}");
    }
    only(&with(pb::FieldType::Integer, r#""5""#), "/default", "TYPE_MISMATCH");
    only(&with(pb::FieldType::Text, "{"), "/default", "JSON_MALFORMED");
    only(&with(pb::FieldType::MultiPicklist, r#"["gold","x"]"#), "/default/1", "OPTION_UNKNOWN");
    let id = "\"01890a5d-ac96-774b-bcce-b302099a8057\"";
    only(&with(pb::FieldType::Lookup, id), "/default", "DEFAULT_NOT_SUPPORTED");
    let unique = pb::Field { unique: true, ..with(pb::FieldType::Text, r#""a""#) };
    only(&unique, "/default", "DEFAULT_NOT_SUPPORTED");
    let long = format!("\"{}\"", "x".repeat(3_000));
    only(&pb::Field { default: long.into(), ..field(pb::FieldType::LongText) }, "/default", "TOO_LONG");
}

#[test]
fn a_retired_option_is_no_default() {
    let mut sent = pb::Field { default: "\"gold\"".into(), ..field(pb::FieldType::Picklist) };
    sent.options[0].retired = true;
    only(&sent, "/default", "OPTION_RETIRED");
}

#[test]
fn types_that_name_something_can_be_unique() {
    for kind in 1..=14 {
        let kind = pb::FieldType::try_from(kind).unwrap();
        let can = matches!(
            kind,
            pb::FieldType::Text
                | pb::FieldType::Integer
                | pb::FieldType::Email
                | pb::FieldType::Phone
                | pb::FieldType::Url
        );
        let sent = pb::Field { unique: true, ..field(kind) };
        assert_eq!(Draft::read(object("contact"), &sent).is_ok(), can, "{kind:?}");
    }
}

#[test]
fn members_that_only_we_set_are_ignored() {
    let sent = pb::Field {
        id: "x".to_owned(),
        version: 7,
        object: "company".to_owned(),
        state: pb::FieldState::Archived.into(),
        ..field(pb::FieldType::Text)
    };
    assert_eq!(
        Draft::read(object("contact"), &sent).unwrap(),
        Draft::read(object("contact"), &field(pb::FieldType::Text)).unwrap()
    );
}
