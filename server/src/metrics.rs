//! Counters and gauges for operators, served at `/metrics` in the Prometheus text format. Names are those of
//! SPEC's H rules; a label never carries a space name, a user or an address.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::borrow::Cow;
use std::time::Duration;

type Label = Cow<'static, str>;

macro_rules! label {
    ($name:ident, $field:ident) => {
        #[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
        struct $name {
            $field: Label,
        }
    };
}
label!(ByCode, code);
label!(ByKind, kind);
label!(ByResult, result);
label!(ByLimit, limit);

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    /// Open WebSockets.
    pub connections: Gauge,
    /// Spaces in memory.
    pub spaces_loaded: Gauge,
    /// Payload bytes read from WebSockets.
    pub received_bytes: Counter,
    /// Bytes written to WebSockets, framing included.
    pub sent_bytes: Counter,
    /// Panics of the engine that ended a space.
    pub engine_panics: Counter,
    /// Spaces that refuse to open because their rows are damaged.
    pub quarantined_spaces: Gauge,
    /// Edits not yet covered by a snapshot, payload bytes, over the loaded spaces.
    log_backlog_bytes: Gauge,
    /// 1 while the last write failed for want of disk.
    pub read_only: Gauge,
    /// TICK frames handed to presence connections.
    ticks: Counter,
    /// TICKs a receiver missed because it had not taken the one before.
    ticks_skipped: Counter,
    presence_dropped: Family<ByKind, Counter>,
    /// Events that webhooks have yet to tell, as far as is known.
    webhook_lag: Gauge,
    /// Batches that webhooks gave up.
    pub webhook_dead: Gauge,
    webhook_lost: Counter,
    webhooks: Family<ByResult, Counter>,
    closed: Family<ByCode, Counter>,
    messages: Family<ByKind, Counter>,
    updates: Family<ByResult, Counter>,
    limits: Family<ByLimit, Counter>,
    compactions: Family<ByResult, Counter>,
    db_errors: Family<ByKind, Counter>,
    load: Histogram,
    ack: Histogram,
    commit: Histogram,
    batch: Histogram,
    compaction: Histogram,
    doc_bytes: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.000_25, 2.0, 16));
        let mut m = Self {
            registry: Registry::default(),
            connections: Gauge::default(),
            spaces_loaded: Gauge::default(),
            received_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            engine_panics: Counter::default(),
            quarantined_spaces: Gauge::default(),
            log_backlog_bytes: Gauge::default(),
            read_only: Gauge::default(),
            ticks: Counter::default(),
            ticks_skipped: Counter::default(),
            presence_dropped: Family::default(),
            webhook_lag: Gauge::default(),
            webhook_dead: Gauge::default(),
            webhook_lost: Counter::default(),
            webhooks: Family::default(),
            closed: Family::default(),
            messages: Family::default(),
            updates: Family::default(),
            limits: Family::default(),
            compactions: Family::default(),
            db_errors: Family::default(),
            load: seconds(),
            ack: seconds(),
            commit: seconds(),
            batch: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            compaction: seconds(),
            doc_bytes: Histogram::new(exponential_buckets(1_024.0, 4.0, 10)),
        };
        let mut r = Registry::with_prefix("thexr");
        let info = [("version", env!("CARGO_PKG_VERSION")), ("yrs", yrs_version!())];
        r.register(
            "build",
            "What is running",
            prometheus_client::metrics::info::Info::new(info.to_vec()),
        );
        r.register("connections", "Open WebSockets", m.connections.clone());
        r.register(
            "connections_closed",
            "WebSockets closed, by close code",
            m.closed.clone(),
        );
        r.register("presence_ticks", "TICK frames sent", m.ticks.clone());
        r.register(
            "presence_ticks_skipped",
            "TICKs that a slow receiver missed",
            m.ticks_skipped.clone(),
        );
        r.register(
            "presence_dropped",
            "Presence messages dropped, by reason",
            m.presence_dropped.clone(),
        );
        r.register(
            "webhook_deliveries",
            "Attempts to deliver, by result",
            m.webhooks.clone(),
        );
        r.register(
            "webhook_lag_events",
            "Events that webhooks have yet to tell",
            m.webhook_lag.clone(),
        );
        r.register(
            "webhook_dead_letters",
            "Batches that webhooks gave up",
            m.webhook_dead.clone(),
        );
        r.register(
            "webhook_lost_events",
            "Events that were pruned before a webhook told them",
            m.webhook_lost.clone(),
        );
        r.register("spaces_loaded", "Spaces in memory", m.spaces_loaded.clone());
        r.register_with_unit(
            "space_load_duration",
            "Opening a space",
            Unit::Seconds,
            m.load.clone(),
        );
        r.register(
            "messages_received",
            "WebSocket messages, by type",
            m.messages.clone(),
        );
        r.register(
            "received_bytes",
            "Payload bytes read from WebSockets",
            m.received_bytes.clone(),
        );
        r.register("sent_bytes", "Bytes written to WebSockets", m.sent_bytes.clone());
        r.register("updates", "Updates received, by result", m.updates.clone());
        r.register_with_unit(
            "update_ack_duration",
            "From an update's arrival to its commit",
            Unit::Seconds,
            m.ack.clone(),
        );
        r.register_with_unit(
            "commit_duration",
            "One database commit",
            Unit::Seconds,
            m.commit.clone(),
        );
        r.register("commit_batch_size", "Events in one commit", m.batch.clone());
        r.register("compactions", "Compactions, by result", m.compactions.clone());
        r.register_with_unit(
            "compaction_duration",
            "One compaction",
            Unit::Seconds,
            m.compaction.clone(),
        );
        r.register(
            "log_backlog_bytes",
            "Edits not covered by a snapshot, bytes",
            m.log_backlog_bytes.clone(),
        );
        r.register(
            "doc_bytes",
            "Encoded size of a document when it is opened or compacted",
            m.doc_bytes.clone(),
        );
        r.register(
            "quarantined_spaces",
            "Spaces whose rows are damaged",
            m.quarantined_spaces.clone(),
        );
        r.register(
            "engine_panics",
            "Panics that ended a space",
            m.engine_panics.clone(),
        );
        r.register("limit_hits", "Limits hit, by limit", m.limits.clone());
        r.register("db_errors", "Failed database calls, by kind", m.db_errors.clone());
        r.register("read_only", "1 while the disk is full", m.read_only.clone());
        m.registry = r;
        m
    }
}

