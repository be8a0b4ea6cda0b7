//! What a busy tenant takes from a quiet one, by counts, never by times: the short form of `cargo xtask bench neighbours`.

mod storm;

use std::time::Duration;

use testkit::neighbours::{Attack, Neighbours, Pattern, work};
use tokio::sync::{Mutex, OnceCell};

use crate::stage::Stage;
use crate::waiting;

/// Contacts of the hostile one: enough that a list which unpacks all of them is felt.
const CONTACTS: usize = 400;
/// Requests of the hostile one before the quiet one begins: by then the pattern is in force.
const IN_FORCE: u64 = 40;
/// Rounds of each of the quiet one's people, of four requests each.
const ROUNDS: usize = 12;
const BOUND: Duration = Duration::from_secs(60);

/// One pattern at a time: two at once would be told apart by nobody.
static ONE: OnceCell<Mutex<Neighbours>> = OnceCell::const_new();

/// The quiet one works beside the pattern and loses nothing.
async fn nothing_is_lost_beside(pattern: Pattern, in_force: u64) {
    let stage = Stage::shared().await;
    let address = stage.fleet.gateway_url().trim_start_matches("http://");
    let settle = async || Mutex::new(Neighbours::settle(address, CONTACTS).await.expect("two organisations"));
    let mut neighbours = ONE.get_or_init(settle).await.lock().await;
    let attack = Attack::begin(pattern, &mut neighbours.hostile).await.expect("the pattern begins");
    waiting::until(BOUND, "the pattern is in force", async || attack.tally().begun >= in_force).await;
    let before = attack.tally();
    let day = work(&mut neighbours.quiet, ROUNDS, None).await.expect("the quiet one works");
    // What it holds open it may hold for longer than the day: then the next request comes when the server has cut that off.
    waiting::until(BOUND, "the pattern goes on", async || attack.tally().begun > before.begun).await;
    let after = attack.end().await;
    assert_eq!(
        day.failures,
        Vec::<String>::new(),
        "{} of the quiet one's requests, beside {after:?}",
        day.failed
    );
    assert_eq!(day.latencies.len(), 4 * 4 * ROUNDS);
}

macro_rules! beside {
    ($($name:ident: $pattern:ident, $in_force:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            nothing_is_lost_beside(Pattern::$pattern, $in_force).await;
        }
    )*};
}

beside! {
    heads_without_bodies_hold_up_nobody_else: Heads, 12 * 45;
    answers_that_nobody_reads_hold_up_nobody_else: Readers, IN_FORCE;
    reset_streams_harm_nobody_else: Resets, IN_FORCE;
    closed_connections_harm_nobody_else: Closes, IN_FORCE;
    expensive_lists_leave_the_database_to_others: Lists, 24;
    queued_imports_leave_the_service_to_others: Imports, 4;
    files_full_of_errors_leave_the_service_to_others: Amplified, 4;
    bad_keys_cost_nobody_else: Keys, IN_FORCE;
    guessed_passwords_cost_nobody_else: Guesses, IN_FORCE;
}

#[test]
fn every_pattern_has_its_test() {
    let source = include_str!("mod.rs");
    for pattern in Pattern::ALL {
        assert!(source.contains(&format!(": {pattern:?}, ")), "{pattern:?} is tried by no test");
    }
}
