//! The resolver that asks name servers, against one of the test's own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

use super::{ALLOWED, PATIENT, client, target};
use crate::{Dns, Failure, Resolve, ResolveError};

/// The type of a question for addresses of IPv4.
const A: [u8; 2] = [0, 1];

/// Answers every question for an address of IPv4 with these, and all others with nothing; what was asked for.
async fn name_server(addresses: &[Ipv4Addr]) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let socket = UdpSocket::bind((ALLOWED, 0)).await.unwrap();
    let (at, asked) = (socket.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let (heard, addresses) = (asked.clone(), addresses.to_vec());
    tokio::spawn(async move {
        let mut packet = [0; 1_500];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            let (name, end) = question(&packet[..length]);
            let kind = [packet[end], packet[end + 1]];
            heard.lock().unwrap().push(name);
            let found: &[Ipv4Addr] = if kind == A { &addresses } else { &[] };
            // The same id, "an answer, without an error", one question, and so many answers (RFC 1035, section 4.1).
            let mut answer = [&packet[..2], &[0x81, 0x80, 0, 1, 0, found.len() as u8, 0, 0, 0, 0]].concat();
            answer.extend_from_slice(&packet[12..end + 4]);
            for address in found {
                answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                answer.extend_from_slice(&address.octets());
            }
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    (at, asked)
}

/// The name that is asked for, and where it ends.
fn question(packet: &[u8]) -> (String, usize) {
    let (mut name, mut at) = (String::new(), 12);
    while packet[at] != 0 {
        let end = at + 1 + usize::from(packet[at]);
        name.push_str(std::str::from_utf8(&packet[at + 1..end]).unwrap());
        name.push('.');
        at = end;
    }
    (name, at + 1)
}

#[tokio::test]
async fn a_name_is_asked_for_as_it_is_and_all_its_addresses_come() {
    let addresses = [Ipv4Addr::new(192, 0, 2, 1), FAR];
    let (at, asked) = name_server(&addresses).await;
    let dns = Dns::of_server(at).unwrap();
    let mut found = dns.resolve("hooks.example").await.unwrap();
    found.sort();
    assert_eq!(found, addresses.map(IpAddr::from));
    let single = dns.resolve("postgres").await.unwrap();
    assert_eq!(single.len(), 2);
    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|name| ["hooks.example.", "postgres."].contains(&name.as_str())), "{asked:?}");
    assert!(!asked.is_empty());
}

/// A public address, which is not called.
const FAR: Ipv4Addr = Ipv4Addr::new(198, 51, 101, 1);

#[tokio::test]
async fn a_name_without_addresses_has_none_and_the_machine_itself_is_not_called() {
    let (at, _) = name_server(&[]).await;
    let dns = Arc::new(Dns::of_server(at).unwrap());
    assert_eq!(dns.resolve("nothing.example").await, Err(ResolveError::NoAddress));
    let client = client(dns, PATIENT);
    assert_eq!(client.check(&target("http://nothing.example/")).await, Err(Failure::Dns));
    // This name is known without asking.
    assert_eq!(client.check(&target("http://localhost:8080/")).await, Err(Failure::Address));
}
