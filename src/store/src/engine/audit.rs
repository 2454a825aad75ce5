//! Reads the embedded engine's journals before the engine does, because the engine cuts a journal at the first thing it
//! does not understand, and so would drop acknowledged changes behind a damaged byte in silence.
//!
//! The format is that of fjall 3: a batch is `Start(1, items u32, seqno u64)`, its items, and `End(3, xxh3 u64, "FJL\x03")`;
//! an item is `(2, type u8, compression u8, keyspace u64, key length u16, value length u32, stored length u32, key, value)`;
//! all integers little-endian. The sum covers the items alone; the seqno grows from batch to batch, also from one file to
//! the next. A new file is 64 MiB of zeros.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3Default;

const MAGIC: &[u8] = b"FJL\x03";
const TAG_START: u8 = 1;
const TAG_ITEM: u8 = 2;
const TAG_END: u8 = 3;
const TAG_CLEAR: u8 = 4;
const START: usize = 13;
const ITEM_HEAD: usize = 21;
/// The engine counts its batches in 63 bits.
const MAX_SEQNO: u64 = 1 << 63;

/// Tells the change position of an item's key and value, if it is a change.
type PositionOf<'a> = &'a dyn Fn(&[u8], &[u8]) -> Option<u64>;

/// What the journals hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Audit {
    /// The newest change position in a whole batch before any broken place, if there is one.
    pub(super) last_position: Option<u64>,
    /// All journals, oldest first.
    pub(super) files: Vec<PathBuf>,
    /// Where the last whole batch ends, as an index of `files` and an offset.
    pub(super) end: (usize, u64),
    /// The first place that is no whole batch and not blank, if any.
    pub(super) broken: Option<Broken>,
}

/// See [`Audit::broken`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// The file, as an index of [`Audit::files`].
    pub(super) file: usize,
    /// Where the batch begins that is broken.
    pub(super) offset: u64,
    /// How many bytes follow from there in this file.
    pub(super) length: u64,
    /// The first change position that can still be read in it.
    pub(super) position: Option<u64>,
    /// Whether a whole batch ends somewhere behind: then it is no torn tail.
    pub(super) more_behind: bool,
}

/// A batch that is whole.
struct Whole {
    length: usize,
    seqno: u64,
    newest: Option<u64>,
}

/// The last batches seen, to hold the next one's seqno against.
#[derive(Default)]
struct Order {
    before: Option<u64>,
    last: Option<Place>,
}

struct Place {
    file: usize,
    offset: usize,
    seqno: u64,
    /// What [`Audit::last_position`] and [`Audit::end`] were before it.
    position_before: Option<u64>,
    end_before: (usize, u64),
}

/// Reads all journals of the engine in `directory`, oldest first. `position_of` tells the change position of an item's
/// key and value, if it is a change.
///
/// # Errors
/// The operating system's, with the file that could not be read.
pub(super) fn audit_journals(directory: &Path, position_of: PositionOf<'_>) -> Result<Audit, (PathBuf, io::Error)> {
    let files = journals(directory).map_err(|error| (directory.to_owned(), error))?;
    let mut audit = Audit { files, ..Audit::default() };
    let mut order = Order::default();
    for file in 0..audit.files.len() {
        let path = &audit.files[file];
        let bytes = read_without_blank_end(path).map_err(|error| (path.clone(), error))?;
        match &mut audit.broken {
            Some(broken) => broken.more_behind |= !bytes.is_empty(),
            None => audit.read(file, &bytes, &mut order, position_of),
        }
    }
    Ok(audit)
}

impl Audit {
    fn read(&mut self, file: usize, bytes: &[u8], order: &mut Order, position_of: PositionOf<'_>) {
        let mut at = 0;
        self.end = (file, 0);
        while at < bytes.len() {
            let rest = &bytes[at..];
            let Some(whole) = whole_batch(rest, position_of) else {
                let position = readable_position(rest, position_of);
                let more_behind = later_batch(rest, position_of);
                self.broken =
                    Some(Broken { file, offset: at as u64, length: rest.len() as u64, position, more_behind });
                return;
            };
            let grows = order.last.as_ref().is_none_or(|last| last.seqno < whole.seqno);
            if !grows || whole.seqno >= MAX_SEQNO {
                self.out_of_order(file, at, bytes.len(), &whole, order);
                return;
            }
            order.before = order.last.as_ref().map(|last| last.seqno);
            let (position_before, end_before) = (self.last_position, self.end);
            order.last = Some(Place { file, offset: at, seqno: whole.seqno, position_before, end_before });
            at += whole.length;
            self.end = (file, at as u64);
            self.last_position = self.last_position.max(whole.newest);
        }
    }

    /// The seqno is not in the sum, so a hit there shows only in the order: of the two batches that do not fit, the one
    /// is to blame whose neighbours fit without it.
    fn out_of_order(&mut self, file: usize, at: usize, length: usize, whole: &Whole, order: &mut Order) {
        let fits_without_last = whole.seqno < MAX_SEQNO && order.before.is_none_or(|before| before < whole.seqno);
        let here =
            Broken { file, offset: at as u64, length: (length - at) as u64, position: whole.newest, more_behind: true };
        self.broken = Some(match order.last.take().filter(|last| fits_without_last && last.file == file) {
            Some(last) => {
                self.last_position = last.position_before;
                self.end = last.end_before;
                Broken { offset: last.offset as u64, length: (length - last.offset) as u64, position: None, ..here }
            }
            None => here,
        });
    }
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
    let zeros = chunk.clone();
    let mut blank = 0usize;
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        if chunk[..count] == zeros[..count] {
            blank += count;
            continue;
        }
        let used = chunk[..count].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        bytes.resize(bytes.len() + blank, 0);
        bytes.extend_from_slice(&chunk[..used]);
        blank = count - used;
    }
    Ok(bytes)
}

