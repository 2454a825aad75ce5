//! Files of authorities and memberships, also after a crash at any moment.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use mf2c_domain::area::role::MemberRole;

use super::*;
use crate::PkiError;
use crate::area::{AuthorityFiles, MemberFiles, Rank};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

fn save(files: &MemberFiles, member: &Membership, trust: &Trust) {
    let role = MemberRole::Agent;
    files.save(&member.key, &member.certificate, trust, &member.leader, role, "fog.example:8444").unwrap();
}

#[test]
fn authorities_are_found_again_and_sign_as_before() {
    let data = tempfile::tempdir().unwrap();
    let files = AuthorityFiles::new(data.path());
    assert!(files.load(Rank::Root).unwrap().is_none() && files.certificates(Rank::Root).unwrap().is_empty());
    let area = Area::new("harbour");
    files.save(Rank::Root, &area.root).unwrap();
    files.save(Rank::Area, &area.area).unwrap();
    let again = Area { root: files.load(Rank::Root).unwrap().unwrap(), area: files.load(Rank::Area).unwrap().unwrap() };
    assert_eq!((again.area.id(), again.area.key_id()), (area.area.id(), area.area.key_id()));
    assert_eq!(again.area.validity(), area.area.validity());
    let (_, issued) = again.agent(DEVICE);
    area.trust().check(&chain(&[&issued.der]), true, false, now()).unwrap();
    let folder = data.path().join("ca");
    assert_eq!(["", "root.key", "area.key"].map(|name| mode(&folder.join(name))), [0o700, 0o600, 0o600]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 4, "no draft is left");
}

#[test]
fn a_root_without_its_key_is_shown_and_signs_nothing() {
    let data = tempfile::tempdir().unwrap();
    let files = AuthorityFiles::new(data.path());
    let area = Area::new("harbour");
    files.save(Rank::Root, &area.root).unwrap();
    fs::remove_file(data.path().join("ca/root.key")).unwrap();
    assert!(files.load(Rank::Root).unwrap().is_none());
    assert_eq!(files.certificates(Rank::Root).unwrap(), area.root.certificates());
}

#[test]
fn the_previous_root_is_kept_beside_the_new_one_until_it_is_dropped() {
    let data = tempfile::tempdir().unwrap();
    let files = AuthorityFiles::new(data.path());
    let area = Area::new("harbour");
    assert!(files.load_previous_root().unwrap().is_none());
    files.save_previous_root(&area.root).unwrap();
    assert_eq!(files.load_previous_root().unwrap().unwrap().key_id(), area.root.key_id());
    files.remove_previous_root().unwrap();
    assert_eq!(fs::read_dir(data.path().join("ca")).unwrap().count(), 0);
}

#[test]
fn a_crash_between_key_and_certificate_leaves_a_whole_authority() {
    let data = tempfile::tempdir().unwrap();
    let files = AuthorityFiles::new(data.path());
    let (old, new) = (Area::new("harbour"), Area::new("harbour"));
    files.save(Rank::Area, &old.area).unwrap();
    let folder = data.path().join("ca");
    let other = tempfile::tempdir().unwrap();
    AuthorityFiles::new(other.path()).save(Rank::Area, &new.area).unwrap();
    let theirs = other.path().join("ca");
    fs::copy(theirs.join("area.pem"), folder.join("area.pending")).unwrap();
    assert_eq!(files.load(Rank::Area).unwrap().unwrap().key_id(), old.area.key_id());
    fs::copy(theirs.join("area.key"), folder.join("area.key")).unwrap();
    assert_eq!(files.load(Rank::Area).unwrap().unwrap().key_id(), new.area.key_id());
    fs::remove_file(folder.join("area.pending")).unwrap();
    assert!(matches!(files.load(Rank::Area), Err(PkiError::NoCertificate { .. })), "halves of two pairs");
}

