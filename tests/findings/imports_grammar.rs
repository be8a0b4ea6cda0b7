//! Rows that the grammar of CSV does not have are errors with their lines, and nothing is made of them.

use serde_json::{Value, json};

use super::files::{Columns, FIRST, FLM, FM, Import, Truth};
use super::{Wrong, define};
use crate::stage::Stage;

/// Imports each file into an organisation of its own.
async fn hold(cases: &[(Columns<'_>, Value, Truth<'_>)]) {
    let stage = Stage::shared().await;
    let mut wrong = Wrong::default();
    for (columns, more, case) in cases {
        let tenant = stage.tenant("f-grammar").await;
        let import = Import { columns, more: more.clone(), ..Import::default() };
        match import.tried(&tenant, case.file).await {
            Ok(outcome) => wrong.0.extend(case.missed_by(&outcome)),
            Err(refusal) => {
                wrong.0.push(format!("{:?}: {}", String::from_utf8_lossy(case.file), refusal.text));
            }
        }
    }
    wrong.none();
}

#[tokio::test]
async fn a_quote_that_is_never_closed_makes_nobody() {
    let utf16: Vec<u8> = "\u{feff}First,Mail\r\nAnn,a@x.test\r\n\"Bob,b@x.test\r\nCid,c@x.test\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    hold(&[
        (
            FM,
            json!({}),
            Truth {
                file: b"First,Mail\nAnn,a@x.test\nBob,\"b@x.test",
                people: &["Ann//a@x.test"],
                errors: &[(3, "Mail", "QUOTE")],
            },
        ),
        (
            FM,
            json!({}),
            Truth {
                file: b"First;Mail\nAnn;a@x.test\n\"Bob;b@x.test\nCid;c@x.test\nDan;d@x.test\n",
                people: &["Ann//a@x.test"],
                errors: &[(3, "First", "QUOTE")],
            },
        ),
        // The quote within it is written twice and closes nothing.
        (
            FM,
            json!({}),
            Truth {
                file: b"First,Mail\n\"Ann \"\"A\"\",a@x.test\nBob,b@x.test\n",
                people: &[],
                errors: &[(2, "First", "QUOTE")],
            },
        ),
        (FM, json!({}), Truth { file: &utf16, people: &["Ann//a@x.test"], errors: &[(3, "First", "QUOTE")] }),
        // No column of the mapping.
        (
            FM,
            json!({}),
            Truth {
                file: b"First,Mail,Note\nAnn,a@x.test,\"open\nBob,b@x.test,\n",
                people: &[],
                errors: &[(2, "Note", "QUOTE")],
            },
        ),
    ])
    .await;
}

/// Where it closes in the wrong place, some rows are in doubt. None of them becomes somebody who is not in the file.
#[tokio::test]
async fn a_quote_that_closes_in_another_row_makes_nobody_of_two() {
    let tenant = Stage::shared().await.tenant("f-grammar-across").await;
    let file = "First,Mail\nAnn,a@x.test\n\"Bob,b@x.test\nCid,\"c@x.test\nDan,d@x.test\n";
    let outcome = Import::default().run(&tenant, file).await;
    let people = outcome.people();
    let known = ["Ann//a@x.test", "Dan//d@x.test"];
    assert!(people.iter().all(|one| known.contains(&one.as_str())), "{outcome:?}");
    assert!(people.contains(&known[0].to_owned()) && outcome.has_error((3, "*", "QUOTE")), "{outcome:?}");
}

#[tokio::test]
async fn a_header_with_an_open_quote_fails_the_file_and_says_so() {
    let tenant = Stage::shared().await.tenant("f-grammar-header").await;
    let import = Import { columns: FIRST, ..Import::default() };
    let outcome = match import.tried(&tenant, "First,\"Mail\nAnn,ann@x.test\nBob,bob@x.test\n").await {
        Ok(outcome) => outcome,
        Err(refusal) => panic!("{}", refusal.text),
    };
    assert!(outcome.has_failed() && outcome.made.is_empty(), "{outcome:?}");
    assert!(outcome.operation.to_string().contains("QUOTE"), "{outcome:?}");
}

