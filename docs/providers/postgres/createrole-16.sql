-- Keyturn, rotator form "CreateRole", PostgreSQL 16 and newer. Run as a superuser in the database of the provider:
--
--   psql -d shop -v rotator=keyturn_rotator -v owner=orders_owner -v slot_a=orders_a -v slot_b=orders_b -f createrole-16.sql
--
-- The rotator gets CREATEROLE, and ADMIN on the owner and on slots that exist already; slots it makes are its own. It cannot
-- touch other roles. ADMIN is enough to become the owner (it can grant itself SET): treat its password like the owner's.

\set ON_ERROR_STOP on
BEGIN;
SELECT count(*) = 0 AS no_rotator FROM pg_roles WHERE rolname = :'rotator' \gset
\if :no_rotator
CREATE ROLE :"rotator" LOGIN NOINHERIT CREATEROLE;
\endif
ALTER ROLE :"rotator" CREATEROLE INHERIT;
SELECT format('GRANT %I TO %I WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', rolname, :'rotator')
FROM pg_roles WHERE rolname IN (:'owner', :'slot_a', :'slot_b') \gexec
GRANT pg_signal_backend, pg_read_all_stats TO :"rotator";
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'rotator') \gexec
COMMIT;
