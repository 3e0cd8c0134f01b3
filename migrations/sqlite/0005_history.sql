-- What an edit changed, told once, when it was applied: a line for each thing (schema/src/change.rs). Null = not recorded.
alter table event add column changes text;

-- How a block is laid out (server/src/store/segment.rs), and which kinds of events are in it: bit n = kind n, so that who
-- looks for joins need not unpack a thousand edits. -1 = not known.
alter table segment add column format integer not null default 1;
alter table segment add column kinds integer not null default -1;

-- Events 1..=base_seq are pruned; there is a snapshot of the document after base_seq (0 = nothing is pruned).
alter table head add column base_seq integer not null default 0;

-- How much of its past a space keeps; null = as the server is told.
alter table space add column keep_days integer;
alter table space add column keep_bytes integer;
