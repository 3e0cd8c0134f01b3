//! What `shim.c` wrote down, read back.

use std::ops::Range;
use std::path::Path;

/// One change to a file or folder. Text is a range of [`Log::bytes`], like data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A program began.
    Start,
    /// A file or folder was opened under this descriptor.
    Open {
        fd: i32,
        create: bool,
        truncate: bool,
        path: String,
    },
    /// These bytes went to this offset.
    Write {
        fd: i32,
        at: u64,
        data: Range<usize>,
    },
    /// The file was given this length.
    Truncate {
        fd: i32,
        len: u64,
    },
    /// An fsync began: what came before it is durable when it ends.
    SyncBegin {
        fd: i32,
    },
    /// It ended well.
    SyncEnd {
        fd: i32,
    },
    Rename {
        from: String,
        to: String,
    },
    Unlink {
        path: String,
    },
    Mkdir {
        path: String,
    },
}

/// One record.
#[derive(Debug, Clone)]
pub struct Record {
    /// When, on the clock of [`crate::monotonic_ns`].
    pub ns: i64,
    pub change: Change,
}

/// The whole log.
pub struct Log {
    pub records: Vec<Record>,
    /// The file the records came from: what their ranges point into.
    pub bytes: Vec<u8>,
}

const HEADER_BYTES: usize = 32;
const O_CREAT: u64 = 0o100;
const O_TRUNC: u64 = 0o1000;

impl Log {
    /// Reads a log; a record cut off at the end (the program was killed) is left out.
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).expect("the shim wrote a log");
        let mut records = Vec::new();
        let mut pos = 0;
        while let Some(header) = bytes.get(pos..pos + HEADER_BYTES) {
            let u64_at = |at: usize| u64::from_ne_bytes(*header[at..].first_chunk().expect("8 bytes"));
            let u32_at = |at: usize| u32::from_ne_bytes(*header[at..].first_chunk().expect("4 bytes"));
            let (kind, fd, offset, len) =
                (u32_at(0), u32_at(4).cast_signed(), u64_at(8), u64_at(16) as usize);
            let data = pos + HEADER_BYTES..pos + HEADER_BYTES + len;
            let Some(payload) = bytes.get(data.clone()) else {
                break;
            };
            let text = || String::from_utf8(payload.to_vec()).expect("paths are UTF-8");
            let change = match kind {
                1 => Change::Start,
                2 => Change::Open {
                    fd,
                    create: offset & O_CREAT != 0,
                    truncate: offset & O_TRUNC != 0,
                    path: text(),
                },
                3 => Change::Write {
                    fd,
                    at: offset,
                    data: data.clone(),
                },
                4 => Change::Truncate { fd, len: offset },
                5 => Change::SyncBegin { fd },
                6 => Change::SyncEnd { fd },
                7 => {
                    let both = text();
                    let (from, to) = both.split_once('\n').expect("two paths");
                    Change::Rename {
                        from: from.into(),
                        to: to.into(),
                    }
                }
                8 => Change::Unlink { path: text() },
                9 => Change::Mkdir { path: text() },
                other => panic!("a record of kind {other} at byte {pos}"),
            };
            records.push(Record {
                ns: u64_at(24).cast_signed(),
                change,
            });
            pos = data.end;
        }
        Self { records, bytes }
    }
}
