//! The corpus of bad input for `/sync`: rows 38 to 89 of the notes, as bytes and what must come of them.

use crate::fixtures;
use crate::raw::frame;
use thexr_schema::frame as message;

/// What the server does with a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Closes with this code and a reason that begins so.
    Close(u16, &'static str),
    /// Goes on: a 102 after it is echoed.
    Goes,
    /// Asks for what is missing, and goes on.
    Gap,
}

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// The row of the corpus; 0 for a case of our own.
    pub row: u64,
    /// What it is, in words.
    pub name: String,
    /// What goes down the connection after the handshake.
    pub bytes: Vec<u8>,
    /// What must come of it.
    pub expect: Expect,
}

/// Rows that need roles, which come later.
pub const DEFERRED: [u64; 2] = [62, 63];
/// Rows that have a test of their own, for a reset (47) and for a reused client id (84).
pub const ELSEWHERE: [u64; 2] = [47, 84];

const BAD: Expect = Expect::Close(4400, "bad_message");
const PROTOCOL: Expect = Expect::Close(1002, "protocol_error");

/// Every case.
pub fn all() -> Vec<Case> {
    [
        framing(),
        messages(),
        syncs(),
        state_vectors(),
        updates(),
        awareness(),
    ]
    .concat()
}

fn case(row: u64, name: &str, bytes: Vec<u8>, expect: Expect) -> Case {
    Case {
        row,
        name: name.to_owned(),
        bytes,
        expect,
    }
}

/// Rows 38 to 46: what breaks RFC 6455.
pub fn framing() -> Vec<Case> {
    let mut unmasked = frame(0x82, b"");
    unmasked.truncate(2);
    unmasked[1] = 0;
    let huge = [&[0x82, 0xFF][..], &(1u64 << 63).to_be_bytes(), &[0; 4]].concat();
    let big = [
        &[0x82, 0xFF][..],
        &(4u64 * 1024 * 1024 + 1).to_be_bytes(),
        &[0; 4],
    ]
    .concat();
    let mut pieces = frame(0x02, b"x");
    for _ in 0..5_000 {
        pieces.extend(frame(0x00, b"x"));
    }
    let mut whole = frame(0x02, &[0; 1 << 20]);
    for _ in 0..4 {
        whole.extend(frame(0x00, &[0; 1 << 20]));
    }
    let too_big = Expect::Close(1009, "message_too_big");
    let close = |code: u16| frame(0x88, &code.to_be_bytes());
    vec![
        case(
            38,
            "a text frame",
            frame(0x81, b"hello"),
            Expect::Close(1003, "text"),
        ),
        case(39, "an unmasked frame", unmasked, PROTOCOL),
        case(40, "a frame with RSV1", frame(0xC2, b"x"), PROTOCOL),
        case(41, "opcode 3", frame(0x83, b"x"), PROTOCOL),
        case(42, "a length of 2^63", huge, too_big.clone()),
        case(42, "a length of 4 MiB and one", big, too_big.clone()),
        case(43, "one byte at a time", pieces, too_big.clone()),
        case(43, "5 MiB in pieces of 1 MiB", whole, too_big),
        case(44, "a ping of 126 bytes", frame(0x89, &[0; 126]), PROTOCOL),
        case(44, "a ping in pieces", frame(0x09, b"x"), PROTOCOL),
        case(45, "a continuation of nothing", frame(0x80, b"x"), PROTOCOL),
        case(
            45,
            "a message inside a message",
            [frame(0x02, b"x"), frame(0x82, b"x")].concat(),
            PROTOCOL,
        ),
        case(46, "close code 999", close(999), Expect::Close(1002, "")),
        case(46, "close code 1005", close(1005), Expect::Close(1002, "")),
        case(
            46,
            "a close of one byte",
            frame(0x88, &[9]),
            Expect::Close(1002, ""),
        ),
        case(
            46,
            "a close reason that is not UTF-8",
            frame(0x88, &[3, 0xE8, 0xFF]),
            Expect::Close(1002, ""),
        ),
    ]
}

/// Rows 48 to 55 and 61: what breaks SPEC W, from the golden frames and by hand.
pub fn messages() -> Vec<Case> {
    let by_hand = [
        (48, "an empty message", vec![], BAD),
        (
            49,
            "a varint of eleven bytes",
            [&[0x80; 10][..], &[1]].concat(),
            BAD,
        ),
        (50, "a length beyond the rest", vec![0, 2, 5, 1, 2], BAD),
        (51, "an overlong zero", vec![0x80, 0x80, 0], BAD),
        (52, "message 255", vec![0xFF, 1, 1, 2, 3], Expect::Goes),
        (
            54,
            "a length of 2^53",
            [&[0, 2][..], &[0x80; 7], &[0x10]].concat(),
            BAD,
        ),
        (
            55,
            "two messages in a frame",
            [message::sync_step2(&[0, 0]), message::ack(b"")].concat(),
            Expect::Goes,
        ),
        (61, "sync type 7", vec![0, 7, 0], BAD),
    ];
    let golden = fixtures::cases("frames");
    let faults = golden.iter().filter_map(|golden| {
        let messages = golden.json["messages"].as_array()?;
        let fault = messages.iter().any(|m| m["fault"].is_string());
        fault.then(|| case(0, &golden.name, frame(0x82, &golden.bytes), BAD))
    });
    let by_hand = by_hand.map(|(row, name, bytes, expect)| case(row, name, frame(0x82, &bytes), expect));
    by_hand.into_iter().chain(faults).collect()
}

/// Rows 59 and 60.
pub fn syncs() -> Vec<Case> {
    let step = frame(0x82, &message::sync_step1(&[0]));
    let steps = step.repeat(thexr::limits::SYNC_STEPS_MAX as usize + 1);
    let answer = frame(0x82, &message::sync_step2(&[0, 0]));
    vec![
        case(59, "an answer before any question", answer, Expect::Goes),
        case(
            60,
            "six questions at once",
            steps,
            Expect::Close(4529, "rate_limited"),
        ),
    ]
}

/// Rows 53 and 56 to 58: what breaks SPEC S5.
pub fn state_vectors() -> Vec<Case> {
    let step = |bytes: &[u8]| frame(0x82, &message::sync_step1(bytes));
    let golden = fixtures::cases("state_vectors");
    let cases = golden.iter().map(|golden| {
        let expect = if golden.ok { Expect::Goes } else { BAD };
        case(golden.row, &golden.name, step(&golden.bytes), expect)
    });
    cases.collect()
}

/// Rows 48 to 54 and 64 to 83: what breaks SPEC U, live and as an answer; and what waits for something unknown.
pub fn updates() -> Vec<Case> {
    let mut cases = Vec::new();
    for golden in fixtures::cases("updates") {
        let expect = match (golden.ok, golden.row) {
            (false, _) => BAD,
            (true, 73 | 82) => Expect::Gap,
            (true, _) => continue,
        };
        let live = frame(0x82, &message::update(&golden.bytes));
        let answer = frame(0x82, &message::sync_step2(&golden.bytes));
        cases.push(case(golden.row, &golden.name, live, expect.clone()));
        let name = format!("{}, as an answer", golden.name);
        cases.push(case(golden.row, &name, answer, expect));
    }
    cases
}

/// Rows 85 to 89: what breaks SPEC S7.
pub fn awareness() -> Vec<Case> {
    let golden = fixtures::cases("awareness");
    let bad = golden.iter().filter(|golden| !golden.ok);
    bad.map(|golden| {
        case(
            golden.row,
            &golden.name,
            frame(0x82, &message::awareness(&golden.bytes)),
            BAD,
        )
    })
    .collect()
}
