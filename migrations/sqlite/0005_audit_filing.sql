-- Finding an organization's or a project's audit events, without making each hand-out wait for it.
--
-- An index would be written with every event: events of one commit belong to as many projects, and so dirty as many pages.
-- So events are put on file by place later, many at once and in the order of the file. Lists look into the file for what is
-- on it, and through the events themselves for the rest.

-- One row for an event under its organization, and one under its project. Only an index: what an event belongs to it says itself.
create table audit_places (
    place_id    blob    not null check (length(place_id) = 16),     -- an organization or a project
    sequence    integer not null,                                   -- an event of it
    primary key (place_id, sequence)                                -- the order of lists
) strict, without rowid;

-- How far the file goes. Rows beyond that may be there already, and are no news.
create table audit_filed (
    singleton   integer not null primary key check (singleton = 1), -- keeps it at one row
    last        integer not null                                    -- every event up to this sequence is on file
) strict;

-- In the order of the old indexes, which is that of the file.
insert into audit_places (place_id, sequence)
    select organization_id, sequence from audit_events where organization_id is not null order by organization_id, sequence;
insert or ignore into audit_places (place_id, sequence)
    select project_id, sequence from audit_events where project_id is not null order by project_id, sequence;
insert into audit_filed (singleton, last) select 1, coalesce(max(sequence), 0) from audit_events;
drop index audit_events_organization;
drop index audit_events_project;

-- Events that were pruned leave the file with their deletion.
create trigger audit_events_leave_the_file after delete on audit_events
begin
    delete from audit_places where place_id = old.organization_id and sequence = old.sequence;
    delete from audit_places where place_id = old.project_id and sequence = old.sequence;
end;

-- SQLite itself keeps the number of the last event ("autoincrement"), as it is about to be committed. A row beside it would be one more
-- page to write with every event. Under its old name it is here for those who count on it, and for backups.
drop table audit_position;
insert into sqlite_sequence (name, seq)
    select 'audit_events', 0 where not exists (select 1 from sqlite_sequence where name = 'audit_events');
create view audit_position as select 1 as singleton, seq as last from sqlite_sequence where name = 'audit_events';
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
