-- Everything that regcred keeps, on PostgreSQL: the same tables as on SQLite, with this database's own types.
-- "sealed" marks columns that hold envelopes of AES-256-GCM: useless without the master keys, which are never in here.

-- The installation. One row.
create table deployment (
    singleton   bigint      not null primary key check (singleton = 1), -- keeps it at one row
    id          uuid        not null,                                   -- names the installation; bound into every envelope
    created_at  timestamptz not null                                    -- when it was first started
);

-- The master keys that were ever used: names and states, never keys.
create table master_keys (
    id          uuid        not null primary key,
    state       text        not null check (state in ('active', 'standby', 'retired')),
    salt        bytea       check (length(salt) = 16),                  -- Argon2id salt, if it comes from a passphrase
    check_value bytea       not null check (length(check_value) = 32),  -- HMAC under the key: tells a wrong key of the right name
    created_at  timestamptz not null                                    -- when it was first seen
);
create unique index master_keys_one_active on master_keys (state) where state = 'active';

-- Organizations (without a parent) and their projects. Names sort by their bytes, as they do everywhere in regcred.
create table scopes (
    id          uuid        not null primary key,
    parent_id   uuid        references scopes (id) on delete restrict,  -- a project's organization
    name        text        collate "C" not null check (length(name) between 1 and 63), -- a DNS-1123 label
    created_at  timestamptz not null
);
create unique index scopes_organization_name on scopes (name) where parent_id is null;
create unique index scopes_project_name on scopes (parent_id, name) where parent_id is not null;

-- Data keys, each wrapped under a master key. They go with their scope, and with them all that they sealed.
create table data_keys (
    id            uuid        not null primary key,
    scope_id      uuid        references scopes (id) on delete cascade, -- null: the deployment's own key, for token codes
    version       bigint      not null check (version >= 1),            -- counts the keys of the scope
    master_key_id uuid        not null references master_keys (id),     -- what it is wrapped under
    wrapped       bytea       not null check (length(wrapped) >= 116),  -- sealed: the key
    created_at    timestamptz not null
);
create unique index data_keys_scope on data_keys (scope_id) where scope_id is not null;
create unique index data_keys_deployment on data_keys (version) where scope_id is null;
create index data_keys_master_key on data_keys (master_key_id);

-- Registry logins.
create table credentials (
    id           uuid        not null primary key,
    scope_id     uuid        not null references scopes (id) on delete cascade,
    server       text        collate "C" not null check (length(server) between 1 and 600), -- normal form host[:port][/path]
    kind         text        not null,                                  -- what sort of registry
    username     text        check (length(username) between 1 and 255),
    email        text        check (length(email) between 3 and 254),
    image_prefix text,                                                  -- offered only for images below this path
    expires_at   timestamptz,                                           -- from then on not handed out
    enabled      boolean     not null,                                  -- false: not handed out
    version      bigint      not null check (version >= 1),             -- counts passwords
    revision     bigint      not null check (revision >= 1),            -- counts changes of any kind
    sealed       bytea       not null check (length(sealed) >= 116),    -- sealed: the password
    fingerprint  bytea       not null check (length(fingerprint) = 16), -- keyed hash of server, user name and password
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    rotated_at   timestamptz not null,                                  -- when the password was set
    last_used_at timestamptz                                            -- when it was handed out, to within a minute
);
create unique index credentials_scope_server on credentials (scope_id, server);
create index credentials_scope on credentials (scope_id, id);

-- API tokens. The text of a token is nowhere; it is found by its code.
create table tokens (
    id          uuid        not null primary key,
    scope_id    uuid        references scopes (id) on delete cascade,   -- null: good in the whole deployment
    name        text        not null check (length(name) between 1 and 100),
    role        text        not null check (role in ('viewer', 'editor', 'deployer', 'admin', 'auditor', 'operator')),
    mac         bytea       not null check (length(mac) = 32),          -- HMAC-SHA-256 of the text under the deployment's key
    expires_at  timestamptz not null,
    created_at  timestamptz not null,
    check (role <> 'operator' or scope_id is null)
);
create unique index tokens_mac on tokens (mac);
create index tokens_scope on tokens (scope_id, id);

-- The audit log. Rows are only ever added; they outlive what they tell of, so nothing here is a foreign key.
create table audit_events (
    sequence        bigint      not null primary key,                   -- the order of commits
    id              uuid        not null,
    at              timestamptz not null,
    request_id      uuid        not null,                               -- the request, as answers and logs name it
    principal       text        not null,                               -- the name of the token, or 'regcred'
    token_id        uuid,
    scope           text        not null,                               -- by its name at the time
    organization_id uuid,
    project_id      uuid,
    operation       text        not null,
    object_ids      uuid[]      not null,                               -- what it was done to
    outcome         text        not null check (outcome in ('success', 'denied')),
    address         text                                                -- where the request came from
);
create index audit_events_organization on audit_events (organization_id, sequence);
create index audit_events_project on audit_events (project_id, sequence);
create function audit_events_are_final() returns trigger language plpgsql as $$
begin
    raise exception 'audit events are never changed';
end
$$;
create trigger audit_events_are_final before update on audit_events
    for each statement execute function audit_events_are_final();

-- The database's own clock, under one name on every database, so that statements which ask it read the same.
create view database_clock as select clock_timestamp() as now;
