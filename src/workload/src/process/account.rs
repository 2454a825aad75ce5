//! Users of the machine, as `/etc/passwd` and `/etc/group` name them.

use std::fs;

use super::folder::Account;
use crate::error::BackendError;

/// Whom `user`, `user:group` or numbers mean.
pub(crate) fn resolve(user: &str) -> Result<Account, BackendError> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let group = fs::read_to_string("/etc/group").unwrap_or_default();
    find(user, &passwd, &group).ok_or_else(|| {
        BackendError::invalid(format!("this machine has no user or group `{}`", crate::check::shown(user)))
    })
}

fn find(user: &str, passwd: &str, groups: &str) -> Option<Account> {
    let (user, group) = user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
    let known = row(passwd, |fields| fields[0] == user || fields[2] == user);
    let uid = known.as_ref().map(|known| known.0).or_else(|| user.parse().ok())?;
    let gid = match group {
        Some(group) => row(groups, |fields| fields[0] == group).map(|known| known.0).or_else(|| group.parse().ok())?,
        // A number that nobody has stands for a group of the same number.
        None => known.map_or(Some(uid), |known| known.1)?,
    };
    Some(Account { uid, gid })
}

/// The number of the first row that fits, and what follows it if that is one, too.
fn row(text: &str, fits: impl Fn(&[&str]) -> bool) -> Option<(u32, Option<u32>)> {
    let rows = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = rows.into_iter().find(|fields| fields.len() >= 3 && fits(fields))?;
    Some((found[2].parse().ok()?, found.get(3).and_then(|group| group.parse().ok())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_number() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533:nobody:/:/usr/sbin/nologin\nbroken\n";
        let groups = "root:x:0:\nvideo:x:44:\n";
        let find = |user| find(user, passwd, groups).map(|it| (it.uid, it.gid));
        assert_eq!(find("root"), Some((0, 0)));
        assert_eq!(find("nobody"), Some((65534, 65533)));
        assert_eq!(find("65534"), Some((65534, 65533)));
        assert_eq!(find("nobody:video"), Some((65534, 44)));
        assert_eq!(find("1000"), Some((1000, 1000)));
        assert_eq!(find("1000:7"), Some((1000, 7)));
        assert_eq!(find("somebody"), None);
        assert_eq!(find("root:somebody"), None);
    }
}
