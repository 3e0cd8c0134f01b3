//! Owns every number that bounds what is spoken; must not know who counts. The server adds its own (queues,
//! rates, timeouts). Each line says why the number, and what is seen when it is hit.

/// Largest WebSocket message, bytes. 4 MiB is 40,000 component writes, far above any gesture; larger first
/// syncs go over HTTP. Symptom: close 1009 `message_too_big`.
pub const WS_MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Largest update over HTTP, bytes: what a client with days of offline work sends. Symptom: 413
/// `body_too_large`.
pub const BULK_UPDATE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Deepest value inside an update. yrs recurses per level and 7,000 levels overflow its stack; 32 is twice what
/// HTTP allows. Symptom: fault `too_deep`, close 4400.
pub const ANY_DEPTH_MAX: u32 = 32;

/// Most client sections in one update, state vector or delete set: 50 tabs a day for three years. Symptom:
/// fault `too_many`.
pub const CLIENTS_PER_UPDATE_MAX: u64 = 65_536;

/// Most structs in one update. The scanner keeps at most about 100 bytes per struct while it
/// judges, so 100 MB. Symptom: fault `too_many`.
pub const STRUCTS_PER_UPDATE_MAX: u32 = 1_000_000;

/// Most structs in a stored document that is read from a file. Every overwrite leaves one, so a document that nobody could
/// send as one update is still a document. Symptom: the file is refused.
pub const STRUCTS_PER_DOCUMENT_MAX: u32 = 32_000_000;

/// Values read from one board: a bound on the walk, far above what a board can draw. Symptom: the rest is not shown.
pub const STROKES_PER_BOARD_MAX: usize = 1_000_000;

/// Highest clock: yrs computes with `i32` differences. Symptom: fault `clock_overflow`.
pub const CLOCK_MAX: u32 = i32::MAX as u32;

/// Highest client id and highest varint: the largest integer JavaScript holds exactly. Symptom: fault
/// `number_too_big`.
pub const CLIENT_ID_MAX: u64 = (1 << 53) - 1;

/// Longest string in a component written over HTTP, bytes. Symptom: 422 `invalid_component`.
pub const STRING_BYTES_MAX: usize = 16 * 1024;

/// Largest component written over HTTP, bytes of JSON. Symptom: 422 `invalid_component`.
pub const COMPONENT_JSON_BYTES_MAX: usize = 256 * 1024;

/// Deepest JSON in a component written over HTTP. Symptom: 422 `invalid_component`.
pub const COMPONENT_DEPTH_MAX: u32 = 16;

/// Most keys in one object of a component, and most keys a component holds in all objects on one level.
/// Symptom: 422 `invalid_component`.
pub const KEYS_PER_COMPONENT_MAX: usize = 128;

/// Most entities in a space; yrs costs 2.3 kB of heap each, so 230 MB. Symptom: 409 `space_full`.
pub const ENTITIES_PER_SPACE_MAX: usize = 100_000;

/// Most components of one entity. Symptom: 409 `space_full`.
pub const COMPONENTS_PER_ENTITY_MAX: usize = 64;

/// Largest awareness state of one client, bytes of JSON: a cursor and a name are 200. Symptom: fault `too_long`.
pub const AWARENESS_STATE_BYTES_MAX: usize = 8 * 1024;

/// Most entries in one awareness message. Symptom: fault `too_many`.
pub const AWARENESS_ENTRIES_MAX: u64 = 64;

/// Deepest awareness JSON. Symptom: fault `too_deep`.
pub const AWARENESS_DEPTH_MAX: u32 = 8;

/// Largest payload of a message 102, bytes; a counter needs 8. Symptom: fault `too_long`.
pub const ACK_BYTES_MAX: usize = 64;

/// Most points in one stroke: ten minutes of drawing at 60 Hz. Symptom: fault `too_many`; the pen starts a new stroke.
pub const POINTS_PER_STROKE_MAX: u64 = 36_000;

/// Largest coordinate of a stroke point, px either side of 0; 2^27 eighths of a pixel stay exact. Symptom: the
/// point is clamped when packed, fault `out_of_range` when unpacked.
pub const STROKE_COORDINATE_MAX: f64 = 16_777_216.0;

/// Longest close reason, bytes (RFC 6455 §5.5: 125 minus the code). Symptom: none, a test holds it.
pub const CLOSE_REASON_BYTES_MAX: usize = 123;

/// Largest state of a member, bytes of JSON: a name, a colour, a selection. Symptom: fault `too_long`, close 4400.
pub const PRESENCE_STATE_BYTES_MAX: usize = 1024;

/// Longest user id, name and epoch on `/presence`, bytes: 64 characters of any script. Symptom: the name is cut.
pub const PRESENCE_NAME_BYTES_MAX: usize = 256;

/// Longest topic of a message and name of a zone, bytes. Symptom: fault `too_long`.
pub const PRESENCE_TOPIC_BYTES_MAX: usize = 64;

/// Longest key of a message, bytes: an entity id and a component name fit. Symptom: fault `too_long`.
pub const PRESENCE_KEY_BYTES_MAX: usize = 160;

/// Largest message, bytes: a preview of one component, or a thousand points of a stroke. Symptom: fault `too_long`.
pub const PRESENCE_SAY_BYTES_MAX: usize = 4096;

/// Most messages in one WebSocket message, on either channel: each may be one byte and cost a hundred. Stock clients
/// put one or two. Symptom: fault `too_many`, close 4400.
pub const MESSAGES_PER_FRAME_MAX: usize = 256;

/// Largest WebSocket message on `/presence`, bytes: sixteen of the largest messages. Symptom: close 1009.
pub const PRESENCE_FRAME_BYTES_MAX: usize = 64 * 1024;
