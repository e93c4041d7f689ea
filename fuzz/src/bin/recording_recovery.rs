//! A file that was cut off, or that somebody else put there.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use sluice_recorder::recover;

fuzz_target!(|data: &[u8]| {
    if let Ok(Some(repair)) = recover(&mut Cursor::new(data)) {
        assert!(usize::try_from(repair.keep).is_ok_and(|keep| keep <= data.len()));
        let end = repair.keep + repair.append.len() as u64;
        for patch in &repair.patches {
            assert!(patch.offset + patch.bytes.len() as u64 <= end, "patches lie within the file");
        }
    }
});
