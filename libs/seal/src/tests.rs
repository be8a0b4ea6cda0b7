//! What opens and what does not, what shows, and what the setting takes.

use config::{Env, ExposeSecret, SecretString, describe, load};
use ids::TenantId;
use uuid::Uuid;

use crate::{
    KeyId, KeysUnfit, MAX_SECRET_BYTES, MOST_KEYS, OperatorKeys, Place, SealError, TENANT_KEYS, TenantKey,
    key_id, new_key,
};

/// Bytes 0 to 31.
const FIRST: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SECOND: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeffe0e1e2e3e4e5e6e7e8e9eaebecedeeef";
const FIRST_ID: &str = "61504e88073a9028";

// Made by another implementation (Python's cryptography, AESSIV): FIRST, tenant 7, the tenant's key is bytes 128 to 159, row 9.
const WRAPPED: &str = "0161504e88073a902801010101010101010101010101010101\
    baca277f1d4dd643d6bc68d7b1dd3a2f7a8314eae3f0303becaa1fcdc07e5558ee39539c32d3b42ac5412c804c9cd32d";
const VALUE: &str = "0102020202020202020202020202020202\
    331f7f9dbb965805f64f5e02e0075329e2ef24f0b5ce00754dd5dc9f01";
const TEXT: &[u8] = b"whsec_example";

fn keys(text: &str) -> OperatorKeys {
    OperatorKeys::new(&SecretString::from(text)).unwrap()
}

fn tenant(number: u128) -> TenantId {
    Uuid::from_u128(number).into()
}

fn place(row: u128) -> Place {
    Place::new("webhooks.endpoint.secret", Uuid::from_u128(row))
}

fn made() -> (TenantKey, Vec<u8>) {
    let (key, wrapped) = keys(FIRST).create(tenant(7)).unwrap();
    (key, wrapped.bytes)
}

/// What opening gives, without what is in it.
fn opened<T>(result: Result<T, SealError>) -> Result<(), SealError> {
    result.map(drop)
}

#[test]
fn what_was_sealed_opens_with_the_unwrapped_key() {
    let (key, wrapped) = made();
    let again = keys(FIRST).unwrap_key(tenant(7), &wrapped).unwrap();
    let longest = vec![7; MAX_SECRET_BYTES];
    for secret in [b"".as_slice(), b"x", TEXT, &longest] {
        let sealed = key.seal(&place(9), secret).unwrap();
        assert_eq!(again.open(&place(9), &sealed).unwrap().expose_secret(), secret);
    }
    assert_eq!(key.seal(&place(9), &[longest.as_slice(), b"x"].concat()).unwrap_err(), SealError::TooLong);
}

#[test]
fn both_forms_are_those_of_another_implementation() {
    let (wrapped, value) = (hex::decode(WRAPPED).unwrap(), hex::decode(VALUE).unwrap());
    let operator = keys(FIRST);
    assert_eq!(operator.newest().to_string(), FIRST_ID);
    assert_eq!(key_id(&wrapped).unwrap(), operator.newest());
    let key = operator.unwrap_key(tenant(7), &wrapped).unwrap();
    assert_eq!(key.open(&place(9), &value).unwrap().expose_secret(), TEXT);
}

#[test]
fn a_value_does_not_open_in_another_row_column_or_tenant() {
    let (key, wrapped) = made();
    let sealed = key.seal(&place(9), TEXT).unwrap();
    let elsewhere = [place(10), Place { column: "webhooks.endpoint.secre", ..place(9) }];
    for place in elsewhere {
        assert_eq!(opened(key.open(&place, &sealed)), Err(SealError::DoesNotOpen), "{place:?}");
    }
    // A tenant's key that is moved to another tenant, and a value that is.
    let other = keys(FIRST).unwrap_key(tenant(8), &wrapped);
    assert_eq!(opened(other), Err(SealError::DoesNotOpen));
    let same_key_of_another = TenantKey::new(tenant(8), &std::array::from_fn(|at| 128 + at as u8));
    let value = hex::decode(VALUE).unwrap();
    assert_eq!(opened(same_key_of_another.open(&place(9), &value)), Err(SealError::DoesNotOpen));
}

