//! A writer's side of the story: every update it makes follows from its client id and a clock, so what the server
//! holds can be judged to the byte without keeping any of it.

use std::sync::{Mutex, MutexGuard};
use thexr_schema::lib0::{write_str, write_var};
use thexr_tests::Rng;

/// Keys a pen writes in turn; after as many updates each one overwrites an older one.
const KEYS: u32 = 8;
/// One update in so many is long enough for pages of its own.
const LONG_ONE_IN: usize = 40;

/// One Yjs client that owns one entity. Clock 0 makes the entity, clock n puts the n-th value.
pub struct Pen {
    /// Where it writes.
    pub space: String,
    /// Its client id.
    pub client: u64,
    page: Mutex<Page>,
}

/// What a pen wrote down.
#[derive(Debug, Default)]
pub struct Page {
    /// When each clock was first sent, by [`crate::monotonic_ns`]; noted before it goes out.
    pub sent: Vec<i64>,
    /// What was acknowledged: when, and that clocks below this are saved; noted after it came in.
    pub acked: Vec<(i64, u32)>,
}

impl Pen {
    pub fn new(space: &str, client: u64) -> Self {
        Self {
            space: space.to_owned(),
            client,
            page: Mutex::new(Page::default()),
        }
    }

    pub fn page(&self) -> MutexGuard<'_, Page> {
        self.page.lock().expect("no panic while it was held")
    }

    /// The entity it writes into.
    pub fn entity(&self) -> String {
        format!("w{}", self.client)
    }

    /// The key that clock `n` writes.
    pub fn key(clock: u32) -> String {
        format!("k{}", (clock - 1) % KEYS)
    }

    /// The value that clock `n` puts under its key.
    pub fn value(&self, clock: u32) -> String {
        let mut rng = Rng::new(self.client << 32 | u64::from(clock));
        let padding = if rng.one_in(LONG_ONE_IN) {
            3_000
        } else {
            rng.below(60)
        };
        format!("{}:{clock}:{}", self.client, "x".repeat(padding))
    }

    /// What the entity holds when the server has clocks below `clocks`; none when there is no entity yet.
    pub fn content(&self, clocks: u32) -> Option<serde_json::Value> {
        let live = clocks.saturating_sub(KEYS).max(1)..clocks;
        (clocks > 0).then(|| {
            live.map(|clock| (Self::key(clock), self.value(clock).into()))
                .collect::<serde_json::Map<_, _>>()
                .into()
        })
    }

    /// The update that holds these clocks, byte for byte as yjs writes it.
    pub fn update(&self, clocks: std::ops::Range<u32>) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 * clocks.len());
        if clocks.is_empty() {
            return vec![0, 0];
        }
        write_var(&mut out, 1);
        write_var(&mut out, clocks.len() as u64);
        write_var(&mut out, self.client);
        write_var(&mut out, clocks.start.into());
        for clock in clocks.clone() {
            self.item(&mut out, clock);
        }
        // Deleted: what each of them replaces.
        let replaced = clocks.start.saturating_sub(KEYS).max(1)..clocks.end.saturating_sub(KEYS);
        if replaced.is_empty() {
            write_var(&mut out, 0);
        } else {
            write_var(&mut out, 1);
            write_var(&mut out, self.client);
            write_var(&mut out, 1);
            write_var(&mut out, replaced.start.into());
            write_var(&mut out, replaced.len() as u64);
        }
        out
    }

    fn item(&self, out: &mut Vec<u8>, clock: u32) {
        const HAS_ORIGIN: u8 = 0x80;
        const HAS_KEY: u8 = 0x20;
        const TYPE: u8 = 7;
        const ANY: u8 = 8;
        if clock == 0 {
            out.push(HAS_KEY | TYPE);
            write_var(out, 1);
            write_str(out, "entities");
            write_str(out, &self.entity());
            write_var(out, 1);
            return;
        }
        if clock > KEYS {
            out.push(HAS_ORIGIN | HAS_KEY | ANY);
            write_var(out, self.client);
            write_var(out, (clock - KEYS).into());
        } else {
            out.push(HAS_KEY | ANY);
            write_var(out, 0);
            write_var(out, self.client);
            write_var(out, 0);
            write_str(out, &Self::key(clock));
        }
        write_var(out, 1);
        out.push(119);
        write_str(out, &self.value(clock));
    }
}

impl Page {
    fn saved_before(&self, ns: i64) -> u32 {
        let known = self.acked.partition_point(|(at, _)| *at < ns);
        self.acked[..known].last().map_or(0, |(_, clocks)| *clocks)
    }

    /// Clocks below these were saved, as far as the pen was told, and sent before `ns`.
    pub fn before(&self, ns: i64) -> (u32, u32) {
        (
            self.saved_before(ns),
            self.sent.partition_point(|at| *at < ns) as u32,
        )
    }

    /// Clocks below this are saved.
    pub fn saved(&self) -> u32 {
        self.saved_before(i64::MAX)
    }
}

/// The bytes made by hand are what the engine reads: replayed one by one, or in one piece.
#[test]
fn a_pens_updates_make_the_content_it_claims() {
    use thexr_tests::value;
    let pen = Pen::new("hall", 7);
    for pieces in [
        vec![0..1, 1..30],
        (0..30).map(|n| n..n + 1).collect(),
        vec![0..5, 5..25, 25..30],
    ] {
        let updates: Vec<Vec<u8>> = pieces.into_iter().map(|clocks| pen.update(clocks)).collect();
        let edits = updates.iter().map(|update| &update[..]);
        let doc = thexr::space::doc::SpaceDoc::from_stored(1, None, edits).expect("they join up");
        let content = value::of_space(&doc);
        assert_eq!(content.clocks, [(7, 30)]);
        assert_eq!(Some(&content.json["entities"]["w7"]), pen.content(30).as_ref());
    }
}
