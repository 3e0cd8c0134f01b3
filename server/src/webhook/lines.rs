//! In which spaces a webhook has something to do, and when: a table and two queues, without IO. A space in which all is
//! told is not in it.

use crate::limits;
use crate::metrics::{Metrics, Share};
use crate::store::{Behind, SpaceKey};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use thexr_schema::ids::Seq;
use tokio::time::Instant;

/// What a line is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the queue.
    Ready,
    /// A batch is under way.
    Busy,
    /// For its time to come.
    Waiting(Instant),
}

/// How it is known that there is something in a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// A commit was heard of.
    Commit,
    /// The rows say so: unless it is noted that there is nothing to tell they say it again, before they name others.
    Rows,
}

/// One space.
struct Line {
    head: Seq,
    looked: Seq,
    known: Known,
    state: State,
    lag: Share,
}

impl Line {
    fn is_behind(&self) -> bool {
        self.head > self.looked
    }

    fn count(&mut self) {
        self.lag.is((self.head.0 - self.looked.0).max(0));
    }
}

/// The spaces of one webhook.
pub struct Lines {
    lines: HashMap<SpaceKey, Line>,
    ready: VecDeque<SpaceKey>,
    waiting: BTreeSet<(Instant, SpaceKey)>,
    metrics: Arc<Metrics>,
}