#[test]
fn every_changed_byte_is_noticed() {
    let (key, wrapped) = made();
    let sealed = key.seal(&place(9), TEXT).unwrap();
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        let expected = if at == 0 { SealError::Malformed } else { SealError::DoesNotOpen };
        assert_eq!(opened(key.open(&place(9), &changed)), Err(expected), "byte {at}");
    }
    for at in 0..wrapped.len() {
        let mut changed = wrapped.clone();
        changed[at] ^= 1;
        let expected = match at {
            0 => SealError::Malformed,
            1..=8 => SealError::UnknownKey(key_id(&changed).unwrap()),
            _ => SealError::DoesNotOpen,
        };
        assert_eq!(opened(keys(FIRST).unwrap_key(tenant(7), &changed)), Err(expected), "byte {at}");
    }
}

#[test]
fn what_is_too_short_or_too_long_is_malformed() {
    let (key, wrapped) = made();
    let sealed = key.seal(&place(9), b"").unwrap();
    for end in 0..sealed.len() {
        assert_eq!(opened(key.open(&place(9), &sealed[..end])), Err(SealError::Malformed), "{end} bytes");
    }
    let long = [sealed.as_slice(), &vec![0; MAX_SECRET_BYTES + 1]].concat();
    assert_eq!(opened(key.open(&place(9), &long)), Err(SealError::Malformed));
    for wrong in [&wrapped[..0], &wrapped[..1], &wrapped[..72], &[wrapped.as_slice(), &[0]].concat()] {
        assert_eq!(key_id(wrong), Err(SealError::Malformed), "{} bytes", wrong.len());
    }
}

#[test]
fn equal_secrets_of_one_row_look_different_and_so_do_equal_keys() {
    let (key, wrapped) = made();
    let one = key.seal(&place(9), TEXT).unwrap();
    let other = key.seal(&place(9), TEXT).unwrap();
    // The nonce, the tag and the text.
    for part in [1..17, 17..33, 33..one.len()] {
        assert_ne!(one[part.clone()], other[part]);
    }
    assert!(!one.windows(5).any(|bytes| bytes == b"whsec"));
    assert_ne!(keys(FIRST).rewrap(tenant(7), &wrapped).unwrap().bytes, wrapped);
}

#[test]
fn a_rewrapped_key_opens_what_was_sealed_before_and_no_longer_needs_the_earlier_key() {
    let (key, wrapped) = made();
    let sealed = key.seal(&place(9), TEXT).unwrap();
    let (both, newest) = (keys(&format!("{SECOND}\n{FIRST}\n")), keys(SECOND));
    assert_ne!(key_id(&wrapped).unwrap(), both.newest());
    let fresh = both.rewrap(tenant(7), &wrapped).unwrap();
    assert_eq!((fresh.by, key_id(&fresh.bytes)), (newest.newest(), Ok(newest.newest())));
    let key = newest.unwrap_key(tenant(7), &fresh.bytes).unwrap();
    assert_eq!(key.open(&place(9), &sealed).unwrap().expose_secret(), TEXT);
    // What the earlier key wrapped opens as long as that one is there.
    opened(both.unwrap_key(tenant(7), &wrapped)).unwrap();
    let unknown = keys(FIRST).newest();
    assert_eq!(opened(newest.unwrap_key(tenant(7), &wrapped)), Err(SealError::UnknownKey(unknown)));
    assert_eq!(newest.rewrap(tenant(7), &wrapped), Err(SealError::UnknownKey(unknown)));
    assert_eq!(opened(newest.unwrap_key(tenant(8), &fresh.bytes)), Err(SealError::DoesNotOpen));
}

