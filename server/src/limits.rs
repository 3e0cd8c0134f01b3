//! Every bound of the server that is not part of the wire (those are `thexr_schema::limits`): unit last, reason
//! beside it, and what is seen when it is hit.

mod history;

pub use history::*;

use std::time::Duration;

/// How long SQLite waits for a lock before it says busy; only another program on the file can cause it.
pub const DB_BUSY_TIMEOUT_MS: u64 = 5_000;
/// Prepared texts kept per connection: the append has one per pair of powers of two (at most 11 × 11).
pub const DB_STATEMENT_CACHE_LEN: usize = 160;
/// Readers beside the one writer: loads, lists and compactions; more would only queue on two cores.
pub const DB_READERS_MAX: u32 = 4;
/// Pages the write-ahead log may grow before a commit folds it into the file (4 KiB each, so 16 MiB).
pub const DB_WAL_CHECKPOINT_PAGES: u32 = 4_000;
/// Appends waiting for the writer; one per loaded space at most, so full means thousands of busy spaces, which wait.
pub const APPEND_QUEUE_LEN: usize = 1_024;
/// Events in one commit; more wait for the next. With the last append, and rounded up to a power of two, they are at
/// most 2,048 rows of 12 values in one statement, and SQLite takes 32,766.
pub const COMMIT_ROWS_MAX: usize = 1_024;
/// Payload bytes in one commit, but for its last append; more wait for the next. They travel as one value, and SQLite
/// takes 1 GB.
pub const COMMIT_BYTES_MAX: usize = 64 << 20;
/// Least time from the start of one commit to the start of the next. Costs a busy space this much latency and
/// saves it an fsync and a write per receiver for every update that gathers meanwhile.
pub const COMMIT_GAP: Duration = Duration::from_millis(4);
/// Events between two snapshots that are kept, at least; with large documents more. The document of any moment is the
/// snapshot before it and the edits up to it.
pub const KEYFRAME_EVENTS: usize = 2_000;
/// Events between two snapshots that are kept, at most, however old: a moment of long ago takes a fifth of a second.
pub const KEYFRAME_GAP_MAX: i64 = 20_000;
/// The past of spaces that nobody wakes is looked at this often, for those that grow older than they are told to keep.
pub const RETENTION_SWEEP: Duration = Duration::from_secs(600);
/// Spaces looked at in one step of that.
pub const RETENTION_SWEEP_SPACES: i64 = 100;
/// Days that a history may be told to keep: a hundred years.
pub const HISTORY_DAYS_MAX: u64 = 36_500;
/// Events in one sealed segment, and their payload bytes: bounds the pause a seal puts between commits. A block with more
/// events is damage, so this may only go up.
pub const SEGMENT_ROWS_MAX: i64 = 2_000;
/// See [`SEGMENT_ROWS_MAX`]. The event that comes to it is the last of its segment.
pub const SEGMENT_BYTES_MAX: usize = 1 << 20;
/// Time between the first and the last event of a sealed segment, ms: both are of one day (UTC). Segments are pruned as a
/// whole, so nothing is kept longer than a day because of its neighbours.
pub const SEGMENT_SPAN_MS: i64 = 86_400_000;
/// Bytes of a segment before its last event, uncompressed: the payloads, and 16 KiB of each event for names and what it
/// changed (64 lines). A block that goes on behind them is damage.
pub const SEGMENT_RAW_BYTES_MAX: usize = SEGMENT_BYTES_MAX + SEGMENT_ROWS_MAX as usize * (16 << 10);

/// One record of a bundle, and what it is before compression: a document of the largest setting, or an edit that restores
/// one. What is in memory of a file is this much twice, and what becomes of it. Symptom: the file is refused.
pub const BUNDLE_RECORD_BYTES_MAX: usize = 2 << 30;

