-- What processes that share a database must know of each other.

-- How many audit events there ever were. Whoever writes one takes the next number here and keeps this row until it
-- commits: so numbers stand in the order of commits, without a gap, whoever writes.
create table audit_position (
    singleton   bigint      not null primary key check (singleton = 1), -- keeps it at one row
    last        bigint      not null                                    -- the sequence of the last event
) with (fillfactor = 10);                                               -- one row that changes often stays on one page
insert into audit_position (singleton, last) select 1, coalesce(max(sequence), 0) from audit_events;

-- The running processes. Each writes its own row at its start and again every few seconds.
create table replicas (
    id          uuid        not null primary key,                       -- another one at every start
    host        text        not null,                                   -- the machine or pod
    version     text        not null,                                   -- of the program
    key_ids     uuid[]      not null,                                   -- the master keys it holds
    started_at  timestamptz not null,                                -- by the database's clock
    seen_at     timestamptz not null                                    -- when it last wrote this, by the database's clock
);

-- The same with how long each has been silent, in microseconds.
create view replica_silence as
    select r.id, r.host, r.version, r.key_ids, r.started_at, r.seen_at,
           (extract(epoch from clock.now - r.seen_at) * 1000000)::bigint as silent
    from replicas r cross join database_clock clock;
