-- Keyturn's rotator for MySQL 8.4 or newer, in its smallest form: procedures of an administrator's, with a fixed list of
-- accounts. The rotator may call them and nothing else. Run as an administrator, and again after an upgrade:
--
--   mysql < procedures.sql
--
-- and for each plan (host: the one that both accounts are for; missing accounts are made, locked):
--
--   CALL keyturn.admit('shop/orders-db', 'orders_owner', 'orders_a', 'orders_b', '%', 'keyturn_rotator');
--
-- Each change compares the tag of the account with who asks, under one lock, inside the server: whoever was stopped before
-- it called comes too late. Nobody passes a password: hashes only, so no log holds one.
--
-- Names are compared sign by sign (utf8mb4_bin), as the server does with accounts.

CREATE DATABASE IF NOT EXISTS keyturn CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
USE keyturn;
SET NAMES utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS keyturn.accounts (
  name       varchar(80)  NOT NULL PRIMARY KEY,
  host       varchar(255) NOT NULL,
  plan       varchar(128) NOT NULL,
  owner      varchar(80)  NOT NULL,
  rotation   varchar(64)  NOT NULL DEFAULT '',
  generation int unsigned NOT NULL DEFAULT 0,
  epoch      bigint unsigned NOT NULL DEFAULT 0,
  state      enum('none', 'active', 'disabled', 'retired') NOT NULL DEFAULT 'none'
) ENGINE=InnoDB;
CREATE TABLE IF NOT EXISTS keyturn.known (
  name varchar(80) NOT NULL PRIMARY KEY,  -- an account that is meant to reach the data
  why  varchar(255) NOT NULL
) ENGINE=InnoDB;
CREATE TABLE IF NOT EXISTS keyturn.cut_off (name varchar(80) NOT NULL, host varchar(255) NOT NULL, PRIMARY KEY (name, host))
  ENGINE=InnoDB;
CREATE TABLE IF NOT EXISTS keyturn.write_probe (n int) ENGINE=InnoDB;  -- trials write a row here and roll it back

CREATE TABLE IF NOT EXISTS keyturn.rotators (name varchar(80) NOT NULL PRIMARY KEY)  -- who may call the procedures
  ENGINE=InnoDB;

DELIMITER //

DROP FUNCTION IF EXISTS keyturn.procedures_version//
CREATE FUNCTION keyturn.procedures_version() RETURNS int DETERMINISTIC NO SQL RETURN 1//

DROP PROCEDURE IF EXISTS keyturn.admit//
CREATE PROCEDURE keyturn.admit(
  IN p_plan varchar(128), IN p_owner varchar(80), IN p_slot_a varchar(80), IN p_slot_b varchar(80),
  IN p_host varchar(255), IN p_rotator varchar(80))
  SQL SECURITY INVOKER
BEGIN
  DECLARE v_slot varchar(80) DEFAULT p_slot_a;
  DECLARE v_who varchar(400);
  slots: LOOP
    SET v_who = CONCAT(QUOTE(v_slot), '@', QUOTE(p_host));
    INSERT INTO keyturn.accounts (name, host, plan, owner) VALUES (v_slot, p_host, p_plan, p_owner)
      ON DUPLICATE KEY UPDATE host = p_host, plan = p_plan, owner = p_owner;
    IF NOT EXISTS (SELECT 1 FROM keyturn.logins WHERE name = v_slot AND host = p_host) THEN
      CALL keyturn.run(CONCAT('CREATE USER ', v_who, ' IDENTIFIED WITH caching_sha2_password AS ',
        QUOTE(keyturn.nobodys_hash()), ' ACCOUNT LOCK'));
      UPDATE keyturn.accounts SET state = 'retired' WHERE name = v_slot;
    END IF;
    CALL keyturn.run(CONCAT('GRANT ', QUOTE(p_owner), ' TO ', v_who));
    CALL keyturn.run(CONCAT('SET DEFAULT ROLE ', QUOTE(p_owner), ' TO ', v_who));
    IF v_slot = p_slot_b THEN LEAVE slots; END IF;
    SET v_slot = p_slot_b;
  END LOOP;
  CALL keyturn.run(CONCAT('GRANT INSERT ON keyturn.write_probe TO ', QUOTE(p_owner)));
  CALL keyturn.run(CONCAT('CREATE USER IF NOT EXISTS ', QUOTE(p_rotator), '@', QUOTE('%'),
    ' IDENTIFIED WITH caching_sha2_password AS ', QUOTE(keyturn.nobodys_hash())));
  REPLACE INTO keyturn.rotators VALUES (p_rotator);
  CALL keyturn.let_call();
