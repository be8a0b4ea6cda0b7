use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;

const PRETEND: &str = "GLOBCRM_PRETEND_LISTEN";

/// Not a test of its own: the fleet tests run this binary again as a role, with a variable that says where to listen.
#[test]
#[expect(clippy::disallowed_methods, reason = "stands in for the product's own configuration")]
fn a_pretend_role_serves_readiness() {
    let Ok(listen) = std::env::var(PRETEND) else {
        return;
    };
    let listener = TcpListener::bind(listen).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let read = stream.read(&mut [0; 1024]).unwrap();
        assert!(read > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    }
}

fn pretend(name: &str, roles: &[Role]) -> (Launch, Environments) {
    let ports = Ports::fresh().unwrap();
    let mut found = Environments {
        roles: BTreeMap::new(),
        migrate: Env::new(),
        ready_urls: BTreeMap::new(),
        gateway_url: String::new(),
    };
    for role in roles {
        let address = format!("127.0.0.1:{}", ports.admin[role]);
        found.ready_urls.insert(*role, format!("http://{address}/readyz"));
        found.roles.insert(*role, Env::from([(PRETEND.to_owned(), address)]));
    }
    let arguments = ["--exact", "fleet::tests::a_pretend_role_serves_readiness"];
    let launch = Launch {
        program: std::env::current_exe().unwrap(),
        arguments: arguments.map(str::to_owned).to_vec(),
        logs: crate::state::scratch(name),
        lifetime: Lifetime::Parent,
    };
    (launch, found)
}

#[test]
fn a_killed_role_comes_back_and_the_others_stay() {
    let (launch, environments) = pretend("fleet-restart", &[Role::Identity, Role::Gateway]);
    let logs = launch.logs.clone();
    let mut fleet = Fleet::start(launch, &environments, &Progress::silent()).unwrap();
    let before = fleet.processes();
    fleet.kill9(Role::Identity).unwrap();
    assert_eq!(fleet.ended(), Some(Role::Identity));
    fleet.restart(Role::Identity).unwrap();
    assert_ne!(fleet.process(Role::Identity), before.get(&Role::Identity).copied());
    assert_eq!(fleet.process(Role::Gateway), before.get(&Role::Gateway).copied());
    assert_eq!(fleet.ended(), None);
    let last = fleet.processes();
    drop(fleet);
    assert!(last.values().all(|process| !process.alive()));
    std::fs::remove_dir_all(logs).unwrap();
}

#[test]
fn a_role_that_ends_at_start_is_an_error_that_shows_its_log() {
    let (mut launch, environments) = pretend("fleet-fails", &[Role::Fields]);
    launch.program = PathBuf::from("/bin/sh");
    launch.arguments = vec!["-c".to_owned(), "echo no such table; exit 3".to_owned()];
    let logs = launch.logs.clone();
    let error = Fleet::start(launch, &environments, &Progress::silent()).unwrap_err();
    assert!(format!("{error:#}").contains("no such table"), "{error:#}");
    std::fs::remove_dir_all(logs).unwrap();
}

#[test]
fn a_paused_role_is_stopped_all_the_same() {
    let (launch, environments) = pretend("fleet-paused", &[Role::Records]);
    let logs = launch.logs.clone();
    let mut fleet = Fleet::start(launch, &environments, &Progress::silent()).unwrap();
    let process = fleet.process(Role::Records).unwrap();
    fleet.pause(Role::Records).unwrap();
    fleet.stop().unwrap();
    assert!(!process.alive());
    std::fs::remove_dir_all(logs).unwrap();
}

#[test]
fn a_failed_command_reports_what_it_said() {
    let error =
        run_once(Path::new("/bin/ls"), "/no/such/place", &Env::new(), &Progress::silent()).unwrap_err();
    assert!(format!("{error:#}").contains("/no/such/place"));
}
