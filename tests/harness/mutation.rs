//! Mutated updates: scanner, engine, JSON, encode, reload, compare. What the scanner lets pass must neither panic
//! nor hang, nor mean one thing before a reload and another after it.

mod corpus;
mod generate;
mod mutate;

pub use corpus::Base;

use crate::rng::Rng;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use thexr::space::doc::{CheckedUpdate, Encoding, Keep, Refused, SpaceDoc};
use thexr_schema::content::Content;
use thexr_schema::scan;

/// How long one case may take.
const CASE_MAX: Duration = Duration::from_secs(5);

/// What became of the updates.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Updates tried.
    pub updates: u64,
    /// Taken by the engine and found the same after every reload.
    pub accepted: u64,
    /// Fine, but nothing new.
    pub known: u64,
    /// Refused by the scanner, by fault.
    pub faults: BTreeMap<&'static str, u64>,
    /// Refused by the document.
    pub refused: BTreeMap<String, u64>,
    /// What must not be.
    pub findings: Vec<Finding>,
}

/// A case that went wrong.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What happened.
    pub what: String,
    /// The number of the case, for `--first`.
    pub case: u64,
    /// The state before it, hex.
    pub state: String,
    /// The updates applied to it, hex, each with what became of it.
    pub updates: Vec<(String, String)>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.updates += other.updates;
        self.accepted += other.accepted;
        self.known += other.known;
        for (code, n) in other.faults {
            *self.faults.entry(code).or_default() += n;
        }
        for (why, n) in other.refused {
            *self.refused.entry(why).or_default() += n;
        }
        self.findings.extend(other.findings);
    }

    /// A few lines for people.
    pub fn summary(&self) -> String {
        let faults: u64 = self.faults.values().sum();
        format!(
            "{} updates: {} accepted, {} known, {faults} refused by the scanner, {} by the document, {} findings\n\
             scanner: {:?}\ndocument: {:?}",
            self.updates,
            self.accepted,
            self.known,
            self.refused.values().sum::<u64>(),
            self.findings.len(),
            self.faults,
            self.refused,
        )
    }
}

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Tries updates from number `first` on, `count` in all, on `threads` threads.
///
/// # Panics
/// Aborts the process with the case printed when one takes longer than `CASE_MAX`.
pub fn run(seed: u64, first: u64, count: u64, threads: usize) -> Tally {
    let bases = Arc::new(corpus::bases());
    let next = Arc::new(AtomicU64::new(first));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| {
        PANIC.with_borrow_mut(|text| *text = info.to_string())
    }));
    let total = Arc::new(Mutex::new(Tally::default()));
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let (bases, next, total) = (bases.clone(), next.clone(), total.clone());
            let now = Arc::new(Mutex::new((Instant::now(), u64::MAX)));
            let seen = now.clone();
            let work = move || {
                let mut tally = Tally::default();
                loop {
                    let case = next.fetch_add(1, Ordering::Relaxed);
                    if total.lock().expect("not poisoned").updates + tally.updates >= count {
                        break;
                    }
                    *now.lock().expect("not poisoned") = (Instant::now(), case);
                    run_case(&bases, seed, case, &mut tally);
                    if tally.updates > 1_000 {
                        total
                            .lock()
                            .expect("not poisoned")
                            .add(std::mem::take(&mut tally));
                    }
                }
                now.lock().expect("not poisoned").1 = u64::MAX;
                total.lock().expect("not poisoned").add(tally);
            };
            let builder = std::thread::Builder::new().stack_size(thexr::limits::THREAD_STACK_BYTES);
            (builder.spawn(work).expect("a thread"), seen)
        })
        .collect();
    while !workers.iter().all(|(thread, _)| thread.is_finished()) {
        std::thread::sleep(Duration::from_millis(20));
        for (_, seen) in &workers {
            let (since, case) = *seen.lock().expect("not poisoned");
            if case != u64::MAX && since.elapsed() > CASE_MAX {
                let (base, updates) = inputs(&bases, seed, case);
                eprintln!("case {case} of seed {seed} hangs");
                eprintln!(
                    "state {}\nupdates {:?}",
                    hex(&base.state),
                    updates.iter().map(|u| hex(u)).collect::<Vec<_>>()
                );
                std::process::abort();
            }
        }
    }
    for (thread, _) in workers {
        thread.join().expect("a worker does not panic");
    }
    std::panic::set_hook(hook);
    let total = total.lock().expect("not poisoned");
    total.clone()
}