END//

-- Routines that are made anew have lost who may call them.
DROP PROCEDURE IF EXISTS keyturn.let_call//
CREATE PROCEDURE keyturn.let_call() SQL SECURITY INVOKER
BEGIN
  DECLARE v_done int DEFAULT 0;
  DECLARE v_what varchar(100);
  DECLARE v_rotator varchar(80);
  DECLARE open_ones CURSOR FOR SELECT CONCAT(r.routine_type, ' keyturn.', r.routine_name), k.name
    FROM information_schema.routines r, keyturn.rotators k WHERE r.routine_schema = 'keyturn'
     AND r.routine_name IN ('inventory', 'strangers', 'sessions', 'ensure_account', 'contain', 'enable_account',
                            'disable_account', 'retire_account', 'end_sessions', 'preflight', 'procedures_version');
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_done = 1;
  OPEN open_ones;
  each_one: LOOP
    FETCH open_ones INTO v_what, v_rotator;
    IF v_done THEN LEAVE each_one; END IF;
    CALL keyturn.run(CONCAT('GRANT EXECUTE ON ', v_what, ' TO ', QUOTE(v_rotator), '@', QUOTE('%')));
  END LOOP;
END//

-- ------------------------------------------------------------------------------------------------- inside, not granted

-- Whoever runs this, runs it with his own rights: of the procedures below, their definer's.
DROP PROCEDURE IF EXISTS keyturn.run//
CREATE PROCEDURE keyturn.run(IN p_statement text) SQL SECURITY INVOKER
BEGIN
  SET @keyturn_statement = p_statement;
  PREPARE keyturn_statement FROM @keyturn_statement;
  EXECUTE keyturn_statement;
  DEALLOCATE PREPARE keyturn_statement;
  SET @keyturn_statement = NULL;
END//

-- Accounts and roles (which are accounts that are locked), with what is asked about them below
CREATE OR REPLACE SQL SECURITY DEFINER VIEW keyturn.logins AS
  SELECT u.user AS name, u.host, u.account_locked = 'Y' AS locked, u.plugin, u.authentication_string AS hash,
         u.create_user_priv = 'Y' AS makes_users,
         u.super_priv = 'Y' OR u.repl_slave_priv = 'Y' OR u.create_user_priv = 'Y'
           OR EXISTS (SELECT 1 FROM mysql.global_grants g WHERE g.user = u.user AND g.host = u.host
                      AND g.priv IN ('SYSTEM_USER', 'ROLE_ADMIN', 'SET_ANY_DEFINER', 'SET_USER_ID')) AS administers,
         'Y' IN (u.select_priv, u.insert_priv, u.update_priv, u.delete_priv) AS everywhere,
         'Y' IN (u.grant_priv, u.create_role_priv, u.drop_role_priv) AS grants,
         'Y' IN (u.create_priv, u.drop_priv, u.reload_priv, u.shutdown_priv, u.process_priv, u.file_priv, u.references_priv,
                 u.index_priv, u.alter_priv, u.show_db_priv, u.create_tmp_table_priv, u.lock_tables_priv, u.execute_priv,
                 u.repl_client_priv, u.create_view_priv, u.show_view_priv, u.create_routine_priv, u.alter_routine_priv,
                 u.event_priv, u.trigger_priv, u.create_tablespace_priv) AS others,
         u.user_attributes->'$.additional_password' IS NOT NULL AS second_password,
         u.user_attributes->'$.multi_factor_authentication' IS NOT NULL AS further_factors,
         CONCAT_WS('/', u.ssl_type, u.max_connections, u.max_questions, u.max_updates, u.max_user_connections,
           COALESCE(u.password_lifetime, '-'), COALESCE(u.password_reuse_history, '-'), COALESCE(u.password_reuse_time, '-'),
           COALESCE(u.password_require_current, '-'), COALESCE(u.user_attributes->'$.Password_locking', '-')) AS limits
    FROM mysql.user u//

