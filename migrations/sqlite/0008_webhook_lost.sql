-- What retention took before it was told.
alter table webhook add column lost text;       -- the newest such loss, for people; stays although deliveries are taken again
alter table webhook add column lost_at integer;

-- From here on no dead letter begins before its space's history does: what is left of an older one would be sent under its
-- old name with fewer events in it.
delete from webhook_dead where last_seq <= (select base_seq from head where head.space_id = webhook_dead.space_id);
update webhook_dead set first_seq = max(first_seq,
    (select base_seq + 1 from head where head.space_id = webhook_dead.space_id));
