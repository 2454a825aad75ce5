//! Small things that actors keep beside the documents: `state/<key>` to `version u8, checksum u64` and what is kept.

use std::ops::ControlFlow;

use xxhash_rust::xxh3::Xxh3Default;

use crate::engine::{Batch, Engine, EngineError, RESTORE_ADVICE, Space};
use crate::error::StoreError;

const PREFIX: &str = "state/";
const VERSION: u8 = 1;
/// The longest key, in bytes.
const MAX_KEY: usize = 200;
/// The most that is kept under one key, in bytes.
const MAX_VALUE: usize = 256 << 10;

/// Adds what is kept to a batch, or its removal.
pub(crate) fn put(batch: &mut Batch, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
    for (size, limit) in [(key.len(), MAX_KEY), (value.map_or(0, <[u8]>::len), MAX_VALUE)] {
        if size > limit {
            return Err(StoreError::TooLarge { size, limit });
        }
    }
    let key = format!("{PREFIX}{key}");
    match value {
        None => batch.delete(Space::Meta, key.as_bytes()),
        Some(value) => {
            let mut bytes = vec![VERSION];
            bytes.extend(sum(key.as_bytes(), value).to_le_bytes());
            bytes.extend(value);
            batch.put(Space::Meta, key.as_bytes(), bytes);
        }
    }
    Ok(())
}

/// What is kept under a key.
pub(crate) fn read(engine: &dyn Engine, key: &str) -> Result<Option<Vec<u8>>, EngineError> {
    let key = format!("{PREFIX}{key}");
    let Some(bytes) = engine.get(Space::Meta, key.as_bytes())? else { return Ok(None) };
    match checked(key.as_bytes(), &bytes) {
        Some(value) => Ok(Some(value.to_vec())),
        // Whoever keeps it has promised something by it: it must not look as if there were none.
        None => Err(EngineError::Damaged {
            file: "meta".into(),
            offset: 0,
            what: format!("`{key}` is not what was written"),
            advice: RESTORE_ADVICE,
        }),
    }
}

/// What is kept under keys that begin so, in their order. What is not what was written is passed over.
pub(crate) fn read_all(engine: &dyn Engine, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, EngineError> {
    let (from, mut found) = (format!("{PREFIX}{prefix}"), Vec::new());
    engine.scan(Space::Meta, from.as_bytes(), &mut |key, bytes| {
        if !key.starts_with(from.as_bytes()) {
            return ControlFlow::Break(());
        }
        let name = std::str::from_utf8(key).ok().and_then(|key| key.strip_prefix(PREFIX));
        match (name, checked(key, bytes)) {
            (Some(name), Some(value)) => found.push((name.to_owned(), value.to_vec())),
            _ => tracing::warn!(key = %String::from_utf8_lossy(key), "something that was kept is damaged: it is passed over"),
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// The value, if it is what was written.
fn checked<'b>(key: &[u8], bytes: &'b [u8]) -> Option<&'b [u8]> {
    match bytes.split_at_checked(9) {
        Some(([VERSION, checksum @ ..], value)) if *checksum == sum(key, value).to_le_bytes() => Some(value),
        _ => None,
    }
}

fn sum(key: &[u8], value: &[u8]) -> u64 {
    let mut hash = Xxh3Default::new();
    hash.update(key);
    hash.update(value);
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::MemoryEngine;

    #[test]
    fn what_is_kept_is_read_back_and_damage_is_no_absence() {
        let engine = MemoryEngine::new();
        let mut batch = Batch::default();
        put(&mut batch, "raft/a", Some(b"vote")).unwrap();
        put(&mut batch, "raft/b", Some(b"")).unwrap();
        put(&mut batch, "raft/c", Some(b"x")).unwrap();
        put(&mut batch, "raft/c", None).unwrap();
        engine.commit(batch).unwrap();
        let read = |key| read(&engine, key).unwrap();
        assert_eq!((read("raft/a"), read("raft/b"), read("raft/c")), (Some(b"vote".to_vec()), Some(vec![]), None));
        let mut value = engine.get(Space::Meta, b"state/raft/a").unwrap().unwrap();
        value[10] ^= 1;
        let mut batch = Batch::default();
        batch.put(Space::Meta, b"state/raft/a", value);
        engine.commit(batch).unwrap();
        assert!(super::read(&engine, "raft/a").is_err());
        let all = read_all(&engine, "raft/").unwrap();
        assert_eq!(all, [("raft/b".to_owned(), vec![])], "what is damaged is passed over");
        assert_eq!(read_all(&engine, "rafts/").unwrap(), []);
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let mut batch = Batch::default();
        assert!(put(&mut batch, &"k".repeat(200), Some(&vec![0; 256 << 10])).is_ok());
        assert!(put(&mut batch, &"k".repeat(201), None).is_err());
        assert!(put(&mut batch, "k", Some(&vec![0; (256 << 10) + 1])).is_err());
    }
}