DROP FUNCTION IF EXISTS keyturn.nobodys_hash//
CREATE FUNCTION keyturn.nobodys_hash() RETURNS varchar(80) NOT DETERMINISTIC NO SQL
  RETURN CONCAT('$A$005$', LEFT(REPLACE(REPLACE(TO_BASE64(RANDOM_BYTES(48)), '+', '.'), '\n', ''), 63))//

DROP FUNCTION IF EXISTS keyturn.is_locked//
CREATE FUNCTION keyturn.is_locked(p_name varchar(80), p_host varchar(255)) RETURNS int READS SQL DATA
  RETURN (SELECT locked FROM keyturn.logins WHERE name = p_name AND host = p_host)//  -- NULL: there is no such account

DROP FUNCTION IF EXISTS keyturn.hash_of//
CREATE FUNCTION keyturn.hash_of(p_name varchar(80), p_host varchar(255)) RETURNS text READS SQL DATA
  RETURN (SELECT hash FROM keyturn.logins WHERE name = p_name AND host = p_host)//

-- Does this login reach databases of the owner?
DROP FUNCTION IF EXISTS keyturn.reaches//
CREATE FUNCTION keyturn.reaches(p_name varchar(80), p_host varchar(255), p_owner varchar(80)) RETURNS int READS SQL DATA
  RETURN EXISTS (SELECT 1 FROM mysql.role_edges e WHERE e.to_user = p_name AND e.to_host = p_host AND e.from_user = p_owner)
      OR FIND_IN_SET(p_owner, REPLACE(REPLACE(REPLACE(@@mandatory_roles, '`', ''), '@%', ''), ' ', '')) > 0
      OR EXISTS (SELECT 1 FROM keyturn.logins g WHERE g.name = p_name AND g.host = p_host AND g.everywhere)
      OR EXISTS (SELECT 1 FROM mysql.db d, mysql.db o WHERE d.user = p_name AND d.host = p_host
                 AND o.user = p_owner AND o.host = '%' AND (o.db LIKE d.db OR d.db LIKE o.db))
      OR EXISTS (SELECT 1 FROM mysql.tables_priv t, mysql.db o WHERE t.user = p_name AND t.host = p_host
                 AND o.user = p_owner AND o.host = '%' AND t.db LIKE o.db)//

DROP PROCEDURE IF EXISTS keyturn.refuse//
CREATE PROCEDURE keyturn.refuse(IN p_number int) SQL SECURITY DEFINER
  SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = p_number, MESSAGE_TEXT = 'refused by keyturn'//

DROP PROCEDURE IF EXISTS keyturn.hold//
CREATE PROCEDURE keyturn.hold() SQL SECURITY DEFINER
  IF COALESCE(GET_LOCK('keyturn.change', 10), 0) <> 1 THEN CALL keyturn.refuse(31016); END IF//

-- Is it ours, this plan's, and has nobody written later?
DROP PROCEDURE IF EXISTS keyturn.fence//
CREATE PROCEDURE keyturn.fence(
  IN p_plan varchar(128), IN p_name varchar(80), IN p_rotation varchar(64), IN p_generation int, IN p_epoch bigint)
  SQL SECURITY DEFINER
BEGIN
  DECLARE v_plan varchar(128); DECLARE v_rotation varchar(64); DECLARE v_generation int; DECLARE v_epoch bigint;
  SELECT plan, rotation, generation, epoch INTO v_plan, v_rotation, v_generation, v_epoch
    FROM keyturn.accounts WHERE name = p_name;
  IF v_plan IS NULL THEN CALL keyturn.refuse(31001); END IF;
  IF v_plan <> p_plan THEN CALL keyturn.refuse(31003); END IF;
  IF v_epoch > p_epoch OR (v_rotation = p_rotation AND v_generation > p_generation) THEN CALL keyturn.refuse(31004); END IF;
END//

