//! `mf2c user cert` and `mf2c login --cert`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use mf2c_tests::{Ran, curl, mf2c_fed};
use serde_json::Value;

use super::place::{PASSWORD, Place};

impl Place {
    /// `mf2c` with the profile of this name.
    fn client(&self, profile: &str, line: &str, input: &str) -> Ran {
        let home = self.file("home");
        let environment = [("HOME", home.to_str().unwrap()), ("MF2C_PROFILE", profile)];
        mf2c_fed(&environment, &line.split(' ').collect::<Vec<_>>(), input)
    }

    /// With jane signed in.
    fn with_jane() -> Self {
        let place = Self::new();
        place.user("jane", false);
        let url = format!("https://{}", place.agent.https());
        let line = format!("login {url} --user jane --password-stdin --ca {}", place.roots());
        let _ = place.client("jane", &line, &format!("{PASSWORD}\n")).expect(0);
        place
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_user_makes_a_certificate_and_uses_it_with_curl_as_he_is_told() {
    let place = Place::with_jane();
    let out = place.folder().to_str().unwrap();
    let said = place.client("jane", &format!("user cert jane --ttl 2d --out {out}"), "").expect(0).out;
    let [key, certificate, roots] = ["jane.key", "jane.crt", "mf2c-root.pem"].map(|name| place.file(name));
    assert_eq!((mode(&key), mode(&certificate) & 0o400), (0o600, 0o400));
    assert!(fs::read_to_string(&key).unwrap().contains("PRIVATE KEY"));
    assert_eq!(fs::read_to_string(&roots).unwrap(), place.command("ca show --pem").expect(0).out);
    let line = said.lines().find_map(|line| line.trim().strip_prefix("curl ")).expect("what to do with it");
    let _ = curl(line.split(' ')).expect(200);

    let again = place.client("jane", &format!("user cert jane --out {out}"), "").expect(5);
    again.tells(&["jane.key", "not overwritten"]);
    place.client("jane", &format!("user cert admin --out {out}"), "").expect(3).tells(&["credentials required"]);
    assert!(!place.file("admin.key").exists() && !place.file("admin.crt").exists());
}

#[test]
fn a_profile_can_show_a_certificate_instead_of_a_session() {
    let place = Place::with_jane();
    let out = place.folder().to_str().unwrap();
    let made = place.client("jane", &format!("user cert jane --out {out}"), "").expect(0).out;
    let login = made.lines().find_map(|line| line.trim().strip_prefix("mf2c ")).expect("what to do with it");
    let said = place.client("card", login, "").expect(0).out;
    assert!(said.starts_with("jane is known by a certificate at https://"), "{said}");
    let profile = fs::read_to_string(place.file("home/.config/mf2c/profiles/card.toml")).unwrap();
    assert!(profile.contains("jane.crt") && !profile.contains("PRIVATE") && !profile.contains("cookie"), "{profile}");

    let who: Value = serde_json::from_str(&place.client("card", "whoami -o json", "").expect(0).out).unwrap();
    assert_eq!((&who["user"], &who["by"]), (&"jane".into(), &"certificate".into()));
    assert!(place.client("card", "whoami", "").expect(0).out.starts_with("jane at https://"));
    let listed = place.client("card", "query certificate -o json", "").expect(0).out;
    assert!(listed.contains("\"VALID\""), "{listed}");
    place.client("card", "query callback", "").expect(3).tells(&["credentials required"]);
    assert!(!place.client("card", "status", "").expect(0).out.contains("session at"));

    let id = made.split_whitespace().next().unwrap();
    let _ = place.client("card", &format!("action {id} revoke reason=lost"), "").expect(0);
    place.client("card", "query device", "").expect(6).tells(&["refuses the certificate", "mf2c user cert"]);
    let _ = place.client("card", "logout", "").expect(0);
    place.client("card", "whoami", "").expect(3).tells(&["nobody is signed in"]);
}

#[test]
fn a_certificate_that_is_of_no_use_makes_no_profile() {
    let place = Place::with_jane();
    let data = place.agent.data_dir().to_str().unwrap();
    let url = format!("https://{}", place.agent.https());
    let line =
        format!("login {url} --cert {data}/member/agent.pem --cert-key {data}/member/agent.pem --ca {}", place.roots());
    let ran = place.client("card", &line, "");
    assert!(ran.code != Some(0) && !place.file("home/.config/mf2c/profiles/card.toml").exists(), "{ran:?}");
    place.client("card", &format!("login {url} --cert x"), "").expect(2).tells(&["--cert-key"]);
}
