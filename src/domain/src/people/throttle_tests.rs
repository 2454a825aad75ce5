//! What the throttle promises, for chosen attacks and for any.

use proptest::prelude::*;

use super::*;

fn v4(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn fail(throttle: &mut Throttle, source: IpAddr, name: &str, now: Duration) -> Result<(), Wait> {
    throttle.admit(source, Some(name), now)?;
    throttle.failed(source, Some(name), now);
    Ok(())
}

#[test]
fn one_source_fails_twenty_times_and_then_once_a_second() {
    let mut throttle = Throttle::new(Limits::default());
    let mut tried =
        |now| (0..100).filter(|name| fail(&mut throttle, v4(1), &format!("n{now}-{name}"), secs(now)).is_ok()).count();
    assert_eq!([tried(0), tried(0), tried(1), tried(4), tried(1000)], [20, 0, 1, 3, 20]);
}

#[test]
fn a_name_is_locked_after_ten_failures_for_a_minute_and_then_longer_and_longer() {
    let mut throttle = Throttle::new(Limits::default());
    for source in 0..10 {
        fail(&mut throttle, v4(source), "jane", secs(0)).unwrap();
    }
    let mut now = secs(0);
    for minutes in [1, 2, 4, 8, 15, 15] {
        assert_eq!(throttle.admit(v4(99), Some("jane"), now), Err(Wait(secs(minutes * 60))));
        now += secs(minutes * 60);
        fail(&mut throttle, v4(99), "jane", now).unwrap();
    }
    assert!(throttle.admit(v4(99), Some("joe"), now).is_ok(), "another name is not locked");
    assert!(throttle.admit(v4(99), Some("jane"), now + secs(25 * 3600)).is_ok(), "a day later all is forgotten");
}

#[test]
fn success_costs_nothing_and_frees_the_name() {
    let mut throttle = Throttle::new(Limits::default());
    for round in 0..1000 {
        throttle.admit(v4(1), Some("jane"), secs(0)).unwrap();
        throttle.succeeded(v4(1), Some("jane"), secs(0));
        if round % 100 == 0 {
            fail(&mut throttle, v4(1), "jane", secs(0)).unwrap();
        }
    }
}

#[test]
fn guesses_at_the_same_time_do_not_pass_together() {
    let mut throttle = Throttle::new(Limits::default());
    let admitted = (0..200).filter(|n| throttle.admit(v4(*n), Some("jane"), secs(0)).is_ok()).count();
    assert_eq!(admitted, 10);
    for n in 0..10 {
        throttle.failed(v4(n), Some("jane"), secs(1));
    }
    assert_eq!(throttle.admit(v4(50), Some("jane"), secs(1)), Err(Wait(secs(60))));
}

#[test]
fn attempts_that_were_not_carried_out_cost_nothing() {
    let mut throttle = Throttle::new(Limits::default());
    for _ in 0..1000 {
        throttle.admit(v4(1), Some("jane"), secs(0)).unwrap();
        throttle.withdrawn(v4(1), Some("jane"));
    }
    // And those whose end was never told do not block the name for ever.
    for n in 0..10 {
        throttle.admit(v4(n), Some("jane"), secs(1)).unwrap();
    }
    assert!(throttle.admit(v4(11), Some("jane"), secs(2)).is_err());
    assert!(throttle.admit(v4(11), Some("jane"), secs(62)).is_ok());
}

#[test]
fn who_signed_in_lately_is_not_locked_out_by_strangers_but_by_his_own_failures() {
    let mut throttle = Throttle::new(Limits::default());
    throttle.admit(v4(1), Some("jane"), secs(0)).unwrap();
    throttle.succeeded(v4(1), Some("jane"), secs(0));
    for source in 10..20 {
        fail(&mut throttle, v4(source), "jane", secs(0)).unwrap();
    }
    assert!(throttle.admit(v4(30), Some("jane"), secs(0)).is_err());
    for _ in 0..10 {
        fail(&mut throttle, v4(1), "jane", secs(0)).unwrap();
    }
    assert!(throttle.admit(v4(1), Some("jane"), secs(0)).is_err(), "ten failures of its own");
}

#[test]
fn all_addresses_of_an_ipv6_network_are_one_source_and_mapped_ones_are_ipv4() {
    assert_eq!(network("2001:db8:1:2:3:4:5:6".parse().unwrap()), network("2001:db8:1:2:ffff::".parse().unwrap()));
    assert_ne!(network("2001:db8:1:2::1".parse().unwrap()), network("2001:db8:1:3::1".parse().unwrap()));
    assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), v4(1));
}

