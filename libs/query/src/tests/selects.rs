use auth::FieldMask;
use uuid::Uuid;

use super::{COLUMNS, custom_fields, mask};
use crate::{Bind, Projection, Sql};

fn select(mask: &FieldMask, fields: &str) -> (Projection, String, Vec<Bind>) {
    let projection = Projection::parse(COLUMNS, Some(&custom_fields()), mask, fields).unwrap();
    let mut sql = Sql::for_tenant(Uuid::nil());
    projection.push(&mut sql);
    (projection, sql.text().to_owned(), sql.binds()[1..].to_vec())
}

#[test]
fn everything_visible_is_read_when_nothing_is_named() {
    let (_, sql, _) = select(&FieldMask::default(), "");
    assert_eq!(sql, "t.id AS _id, t.version, t.first_name, t.last_name, t.emails, t.custom");
}

#[test]
fn hidden_columns_and_keys_are_not_read() {
    let (projection, sql, binds) = select(&mask(), " ");
    assert_eq!(
        sql,
        "t.id AS _id, t.version, t.first_name, t.last_name, NULL AS emails, t.custom - $2 AS custom"
    );
    // `later` is a key that no definition has yet.
    assert!(binds == [Bind::Texts(vec!["later".into(), "secret".into()])]);
    assert!(projection.has("last_name") && !projection.has("emails"));
}

#[test]
fn only_named_fields_are_read() {
    let (projection, sql, binds) = select(&FieldMask::default(), "id, full_name,custom.tier");
    assert!(
        sql.starts_with("t.id AS _id, t.version, t.first_name, t.last_name, NULL AS emails, (SELECT "),
        "{sql}"
    );
    assert!(binds == [Bind::Texts(vec!["tier".into()])]);
    assert_eq!(projection.custom_keys(), ["tier"]);
    assert!(projection.has("full_name") && !projection.has("first_name"));
    let (_, sql, _) = select(&FieldMask::default(), "last_name");
    assert_eq!(
        sql,
        "t.id AS _id, t.version, NULL AS first_name, t.last_name, NULL AS emails, '{}'::jsonb AS custom"
    );
}

#[test]
fn a_hidden_field_is_refused_as_an_unknown_one() {
    for (hidden, unknown) in
        [("emails", "emailz"), ("custom.secret", "custom.nosuch"), ("custom.later", "custom.never")]
    {
        let answer = |name: &str| {
            let fields = format!("id, {name}");
            let error = Projection::parse(COLUMNS, Some(&custom_fields()), &mask(), &fields).unwrap_err();
            assert_eq!((error.reason(), error.metadata()["position"].as_str()), ("UNKNOWN_FIELD", "4"));
            format!("{error:?}").replace(name, "FIELD")
        };
        assert_eq!(answer(hidden), answer(unknown));
    }
}