#[test]
fn a_membership_is_found_again_even_when_it_has_expired() {
    let data = tempfile::tempdir().unwrap();
    let files = MemberFiles::new(data.path());
    assert!(files.load(now()).unwrap().is_none());
    let area = Area::new("harbour");
    let member = area.membership(DEVICE);
    let mut trust = area.trust();
    trust.take_list(&area.list(3, &[&serial()]), now()).unwrap();
    save(&files, &member, &trust);
    let found = files.load(later(48 * HOUR)).unwrap().unwrap();
    assert_eq!((found.membership.own, found.membership.leader), (member.own, member.leader));
    assert_eq!(found.membership.key.hash(), member.key.hash());
    assert_eq!((found.role, found.address.as_str()), (MemberRole::Agent, "fog.example:8444"));
    assert_eq!((found.trust.lists(), found.trust.roots()), (trust.lists(), trust.roots()));
    assert_eq!((found.trust.sequence(), found.refused.len()), (1, 1));
    let folder = data.path().join("member");
    assert_eq!([mode(&folder), mode(&folder.join("agent.pem"))], [0o700, 0o600]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "no draft is left");
}

#[test]
fn a_crash_while_another_area_is_joined_leaves_the_old_or_the_new_membership() {
    let data = tempfile::tempdir().unwrap();
    let files = MemberFiles::new(data.path());
    let (old, new) = (Area::new("harbour"), Area::new("forest"));
    save(&files, &old.membership(DEVICE), &old.trust());
    let other = tempfile::tempdir().unwrap();
    save(&MemberFiles::new(other.path()), &new.membership(DEVICE), &new.trust());
    let (folder, theirs) = (data.path().join("member"), other.path().join("member"));
    fs::copy(theirs.join("trust.pem"), folder.join("trust.pending")).unwrap();
    let found = files.load(now()).unwrap().unwrap();
    assert_eq!((found.membership.own.id.area(), found.trust.roots()), (Some("harbour"), old.trust().roots()));
    fs::copy(theirs.join("agent.pem"), folder.join("agent.pem")).unwrap();
    let found = files.load(now()).unwrap().unwrap();
    assert_eq!((found.membership.own.id.area(), found.trust.roots()), (Some("forest"), new.trust().roots()));
    let mut newer = found.trust;
    newer.take_list(&new.list(9, &[]), now()).unwrap();
    files.save_trust(&newer).unwrap();
    assert_eq!(files.load(now()).unwrap().unwrap().trust.list_numbers(), [(new.area.key_id(), 9)]);
    assert!(!folder.join("trust.pending").exists());
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let area = Area::new("harbour");
    let (authorities, members) = (AuthorityFiles::new(data.path()), MemberFiles::new(data.path()));
    authorities.save(Rank::Root, &area.root).unwrap();
    save(&members, &area.membership(DEVICE), &area.trust());
    for name in ["ca/root.key", "member/agent.pem"] {
        fs::set_permissions(data.path().join(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    for said in [authorities.load(Rank::Root).unwrap_err(), members.load(now()).unwrap_err()] {
        assert!(matches!(said, PkiError::KeyExposed { mode: 0o644, .. }), "{said}");
    }
}

#[test]
fn broken_files_are_refused_by_name_and_reason() {
    let data = tempfile::tempdir().unwrap();
    let files = MemberFiles::new(data.path());
    let area = Area::new("harbour");
    save(&files, &area.membership(DEVICE), &area.trust());
    let path = data.path().join("member/agent.pem");
    let whole = fs::read_to_string(&path).unwrap();
    for (from, to, part) in [
        ("leader: ", "chief: ", "leader"),
        ("role: agent", "role: king", "expected `agent` or `leader`"),
        ("PRIVATE KEY", "PUBLIC KEY", "private key"),
        ("CERTIFICATE", "NOTHING", "no such block"),
    ] {
        fs::write(&path, whole.replace(from, to)).unwrap();
        let said = files.load(now()).unwrap_err().to_string();
        assert!(said.contains(part) && said.contains("agent.pem"), "{said}");
    }
    fs::write(&path, &whole).unwrap();
    fs::write(data.path().join("member/trust.pem"), "sequence: x\n").unwrap();
    assert!(files.load(now()).unwrap_err().to_string().contains("sequence"));
}
