//! Names and codes that others keep lists of.

use serde_json::{Value, json};

use super::files::Import;
use super::{Wrong, define, violation};
use crate::client::Answer;
use crate::stage::Stage;

/// Writes a contact with each value of this member: what is good is stored as it is said, the rest is refused at the member.
async fn hold(member: &str, good: &[(&str, &str)], bad: &[&str]) {
    let tenant = Stage::shared().await.tenant("f-codes").await;
    let write = |value: &str| tenant.admin.post("/api/v1/contacts", json!({"last_name": "C", member: value}));
    let mut wrong = Wrong::default();
    for (sent, stored) in good {
        let answer = write(sent).await;
        let right = answer.status == 201 && answer.json()[member] == *stored;
        wrong.unless(right, || format!("{sent}: {} {:.300}", answer.status, answer.text));
    }
    for sent in bad {
        let answer = write(sent).await;
        let right = violation(&answer, &format!("/{member}")).is_some();
        wrong.unless(right, || format!("{sent} is taken: {} {}", answer.status, stored(&answer, member)));
    }
    wrong.none();
}

fn stored(answer: &Answer, member: &str) -> Value {
    if answer.status == 201 { answer.json()[member].clone() } else { Value::Null }
}

/// Each as it is.
fn same<'a>(names: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    names.iter().map(|name| (*name, *name)).collect()
}

#[tokio::test]
async fn time_zones_are_the_names_of_the_database() {
    let good = same(&[
        "UTC",
        "Zulu",
        "UCT",
        "Greenwich",
        "EST5EDT",
        "EST",
        "MST7MDT",
        "PRC",
        "ROK",
        "ROC",
        "W-SU",
        "NZ",
        "NZ-CHAT",
        "Eire",
        "Etc/GMT+12",
        "Etc/GMT-14",
        "Etc/UTC",
        "America/Argentina/ComodRivadavia",
        "America/North_Dakota/New_Salem",
        "America/Port-au-Prince",
        "Asia/Kathmandu",
        "Asia/Calcutta",
        "Asia/Ho_Chi_Minh",
        "Europe/Kyiv",
        "Europe/Kiev",
        "Pacific/Kanton",
        "Antarctica/DumontDUrville",
        "Australia/Lord_Howe",
        "US/Hawaii",
        "Brazil/DeNoronha",
    ]);
    let bad = [
        "Mars/Olympus",
        "Europe/Viena",
        "America/Nowhere",
        "Berlin",
        "GMT+25",
        "UTC+1",
        "+02:00",
        "CEST",
        "Europe/",
        "/Paris",
        "Europe/Paris/Louvre",
        "Etc/GMT+15",
        "posix/Europe/Paris",
        "Europe Paris",
    ];
    hold("timezone", &good, &bad).await;
}

/// Refused, or stored in the spelling of the database: never as it was sent.
#[tokio::test]
async fn a_time_zone_in_other_letters_is_not_stored_as_it_is() {
    let tenant = Stage::shared().await.tenant("f-zone-case").await;
    for (sent, name) in
        [("asia/tokyo", "Asia/Tokyo"), ("AMERICA/NEW_YORK", "America/New_York"), ("utc", "UTC")]
    {
        let answer = tenant.admin.post("/api/v1/contacts", json!({"last_name": "Z", "timezone": sent})).await;
        let right =
            if answer.status == 201 { stored(&answer, "timezone") == name } else { answer.status == 422 };
        assert!(right, "{sent}: {}", answer.text);
    }
}

#[tokio::test]
async fn languages_are_tags_with_registered_subtags() {
    let good = same(&[
        "pt-BR",
        "zh-Hant-HK",
        "es-419",
        "sr-Latn-RS",
        "gsw",
        "fil",
        "ja",
        "de-CH-1996",
        "en-GB-oxendict",
        "yue",
    ]);
    let bad = [
        "deutsch",
        "spanish",
        "french",
        "xx",
        "xx-YY",
        "en-JX",
        "zz-DE",
        "en_US",
        "e",
        "english-US",
        "de--CH",
        "zh-Hxxx",
        "12",
        "en-",
        "de-DE-DE",
    ];
    hold("language", &good, &bad).await;
}

#[tokio::test]
async fn birthdays_are_days_that_there_were() {
    hold(
        "birthday",
        &same(&["2000-02-29", "1900-01-01"]),
        &[
            "--02-29",
            "02-29",
            "1900-02-29",
            "1990-13-01",
            "1990-00-10",
            "1990-1-2",
            "12.05.1990",
            "1990",
            "0000-00-00",
        ],
    )
    .await;
}

const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ \
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF \
    GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW \
    KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL \
    NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST \
    SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

