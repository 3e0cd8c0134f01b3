-- A space and the head of its history. `id` is the short key rows carry; `slug` is the name people use.
create table space (
    id          integer primary key,
    slug        text    not null,
    name        text    not null,
    epoch       text    not null,              -- random id of this history; a restore from backup changes it
    created_at  integer not null,              -- ms since 1970, like every time in this database
    deleted_at  integer                        -- set = tombstone: nothing is appended after it
) strict;

-- A deleted slug may be created again (a new row, a new epoch), but only one of a name is alive.
create unique index space_slug_key on space (slug) where deleted_at is null;

-- The head row hands out `seq`: it is updated in the transaction that inserts the events, so numbers are
-- dense and in commit order. Narrow, because every commit rewrites it.
create table head (
    space_id    integer primary key references space (id),
    seq         integer not null default 0,    -- the newest event
    at          integer not null default 0,    -- its time; never runs backwards
    snap_seq    integer not null default 0,    -- the newest snapshot covers events 1..=snap_seq
    sealed_seq  integer not null default 0,    -- events 1..=sealed_seq are in segments
    log_rows    integer not null default 0,    -- edits after snap_seq: what opening the space replays
    log_bytes   integer not null default 0
) strict;