#[test]
fn long_names_are_cut_between_characters() {
    assert!(cut(&"ä".repeat(1000)).len() <= NAME);
}

/// Few sources and names, so that they meet.
fn attempts() -> impl Strategy<Value = Vec<(u8, u8, u64, bool)>> {
    proptest::collection::vec((0u8..6, 0u8..4, 0u64..3000, any::<bool>()), 0..400)
}

proptest! {
    #[test]
    fn no_mix_of_attacks_gets_more_attempts_than_the_bounds(attempts in attempts()) {
        let limits = Limits::default();
        let mut throttle = Throttle::new(limits.clone());
        let (mut now, mut by_source, mut by_name) = (Duration::ZERO, [0u64; 6], [0u64; 4]);
        let mut open = Vec::new();
        for (source, name, pause, ends) in attempts {
            now += Duration::from_millis(pause);
            let text = name.to_string();
            if throttle.admit(v4(source), Some(&text), now).is_ok() {
                by_source[usize::from(source)] += 1;
                by_name[usize::from(name)] += 1;
                open.push((source, text));
            }
            if ends && let Some((source, name)) = open.pop() {
                throttle.failed(v4(source), Some(&name), now);
            }
        }
        for made in by_source {
            prop_assert!(made <= u64::from(limits.burst) + now.as_secs() + 1);
        }
        // Ten in a row, one more after each lock, and as many as were given up a minute ago.
        for made in by_name {
            prop_assert!(made <= u64::from(limits.lock_after) * (2 + now.as_secs() / GIVEN_UP.as_secs()));
        }
    }

    #[test]
    fn a_good_user_elsewhere_is_always_admitted(attempts in attempts()) {
        let mut throttle = Throttle::new(Limits::default());
        let (good, mut now, mut guesses) = (v4(200), Duration::ZERO, 0);
        throttle.admit(good, Some("0"), now).unwrap();
        throttle.succeeded(good, Some("0"), now);
        for (source, name, pause, _) in attempts {
            now += Duration::from_millis(pause);
            guesses += u64::from(fail(&mut throttle, v4(source), &name.to_string(), now).is_ok() && name == 0);
            prop_assert!(throttle.admit(good, Some("0"), now).is_ok());
            throttle.succeeded(good, Some("0"), now);
            prop_assert!(throttle.admit(v4(201), Some("good"), now).is_ok());
            throttle.withdrawn(v4(201), Some("good"));
        }
        // His signing in gives the others no more guesses.
        prop_assert!(guesses <= 10 + now.as_secs() / 60);
    }

    #[test]
    fn memory_is_bounded_whoever_tries_what(tries in proptest::collection::vec((any::<u32>(), "[a-z]{1,3}", 0u8..3), 0..300)) {
        let mut throttle = Throttle::new(Limits { memory: 16, ..Limits::default() });
        for (at, (source, name, end)) in tries.into_iter().enumerate() {
            let (source, now) = (IpAddr::from(source.to_be_bytes()), secs(at as u64));
            let _ = throttle.admit(source, Some(&name), now);
            match end {
                0 => throttle.failed(source, Some(&name), now),
                1 => throttle.succeeded(source, Some(&name), now),
                _ => throttle.withdrawn(source, Some(&name)),
            }
            for len in [throttle.sources.len(), throttle.names.len(), throttle.known.len()] {
                prop_assert!(len <= 16);
            }
        }
    }
}