/// One party's part of a gauge that is a sum; gone with it, however it ends.
pub struct Share {
    gauge: Gauge,
    amount: i64,
}

impl Share {
    fn of(gauge: &Gauge) -> Self {
        Self {
            gauge: gauge.clone(),
            amount: 0,
        }
    }

    /// The part is this large now.
    pub fn is(&mut self, amount: i64) {
        self.gauge.inc_by(amount - self.amount);
        self.amount = amount;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.is(0);
    }
}

impl Metrics {
    /// A space's part of `log_backlog_bytes`; nothing until it is open.
    pub fn backlog(&self) -> Share {
        Share::of(&self.log_backlog_bytes)
    }

    /// A webhook's part of `webhook_lag_events` in one space; nothing until it is known how far it is behind.
    pub fn lag(&self) -> Share {
        Share::of(&self.webhook_lag)
    }

    /// Events were pruned before a webhook told them.
    pub fn webhook_lost(&self, events: i64) {
        self.webhook_lost.inc_by(events.unsigned_abs());
    }

    /// An attempt of a webhook was `taken`, `refused` (an answer that is not 2xx), `unanswered`, `gone` (410), not
    /// made because the log is `unreadable` there, or the last one before its batch was `given_up`.
    pub fn webhook(&self, result: &'static str) {
        self.webhooks
            .get_or_create(&ByResult {
                result: result.into(),
            })
            .inc();
    }

