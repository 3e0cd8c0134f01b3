-- Who is in a space: what the events joined, suspended, resumed and left add up to. Kept beside them (in the same
-- transaction) because events are sealed away, and a server that starts must know whom it still owes a leave.
create table member (
    space_id    integer not null,
    member      text    not null,              -- 32 hexadecimal digits
    handle      integer not null,              -- the short number that poses carry
    user        text    not null,              -- several members may be one user
    name        text    not null,
    role        integer not null,              -- 0 viewer, 1 editor, 2 admin
    yjs         integer not null,              -- client id of the member's document, 0 = none
    token       blob    not null,              -- sha256 of the resume token
    joined_at   integer not null,
    away        integer not null,              -- 1 = suspended
    heard_at    integer not null,              -- when it was last heard, as far as it was written down
    state       text    not null,              -- JSON, as it was when the member joined
    primary key (space_id, member)
) strict, without rowid;
