//! Every reader of strange bytes, on the same input: none may panic, and what is accepted can be walked again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thexr_schema::frame::Messages;
use thexr_schema::scan::{scan_awareness, scan_state_vector, scan_update, visit_structs};
use thexr_schema::stroke;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(scan) = scan_update(bytes) {
        let mut clocks = 0u64;
        visit_structs(bytes, |unit| clocks += u64::from(unit.len)).expect("accepted bytes are walked again");
        let carried: u64 = scan.clients.iter().map(|range| u64::from(range.end - range.start)).sum();
        assert_eq!(clocks, carried);
    }
    let _ = scan_state_vector(bytes);
    let _ = scan_awareness(bytes);
    let _ = Messages::new(bytes).count();
    if let Ok(points) = stroke::unpack(bytes) {
        assert_eq!(stroke::unpack(&stroke::pack(&points)), Ok(points));
    }
});