/// Updates one space may have applied but not saved: beyond it the space stops reading from its sockets.
pub const UNSAVED_BYTES_MAX: usize = 4 << 20;
/// Acknowledgements and answers that may wait for a commit, all of one space: beyond it the space stops reading too.
/// A question for an ack costs its sender nothing, and a commit may hang.
pub const UNSAVED_WAITERS_MAX: usize = 16_384;
/// Events one space may have decided but not saved, of any size: joins and leaves have few bytes.
pub const UNSAVED_EVENTS_MAX: usize = 16_384;
/// Events of one space in one append.
pub const APPEND_EVENTS_MAX: usize = 512;
/// Messages waiting for a space, all connections together; full = the sockets stop reading.
pub const INBOX_LEN: usize = 256;
/// Bytes of the messages waiting for a space, in KiB; full = the sockets stop reading. Above one largest message.
pub const INBOX_KIB: u32 = 24 << 10;
/// Control messages (join, leave, reads) waiting for a space; as many again are held while it is being opened.
pub const CONTROL_LEN: usize = 256;
/// Bytes a connection may have waiting to be written; full = closed with 4508, and the client resyncs.
pub const OUTBOX_BYTES_MAX: usize = 8 << 20;
/// A first sync, or an update that is larger than the outbox as after a restore, may wait beside it: it is shared bytes, and
/// this many times the document at most. The bytes of a replay's are its own, and bounded by [`REPLAY_DOCUMENTS_KIB`].
pub const OUTBOX_SYNC_BYTES_MAX: usize = 128 << 20;
/// Pieces in that queue, whatever their size: bounds the bookkeeping.
pub const OUTBOX_LEN_MAX: usize = 8_192;
/// A connection that takes nothing for this long while something is due is closed with 4508.
pub const WRITE_STALL: Duration = Duration::from_secs(20);
/// The kernel is given at most this much unsent data per connection, so that backlog stays where we can see it.
pub const NOTSENT_LOWAT_BYTES: u32 = 128 << 10;

/// Pieces one message may come in; a browser uses a handful, and each piece costs more than its bytes. Symptom: close
/// 1009 `message_too_big`.
pub const FRAGMENTS_MAX: u32 = 4_096;
/// Pieces given to the kernel in one call.
pub const PIECES_MAX: usize = 64;
/// Size of the scratch buffer that all connections of a thread read into.
pub const SCRATCH_BYTES: usize = 64 << 10;
/// Acks of one connection that may wait for its resync; a client asks a handful of times before it gives up. Symptom:
/// close 4509 `update_gap`.
pub const HELD_ACKS_MAX: usize = 64;

/// A WebSocket ping goes out after this much silence; stock clients answer without code.
pub const PING_EVERY: Duration = Duration::from_secs(20);
/// A connection that sent nothing (not even a pong) for this long is closed.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a close handshake may take.
pub const CLOSE_WAIT: Duration = Duration::from_secs(5);
/// Updates resent by one connection with a gap before it is closed with 4509.
pub const GAPS_MAX: u32 = 8;
/// SyncStep1 a connection may send in [`SYNC_WINDOW`]; more = 4529. Each may be answered by the whole document.
pub const SYNC_STEPS_MAX: u32 = 5;
/// See [`SYNC_STEPS_MAX`].
pub const SYNC_WINDOW: Duration = Duration::from_secs(10);
/// Awareness ids one connection may speak for; further ids are dropped silently (echoes are normal).
pub const AWARENESS_IDS_PER_CONNECTION: usize = 4;
/// Longest name of a user, characters; longer ones are cut.
pub const NAME_CHARS_MAX: usize = 64;
/// Members of `/presence` that stock clients are shown.
pub const BRIDGED_MEMBERS_MAX: usize = 200;
/// A member that moves is shown to stock clients this often at most …
pub const BRIDGE_EVERY: Duration = Duration::from_millis(900);
/// … when it moved this far, millimetres …
pub const BRIDGE_DEAD_BAND_MM: i32 = 500;
/// … and in any case this often: stock clients forget a state after 30 s.
pub const BRIDGE_RENEW: Duration = Duration::from_secs(15);
/// Bytes of such states per second, for each stock client.
pub const BRIDGE_BYTES_PER_STEP: usize = 10_000;
/// How often awareness changes are sent on; they are coalesced, latest wins. Stock clients send back what they get.
pub const AWARENESS_TICK: Duration = Duration::from_millis(100);
/// An awareness entry not renewed for this long is dropped (y-protocols renews every 15 s).
pub const AWARENESS_EXPIRY: Duration = Duration::from_secs(30);

