-- Whose key a password is, where the key says so itself: a JSON object with the address of a service account and the name of its
-- key. No secret, and no part of what is handed out: stamps do not hang on it.
alter table credentials add column identity text check (length(identity) between 2 and 1000);
