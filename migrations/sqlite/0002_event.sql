-- Everything that happened in a space, in order: edits now, joins and leaves beside them under the same seq.
create table event (
    space_id    integer not null,
    seq         integer not null,
    at          integer not null,
    kind        integer not null,              -- 1 edit, 2 joined, 3 suspended, 4 resumed, 5 left, 6 compacted
    member      text,                          -- the connection it came from, null for the server itself
    user        text,                          -- who that was, null when not known
    payload     blob    not null,              -- edit: Yjs update v1; otherwise JSON
    crc         integer not null,              -- crc32 of kind and payload: a flipped bit is found, not served
    primary key (space_id, seq)
) strict, without rowid;

-- Events that a snapshot covers, sealed into one compressed block: history stays, its weight does not.
create table segment (
    space_id    integer not null,
    first_seq   integer not null,
    last_seq    integer not null,
    first_at    integer not null,
    last_at     integer not null,
    raw_len     integer not null,              -- bytes before compression: the reader's allocation bound
    body        blob    not null,              -- zstd of the rows (server/src/store/segment.rs)
    crc         integer not null,
    primary key (space_id, first_seq)
) strict, without rowid;
