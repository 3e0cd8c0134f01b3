-- How many of a block's events are edits, for a timeline that does not unpack it. Null = not counted.
alter table segment add column edits integer;