/// The whole batch at the start of `bytes`.
fn whole_batch(bytes: &[u8], position_of: PositionOf<'_>) -> Option<Whole> {
    if *bytes.first()? != TAG_START {
        return None;
    }
    let items = u32::from_le_bytes(bytes.get(1..5)?.try_into().ok()?);
    let seqno = u64::from_le_bytes(bytes.get(5..START)?.try_into().ok()?);
    let mut at = START;
    let mut newest = None;
    for _ in 0..items {
        let (length, position) = item(bytes.get(at..)?, position_of)?;
        newest = newest.max(position);
        at += length;
    }
    let end = bytes.get(at..at + 13)?;
    if end[0] != TAG_END || &end[9..] != MAGIC {
        return None;
    }
    let mut hash = Xxh3Default::new();
    hash.update(&bytes[START..at]);
    let sum = u64::from_le_bytes(end[1..9].try_into().ok()?);
    (sum == hash.digest()).then_some(Whole { length: at + 13, seqno, newest })
}

/// The length of an item and the position it carries.
fn item(bytes: &[u8], position_of: PositionOf<'_>) -> Option<(usize, Option<u64>)> {
    match *bytes.first()? {
        TAG_ITEM => {}
        TAG_CLEAR => return Some((9, None)),
        _ => return None,
    }
    let key_length = usize::from(u16::from_le_bytes(bytes.get(11..13)?.try_into().ok()?));
    let stored = u32::from_le_bytes(bytes.get(17..21)?.try_into().ok()?) as usize;
    let key = bytes.get(ITEM_HEAD..ITEM_HEAD + key_length)?;
    let value = bytes.get(ITEM_HEAD + key_length..ITEM_HEAD + key_length + stored)?;
    Some((ITEM_HEAD + key_length + stored, position_of(key, value)))
}

/// The first change position in a broken batch, as far as it can be read.
fn readable_position(bytes: &[u8], position_of: PositionOf<'_>) -> Option<u64> {
    let mut at = START;
    loop {
        match item(bytes.get(at..)?, position_of)? {
            (_, Some(position)) => return Some(position),
            (length, None) => at += length,
        }
    }
}

/// Whether a whole batch begins somewhere behind the first byte of `rest`.
fn later_batch(rest: &[u8], position_of: PositionOf<'_>) -> bool {
    let may_begin =
        |at: &usize| rest[*at] == TAG_START && matches!(rest.get(at + START), Some(&(TAG_ITEM | TAG_CLEAR)));
    (1..rest.len()).filter(may_begin).any(|at| whole_batch(&rest[at..], position_of).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(seqno: u64, key: &[u8], value: &[u8]) -> Vec<u8> {
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
        bytes.extend(seqno.to_le_bytes());
        bytes.extend(item);
        bytes.push(TAG_END);
        bytes.extend(hash.digest().to_le_bytes());
        bytes.extend(MAGIC);
        bytes
    }

    fn audited(journals: &[&[u8]]) -> Audit {
        let directory = tempfile::tempdir().unwrap();
        for (number, contents) in journals.iter().enumerate() {
            std::fs::write(directory.path().join(format!("{number}.jnl")), contents).unwrap();
        }
        audit_journals(directory.path(), &|key, _| key.try_into().ok().map(u64::from_be_bytes)).unwrap()
    }

    fn at(position: u64) -> Vec<u8> {
        batch(position + 10, &position.to_be_bytes(), b"value")
    }

    fn broken(audit: &Audit) -> (u64, bool) {
        audit.broken.as_ref().map(|broken| (broken.offset, broken.more_behind)).unwrap()
    }

    #[test]
    fn whole_batches_before_a_blank_end_are_clean() {
        let bytes = [at(1), at(2), vec![0; 4096]].concat();
        let audit = audited(&[&bytes]);
        assert_eq!((audit.last_position, audit.broken, audit.end), (Some(2), None, (0, 2 * at(1).len() as u64)));
    }

    #[test]
    fn a_batch_cut_short_is_a_torn_tail_whose_change_is_told() {
        let torn = [at(1), at(2)[..50].to_vec(), vec![0; 100]].concat();
        let audit = audited(&[&torn]);
        assert_eq!((audit.last_position, broken(&audit)), (Some(1), (at(1).len() as u64, false)));
        assert_eq!(audited(&[&at(7)[..50]]).broken.unwrap().position, Some(7));
        assert_eq!(audited(&[&at(7)[..20]]).broken.unwrap().position, None);
    }

    #[test]
    fn any_flipped_byte_before_a_whole_batch_is_damage_at_its_own_batch() {
        let length = at(1).len();
        for hit in 0..2 * length {
            let mut bytes = [at(1), at(2), at(3)].concat();
            bytes[hit] ^= 0x10;
            let audit = audited(&[&bytes]);
            let found = audit.broken.unwrap_or_else(|| panic!("byte {hit}"));
            assert!(found.more_behind, "byte {hit}");
            assert_eq!(found.offset as usize, hit / length * length, "byte {hit}");
        }
    }

    #[test]
    fn a_hole_at_the_end_of_a_file_with_another_behind_it_is_damage() {
        let torn = at(1)[..40].to_vec();
        assert_eq!(broken(&audited(&[&torn, &at(2)])), (0, true));
        assert_eq!(broken(&audited(&[&torn, &[0; 4096]])), (0, false));
    }

    #[test]
    fn the_order_of_batches_holds_across_files() {
        assert_eq!(broken(&audited(&[&at(5), &at(4)])), (0, true));
        assert_eq!(audited(&[&at(4), &at(5)]).last_position, Some(5));
    }
}
