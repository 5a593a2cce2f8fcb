-- Keyturn, rotator form "Functions": the smallest. Run as a superuser in the database of the provider:
--
--   psql -d shop -v rotator=keyturn_rotator -v plan=shop/orders-db -v owner=orders_owner -v slot_a=orders_a -v slot_b=orders_b \
--        -f functions.sql
--
-- Afterwards give the rotator a password (\password keyturn_rotator) and put it into the admin Secret. Run it again for every
-- further plan, and after an upgrade of Keyturn. It makes the slots that do not exist yet, without login, and marks them as this
-- plan's; a slot that can log in is left as it is. The rotator gets EXECUTE on the functions below, for the listed roles, and
-- nothing else: it makes no roles. It can still become what it rotates: it chooses the slots' passwords, so it can log in as them.

\set ON_ERROR_STOP on
BEGIN;
SET LOCAL search_path = pg_catalog;
SET LOCAL client_min_messages = warning;

SELECT count(*) = 0 AS no_rotator FROM pg_roles WHERE rolname = :'rotator' \gset
\if :no_rotator
CREATE ROLE :"rotator" LOGIN NOINHERIT;
\endif
SELECT count(*) = 0 AS no_schema FROM pg_namespace WHERE nspname = 'keyturn' \gset
\if :no_schema
CREATE SCHEMA keyturn;
\endif

-- Whoever owns the schema could put functions of his own into it and have the rotator call them.
DO $$ BEGIN
  IF NOT (SELECT r.rolsuper FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner WHERE n.nspname = 'keyturn') THEN
    RAISE EXCEPTION 'schema keyturn belongs to a role that is no superuser: drop it first';
  END IF;
END $$;

REVOKE ALL ON SCHEMA keyturn FROM PUBLIC;
GRANT USAGE ON SCHEMA keyturn TO :"rotator";
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'rotator') \gexec

CREATE TABLE IF NOT EXISTS keyturn.managed (role name PRIMARY KEY, owner name NOT NULL);
REVOKE ALL ON keyturn.managed FROM PUBLIC;
INSERT INTO keyturn.managed (role, owner)
VALUES (:'owner', :'owner'), (:'slot_a', :'owner'), (:'slot_b', :'owner')
ON CONFLICT (role) DO UPDATE SET owner = EXCLUDED.owner;

-- The slots. SET role is written here because PostgreSQL refuses to write it from within a SECURITY DEFINER function.
SELECT format('CREATE ROLE %I NOLOGIN INHERIT', slot) FROM unnest(ARRAY[:'slot_a', :'slot_b']) slot
WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = slot) \gexec
SELECT format('GRANT %I TO %I', :'owner', rolname)
         || CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END,
       format('ALTER ROLE %I SET role TO %L', rolname, :'owner'),
       format('COMMENT ON ROLE %I IS %L', rolname,
              concat_ws(E'\n', shobj_description(oid, 'pg_authid'),
                        'keyturn:v1 plan=' || :'plan' || ' rotation=- gen=0 epoch=0 state=retired'))
FROM pg_roles WHERE rolname IN (:'slot_a', :'slot_b') AND NOT rolcanlogin
  AND coalesce(shobj_description(oid, 'pg_authid'), '') NOT LIKE '%keyturn:v1 plan=%' \gexec

-- ---------------------------------------------------------------------------------------------- guards, for this file only

