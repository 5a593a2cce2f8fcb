-- Keyturn, rotator form "CreateRole", PostgreSQL 15. Run as a superuser in the database of the provider:
--
--   psql -d shop -v rotator=keyturn_rotator -f createrole-15.sql
--
-- On 15 CREATEROLE can alter every role that is no superuser, and grant itself any of them, pg_* roles included: it is almost
-- a superuser. Prefer functions.sql. The provider must say acknowledgeCreateRoleOn15: true.

\set ON_ERROR_STOP on
BEGIN;
SELECT count(*) = 0 AS no_rotator FROM pg_roles WHERE rolname = :'rotator' \gset
\if :no_rotator
CREATE ROLE :"rotator" LOGIN CREATEROLE;
\endif
ALTER ROLE :"rotator" CREATEROLE INHERIT;
GRANT pg_signal_backend, pg_read_all_stats TO :"rotator";
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'rotator') \gexec
COMMIT;
