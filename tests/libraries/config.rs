//! What settings are read from, and what a wrong one is answered with.

use std::net::SocketAddr;

use config::{Env, ExposeSecret, Reader, SecretString, Section, describe, load, refuse_unknown};

#[derive(Debug)]
struct Example {
    listen: SocketAddr,
    pool: u32,
    password: SecretString,
}

impl Section for Example {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let listen = r.required("GRPC_LISTEN", "where to listen");
        let pool = r.with_default("POOL", "10", "connections");
        let password = r.required("PASSWORD", "secret");
        Some(Self { listen: listen?, pool: pool?, password: password? })
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
