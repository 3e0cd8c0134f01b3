-- The document after event `seq`. The newest and the one before it are kept.
create table snapshot (
    space_id    integer not null,
    seq         integer not null,
    created_at  integer not null,
    format      integer not null,              -- 1 = Yjs v1 + zstd (can be served as it is), 2 = Yjs v2 + zstd
    raw_len     integer not null,              -- bytes before compression
    hash        blob    not null,              -- sha256 of the canonical content (server/src/space/doc/walk.rs)
    body        blob    not null,
    crc         integer not null,
    primary key (space_id, seq)
) strict, without rowid;