/// The state and the updates of a case; the same for the same seed and number.
fn inputs(bases: &[Base], seed: u64, case: u64) -> (&Base, Vec<Vec<u8>>) {
    let mut rng = Rng::new(seed ^ case.wrapping_mul(0xD6E8_FEB8_6659_FD93));
    let base = rng.pick(bases);
    let count = 1 + rng.below(4);
    let updates = (0..count)
        .map(|_| match rng.below(8) {
            0..3 => generate::update(&mut rng, base),
            _ => mutate::update(&mut rng, base, bases),
        })
        .collect();
    (base, updates)
}

fn run_case(bases: &[Base], seed: u64, case: u64, tally: &mut Tally) {
    let (base, updates) = inputs(bases, seed, case);
    tally.updates += updates.len() as u64;
    let checked = catch_unwind(AssertUnwindSafe(|| {
        check(base, &updates, case.is_multiple_of(2), tally)
    }));
    let what = match checked {
        Ok(Ok(())) => return,
        Ok(Err(what)) => what,
        Err(_) => PANIC.with_borrow_mut(std::mem::take),
    };
    tally.findings.push(Finding {
        what,
        case,
        state: hex(&base.state),
        updates: outcomes(base, &updates),
    });
}

/// What becomes of each update on its own way; for reading a finding.
fn outcomes(base: &Base, updates: &[Vec<u8>]) -> Vec<(String, String)> {
    let mut doc = load(&base.state, &[]).expect("an honest state");
    let one = |update: &Vec<u8>| {
        let checked = match CheckedUpdate::parse(Bytes::copy_from_slice(update)) {
            Ok(checked) => checked,
            Err(fault) => return (hex(update), fault.to_string()),
        };
        let applied = catch_unwind(AssertUnwindSafe(|| doc.apply(&checked, Keep::Received)));
        let outcome = match applied {
            Ok(Ok(kept)) => {
                if kept.is_some() {
                    "taken".into()
                } else {
                    "known".into()
                }
            }
            Ok(Err(refused)) => refused.to_string(),
            Err(_) => PANIC.with_borrow_mut(std::mem::take),
        };
        (hex(update), outcome)
    };
    updates.iter().map(one).collect()
}

/// Applies the updates of a case to its state, then the honest ones that follow, and compares all ways to have the
/// result.
pub fn check(base: &Base, updates: &[Vec<u8>], effect: bool, tally: &mut Tally) -> Result<(), String> {
    let keep = if effect { Keep::Effect } else { Keep::Received };
    let mut doc = load(&base.state, &[])?;
    let mut log: Vec<Bytes> = Vec::new();
    let mut accepted = 0;
    for update in updates {
        let checked = match CheckedUpdate::parse(Bytes::copy_from_slice(update)) {
            Ok(checked) => checked,
            Err(fault) => {
                *tally.faults.entry(fault.code.as_str()).or_default() += 1;
                continue;
            }
        };
        match doc.apply(&checked, keep) {
            Ok(Some(kept)) => {
                accepted += 1;
                CheckedUpdate::parse(kept.clone())
                    .map_err(|fault| format!("what is kept is refused: {fault}"))?;
                log.push(kept);
            }
            Ok(None) => tally.known += 1,
            // The document is dropped and loaded again, as the server does.
            Err(refused @ Refused::Broken(_)) => {
                *tally.refused.entry(cause(&refused)).or_default() += 1;
                doc = load(&base.state, &log)?;
            }
            Err(refused) => *tally.refused.entry(cause(&refused)).or_default() += 1,
        }
    }
    if accepted == 0 {
        return Ok(());
    }
    // Honest people go on, and may or may not be taken.
    for update in &base.honest {
        let checked = CheckedUpdate::parse(Bytes::copy_from_slice(update)).map_err(|f| f.to_string())?;
        match doc.apply(&checked, keep) {
            Ok(Some(kept)) => log.push(kept),
            Err(Refused::Broken(why)) => return Err(format!("an honest update breaks: {why}")),
            Ok(None) | Err(_) => {}
        }
    }
    same_after_reload(base, &mut doc, &log)?;
    tally.accepted += accepted;
    Ok(())
}