/// Time between two ticks of poses: 20 Hz, what the eye takes for smooth behind 100 ms of interpolation.
pub const POSE_TICK: Duration = Duration::from_millis(50);
/// Ticks per second.
pub const POSE_TICKS_PER_S: u32 = 20;
/// A member that does not move is repeated after this many ticks.
pub const POSE_REFRESH_TICKS: u32 = 20;
/// Pose bytes per second of a receiver that asks for nothing else: 49 people at full rate and a thousand as dots.
pub const POSE_BUDGET_DEFAULT: u32 = 48_000;
/// Least of them.
pub const POSE_BUDGET_MIN: u32 = 8_000;
/// Most of them.
pub const POSE_BUDGET_MAX: u32 = 256_000;
/// Largest first TICK, bytes: a thousand dots and everybody near.
pub const FULL_TICK_BYTES: usize = 10_000;
/// Edge of a cell of the floor, metres.
pub const CELL_M: u8 = 8;
/// How far outside of its cell somebody counts as in another, millimetres.
pub const CELL_HYSTERESIS_MM: i32 = 1_000;
/// Ticks somebody stays in a cell at least.
pub const CELL_REST_TICKS: u32 = 10;
/// Cells around one's own in which people are told in full.
pub const NEAR_CELLS: i32 = 1;
/// Cells around one's own in which people are dots several times a second.
pub const MID_CELLS: i32 = 3;
/// Ticks between two dots of somebody in the middle distance: 2.5 Hz.
pub const MID_EVERY: u32 = 8;
/// Ticks between two dots of somebody far away: 1 Hz.
pub const FAR_EVERY: u32 = 20;
/// Far members told per tick at most, on average: with more of them each comes less often than once a second.
pub const FAR_DOTS_PER_TICK: u32 = 45;
/// With more people near than this (two and a half times what fits as records), who is nearest is found out for each
/// part of a cell: sixteen times as many frames are built.
pub const CROWD_MIN: usize = 128;
/// Cells of which it is remembered whose turn is next; more are forgotten all at once.
pub const CELLS_REMEMBERED_MAX: usize = 8_192;
/// Receivers that missed the same tick, and a quarter of all: then the server is too slow, not they.
pub const FLOODED_RECEIVERS_MIN: usize = 20;
/// Members on the stage, seen everywhere in full; more stand there like anybody else.
pub const HEROES_MAX: usize = 16;
/// Zones of a space with somebody in them; beyond it people stay in the open space.
pub const ZONES_MAX: usize = 1_024;
/// Ticks between two TICKs at each level of shedding: 20, 10, 5 and 2 Hz.
pub const SHED_PERIODS: [u32; 4] = [1, 2, 4, 10];
/// What part of its budget a receiver is sent at each level.
pub const SHED_BUDGET_PARTS: [usize; 4] = [1, 1, 2, 4];
/// The last level: dots only.
pub const SHED_MAX: u8 = 3;
/// Ticks a receiver may miss in [`SHED_WINDOW`] before it gets fewer.
pub const SHED_MISSES: u32 = 4;
/// See [`SHED_MISSES`].
pub const SHED_WINDOW: Duration = Duration::from_secs(1);
/// How long a receiver must keep up to get more again.
pub const SHED_RECOVERY: Duration = Duration::from_secs(2);
/// A receiver whose newest TICK came later than this, and a TICK more, gets fewer.
pub const RACK_AGE_MAX: Duration = Duration::from_millis(250);
/// Nobody moves faster; a pose that does is dropped.
pub const POSE_SPEED_MAX_M_PER_S: f64 = 20.0;
/// Jumps a member may declare in [`TELEPORT_WINDOW`]; further ones are dropped.
pub const TELEPORTS_MAX: u32 = 2;
/// See [`TELEPORTS_MAX`].
pub const TELEPORT_WINDOW: Duration = Duration::from_secs(1);
/// Poses per second read from a connection that promises nothing else, and at most; a headset's frame rate.
pub const POSE_HZ_MAX: u8 = 90;
/// Unsent bytes the kernel is given of a presence connection: two ticks of poses, not a minute.
pub const PRESENCE_LOWAT_BYTES: u32 = 4 << 10;
/// A presence connection says HELLO within this time or is closed.
pub const HELLO_WAIT: Duration = Duration::from_secs(10);
/// A ping goes to a presence connection after this much silence.
pub const PRESENCE_PING_EVERY: Duration = Duration::from_secs(5);
/// A presence connection that is silent for this long is lost; clients ping every five seconds.
pub const PRESENCE_SILENCE_MAX: Duration = Duration::from_secs(10);
/// How long a lost member is kept (setting `grace`).
pub const GRACE: Duration = Duration::from_secs(15);
/// A handle is not given again for this long.
pub const HANDLE_REST: Duration = Duration::from_secs(60);
/// Handles that rest; the oldest is given again when there are more.
pub const HANDLES_RESTING_MAX: usize = 32_768;
/// Members of one space, away ones included; one more is refused with 4503.
pub const MEMBERS_PER_SPACE_MAX: usize = 6_000;
/// Pieces a connection may have waiting to be written before nothing more is read from it: answers to its own pings.
pub const WRITER_PIECES_MAX: usize = 1_024;
/// Messages of presence connections waiting for a space; full = they stop reading.
pub const PEOPLE_LEN: usize = 1_024;
/// Messages (previews, reactions) a member may send per second; more are dropped.
pub const SAY_PER_S: f64 = 60.0;
/// And their bytes.
pub const SAY_BYTES_PER_S: f64 = 64_000.0;
/// Messages waiting for a tick; further ones are dropped.
pub const SAID_LEN_MAX: usize = 4_096;
/// Bytes of messages in one tick; the rest waits for the next.
pub const SAID_BYTES_MAX: usize = 64 << 10;
/// Bytes of one ROSTER; longer ones are sent in pieces.
pub const ROSTER_BYTES: usize = 16 << 10;

