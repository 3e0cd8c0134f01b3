//! Owns the order of items: which stands behind which, in each map entry and each array (the YATA algorithm as
//! `Item.integrate` of Yjs has it). Items are placed once, all of one document; nothing is ever added afterwards.

use super::items::{Item, Items, NONE};
use crate::scan::walk::{Kind, Place};
use std::collections::HashMap;

/// Where a list of items is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Root {
    /// In `entities`, under a key.
    Entities,
    /// In the map that this item is, under a key.
    In(usize),
    /// The board of the key.
    Board,
}

/// Items that stand in a row: the values of one key, of which the last counts, or a board.
#[derive(Debug)]
pub(super) struct List<'a> {
    pub root: Root,
    pub key: &'a str,
    first: usize,
    pub last: usize,
}

/// Items that are passed on the way to a place, for each item of the document. People make hardly one; where it is more, an
/// engine has come by the order one edit at a time and may know it cheaper.
const STEPS_PER_ITEM_MAX: usize = 32;

/// All items of a document, in place.
pub(super) struct Order<'a> {
    pub items: Items<'a>,
    pub lists: Vec<List<'a>>,
    by_place: HashMap<(Root, &'a str), usize>,
    /// Items that were passed on the way.
    pub steps: usize,
}

impl<'a> Order<'a> {
    /// None when the update is malformed or not a whole document.
    pub fn read(update: &'a [u8]) -> Option<Self> {
        let mut order = Self {
            items: Items::read(update)?,
            lists: Vec::new(),
            by_place: HashMap::new(),
            steps: 0,
        };
        order.place_all()?;
        Some(order)
    }

    /// The items of a list, in order.
    pub fn row(&self, list: &List<'a>) -> impl Iterator<Item = &Item<'a>> {
        let mut next = list.first;
        std::iter::from_fn(move || {
            let item = self.items.all.get(next)?;
            next = item.right;
            Some(item)
        })
    }

    /// Places every item once all that it builds on has its place. None for a circle, what builds on nothing, or too long
    /// a way. The highest client comes first, as in engines: of items that did not know of each other it stands last, so
    /// the next one need not pass what is there.
    fn place_all(&mut self) -> Option<()> {
        let mut waiting: Vec<(usize, usize)> = Vec::new();
        for first in (0..self.items.sections.len()).rev() {
            waiting.push((first, self.items.sections[first].to));
            while let Some(&(number, until)) = waiting.last() {
                let section = &mut self.items.sections[number];
                if section.next >= until {
                    section.waits = false;
                    waiting.pop();
                    continue;
                }
                let at = section.next;
                let Some((needed, of)) = self.needs(at)? else {
                    let next = self.place(at)?;
                    self.items.sections[number].next = next;
                    continue;
                };
                self.items.sections[number].waits = true;
                if self.items.sections[of].waits {
                    return None;
                }
                waiting.push((of, needed + 1));
            }
        }
        Some(())
    }

    /// Another client's item that must have its place before this one, and the number of its section.
    fn needs(&self, at: usize) -> Option<Option<(usize, usize)>> {
        let item = &self.items.all[at];
        let parent = match item.place {
            Place::Component(id) => Some(id),
            _ => None,
        };
        for id in [item.origin, item.right_origin, parent].into_iter().flatten() {
            if id.client != item.id.client {
                let (found, section) = self.items.find(id)?;
                if found >= self.items.sections[section].next {
                    return Some(Some((found, section)));
                }
            }
        }
        Some(None)
    }

    /// Places a struct, all its parts at once: nothing comes between them but what knew of them. Gives the item after it.
    fn place(&mut self, at: usize) -> Option<usize> {
        let list = self.list_of(at)?;
        let mut next = at + 1;
        if list != NONE {
            let left = self.left_of(at, list)?;
            self.link(at, left, list);
        }
        while self.items.all.get(next).is_some_and(|item| item.goes_on) {
            if list != NONE {
                self.link(next, next - 1, list);
            }
            next += 1;
        }
        Some(next)
    }

    /// The list a struct stands in; [`NONE`] for what is collected, place and all, and what builds on that.
    fn list_of(&mut self, at: usize) -> Option<usize> {
        let item = &self.items.all[at];
        if item.kind == Kind::Collected {
            return Some(NONE);
        }
        let (key, place) = (item.key, item.place);
        let (origin, right) = (
            self.items.index(item.origin)?,
            self.items.index(item.right_origin)?,
        );
        let list_of = |at: usize| self.items.all.get(at).map(|item| item.list);
        if [origin, right].into_iter().any(|at| list_of(at) == Some(NONE)) {
            return Some(NONE);
        }
        Some(match place {
            Place::Entity => self.list(Root::Entities, key),
            Place::Stroke => self.list(Root::Board, key),
            Place::Component(parent) => {
                let (map, _) = self.items.find(parent)?;
                let parent = &self.items.all[map];
                if parent.kind != Kind::Map || parent.list == NONE {
                    return Some(NONE);
                }
                self.list(Root::In(map), key)
            }
            Place::Inherited => list_of(origin).or_else(|| list_of(right))?,
        })
    }

    fn list(&mut self, root: Root, key: &'a str) -> usize {
        *self.by_place.entry((root, key)).or_insert_with(|| {
            self.lists.push(List {
                root,
                key,
                first: NONE,
                last: NONE,
            });
            self.lists.len() - 1
        })
    }

    /// Behind what an item goes that was put between its origins, where others may have been put as well.
    fn left_of(&mut self, at: usize, list: usize) -> Option<usize> {
        let item = &self.items.all[at];
        let client = item.id.client;
        let (origin, right) = (
            self.items.index(item.origin)?,
            self.items.index(item.right_origin)?,
        );
        let free = match (origin, right) {
            (NONE, NONE) => false,
            (NONE, right) => self.items.all[right].left == NONE,
            (origin, right) => self.items.all[origin].right == right,
        };
        let mut left = origin;
        if free {
            return Some(left);
        }
        let mut other = if origin == NONE {
            self.lists[list].first
        } else {
            self.items.all[origin].right
        };
        // What was passed since `left` was moved last carries this number.
        let mut stretch = 0;
        while other != NONE && other != right {
            self.steps += 1;
            if self.steps > STEPS_PER_ITEM_MAX.saturating_mul(self.items.all.len()) {
                return None;
            }
            self.items.all[other].seen = (at, stretch);
            let (item, its) = (&self.items.all[at], &self.items.all[other]);
            if its.origin == item.origin {
                if its.id.client < client {
                    (left, stretch) = (other, stretch + 1);
                } else if its.right_origin == item.right_origin {
                    break;
                }
            } else {
                let before = its.origin.and_then(|origin| self.items.find(origin));
                match before.map(|(origin, _)| self.items.all[origin].seen) {
                    Some((by, of)) if by == at => {
                        if of != stretch {
                            (left, stretch) = (other, stretch + 1);
                        }
                    }
                    _ => break,
                }
            }
            other = self.items.all[other].right;
        }
        Some(left)
    }

    fn link(&mut self, at: usize, left: usize, list: usize) {
        let right = if left == NONE {
            std::mem::replace(&mut self.lists[list].first, at)
        } else {
            std::mem::replace(&mut self.items.all[left].right, at)
        };
        if right == NONE {
            self.lists[list].last = at;
        } else {
            self.items.all[right].left = at;
        }
        let item = &mut self.items.all[at];
        (item.list, item.left, item.right) = (list, left, right);
    }
}
