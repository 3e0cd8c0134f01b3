-- A delivery that came back after its space was deleted used to leave its place and its dead letter behind.
delete from webhook_cursor where space_id not in (select space_id from head);
delete from webhook_dead where space_id not in (select space_id from head);
