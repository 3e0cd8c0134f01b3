//! Owns joining updates that follow each other into one, on the bytes: linear, without an engine. What was deleted
//! meanwhile keeps its content, which an engine would drop; whoever applies the result has the same document.

use super::{ClientRange, join, walk};
use crate::lib0::{Reader, write_var};
use std::collections::BTreeMap;

/// One client's structs so far: they follow each other from clock 0.
#[derive(Default)]
struct Run<'a> {
    next: u32,
    structs: u64,
    parts: Vec<&'a [u8]>,
}

/// One update that makes what `updates` make one after the other, beginning with an empty document. None when one of
/// them is malformed, or does not begin where the ones before it end: then only an engine can tell.
pub fn splice<'a>(updates: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut runs: BTreeMap<u64, Run<'a>> = BTreeMap::new();
    let mut deletes: Vec<ClientRange> = Vec::new();
    let mut bytes = 0;
    for update in updates {
        bytes += update.len();
        let mut reader = Reader::new(update);
        // Where the structs of each section begin and end, and how many there are.
        let mut sections: Vec<(usize, usize, u64)> = Vec::new();
        let mut client = None;
        let mut clients = Vec::new();
        walk::structs(
            &mut reader,
            crate::limits::STRUCTS_PER_DOCUMENT_MAX,
            &mut clients,
            &mut |item| {
                if client != Some(item.id.client) {
                    client = Some(item.id.client);
                    sections.push((item.at, item.at, 0));
                }
                if let Some(section) = sections.last_mut() {
                    section.1 = item.end;
                    section.2 += 1;
                }
                Ok(())
            },
        )
        .ok()?;
        walk::deletes(&mut reader, &mut Vec::new(), &mut |range| deletes.push(range)).ok()?;
        reader.end().ok()?;
        if sections.len() != clients.len() {
            return None;
        }
        for (range, (start, end, structs)) in clients.iter().zip(sections) {
            let run = runs.entry(range.client).or_default();
            if range.start != run.next {
                return None;
            }
            run.next = range.end;
            run.structs += structs;
            run.parts.push(update.get(start..end)?);
        }
    }
    let mut out = Vec::with_capacity(bytes);
    write_var(&mut out, runs.len() as u64);
    // In the order in which Yjs and yrs write them.
    for (client, run) in runs.iter().rev() {
        write_var(&mut out, run.structs);
        write_var(&mut out, *client);
        write_var(&mut out, 0);
        run.parts.iter().for_each(|part| out.extend_from_slice(part));
    }
    write_deletes(&mut out, deletes);
    Some(out)
}

fn write_deletes(out: &mut Vec<u8>, mut deletes: Vec<ClientRange>) {
    join(&mut deletes);
    // The same operation may be deleted by several updates.
    deletes.dedup_by(|next, last| {
        let overlap = last.client == next.client && next.start <= last.end;
        if overlap {
            last.end = last.end.max(next.end);
        }
        overlap
    });
    let clients = deletes.chunk_by(|a, b| a.client == b.client);
    write_var(out, clients.clone().count() as u64);
    for ranges in clients.rev() {
        write_var(out, ranges.first().map_or(0, |range| range.client));
        write_var(out, ranges.len() as u64);
        for range in ranges {
            write_var(out, u64::from(range.start));
            write_var(out, u64::from(range.end.saturating_sub(range.start)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `len` collected operations of client 1 from `clock`, and a deletion.
    fn update(clock: u8, len: u8, delete: Option<(u8, u8)>) -> Vec<u8> {
        let mut out = vec![1, 1, 1, clock, 0, len];
        match delete {
            Some((from, len)) => out.extend([1, 1, 1, from, len]),
            None => out.push(0),
        }
        out
    }

    #[test]
    fn what_follows_is_joined_and_what_does_not_is_left_to_an_engine() {
        let (a, b) = (update(0, 3, Some((0, 2))), update(3, 4, Some((1, 4))));
        let joined = splice([&a[..], &b[..]].into_iter()).expect("they follow each other");
        assert_eq!(joined, [1, 2, 1, 0, 0, 3, 0, 4, 1, 1, 1, 0, 5]);
        assert!(splice([&b[..]].into_iter()).is_none(), "a gap");
        assert!(splice([&a[..], &a[..]].into_iter()).is_none(), "an overlap");
        assert!(splice([&a[..a.len() - 1]].into_iter()).is_none(), "malformed");
        assert_eq!(splice(std::iter::empty()), Some(vec![0, 0]));
    }
}