impl Lines {
    /// None yet.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            lines: HashMap::new(),
            ready: VecDeque::new(),
            waiting: BTreeSet::new(),
            metrics,
        }
    }

    /// True when more may be fetched from the rows.
    pub fn has_room(&self) -> bool {
        self.lines.len() < limits::WEBHOOK_LINES_MAX / 2
    }

    /// The rows say that there is something in a space. False when it does not fit.
    pub fn behind(&mut self, found: Behind) -> bool {
        self.learn(found, Known::Rows)
    }

    fn learn(&mut self, found: Behind, known: Known) -> bool {
        if let Some(line) = self.lines.get_mut(&found.key) {
            line.head = line.head.max(found.head);
            if known == Known::Rows {
                line.known = known;
            }
            line.count();
            return true;
        }
        if self.lines.len() >= limits::WEBHOOK_LINES_MAX {
            return false;
        }
        let mut line = Line {
            head: found.head,
            looked: found.looked,
            known,
            state: State::Ready,
            lag: self.metrics.lag(),
        };
        line.count();
        self.lines.insert(found.key, line);
        self.ready.push_back(found.key);
        true
    }

    /// A commit gave a space this event. How far the webhook is there is not known yet: at most this one behind.
    pub fn moved(&mut self, key: SpaceKey, head: Seq) -> bool {
        let looked = Seq(head.0 - 1);
        self.learn(Behind { key, head, looked }, Known::Commit)
    }

    /// The next space to look at; it is busy until [`Lines::done`].
    pub fn take(&mut self) -> Option<(SpaceKey, Known)> {
        let key = self.ready.pop_front()?;
        let line = self.lines.get_mut(&key)?;
        line.state = State::Busy;
        // Rows that are asked meanwhile may say it once more.
        Some((key, std::mem::replace(&mut line.known, Known::Commit)))
    }

    /// All is told up to `looked`; nothing more is sent before `rest`.
    pub fn done(&mut self, key: SpaceKey, looked: Seq, rest: Option<Instant>) {
        let Some(line) = self.lines.get_mut(&key) else {
            return;
        };
        line.looked = looked;
        line.count();
        match rest {
            Some(at) => self.wait(key, at),
            None if line.is_behind() => {
                line.state = State::Ready;
                self.ready.push_back(key);
            }
            None => self.forget(key),
        }
    }

    /// Not before then.
    pub fn wait(&mut self, key: SpaceKey, at: Instant) {
        if let Some(line) = self.lines.get_mut(&key) {
            line.state = State::Waiting(at);
            self.waiting.insert((at, key));
        }
    }

    /// The space is gone.
    pub fn forget(&mut self, key: SpaceKey) {
        if let Some(Line {
            state: State::Waiting(at),
            ..
        }) = self.lines.remove(&key)
        {
            self.waiting.remove(&(at, key));
        }
        self.ready.retain(|ready| *ready != key);
    }

    /// When the first wait ends.
    pub fn next(&self) -> Option<Instant> {
        self.waiting.first().map(|(at, _)| *at)
    }

    /// Those whose time has come are ready, or need not be looked at.
    pub fn tick(&mut self, now: Instant) {
        while let Some((at, key)) = self.waiting.pop_first() {
            if at > now {
                self.waiting.insert((at, key));
                return;
            }
            let Some(line) = self.lines.get_mut(&key) else {
                continue;
            };
            if line.is_behind() {
                line.state = State::Ready;
                self.ready.push_back(key);
            } else {
                self.lines.remove(&key);
            }
        }
    }

    /// Nobody waits any longer: somebody says that the endpoint is back.
    pub fn hurry(&mut self) {
        let Some((last, _)) = self.waiting.last().copied() else {
            return;
        };
        self.tick(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const KEY: SpaceKey = SpaceKey(1);
    const HEARD: (SpaceKey, Known) = (KEY, Known::Commit);

    fn lines() -> Lines {
        Lines::new(Arc::new(Metrics::default()))
    }

    #[test]
    fn one_batch_of_a_space_is_under_way_at_a_time() {
        let mut lines = lines();
        assert!(lines.moved(KEY, Seq(1)));
        assert!(lines.moved(KEY, Seq(2)));
        assert_eq!((lines.take(), lines.take()), (Some(HEARD), None));
        lines.moved(KEY, Seq(3));
        assert_eq!(lines.take(), None, "it is busy");
        lines.done(KEY, Seq(2), None);
        assert_eq!(lines.take(), Some(HEARD), "more came meanwhile");
        lines.done(KEY, Seq(3), None);
        assert_eq!((lines.take(), lines.lines.len()), (None, 0));
    }

    #[test]
    fn who_waits_is_ready_when_its_time_has_come_and_not_before() {
        let mut lines = lines();
        let now = Instant::now();
        let later = now + Duration::from_secs(9);
        lines.moved(KEY, Seq(1));
        lines.take();
        lines.wait(KEY, later);
        lines.moved(KEY, Seq(2));
        lines.tick(now);
        assert_eq!((lines.take(), lines.next()), (None, Some(later)));
        lines.tick(later);
        assert_eq!((lines.take(), lines.next()), (Some(HEARD), None));
        lines.done(KEY, Seq(2), Some(later));
        lines.hurry();
        assert_eq!((lines.take(), lines.lines.len()), (None, 0), "all is told");
    }

    #[test]
    fn what_the_rows_say_is_to_be_noted_once() {
        let mut lines = lines();
        let found = Behind {
            key: KEY,
            head: Seq(9),
            looked: Seq(3),
        };
        lines.moved(KEY, Seq(9));
        lines.behind(found);
        lines.moved(KEY, Seq(10));
        assert_eq!(lines.take(), Some((KEY, Known::Rows)));
        lines.done(KEY, Seq(9), None);
        assert_eq!(lines.take(), Some(HEARD));
    }

    #[test]
    fn a_space_that_is_gone_leaves_nothing_behind() {
        let mut lines = lines();
        lines.moved(KEY, Seq(1));
        lines.forget(KEY);
        assert_eq!(lines.take(), None);
        lines.moved(KEY, Seq(1));
        lines.take();
        lines.wait(KEY, Instant::now());
        lines.forget(KEY);
        assert_eq!((lines.next(), lines.lines.len()), (None, 0));
        lines.done(KEY, Seq(1), None);
        assert_eq!(lines.take(), None);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let mut lines = lines();
        for key in 0..limits::WEBHOOK_LINES_MAX {
            assert!(lines.moved(SpaceKey(key.try_into().expect("small")), Seq(1)));
        }
        assert!(!lines.moved(SpaceKey(-1), Seq(1)) && !lines.has_room());
        assert!(lines.moved(KEY, Seq(2)), "known ones still move");
    }
}