CREATE OR REPLACE FUNCTION keyturn.refuse(code text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'keyturn refuses (%)', code USING ERRCODE = code;
END $$;

-- The owner of a listed role, or a refusal.
CREATE OR REPLACE FUNCTION keyturn.owner_of(wanted name) RETURNS name
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE found name;
BEGIN
  SELECT m.owner INTO found FROM keyturn.managed m WHERE m.role = wanted;
  IF found IS NULL THEN PERFORM keyturn.refuse('KT001'); END IF;
  RETURN found;
END $$;

CREATE OR REPLACE FUNCTION keyturn.require_verifier(verifier text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF verifier IS NULL
     OR verifier !~ '^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/]+=*\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$' THEN
    PERFORM keyturn.refuse('KT002');
  END IF;
END $$;

CREATE OR REPLACE FUNCTION keyturn.require_tag(tag text, VARIADIC states text[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF tag IS NULL OR tag !~ '^keyturn:v1 plan=\S+ rotation=\S+ gen=[0-9]+ epoch=[0-9]+ state=[a-z]+$'
     OR substring(tag FROM 'state=([a-z]+)$') <> ALL (states) THEN
    PERFORM keyturn.refuse('KT010');
  END IF;
END $$;

-- Refuses superuser-like roles and whatever is a member of one.
CREATE OR REPLACE FUNCTION keyturn.require_harmless(wanted name) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (
    WITH RECURSIVE reach(oid) AS (
      SELECT oid FROM pg_roles WHERE rolname = wanted
      UNION SELECT m.roleid FROM pg_auth_members m JOIN reach r ON m.member = r.oid
    )
    SELECT 1 FROM reach JOIN pg_roles p USING (oid)
    WHERE p.rolsuper OR p.rolcreaterole OR p.rolreplication OR p.rolbypassrls OR p.rolname LIKE 'pg\_%'
  ) THEN PERFORM keyturn.refuse('KT006'); END IF;
END $$;

CREATE OR REPLACE FUNCTION keyturn.tag_of(wanted name) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT substring(shobj_description(oid, 'pg_authid')
                   FROM 'keyturn:v1 plan=\S+ rotation=\S+ gen=[0-9]+ epoch=[0-9]+ state=[a-z]+')
  FROM pg_roles WHERE rolname = wanted
$$;

-- After the first change has locked the role's row: may this operation touch it? Not if a later leader has, or if the same
-- rotation has turned back since (what it writes on the way back is of a higher generation).
CREATE OR REPLACE FUNCTION keyturn.require_turn(wanted name, tag text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE before text := keyturn.tag_of(wanted);
BEGIN
  IF substring(before FROM 'plan=(\S+)') <> substring(tag FROM 'plan=(\S+)') THEN PERFORM keyturn.refuse('KT003'); END IF;
  IF substring(before FROM 'epoch=([0-9]+)')::numeric > substring(tag FROM 'epoch=([0-9]+)')::numeric THEN
    PERFORM keyturn.refuse('KT004');
  END IF;
  IF substring(before FROM 'rotation=(\S+)') = substring(tag FROM 'rotation=(\S+)')
     AND substring(before FROM 'gen=([0-9]+)')::numeric > substring(tag FROM 'gen=([0-9]+)')::numeric THEN
    PERFORM keyturn.refuse('KT004');
  END IF;
END $$;

CREATE OR REPLACE FUNCTION keyturn.require_ours(wanted name, tag text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM keyturn.require_harmless(wanted);
  PERFORM keyturn.require_turn(wanted, tag);
END $$;

-- A login that reaches the owner's data and that nobody declared: no superuser, no role that replicates, not the rotator, no
-- role of a plan, none that an administrator marked as known (break-glass logins among them).
CREATE OR REPLACE FUNCTION keyturn.require_stranger(wanted name, owner_role name) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF wanted = session_user OR wanted LIKE 'pg\_%'
     OR EXISTS (SELECT 1 FROM keyturn.managed m WHERE m.role = wanted)
     OR EXISTS (SELECT 1 FROM pg_roles WHERE rolname = wanted AND (rolsuper OR rolreplication
                  OR coalesce(shobj_description(oid, 'pg_authid'), '') ~ 'keyturn:known|keyturn:v1 plan='))
     OR NOT EXISTS (
       WITH RECURSIVE holders(oid) AS (
         SELECT r.oid FROM pg_roles r JOIN keyturn.managed m ON m.role = r.rolname AND m.owner = owner_role
         UNION SELECT oid FROM pg_roles WHERE rolname IN ('pg_read_all_data', 'pg_write_all_data')
         UNION SELECT acl.grantee FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner AND o.rolname = owner_role,
               LATERAL aclexplode(c.relacl) acl WHERE acl.grantee NOT IN (0, c.relowner)
         UNION SELECT acl.grantee FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner AND o.rolname = owner_role
               JOIN pg_attribute t ON t.attrelid = c.oid, LATERAL aclexplode(t.attacl) acl
               WHERE acl.grantee NOT IN (0, c.relowner)
       ), reach(oid) AS (
         SELECT oid FROM holders
         UNION SELECT m.member FROM pg_auth_members m JOIN reach r ON m.roleid = r.oid
       )
       SELECT 1 FROM reach JOIN pg_roles p USING (oid) WHERE p.rolname = wanted)
  THEN PERFORM keyturn.refuse('KT014'); END IF;
END $$;

-- Marked by keyturn.contain below. Only CREATEROLE and superusers write comments on roles.
CREATE OR REPLACE FUNCTION keyturn.is_contained(wanted name) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = wanted AND NOT rolsuper
                   AND strpos(shobj_description(oid, 'pg_authid'), 'keyturn:contained') > 0)
$$;

CREATE OR REPLACE FUNCTION keyturn.uses(wanted name) RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  SELECT (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid = r.oid)
       + (SELECT count(*) FROM pg_prepared_xacts x WHERE x.owner = r.rolname)
  FROM pg_roles r WHERE r.rolname = wanted
$$;

CREATE OR REPLACE FUNCTION keyturn.can_login(wanted name) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  SELECT rolcanlogin FROM pg_roles WHERE rolname = wanted
$$;

-- What people wrote in the comment stays; our tag is replaced or put behind it.
CREATE OR REPLACE FUNCTION keyturn.put_tag(wanted name, tag text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  before text := (SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = wanted);
  old_tag text := keyturn.tag_of(wanted);
BEGIN
  EXECUTE format('COMMENT ON ROLE %I IS %L', wanted,
    CASE WHEN old_tag IS NOT NULL THEN replace(before, old_tag, tag)
         WHEN before IS NOT NULL AND before <> '' THEN before || E'\n' || tag
         ELSE tag END);
END $$;

-- SET ROLE does not load the owner's settings: the slot carries copies of them, overlaid with those of like_role.
CREATE OR REPLACE FUNCTION keyturn.copy_settings(owner_role name, like_role name, slot name) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  statement text;
  statements text[];
BEGIN
  SELECT array_agg(
    format('ALTER ROLE %I %s SET %I TO %s', slot,
           (SELECT format('IN DATABASE %I', d.datname) FROM pg_database d WHERE d.oid = source.setdatabase),
           source.name,
           CASE WHEN lower(source.name) IN ('search_path', 'temp_tablespaces', 'session_preload_libraries',
                                            'local_preload_libraries') AND source.value <> ''
                THEN (SELECT string_agg(format('%L', CASE WHEN m[1] IS NOT NULL THEN replace(m[1], '""', '"')
                                                          ELSE lower(m[2]) END), ', ')
                      FROM regexp_matches(source.value, '\s*(?:"((?:[^"]|"")*)"|([^",\s]+))\s*(?:,|$)', 'g') m)
                ELSE format('%L', source.value) END)) INTO statements
  FROM (
    SELECT DISTINCT ON (s.setdatabase, split_part(c, '=', 1))
           s.setdatabase, split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value
    FROM pg_db_role_setting s
    JOIN pg_roles r ON r.oid = s.setrole AND r.rolname IN (owner_role, like_role)
    CROSS JOIN LATERAL unnest(s.setconfig) c
    WHERE lower(split_part(c, '=', 1)) NOT IN ('role', 'session_authorization')
    ORDER BY s.setdatabase, split_part(c, '=', 1), (r.rolname = like_role) DESC
  ) source;
  FOR statement IN
    SELECT format('ALTER ROLE %I %s RESET %I', slot,
                  (SELECT format('IN DATABASE %I', d.datname) FROM pg_database d WHERE d.oid = s.setdatabase),
                  split_part(c, '=', 1))
    FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole AND r.rolname = slot
    CROSS JOIN LATERAL unnest(s.setconfig) c WHERE split_part(c, '=', 1) <> 'role'
  LOOP EXECUTE statement; END LOOP;
  FOREACH statement IN ARRAY coalesce(statements, '{}') LOOP EXECUTE statement; END LOOP;
END $$;

-- ------------------------------------------------------------------------------------------------- what the rotator may call

CREATE OR REPLACE FUNCTION keyturn.version() RETURNS integer
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$ SELECT 3 $$;

CREATE OR REPLACE FUNCTION keyturn.listed() RETURNS TABLE (role name, owner name)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT m.role, m.owner FROM keyturn.managed m
$$;

CREATE OR REPLACE FUNCTION keyturn.ensure(slot name, like_role name, verifier text, tag text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  owner_role name := keyturn.owner_of(slot);
  before text;
BEGIN
  PERFORM keyturn.require_verifier(verifier);
  PERFORM keyturn.require_tag(tag, 'active');
  IF slot = owner_role OR keyturn.owner_of(like_role) <> owner_role THEN PERFORM keyturn.refuse('KT001'); END IF;
  PERFORM keyturn.require_harmless(owner_role);
  IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = slot) THEN PERFORM keyturn.refuse('KT012'); END IF;
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = like_role) THEN
    EXECUTE format('ALTER ROLE %I', like_role);  -- changes nothing, and locks its row: nobody turns back while this goes on
  END IF;
  IF substring(keyturn.tag_of(like_role) FROM 'plan=(\S+)') = substring(tag FROM 'plan=(\S+)') THEN
    PERFORM keyturn.require_turn(like_role, tag);  -- an owner may carry the tag of another plan
  END IF;
  EXECUTE format('ALTER ROLE %I PASSWORD %L', slot, verifier);
  PERFORM keyturn.require_ours(slot, tag);
  before := keyturn.tag_of(slot);
  IF before IS NULL THEN PERFORM keyturn.refuse('KT005'); END IF;
  IF substring(before FROM 'rotation=(\S+)') <> substring(tag FROM 'rotation=(\S+)')
     AND (keyturn.can_login(slot) OR keyturn.uses(slot) > 0) THEN PERFORM keyturn.refuse('KT011'); END IF;
  EXECUTE format('ALTER ROLE %I LOGIN INHERIT CONNECTION LIMIT -1', slot);
  IF (SELECT rolvaliduntil <> 'infinity' FROM pg_roles WHERE rolname = slot) THEN
    EXECUTE format('ALTER ROLE %I VALID UNTIL %L', slot, 'infinity');
  END IF;
  EXECUTE format('GRANT %I TO %I', owner_role, slot)
    || CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END;
  IF EXISTS (SELECT 1 FROM pg_auth_members m JOIN pg_roles u ON u.oid = m.member JOIN pg_roles g ON g.oid = m.roleid
             WHERE u.rolname = slot AND g.rolname <> owner_role) THEN PERFORM keyturn.refuse('KT006'); END IF;
  IF NOT EXISTS (SELECT 1 FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
                 WHERE r.rolname = slot AND s.setdatabase = 0 AND 'role=' || owner_role = ANY (s.setconfig)) THEN
    PERFORM keyturn.refuse('KT013');
  END IF;
  PERFORM keyturn.copy_settings(owner_role, like_role, slot);
  PERFORM keyturn.put_tag(slot, tag);
END $$;

-- Without a verifier: the role keeps the one it has.
CREATE OR REPLACE FUNCTION keyturn.enable(wanted name, verifier text, tag text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM keyturn.owner_of(wanted);
  IF verifier IS NOT NULL THEN PERFORM keyturn.require_verifier(verifier); END IF;
  PERFORM keyturn.require_tag(tag, 'active');
  IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = wanted) THEN PERFORM keyturn.refuse('KT012'); END IF;
  EXECUTE format('ALTER ROLE %I LOGIN', wanted) || CASE WHEN verifier IS NULL THEN '' ELSE format(' PASSWORD %L', verifier) END;
  PERFORM keyturn.require_ours(wanted, tag);
  IF keyturn.tag_of(wanted) LIKE '%state=retired' THEN PERFORM keyturn.refuse('KT009'); END IF;
  PERFORM keyturn.put_tag(wanted, tag);
END $$;

CREATE OR REPLACE FUNCTION keyturn.disable(wanted name, tag text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM keyturn.owner_of(wanted);
  PERFORM keyturn.require_tag(tag, 'disabled');
  IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = wanted) THEN PERFORM keyturn.refuse('KT012'); END IF;
  EXECUTE format('ALTER ROLE %I NOLOGIN', wanted);
  PERFORM keyturn.require_ours(wanted, tag);
  IF keyturn.tag_of(wanted) IS NULL OR keyturn.tag_of(wanted) NOT LIKE '%state=retired' THEN
    PERFORM keyturn.put_tag(wanted, tag);
  END IF;
END $$;

-- Somebody else may have the old value: the new role from the declared owner's membership and settings alone, the old one and
-- the named strangers without login, all or nothing.
CREATE OR REPLACE FUNCTION keyturn.contain(slot name, verifier text, tag text, former name, former_tag text, strangers name[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  owner_role name := keyturn.owner_of(slot);
  stranger name;
BEGIN
  IF former = slot OR keyturn.owner_of(former) <> owner_role THEN PERFORM keyturn.refuse('KT001'); END IF;
  PERFORM keyturn.ensure(slot, owner_role, verifier, tag);
  PERFORM keyturn.require_tag(former_tag, 'disabled');
  IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = former) THEN PERFORM keyturn.refuse('KT012'); END IF;
  IF (SELECT rolsuper FROM pg_roles WHERE rolname = former) THEN PERFORM keyturn.refuse('KT006'); END IF;
  EXECUTE format('ALTER ROLE %I NOLOGIN', former);
  PERFORM keyturn.require_turn(former, former_tag);
  IF keyturn.tag_of(former) IS NULL OR keyturn.tag_of(former) NOT LIKE '%state=retired' THEN
    PERFORM keyturn.put_tag(former, former_tag);
  END IF;
  FOREACH stranger IN ARRAY strangers LOOP
    CONTINUE WHEN NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = stranger);
    EXECUTE format('ALTER ROLE %I NOLOGIN', stranger);
    PERFORM keyturn.require_stranger(stranger, owner_role);
    IF NOT keyturn.is_contained(stranger) THEN
      EXECUTE format('COMMENT ON ROLE %I IS %L', stranger,
        concat_ws(E'\n', (SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = stranger),
                  'keyturn:contained'));
    END IF;
  END LOOP;
END $$;

-- Irreversible: a disabled role without sessions gets a verifier whose password nobody has.
CREATE OR REPLACE FUNCTION keyturn.retire(wanted name, tag text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  stored text := encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64');
  server text := encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64');
BEGIN
  PERFORM keyturn.owner_of(wanted);
  PERFORM keyturn.require_tag(tag, 'retired');
  IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = wanted) THEN PERFORM keyturn.refuse('KT012'); END IF;
  EXECUTE format('ALTER ROLE %I PASSWORD %L', wanted,
    'SCRAM-SHA-256$4096:' || encode(uuid_send(gen_random_uuid()), 'base64') || '$' || stored || ':' || server);
  PERFORM keyturn.require_ours(wanted, tag);
  IF keyturn.can_login(wanted) THEN PERFORM keyturn.refuse('KT007'); END IF;
  IF keyturn.uses(wanted) > 0 THEN PERFORM keyturn.refuse('KT008'); END IF;
  PERFORM keyturn.put_tag(wanted, tag);
END $$;

CREATE OR REPLACE FUNCTION keyturn.terminate(wanted name) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT keyturn.is_contained(wanted) THEN PERFORM keyturn.owner_of(wanted); END IF;
  IF keyturn.can_login(wanted) THEN PERFORM keyturn.refuse('KT007'); END IF;
  RETURN (SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid))
          FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
          WHERE r.rolname = wanted AND a.pid <> pg_backend_pid());
END $$;

-- Who is connected as a listed role or as a stranger that was contained, and whether a dropped role has sessions that nobody can attribute (principal '').
CREATE OR REPLACE FUNCTION keyturn.sessions()
RETURNS TABLE (pid integer, started timestamptz, principal text, address text, port integer, kind text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT a.pid, a.backend_start, coalesce(r.rolname::text, ''), host(a.client_addr), a.client_port, a.backend_type
  FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid
  WHERE a.usesysid IS NOT NULL AND a.backend_type <> 'parallel worker'
    AND (r.oid IS NULL OR r.rolname IN (SELECT m.role FROM keyturn.managed m) OR keyturn.is_contained(r.rolname))
$$;

-- The rules of pg_hba.conf that may be about a listed role. The server's list of them has lost the quotes that make a keyword
-- a name, so "quoted" says whether the line may hold some; options may hold secrets, so only clientcert is told.
DROP FUNCTION IF EXISTS keyturn.admissions();
CREATE OR REPLACE FUNCTION keyturn.rules()
RETURNS TABLE (line integer, kind text, databases text[], users text[], address text, mask text, method text,
               certificate text, quoted boolean, file text, broken boolean, in_force boolean)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH rules AS (
    SELECT r.*, coalesce(to_jsonb(r) ->> 'file_name', current_setting('hba_file')) AS path,
           (to_jsonb(r) ->> 'rule_number')::integer AS place
    FROM pg_hba_file_rules r
  ), texts AS (
    SELECT p.path, n, regexp_replace(t, '#.*$', '') AS text
    FROM (SELECT DISTINCT path FROM rules) p,
         unnest(string_to_array(encode(pg_read_binary_file(p.path), 'escape'), E'\n')) WITH ORDINALITY u(t, n)
  ), bounded AS (
    SELECT r.*, lead(r.line_number) OVER (PARTITION BY r.path ORDER BY r.line_number) AS next_line FROM rules r
  )
  SELECT b.line_number, coalesce(b.type, ''), coalesce(b.database, '{}'), coalesce(b.user_name, '{}'), coalesce(b.address, ''),
         coalesce(b.netmask, ''), coalesce(b.auth_method, ''),
         coalesce((SELECT split_part(o, '=', 2) FROM unnest(b.options) o WHERE o LIKE 'clientcert=%'), ''),
         EXISTS (SELECT 1 FROM texts t WHERE t.path = b.path AND t.n >= b.line_number AND t.text ~ '["@]'
                   AND (b.next_line IS NULL OR t.n < b.next_line)),
         CASE WHEN b.path = current_setting('hba_file') THEN '' ELSE regexp_replace(b.path, '^.*/', '') END,
         b.error IS NOT NULL,
         (pg_stat_file(current_setting('hba_file'))).modification <= pg_conf_load_time()
  FROM bounded b
  WHERE b.error IS NOT NULL OR (b.type <> 'local' AND EXISTS (
    SELECT 1 FROM unnest(b.user_name) u
    WHERE u = 'all' OR u LIKE '+%' OR u LIKE '/%' OR u IN (SELECT m.role::text FROM keyturn.managed m)))
  ORDER BY b.place NULLS LAST, b.line_number
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA keyturn FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA keyturn FROM :"rotator";
GRANT EXECUTE ON FUNCTION
  keyturn.version(), keyturn.listed(), keyturn.ensure(name, name, text, text), keyturn.enable(name, text, text),
  keyturn.disable(name, text), keyturn.contain(name, text, text, name, text, name[]), keyturn.retire(name, text),
  keyturn.terminate(name), keyturn.sessions(), keyturn.rules()
TO :"rotator";
COMMIT;
