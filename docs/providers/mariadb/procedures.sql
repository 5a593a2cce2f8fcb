-- Keyturn's rotator for MariaDB 10.11 or newer, in its smallest form: procedures of an administrator's, with a fixed list
-- of accounts. The rotator may call them and nothing else. Run as an administrator, and again after an upgrade:
--
--   mariadb < procedures.sql
--
-- and for each plan (host: the one that both accounts are for; missing accounts are made, locked):
--
--   CALL keyturn.admit('shop/orders-db', 'orders_owner', 'orders_a', 'orders_b', '%', 'keyturn_rotator');
--
-- Each change compares the tag of the account with who asks, under one lock, inside the server: whoever was stopped before
-- it called comes too late. Nobody passes a password: hashes only, so no log holds one.

CREATE DATABASE IF NOT EXISTS keyturn;
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

DELIMITER //

CREATE OR REPLACE FUNCTION keyturn.procedures_version() RETURNS int DETERMINISTIC NO SQL RETURN 1//

CREATE OR REPLACE PROCEDURE keyturn.admit(
  IN p_plan varchar(128), IN p_owner varchar(80), IN p_slot_a varchar(80), IN p_slot_b varchar(80),
  IN p_host varchar(255), IN p_rotator varchar(80))
  SQL SECURITY INVOKER
BEGIN
  DECLARE v_who varchar(400) DEFAULT CONCAT(QUOTE(p_rotator), '@', QUOTE('%'));
  DECLARE v_slot varchar(80) DEFAULT p_slot_a;
  DECLARE v_hash char(41);
  slots: LOOP
    INSERT INTO keyturn.accounts (name, host, plan, owner) VALUES (v_slot, p_host, p_plan, p_owner)
      ON DUPLICATE KEY UPDATE host = p_host, plan = p_plan, owner = p_owner;
    SET v_hash = keyturn.nobodys_hash();
    IF NOT EXISTS (SELECT 1 FROM mysql.global_priv WHERE user = v_slot AND host = p_host) THEN
      EXECUTE IMMEDIATE CONCAT('CREATE USER ', QUOTE(v_slot), '@', QUOTE(p_host), ' IDENTIFIED BY PASSWORD ',
        QUOTE(v_hash), ' ACCOUNT LOCK');
      UPDATE keyturn.accounts SET state = 'retired' WHERE name = v_slot;
    END IF;
    EXECUTE IMMEDIATE CONCAT('GRANT ', QUOTE(p_owner), ' TO ', QUOTE(v_slot), '@', QUOTE(p_host));
    EXECUTE IMMEDIATE CONCAT('SET DEFAULT ROLE ', QUOTE(p_owner), ' FOR ', QUOTE(v_slot), '@', QUOTE(p_host));
    IF v_slot = p_slot_b THEN LEAVE slots; END IF;
    SET v_slot = p_slot_b;
  END LOOP;
  EXECUTE IMMEDIATE CONCAT('GRANT INSERT ON keyturn.write_probe TO ', QUOTE(p_owner));
  SET v_hash = keyturn.nobodys_hash();
  EXECUTE IMMEDIATE CONCAT('CREATE USER IF NOT EXISTS ', v_who, ' IDENTIFIED BY PASSWORD ', QUOTE(v_hash));
  BEGIN
    DECLARE v_done int DEFAULT 0;
    DECLARE v_name varchar(80);
    DECLARE open_ones CURSOR FOR SELECT name FROM mysql.proc WHERE db = 'keyturn' AND type = 'PROCEDURE'
      AND name IN ('inventory', 'strangers', 'sessions', 'ensure_account', 'contain', 'enable_account', 'disable_account',
                   'retire_account', 'end_sessions', 'preflight');
    DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_done = 1;
    OPEN open_ones;
    each_one: LOOP
      FETCH open_ones INTO v_name;
      IF v_done THEN LEAVE each_one; END IF;
      EXECUTE IMMEDIATE CONCAT('GRANT EXECUTE ON PROCEDURE keyturn.', v_name, ' TO ', v_who);
    END LOOP;
  END;
  EXECUTE IMMEDIATE CONCAT('GRANT EXECUTE ON FUNCTION keyturn.procedures_version TO ', v_who);
END//

-- ------------------------------------------------------------------------------------------------- inside, not granted