DROP PROCEDURE IF EXISTS keyturn.tagged//
CREATE PROCEDURE keyturn.tagged(
  IN p_name varchar(80), IN p_rotation varchar(64), IN p_generation int, IN p_epoch bigint, IN p_state varchar(10))
  SQL SECURITY DEFINER
BEGIN
  UPDATE keyturn.accounts SET rotation = p_rotation, generation = p_generation, epoch = p_epoch, state = p_state
    WHERE name = p_name;
  COMMIT;
END//

-- `words` of ours on the one host row of an account of the list
DROP PROCEDURE IF EXISTS keyturn.alter_account//
CREATE PROCEDURE keyturn.alter_account(IN p_name varchar(80), IN p_words varchar(200)) SQL SECURITY DEFINER
BEGIN
  DECLARE v_host varchar(255);
  SELECT host INTO v_host FROM keyturn.accounts WHERE name = p_name;
  CALL keyturn.run(CONCAT('ALTER USER ', QUOTE(p_name), '@', QUOTE(v_host), ' ', p_words));
END//

-- A second password (RETAIN CURRENT PASSWORD) would outlive the change of the first.
DROP PROCEDURE IF EXISTS keyturn.set_hash//
CREATE PROCEDURE keyturn.set_hash(IN p_name varchar(80), IN p_hash varchar(200), IN p_lock varchar(20)) SQL SECURITY DEFINER
BEGIN
  CALL keyturn.alter_account(p_name, 'DISCARD OLD PASSWORD');
  CALL keyturn.alter_account(p_name, CONCAT('IDENTIFIED WITH caching_sha2_password AS ', QUOTE(p_hash), ' ', p_lock));
END//

DROP PROCEDURE IF EXISTS keyturn.require_hash//
CREATE PROCEDURE keyturn.require_hash(IN p_hash varchar(200)) SQL SECURITY DEFINER
  IF p_hash IS NULL OR NOT p_hash REGEXP '^[$]A[$]005[$][./0-9A-Za-z]{63}$' THEN CALL keyturn.refuse(31002); END IF//

-- An empty list means something only if we stand in it: with performance_schema = OFF it is always empty.
DROP PROCEDURE IF EXISTS keyturn.require_list//
CREATE PROCEDURE keyturn.require_list() SQL SECURITY DEFINER
  IF NOT EXISTS (SELECT 1 FROM performance_schema.processlist WHERE id = CONNECTION_ID()) THEN
    CALL keyturn.refuse(31017);
  END IF//

DROP PROCEDURE IF EXISTS keyturn.make_new//
CREATE PROCEDURE keyturn.make_new(IN p_name varchar(80), IN p_hash varchar(200), IN p_rotation varchar(64))
  SQL SECURITY DEFINER
BEGIN  -- the slot is free, or this rotation's already
  DECLARE v_host varchar(255); DECLARE v_owner varchar(80); DECLARE v_rotation varchar(64);
  CALL keyturn.require_list();
  SELECT host, owner, rotation INTO v_host, v_owner, v_rotation FROM keyturn.accounts WHERE name = p_name;
  IF keyturn.is_locked(p_name, v_host) IS NULL THEN CALL keyturn.refuse(31012); END IF;
  IF keyturn.is_locked(p_name, v_host) = 0 AND NOT (v_rotation = p_rotation AND keyturn.hash_of(p_name, v_host) = p_hash) THEN
    CALL keyturn.refuse(31011);
  END IF;
  IF v_rotation <> p_rotation AND EXISTS (SELECT 1 FROM performance_schema.processlist WHERE user = p_name) THEN
    CALL keyturn.refuse(31011);
  END IF;
END//

-- ----------------------------------------------------------------------------------------------- what the rotator calls

DROP PROCEDURE IF EXISTS keyturn.inventory//
CREATE PROCEDURE keyturn.inventory(IN p_plan varchar(128)) SQL SECURITY DEFINER
  SELECT a.name, keyturn.is_locked(a.name, a.host) AS locked, a.plan, a.rotation, a.generation, a.state
    FROM keyturn.accounts a WHERE a.plan = p_plan ORDER BY a.name//

