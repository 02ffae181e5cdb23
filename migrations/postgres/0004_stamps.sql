-- What processes may remember, and how they find out that it is true no longer.

-- A stamp for each scope and each token: random, and another one after every change to what hangs on it. Whoever has kept
-- something together with the stamp that he saw before he read it may use it for as long as that stamp stands here. The
-- database itself sees to it, below, whoever makes the change. A random value never comes back; a count would, with a
-- database that was put back to an earlier time under running processes.
create table stamps (
    subject     uuid        not null primary key,                       -- a scope or a token
    stamp       uuid        not null                                    -- random; another one after every change
) with (fillfactor = 70);                                               -- so that a new stamp finds room beside the old one

create function stamps_of_scopes_and_tokens() returns trigger language plpgsql set search_path from current as $$
begin
    case tg_op
        when 'INSERT' then insert into stamps (subject, stamp) values (new.id, gen_random_uuid())
            on conflict (subject) do update set stamp = excluded.stamp;
        when 'UPDATE' then update stamps set stamp = gen_random_uuid() where subject in (old.id, new.id);
        when 'DELETE' then delete from stamps where subject = old.id;
    end case;
    return null;
end
$$;
create trigger stamps_of_scopes after insert or update or delete on scopes
    for each row execute function stamps_of_scopes_and_tokens();
create trigger stamps_of_tokens after insert or update or delete on tokens
    for each row execute function stamps_of_scopes_and_tokens();

-- What is handed out in a scope hangs on all of a credential but when it was last handed out.
create function stamps_by_what_is_in_a_scope() returns trigger language plpgsql set search_path from current as $$
begin
    case tg_op
        when 'INSERT' then update stamps set stamp = gen_random_uuid() where subject = new.scope_id;
        when 'UPDATE' then update stamps set stamp = gen_random_uuid() where subject in (old.scope_id, new.scope_id);
        when 'DELETE' then update stamps set stamp = gen_random_uuid() where subject = old.scope_id;
    end case;
    return null;
end
$$;
create trigger stamps_by_credentials after insert or delete or update of id, scope_id, server, kind, username, email,
    image_prefix, expires_at, enabled, version, revision, sealed, fingerprint, created_at, updated_at, rotated_at on credentials
    for each row execute function stamps_by_what_is_in_a_scope();

-- A scope whose data key was destroyed hands out nothing. Wrapping a data key anew changes nothing that is handed out.
create trigger stamps_by_data_keys after delete on data_keys
    for each row execute function stamps_by_what_is_in_a_scope();

-- Whoever empties a table in one go leaves nothing that could be remembered.
create function stamps_end() returns trigger language plpgsql set search_path from current as $$
begin
    delete from stamps;
    return null;
end
$$;
create trigger stamps_end_with_scopes after truncate on scopes for each statement execute function stamps_end();
create trigger stamps_end_with_tokens after truncate on tokens for each statement execute function stamps_end();
create trigger stamps_end_with_credentials after truncate on credentials for each statement execute function stamps_end();
create trigger stamps_end_with_data_keys after truncate on data_keys for each statement execute function stamps_end();

-- Also where triggers are switched off: a revocation is one, however it comes.
alter table scopes enable always trigger stamps_of_scopes;
alter table tokens enable always trigger stamps_of_tokens;
alter table credentials enable always trigger stamps_by_credentials;
alter table data_keys enable always trigger stamps_by_data_keys;
alter table scopes enable always trigger stamps_end_with_scopes;
alter table tokens enable always trigger stamps_end_with_tokens;
alter table credentials enable always trigger stamps_end_with_credentials;
alter table data_keys enable always trigger stamps_end_with_data_keys;

-- After the triggers, so that nobody makes a scope or a token in between.
insert into stamps (subject, stamp) select id, gen_random_uuid() from scopes;
insert into stamps (subject, stamp) select id, gen_random_uuid() from tokens;
