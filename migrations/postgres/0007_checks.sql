-- Whether logins work at their registries, as these said themselves.

-- Who may vouch for a registry besides those whom all trust. Not handed out, so no stamp hangs on it; but each change of it
-- counts as a revision, and every revision is a new stamp.
alter table credentials add column ca_certificates text check (length(ca_certificates) between 1 and 65536);

-- What became of trying a login, the last time. Nothing that is handed out hangs on it, and so no stamp does.
create table credential_checks (
    credential_id   uuid        not null primary key references credentials (id) on delete cascade, -- the login
    attempted_at    timestamptz not null,                               -- when a check was last begun
    version         bigint      check (version >= 1),                   -- the password that the rest is about; null: never ended
    finding         text,                                               -- what was found out
    checked_at      timestamptz,                                        -- when
    image           text,                                               -- what it was tried for, if for anything
    rate_limit      bigint,                                             -- how many pulls the registry allows, if it said
    rate_remaining  bigint,                                             -- how many of them are left
    rate_window     bigint,                                             -- in how many seconds
    check ((version is null) = (finding is null) and (version is null) = (checked_at is null))
);