-- Accounts that can log in and reach databases of the owner, and that nobody declared. Administrators are left out.
DROP PROCEDURE IF EXISTS keyturn.strangers//
CREATE PROCEDURE keyturn.strangers(IN p_owner varchar(80), IN p_rotator varchar(80)) SQL SECURITY DEFINER
  SELECT g.name, g.host, 'reaches databases of the owner' AS way
    FROM keyturn.logins g
   WHERE NOT g.locked AND NOT g.makes_users
     AND g.name NOT IN (SELECT name FROM keyturn.accounts WHERE owner = p_owner)
     AND g.name NOT IN (SELECT name FROM keyturn.known) AND g.name <> p_rotator
     AND keyturn.reaches(g.name, g.host, p_owner)
   ORDER BY 1, 2//

DROP PROCEDURE IF EXISTS keyturn.sessions//
CREATE PROCEDURE keyturn.sessions() SQL SECURITY DEFINER
  SELECT p.id, p.user AS name, p.host AS client FROM performance_schema.processlist p
   WHERE p.user IN (SELECT name FROM keyturn.accounts UNION SELECT name FROM keyturn.cut_off)//

DROP PROCEDURE IF EXISTS keyturn.preflight//
CREATE PROCEDURE keyturn.preflight(IN p_plan varchar(128)) SQL SECURITY DEFINER
  SELECT a.name,
         (SELECT COUNT(*) FROM mysql.user u WHERE u.user = a.name) AS host_rows,
         CONCAT(COALESCE(g.plugin, ''), IF(g.second_password, ' and a second password', ''),
           IF(g.further_factors, ' and further factors', '')) AS plugin,
         COALESCE((SELECT GROUP_CONCAT(d.default_role_user ORDER BY 1) FROM mysql.default_roles d
           WHERE d.user = a.name AND d.host = a.host), '') AS default_role,
         COALESCE(g.administers OR g.everywhere OR g.grants OR g.others, 0) AS access,
         (SELECT GROUP_CONCAT(e.from_user ORDER BY 1) FROM mysql.role_edges e WHERE e.to_user = a.name AND e.to_host = a.host)
           AS roles,
         (SELECT COUNT(*) FROM mysql.db d WHERE d.user = a.name) + (SELECT COUNT(*) FROM mysql.tables_priv t
           WHERE t.user = a.name) + (SELECT COUNT(*) FROM mysql.procs_priv p WHERE p.user = a.name)
           + (SELECT COUNT(*) FROM mysql.global_grants p WHERE p.user = a.name) AS own_rights,
         COALESCE(g.limits, '') AS limits,
         EXISTS (SELECT 1 FROM keyturn.logins r WHERE r.name = a.owner AND r.host = '%' AND r.locked) AS owner_is_role,
         COALESCE((SELECT r.administers OR r.grants FROM keyturn.logins r WHERE r.name = a.owner AND r.host = '%'), 0)
           AS owner_access,
         EXISTS (SELECT 1 FROM mysql.user r WHERE r.user = '') AS anonymous,
         NULL AS definer_of,  -- a definer's default roles count here, so the other slot may use what this one defined
         (SELECT COUNT(*) FROM performance_schema.processlist) AS connected,
         (SELECT COUNT(*) FROM performance_schema.processlist q WHERE q.user = a.name) AS sessions
    FROM keyturn.accounts a LEFT JOIN keyturn.logins g ON g.name = a.name AND g.host = a.host
   WHERE a.plan = p_plan ORDER BY a.name//

DROP PROCEDURE IF EXISTS keyturn.ensure_account//
CREATE PROCEDURE keyturn.ensure_account(
  IN p_plan varchar(128), IN p_name varchar(80), IN p_hash varchar(200), IN p_like varchar(80),
  IN p_rotation varchar(64), IN p_generation int, IN p_epoch bigint)
  SQL SECURITY DEFINER
