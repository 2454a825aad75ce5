//! Any bytes found on disk or in a backup are the record that was written, or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mf2c_store::read_backup;
use mf2c_store::record::{ChangeRecord, DocumentRecord};

fuzz_target!(|data: &[u8]| {
    let (key, bytes) = data.split_at(data.len().min(8));
    if let Ok(record) = DocumentRecord::decode(key, bytes) {
        assert_eq!(DocumentRecord::decode(key, &record.encode(key)), Ok(record));
    }
    if let Ok(record) = ChangeRecord::decode(key, bytes) {
        assert_eq!(ChangeRecord::decode(key, &record.encode(key)), Ok(record));
    }
    let _ = read_backup(std::io::Cursor::new(data), &mut |_, _| Ok(()));
});
