//! The readers of `/presence`: none may panic, and what is accepted says what it said.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thexr_schema::presence::{Down, Payloads, Up};

fuzz_target!(|bytes: &[u8]| {
    for payload in Payloads::new(bytes).flatten() {
        if let Ok(up) = Up::read(payload)
            && !matches!(up, Up::Unknown(_))
        {
            assert_eq!(Up::read(&up.write()), Ok(up));
        }
        if let Ok(Down::Tick(tick)) = Down::read(payload) {
            tick.records().for_each(|(_, record)| drop(record.pose()));
            let _ = tick.dots().count();
        }
    }
});