#[test]
fn the_first_key_seals_and_ids_follow_from_keys() {
    let (one, other) = (keys(&format!("{FIRST},{SECOND}")), keys(&format!("  {SECOND}\r\n{FIRST}")));
    let ids: Vec<KeyId> = one.ids().collect();
    assert_eq!(ids, [keys(FIRST).newest(), keys(SECOND).newest()]);
    assert_eq!(other.ids().collect::<Vec<_>>(), [ids[1], ids[0]]);
    assert_eq!(one.create(tenant(7)).unwrap().1.by, ids[0]);
    assert_eq!(other.create(tenant(7)).unwrap().1.by, ids[1]);
    assert!(!FIRST.contains(&ids[0].to_string()), "an id that is a part of its key");
}

#[test]
fn texts_that_are_not_keys_are_refused() {
    let many: Vec<String> = (0..=MOST_KEYS).map(|_| new_key().unwrap().expose_secret().to_owned()).collect();
    let wrong = [
        String::new(),
        " \n".to_owned(),
        FIRST[1..].to_owned(),
        format!("{FIRST}0"),
        FIRST.replace('0', "g"),
        format!("{FIRST} {FIRST}"),
        format!("{FIRST} {}", FIRST.to_uppercase()),
        format!("{FIRST};{SECOND}"),
        "0".repeat(64),
        "ab".repeat(32),
        many.join(" "),
    ];
    for text in wrong {
        let unfit = OperatorKeys::new(&SecretString::from(text.clone())).map(drop);
        assert_eq!(unfit, Err(KeysUnfit), "{text:?}");
    }
    assert_eq!(keys(&many[1..].join("\n")).ids().count(), MOST_KEYS);
}

#[test]
fn the_setting_is_refused_by_name_and_never_by_value() {
    let read = |text: &str| {
        let env: Env = [("GLOBCRM_RECORDS_SEAL_KEYS", text)].into_iter().collect();
        load::<OperatorKeys>(&env, "RECORDS")
    };
    assert_eq!(read(FIRST).unwrap().newest().to_string(), FIRST_ID);
    let problems = read(&FIRST[2..]).map(drop).unwrap_err().to_string();
    assert!(problems.contains("GLOBCRM_RECORDS_SEAL_KEYS must be 1 to 8 different"), "{problems}");
    assert!(!problems.contains(&FIRST[2..]), "{problems}");
    let missing = load::<OperatorKeys>(&Env::default(), "RECORDS").map(drop).unwrap_err().to_string();
    assert!(missing.contains("GLOBCRM_RECORDS_SEAL_KEYS is missing"), "{missing}");
    let settings = describe::<OperatorKeys>("RECORDS");
    assert!(settings.len() == 1 && settings[0].required, "{settings:?}");
    assert_eq!(settings[0].kind, config::Kind::Secret);
}

#[test]
fn nothing_shows_a_key_or_a_secret() {
    let (key, wrapped) = made();
    let sealed = key.seal(&place(9), TEXT).unwrap();
    let shown = format!("{:?} {:?} {:?}", keys(FIRST), key, key.open(&place(9), &sealed).unwrap());
    // Exactly this, and nothing of what is within.
    let expected = format!(
        "[KeyId({FIRST_ID})] TenantKey {{ tenant: {:?}, .. }} SecretBox<[u8]>([REDACTED])",
        tenant(7)
    );
    assert_eq!(shown, expected);
    let failed = keys(SECOND).unwrap_key(tenant(7), &wrapped).map(drop).unwrap_err();
    assert_eq!(
        failed.to_string(),
        format!("SEAL_KEYS has no key {FIRST_ID}, which this tenant's key was wrapped by")
    );
}

#[test]
fn templates_are_of_their_groups_range_and_name_no_schema() {
    assert!(!TENANT_KEYS.migrations.is_empty());
    for migration in TENANT_KEYS.migrations {
        let number: u32 = migration.name.split('_').next().unwrap().parse().unwrap();
        assert!((90..=94).contains(&number), "{}", migration.name);
        for text in [migration.up, migration.down] {
            assert!(text.contains("{{schema}}.tenant_key") && !text.contains("records"), "{text}");
        }
    }
}
