//! A disk that honours fsync and nothing else. Replays a log of changes; at any point it can say what might be on the
//! platters if the power went now: everything synced, and of the rest whatever chance kept, down to single
//! 512-byte sectors and in any order across sectors. Names are durable once their folder was synced, not before.

use crate::log::{Change, Log};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use thexr_tests::Rng;

/// What a disk writes at once.
const SECTOR: u64 = 512;

/// How much of what was not synced survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survives {
    Nothing,
    Everything,
    /// What came before a moment; the write at that moment is torn.
    Prefix,
    /// Each sector, length and name by a chance of its own: as if the disk had written them in another order.
    AnySubset,
}

impl Survives {
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Everything, Self::Prefix, Self::AnySubset];
}

/// A file or a folder.
#[derive(Debug, Default, Clone)]
struct Node {
    is_folder: bool,
    /// Durable bytes of a file.
    bytes: Vec<u8>,
    /// Durable names of a folder.
    names: BTreeMap<String, usize>,
    /// Changes that are not durable, with their place in the log.
    pending: Vec<(usize, Pending)>,
}

#[derive(Debug, Clone)]
enum Pending {
    Write(u64, std::ops::Range<usize>),
    Truncate(u64),
    Link(String, usize),
    Unlink(String),
    Rename {
        from: Option<String>,
        to: Option<String>,
        node: usize,
    },
}

/// The state after a part of the log.
pub struct Disk<'a> {
    log: &'a Log,
    root: String,
    nodes: Vec<Node>,
    /// What the running program sees under a path.
    paths: HashMap<String, usize>,
    /// Open descriptors.
    open: HashMap<i32, usize>,
    /// Where the latest fsync of each descriptor began.
    syncing: HashMap<i32, usize>,
    /// Records applied.
    done: usize,
}

impl<'a> Disk<'a> {
    /// An empty folder `root`.
    pub fn new(log: &'a Log, root: &Path) -> Self {
        let root = root.to_str().expect("paths are UTF-8").to_owned();
        let node = Node {
            is_folder: true,
            ..Node::default()
        };
        Self {
            log,
            paths: HashMap::from([(root.clone(), 0)]),
            root,
            nodes: vec![node],
            open: HashMap::new(),
            syncing: HashMap::new(),
            done: 0,
        }
    }

    /// Applies the records before `end`.
    pub fn advance(&mut self, end: usize) {
        let log = self.log;
        while self.done < end {
            self.apply(self.done, &log.records[self.done].change);
            self.done += 1;
        }
    }

    fn apply(&mut self, at: usize, change: &Change) {
        match change {
            Change::Start => self.open.clear(),
            Change::Open {
                fd,
                create,
                truncate,
                path,
            } => {
                let known = self.paths.get(path).copied();
                let node = known.unwrap_or_else(|| {
                    assert!(*create, "{path} was not there and not created");
                    self.link(at, path, false)
                });
                if *truncate {
                    self.nodes[node].pending.push((at, Pending::Truncate(0)));
                }
                self.open.insert(*fd, node);
            }
            Change::Write { fd, at: offset, data } => {
                self.pend(at, *fd, Pending::Write(*offset, data.clone()))
            }
            Change::Truncate { fd, len } => self.pend(at, *fd, Pending::Truncate(*len)),
            Change::SyncBegin { fd } => drop(self.syncing.insert(*fd, at)),
            Change::SyncEnd { fd } => {
                // Two threads may sync one file at once through one descriptor only if they share it; SQLite's do not.
                let began = self.syncing.remove(fd).expect("a sync began");
                let node = self.open[fd];
                self.sync(node, began);
            }
            Change::Mkdir { path } => drop(self.link(at, path, true)),
            Change::Unlink { path } => {
                let (folder, name) = self.parent(path);
                self.paths.remove(path);
                self.nodes[folder].pending.push((at, Pending::Unlink(name)));
            }
            Change::Rename { from, to } => {
                let ((from_folder, from_name), (to_folder, to_name)) = (self.parent(from), self.parent(to));
                let node = self.paths.remove(from).expect("what is renamed is known");
                assert!(!self.nodes[node].is_folder, "no folder is renamed");
                self.paths.insert(to.clone(), node);
                if from_folder == to_folder {
                    let (from, to) = (Some(from_name), Some(to_name));
                    self.nodes[to_folder]
                        .pending
                        .push((at, Pending::Rename { from, to, node }));
                } else {
                    self.nodes[to_folder].pending.push((
                        at,
                        Pending::Rename {
                            from: None,
                            to: Some(to_name),
                            node,
                        },
                    ));
                    self.nodes[from_folder].pending.push((
                        at,
                        Pending::Rename {
                            from: Some(from_name),
                            to: None,
                            node,
                        },
                    ));
                }
            }
        }
    }

