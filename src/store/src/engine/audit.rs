//! Reads the embedded engine's journals before the engine does, because the engine cuts a journal at the first thing it
//! does not understand, and so would drop acknowledged changes behind a damaged byte in silence.
//!
//! The format is that of fjall 3: a batch is `Start(1, items u32, seqno u64)`, its items, and `End(3, xxh3 u64, "FJL\x03")`;
//! an item is `(2, type u8, compression u8, keyspace u64, key length u16, value length u32, stored length u32, key, value)`;
//! all integers little-endian. A new file is 64 MiB of zeros.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3Default;

const MAGIC: &[u8] = b"FJL\x03";
const TAG_START: u8 = 1;
const TAG_ITEM: u8 = 2;
const TAG_END: u8 = 3;
const TAG_CLEAR: u8 = 4;
const ITEM_HEAD: usize = 21;

/// Tells the change position of an item's key and value, if it is a change.
type PositionOf<'a> = &'a dyn Fn(&[u8], &[u8]) -> Option<u64>;

/// What the journals hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// The newest change position in a whole batch, if the journals hold any.
    pub last_position: Option<u64>,
    /// The first place that is no whole batch and not blank, if any: the file, the offset, and how many bytes follow.
    pub broken: Option<(PathBuf, u64, u64)>,
    /// Whether a whole batch ends somewhere behind the broken place: then it is no torn tail.
    pub more_behind: bool,
}

/// Reads all journals of the engine in `directory`, oldest first. `position_of` tells the change position of an item's
/// key and value, if it is a change.
///
/// # Errors
/// The operating system's, with the file that could not be read.
pub fn audit_journals(directory: &Path, position_of: PositionOf<'_>) -> Result<Audit, (PathBuf, io::Error)> {
    let mut audit = Audit::default();
    for path in journals(directory).map_err(|error| (directory.to_owned(), error))? {
        let bytes = read_without_blank_end(&path).map_err(|error| (path.clone(), error))?;
        if audit.broken.is_some() {
            audit.more_behind |= !bytes.is_empty();
            continue;
        }
        let mut at = 0;
        while at < bytes.len() {
            match whole_batch(&bytes[at..], position_of) {
                Some((length, position)) => {
                    at += length;
                    audit.last_position = audit.last_position.max(position);
                }
                None => {
                    let rest = &bytes[at..];
                    audit.more_behind = later_batch(rest, position_of);
                    audit.broken = Some((path.clone(), at as u64, rest.len() as u64));
                    break;
                }
            }
        }
    }
    Ok(audit)
}

/// The journal files by number, which is their age.
fn journals(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".jnl"));
        if let Some(number) = number.and_then(|number| number.parse::<u64>().ok()) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The file's bytes without the zeros that it was laid out with.
fn read_without_blank_end(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let mut file = File::open(path)?;
    let mut chunk = vec![0u8; 256 * 1024];
    let mut blank = 0usize;
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        let used = chunk[..count].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if used == 0 {
            blank += count;
            continue;
        }
        bytes.resize(bytes.len() + blank, 0);
        bytes.extend_from_slice(&chunk[..used]);
        blank = count - used;
    }
    Ok(bytes)
}

/// The length of the whole batch at the start of `bytes` and the newest position in it.
fn whole_batch(bytes: &[u8], position_of: PositionOf<'_>) -> Option<(usize, Option<u64>)> {
    if *bytes.first()? != TAG_START {
        return None;
    }
    let items = u32::from_le_bytes(bytes.get(1..5)?.try_into().ok()?);
    let mut at = 13;
    let mut hash = Xxh3Default::new();
    let mut newest = None;
    for _ in 0..items {
        let length = match *bytes.get(at)? {
            TAG_ITEM => {
                let (length, position) = item(bytes.get(at..)?, position_of)?;
                newest = newest.max(position);
                length
            }
            TAG_CLEAR => 9,
            _ => return None,
        };
        hash.update(bytes.get(at..at + length)?);
        at += length;
    }
    let end = bytes.get(at..at + 13)?;
    let sum = u64::from_le_bytes(end[1..9].try_into().ok()?);
    (end[0] == TAG_END && sum == hash.digest() && &end[9..] == MAGIC).then_some((at + 13, newest))
}

/// The length of an item and the position it carries.
fn item(bytes: &[u8], position_of: PositionOf<'_>) -> Option<(usize, Option<u64>)> {
    let key_length = usize::from(u16::from_le_bytes(bytes.get(11..13)?.try_into().ok()?));
    let stored = u32::from_le_bytes(bytes.get(17..21)?.try_into().ok()?) as usize;
    let key = bytes.get(ITEM_HEAD..ITEM_HEAD + key_length)?;
    let value = bytes.get(ITEM_HEAD + key_length..ITEM_HEAD + key_length + stored)?;
    Some((ITEM_HEAD + key_length + stored, position_of(key, value)))
}

/// Whether a whole batch begins somewhere behind the first byte of `rest`.
fn later_batch(rest: &[u8], position_of: PositionOf<'_>) -> bool {
    rest.windows(MAGIC.len())
        .enumerate()
        .filter(|(_, window)| *window == MAGIC)
        .any(|(at, _)| rest.get(at + MAGIC.len()..).is_some_and(|next| whole_batch(next, position_of).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(key: &[u8], value: &[u8]) -> Vec<u8> {
        let mut item = vec![TAG_ITEM, 0, 0];
        item.extend(1u64.to_le_bytes());
        item.extend(u16::try_from(key.len()).unwrap().to_le_bytes());
        item.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        item.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        item.extend(key);
        item.extend(value);
        let mut hash = Xxh3Default::new();
        hash.update(&item);
        let mut bytes = vec![TAG_START, 1, 0, 0, 0];
        bytes.extend(9u64.to_le_bytes());
        bytes.extend(item);
        bytes.push(TAG_END);
        bytes.extend(hash.digest().to_le_bytes());
        bytes.extend(MAGIC);
        bytes
    }

    fn audited(contents: &[u8]) -> Audit {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("0.jnl"), contents).unwrap();
        let mut audit =
            audit_journals(directory.path(), &|key, _| key.try_into().ok().map(u64::from_be_bytes)).unwrap();
        if let Some((path, ..)) = &mut audit.broken {
            *path = path.file_name().unwrap().into();
        }
        audit
    }

    fn at(position: u64) -> Vec<u8> {
        batch(&position.to_be_bytes(), b"value")
    }

    #[test]
    fn whole_batches_before_a_blank_end_are_clean() {
        let bytes = [at(1), at(2), vec![0; 4096]].concat();
        assert_eq!(audited(&bytes), Audit { last_position: Some(2), ..Audit::default() });
    }

    #[test]
    fn a_batch_cut_short_is_a_torn_tail() {
        let whole = at(1);
        let torn = [whole.clone(), at(2)[..30].to_vec(), vec![0; 100]].concat();
        let audit = audited(&torn);
        assert_eq!(audit.last_position, Some(1));
        assert_eq!(audit.broken.as_ref().map(|(_, offset, _)| *offset), Some(whole.len() as u64));
        assert!(!audit.more_behind);
    }

    #[test]
    fn a_flipped_byte_before_a_whole_batch_is_damage() {
        let mut bytes = [at(1), at(2), at(3)].concat();
        let middle = at(1).len() + 40;
        bytes[middle] ^= 0x10;
        let audit = audited(&bytes);
        assert_eq!((audit.last_position, audit.more_behind), (Some(1), true));
    }
}
