//! Owns what a whole document shows, read from its bytes without an engine: entities with their components, and ink.
//! An engine builds every item for edits that are never made to a document of the past, which costs ten times as
//! much. Must not judge bytes (that is `scan`): it reads what was accepted, and gives up on anything else.

mod items;
mod json;
mod order;

use crate::limits::STROKES_PER_BOARD_MAX;
use crate::scan::walk::Kind;
use order::{Order, Root};
use std::collections::HashMap;

/// Components by name, with their values.
pub type Named<'a> = Vec<(&'a str, &'a [u8])>;

/// What a document shows. Values are in lib0's `Any` encoding, as they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content<'a> {
    /// Entities by id, each with its components by name.
    pub entities: Vec<(&'a str, Named<'a>)>,
    /// Boards by the id of their entity, each with its values in order.
    pub boards: Vec<(&'a str, Vec<&'a [u8]>)>,
}

impl<'a> Content<'a> {
    /// Reads an update that makes a whole document. `None` when it is malformed or does not begin with the first
    /// operation of each of its clients: then only an engine can tell.
    pub fn read(update: &'a [u8]) -> Option<Self> {
        let order = Order::read(update)?;
        let mut names: HashMap<usize, usize> = HashMap::new();
        let mut entities: Vec<(&str, Named<'_>)> = Vec::new();
        for list in order.lists.iter().filter(|list| list.root == Root::Entities) {
            // The last one of a key is its value; whatever is before it was replaced.
            let entity = &order.items.all[list.last];
            if entity.kind == Kind::Map && !entity.deleted {
                names.insert(list.last, entities.len());
                entities.push((list.key, Vec::new()));
            }
        }
        let mut boards: Vec<(&str, Vec<&[u8]>)> = Vec::new();
        for list in &order.lists {
            match list.root {
                Root::Entities => {}
                Root::In(map) => {
                    let value = &order.items.all[list.last];
                    let shows = value.kind == Kind::Any && !value.deleted;
                    if let Some(&entity) = names.get(&map).filter(|_| shows) {
                        let last = value.values().last()?;
                        entities[entity].1.push((list.key, last));
                    }
                }
                Root::Board => {
                    let values = order
                        .row(list)
                        .filter(|item| item.kind == Kind::Any && !item.deleted);
                    let values: Vec<&[u8]> = values
                        .flat_map(|item| item.values())
                        .take(STROKES_PER_BOARD_MAX)
                        .collect();
                    boards.push((list.key, values));
                }
            }
        }
        entities.sort_unstable_by_key(|(id, _)| *id);
        for (_, components) in &mut entities {
            components.sort_unstable_by_key(|(name, _)| *name);
        }
        boards.sort_unstable_by_key(|(id, _)| *id);
        Some(Self { entities, boards })
    }
}

#[cfg(test)]
mod tests;