    fn pend(&mut self, at: usize, fd: i32, change: Pending) {
        let node = self.open[&fd];
        self.nodes[node].pending.push((at, change));
    }

    fn parent(&self, path: &str) -> (usize, String) {
        let (folder, name) = path.rsplit_once('/').expect("an absolute path");
        (self.paths[folder], name.to_owned())
    }

    fn link(&mut self, at: usize, path: &str, is_folder: bool) -> usize {
        let (folder, name) = self.parent(path);
        let node = self.nodes.len();
        self.nodes.push(Node {
            is_folder,
            ..Node::default()
        });
        self.nodes[folder].pending.push((at, Pending::Link(name, node)));
        self.paths.insert(path.to_owned(), node);
        node
    }

    fn sync(&mut self, node: usize, began: usize) {
        let node = &mut self.nodes[node];
        let durable = node.pending.partition_point(|(at, _)| *at < began);
        for (_, change) in node.pending.drain(..durable).collect::<Vec<_>>() {
            change.apply(&mut node.bytes, &mut node.names, &self.log.bytes);
        }
    }

    /// Writes what a power cut now might leave into the empty folder `to`.
    pub fn image(&self, survives: Survives, rng: &mut Rng, to: &Path) {
        // The moment of `Prefix`: one of the changes that are not durable.
        let mut pending: Vec<usize> = self
            .nodes
            .iter()
            .flat_map(|node| node.pending.iter().map(|(at, _)| *at))
            .collect();
        pending.sort_unstable();
        let moment = if pending.is_empty() {
            usize::MAX
        } else {
            *rng.pick(&pending)
        };
        self.write(0, survives, moment, rng, to);
    }

    fn write(&self, folder: usize, survives: Survives, moment: usize, rng: &mut Rng, to: &Path) {
        let node = &self.nodes[folder];
        let (mut names, mut none) = (node.names.clone(), Vec::new());
        for (at, change) in &node.pending {
            let kept = match survives {
                Survives::Nothing => false,
                Survives::Everything => true,
                Survives::Prefix => *at < moment,
                Survives::AnySubset => rng.one_in(2),
            };
            if kept {
                change.apply(&mut none, &mut names, &self.log.bytes);
            }
        }
        for (name, node) in names {
            let path = to.join(&name);
            if self.nodes[node].is_folder {
                std::fs::create_dir(&path).expect("a folder of the image");
                self.write(node, survives, moment, rng, &path);
            } else if !name.ends_with("-shm") {
                // The shared index lives in memory; SQLite makes it anew.
                std::fs::write(&path, self.content(node, survives, moment, rng))
                    .expect("a file of the image");
            }
        }
    }

    fn content(&self, node: usize, survives: Survives, moment: usize, rng: &mut Rng) -> Vec<u8> {
        let node = &self.nodes[node];
        let mut bytes = node.bytes.clone();
        let mut chance = Chance::new(&node.pending, rng);
        for (at, change) in &node.pending {
            match (change, survives) {
                (_, Survives::Nothing) => {}
                (Pending::Write(offset, data), Survives::AnySubset) => {
                    for (offset, data) in sectors(*offset, data) {
                        if *at < chance.sector(offset / SECTOR) {
                            put(&mut bytes, offset, &self.log.bytes[data]);
                        }
                    }
                }
                (_, Survives::AnySubset) if *at >= chance.length => {}
                (Pending::Write(offset, data), Survives::Prefix) if *at == moment => {
                    let whole = sectors(*offset, data);
                    let torn = chance.rng.below(whole.len() + 1);
                    for (offset, data) in whole.into_iter().take(torn) {
                        put(&mut bytes, offset, &self.log.bytes[data]);
                    }
                }
                (_, Survives::Prefix) if *at >= moment => {}
                (change, _) => change.apply(&mut bytes, &mut BTreeMap::new(), &self.log.bytes),
            }
        }
        bytes
    }

