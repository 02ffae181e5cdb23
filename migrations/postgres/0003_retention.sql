-- What was taken out of the audit log, so that whoever misses events finds who took them and what they were.

-- One row for each batch of events that was pruned. It is written before they are deleted, in the same transaction.
create table audit_prunings (
    id              uuid        not null primary key,
    at              timestamptz not null,                               -- when they were pruned
    principal       text        not null,                               -- the name of the token that pruned them
    token_id        uuid,
    first_sequence  bigint      not null,                               -- the first of them; the events before it were pruned earlier
    last_sequence   bigint      not null,                               -- the last of them
    count           bigint      not null check (count >= 1),            -- how many they were
    oldest_at       timestamptz not null,                               -- the earliest time that one of them told
    newest_at       timestamptz not null,                               -- the latest time that one of them told
    sha256          bytea       not null check (length(sha256) = 32),   -- of their lines, as they were exported
    check (last_sequence >= first_sequence and newest_at >= oldest_at)
);
-- Of two who prune the same events at once, one waits here and then fails.
create unique index audit_prunings_first on audit_prunings (first_sequence);
create unique index audit_prunings_last on audit_prunings (last_sequence);
create unique index audit_prunings_sha256 on audit_prunings (sha256);

create function audit_prunings_are_final() returns trigger language plpgsql as $$
begin
    raise exception 'records of prunings are never changed or deleted';
end
$$;
create trigger audit_prunings_are_final before update or delete or truncate on audit_prunings
    for each statement execute function audit_prunings_are_final();

-- An event goes only if a record tells of its going.
create function audit_events_go_on_record() returns trigger language plpgsql as $$
begin
    if not exists (
        select 1 from audit_prunings p where p.last_sequence >= old.sequence and p.first_sequence <= old.sequence
    ) then
        raise exception 'audit events are deleted by pruning alone';
    end if;
    return old;
end
$$;
create trigger audit_events_go_on_record before delete on audit_events
    for each row execute function audit_events_go_on_record();
create function audit_events_are_pruned() returns trigger language plpgsql as $$
begin
    raise exception 'audit events are deleted by pruning alone';
end
$$;
create trigger audit_events_are_pruned before truncate on audit_events
    for each statement execute function audit_events_are_pruned();
