//! Tokens: what is printed is read, what was changed is refused, and who may use one when (vectors V2 to V5).

use proptest::prelude::*;

use super::*;

struct Fixed(u8);

impl Entropy for Fixed {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(self.0);
    }
}

const START: i64 = 1_700_000_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(START + seconds * 1000)
}

fn record() -> TokenRecord {
    let id = "0123456789abcdef".to_owned();
    TokenRecord { id, role: MemberRole::Agent, area: "a1".into(), device: None, expires: at(600), used: None }
}

fn ask(key: u8) -> TokenAsk<'static> {
    TokenAsk { role: MemberRole::Agent, area: None, device: "d1", key: [key; 32] }
}

fn used(key: u8, seconds: i64) -> TokenRecord {
    TokenRecord { used: Some(TokenUse { key: [key; 32], serial: "5e".into(), at: at(seconds) }), ..record() }
}

#[test]
fn a_good_token_is_good_until_its_last_moment() {
    assert_eq!(judge(&record(), &ask(1), at(0)), Ok(Verdict::Issue));
    let before = Timestamp::from_millis(START + 599_999);
    assert_eq!(judge(&record(), &ask(1), before), Ok(Verdict::Issue));
    for late in [at(600), at(601), at(1_000_000)] {
        assert_eq!(judge(&record(), &ask(1), late), Err(TokenRefusal::Expired(at(600))));
    }
}

#[test]
fn another_key_finds_the_token_used() {
    assert_eq!(judge(&used(1, 0), &ask(2), at(1)), Err(TokenRefusal::Used));
    assert_eq!(judge(&used(1, 0), &ask(2), at(10_000)), Err(TokenRefusal::Used));
}

#[test]
fn the_same_key_gets_the_same_certificate_for_a_minute() {
    for seconds in [0, 1, 60] {
        assert_eq!(judge(&used(1, 0), &ask(1), at(seconds)), Ok(Verdict::Repeat("5e".into())));
    }
    assert_eq!(judge(&used(1, 0), &ask(1), at(61)), Err(TokenRefusal::Used));
    // Also if the token ended meanwhile: it was used in time.
    assert_eq!(judge(&used(1, 590), &ask(1), at(620)), Ok(Verdict::Repeat("5e".into())));
}

#[test]
fn a_token_for_something_else_is_forbidden_also_when_it_is_used_or_expired() {
    let refused = |record: &TokenRecord, ask: TokenAsk<'_>, now| match judge(record, &ask, now) {
        Err(TokenRefusal::Forbidden(why)) => why,
        other => panic!("{other:?}"),
    };
    for (record, now) in [(record(), at(0)), (record(), at(601)), (used(1, 0), at(1))] {
        assert!(refused(&record, TokenAsk { role: MemberRole::Leader, ..ask(1) }, now).contains("role"));
        assert!(refused(&record, TokenAsk { area: Some("a2"), ..ask(1) }, now).contains("area"));
        let bound = TokenRecord { device: Some("d2".into()), ..record };
        assert!(refused(&bound, ask(1), now).contains("device"));
    }
    let bound = TokenRecord { device: Some("d1".into()), ..record() };
    assert_eq!(judge(&bound, &TokenAsk { area: Some("a1"), ..ask(1) }, at(0)), Ok(Verdict::Issue));
}

#[test]
fn a_secret_fits_its_own_digest_and_no_other_text() {
    let (one, other) = (Secret::from([1; 32]), Secret::from([2; 32]));
    assert!(one.fits(&one.digest()) && !one.fits(&other.digest()));
    let cut = &one.digest()[..62];
    for kept in ["", "00", cut, &format!("{cut}zz"), &"0".repeat(64), &"é".repeat(32)] {
        assert!(!one.fits(kept), "{kept}");
    }
    assert_eq!(format!("{one:?}"), "Secret(..)");
}

fn leader(area: &str) -> SpiffeId {
    format!("spiffe://d/area/{area}/agent/l1").parse().unwrap()
}

#[test]
fn a_token_is_for_the_leader_that_made_it_and_still_hard_to_guess() {
    let token = JoinToken::new([7; 32], &leader("a1"), "fog.example:8444".into(), &Fixed(9));
    assert!(token.is_for(&leader("a1")) && !token.is_for(&leader("a2")));
    assert_eq!(token.secret.bytes()[..20], [9; 20]);
    let read: JoinToken = token.to_string().parse().unwrap();
    assert!(read.is_for(&leader("a1")));
    assert!(!JoinToken { secret: Secret::from([9; 32]), ..read }.is_for(&leader("a1")));
}

