// What the server takes on /presence (SPEC M4); as in schema/src/limits.rs.

export const STATE_BYTES_MAX = 1024
export const TOPIC_BYTES_MAX = 64
export const KEY_BYTES_MAX = 160
export const SAY_BYTES_MAX = 4096

/** Before the topics of the application: the others are ours. */
export const APP = 'app:'