/// Samples per second of the pose track at most (setting `pose-track-hz`): as often as poses are sent.
pub const POSE_TRACK_HZ_MAX: u64 = 20;
/// A chunk of the pose track is closed after this time: what a crash loses of it, and what a replay reads to begin.
pub const POSE_CHUNK_SPAN: Duration = Duration::from_secs(15);
/// And at this size, bytes before compression: a thousand moving people for nine seconds.
pub const POSE_CHUNK_BYTES: usize = 256 << 10;
/// Bytes of the pose track of a space in an hour, before compression, and a minute's worth each time it is opened; further
/// samples are skipped. Two thousand moving people once a second fit. Symptom: `limit_hits` of `pose_track`, and poses that jump in a replay.
pub const POSE_TRACK_BYTES_PER_HOUR: u32 = 256 << 20;

/// Bytes of the pose track beyond which a space is compacted, however little was edited: what is not sealed is not pruned.
pub const POSE_LOG_BYTES: usize = 32 << 20;
/// Events without an edit among them that a compaction leaves as they are: fewer are not worth a snapshot.
pub const QUIET_LOG_ROWS: i64 = 200;
/// Chunks of one space that are being compressed; while there are so many, samples are skipped.
pub const POSE_CHUNKS_PACKING_MAX: usize = 4;

/// Replays in the process; one more is closed with 1013.
pub const REPLAYS_MAX: usize = 500;
/// Events a replay has in memory at most; no more than one sealed block in any case.
pub const REPLAY_PAGE_EVENTS: usize = 128;
/// Bytes of a replay that its connection may not have written yet; beyond it the replay stands still.
pub const REPLAY_QUEUE_BYTES: usize = 256 << 10;
/// And frames.
pub const REPLAY_QUEUE_LEN: usize = 1_024;
/// KiB of large documents (above [`REPLAY_QUEUE_BYTES`]) that replays may not have written yet, all together; further jumps
/// wait for their turn, without a document. Four of the largest.
pub const REPLAY_DOCUMENTS_KIB: u32 = 256 << 10;
/// And for so long. Symptom: close 1013 `try_later`.
pub const REPLAY_DOCUMENT_WAIT: Duration = Duration::from_secs(30);
/// A replay that plays says where it is this often.
pub const REPLAY_POSITION_EVERY: Duration = Duration::from_millis(250);
/// Moments of which a replay remembers who was there: a step back reads no more of the journal than is between two of them.
pub const REPLAY_MARKS_MAX: usize = 32;
/// Members in all of them together; with more there are fewer.
pub const REPLAY_MARKED_MEMBERS_MAX: usize = 20_000;
/// A replay looks how much history there is this often, and, near its end, each time it says where it is.
pub const REPLAY_LOOK_EVERY: Duration = Duration::from_secs(1);
/// Least time from the start of one jump of a replay to the start of the next: each builds a document, and a slider asks
/// for hundreds. Of what was asked for meanwhile the last one counts.
pub const REPLAY_JUMP_GAP: Duration = Duration::from_millis(30);
/// Poses of a replay come so long before their time, ms of the recording: a sample's period, and a little …
pub const REPLAY_POSE_LEAD_MS: f64 = 1_100.0;
/// … and for each unit of speed so much more, for the way there.
pub const REPLAY_POSE_SLACK_MS: f64 = 200.0;
/// Milliseconds per tick of a replay, in which its TICKs are counted.
pub const REPLAY_TICK_MS: i64 = 10;
/// Tick 0 is so long before the moment of a jump: poses may be older than it.
pub const REPLAY_TICK0_BEFORE_MS: i64 = 60_000;

