//! What ends with time at the door of DETER's testbed API, with the clock of an agent turned forward.

use mf2c_tests::Clock;

use crate::testbed::{Bed, el, one, said};

const LOGIN: (i32, &str) = (5, "Not logged in");

#[test]
fn who_was_signed_in_until_yesterday_is_told_so_by_the_fault_for_it() {
    let Some(clock) = Clock::new() else { return };
    let mut bed = Bed::start_with_clock(&["ann"], &clock);
    let profile = |bed: &Bed| bed.ask("ann", "Users", "getUserProfile", &[el("uid", "ann")]);
    assert!(profile(&bed).is_ok());
    clock.turn(23 * 3600);
    assert!(profile(&bed).is_ok());
    // The certificate and what it stands for have ended; the handshake does not fail for that.
    clock.turn(24 * 3600 + 1);
    bed.refused("ann", "Users", "getUserProfile", &[el("uid", "ann")], LOGIN);
    bed.refused("ann", "Users", "logout", &[], LOGIN);
    let shown = bed.done("ann", "ApiInfo", "echo", &[el("param", "still answered")]);
    assert_eq!(one(&shown, "return"), "still answered");
    bed.sign_in("ann");
    assert!(profile(&bed).is_ok());
}

#[test]
fn what_comes_with_a_new_account_holds_for_thirty_minutes() {
    let Some(clock) = Clock::new() else { return };
    let mut bed = Bed::start_with_clock(&[], &clock);
    let given = [("name", "Kim"), ("email", "kim@example.org"), ("phone", "1")];
    let mut asked = given.map(|(name, value)| said("profile", name, value)).to_vec();
    asked.push(el("uid", "kim"));
    let made = bed.done("", "Users", "createUser", &asked);
    bed.keep("kim", &one(&made, "identity"));
    let profile = [el("uid", "kim")];
    clock.turn(29 * 60);
    let _ = bed.done("kim", "Users", "getUserProfile", &profile);
    clock.turn(30 * 60 + 1);
    bed.refused("kim", "Users", "getUserProfile", &profile, LOGIN);
}
