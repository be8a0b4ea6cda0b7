use super::*;

const TENANT: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn event() -> NewEvent {
    NewEvent {
        id: "01890a5d-ac96-774b-bcce-b302099a8001".parse().unwrap(),
        service: "records",
        object: "contact",
        verb: "created",
        record_id: "01890a5d-ac96-774b-bcce-b302099a8002".parse().unwrap(),
        version: 7,
        actor: "01890a5d-ac96-774b-bcce-b302099a8003".parse().unwrap(),
        actor_kind: None,
        owner: Some("01890a5d-ac96-774b-bcce-b302099a8004".parse().unwrap()),
        team: None,
        changes: vec![Change { field: "custom.x".to_owned(), before: None, after: Some("\"y\"".to_owned()) }],
        lane: Lane::Interactive,
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        time: OffsetDateTime::from_unix_timestamp(1_700_000_000)
            .unwrap()
            .replace_nanosecond(123_000)
            .unwrap(),
    }
}

/// What is in queues and outboxes must be read by every later release: these bytes may be added to, never changed.
#[test]
fn the_bytes_of_a_released_event_never_change() {
    let bytes = event().encode(TENANT.parse().unwrap());
    let golden = include_str!("golden_v1.hex");
    let golden: String = golden.split_whitespace().collect();
    let golden: Vec<u8> =
        (0..golden.len()).step_by(2).map(|at| u8::from_str_radix(&golden[at..at + 2], 16).unwrap()).collect();
    assert_eq!(bytes, golden);
}

#[test]
fn what_was_written_is_read() {
    let written = event();
    let read = Event::decode(&written.encode(TENANT.parse().unwrap())).unwrap();
    assert_eq!(read.tenant.to_string(), TENANT);
    assert_eq!(
        (read.kind.as_str(), read.verb(), read.object.as_str()),
        ("records.contact.created.v1", "created", "contact")
    );
    assert_eq!((read.id, read.record_id, read.version), (written.id, written.record_id, 7));
    assert_eq!((read.actor, read.owner, read.team), (written.actor, written.owner, None));
    assert_eq!(
        (read.changes.clone(), read.time, read.traceparent.clone()),
        (written.changes, written.time, written.traceparent)
    );
    assert_eq!(read.change("custom.x").and_then(|c| c.after.as_deref()), Some("\"y\""));
    assert!(!read.values_omitted);
}

#[test]
fn an_event_says_what_its_actor_is_if_that_is_known() {
    let of = |actor_kind| {
        let written = NewEvent { actor_kind, ..event() }.encode(TENANT.parse().unwrap());
        Event::decode(&written).unwrap().actor_kind
    };
    for kind in [None, Some(PrincipalKind::User), Some(PrincipalKind::ApiKey), Some(PrincipalKind::Service)] {
        assert_eq!(of(kind), kind);
    }
}

#[test]
fn the_envelope_is_cloudevents_with_the_attributes_of_the_design() {
    let envelope = CloudEvent::decode(event().encode(TENANT.parse().unwrap()).as_slice()).unwrap();
    assert_eq!((envelope.spec_version.as_str(), envelope.source.as_str()), ("1.0", "/globcrm/records"));
    let mut names: Vec<&str> = envelope.attributes.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "datacontenttype",
            "dataschema",
            "partitionkey",
            "recordedtime",
            "sequence",
            "subject",
            "tenantid",
            "time",
            "traceparent"
        ]
    );
    let sequence = &envelope.attributes["sequence"].attr;
    assert_eq!(sequence, &Some(Attr::CeString("00000000000000000007".to_owned())));
}

#[test]
fn values_too_large_for_a_message_are_left_out_and_said_to_be() {
    let mut large = event();
    large.changes[0].after = Some(format!("\"{}\"", "x".repeat(MAX_ENVELOPE)));
    let bytes = large.encode(TENANT.parse().unwrap());
    assert!(bytes.len() < 2_000);
    let read = Event::decode(&bytes).unwrap();
    assert!(read.values_omitted);
    assert_eq!(read.changes, [Change { field: "custom.x".to_owned(), before: None, after: None }]);
}

#[test]
fn bytes_that_are_no_event_are_refused() {
    let good = event().encode(TENANT.parse().unwrap());
    assert!(matches!(Event::decode(b"\xff\xff"), Err(DecodeError::Envelope(_))));
    assert!(matches!(Event::decode(b""), Err(DecodeError::Attribute("specversion"))));
    let mut envelope = CloudEvent::decode(good.as_slice()).unwrap();
    envelope.attributes.remove("tenantid");
    assert!(matches!(Event::decode(&envelope.encode_to_vec()), Err(DecodeError::Attribute("tenantid"))));
    for cut in 0..good.len() {
        // Never a panic; a cut message may still be one when only its end is missing.
        drop(Event::decode(&good[..cut]));
    }
}