    /// The folder as the program saw it must be the folder as it is: else the log missed a way to change files.
    pub fn assert_is(&self, real: &Path) {
        for (path, node) in &self.paths {
            let node_is = &self.nodes[*node];
            if node_is.is_folder || path.ends_with("-shm") {
                continue;
            }
            let mine = self.content(*node, Survives::Everything, usize::MAX, &mut Rng::new(0));
            let theirs = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(
                mine == theirs,
                "{path}: {} bytes by the log, {} real, or others",
                mine.len(),
                theirs.len()
            );
        }
        assert_eq!(self.root, real.to_str().expect("UTF-8"));
        let mut folders = vec![real.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)
                .expect("a folder")
                .map(|entry| entry.expect("an entry").path())
            {
                assert!(
                    self.paths.contains_key(entry.to_str().expect("UTF-8")),
                    "{} is not in the log",
                    entry.display()
                );
                if entry.is_dir() {
                    folders.push(entry);
                }
            }
        }
    }
}

impl Pending {
    fn apply(&self, bytes: &mut Vec<u8>, names: &mut BTreeMap<String, usize>, log: &[u8]) {
        match self {
            Self::Write(offset, data) => put(bytes, *offset, &log[data.clone()]),
            Self::Truncate(len) => bytes.resize(*len as usize, 0),
            Self::Link(name, node) => drop(names.insert(name.clone(), *node)),
            Self::Unlink(name) => drop(names.remove(name)),
            Self::Rename { from, to, node } => {
                from.as_ref().map(|name| names.remove(name));
                to.as_ref().map(|name| names.insert(name.clone(), *node));
            }
        }
    }
}

/// Which unsynced changes of one file survive when each sector has its own luck. A sector of the page cache is
/// written out as it is at some moment, so of the writes that touch it a first part survives, never a later one
/// without an earlier one.
struct Chance<'r> {
    moments: Vec<usize>,
    sectors: HashMap<u64, usize>,
    /// Changes of length from here on are lost.
    length: usize,
    rng: &'r mut Rng,
}

impl<'r> Chance<'r> {
    fn new(pending: &[(usize, Pending)], rng: &'r mut Rng) -> Self {
        let moments = pending.iter().map(|(at, _)| *at).collect();
        let mut chance = Self {
            moments,
            sectors: HashMap::new(),
            length: 0,
            rng,
        };
        chance.length = chance.moment();
        chance
    }

    fn moment(&mut self) -> usize {
        match self.rng.below(3) {
            0 => 0,
            1 => usize::MAX,
            _ if self.moments.is_empty() => 0,
            _ => *self.rng.pick(&self.moments),
        }
    }

    fn sector(&mut self, sector: u64) -> usize {
        if let Some(known) = self.sectors.get(&sector) {
            return *known;
        }
        let moment = self.moment();
        self.sectors.insert(sector, moment);
        moment
    }
}

fn put(bytes: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + data.len());
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[start..end].copy_from_slice(data);
}

/// The pieces of a write that fall into one sector each.
fn sectors(offset: u64, data: &std::ops::Range<usize>) -> Vec<(u64, std::ops::Range<usize>)> {
    let mut pieces = Vec::new();
    let (mut at, mut start) = (offset, data.start);
    while start < data.end {
        let len = ((SECTOR - at % SECTOR) as usize).min(data.end - start);
        pieces.push((at, start..start + len));
        at += len as u64;
        start += len;
    }
    pieces
}
