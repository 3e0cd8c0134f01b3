//! Bounds of what is read back and told on: the past, the journal, followers, bundles, webhooks, attendance, activity.

use std::time::Duration;

/// Documents being built or read beside their space at once, in the process; further requests wait. Each costs its whole
/// memory again.
pub const PASTS_MAX: usize = 2;
/// Bytes of edits that a document of the past is joined from; what is more is folded by an engine on the way. Between two
/// snapshots there are rarely a tenth of it.
pub const PAST_EDIT_BYTES_MAX: usize = 16 << 20;
/// Entities and boards listed in one answer about what changed between two moments; of more it says how many.
pub const DIFF_ITEMS_MAX: usize = 2_000;
/// Payload bytes read at once, and one event more.
pub const HISTORY_PAGE_BYTES: i64 = 4 << 20;
/// Events read at once where all of them are wanted.
pub const HISTORY_PAGE_EVENTS: usize = 2_000;
/// Events of a journal looked at for one request; a page that is not full by then says where it stopped. About a tenth
/// of a second.
pub const JOURNAL_LOOK_EVENTS: usize = 20_000;
/// What a sealed block counts as, whatever it holds of what is wanted: unpacking it is the work.
pub const JOURNAL_BLOCK_EVENTS: usize = 2_000;
/// Events of a journal read at once; no more than one sealed block in any case.
pub const JOURNAL_PAGE_EVENTS: usize = 500;
/// Events a follower of a journal has in memory at most.
pub const FOLLOW_PAGE_EVENTS: usize = 64;
/// A follower hears something at least this often; proxies close what is silent for a minute.
pub const FOLLOW_HEARTBEAT: Duration = Duration::from_secs(15);
/// Followers of journals in the process; one more is 503 `busy`.
pub const FOLLOWERS_MAX: usize = 1_000;
/// Bundles on their way in the process: each holds one of the readers. One more is 503 `busy`.
pub const BUNDLES_MAX: usize = 1;
/// A bundle of which nothing is taken for this long breaks off: while it is read, the write-ahead log only grows.
pub const BUNDLE_STALL: Duration = Duration::from_secs(30);
/// And one that is taken more slowly than this, bytes per second (2 Mbit): a reader that takes a little every while would
/// hold up the log for as long as it likes. A gigabyte then takes an hour at most.
pub const BUNDLE_BYTES_PER_S_MIN: u32 = 256 << 10;
/// Webhooks of the server; one more is 409 `too_many_webhooks`.
pub const WEBHOOKS_MAX: usize = 100;
/// Longest URL of a webhook; longer ones are 400 `bad_url`.
pub const WEBHOOK_URL_BYTES_MAX: usize = 2_048;
/// Shortest secret of a webhook: what is shorter can be guessed. Symptom: 400 `bad_json`.
pub const WEBHOOK_SECRET_BYTES_MIN: usize = 16;
/// Longest secret of a webhook. Symptom: 400 `bad_json`.
pub const WEBHOOK_SECRET_BYTES_MAX: usize = 256;
/// Deliveries under way in the process; more wait.
pub const WEBHOOK_DELIVERIES_MAX: usize = 32;
/// And of one webhook; one at a time, with the pauses of [`WEBHOOK_BACKOFF_FIRST`], while its endpoint does not answer.
pub const WEBHOOK_DELIVERIES_PER_HOOK: usize = 4;
/// Spaces in which one webhook has something to do, as far as they are in memory; more wait in the rows.
pub const WEBHOOK_LINES_MAX: usize = 4_096;
/// Spaces that moved and were not fetched yet, per webhook; of more it is only known that there were more.
pub const WEBHOOK_MOVES_MAX: usize = 4_096;
/// Events of one delivery.
pub const WEBHOOK_BATCH_EVENTS: usize = 200;
/// JSON of one delivery, bytes; a single event may be larger and then goes alone.
pub const WEBHOOK_BATCH_BYTES: usize = 512 << 10;
/// Least time between two deliveries of one space to one webhook, unless the first was full: a busy space commits 250
/// times a second, and a delivery costs a commit too.
pub const WEBHOOK_GATHER: Duration = Duration::from_millis(100);
/// How long an endpoint may take until it is connected.
pub const WEBHOOK_CONNECT: Duration = Duration::from_secs(5);
/// How long an endpoint may take until it has answered, connecting included.
pub const WEBHOOK_ANSWER: Duration = Duration::from_secs(15);
/// How long a connection to an endpoint is kept for the next delivery.
pub const WEBHOOK_IDLE: Duration = Duration::from_secs(30);
/// What is read of an answer's body before the connection is given up; nothing of it is used.
pub const WEBHOOK_ANSWER_BYTES_MAX: usize = 16 << 10;
/// Wait after the first attempt that failed; doubles …
pub const WEBHOOK_BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// … up to this. An endpoint that is back waits no longer for what it missed.
pub const WEBHOOK_BACKOFF_MAX: Duration = Duration::from_secs(600);
/// What an endpoint may ask for with Retry-After.
pub const WEBHOOK_RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// A batch is given up after this many attempts at the earliest …
pub const WEBHOOK_ATTEMPTS_MIN: u32 = 20;
/// … and not before this much time. Symptom: a dead letter.
pub const WEBHOOK_GIVE_UP: Duration = Duration::from_secs(86_400);
/// How long after it happened an event is kept that a webhook has yet to tell, in a batch or a dead letter, whatever its
/// space is told to keep: longer than [`WEBHOOK_GIVE_UP`], and so long that a hook that somebody has forgotten does not
/// keep a history for ever. Symptom: `error` of the webhook says which events were lost.
pub const WEBHOOK_UNTOLD_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// Events without any of a webhook's kinds that are looked at again after a restart.
pub const WEBHOOK_LOOKED_EVENTS: i64 = 500;
/// How long an attempt under way may take when the server stops or its webhook is paused.
pub const WEBHOOK_END: Duration = Duration::from_secs(1);
/// Pause after the database did not answer.
pub const WEBHOOK_STORE_PAUSE: Duration = Duration::from_secs(2);
/// Lines of one attendance list.
pub const ATTENDANCE_ROWS_MAX: usize = 100_000;
/// Buckets of one answer about how much happened when: more than a window has pixels for bars. More is 400 `bad_query`.
pub const ACTIVITY_BUCKETS_MAX: i64 = 500;
/// Buckets when the request does not say.
pub const ACTIVITY_BUCKETS_DEFAULT: i64 = 120;
/// Sealed blocks unpacked for one such answer, the newest ones: half a second or so. Of older ones their rows tell how
/// much happened, and nobody who was there.
pub const ACTIVITY_BLOCKS_MAX: usize = 128;
/// Members listed in one such answer; of more it says how many.
pub const ACTIVITY_MEMBERS_MAX: usize = 200;
/// Spans of one member listed; the last one then stands for all that followed.
pub const ACTIVITY_SPANS_MAX: usize = 64;
