//! How far followers of the change log have come, kept beside it: `cursor/<name>` to incarnation, position and a
//! checksum of both, each 8 bytes, little-endian.

use std::ops::ControlFlow;

use xxhash_rust::xxh3::Xxh3Default;

use crate::engine::{Batch, Engine, EngineError, Space};

const PREFIX: &str = "cursor/";

/// Adds the cursor to a batch, or its removal.
pub(crate) fn put(batch: &mut Batch, name: &str, incarnation: u64, position: Option<u64>) {
    let key = format!("{PREFIX}{name}");
    match position {
        None => batch.delete(Space::Meta, key.as_bytes()),
        Some(position) => {
            let mut value = incarnation.to_le_bytes().to_vec();
            value.extend(position.to_le_bytes());
            value.extend(sum(key.as_bytes(), &value).to_le_bytes());
            batch.put(Space::Meta, key.as_bytes(), value);
        }
    }
}

/// The cursors whose names begin with `prefix`, of this life of the store.
pub(crate) fn read(engine: &dyn Engine, prefix: &str, incarnation: u64) -> Result<Vec<(String, u64)>, EngineError> {
    let from = format!("{PREFIX}{prefix}");
    let mut found = Vec::new();
    engine.scan(Space::Meta, from.as_bytes(), &mut |key, value| {
        if !key.starts_with(from.as_bytes()) {
            return ControlFlow::Break(());
        }
        match (std::str::from_utf8(&key[PREFIX.len()..]), position(key, value, incarnation)) {
            (Ok(name), Some(position)) => found.push((name.to_owned(), position)),
            // Its follower begins anew, which costs it a repetition and no change.
            _ => {
                tracing::warn!(key = %String::from_utf8_lossy(key), "a cursor of the change log is of no use any more")
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

fn position(key: &[u8], value: &[u8], incarnation: u64) -> Option<u64> {
    let (fields, checksum) = value.split_at_checked(16)?;
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
    let whole = number(checksum)? == sum(key, fields) && number(&fields[..8])? == incarnation;
    whole.then(|| number(&fields[8..]))?
}

fn sum(key: &[u8], fields: &[u8]) -> u64 {
    let mut hash = Xxh3Default::new();
    hash.update(key);
    hash.update(fields);
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::MemoryEngine;

    #[test]
    fn a_cursor_is_read_back_by_its_own_life_of_the_store_alone() {
        let engine = MemoryEngine::default();
        let mut batch = Batch::default();
        for (name, position) in
            [("webhook/a", Some(7)), ("webhook/b", Some(8)), ("other/c", Some(9)), ("webhook/b", None)]
        {
            put(&mut batch, name, 3, position);
        }
        engine.commit(batch).unwrap();
        assert_eq!(read(&engine, "webhook/", 3).unwrap(), [("webhook/a".to_owned(), 7)]);
        assert_eq!(read(&engine, "webhook/", 4).unwrap(), []);
    }

    #[test]
    fn a_damaged_cursor_is_none() {
        let mut batch = Batch::default();
        put(&mut batch, "a", 3, Some(7));
        let Some(crate::engine::Write::Put(_, key, mut value)) = batch.writes.pop() else { panic!("a put") };
        assert_eq!(position(&key, &value, 3), Some(7));
        value[9] ^= 1;
        assert_eq!(position(&key, &value, 3), None);
        assert_eq!(position(&key, &value[..5], 3), None);
    }
}
