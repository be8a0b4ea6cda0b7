use proptest::prelude::*;

use super::{Comparison, Expr, Literal, Op, Value, parse};

/// The tree as fully bracketed text.
fn shape(expr: &Expr) -> String {
    let list = |parts: &[Expr], word: &str| {
        format!("({})", parts.iter().map(shape).collect::<Vec<_>>().join(&format!(" {word} ")))
    };
    match expr {
        Expr::And(parts) => list(parts, "AND"),
        Expr::Or(parts) => list(parts, "OR"),
        Expr::Not(inner) => format!("NOT {}", shape(inner)),
        Expr::Compare(Comparison { field, op, values, .. }) => {
            let value = |value: &Value| match &value.literal {
                Literal::Text(text) => format!("{text:?}"),
                Literal::Bare(text) => text.clone(),
                Literal::Bool(flag) => flag.to_string(),
                Literal::Any => "*".to_owned(),
            };
            match values.as_slice() {
                [only] => format!("{field}{}{}", op.as_str(), value(only)),
                all => {
                    format!("{field}{}({})", op.as_str(), all.iter().map(value).collect::<Vec<_>>().join(","))
                }
            }
        }
    }
}

fn read(text: &str) -> String {
    parse(text).unwrap().map(|expr| shape(&expr)).unwrap_or_default()
}

fn refused(text: &str) -> (String, String) {
    let error = parse(text).unwrap_err();
    (error.reason().to_owned(), error.metadata()["position"].clone())
}

#[test]
fn filters_of_the_contract_are_read() {
    let cases = [
        ("", ""),
        ("  \n ", ""),
        (r#"last_name = "Meyer""#, r#"last_name="Meyer""#),
        (r#"a="x" OR b="y" AND c="z""#, r#"(a="x" OR (b="y" AND c="z"))"#),
        (r#"NOT a="x" AND b="y""#, r#"(NOT a="x" AND b="y")"#),
        (r#"NOT (a="x" AND b="y")"#, r#"NOT (a="x" AND b="y")"#),
        ("a=1 AND (b=2)", "(a=1 AND b=2)"),
        ("a=1 AND b=2 AND c=3", "(a=1 AND b=2 AND c=3)"),
        (r#"tags:"vip""#, r#"tags:"vip""#),
        ("tags:*", "tags:*"),
        (r#"a = ("x", "y" ,"z")"#, r#"a=("x","y","z")"#),
        ("a != (1,2)", "a!=(1,2)"),
        ("a<=1 AND b>=-2.5", "(a<=1 AND b>=-2.5)"),
        ("created_at > 2026-01-01T00:00:00.5+02:00", "created_at>2026-01-01T00:00:00.5+02:00"),
        ("do_not_call=true AND x=false", "(do_not_call=true AND x=false)"),
        (r#"a="quote \" back \\ line \n""#, r#"a="quote \" back \\ line \n""#),
        (r#"AND_more = "x" AND ORDER="y""#, r#"(AND_more="x" AND ORDER="y")"#),
        (
            r#"last_name = "Meyer" AND (amount_minor >= 100000 OR NOT stage_id = "s") AND custom.tier = "gold""#,
            r#"(last_name="Meyer" AND (amount_minor>=100000 OR NOT stage_id="s") AND custom.tier="gold")"#,
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn broken_filters_are_refused_with_the_position() {
    let cases = [
        ("=", 0),
        ("a", 1),
        ("a =", 3),
        ("a = x", 4),
        ("a = \"x", 4),
        (r#"a = "x\q""#, 6),
        ("a = \"\0\"", 5),
        ("a = 1 b = 2", 6),
        ("a = 1 and b = 2", 6),
        ("a = 1 AND", 9),
        ("(a = 1", 6),
        ("a = 1)", 5),
        ("a = (1, 2", 9),
        ("a = ()", 5),
        ("a < (1, 2)", 4),
        ("a = *", 4),
        ("ä = 1", 0),
        // Characters, not bytes.
        ("a = \"ööö\" x", 10),
        ("NOT", 3),
        ("1 = a", 0),
    ];
    for (text, position) in cases {
        assert_eq!(refused(text), ("FILTER_INVALID".to_owned(), position.to_string()), "{text}");
    }
}

#[test]
fn filters_are_bounded() {
    let many = |count: usize| vec!["a=1"; count].join(" OR ");
    assert!(parse(&many(25)).is_ok());
    assert_eq!(refused(&many(26)).0, "FILTER_TOO_COMPLEX");
    let deep = |depth: usize| format!("{}a=1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&deep(5)).is_ok());
    assert_eq!(refused(&deep(6)), ("FILTER_TOO_COMPLEX".to_owned(), "5".to_owned()));
    assert_eq!(refused(&format!("{}a=1", "NOT ".repeat(6))).0, "FILTER_TOO_COMPLEX");
    let list = |count: usize| format!("a=({})", vec!["1"; count].join(","));
    assert!(parse(&list(100)).is_ok());
    assert_eq!(refused(&list(101)).0, "FILTER_TOO_COMPLEX");
    assert_eq!(refused(&"x".repeat(9_000)).0, "FILTER_INVALID");
}

#[test]
fn positions_of_fields_and_values_are_kept() {
    let Some(Expr::Compare(comparison)) = parse(r#"  ab = "x""#).unwrap() else { panic!("not a comparison") };
    assert_eq!((comparison.at, comparison.op, comparison.values[0].at), (2, Op::Eq, 7));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        drop(parse(&text));
    }

    #[test]
    fn no_text_of_the_language_makes_the_parser_panic(
        text in "([a-z.]{1,3}|AND|OR|NOT|[()=!<>:,*\"\\\\ ]|true|-?[0-9]{1,3}|ö){0,40}"
    ) {
        if let Ok(Some(expr)) = parse(&text) {
            // What was read is read again as the same tree.
            let once = shape(&expr);
            if let Ok(Some(again)) = parse(&once) {
                prop_assert_eq!(shape(&again), once);
            }
        }
    }
}