BEGIN
  DECLARE v_owner varchar(80);
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; DO RELEASE_LOCK('keyturn.change'); RESIGNAL; END;
  CALL keyturn.require_hash(p_hash);
  CALL keyturn.hold();
  CALL keyturn.fence(p_plan, p_name, p_rotation, p_generation, p_epoch);
  IF p_like <> '' THEN CALL keyturn.fence(p_plan, p_like, p_rotation, p_generation, p_epoch); END IF;
  CALL keyturn.make_new(p_name, p_hash, p_rotation);
  CALL keyturn.tagged(p_name, p_rotation, p_generation, p_epoch, 'active');
  CALL keyturn.set_hash(p_name, p_hash, 'ACCOUNT UNLOCK');
  DO RELEASE_LOCK('keyturn.change');
END//

DROP PROCEDURE IF EXISTS keyturn.disable_account//
CREATE PROCEDURE keyturn.disable_account(
  IN p_plan varchar(128), IN p_name varchar(80), IN p_rotation varchar(64), IN p_generation int, IN p_epoch bigint)
  SQL SECURITY DEFINER
BEGIN
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; DO RELEASE_LOCK('keyturn.change'); RESIGNAL; END;
  CALL keyturn.hold();
  CALL keyturn.fence(p_plan, p_name, p_rotation, p_generation, p_epoch);
  CALL keyturn.tagged(p_name, p_rotation, p_generation, p_epoch, 'disabled');
  CALL keyturn.alter_account(p_name, 'ACCOUNT LOCK');
  DO RELEASE_LOCK('keyturn.change');
END//

-- p_hash '': whoever logs in with it already keeps the one it has
DROP PROCEDURE IF EXISTS keyturn.enable_account//
CREATE PROCEDURE keyturn.enable_account(
  IN p_plan varchar(128), IN p_name varchar(80), IN p_hash varchar(200),
  IN p_rotation varchar(64), IN p_generation int, IN p_epoch bigint)
  SQL SECURITY DEFINER
BEGIN
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; DO RELEASE_LOCK('keyturn.change'); RESIGNAL; END;
  CALL keyturn.hold();
  CALL keyturn.fence(p_plan, p_name, p_rotation, p_generation, p_epoch);
  IF p_hash <> '' THEN CALL keyturn.require_hash(p_hash); END IF;
  CALL keyturn.tagged(p_name, p_rotation, p_generation, p_epoch, 'active');
  IF p_hash <> '' THEN
    CALL keyturn.set_hash(p_name, p_hash, 'ACCOUNT UNLOCK');
  ELSE
    CALL keyturn.alter_account(p_name, 'ACCOUNT UNLOCK');
  END IF;
  DO RELEASE_LOCK('keyturn.change');
END//

DROP PROCEDURE IF EXISTS keyturn.retire_account//
CREATE PROCEDURE keyturn.retire_account(
  IN p_plan varchar(128), IN p_name varchar(80), IN p_rotation varchar(64), IN p_generation int, IN p_epoch bigint)
  SQL SECURITY DEFINER
BEGIN
  DECLARE v_host varchar(255);
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; DO RELEASE_LOCK('keyturn.change'); RESIGNAL; END;
  CALL keyturn.hold();
  CALL keyturn.fence(p_plan, p_name, p_rotation, p_generation, p_epoch);
  CALL keyturn.require_list();
  SELECT host INTO v_host FROM keyturn.accounts WHERE name = p_name;
  IF keyturn.is_locked(p_name, v_host) = 0 THEN CALL keyturn.refuse(31007); END IF;
  IF EXISTS (SELECT 1 FROM performance_schema.processlist WHERE user = p_name) THEN CALL keyturn.refuse(31008); END IF;
  CALL keyturn.tagged(p_name, p_rotation, p_generation, p_epoch, 'retired');
  CALL keyturn.set_hash(p_name, keyturn.nobodys_hash(), 'ACCOUNT LOCK');
  DO RELEASE_LOCK('keyturn.change');
END//