#[tokio::test]
async fn cells_beyond_the_header_are_an_error_of_their_row() {
    let titled = [FLM[0], FLM[1], FLM[2], ("Title", "job_title")];
    let surplus = |line: i64| [(line, "*", "CELL")];
    let (second, third) = (surplus(2), surplus(3));
    hold(&[
        (
            FLM,
            json!({}),
            Truth {
                file: b"First;Mail;Last\nAnn;a@x.test;Berg; PhD\nBob;b@x.test;Ott\n",
                people: &["Bob/Ott/b@x.test"],
                errors: &second,
            },
        ),
        (
            FM,
            json!({}),
            Truth {
                file: b"First\tMail\tTown\nBob\tb@x.test\tLinz\nAnn\ta@x.test\tGraz\tAustria\n",
                people: &["Bob//b@x.test"],
                errors: &third,
            },
        ),
        // The worst kind: every cell is valid where it would fall.
        (
            &titled,
            json!({}),
            Truth {
                file: b"Mail,First,Last,Title\ns@x.test,Sammy,Davis, Jr.,Singer\n",
                people: &[],
                errors: &second,
            },
        ),
        // Short rows may stay.
        (
            FM,
            json!({}),
            Truth {
                file: b"First,Mail,Note\nAnn\nBob,b@x.test\n",
                people: &["Ann//", "Bob//b@x.test"],
                errors: &[],
            },
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_misplaced_quote_is_an_error_that_speaks_of_quotes() {
    hold(&[
        (
            FM,
            json!({}),
            Truth {
                file: b"First;Mail\n\"Ann \\\"A\\\" Berg\";a@x.test\nBob;b@x.test\n",
                people: &["Bob//b@x.test"],
                errors: &[(2, "First", "QUOTE")],
            },
        ),
        (
            FLM,
            json!({}),
            Truth {
                file: b"First; Last; Mail\nAnn; \"Berg; PhD\"; \"a@x.test\"\nBob;Ott;b@x.test\n",
                people: &["Bob/Ott/b@x.test"],
                errors: &[(2, "Last", "QUOTE")],
            },
        ),
        (
            FM,
            json!({}),
            Truth {
                file: b"First,Mail\n\"Ann\"y,a@x.test\n\"Cid \"\"C\"\"\",c@x.test\n",
                // Whether the cell ends before the `y` or goes on cannot be told, so nothing up to where both agree is believed.
                people: &[],
                errors: &[(2, "First", "QUOTE")],
            },
        ),
        (
            FM,
            json!({}),
            Truth {
                file: b"First,Mail\nBob 5\" disk,b@x.test\n\"Cid \"\"C\"\"\",c@x.test\n",
                people: &["Cid \"C\"//c@x.test"],
                errors: &[(2, "First", "QUOTE")],
            },
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_stands_around_cells_can_be_named() {
    hold(&[
        (
            FM,
            json!({"quote": "none"}),
            Truth {
                file: b"First,Mail\nAnn \"Nan\",a@x.test\n\"Bob,b@x.test\n",
                people: &["Ann \"Nan\"//a@x.test", "\"Bob//b@x.test"],
                errors: &[],
            },
        ),
        (
            FM,
            json!({"quote": "'"}),
            Truth {
                file: b"First,Mail\n'Ann, ''Nan''',a@x.test\n'Bob,b@x.test\n",
                people: &["Ann, 'Nan'//a@x.test"],
                errors: &[(3, "First", "QUOTE")],
            },
        ),
    ])
    .await;
}

#[tokio::test]
async fn lines_within_quotes_are_kept_and_counted() {
    let tenant = Stage::shared().await.tenant("f-grammar-lines").await;
    define(&tenant, "note", "long_text", json!({})).await;
    let columns = [FM[0], FM[1], ("Note", "custom.note")];
    let import = Import { columns: &columns, ..Import::default() };
    let file = "First,Mail,Note\r\nAnn,a@x.test,\"one\r\n\"\"two\"\",\r\nthree\"\r\nBob,nobody,x\r\n";
    let outcome = import.run(&tenant, file).await;
    assert_eq!(outcome.made[0]["custom"]["note"], "one\n\"two\",\nthree", "{outcome:?}");
    assert_eq!(outcome.errors(), [(5, "Mail".to_owned(), "EMAIL_INVALID".to_owned())]);
}