CREATE OR REPLACE FUNCTION keyturn.nobodys_hash() RETURNS char(41) NOT DETERMINISTIC NO SQL
  RETURN CONCAT('*', UPPER(SHA1(UNHEX(SHA1(RANDOM_BYTES(32))))))//

CREATE OR REPLACE FUNCTION keyturn.is_locked(p_name varchar(80), p_host varchar(255)) RETURNS int READS SQL DATA
BEGIN  -- 1, 0, or NULL if there is no such account
  DECLARE v_locked int DEFAULT NULL;
  SELECT COALESCE(JSON_VALUE(priv, '$.account_locked') IN ('1', 'true'), 0) INTO v_locked
    FROM mysql.global_priv WHERE user = p_name AND host = p_host;
  RETURN v_locked;
END//

CREATE OR REPLACE FUNCTION keyturn.hash_of(p_name varchar(80), p_host varchar(255)) RETURNS text READS SQL DATA
  RETURN (SELECT JSON_VALUE(priv, '$.authentication_string') FROM mysql.global_priv WHERE user = p_name AND host = p_host)//

CREATE OR REPLACE PROCEDURE keyturn.refuse(IN p_number int) SQL SECURITY DEFINER
  SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = p_number, MESSAGE_TEXT = 'refused by keyturn'//

CREATE OR REPLACE PROCEDURE keyturn.hold() SQL SECURITY DEFINER
  IF COALESCE(GET_LOCK('keyturn.change', 10), 0) <> 1 THEN CALL keyturn.refuse(31016); END IF//