/// The space actor looks after idle time, schedules and expiry this often.
pub const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// Bytes of edits beyond which a space that everybody has left is compacted at once.
pub const LEFT_LOG_BYTES: i64 = 16 << 10;
/// Events of any kind that weigh as much as one edit when a space is opened, in the choice of when to compact.
pub const LOG_ROWS_PER_EDIT: i64 = 10;
/// Sockets of one space.
pub const CONNECTIONS_PER_SPACE_MAX: usize = 6_000;
/// Panics of one space within [`RESTART_WINDOW`] before joins are refused for a while (the prototype's 3 in 5 s).
pub const RESTARTS_MAX: usize = 3;
/// See [`RESTARTS_MAX`].
pub const RESTART_WINDOW: Duration = Duration::from_secs(5);
/// How long joins are refused after the budget is spent; doubles up to [`RESTART_REFUSAL_MAX`].
pub const RESTART_REFUSAL: Duration = Duration::from_secs(2);
/// See [`RESTART_REFUSAL`].
pub const RESTART_REFUSAL_MAX: Duration = Duration::from_secs(60);

/// How long a space whose stored data is damaged is refused without looking at it again.
pub const DAMAGED_REFUSAL: Duration = Duration::from_secs(30);

/// Pieces of a board that a restore leaves alone; with more of them it puts all of the board anew. Each costs a walk.
pub const RESTORE_RUNS_MAX: usize = 200;
/// Changes noted of one transaction for the journal; of more it says only how many there were.
pub const CHANGES_NOTED_MAX: usize = 4_096;
/// Updates above this size are not compared with what is known under the same clocks: the comparison encodes
/// them again, and clients that load their own store resend whole documents as updates.
pub const COMPARE_BYTES_MAX: usize = 64 << 10;
/// Encoded answers kept for the current version of a document: a crowd that comes back at once brings a handful
/// of different state vectors.
pub const ANSWERS_MAX: usize = 16;
/// Values nested deeper read as null; the scanner refuses them on the way in.
pub const VALUE_DEPTH_MAX: usize = 34;

/// How long an orderly end may take; what was acknowledged is on the disk long before. Symptom: exit code 70.
pub const STOP_MAX: Duration = Duration::from_secs(25);
/// How long threads that hang may hold up the end of the program.
pub const RUNTIME_END: Duration = Duration::from_secs(1);
/// How long a browser may remember what a preflight said.
pub const PREFLIGHT_AGE: Duration = Duration::from_secs(600);
/// How long a request under way may take when the server stops.
pub const HTTP_END: Duration = Duration::from_secs(5);
/// Pause after a connection could not be accepted (out of descriptors), so that the listener does not spin.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a space may take to save what it has applied when the server stops.
pub const SHUTDOWN_SAVE: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
pub const HTTP_HEAD_BYTES_MAX: usize = 8 << 10;
/// A request's head must be whole within this time (slow senders get 408).
pub const HTTP_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// JSON body of a request: an entity with a few components, one of them of the largest size. Symptom: 413
/// `body_too_large`.
pub const HTTP_BODY_BYTES_MAX: usize = 1 << 20;
/// What is read and thrown away of a body that is refused, bytes, so that the client gets to read why.
pub const HTTP_DISCARD_BYTES_MAX: usize = 32 << 20;
/// And for how long.
pub const HTTP_DISCARD_TIME: Duration = Duration::from_secs(5);
/// Items of a page when the request does not say.
pub const PAGE_LEN_DEFAULT: usize = 100;
/// Most items of a page; more is 400 `bad_query`.
pub const PAGE_LEN_MAX: usize = 500;
/// Longest display name of a space, characters; more is 400 `bad_name`.
pub const SPACE_NAME_CHARS_MAX: usize = 120;
/// Documents read as JSON in the actor itself, encoded bytes: about a millisecond. Larger ones are read from their
/// bytes elsewhere, [`PASTS_MAX`] at a time in the process.
pub const DOC_WALK_BYTES_MAX: usize = 64 << 10;
/// The readiness probe asks the database at most this often: it needs the one writer.
pub const READY_CACHE: Duration = Duration::from_secs(5);
/// What the probe writes and removes, to notice a full disk.
pub const READY_PROBE_BYTES: usize = 1 << 20;
/// An HTTP request is answered within this time or gets 503.
pub const HTTP_TIMEOUT: Duration = Duration::from_secs(60);
/// Descriptors for the database, the listener, logs and the runtime, with room to spare.
pub const DESCRIPTORS_BESIDE_CONNECTIONS: u64 = 128;
/// Stack of every worker thread: the engine recurses, and 2 MiB has been overflown.
pub const THREAD_STACK_BYTES: usize = 8 << 20;
