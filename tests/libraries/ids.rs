//! Ids of time, of types, and of requests.

use ids::{Clock, ContactId, MOST_REQUEST_ID, request_id};
use time::OffsetDateTime;
use uuid::Uuid;

#[test]
fn ids_of_one_instant_keep_their_order() {
    let (clock, hand) = Clock::fixed(OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000));
    let mut made: Vec<Uuid> = (0..500).map(|_| clock.new_uuid()).collect();
    hand.advance(std::time::Duration::from_millis(1));
    made.push(clock.new_uuid());
    let mut sorted = made.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(made, sorted);
    assert_eq!(made[0].get_version_num(), 7);
}

#[test]
fn ids_of_other_systems_are_taken_and_nothing_that_could_be_more_than_an_id() {
    let longest = "a".repeat(MOST_REQUEST_ID);
    for good in [
        "1",
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "01890A5D-AC96-774B-BCCE-B302099A8057",
        "Root=1-67891233-abcdef012345678912345678".replace('=', ":").as_str(),
        "req_7Hk2.9f:3",
        longest.as_str(),
    ] {
        assert_eq!(request_id(good), Some(good));
    }
    let long = "a".repeat(MOST_REQUEST_ID + 1);
    for bad in [
        "",
        " ",
        "a b",
        "a\n",
        "a\"",
        "a=b",
        "a/b",
        "a,b",
        "ä",
        "\u{661}",
        "a\0",
        "<a>",
        "{a}",
        long.as_str(),
    ] {
        assert_eq!(request_id(bad), None, "{bad:?}");
    }
}

#[test]
fn only_the_hyphenated_form_is_an_id() {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    assert_eq!(ContactId::parse(id).map(|i| i.to_string()).as_deref(), Some(id));
    for other in ["", "x", "01890a5dac96774bbcceb302099a8057", "{01890a5d-ac96-774b-bcce-b302099a8057}"] {
        assert_eq!(ContactId::parse(other), None, "{other}");
    }
}
