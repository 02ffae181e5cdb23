-- SQLite finds an organization's or a project's audit events in another way from here on. Here the indexes stay as they are: other
-- processes commit meanwhile, and pages are written behind their backs. The number keeps step, for it is that of backups too.
select 1;
