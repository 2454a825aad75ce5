//! Revocation lists: good ones, and old, forged and broken ones.

use super::*;
use crate::area::{ListError, TrustError};

#[test]
fn a_revoked_certificate_is_refused_and_others_are_not() {
    let area = Area::new("harbour");
    let ((_, bad), (_, good)) = (area.agent(DEVICE), area.agent("other"));
    let mut trust = area.trust();
    let seen = trust.check(&chain(&[&bad.der]), false, false, now()).unwrap();
    assert!(!trust.is_revoked(&seen));
    trust.take_list(&area.list(1, &[&bad.serial]), now()).unwrap();
    assert_eq!(trust.check(&chain(&[&bad.der]), false, false, now()), Err(TrustError::Revoked(bad.serial.clone())));
    assert!(trust.is_revoked(&seen) && trust.is_revoked(&PeerIdentity::of(&bad.der).unwrap()));
    assert_eq!(trust.check_expired(&bad.der, false, later(25 * HOUR)), Err(TrustError::Revoked(bad.serial)));
    trust.check(&chain(&[&good.der]), false, true, now()).unwrap();
    assert_eq!(trust.list_numbers(), [(area.area.key_id(), 1)]);
}

#[test]
fn who_was_issued_by_a_revoked_authority_is_revoked() {
    let area = Area::new("harbour");
    let (_, issued) = area.agent(DEVICE);
    let by = PeerIdentity::of(&area.area.certificates()[0]).unwrap().serial;
    let mut trust = area.trust();
    let seen = trust.check(&chain(&[&issued.der]), false, false, now()).unwrap();
    let list = area.root.revocation_list(1, &[(by.clone(), now())], now(), later(HOUR)).unwrap();
    trust.take_list(&list, now()).unwrap();
    assert_eq!(trust.check(&chain(&[&issued.der]), false, false, now()), Err(TrustError::Revoked(by)));
    assert!(trust.is_revoked(&seen) && trust.is_revoked(&PeerIdentity::of(&issued.der).unwrap()));
    // The same authority with another certificate, by which it may go on.
    let again = certify(&area.root, &area.area, &["fog.example"]);
    trust.check(&chain(&[&issued.der, &again.der]), false, false, now()).unwrap();
}

#[test]
fn old_forged_foreign_late_and_broken_lists_change_nothing() {
    let (area, other) = (Area::new("harbour"), Area::new("harbour"));
    let (_, issued) = area.agent(DEVICE);
    let mut trust = area.trust();
    trust.take_list(&area.list(5, &[]), now()).unwrap();
    let mut broken = area.list(6, &[&issued.serial]);
    *broken.last_mut().unwrap() ^= 1;
    for (list, error) in [
        (area.list(5, &[&issued.serial]), ListError::Old { number: 5, known: 5 }),
        (area.list(4, &[&issued.serial]), ListError::Old { number: 4, known: 5 }),
        (other.list(6, &[&issued.serial]), ListError::Unknown),
        (broken, ListError::Forged),
    ] {
        assert_eq!(trust.take_list(&list, now()), Err(error));
    }
    let late = area.list(6, &[&issued.serial]);
    assert_eq!(trust.take_list(&late, later(HOUR)), Err(ListError::Expired(later(HOUR))));
    for form in [&[][..], &issued.der, &[late.as_slice(), &[0]].concat()] {
        assert!(matches!(
            trust.take_list(form, now()),
            Err(ListError::Form(_) | ListError::Forged | ListError::Unknown)
        ));
    }
    trust.check(&chain(&[&issued.der]), false, false, now()).unwrap();
    assert_eq!(trust.list_numbers(), [(area.area.key_id(), 5)]);
}

#[test]
fn a_list_that_is_out_of_date_counts_only_where_the_policy_is_strict() {
    let area = Area::new("harbour");
    let (_, issued) = area.agent(DEVICE);
    let mut trust = area.trust();
    trust.take_list(&area.list(1, &[]), now()).unwrap();
    let shown = chain(&[&issued.der]);
    trust.check(&shown, false, true, now()).unwrap();
    trust.check(&shown, false, false, later(2 * HOUR)).unwrap();
    assert_eq!(trust.check(&shown, false, true, later(2 * HOUR)), Err(TrustError::StaleList(later(HOUR))));
}

#[test]
fn what_was_revoked_stays_revoked_with_a_new_bundle_and_after_a_restart() {
    let area = Area::new("harbour");
    let (_, issued) = area.agent(DEVICE);
    let mut before = area.trust();
    before.take_list(&area.list(2, &[&issued.serial]), now()).unwrap();
    let mut bundle = trust(2, &[&area.root], &[&area.area]);
    bundle.take_list(&area.list(1, &[]), now()).unwrap();
    bundle.keep_lists_of(&before);
    assert_eq!(bundle.list_numbers(), [(area.area.key_id(), 2)]);
    let parts = (before.roots().to_vec(), before.intermediates().to_vec(), before.lists());
    let (again, refused) = Trust::new(1, parts.0, parts.1, parts.2, later(2 * HOUR)).unwrap();
    assert_eq!(refused, [ListError::Expired(later(HOUR))]);
    assert!(again.is_revoked(&PeerIdentity::of(&issued.der).unwrap()));
    let mut stranger = Area::new("harbour").trust();
    stranger.keep_lists_of(&before);
    assert!(stranger.list_numbers().is_empty());
}

#[test]
fn openssl_reads_the_list_and_finds_the_serial_in_it() {
    let area = Area::new("harbour");
    let (_, issued) = area.agent(DEVICE);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("list.crl"), area.list(7, &[&issued.serial])).unwrap();
    write_pem(folder.path(), "area.pem", &[&area.area.certificates()[0]]);
    let show = ["crl", "-inform", "DER", "-in", "list.crl", "-noout", "-text", "-CAfile", "area.pem"];
    let (_, said) = openssl(folder.path(), &show);
    let serial = issued.serial.to_string().to_uppercase();
    for part in ["verify OK", "X509v3 CRL Number: \n                7", &serial] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn ten_thousand_revoked_serials_are_a_set() {
    let area = Area::new("harbour");
    let serials: Vec<Serial> = (0..10_000).map(|_| serial()).collect();
    let (_, issued) = area.agent(DEVICE);
    let revoked: Vec<&Serial> = serials.iter().collect();
    let mut trust = area.trust();
    trust.take_list(&area.list(1, &revoked), now()).unwrap();
    trust.check(&chain(&[&issued.der]), false, true, now()).unwrap();
    assert!(serials.iter().all(|serial| trust.revokes(&area.area.key_id(), serial)));
}