DROP PROCEDURE IF EXISTS keyturn.end_sessions//
CREATE PROCEDURE keyturn.end_sessions(IN p_plan varchar(128), IN p_name varchar(80)) SQL SECURITY DEFINER
BEGIN
  DECLARE v_done int DEFAULT 0; DECLARE v_id bigint; DECLARE v_ended int DEFAULT 0;
  DECLARE their_sessions CURSOR FOR SELECT id FROM performance_schema.processlist WHERE user = p_name;
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_done = 1;
  DECLARE CONTINUE HANDLER FOR 1094 SET v_ended = v_ended - 1;  -- it ended by itself
  CALL keyturn.require_list();
  IF EXISTS (SELECT 1 FROM mysql.user WHERE user = p_name)
     AND NOT EXISTS (SELECT 1 FROM keyturn.accounts WHERE name = p_name AND plan = p_plan)
     AND NOT EXISTS (SELECT 1 FROM keyturn.cut_off WHERE name = p_name) THEN CALL keyturn.refuse(31001); END IF;
  IF EXISTS (SELECT 1 FROM keyturn.logins WHERE name = p_name AND NOT locked) THEN CALL keyturn.refuse(31007); END IF;
  SET v_done = 0;
  OPEN their_sessions;
  each_one: LOOP
    FETCH their_sessions INTO v_id;
    IF v_done THEN LEAVE each_one; END IF;
    SET v_ended = v_ended + 1;
    KILL CONNECTION v_id;
  END LOOP;
  SELECT v_ended AS ended;
END//

-- OLD and the named strangers (a JSON list) are locked, then NEW is made. All is checked before the first change: account
-- statements cannot be taken back together, so a call that was cut short is made again.
DROP PROCEDURE IF EXISTS keyturn.contain//
CREATE PROCEDURE keyturn.contain(
  IN p_plan varchar(128), IN p_name varchar(80), IN p_hash varchar(200), IN p_old varchar(80), IN p_strangers text,
  IN p_rotator varchar(80), IN p_rotation varchar(64), IN p_generation int, IN p_epoch bigint)
  SQL SECURITY DEFINER
BEGIN
  DECLARE v_done int DEFAULT 0; DECLARE v_name varchar(80); DECLARE v_host varchar(255); DECLARE v_owner varchar(80);
  DECLARE named CURSOR FOR SELECT g.name, g.host FROM keyturn.logins g
    WHERE JSON_CONTAINS(p_strangers, JSON_QUOTE(g.name));
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_done = 1;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; DO RELEASE_LOCK('keyturn.change'); RESIGNAL; END;
  CALL keyturn.require_hash(p_hash);
  CALL keyturn.hold();
  CALL keyturn.fence(p_plan, p_name, p_rotation, p_generation, p_epoch);
  CALL keyturn.fence(p_plan, p_old, p_rotation, p_generation, p_epoch);
  CALL keyturn.make_new(p_name, p_hash, p_rotation);
  SELECT owner INTO v_owner FROM keyturn.accounts WHERE name = p_name;
  IF EXISTS (SELECT 1 FROM keyturn.logins g WHERE JSON_CONTAINS(p_strangers, JSON_QUOTE(g.name))
       AND (g.name = p_rotator OR g.name IN (SELECT name FROM keyturn.accounts) OR g.name IN (SELECT name FROM keyturn.known)
            OR EXISTS (SELECT 1 FROM mysql.role_edges e WHERE e.from_user = g.name AND e.from_host = g.host)
            OR g.name = v_owner OR g.administers OR NOT keyturn.reaches(g.name, g.host, v_owner))) THEN
    CALL keyturn.refuse(31014);
  END IF;
  SET v_done = 0;
  CALL keyturn.tagged(p_old, p_rotation, p_generation, p_epoch, 'disabled');
  CALL keyturn.alter_account(p_old, 'ACCOUNT LOCK');
  OPEN named;
  each_one: LOOP
    FETCH named INTO v_name, v_host;
    IF v_done THEN LEAVE each_one; END IF;
    REPLACE INTO keyturn.cut_off VALUES (v_name, v_host);
    CALL keyturn.run(CONCAT('ALTER USER ', QUOTE(v_name), '@', QUOTE(v_host), ' ACCOUNT LOCK'));
  END LOOP;
  CALL keyturn.tagged(p_name, p_rotation, p_generation, p_epoch, 'active');
  CALL keyturn.set_hash(p_name, p_hash, 'ACCOUNT UNLOCK');
  DO RELEASE_LOCK('keyturn.change');
END//

DELIMITER ;

CALL keyturn.let_call();
