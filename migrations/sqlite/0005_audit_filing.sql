-- Finding an organization's or a project's audit events, without making each hand-out wait for it.
--
-- An index would be written with every event: events of one commit belong to as many projects, and so dirty as many pages.
-- So events are put on file by place later, many at once and in the order of the file. Lists look into the file for what is
-- on it, and through the events themselves for the rest.

-- Rows for each organization and project whenever events were put on file: which numbers those of its events have, 1024 of them at
-- most. Only an index: what an event belongs to it says itself.
create table audit_places (
    id          integer not null primary key,
    place_id    blob    not null check (length(place_id) = 16),     -- an organization or a project
    last        integer not null,                                   -- the newest of its events that are listed here
    sequences   text    not null check (json_valid(sequences))      -- all of them, in order
) strict;
create index audit_places_place on audit_places (place_id, last);   -- the order of lists

-- How far the file goes. Rows beyond that may be there already, and are no news.
create table audit_filed (
    singleton   integer not null primary key check (singleton = 1), -- keeps it at one row
    last        integer not null,                                   -- every event up to this sequence is on file
    places      integer not null                                    -- and the last row of the file that is of them
) strict;

insert into audit_places (place_id, last, sequences)
    with gathered as materialized (
        select sequence >> 16 as block, place_id, count(*) as events, max(sequence) as last,
            json_group_array(sequence order by sequence) as sequences
        from (
            select organization_id as place_id, sequence from audit_events where organization_id is not null
            union all select project_id, sequence from audit_events where project_id is not null
        ) group by block, place_id
    )
    select place_id, last, sequences from (
        select block, place_id, last, sequences from gathered where events <= 1024
        union all select g.block, g.place_id, max(j.value), json_group_array(j.value order by j.value)
            from gathered g cross join json_each(g.sequences) j where g.events > 1024
            group by g.block, g.place_id, j.key >> 10
    ) order by block, place_id, last;
insert into audit_filed (singleton, last, places)
    select 1, coalesce(max(sequence), 0), coalesce((select max(id) from audit_places), 0) from audit_events;
drop index audit_events_organization;
drop index audit_events_project;

-- Rows of events that are all pruned leave the file: those before the first row that is of a later event. An event is in two rows at
-- most, so that taking twice as many as events keeps pace. Lists pass over what is pruned and on file still.
create trigger audit_events_leave_the_file after insert on audit_prunings
begin
    delete from audit_places where id in (
        select id from audit_places where id < coalesce(
            (select id from audit_places where last > new.last_sequence order by id limit 1), 9223372036854775807
        ) order by id limit 2 * new.count
    );
end;

-- SQLite itself keeps the number of the last event ("autoincrement"), as it is about to be committed. A row beside it would be one more
-- page to write with every event. Under its old name it is here for those who count on it, and for backups. A number that was lost is made
-- anew by SQLite, in a wrong place of the order perhaps; so there is none where the events themselves say more.
insert into sqlite_sequence (name, seq)
    select 'audit_events', 0 where not exists (select 1 from sqlite_sequence where name = 'audit_events');
update sqlite_sequence set seq = max(seq, (select last from audit_position)) where name = 'audit_events';
drop table audit_position;
create view audit_position as select 1 as singleton, seq as last from sqlite_sequence where name = 'audit_events'
    and typeof(seq) = 'integer' and seq >= coalesce((select max(sequence) from audit_events), 0);
create trigger audit_position_begins instead of insert on audit_position
begin
    delete from sqlite_sequence where name = 'audit_events';
    insert into sqlite_sequence (name, seq) values ('audit_events', new.last);
end;
create trigger audit_position_moves instead of update on audit_position
begin
    update sqlite_sequence set seq = new.last where name = 'audit_events';
end;
create trigger audit_position_ends instead of delete on audit_position
begin
    delete from sqlite_sequence where name = 'audit_events';
end;
