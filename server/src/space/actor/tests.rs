//! A space driven through its handle, with what no client can cause: a feature that crashes.

use super::*;
use crate::space::doc::edit::Edit;
use crate::space::lanes::Lanes;
use crate::space::people::Enter;
use crate::space::poses::View;
use crate::space::poses::slot::PoseSlot;
use crate::space::poses::tests::{CRASH, record_at};
use crate::space::roster::Identity;
use crate::space::{Condition, Inbound, Join};
use thexr_schema::presence::{Down, Payloads};
use tokio_util::task::TaskTracker;

const DEADLINE: Duration = Duration::from_secs(20);

struct Space {
    handle: SpaceHandle,
    stop: CancellationToken,
    folder: std::path::PathBuf,
}

impl Drop for Space {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Space {
    async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("thexr-actor-{:032x}", rand::random::<u128>()));
        let (metrics, tracker) = (Arc::new(Metrics::default()), TaskTracker::new());
        let store = Store::open(&folder, metrics.clone(), &tracker)
            .await
            .expect("opens");
        let row = store
            .create(&"hall".parse().expect("an id"), "hall")
            .await
            .expect("creates");
        let stop = CancellationToken::new();
        let context = Context {
            journal_changes: true,
            pose_track_hz: 1,
            store,
            metrics,
            history: Default::default(),
            compaction: CompactionConfig::default(),
            idle: DEADLINE,
            grace: DEADLINE,
            started_ms: 0,
            doc_bytes_max: 1 << 20,
            compacting: Arc::new(Semaphore::new(1)),
            stop: stop.clone(),
        };
        let (handle, life) = Actor::start(context, row, Box::new(|| true));
        tracker.spawn(life);
        Self { handle, stop, folder }
    }

    /// A member on a lane that is welcome.
    async fn member(&self, conn: u64) -> Member {
        let (lanes, slot) = (Lanes::default(), PoseSlot::default());
        let enter = Enter {
            lanes: lanes.clone(),
            slot: slot.clone(),
            identity: Identity::guest(),
            token: None,
            yjs: 0,
            state: "{}".into(),
            budget: 0,
        };
        let enter = FromMember::Enter(Box::new(enter));
        self.handle.tell(ConnId(conn), enter).await;
        let mut member = Member {
            lanes,
            slot,
            seen: 0,
            rosters: 0,
        };
        member.until(|member| member.rosters == 1).await;
        member
    }
}

struct Member {
    lanes: Lanes,
    slot: PoseSlot,
    /// Records in TICKs so far.
    seen: usize,
    rosters: usize,
}

impl Member {
    async fn until(&mut self, enough: impl Fn(&Self) -> bool) {
        let reading = async {
            while !enough(self) {
                self.lanes.ready().await;
                let drained = self.lanes.drain();
                assert_eq!(drained.close, None, "closed");
                for frame in drained.frames.iter().chain(drained.lossy.iter().flatten()) {
                    self.take(frame);
                }
            }
        };
        tokio::time::timeout(DEADLINE, reading).await.expect("in time");
    }

    fn take(&mut self, frame: &[u8]) {
        if frame.is_empty() {
            return;
        }
        let payload = &frame[if frame[1] == 126 { 4 } else { 2 }..];
        for payload in Payloads::new(payload) {
            match Down::read(payload.expect("a payload")).expect("a message") {
                Down::Tick(tick) => self.seen += tick.records().count(),
                Down::Roster { .. } => self.rosters += 1,
                Down::Events(events) => assert!(!events.is_empty()),
                _ => {}
            }
        }
    }
}

/// Design §6: a crashed feature is rebuilt alone. Documents, roster and sockets stay, and poses are back at once.
#[tokio::test]
async fn a_crash_of_the_poses_costs_a_tick_and_nothing_else() {
    let space = Space::start().await;
    let document = Lanes::default();
    let join = Join {
        conn: ConnId(1),
        lanes: document.clone(),
        identity: None,
    };
    space.handle.join(join).await.expect("joins");
    space
        .handle
        .try_deliver(ConnId(1), Inbound::SyncStep1(Vec::new()))
        .expect("there is room");
    let mut ana = space.member(2).await;
    let ben = space.member(3).await;
    ben.slot.put(1, record_at(1.0, 0.0), Instant::now());
    ana.until(|ana| ana.seen > 0).await;

    let cellar = || {
        FromMember::View(View {
            zone: "cellar".into(),
            focus: None,
            budget: 0,
        })
    };
    for conn in [ConnId(2), ConnId(3)] {
        space.handle.tell(conn, cellar()).await;
    }
    let mut cleo = space.member(4).await;

    let before = space.handle.members().await.expect("answers");
    // What one move takes on this machine now: a busy one may be away itself.
    let (seen, since) = (ana.seen, Instant::now());
    ben.slot.put(2, record_at(1.25, 0.0), Instant::now());
    ana.until(|ana| ana.seen > seen).await;
    let usual = since.elapsed();
    CRASH.set(true);
    let (seen, since) = (ana.seen, Instant::now());
    ben.slot.put(3, record_at(1.5, 0.0), Instant::now());
    ana.until(|ana| ana.seen > seen).await;
    assert!(!CRASH.get(), "it did crash");
    assert!(
        since.elapsed() < Duration::from_secs(1) + 10 * usual,
        "poses were away for {:?}",
        since.elapsed()
    );

    assert_eq!(space.handle.members().await.expect("answers"), before);
    assert_eq!(ana.rosters, 1, "nobody came in again");
    for frame in cleo.lanes.drain().lossy.iter().flatten() {
        cleo.take(frame);
    }
    assert_eq!(cleo.seen, 0, "who is in a zone stays in it");
    document.drain();
    let edit = Edit::Put {
        entity: "box".into(),
        component: "name".into(),
        value: serde_json::json!("x"),
    };
    space.handle.edit(edit, Condition::Always).await.expect("edits");
    let drained = document.drain();
    assert_eq!(
        (drained.frames.len(), drained.close),
        (1, None),
        "the edit arrives"
    );
}