#[test]
fn a_token_shows_its_secret_only_where_it_is_printed_on_purpose() {
    let token = JoinToken::new([7; 32], &leader("a1"), "fog.example:8444".into(), &Fixed(9));
    assert!(token.to_string().contains(&BASE64_URL_SAFE_NO_PAD.encode(token.secret.bytes())));
    assert!(!format!("{token:?}").contains("CQkJ"));
}

#[test]
fn lines_that_are_no_tokens_are_refused_with_what_is_wrong() {
    let good = JoinToken::new([7; 32], &leader("a1"), "fog.example:8444".into(), &Fixed(9)).to_string();
    let (token, _) = good.split_once('@').unwrap();
    let part = |text| TokenError::Part(text);
    for (line, error) in [
        (String::new(), TokenError::Form),
        ("a".repeat(LONGEST_TOKEN + 1), TokenError::Form),
        (token.to_owned(), part("the address is missing: expected `@HOST:PORT` behind the secret")),
        (good.replace("mf2c1.", "mf2c2."), TokenError::Version),
        (good.replace("mf2c1.", "k3s."), TokenError::Form),
        (good.replace("mf2c1.", "mf2c1"), TokenError::Version),
        (good.replace("@", ".x@"), TokenError::Form),
        (good.replace("07.09", "0709"), part("the root's hash is not 64 hexadecimal digits")),
        (token[..20].to_owned(), part("the root's hash is not 64 hexadecimal digits")),
        (token[..70].to_owned(), part("the token's id and all that follows are missing")),
        (token[..87].to_owned(), part("the secret and the address are missing")),
        (token[..100].to_owned(), part("the secret is not 43 characters of base64url")),
        (good.replacen("07", "0", 1), part("the root's hash is not 64 hexadecimal digits")),
        (good.replacen("07", "é7", 1), part("the root's hash is not 64 hexadecimal digits")),
        (good.replace("0909", "0G09"), part("the token's id is not 16 hexadecimal digits")),
        (good.replace("CQkJ", "CQk"), part("the secret is not 43 characters of base64url")),
        (good.replace(":8444", ""), part("the address behind `@` is not HOST:PORT")),
        (good.replace(":8444", ":0"), part("the address behind `@` is not HOST:PORT")),
        (good.replace("fog.", "fog/"), part("the address behind `@` is not HOST:PORT")),
    ] {
        assert_eq!(line.parse::<JoinToken>().unwrap_err(), error, "{line}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(root: [u8; 32], byte: u8, host in "[a-z][a-z0-9.-]{0,60}", port in 1..=u16::MAX) {
        let token = JoinToken::new(root, &leader("a1"), format!("{host}:{port}"), &Fixed(byte));
        let line = token.to_string();
        prop_assert!(line.len() <= LONGEST_TOKEN);
        prop_assert!(line.parse::<JoinToken>().unwrap() == token);
        let spaced = format!(" {line}\n");
        prop_assert!(spaced.parse::<JoinToken>().unwrap() == token);
    }

    #[test]
    fn no_text_makes_it_panic(text in "(mf2c1\\.)?\\PC{0,80}(@\\PC{0,20})?") {
        let _ = text.parse::<JoinToken>();
    }

    #[test]
    fn a_token_is_issued_for_once_however_often_and_in_whatever_order_it_is_tried(
        tries in proptest::collection::vec((0_u8..4, 0_i64..900), 1..40),
    ) {
        let (mut record, mut issued) = (record(), 0);
        let mut tries = tries;
        tries.sort_by_key(|(_, second)| *second);
        for (key, second) in tries {
            match judge(&record, &ask(key), at(second)) {
                Ok(Verdict::Issue) => {
                    issued += 1;
                    prop_assert!(second < 600);
                    record.used = Some(TokenUse { key: [key; 32], serial: second.to_string(), at: at(second) });
                }
                Ok(Verdict::Repeat(serial)) => {
                    let used = record.used.as_ref().unwrap();
                    prop_assert!(used.serial == serial && used.key == [key; 32] && at(second - 60) <= used.at);
                }
                Err(TokenRefusal::Used) => prop_assert!(record.used.is_some()),
                Err(TokenRefusal::Expired(_)) => prop_assert!(record.used.is_none() && second >= 600),
                Err(TokenRefusal::Forbidden(why)) => prop_assert!(false, "{}", why),
            }
        }
        prop_assert!(issued <= 1);
    }
}
