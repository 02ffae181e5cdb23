-- What processes may remember, and how they find out that it is true no longer.

-- A stamp for each scope and each token: random, and another one after every change to what hangs on it. Whoever has kept
-- something together with the stamp that he saw before he read it may use it for as long as that stamp stands here. The
-- database itself sees to it, below, whoever makes the change. A random value never comes back; a count would, with a
-- database that was put back to an earlier time under running processes.
create table stamps (
    subject     blob    not null primary key check (length(subject) = 16), -- a scope or a token
    stamp       blob    not null check (length(stamp) = 16)                -- random; another one after every change
) strict, without rowid;
insert into stamps (subject, stamp) select id, randomblob(16) from scopes;
insert into stamps (subject, stamp) select id, randomblob(16) from tokens;

-- One value for all stamps together, another one whenever any of them changes: as long as it stands, so do all of them.
create table stamps_moment (
    singleton   integer not null primary key check (singleton = 1),            -- keeps it at one row
    version     integer not null                                              -- random
) strict;
insert into stamps_moment (singleton, version) values (1, random());
create trigger stamps_moment_of_new after insert on stamps
begin
    update stamps_moment set version = random();
end;
create trigger stamps_moment_of_changed after update on stamps
begin
    update stamps_moment set version = random();
end;
create trigger stamps_moment_of_old after delete on stamps
begin
    update stamps_moment set version = random();
end;

create trigger stamps_of_new_scopes after insert on scopes
begin
    insert into stamps (subject, stamp) values (new.id, randomblob(16));
end;
create trigger stamps_of_scopes after update on scopes
begin
    update stamps set stamp = randomblob(16) where subject in (old.id, new.id);
end;
create trigger stamps_of_old_scopes after delete on scopes
begin
    delete from stamps where subject = old.id;
end;

create trigger stamps_of_new_tokens after insert on tokens
begin
    insert into stamps (subject, stamp) values (new.id, randomblob(16));
end;
create trigger stamps_of_tokens after update on tokens
begin
    update stamps set stamp = randomblob(16) where subject in (old.id, new.id);
end;
create trigger stamps_of_old_tokens after delete on tokens
begin
    delete from stamps where subject = old.id;
end;

-- What is handed out in a scope hangs on all of a credential but when it was last handed out.
create trigger stamps_by_new_credentials after insert on credentials
begin
    update stamps set stamp = randomblob(16) where subject = new.scope_id;
end;
create trigger stamps_by_credentials after update of id, scope_id, server, kind, username, email, image_prefix, expires_at,
    enabled, version, revision, sealed, fingerprint, created_at, updated_at, rotated_at on credentials
begin
    update stamps set stamp = randomblob(16) where subject in (old.scope_id, new.scope_id);
end;
create trigger stamps_by_old_credentials after delete on credentials
begin
    update stamps set stamp = randomblob(16) where subject = old.scope_id;
end;

-- A scope whose data key was destroyed hands out nothing. Wrapping a data key anew changes nothing that is handed out.
create trigger stamps_by_old_data_keys after delete on data_keys when old.scope_id is not null
begin
    update stamps set stamp = randomblob(16) where subject = old.scope_id;
end;
