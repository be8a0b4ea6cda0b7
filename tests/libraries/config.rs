//! What settings are read from, and what a wrong one is answered with.

use std::net::SocketAddr;

use config::{
    Address, Env, ExposeSecret, Kind, Named, Reader, Seconds, Secret, SecretString, Section, checked,
    default, describe, load, refuse_unknown, schema,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

#[derive(Deserialize, JsonSchema, Debug)]
struct Example {
    /// Where to listen.
    #[serde(rename = "grpc_listen")]
    #[schemars(with = "Address")]
    listen: SocketAddr,
    /// Connections of
    /// the pool.
    #[serde(default = "default::u32::<10>")]
    pool: u32,
    /// Secret.
    #[schemars(with = "Secret")]
    password: SecretString,
}

impl Section for Example {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.group()
    }
}

/// One setting of every kind.
#[derive(Deserialize, JsonSchema, Debug)]
struct Kinds {
    /// Bounded by its type.
    #[serde(default = "default::u16::<10>")]
    small: u16,
    /// As large as the machine counts.
    large: Option<usize>,
    /// Bounded by the schema.
    #[serde(default = "default::u64::<5>")]
    #[schemars(range(min = 2, max = 9))]
    few: u64,
    /// At least a minute.
    #[serde(default = "default::seconds::<90>")]
    #[schemars(range(min = 60))]
    pause: Seconds,
    /// Half a second.
    #[serde(default = "half")]
    wait: Seconds,
    /// On or off.
    #[serde(default)]
    on: bool,
    /// One of two.
    #[serde(default)]
    shape: Shape,
    /// Of even length.
    #[serde(default, deserialize_with = "even")]
    #[schemars(extend("errorMessage" = "must have an even number of characters"))]
    text: Option<String>,
    /// A list.
    #[serde(default)]
    list: Vec<u32>,
}

#[derive(Serialize, Deserialize, JsonSchema, Debug, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Shape {
    /// The first.
    #[default]
    Round,
    /// The second.
    Square,
}

fn half() -> Seconds {
    Seconds(std::time::Duration::from_millis(500))
}

fn even<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    checked(d, |text: &String| text.len().is_multiple_of(2)).map(Some)
}

impl Section for Kinds {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.group()
    }
}

fn env(pairs: &[(&str, &str)]) -> Env {
    pairs.iter().copied().collect()
}

#[test]
fn every_problem_is_told_at_once_by_name_and_never_by_value() {
    let env = env(&[("GLOBCRM_X_GRPC_LISTEN", "nonsense"), ("GLOBCRM_X_POOL", "hunter2")]);
    let problems = load::<Example>(&env, "X").unwrap_err().to_string();
    for name in ["GLOBCRM_X_GRPC_LISTEN", "GLOBCRM_X_POOL", "GLOBCRM_X_PASSWORD is missing"] {
        assert!(problems.contains(name), "{problems}");
    }
    assert!(!problems.contains("hunter2") && !problems.contains("nonsense"), "{problems}");
}

#[test]
fn a_role_overrides_the_fleet_and_the_default_comes_last() {
    let env = env(&[
        ("GLOBCRM_FLEET_POOL", "7"),
        ("GLOBCRM_FLEET_GRPC_LISTEN", "127.0.0.1:1"),
        ("GLOBCRM_X_GRPC_LISTEN", "127.0.0.1:2"),
        ("GLOBCRM_X_PASSWORD", "p"),
    ]);
    let x: Example = load(&env, "X").unwrap();
    assert_eq!((x.listen.port(), x.pool), (2, 7));
    assert!(!format!("{x:?}").contains("\"p\""));
}

#[test]
fn a_secret_comes_from_a_file_without_its_line_end() {
    let file = std::env::temp_dir().join(format!("globcrm-config-{}", std::process::id()));
    std::fs::write(&file, "s3cret\n").unwrap();
    let env =
        env(&[("GLOBCRM_X_GRPC_LISTEN", "127.0.0.1:2"), ("GLOBCRM_X_PASSWORD_FILE", file.to_str().unwrap())]);
    let x: Example = load(&env, "X").unwrap();
    assert_eq!(x.password.expose_secret(), "s3cret");
    std::fs::remove_file(file).unwrap();
}

#[test]
fn an_unknown_variable_is_refused_with_the_nearest_name() {
    let settings = describe::<Example>("X");
    let problems = refuse_unknown(&env(&[("GLOBCRM_X_POOOL", "1")]), &settings).unwrap_err();
    assert!(problems.to_string().contains("did you mean GLOBCRM_X_POOL?"), "{problems}");
    refuse_unknown(&env(&[("GLOBCRM_FLEET_POOL", "1"), ("GLOBCRM_X_PASSWORD_FILE", "f")]), &settings)
        .unwrap();
}

