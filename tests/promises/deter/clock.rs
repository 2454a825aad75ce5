//! What holds for a time only, with the agent's clocks turned: a challenge for two minutes, a new account's first certificate
//! for thirty, what somebody has signed in with for a day.

use std::fs;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use mf2c_tests::Clock;

use super::place::{PASSWORD, PREFIX, Testbed, element, response, start};

/// A testbed whose agent has this clock.
fn with(clock: &Clock) -> Testbed {
    Testbed::with(clock.environment().iter().fold(start(), |start, (name, value)| start.environment(name, value)))
}

#[test]
fn t11_a_challenge_is_of_no_use_after_two_minutes() {
    let Some(clock) = Clock::new() else { return };
    let place = with(&clock);
    place.user("abierce");
    let [first, second] = [place.challenge("abierce"), place.challenge("abierce")];
    clock.pass(60);
    let _ = place.reply("Users", &response(&first, PASSWORD), None);
    clock.pass(121);
    let fault = place.fault("Users", &response(&second, PASSWORD), None);
    assert_eq!(fault, (2, format!("no challenge with ID {second}")));
    let _ = place.login("abierce");
}

#[test]
fn t20_the_first_certificate_of_a_new_account_holds_for_thirty_minutes() {
    let Some(clock) = Clock::new() else { return };
    let place = with(&clock);
    let attribute =
        |name: &str, value: &str| format!("<n:profile><n:name>{name}</n:name><n:value>{value}</n:value></n:profile>");
    let profile = [("name", "Ambrose"), ("email", "abierce@example.org"), ("phone", "555-0100")]
        .map(|(name, value)| attribute(name, value))
        .concat();
    let reply = place.reply(
        "Users",
        &format!("<n:createUser>{profile}<n:urlPrefix>{PREFIX}</n:urlPrefix></n:createUser>"),
        None,
    );
    assert_eq!(element(&reply, "uid"), Some("abierce"));
    let pem = BASE64_STANDARD.decode(element(&reply, "identity").unwrap()).unwrap();
    fs::write(place.file("fresh.pem"), pem).unwrap();
    let own = "<n:getUserProfile><n:uid>abierce</n:uid></n:getUserProfile>";
    for minutes in [0, 29] {
        clock.turn(minutes * 60);
        assert!(place.reply("Users", own, Some("fresh.pem")).contains("<ns:id>abierce</ns:id>"), "{minutes}");
    }
    clock.turn(31 * 60);
    assert_eq!(place.fault("Users", own, Some("fresh.pem")), (5, "Not logged in".to_owned()));
}

#[test]
fn who_was_signed_in_until_yesterday_is_told_so_by_the_fault_for_it() {
    let Some(clock) = Clock::new() else { return };
    let place = with(&clock);
    place.user("abierce");
    let shown = place.login("abierce");
    let own = "<n:getUserProfile><n:uid>abierce</n:uid></n:getUserProfile>";
    clock.turn(24 * 3600 - 60);
    let _ = place.reply("Users", own, Some(&shown));
    // The certificate has ended with what it stands for; the handshake does not fail for that.
    clock.turn(24 * 3600 + 1);
    for asked in [own, "<n:logout/>"] {
        assert_eq!(place.fault("Users", asked, Some(&shown)), (5, "Not logged in".to_owned()), "{asked}");
    }
    let _ = place.reply("ApiInfo", "<n:getVersion/>", Some(&shown));
    let shown = place.login("abierce");
    let _ = place.reply("Users", own, Some(&shown));
}