#[tokio::test]
async fn every_country_of_the_standard_is_known_and_those_that_are_gone_stay() {
    let tenant = Stage::shared().await.tenant("f-countries").await;
    let mut codes: Vec<&str> = COUNTRIES.split_whitespace().collect();
    assert_eq!(codes.len(), 249);
    // The Netherlands Antilles, Yugoslavia, Serbia and Montenegro, the Soviet Union, the GDR, Zaire, East Timor, Burma.
    codes.extend(["AN", "YU", "CS", "SU", "DD", "ZR", "TP", "BU"]);
    let write = |codes: &[&str]| {
        let addresses = codes.iter().map(|code| json!({"city": "X", "country": code})).collect::<Vec<_>>();
        tenant.admin.post("/api/v1/contacts", json!({"last_name": "C", "addresses": addresses}))
    };
    let mut wrong = Wrong::default();
    for ten in codes.chunks(10) {
        let answer = write(ten).await;
        for (pointer, reason) in answer.violations() {
            let at = pointer.split('/').nth(2).and_then(|n| n.parse::<usize>().ok());
            wrong.0.push(format!("{:?}: {reason}", at.and_then(|at| ten.get(at))));
        }
        wrong.unless(matches!(answer.status, 201 | 422), || answer.text.clone());
    }
    for code in ["XX", "QQ", "AB", "OO", "ZZ", "A", "DEU", "Ü1"] {
        let answer = write(&[code]).await;
        wrong.unless(answer.status == 422, || format!("{code} is taken"));
    }
    wrong.none();
}

#[tokio::test]
async fn currencies_are_those_of_today_and_of_yesterday() {
    let tenant = Stage::shared().await.tenant("f-currencies").await;
    let write = |code: &str| {
        let amount = json!({"amount_minor": 100, "currency": code});
        tenant.admin.post("/api/v1/companies", json!({"name": "Money", "annual_revenue": amount}))
    };
    let mut wrong = Wrong::default();
    let today = [
        "XCG", "ZWG", "SLE", "VED", "BYN", "MRU", "STN", "VES", "UYW", "CHE", "CLF", "CNY", "KWD", "TRY",
        "GHS", "MZN",
    ];
    let gone = [
        "ANG", "HRK", "CUC", "LTL", "LVL", "EEK", "SKK", "MTL", "CYP", "SIT", "DEM", "FRF", "ITL", "ESP",
        "ATS", "NLG", "BEF", "FIM", "GRD", "IEP", "PTE", "LUF", "MRO", "STD", "TRL", "ROL", "BYR", "VEF",
        "VEB", "ZMK", "ZWL", "SLL", "GHC", "MZM", "AZM", "SDD", "CSD", "YUM", "BGL", "AFA", "TMM", "SRG",
    ];
    for code in today.into_iter().chain(gone) {
        let answer = write(code).await;
        wrong.unless(answer.status == 201, || format!("{code}: {:.200}", answer.text));
    }
    for code in ["XQQ", "ABC", "EURO", "€€€", "BTC", "DM1"] {
        let answer = write(code).await;
        wrong.unless(answer.status == 422, || format!("{code} is taken: {}", answer.status));
    }
    wrong.none();
}

#[tokio::test]
async fn an_amount_has_the_decimals_of_its_currency() {
    let tenant = Stage::shared().await.tenant("f-decimals").await;
    define(&tenant, "budget", "money", json!({})).await;
    let columns = [("First", "first_name"), ("Budget", "custom.budget")];
    let cases = [
        ("1.234 BHD", Some(1234)),
        ("7 TND", Some(7000)),
        ("250 JPY", Some(250)),
        ("1.5 KRW", None),
        ("5.0001 UYW", Some(50001)),
        ("12.34 XCG", Some(1234)),
        ("12.34 ANG", Some(1234)),
        ("12.345 CHF", None),
        ("99 ISK", Some(99)),
        ("0.5 SLE", Some(50)),
    ];
    let mut file = "First;Budget\n".to_owned();
    for (cell, _) in &cases {
        file.push_str(&format!("{cell};{cell}\n"));
    }
    let import = Import { columns: &columns, ..Import::default() };
    let outcome = import.run(&tenant, file).await;
    let mut wrong = Wrong::default();
    for (n, (cell, minor)) in cases.into_iter().enumerate() {
        let of_row = outcome.made.iter().find(|contact| contact["first_name"] == cell);
        let right = match minor {
            Some(minor) => of_row.is_some_and(|contact| contact["custom"]["budget"]["amount_minor"] == minor),
            None => outcome.has_error((i64::try_from(n + 2).expect("a line"), "Budget", "")),
        };
        wrong.unless(right, || format!("{cell}: {of_row:?}"));
    }
    wrong.unless(outcome.counts()[3] == 2, || outcome.operation.to_string());
    wrong.none();
}

#[tokio::test]
async fn the_domain_of_an_address_is_a_name() {
    let tenant = Stage::shared().await.tenant("f-domain-names").await;
    let write = |address: &str| {
        tenant.admin.post("/api/v1/contacts", json!({"last_name": "D", "emails": [{"address": address}]}))
    };
    let mut wrong = Wrong::default();
    for address in ["a@10.0.0.1", "a@127.1", "a@1.2.3.4.5", "a@x.123", "a@255.255.255.255", "a@2130706433"] {
        let answer = write(address).await;
        let right = violation(&answer, "/emails/0/address").as_deref() == Some("EMAIL_INVALID");
        wrong.unless(right, || format!("{address}: {}", answer.status));
    }
    for address in ["a@3m.test", "a@163.example", "a@1.2.3.test", "a@bücher.test"] {
        let answer = write(address).await;
        wrong.unless(answer.status == 201, || format!("{address}: {}", answer.text));
    }
    wrong.none();
}
