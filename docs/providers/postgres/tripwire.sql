-- Keyturn, optional: shows the rotator refused logins of one plan's roles, so that Watch is not blind. For both rotator forms.
-- Run as a superuser in the database of the provider, after the SQL of the rotator's form:
--
--   psql -d shop -v rotator=keyturn_rotator -v owner=orders_owner -v slot_a=orders_a -v slot_b=orders_b -f tripwire.sql
--
-- PostgreSQL tells refused logins to its log only. The function below reads the end of that log and gives away, of the listed
-- roles and of nobody else: when, which role, from which address and port, and the SQLSTATE, of logins whose password was RIGHT
-- and whose role may not log in. (The server says "is not permitted to log in" only after the password was checked; a wrong one
-- gets "password authentication failed".) No other line, no statement, no file name ever leaves it.
--
-- The server must write its log as JSON, with addresses, not names:
--   logging_collector = on        -- needs a restart if it was off
--   log_destination = 'jsonlog'   -- beside others, if you like: 'stderr,jsonlog'
--   log_hostname = off            -- the default
-- Where it does not, the rotator is told so, and Watch is blind as before. To take it away: DROP SCHEMA keyturn_log CASCADE.

\set ON_ERROR_STOP on
BEGIN;
SET LOCAL search_path = pg_catalog;
SET LOCAL client_min_messages = warning;

SELECT count(*) = 0 AS no_schema FROM pg_namespace WHERE nspname = 'keyturn_log' \gset
\if :no_schema
CREATE SCHEMA keyturn_log;
\endif

-- Whoever owns the schema could put functions of his own into it and have the rotator call them.
DO $$ BEGIN
  IF NOT (SELECT r.rolsuper FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner WHERE n.nspname = 'keyturn_log') THEN
    RAISE EXCEPTION 'schema keyturn_log belongs to a role that is no superuser: drop it first';
  END IF;
END $$;

REVOKE ALL ON SCHEMA keyturn_log FROM PUBLIC;
GRANT USAGE ON SCHEMA keyturn_log TO :"rotator";

CREATE TABLE IF NOT EXISTS keyturn_log.watched (role name PRIMARY KEY);
REVOKE ALL ON keyturn_log.watched FROM PUBLIC;
INSERT INTO keyturn_log.watched (role) VALUES (:'owner'), (:'slot_a'), (:'slot_b') ON CONFLICT (role) DO NOTHING;

-- Can these roles' refused logins be seen in the log as the server writes it now?
CREATE OR REPLACE FUNCTION keyturn_log.sees(roles name[]) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT pg_current_logfile('jsonlog') IS NOT NULL
     AND current_setting('log_hostname') = 'off'
     AND current_setting('log_min_messages') <> 'panic'
     AND NOT EXISTS (SELECT 1 FROM unnest(roles) r WHERE r NOT IN (SELECT w.role FROM keyturn_log.watched w))
$$;

-- Refused logins with the right password in the last "age", by the server's clock. Reads each file of the log from its end, no
-- further back than that, and at most 16 MiB in one call; where that was not enough for the last minute, it refuses (KT016).
CREATE OR REPLACE FUNCTION keyturn_log.refused(age interval)
RETURNS TABLE (at timestamptz, role name, address text, port integer, state text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  since timestamptz := clock_timestamp() - age;
  zone text := current_setting('log_timezone');
  chunk CONSTANT bigint := 262144;
  budget integer := 64;
  file record;
  path text;
  upto bigint;
  start bigint;
  cut integer;
  carry bytea;
  block bytea;
  body text;
  line text;
  entry jsonb;
  earliest text;
BEGIN
  FOR file IN
    SELECT l.name, l.size FROM pg_ls_logdir() l
    WHERE l.name LIKE '%.json' AND l.modification >= date_trunc('second', since) ORDER BY l.modification DESC, l.name DESC
  LOOP
    path := current_setting('log_directory') || '/' || file.name;
    upto := file.size;
    carry := ''::bytea;
    WHILE upto > 0 LOOP
      IF budget = 0 THEN
        IF age <= interval '1 minute' THEN RAISE EXCEPTION 'keyturn refuses (KT016)' USING ERRCODE = 'KT016'; END IF;
        RETURN;
      END IF;
      budget := budget - 1;
      start := greatest(upto - chunk, 0);
      block := pg_read_binary_file(path, start, upto - start, true) || carry;
      EXIT WHEN block IS NULL;  -- removed meanwhile
      cut := CASE WHEN start = 0 THEN 0 ELSE position('\x0a'::bytea IN block) END;
      IF start > 0 AND cut = 0 THEN cut := length(block); END IF;  -- one line longer than this
      carry := substring(block FROM 1 FOR cut);
      body := encode(substring(block FROM cut + 1), 'escape');  -- whatever its encoding, never an error
      FOR line IN
        SELECT u FROM unnest(string_to_array(body, E'\n')) u
        WHERE u LIKE '%"state\_code":"28000"%' AND u LIKE '%is not permitted to log in%'
      LOOP
        BEGIN
          entry := convert_from(decode(line, 'escape'), 'UTF8')::jsonb;
        EXCEPTION WHEN OTHERS THEN
          CONTINUE;  -- not a whole entry
        END;
        at := substring(entry ->> 'timestamp', 1, 23)::timestamp AT TIME ZONE zone;
        role := entry ->> 'user';
        IF at >= since AND entry ->> 'state_code' = '28000' AND role IN (SELECT w.role FROM keyturn_log.watched w)
           AND entry ->> 'message' = format('role "%s" is not permitted to log in', role) THEN
          address := coalesce(entry ->> 'remote_host', '');
          port := (entry ->> 'remote_port')::integer;
          state := entry ->> 'state_code';
          RETURN NEXT;
        END IF;
      END LOOP;
      earliest := substring(body FROM '"timestamp":"([0-9-]+ [0-9:.]+)');
      EXIT WHEN earliest IS NOT NULL AND (earliest::timestamp AT TIME ZONE zone) < since;
      upto := start;
    END LOOP;
  END LOOP;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA keyturn_log FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keyturn_log.sees(name[]), keyturn_log.refused(interval) TO :"rotator";
COMMIT;
