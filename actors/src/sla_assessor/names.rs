//! The names of what an assessment writes: from the key of the finding and the node of who writes it.
//!
//! The same finding has the same name each time, so that a crash or a replay makes no second document. Two agents that find the same
//! have different names for it, because a document belongs to one agent; but each name tells the other's: the last group of digits is
//! the writer, all before it is the finding. The form is a UUID of version 8 (RFC 9562, 5.8).

use mf2c_sla::Key;
use mf2c_store::record::NodeId;

/// How many hexadecimal digits stand for the writer.
const WRITER: usize = 12;

/// The name of the document in which `node` writes a finding down: 72 bits of the key, 48 of the node.
pub(super) fn name_of(key: Key, node: &NodeId) -> String {
    let high = key.0 >> 80;
    let (middle, low) = (key.0 >> 68 & 0xfff, key.0 >> 56 & 0xfff);
    format!("{:08x}-{:04x}-8{middle:03x}-8{low:03x}-{}", high >> 16, high & 0xffff, writer(node))
}

/// How names tell of a node.
fn writer(node: &NodeId) -> String {
    node.iter().take(WRITER / 2).map(|byte| format!("{byte:02x}")).collect()
}

/// What is known of the key of a finding that `node` has written down: all that its name shows, which gives the same name again.
pub(super) fn key_of(name: &str, node: &NodeId) -> Option<Key> {
    if name.rsplit_once('-')?.1 == writer(node) { key_shown(name) } else { None }
}

/// The same, whoever wrote it.
pub(super) fn key_shown(name: &str) -> Option<Key> {
    let digits: String = finding(name)?.split('-').collect();
    let whole = u128::from_str_radix(&digits, 16).ok()?;
    let (high, middle, low) = (whole >> 32, whole >> 16 & 0xfff, whole & 0xfff);
    Some(Key(high << 80 | middle << 68 | low << 56))
}

/// The name of the same finding by another writer; none if `name` is no such name.
pub(super) fn twin(name: &str, node: &NodeId) -> Option<String> {
    let finding = finding(name)?;
    Some(format!("{finding}-{}", writer(node)))
}

/// The part of a name that tells what was found.
pub(super) fn finding(name: &str) -> Option<&str> {
    let (finding, writer) = name.rsplit_once('-')?;
    let groups: Vec<&str> = finding.split('-').collect();
    let is_one = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4])
        && writer.len() == WRITER
        && groups.get(2).is_some_and(|group| group.starts_with('8'))
        && groups.get(3).is_some_and(|group| group.starts_with('8'))
        && name.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    is_one.then_some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_writers_of_one_finding_know_each_others_names() {
        let (one, other) = ([0x11; 16], [0xab; 16]);
        let key = Key(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        let name = name_of(key, &one);
        assert_eq!(name, "01234567-89ab-8cde-8f00-111111111111");
        assert_eq!(twin(&name, &other), Some(name_of(key, &other)));
        assert_eq!(key_of(&name, &one).map(|key| name_of(key, &one)), Some(name.clone()));
        assert_eq!(key_of(&name, &other), None);
        assert_eq!(twin(&name, &one), Some(name));
    }

    #[test]
    fn other_names_have_no_twin() {
        for name in [
            "",
            "a",
            "01234567-89ab-4cde-8f00-111111111111",
            "01234567-89ab-8cde-8f00-1111",
            "x1234567-89ab-8cde-8f00-111111111111",
        ] {
            assert_eq!(twin(name, &[1; 16]), None, "{name}");
        }
    }
}
