-- What was taken out of the audit log, so that whoever misses events finds who took them and what they were.

-- One row for each batch of events that was pruned. It is written before they are deleted, in the same transaction.
create table audit_prunings (
    id              blob    not null primary key check (length(id) = 16),
    at              integer not null,                               -- when they were pruned
    principal       text    not null,                               -- the name of the token that pruned them
    token_id        blob,
    first_sequence  integer not null,                               -- the first of them; the events before it were pruned earlier
    last_sequence   integer not null,                               -- the last of them
    count           integer not null check (count >= 1),            -- how many they were
    oldest_at       integer not null,                               -- the earliest time that one of them told
    newest_at       integer not null,                               -- the latest time that one of them told
    sha256          blob    not null check (length(sha256) = 32),   -- of their lines, as they were exported
    check (last_sequence >= first_sequence and newest_at >= oldest_at)
) strict;
-- Of two who prune the same events at once, one fails here.
create unique index audit_prunings_first on audit_prunings (first_sequence);
create unique index audit_prunings_last on audit_prunings (last_sequence);
create unique index audit_prunings_sha256 on audit_prunings (sha256);

create trigger audit_prunings_are_final before update on audit_prunings
begin
    select raise(abort, 'records of prunings are never changed');
end;
create trigger audit_prunings_are_kept before delete on audit_prunings
begin
    select raise(abort, 'records of prunings are never deleted');
end;

-- An event goes only if a record tells of its going.
create trigger audit_events_go_on_record before delete on audit_events
when not exists (
    select 1 from audit_prunings p where p.last_sequence >= old.sequence and p.first_sequence <= old.sequence
)
begin
    select raise(abort, 'audit events are deleted by pruning alone');
end;
