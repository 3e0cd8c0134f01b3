-- Who is told what happens. The events themselves are not copied: a hook is a place in the log of each of its spaces.
create table webhook (
    id          text    primary key,           -- random; what URLs and deliveries name
    space_id    integer references space(id),  -- null = every space of the server, later ones too
    url         text    not null,
    secret      text    not null,              -- what deliveries are signed with: needed as it is, so it is not a hash
    kinds       integer not null,              -- bit n = kind n of event; -1 = all
    created_at  integer not null,
    paused      integer not null default 0,    -- 1 = nothing is sent; the cursors stay
    error       text,                          -- what went wrong last, for people
    error_at    integer,
    told_at     integer                        -- when a delivery was last taken
) strict;

-- How far a hook is in a space. No row = a space that came after the hook: from its first event on.
create table webhook_cursor (
    webhook_id  text    not null references webhook(id) on delete cascade,
    space_id    integer not null,
    seq         integer not null,              -- everything up to here was taken, or given up; the next batch begins behind it
    looked_seq  integer not null,              -- behind seq and up to here is nothing of the hook's kinds
    until_seq   integer,                       -- where the batch ends that was tried and not taken: a retry is the same batch
    attempts    integer not null default 0,    -- how often it was tried
    first_at    integer,                       -- when for the first time
    next_at     integer,                       -- not again before
    primary key (webhook_id, space_id)
) strict, without rowid;

-- Batches that were given up. The events are still in the log, so the range is all there is to keep.
create table webhook_dead (
    id          integer primary key autoincrement,
    webhook_id  text    not null references webhook(id) on delete cascade,
    space_id    integer not null,
    first_seq   integer not null,
    last_seq    integer not null,
    attempts    integer not null,
    error       text    not null,              -- of the last attempt
    at          integer not null,              -- when it was given up
    due         integer not null default 0     -- 1 = somebody asked to try again
) strict;
create index webhook_dead_of on webhook_dead (webhook_id, id);
