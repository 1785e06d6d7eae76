"""Schemas with one of everything that a dump is known to stumble over."""
# ruff: noqa: E501 - statements, one per line

from __future__ import annotations

COMMON = r"""
SET sql_mode = '';
CREATE DATABASE kinds CHARACTER SET latin1 COLLATE latin1_swedish_ci;
CREATE DATABASE `other` CHARACTER SET utf8mb4;
USE kinds;
CREATE TABLE zero (id INT PRIMARY KEY AUTO_INCREMENT, d DATE, t DATETIME(3), y YEAR) AUTO_INCREMENT = 77;
INSERT INTO zero VALUES (1, '0000-00-00', '0000-00-00 00:00:00', 0);
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'; INSERT INTO zero VALUES (0, '2024-02-29', '2024-02-29 23:59:59.999', 1999);
SET sql_mode = '';
CREATE TABLE bits (a BIT(1), b BIT(13), c BOOL, f FLOAT, g DOUBLE, h DECIMAL(65,30), e ENUM('a','it''s','ü'),
  s SET('x','y','z'), vb VARBINARY(20), b2 BINARY(4), tb TINYBLOB, te TEXT CHARACTER SET utf8mb4);
INSERT INTO bits VALUES (b'1', b'1010101010101', 1, 1.17549e-38, 1.7976931348623157e308, 1e-30, 'ü', 'x,z',
  X'00FF27', X'0001', X'5C', '🐘\0\n\r\Z\'"\\'), (NULL, 0, 0, -0.0, 0.1, -1, '', '', '', '', '', '');
INSERT INTO bits (te) VALUES (REPEAT('長', 20000));
CREATE TABLE no_key (a INT, b VARCHAR(10)); INSERT INTO no_key VALUES (1, 'x'), (1, 'x'), (NULL, NULL);
CREATE TABLE computed (id INT PRIMARY KEY, a INT, v INT AS (a + 1) VIRTUAL, s INT AS (a * 2) STORED, KEY (v));
INSERT INTO computed (id, a) VALUES (1, 10), (2, NULL);
CREATE TABLE parts (id INT, made DATE, PRIMARY KEY (id, made)) PARTITION BY RANGE (YEAR(made))
  (PARTITION old VALUES LESS THAN (2020), PARTITION new VALUES LESS THAN MAXVALUE);
INSERT INTO parts VALUES (1, '2019-01-01'), (2, '2026-01-01');
CREATE TABLE shapes (id INT PRIMARY KEY, g GEOMETRY NOT NULL, p POINT);
INSERT INTO shapes VALUES (1, ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 0))'), POINT(1.5, -2.25)), (2, POINT(0, 0), NULL);
CREATE TABLE parent (id INT PRIMARY KEY) ENGINE = InnoDB;
CREATE TABLE other.child (id INT PRIMARY KEY, parent INT,
  CONSTRAINT `away ``from` FOREIGN KEY (parent) REFERENCES kinds.parent (id) ON DELETE CASCADE);
INSERT INTO parent VALUES (1); INSERT INTO other.child VALUES (1, 1);
CREATE TABLE self (id INT PRIMARY KEY, boss INT, FOREIGN KEY (boss) REFERENCES self (id));
SET foreign_key_checks = 0; INSERT INTO self VALUES (1, 2), (2, 1); SET foreign_key_checks = 1;
CREATE TABLE moments (id INT PRIMARY KEY, at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6));
SET time_zone = '+05:30'; INSERT INTO moments VALUES (1, '2024-03-31 02:30:00.123456'), (2, '1970-01-01 05:30:01');
SET time_zone = 'SYSTEM';
CREATE TABLE `select` (`from` INT, `group by` INT, `ä` INT, PRIMARY KEY (`from`)); INSERT INTO `select` VALUES (1, 2, 3);
CREATE TABLE `CamelCase` (id INT PRIMARY KEY COMMENT 'c''est', INDEX `odd "one"` (id)) COMMENT = '-- not a comment; /* nor */';
CREATE FUNCTION twice(x INT) RETURNS INT DETERMINISTIC /* a comment that stays */ RETURN x * 2;
CREATE VIEW z_view AS SELECT `from` AS f, twice(`from`) AS t FROM `select`;
CREATE ALGORITHM = MERGE DEFINER = 'ghost'@'nowhere' SQL SECURITY INVOKER VIEW a_uses_z AS
  SELECT f FROM z_view WHERE t > 0 WITH CASCADED CHECK OPTION;
CREATE DEFINER = 'ghost'@'%' TRIGGER `t``1` BEFORE UPDATE ON self FOR EACH ROW SET NEW.boss = NEW.boss;
CREATE DEFINER = 'ghost'@'%' EVENT tick ON SCHEDULE EVERY 1 HOUR STARTS '2030-01-01' DISABLE DO DELETE FROM zero;
"""
MARIADB = r"""
CREATE SEQUENCE kinds.numbers START 10 INCREMENT 5 CACHE 3; SELECT NEXTVAL(kinds.numbers);
CREATE TABLE kinds.from_sequence (id INT DEFAULT NEXTVAL(kinds.numbers) PRIMARY KEY, a INT);
INSERT INTO kinds.from_sequence (a) VALUES (1), (2);
CREATE TABLE kinds.hidden (id INT PRIMARY KEY, secret INT INVISIBLE DEFAULT 5); INSERT INTO kinds.hidden (id) VALUES (1);
CREATE TABLE kinds.told (id INT PRIMARY KEY, a INT) WITH SYSTEM VERSIONING; INSERT INTO kinds.told VALUES (1, 1);
UPDATE kinds.told SET a = 2; UPDATE kinds.told SET a = 3;
CREATE DATABASE zz; CREATE SEQUENCE zz.s; CREATE TABLE kinds.away (id INT DEFAULT NEXTVAL(zz.s) PRIMARY KEY);
INSERT INTO kinds.away VALUES (); SELECT NEXTVAL(zz.s);
CREATE TABLE kinds.addresses (a INET6, u UUID); INSERT INTO kinds.addresses VALUES ('2001:db8::1', UUID());
CREATE TABLE kinds.squeezed (id INT PRIMARY KEY, t TEXT COMPRESSED); INSERT INTO kinds.squeezed VALUES (1, REPEAT('a', 5000));
SET sql_mode = 'ORACLE';
DELIMITER //
CREATE PROCEDURE kinds.oracle_style(x IN INT) AS BEGIN SELECT x; END //
CREATE PACKAGE kinds.box AS FUNCTION f RETURN INT; END //
CREATE PACKAGE BODY kinds.box AS FUNCTION f RETURN INT AS BEGIN RETURN 1; END; END //
DELIMITER ;
"""
MYSQL = r"""
CREATE TABLE kinds.hidden (id INT PRIMARY KEY, secret INT INVISIBLE DEFAULT 5, KEY (secret) INVISIBLE);
INSERT INTO kinds.hidden (id) VALUES (1);
CREATE TABLE kinds.no_visible_key (a INT);
CREATE TABLE kinds.located (id INT PRIMARY KEY, p POINT NOT NULL SRID 4326, SPATIAL KEY (p));
INSERT INTO kinds.located VALUES (1, ST_GeomFromText('POINT(52 13)', 4326));
CREATE TABLE kinds.functional (j JSON, KEY k ((CAST(j->>'$.n' AS UNSIGNED)))); INSERT INTO kinds.functional VALUES ('{"n": 3}');
CREATE TABLE kinds.expressed (id INT PRIMARY KEY, made VARCHAR(40) DEFAULT (UUID()));
INSERT INTO kinds.expressed (id) VALUES (1);
SET sql_mode = 'ANSI_QUOTES';
CREATE PROCEDURE kinds.quoted() SELECT "from" FROM kinds."select";
"""
AFTERWARDS = r"""
USE kinds; SET sql_mode = '';
INSERT INTO zero (d) VALUES ('0000-00-00'); UPDATE bits SET b = b'11', te = 'new 🦣'; DELETE FROM no_key WHERE a = 1 LIMIT 1;
INSERT INTO computed (id, a) VALUES (3, 30); ALTER TABLE parts ADD COLUMN note TEXT; INSERT INTO parts VALUES (3, '2021-01-01', 'n');
UPDATE shapes SET p = POINT(9, 9); DELETE FROM parent; INSERT INTO moments (id) VALUES (3); TRUNCATE `CamelCase`;
CREATE TEMPORARY TABLE fleeting (a INT); INSERT INTO fleeting VALUES (1); INSERT INTO no_key SELECT a, 'f' FROM fleeting;
CREATE TABLE made_later AS SELECT * FROM `select`; RENAME TABLE made_later TO other.renamed;
DROP VIEW z_view; CREATE VIEW z_view AS SELECT 1 AS f, 2 AS t;
BEGIN; INSERT INTO self VALUES (3, 3); SAVEPOINT s; INSERT INTO self VALUES (4, 4); ROLLBACK TO s; COMMIT;
INSERT INTO hidden (id, secret) VALUES (2, 6);
"""


def script(flavour: str) -> str:
    """Everything, for one flavour's own client."""
    return COMMON + (MARIADB if flavour == "mariadb" else MYSQL)