    /// The text of `/metrics`.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut out, &self.registry);
        let (rss, cpu) = self.process();
        // The field's standard process metrics have no prefix, so they are not in our registry.
        let process = format!(
            "# HELP process_resident_memory_bytes Resident memory size in bytes.\n\
             # TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes {rss}\n\
             # HELP process_cpu_seconds Total user and system CPU time spent in seconds.\n\
             # TYPE process_cpu_seconds counter\nprocess_cpu_seconds_total {cpu}\n# EOF\n"
        );
        out.truncate(out.len() - "# EOF\n".len());
        out + &process
    }

    /// Resident bytes and CPU seconds of this process; zeros where `/proc` is missing.
    fn process(&self) -> (u64, f64) {
        let page = 4_096;
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let rss = statm
            .split(' ')
            .nth(1)
            .and_then(|n| n.parse::<u64>().ok())
            .unwrap_or(0)
            * page;
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // Fields 14 and 15 (utime, stime, in 1/100 s), counted after the name in parentheses.
        let ticks: u64 = stat
            .rsplit_once(')')
            .map(|(_, rest)| {
                rest.split_whitespace()
                    .skip(11)
                    .take(2)
                    .filter_map(|n| n.parse::<u64>().ok())
                    .sum()
            })
            .unwrap_or(0);
        (rss, ticks as f64 / 100.0)
    }

    /// A WebSocket ended with this close code.
    pub fn closed(&self, code: u16) {
        self.closed
            .get_or_create(&ByCode {
                code: code.to_string().into(),
            })
            .inc();
    }

    /// A message of this type came in.
    pub fn message(&self, kind: &'static str) {
        self.messages.get_or_create(&ByKind { kind: kind.into() }).inc();
    }

    /// What a tick did.
    pub fn ticked(&self, frames: u32, skipped: u32) {
        self.ticks.inc_by(frames.into());
        self.ticks_skipped.inc_by(skipped.into());
    }

    /// A presence message was dropped: `early`, `pose_rate`, `say_rate`, `implausible` or `malformed`.
    pub fn presence_dropped(&self, reason: &'static str) {
        self.presence_dropped
            .get_or_create(&ByKind { kind: reason.into() })
            .inc();
    }

    /// An update was `applied`, `known`, `gap`, `refused` or `malformed`.
    pub fn update(&self, result: &'static str) {
        self.updates
            .get_or_create(&ByResult {
                result: result.into(),
            })
            .inc();
    }

    /// A limit was hit.
    pub fn limit(&self, limit: &'static str) {
        self.limits.get_or_create(&ByLimit { limit: limit.into() }).inc();
    }

    /// A compaction ended as `done`, `lost`, `empty`, `dry_run` or `failed`.
    pub fn compaction(&self, result: &'static str, took: Duration) {
        self.compactions
            .get_or_create(&ByResult {
                result: result.into(),
            })
            .inc();
        self.compaction.observe(took.as_secs_f64());
    }

    /// A database call failed: `full`, `damaged` or `other`.
    pub fn db_error(&self, kind: &'static str) {
        self.db_errors.get_or_create(&ByKind { kind: kind.into() }).inc();
        if kind == "full" {
            self.read_only.set(1);
        }
    }

    /// A space was opened.
    pub fn loaded(&self, took: Duration, doc_bytes: usize) {
        self.load.observe(took.as_secs_f64());
        self.doc_bytes.observe(doc_bytes as f64);
    }

    /// A snapshot of this size before compression took the place of the log.
    pub fn compacted(&self, doc_bytes: usize) {
        self.doc_bytes.observe(doc_bytes as f64);
    }

    /// An update waited this long from its arrival to its commit.
    pub fn acked(&self, took: Duration) {
        self.ack.observe(took.as_secs_f64());
    }

    /// One commit of so many events.
    pub fn commit(&self, took: Duration, events: usize) {
        self.commit.observe(took.as_secs_f64());
        self.batch.observe(events as f64);
    }
}