-- Is it ours, this plan's, and has nobody written later?
CREATE OR REPLACE PROCEDURE keyturn.fence(
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

CREATE OR REPLACE PROCEDURE keyturn.tagged(
  IN p_name varchar(80), IN p_rotation varchar(64), IN p_generation int, IN p_epoch bigint, IN p_state varchar(10))
  SQL SECURITY DEFINER
BEGIN
  UPDATE keyturn.accounts SET rotation = p_rotation, generation = p_generation, epoch = p_epoch, state = p_state
    WHERE name = p_name;
  COMMIT;
END//

-- `words` of ours on the one host row of an account of the list
CREATE OR REPLACE PROCEDURE keyturn.alter_account(IN p_name varchar(80), IN p_words varchar(200)) SQL SECURITY DEFINER
BEGIN
  DECLARE v_host varchar(255);
  SELECT host INTO v_host FROM keyturn.accounts WHERE name = p_name;
  EXECUTE IMMEDIATE CONCAT('ALTER USER ', QUOTE(p_name), '@', QUOTE(v_host), ' ', p_words);
END//

CREATE OR REPLACE PROCEDURE keyturn.require_hash(IN p_hash varchar(60)) SQL SECURITY DEFINER
  IF p_hash IS NULL OR NOT p_hash REGEXP '^[*][0-9A-F]{40}$' THEN CALL keyturn.refuse(31002); END IF//

CREATE OR REPLACE PROCEDURE keyturn.make_new(IN p_name varchar(80), IN p_hash varchar(60), IN p_rotation varchar(64))
  SQL SECURITY DEFINER
BEGIN  -- the slot is free, or this rotation's already
  DECLARE v_host varchar(255); DECLARE v_owner varchar(80); DECLARE v_rotation varchar(64);
  SELECT host, owner, rotation INTO v_host, v_owner, v_rotation FROM keyturn.accounts WHERE name = p_name;
  IF keyturn.is_locked(p_name, v_host) IS NULL THEN CALL keyturn.refuse(31012); END IF;
  IF keyturn.is_locked(p_name, v_host) = 0 AND NOT (v_rotation = p_rotation AND keyturn.hash_of(p_name, v_host) = p_hash) THEN
    CALL keyturn.refuse(31011);
  END IF;
  IF v_rotation <> p_rotation AND EXISTS (SELECT 1 FROM information_schema.processlist WHERE user = p_name) THEN
    CALL keyturn.refuse(31011);
  END IF;
END//

-- ----------------------------------------------------------------------------------------------- what the rotator calls

CREATE OR REPLACE PROCEDURE keyturn.inventory(IN p_plan varchar(128)) SQL SECURITY DEFINER
  SELECT a.name, keyturn.is_locked(a.name, a.host) AS locked, a.plan, a.rotation, a.generation, a.state
    FROM keyturn.accounts a WHERE a.plan = p_plan ORDER BY a.name//

-- Accounts that can log in and reach databases of the owner, and that nobody declared. Administrators are left out.
CREATE OR REPLACE PROCEDURE keyturn.strangers(IN p_owner varchar(80), IN p_rotator varchar(80)) SQL SECURITY DEFINER
  SELECT g.user AS name, g.host, 'reaches databases of the owner' AS way
    FROM mysql.global_priv g
   WHERE COALESCE(JSON_VALUE(g.priv, '$.is_role'), '0') NOT IN ('1', 'true')
     AND COALESCE(JSON_VALUE(g.priv, '$.account_locked'), '0') NOT IN ('1', 'true')
     AND CAST(JSON_VALUE(g.priv, '$.access') AS UNSIGNED) & 33554432 = 0  -- CREATE USER: an administrator's right
     AND g.user NOT IN (SELECT name FROM keyturn.accounts WHERE owner = p_owner)
     AND g.user NOT IN (SELECT name FROM keyturn.known) AND g.user <> p_rotator
     AND (EXISTS (SELECT 1 FROM mysql.roles_mapping m WHERE m.user = g.user AND m.host = g.host AND m.role = p_owner)
          OR CAST(JSON_VALUE(g.priv, '$.access') AS UNSIGNED) & 15 <> 0  -- SELECT, INSERT, UPDATE or DELETE everywhere
          OR EXISTS (SELECT 1 FROM mysql.db d, mysql.db o WHERE d.user = g.user AND d.host = g.host
                     AND o.user = p_owner AND o.host = '' AND (o.db LIKE d.db OR d.db LIKE o.db))
          OR EXISTS (SELECT 1 FROM mysql.tables_priv t, mysql.db o WHERE t.user = g.user AND t.host = g.host
                     AND o.user = p_owner AND o.host = '' AND t.db LIKE o.db))
   ORDER BY 1, 2//

CREATE OR REPLACE PROCEDURE keyturn.sessions() SQL SECURITY DEFINER
  SELECT p.id, p.user AS name, p.host AS client FROM information_schema.processlist p
   WHERE p.user IN (SELECT name FROM keyturn.accounts UNION SELECT name FROM keyturn.cut_off)//

CREATE OR REPLACE PROCEDURE keyturn.preflight(IN p_plan varchar(128)) SQL SECURITY DEFINER
  SELECT a.name,
         (SELECT COUNT(*) FROM mysql.global_priv g WHERE g.user = a.name) AS host_rows,
         COALESCE(JSON_VALUE(g.priv, '$.plugin'), '') AS plugin,
         COALESCE(JSON_VALUE(g.priv, '$.default_role'), '') AS default_role,
         CAST(COALESCE(JSON_VALUE(g.priv, '$.access'), 0) AS UNSIGNED) AS access,
         (SELECT GROUP_CONCAT(m.role ORDER BY m.role) FROM mysql.roles_mapping m WHERE m.user = a.name AND m.host = a.host)
           AS roles,
         (SELECT COUNT(*) FROM mysql.db d WHERE d.user = a.name) + (SELECT COUNT(*) FROM mysql.tables_priv t
           WHERE t.user = a.name) + (SELECT COUNT(*) FROM mysql.procs_priv p WHERE p.user = a.name) AS own_rights,
         CONCAT_WS('/', JSON_VALUE(g.priv, '$.ssl_type'), JSON_VALUE(g.priv, '$.max_connections'),
           JSON_VALUE(g.priv, '$.max_questions'), JSON_VALUE(g.priv, '$.max_updates'),
           JSON_VALUE(g.priv, '$.max_user_connections'), JSON_VALUE(g.priv, '$.password_lifetime')) AS limits,
         EXISTS (SELECT 1 FROM mysql.global_priv r WHERE r.user = a.owner AND JSON_VALUE(r.priv, '$.is_role') IN ('1', 'true'))
           AS owner_is_role,
         CAST(COALESCE((SELECT JSON_VALUE(r.priv, '$.access') FROM mysql.global_priv r WHERE r.user = a.owner AND r.host = ''),
           0) AS UNSIGNED) AS owner_access,
         EXISTS (SELECT 1 FROM mysql.global_priv r WHERE r.user = '') AS anonymous,
         (SELECT GROUP_CONCAT(d.what ORDER BY d.what SEPARATOR ', ') FROM (
            SELECT CONCAT('view ', table_schema, '.', table_name) AS what, definer FROM information_schema.views
            UNION ALL SELECT CONCAT('trigger ', trigger_schema, '.', trigger_name), definer FROM information_schema.triggers
            UNION ALL SELECT CONCAT(LOWER(type), ' ', db, '.', name), definer FROM mysql.proc
            UNION ALL SELECT CONCAT('event ', db, '.', name), definer FROM mysql.event) d
           WHERE d.definer = CONCAT(a.name, '@', a.host)) AS definer_of,
         (SELECT COUNT(*) FROM information_schema.processlist) AS connected,
         (SELECT COUNT(*) FROM information_schema.processlist q WHERE q.user = a.name) AS sessions
    FROM keyturn.accounts a LEFT JOIN mysql.global_priv g ON g.user = a.name AND g.host = a.host
   WHERE a.plan = p_plan ORDER BY a.name//

CREATE OR REPLACE PROCEDURE keyturn.ensure_account(
  IN p_plan varchar(128), IN p_name varchar(80), IN p_hash varchar(60), IN p_like varchar(80),
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
  CALL keyturn.alter_account(p_name, CONCAT('IDENTIFIED BY PASSWORD ', QUOTE(p_hash), ' ACCOUNT UNLOCK'));
  DO RELEASE_LOCK('keyturn.change');
END//

CREATE OR REPLACE PROCEDURE keyturn.disable_account(
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
CREATE OR REPLACE PROCEDURE keyturn.enable_account(
  IN p_plan varchar(128), IN p_name varchar(80), IN p_hash varchar(60),
  IN p_rotation varchar(64), IN p_generation int, IN p_epoch bigint)
  SQL SECURITY DEFINER
BEGIN
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; DO RELEASE_LOCK('keyturn.change'); RESIGNAL; END;
  CALL keyturn.hold();
  CALL keyturn.fence(p_plan, p_name, p_rotation, p_generation, p_epoch);
  IF p_hash <> '' THEN CALL keyturn.require_hash(p_hash); END IF;
  CALL keyturn.tagged(p_name, p_rotation, p_generation, p_epoch, 'active');
  IF p_hash <> '' THEN
    CALL keyturn.alter_account(p_name, CONCAT('IDENTIFIED BY PASSWORD ', QUOTE(p_hash), ' ACCOUNT UNLOCK'));
  ELSE
    CALL keyturn.alter_account(p_name, 'ACCOUNT UNLOCK');
  END IF;
  DO RELEASE_LOCK('keyturn.change');
END//

CREATE OR REPLACE PROCEDURE keyturn.retire_account(
  IN p_plan varchar(128), IN p_name varchar(80), IN p_rotation varchar(64), IN p_generation int, IN p_epoch bigint)
  SQL SECURITY DEFINER
BEGIN
  DECLARE v_host varchar(255);
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; DO RELEASE_LOCK('keyturn.change'); RESIGNAL; END;
  CALL keyturn.hold();
  CALL keyturn.fence(p_plan, p_name, p_rotation, p_generation, p_epoch);
  SELECT host INTO v_host FROM keyturn.accounts WHERE name = p_name;
  IF keyturn.is_locked(p_name, v_host) = 0 THEN CALL keyturn.refuse(31007); END IF;
  IF EXISTS (SELECT 1 FROM information_schema.processlist WHERE user = p_name) THEN CALL keyturn.refuse(31008); END IF;
  CALL keyturn.tagged(p_name, p_rotation, p_generation, p_epoch, 'retired');
  CALL keyturn.alter_account(p_name, CONCAT('IDENTIFIED BY PASSWORD ', QUOTE(keyturn.nobodys_hash()), ' ACCOUNT LOCK'));
  DO RELEASE_LOCK('keyturn.change');
END//

CREATE OR REPLACE PROCEDURE keyturn.end_sessions(IN p_plan varchar(128), IN p_name varchar(80)) SQL SECURITY DEFINER
BEGIN
  DECLARE v_done int DEFAULT 0; DECLARE v_id bigint; DECLARE v_ended int DEFAULT 0;
  DECLARE their_sessions CURSOR FOR SELECT id FROM information_schema.processlist WHERE user = p_name;
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_done = 1;
  DECLARE CONTINUE HANDLER FOR 1094 SET v_ended = v_ended - 1;  -- it ended by itself
  IF EXISTS (SELECT 1 FROM mysql.global_priv WHERE user = p_name)
     AND NOT EXISTS (SELECT 1 FROM keyturn.accounts WHERE name = p_name AND plan = p_plan)
     AND NOT EXISTS (SELECT 1 FROM keyturn.cut_off WHERE name = p_name) THEN CALL keyturn.refuse(31001); END IF;
  IF EXISTS (SELECT 1 FROM mysql.global_priv WHERE user = p_name
             AND COALESCE(JSON_VALUE(priv, '$.account_locked'), '0') NOT IN ('1', 'true')) THEN CALL keyturn.refuse(31007); END IF;
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
CREATE OR REPLACE PROCEDURE keyturn.contain(
  IN p_plan varchar(128), IN p_name varchar(80), IN p_hash varchar(60), IN p_old varchar(80), IN p_strangers text,
  IN p_rotator varchar(80), IN p_rotation varchar(64), IN p_generation int, IN p_epoch bigint)
  SQL SECURITY DEFINER
BEGIN
  DECLARE v_done int DEFAULT 0; DECLARE v_name varchar(80); DECLARE v_host varchar(255); DECLARE v_owner varchar(80);
  DECLARE named CURSOR FOR SELECT g.user, g.host FROM mysql.global_priv g
    WHERE JSON_CONTAINS(p_strangers, JSON_QUOTE(g.user)) AND COALESCE(JSON_VALUE(g.priv, '$.is_role'), '0') NOT IN ('1', 'true');
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_done = 1;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; DO RELEASE_LOCK('keyturn.change'); RESIGNAL; END;
  CALL keyturn.require_hash(p_hash);
  CALL keyturn.hold();
  CALL keyturn.fence(p_plan, p_name, p_rotation, p_generation, p_epoch);
  CALL keyturn.fence(p_plan, p_old, p_rotation, p_generation, p_epoch);
  CALL keyturn.make_new(p_name, p_hash, p_rotation);
  SELECT owner INTO v_owner FROM keyturn.accounts WHERE name = p_name;
  IF EXISTS (SELECT 1 FROM mysql.global_priv g WHERE JSON_CONTAINS(p_strangers, JSON_QUOTE(g.user))
       AND (g.user = p_rotator OR g.user IN (SELECT name FROM keyturn.accounts) OR g.user IN (SELECT name FROM keyturn.known)
            OR COALESCE(JSON_VALUE(g.priv, '$.is_role'), '0') IN ('1', 'true')
            -- CREATE USER, SUPER, REPLICATION SLAVE: administrators and replicas
            OR CAST(JSON_VALUE(g.priv, '$.access') AS UNSIGNED) & (33554432 | 32768 | 524288) <> 0
            OR NOT (EXISTS (SELECT 1 FROM mysql.roles_mapping m WHERE m.user = g.user AND m.role = v_owner)
                    OR CAST(JSON_VALUE(g.priv, '$.access') AS UNSIGNED) & 15 <> 0
                    OR EXISTS (SELECT 1 FROM mysql.db d, mysql.db o WHERE d.user = g.user AND o.user = v_owner AND o.host = ''
                               AND (o.db LIKE d.db OR d.db LIKE o.db))
                    OR EXISTS (SELECT 1 FROM mysql.tables_priv t, mysql.db o WHERE t.user = g.user AND o.user = v_owner
                               AND o.host = '' AND t.db LIKE o.db)))) THEN
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
    EXECUTE IMMEDIATE CONCAT('ALTER USER ', QUOTE(v_name), '@', QUOTE(v_host), ' ACCOUNT LOCK');
  END LOOP;
  CALL keyturn.tagged(p_name, p_rotation, p_generation, p_epoch, 'active');
  CALL keyturn.alter_account(p_name, CONCAT('IDENTIFIED BY PASSWORD ', QUOTE(p_hash), ' ACCOUNT UNLOCK'));
  DO RELEASE_LOCK('keyturn.change');
END//

DELIMITER ;