#[test]
fn every_kind_says_what_it_wants_and_never_what_it_got() {
    const NUMBER: &str = "must be a whole number from";
    for (name, bad, wanted) in [
        ("SMALL", "70000", &*format!("{NUMBER} 0 to 65535")),
        ("SMALL", "-1", &*format!("{NUMBER} 0 to 65535")),
        ("LARGE", "hunter2", &*format!("{NUMBER} 0 to 18446744073709551615")),
        ("FEW", "hunter2", &*format!("{NUMBER} 2 to 9")),
        ("FEW", "10", &*format!("{NUMBER} 2 to 9")),
        ("PAUSE", "59.5", "must be at least 60"),
        ("PAUSE", "hunter2", "must be a number of seconds, like 30 or 0.5"),
        ("PAUSE", "-1", "must be a number of seconds, like 30 or 0.5"),
        ("WAIT", "31622401", "must be a number of seconds, like 30 or 0.5"),
        ("ON", "yes", "must be true or false"),
        ("SHAPE", "hunter2", "must be round or square"),
        ("TEXT", "odd", "must have an even number of characters"),
    ] {
        let variable = format!("GLOBCRM_X_{name}");
        let problems = load::<Kinds>(&env(&[(&*variable, bad)]), "X").unwrap_err();
        let [problem] = &*problems.0 else { panic!("{problems}") };
        assert_eq!((&*problem.variable, &*problem.text), (&*variable, wanted));
    }
    let all = [("SMALL", "x"), ("LARGE", "x"), ("FEW", "1"), ("PAUSE", "1"), ("ON", "x"), ("SHAPE", "x")];
    let given: Vec<_> = all.iter().map(|(name, bad)| (format!("GLOBCRM_FLEET_{name}"), *bad)).collect();
    let given: Vec<_> = given.iter().map(|(name, bad)| (&**name, *bad)).collect();
    let problems = load::<Kinds>(&env(&given), "X").unwrap_err();
    let mut named: Vec<&str> = problems.0.iter().map(|problem| &*problem.variable).collect();
    named.sort_unstable();
    let mut expected: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
    expected.sort_unstable();
    assert_eq!(named, expected, "{problems}");
}

#[test]
fn values_are_read_and_an_empty_one_counts_as_none() {
    let given = [
        ("GLOBCRM_X_SMALL", "7"),
        ("GLOBCRM_X_LARGE", ""),
        ("GLOBCRM_X_PAUSE", "60.5"),
        ("GLOBCRM_X_ON", "true"),
        ("GLOBCRM_X_SHAPE", "square"),
        ("GLOBCRM_X_TEXT", "even"),
        ("GLOBCRM_X_LIST", "1,2,3"),
    ];
    let kinds: Kinds = load(&env(&given), "X").unwrap();
    assert_eq!((kinds.small, kinds.large, kinds.few), (7, None, 5));
    assert_eq!((kinds.pause.0.as_secs_f64(), kinds.wait), (60.5, half()));
    assert_eq!((kinds.on, kinds.shape, kinds.text.as_deref()), (true, Shape::Square, Some("even")));
    assert_eq!(kinds.list, [1, 2, 3]);
}

#[test]
fn settings_are_listed_as_the_struct_has_them() {
    let settings = describe::<Kinds>("X");
    let listed: Vec<_> = settings.iter().map(|s| (s.name, s.kind, s.default.as_deref(), s.doc)).collect();
    assert_eq!(
        listed[..8],
        [
            ("SMALL", Kind::Number, Some("10"), "Bounded by its type"),
            ("LARGE", Kind::Number, None, "As large as the machine counts"),
            ("FEW", Kind::Number, Some("5"), "Bounded by the schema"),
            ("PAUSE", Kind::Seconds, Some("90"), "At least a minute"),
            ("WAIT", Kind::Seconds, Some("0.5"), "Half a second"),
            ("ON", Kind::Bool, Some("false"), "On or off"),
            ("SHAPE", Kind::Text, Some("round"), "One of two"),
            ("TEXT", Kind::Text, None, "Of even length"),
        ]
    );
    let example = describe::<Example>("X");
    let required: Vec<_> = example.iter().map(|s| (s.name, s.kind, s.required)).collect();
    assert_eq!(
        required,
        [
            ("GRPC_LISTEN", Kind::Address, true),
            ("POOL", Kind::Number, false),
            ("PASSWORD", Kind::Secret, true)
        ]
    );
    assert_eq!(example[1].doc, "Connections of the pool");
    let schema = schema::<Example>("X");
    assert_eq!(schema["required"], serde_json::json!(["GRPC_LISTEN", "PASSWORD"]));
    assert_eq!(schema["properties"]["POOL"]["default"], 10);
}

#[test]
fn names_of_the_fleets_list_are_settings_like_fields() {
    #[derive(Debug)]
    struct Both(u32, Option<u32>);
    impl Section for Both {
        fn read(r: &mut Reader<'_>) -> Option<Self> {
            let one = Named { name: "ONE", doc: "The one", required: true };
            let two = Named { name: "TWO", doc: "The other", required: false };
            let mut both = r.each::<u32>(&[one, two])?;
            Some(Self(both.remove("ONE")?, both.remove("TWO")))
        }
    }
    let read =
        |pairs: &[(&str, &str)]| load::<Both>(&env(pairs), "X").map_err(|problems| problems.to_string());
    assert!(matches!(read(&[("GLOBCRM_X_ONE", "1"), ("GLOBCRM_FLEET_TWO", "2")]), Ok(Both(1, Some(2)))));
    let problems = read(&[("GLOBCRM_X_TWO", "hunter2")]).unwrap_err();
    assert!(problems.contains("GLOBCRM_X_ONE is missing"), "{problems}");
    assert!(
        problems.contains("GLOBCRM_X_TWO must be a whole number") && !problems.contains("hunter2"),
        "{problems}"
    );
    assert_eq!(describe::<Both>("X")[1].doc, "The other");
}