/// A refusal without the ids in it.
fn cause(refused: &Refused) -> String {
    let text = refused.to_string();
    text.split('<').next().unwrap_or_default().trim_end().to_owned()
}

fn load(state: &[u8], log: &[Bytes]) -> Result<SpaceDoc, String> {
    let edits = log.iter().map(|edit| &edit[..]);
    SpaceDoc::from_stored(1, Some((Encoding::V1, state)), edits).map_err(|e| format!("does not load: {e}"))
}

fn same_after_reload(base: &Base, doc: &mut SpaceDoc, log: &[Bytes]) -> Result<(), String> {
    let (json, hash, clocks) = (doc.to_json(), doc.content_hash(), doc.clocks());
    let same = |other: &SpaceDoc, how: &str| {
        let equal = other.content_hash() == hash && other.clocks() == clocks;
        let told = || {
            format!(
                "{how} differs:\n{json}\n{}\n{clocks:?} {:?}",
                other.to_json(),
                other.clocks()
            )
        };
        if equal { Ok(()) } else { Err(told()) }
    };
    same(&load(&base.state, log)?, "the log replayed")?;
    let (v1, v2) = (doc.encode(Encoding::V1), doc.encode(Encoding::V2));
    for (encoding, bytes) in [(Encoding::V1, &v1), (Encoding::V2, &v2)] {
        let again = SpaceDoc::from_stored(1, Some((encoding, bytes)), std::iter::empty());
        same(
            &again.map_err(|e| format!("{encoding:?} does not load: {e}"))?,
            &format!("{encoding:?} reloaded"),
        )?;
    }
    // Read from the bytes without an engine, as it is stored and as it is joined from what was stored.
    let shown = json.to_string();
    let joined = scan::splice(std::iter::once(&base.state[..]).chain(log.iter().map(|kept| &kept[..])));
    for (bytes, how) in [(Some(&v1), "the state read"), (joined.as_ref(), "the log read")] {
        let Some(bytes) = bytes else { continue };
        let read = Content::read(bytes).and_then(|content| content.to_json());
        let read = read.ok_or_else(|| format!("{how}: it cannot be"))?;
        if read != shown.as_bytes() {
            return Err(format!(
                "{how} differs:\n{shown}\n{}",
                String::from_utf8_lossy(&read)
            ));
        }
    }
    // SPEC U16: who holds all this may send it to somebody who holds nothing.
    let whole =
        CheckedUpdate::parse(v1.into()).map_err(|fault| format!("the whole state is refused: {fault}"))?;
    let mut empty = SpaceDoc::new(2);
    empty
        .apply(&whole, Keep::Received)
        .map_err(|e| format!("the whole state is not taken: {e}"))?;
    same(&empty, "the whole state, sent")?;
    // And back to us: nothing in it is new.
    match doc.apply(&whole, Keep::Effect) {
        Ok(None) => {}
        other => return Err(format!("our own state, sent back: {other:?}")),
    }
    let _ = doc.framed_diff(&base.clocks);
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
