//! Compares what there is with what the pens wrote down.

use crate::pen::Pen;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use thexr_tests::Client;
use thexr_tests::rows::{Event, Rows};
use thexr_tests::value::Content;
use yrs::Update;
use yrs::updates::decoder::Decode;

/// What a comparison found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Updates that were acknowledged.
    pub acked: u64,
    /// Acknowledged updates that are not there.
    pub lost: u64,
    /// What is there and was never sent, or is not what was sent.
    pub phantoms: Vec<String>,
}

impl Verdict {
    pub fn add(&mut self, other: Self) {
        self.acked += other.acked;
        self.lost += other.lost;
        self.phantoms.extend(other.phantoms);
    }

    /// Fails unless nothing is lost and nothing is made up.
    pub fn assert_clean(&self) {
        assert!(self.lost == 0 && self.phantoms.is_empty(), "{self:?}");
    }
}

/// The names of the spaces that the pens write to.
pub fn spaces(pens: &[Arc<Pen>]) -> Vec<&str> {
    let mut spaces: Vec<&str> = pens.iter().map(|pen| &*pen.space).collect();
    spaces.sort_unstable();
    spaces.dedup();
    spaces
}

/// Judges the content of one space as of a moment; `pens` are those that write to it.
pub fn judge(content: &Content, pens: &[&Pen], ns: i64) -> Verdict {
    let mut verdict = Verdict::default();
    let clocks: BTreeMap<u64, u32> = content.clocks.iter().copied().collect();
    let entities = content.json["entities"].as_object();
    for pen in pens {
        let held = clocks.get(&pen.client).copied().unwrap_or(0);
        let (saved, sent) = pen.page().before(ns);
        verdict.acked += u64::from(saved);
        verdict.lost += u64::from(saved.saturating_sub(held));
        if held > sent {
            verdict.phantoms.push(format!(
                "{} of {} has {held} updates, {sent} were sent",
                pen.client, pen.space
            ));
        }
        let entity = entities.and_then(|all| all.get(&pen.entity()));
        if entity.cloned() != pen.content(held) {
            verdict.phantoms.push(format!(
                "{} of {} is not what {held} updates make",
                pen.entity(),
                pen.space
            ));
        }
    }
    let strangers = clocks
        .keys()
        .filter(|client| !pens.iter().any(|pen| pen.client == **client));
    verdict
        .phantoms
        .extend(strangers.map(|client| format!("updates of an unknown client {client}")));
    let known: Vec<String> = pens.iter().map(|pen| pen.entity()).collect();
    let names = entities
        .into_iter()
        .flat_map(|all| all.keys())
        .filter(|name| !known.contains(name));
    verdict
        .phantoms
        .extend(names.map(|name| format!("an unknown entity {name}")));
    verdict
}

/// Fails unless the edits of every client follow each other without a gap or a repetition.
pub fn assert_contiguous(history: &BTreeMap<i64, Event>) {
    const EDIT: i64 = 1;
    let mut next: BTreeMap<u64, u32> = BTreeMap::new();
    for (seq, (kind, payload)) in history {
        if *kind != EDIT {
            continue;
        }
        let update = Update::decode_v1(payload).expect("an update");
        let (from, to) = (update.state_vector_lower(), update.state_vector());
        for (client, to) in to.iter() {
            let expected = next.entry(client.get()).or_default();
            assert_eq!(
                from.get(client),
                *expected,
                "event {seq}: client {client} continues elsewhere"
            );
            *expected = *to;
        }
    }
}

/// Reads one space's rows: numbers without a gap over segments and rows, clocks contiguous, the head names the newest
/// snapshot, every snapshot has the hash of its content. Gives what the edits make.
pub async fn replay(rows: &Rows, space: &str) -> Content {
    assert_contiguous(&rows.whole_history(space).await);
    rows.stored(space).await
}

/// Compares everything, through a fresh client and by the rows, while the server runs and nobody writes.
pub async fn check(addr: SocketAddr, folder: &Path, pens: &[Arc<Pen>]) -> Verdict {
    let rows = Rows::open(folder).await;
    let mut verdict = Verdict::default();
    for space in spaces(pens) {
        let here: Vec<&Pen> = pens
            .iter()
            .filter(|pen| pen.space == space)
            .map(|pen| &**pen)
            .collect();
        let mut client = Client::connect(addr, space).await;
        let shown = client.content();
        client.leave().await;
        verdict.add(judge(&shown, &here, i64::MAX));
        assert_eq!(
            shown,
            replay(&rows, space).await,
            "{space}: what is shown is what the rows make"
        );
    }
    verdict
}

/// The comparison is worth something only if it sees a loss, a surplus and a stranger.
#[test]
fn a_loss_a_surplus_and_a_stranger_are_found() {
    use thexr::space::doc::SpaceDoc;
    use thexr_tests::value;
    let (pen, stranger) = (Pen::new("hall", 7), Pen::new("hall", 8));
    let (five, other) = (pen.update(0..5), stranger.update(0..1));
    let content = |edits: &[&[u8]]| {
        let doc = SpaceDoc::from_stored(1, None, edits.iter().copied()).expect("they join up");
        value::of_space(&doc)
    };
    let five_only = content(&[&five]);
    for (sent, saved, lost, phantoms) in [(5, 5, 0, 0), (9, 5, 0, 0), (9, 7, 2, 0), (4, 3, 0, 1)] {
        *pen.page() = crate::pen::Page {
            sent: vec![1; sent],
            acked: vec![(2, saved)],
        };
        let verdict = judge(&five_only, &[&pen], 10);
        assert_eq!(
            (verdict.lost, verdict.phantoms.len()),
            (lost, phantoms),
            "{sent} sent, {saved} saved"
        );
    }
    let verdict = judge(&five_only, &[&pen], 2);
    assert_eq!(
        verdict.acked, 0,
        "an answer that comes at the moment of the cut promises nothing"
    );
    assert_eq!(
        judge(&content(&[&five, &other]), &[&pen], 0).phantoms.len(),
        3,
        "surplus, client, entity"
    );
}
