"""A zoo: what a backup may meet, beside `kinds`; at least 60 objects on each flavour.

Every data type with its extremes, every kind of index, partitions, columns that are computed, odd names and character
sets, engines, code in several sql_modes and by several definers, views on views, accounts.
"""
# ruff: noqa: E501 - statements, one per line

from __future__ import annotations

from tests.servers import kinds

COMMON = r"""
SET sql_mode = '';
CREATE DATABASE zoo CHARACTER SET utf8mb4;
USE zoo;
CREATE TABLE whole (id INT PRIMARY KEY, a TINYINT, b SMALLINT, c MEDIUMINT, d INT, e BIGINT, ua TINYINT UNSIGNED,
  ub SMALLINT UNSIGNED, uc MEDIUMINT UNSIGNED, ud INT UNSIGNED, ue BIGINT UNSIGNED, z INT(7) UNSIGNED ZEROFILL, o BOOL);
INSERT INTO whole VALUES (1, -128, -32768, -8388608, -2147483648, -9223372036854775808, 0, 0, 0, 0, 0, 0, 0),
  (2, 127, 32767, 8388607, 2147483647, 9223372036854775807, 255, 65535, 16777215, 4294967295, 18446744073709551615, 9999999, 1),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE fractions (id INT PRIMARY KEY, a DECIMAL(65,0), b DECIMAL(65,30), c DECIMAL(5,2) UNSIGNED, d DOUBLE, e DOUBLE(10,3), f DECIMAL(10));
INSERT INTO fractions VALUES (1, REPEAT('9', 65), CONCAT('-', REPEAT('9', 35), '.', REPEAT('9', 30)), 999.99, 1.7976931348623157e308, 1.5, -1),
  (2, -1, 1e-30, 0, 2.2250738585072014e-308, -9999999.999, 0), (3, 0, 0, 0.01, 0.1, 0.001, 5), (4, NULL, NULL, NULL, -0.0, NULL, NULL),
  (5, 1, 1, 1, 0.30000000000000004, 0.1, 1), (6, 1, 1, 1, 5e-324, 0, 1), (7, 1, 1, 1, 123456789012345680000, 0, 1);
CREATE TABLE whens (id INT PRIMARY KEY, d DATE, t TIME, t6 TIME(6), dt DATETIME, dt6 DATETIME(6), ts TIMESTAMP NULL, ts6 TIMESTAMP(6) NULL, y YEAR);
INSERT INTO whens VALUES (1, '1000-01-01', '-838:59:59', '-838:59:58.999999', '1000-01-01 00:00:00', '1000-01-01 00:00:00.000001', '1970-01-01 00:00:01', '1970-01-01 00:00:01.000001', 1901),
  (2, '9999-12-31', '838:59:59', '838:59:58.999999', '9999-12-31 23:59:59', '9999-12-31 23:59:59.999999', '2038-01-18 00:00:07', '2038-01-18 00:00:07.999999', 2155),
  (3, '0000-00-00', '00:00:00', '-00:00:00.000001', '0000-00-00 00:00:00', '0000-00-00 00:00:00.000000', NULL, NULL, 0), (4, '2024-00-00', NULL, NULL, '2024-02-00 00:00:00', NULL, NULL, NULL, NULL),
  (5, '0001-01-01', NULL, NULL, '0999-12-31 00:00:00', NULL, '2024-10-27 01:30:00', NULL, NULL);
CREATE TABLE texts (id INT PRIMARY KEY, a CHAR(0), b CHAR(255), c VARCHAR(0), d VARCHAR(16000), e TINYTEXT, f TEXT, g MEDIUMTEXT, h LONGTEXT);
INSERT INTO texts VALUES (1, '', 'trailing   ', '', CONCAT('spaces  ', CHAR(0), CHAR(26), CHAR(8), '\t\r\n\\\'\"`%_'), 'e', REPEAT('🐘', 16383), REPEAT('m', 70000), REPEAT('l', 300000)),
  (2, NULL, '', NULL, '', '', '', '', ''), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (4, '', '-- ;', '', '/*!50000 DROP TABLE texts */', '*/', '\\', '\\N', 'NULL');
CREATE TABLE bytes (id INT PRIMARY KEY, a BINARY(0), b BINARY(255), c VARBINARY(4000), d TINYBLOB, e BLOB, f MEDIUMBLOB, g LONGBLOB, h BIT(64));
INSERT INTO bytes VALUES (1, '', X'00', X'', X'FF', REPEAT(X'0A0D1A5C2227', 1000), REPEAT(X'00', 70000), REPEAT(X'DEADBEEF', 100000), X'FFFFFFFFFFFFFFFF'), (2, NULL, X'FFFE', X'5C27', X'00', X'', X'', X'', b'0'), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE choices (id INT PRIMARY KEY, e ENUM('', 'a,b', 'it''s', 'quo"te', 'back\\slash', 'ü', '名') CHARACTER SET utf8mb4, s SET('a', 'b c', 'd''e', 'ü'), n ENUM('x') NOT NULL DEFAULT 'x');
INSERT INTO choices VALUES (1, 'it''s', 'a,ü', 'x'), (2, 'back\\slash', 'd''e', 'x'), (3, '', '', 'x'), (4, 'no such', 'a', 'x'), (5, NULL, NULL, 'x');
CREATE TABLE json_ (id INT PRIMARY KEY, j JSON);
INSERT INTO json_ VALUES (1, '{"a": [1, 2.5, "x\\u0000", null, true], "ü🐘": {"": ""}}'), (2, 'null'), (3, '"text\\n\\"\\\\"'), (4, '[]'), (5, '18446744073709551615'), (6, NULL);
CREATE TABLE geo (id INT PRIMARY KEY, g GEOMETRY, p POINT, l LINESTRING, o POLYGON, mp MULTIPOINT, ml MULTILINESTRING, mo MULTIPOLYGON, c GEOMETRYCOLLECTION);
INSERT INTO geo VALUES (1, ST_GeomFromText('POINT(1 2)'), ST_GeomFromText('POINT(0.1 -1e30)'), ST_GeomFromText('LINESTRING(0 0, 1 1)'), ST_GeomFromText('POLYGON((0 0, 9 0, 9 9, 0 0), (1 1, 2 1, 2 2, 1 1))'), ST_GeomFromText('MULTIPOINT(0 0, 1 1)'),
  ST_GeomFromText('MULTILINESTRING((0 0, 1 1), (2 2, 3 3))'), ST_GeomFromText('MULTIPOLYGON(((0 0, 9 0, 9 9, 0 0)))'), ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(0 0, 1 1))')), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE sets_of_letters (a VARCHAR(20) CHARACTER SET latin1, b VARCHAR(20) CHARACTER SET utf8mb3, c VARCHAR(20) CHARACTER SET ucs2, d VARCHAR(20) CHARACTER SET utf16, e VARCHAR(20) CHARACTER SET utf32, f VARCHAR(20) CHARACTER SET sjis,
  g VARCHAR(20) CHARACTER SET gbk, h VARCHAR(20) CHARACTER SET koi8r, i VARCHAR(20) CHARACTER SET ascii, j VARCHAR(20) CHARACTER SET binary, k VARCHAR(20) CHARACTER SET big5, l VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, m TEXT CHARACTER SET cp1251, n CHAR(3) CHARACTER SET euckr) CHARACTER SET latin2;
INSERT INTO sets_of_letters VALUES ('äß€', 'ä名', '名ä', '🐘名', '🐘ä', '表ソ能', '名誠', 'Жя', 'a', X'00FF', '功許', '🐘', 'Жя', '한'), (NULL, '', '', '', '', '', '', '', '', '', '', '', '', ''), (X'8081', NULL, NULL, NULL, NULL, NULL, X'815C', NULL, NULL, NULL, X'A55C', NULL, NULL, NULL);
CREATE TABLE indexed (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, a VARCHAR(300), b TEXT, c INT NOT NULL, d INT, g POINT NOT NULL, PRIMARY KEY (id, c), UNIQUE KEY u (a(50), c), KEY pre (b(20)), KEY down (c DESC, d), FULLTEXT KEY words (a, b), SPATIAL KEY place (g), KEY by_hash (d) USING HASH, UNIQUE KEY (d), KEY `odd ``key``` (d, c) COMMENT 'c''est "la" vie') AUTO_INCREMENT = 1000000;
INSERT INTO indexed (a, b, c, d, g) VALUES ('one', 'two words', 1, 1, POINT(1, 1)), (NULL, NULL, 2, NULL, POINT(2, 2));
CREATE TABLE only_unique (a INT NOT NULL, b VARCHAR(9), UNIQUE KEY (a)); INSERT INTO only_unique VALUES (1, 'x'), (2, NULL);
CREATE TABLE keyless (a FLOAT, b DOUBLE, c VARCHAR(9)); INSERT INTO keyless VALUES (1.5, 0.1, 'x'), (1.5, 0.1, 'x'), (NULL, NULL, NULL);
CREATE TABLE by_list (id INT, kind INT) PARTITION BY LIST (kind) (PARTITION p1 VALUES IN (1, 2, NULL), PARTITION `p 2` VALUES IN (3) COMMENT = 'it''s'); INSERT INTO by_list VALUES (1, 1), (2, NULL), (3, 3);
CREATE TABLE by_columns (d DATE NOT NULL, n VARCHAR(9) NOT NULL, PRIMARY KEY (d, n)) PARTITION BY RANGE COLUMNS (d, n) (PARTITION a VALUES LESS THAN ('2020-01-01', 'm'), PARTITION b VALUES LESS THAN (MAXVALUE, MAXVALUE)); INSERT INTO by_columns VALUES ('2019-01-01', 'x'), ('2024-01-01', 'y');
CREATE TABLE by_hash (id INT PRIMARY KEY) PARTITION BY LINEAR HASH (id) PARTITIONS 5; INSERT INTO by_hash VALUES (1), (2), (3);
CREATE TABLE by_key (id INT PRIMARY KEY) PARTITION BY KEY (id) PARTITIONS 3; INSERT INTO by_key VALUES (1), (2), (3);
CREATE TABLE within (id INT, d DATE) PARTITION BY RANGE (YEAR(d)) SUBPARTITION BY HASH (TO_DAYS(d)) SUBPARTITIONS 2 (PARTITION a VALUES LESS THAN (2020), PARTITION b VALUES LESS THAN MAXVALUE); INSERT INTO within VALUES (1, '2019-01-01'), (2, '2025-01-01');
CREATE TABLE checked (a INT CHECK (a > 0), b VARCHAR(20), CONSTRAINT `b ``is`` ok` CHECK (b <> 'it''s\\'), CONSTRAINT both_ CHECK (a < 100 OR b IS NULL)); INSERT INTO checked VALUES (1, 'x'), (500, NULL);
CREATE TABLE defaults_ (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(20) NOT NULL DEFAULT 'it''s\\', b INT DEFAULT (1 + 2), c DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), d BIT(3) DEFAULT b'101', e VARCHAR(9) DEFAULT NULL, f BINARY(3) DEFAULT X'000102'); INSERT INTO defaults_ (id) VALUES (1), (2);
CREATE TABLE squashed (id INT PRIMARY KEY, t TEXT) ROW_FORMAT = COMPRESSED KEY_BLOCK_SIZE = 4; INSERT INTO squashed VALUES (1, REPEAT('a', 9000));
CREATE TABLE old_rows (id INT PRIMARY KEY) ROW_FORMAT = REDUNDANT STATS_PERSISTENT = 0 COMMENT = 'one; two'; INSERT INTO old_rows VALUES (1);
CREATE TABLE grown (id INT PRIMARY KEY, a INT); INSERT INTO grown VALUES (1, 1); ALTER TABLE grown ADD COLUMN b INT DEFAULT 7, ALGORITHM = INSTANT; ALTER TABLE grown ADD COLUMN c VARCHAR(9) DEFAULT 'c' AFTER id; INSERT INTO grown VALUES (2, 'x', 2, 2);
CREATE TABLE isam (id INT PRIMARY KEY, t TEXT, FULLTEXT KEY (t)) ENGINE = MyISAM; INSERT INTO isam VALUES (1, 'words'), (2, NULL);
CREATE TABLE fleeting (id INT PRIMARY KEY, a VARCHAR(9)) ENGINE = MEMORY; INSERT INTO fleeting VALUES (1, 'x');
CREATE TABLE listed (a INT NOT NULL, b VARCHAR(9) NOT NULL) ENGINE = CSV; INSERT INTO listed VALUES (1, 'x,"y"');
CREATE TABLE filed (a INT, b TEXT) ENGINE = ARCHIVE; INSERT INTO filed VALUES (1, REPEAT('z', 9000));
CREATE TABLE void_ (a INT) ENGINE = BLACKHOLE;
CREATE TABLE together (id INT NOT NULL, KEY (id)) ENGINE = MyISAM; INSERT INTO together VALUES (1); CREATE TABLE merged (id INT NOT NULL, KEY (id)) ENGINE = MERGE UNION = (together) INSERT_METHOD = LAST;
CREATE TABLE `new
line` (`also
here` INT PRIMARY KEY, `tick``ed` INT, `quo"ted` INT, `it's` INT, `a.b` INT, `%s` INT, `ｗｉｄｅ名` INT); INSERT INTO `new
line` VALUES (1, 2, 3, 4, 5, 6, 7);
CREATE TABLE `back``tick` (id INT PRIMARY KEY); INSERT INTO `back``tick` VALUES (1);
CREATE TABLE `a/b\c.d e#f@g-h` (id INT PRIMARY KEY); INSERT INTO `a/b\c.d e#f@g-h` VALUES (1);
CREATE TABLE `Ünïcôde 表` (`Ä` INT PRIMARY KEY); INSERT INTO `Ünïcôde 表` VALUES (1);
CREATE TABLE `64567890123456789012345678901234567890123456789012345678901234ab` (id INT PRIMARY KEY); INSERT INTO `64567890123456789012345678901234567890123456789012345678901234ab` VALUES (64);
CREATE TABLE wide AS SELECT 1 AS c1;
CREATE TABLE empty_ (id INT PRIMARY KEY);
CREATE DATABASE `db-with.dots and ``ticks``` CHARACTER SET gbk; CREATE TABLE `db-with.dots and ``ticks```.`table` (id INT PRIMARY KEY, v VARCHAR(9)); INSERT INTO `db-with.dots and ``ticks```.`table` VALUES (1, '誠');
CREATE DATABASE nothing_in_it COLLATE utf8mb4_bin;
CREATE TABLE one (id INT PRIMARY KEY, two INT); CREATE TABLE two (id INT PRIMARY KEY, one INT, FOREIGN KEY circle2 (one) REFERENCES one (id) ON DELETE SET NULL ON UPDATE CASCADE);
INSERT INTO one VALUES (1, 1); INSERT INTO two VALUES (1, 1); ALTER TABLE one ADD CONSTRAINT circle1 FOREIGN KEY (two) REFERENCES two (id) ON DELETE RESTRICT;
CREATE TABLE many (a INT, b INT, PRIMARY KEY (a, b)); CREATE TABLE many_of (id INT PRIMARY KEY, a INT, b INT, CONSTRAINT pair FOREIGN KEY (a, b) REFERENCES many (a, b)); INSERT INTO many VALUES (1, 2); INSERT INTO many_of VALUES (1, 1, 2), (2, NULL, 9);
CREATE USER author@'%' IDENTIFIED BY 'a'; CREATE USER `odd ``user`@'192.168.%' IDENTIFIED BY 'o'; CREATE ROLE keeper, visitor;
GRANT ALL ON zoo.* TO author@'%'; GRANT SELECT, EXECUTE ON zoo.* TO keeper; GRANT keeper TO visitor; GRANT visitor TO author@'%'; GRANT SELECT (id), UPDATE (a) ON zoo.grown TO `odd ``user`@'192.168.%'; GRANT SELECT ON *.* TO `odd ``user`@'192.168.%' WITH GRANT OPTION;
CREATE DEFINER = author@'%' VIEW v1 AS SELECT id, a FROM grown WHERE a > 0;
CREATE SQL SECURITY INVOKER VIEW `view of ``v1``` AS SELECT v.id AS `the id`, w.ue FROM v1 v LEFT JOIN whole w ON v.id = w.id;
CREATE ALGORITHM = TEMPTABLE VIEW aa_on_views AS SELECT COUNT(*) AS n, MAX(`the id`) AS m FROM `view of ``v1```;
CREATE VIEW checked_view AS SELECT * FROM grown WHERE a < 1000 WITH LOCAL CHECK OPTION; CREATE VIEW letters AS SELECT 'ä名' COLLATE utf8mb4_bin AS a, _latin1 X'E4' AS b;
CREATE VIEW with_cte AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i, ROW_NUMBER() OVER (ORDER BY i DESC) AS r FROM n;
CREATE VIEW over_view AS SELECT a.n, c.i FROM aa_on_views a JOIN with_cte c;
DELIMITER //
CREATE DEFINER = author@'%' PROCEDURE p1(IN a INT, OUT b VARCHAR(20) CHARACTER SET utf8mb4, INOUT c DECIMAL(10,2)) SQL SECURITY INVOKER MODIFIES SQL DATA COMMENT 'it''s'
BEGIN -- a comment; with semicolon
  DECLARE EXIT HANDLER FOR SQLEXCEPTION ROLLBACK; /* another */ SET b = 'ü;名', c = c + a; # last
END //
CREATE FUNCTION f1(`odd name` INT) RETURNS VARCHAR(20) CHARACTER SET latin1 DETERMINISTIC NO SQL BEGIN RETURN CONCAT('<', `odd name`, '>'); END //
CREATE FUNCTION `f``2` () RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM grown) //
CREATE TRIGGER before_grown BEFORE INSERT ON grown FOR EACH ROW BEGIN IF NEW.b IS NULL THEN SET NEW.b = -1; END IF; END //
CREATE TRIGGER before_grown_2 BEFORE INSERT ON grown FOR EACH ROW FOLLOWS before_grown SET NEW.c = COALESCE(NEW.c, 'none') //
CREATE TRIGGER before_grown_1 BEFORE INSERT ON grown FOR EACH ROW PRECEDES before_grown_2 SET NEW.c = NULLIF(NEW.c, '') //
CREATE DEFINER = author@'%' TRIGGER after_grown AFTER UPDATE ON grown FOR EACH ROW INSERT INTO empty_ VALUES (NEW.id) ON DUPLICATE KEY UPDATE id = NEW.id //
CREATE TRIGGER `tr``ig` AFTER DELETE ON grown FOR EACH ROW DELETE FROM empty_ WHERE id = OLD.id //
CREATE EVENT once_ ON SCHEDULE AT '2035-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE COMMENT 'it''s' DO CALL p1(1, @a, @b) //
SET time_zone = '+05:30' //
CREATE DEFINER = author@'%' EVENT `ev``ery` ON SCHEDULE EVERY '1:30' HOUR_MINUTE STARTS '2030-06-01 00:00:00' ENDS '2036-01-01 00:00:00' DO BEGIN DELETE FROM empty_ WHERE id < 0; END //
SET time_zone = 'SYSTEM' //
SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES' //
CREATE FUNCTION "ansi f"("a b" VARCHAR(9)) RETURNS VARCHAR(20) DETERMINISTIC RETURN "a b" || '\' || 'x' //
CREATE TRIGGER ansi_trigger BEFORE UPDATE ON "back`tick" FOR EACH ROW SET NEW."id" = NEW."id" //
CREATE EVENT ansi_event ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01' DISABLE DO DELETE FROM "empty_" WHERE '\' = 'x' //
CREATE VIEW ansi_view AS SELECT 'a' || '\' AS "a ""b c" //
SET sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION' //
CREATE PROCEDURE strict_(x INT) BEGIN DECLARE i INT DEFAULT 0; looped: WHILE i < x DO SET i = i + 1; ITERATE looped; END WHILE looped; END //
SET sql_mode = '' //
DELIMITER ;
SET NAMES latin1; CREATE TABLE in_latin (a VARCHAR(9) DEFAULT 'x') COMMENT 'plain'; CREATE VIEW by_latin AS SELECT 'x' AS a; SET NAMES utf8mb4;
"""
MARIADB = r"""
USE zoo;
CREATE SEQUENCE counted START WITH -5 MINVALUE -10 MAXVALUE 100 INCREMENT BY -1 CYCLE NOCACHE; SELECT NEXTVAL(counted), NEXTVAL(counted);
CREATE SEQUENCE `se``q` START 9223372036854775000; SELECT NEXTVAL(`se``q`);
CREATE TABLE periods (id INT, s DATE, e DATE, PERIOD FOR valid (s, e), UNIQUE (id, valid WITHOUT OVERLAPS)); INSERT INTO periods VALUES (1, '2020-01-01', '2021-01-01');
CREATE TABLE bitemporal (id INT PRIMARY KEY, v INT, note INT WITHOUT SYSTEM VERSIONING, rs TIMESTAMP(6) GENERATED ALWAYS AS ROW START INVISIBLE, re TIMESTAMP(6) GENERATED ALWAYS AS ROW END INVISIBLE, PERIOD FOR SYSTEM_TIME (rs, re)) WITH SYSTEM VERSIONING;
INSERT INTO bitemporal (id, v) VALUES (1, 1), (2, 2); UPDATE bitemporal SET v = 9 WHERE id = 1; DELETE FROM bitemporal WHERE id = 2;
CREATE TABLE kept_apart (id INT) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME (PARTITION p0 HISTORY, PARTITION pn CURRENT); INSERT INTO kept_apart VALUES (1); DELETE FROM kept_apart;
CREATE TABLE aria_ (id INT PRIMARY KEY, t TEXT) ENGINE = Aria TRANSACTIONAL = 1; INSERT INTO aria_ VALUES (1, 'x');
CREATE TABLE aria_page (id INT PRIMARY KEY, g POINT NOT NULL, SPATIAL KEY (g)) ENGINE = Aria ROW_FORMAT = PAGE; INSERT INTO aria_page VALUES (1, POINT(1, 1));
CREATE TABLE nets (a INET4, b INET6, c UUID); INSERT INTO nets VALUES ('255.255.255.255', '::ffff:1.2.3.4', 'ffffffff-ffff-ffff-ffff-ffffffffffff'), (NULL, NULL, NULL);
CREATE TABLE computed_more (id INT PRIMARY KEY, a INT, v VARCHAR(20) AS (CONCAT(a, 'x')) VIRTUAL INVISIBLE, s INT AS (a * 2) PERSISTENT, UNIQUE KEY (s), KEY ignored_ (a) IGNORED); INSERT INTO computed_more (id, a) VALUES (1, 5);
CREATE TABLE long_unique (b BLOB, UNIQUE KEY (b)); INSERT INTO long_unique VALUES (X'00'), (X'01');
CREATE TABLE compressed_page (id INT PRIMARY KEY, t TEXT) PAGE_COMPRESSED = 1; INSERT INTO compressed_page VALUES (1, REPEAT('a', 9000));
SET sql_mode = 'ORACLE';
DELIMITER //
CREATE FUNCTION oracle_f(a NUMBER) RETURN VARCHAR2(20) DETERMINISTIC AS b VARCHAR2(20) := 'x'; BEGIN RETURN b || a; END; //
CREATE TRIGGER oracle_t BEFORE INSERT ON nets FOR EACH ROW BEGIN :NEW.a := :NEW.a; END; //
DELIMITER ;
SET sql_mode = ''; SET DEFAULT ROLE visitor FOR author@'%'; GRANT SELECT ON zoo.void_ TO PUBLIC;
"""
MYSQL = r"""
USE zoo;
CREATE TABLE computed_more (id INT PRIMARY KEY, a INT, v VARCHAR(20) AS (CONCAT(a, 'x')) VIRTUAL INVISIBLE, s INT AS (a * 2) STORED, UNIQUE KEY (s), KEY unseen (a) INVISIBLE, KEY f ((a + 1), (ABS(a)) DESC)); INSERT INTO computed_more (id, a) VALUES (1, 5);
CREATE TABLE arrays (id INT PRIMARY KEY, j JSON, KEY many ((CAST(j->'$.tags' AS CHAR(20) ARRAY)))); INSERT INTO arrays VALUES (1, '{"tags": ["a", "b"]}');
CREATE TABLE embedded (id INT PRIMARY KEY, v VECTOR(3)); INSERT INTO embedded VALUES (1, TO_VECTOR('[1.5, -2, 3e10]')), (2, NULL);
CREATE TABLE worded (id INT PRIMARY KEY, t TEXT, FULLTEXT KEY g (t) WITH PARSER ngram); INSERT INTO worded VALUES (1, '表能名');
CREATE TABLE located_more (id INT PRIMARY KEY, p POINT NOT NULL SRID 0, q GEOMETRY SRID 4326, SPATIAL KEY (p)); INSERT INTO located_more VALUES (1, POINT(1, 2), ST_GeomFromText('POINT(52 13)', 4326));
CREATE TABLE not_enforced (a INT, CONSTRAINT later CHECK (a > 0) NOT ENFORCED); INSERT INTO not_enforced VALUES (-1);
CREATE TABLE expressions (id INT PRIMARY KEY, j JSON DEFAULT (JSON_ARRAY()), t TEXT DEFAULT ('it''s'), g POINT DEFAULT (POINT(0, 0)), b BLOB DEFAULT (UNHEX('00FF'))); INSERT INTO expressions (id) VALUES (1);
CREATE TABLE attributed (id INT PRIMARY KEY, a VARCHAR(9)) COMPRESSION = 'zlib'; INSERT INTO attributed VALUES (1, 'x');
CREATE TABLE sampled (id INT PRIMARY KEY, a INT) STATS_SAMPLE_PAGES = 30 MAX_ROWS = 1000 AUTOEXTEND_SIZE = 4M; INSERT INTO sampled VALUES (1, 1);
ALTER USER author@'%' DEFAULT ROLE visitor; GRANT BACKUP_ADMIN, CONNECTION_ADMIN ON *.* TO author@'%';
"""
AFTERWARDS = r"""
USE zoo; SET sql_mode = '';
INSERT INTO whole SELECT id + 10, a, b, c, d, e, ua, ub, uc, ud, ue, z, o FROM whole; UPDATE fractions SET d = d / 3, b = -b; INSERT INTO whens SELECT id + 10, d, t, t6, dt, dt6, ts, ts6, y FROM whens;
UPDATE texts SET d = CONCAT(COALESCE(d, ''), '\0\'"`🦣'), h = REPEAT('🐘', 50000); UPDATE bytes SET e = REPEAT(X'1A00', 20000), h = b'1' WHERE id = 2; UPDATE choices SET s = 'a,b c,ü', e = '名'; INSERT INTO json_ VALUES (10, '{"later": 1e300}'); UPDATE json_ SET j = JSON_SET(j, '$.a', 'ü') WHERE id = 1;
INSERT INTO geo (id, p) VALUES (3, POINT(-1, -1)); UPDATE sets_of_letters SET f = '能ソ', g = '誠' WHERE a IS NULL; DELETE FROM indexed WHERE c = 1; INSERT INTO indexed (a, c, g) VALUES ('new', 3, POINT(3, 3));
UPDATE keyless SET b = 0.2 WHERE c = 'x' LIMIT 1; DELETE FROM keyless WHERE a IS NULL; UPDATE only_unique SET b = 'z'; ALTER TABLE by_list ADD PARTITION (PARTITION p3 VALUES IN (9)); INSERT INTO by_list VALUES (9, 9); ALTER TABLE by_columns DROP PARTITION a; UPDATE within SET d = '2018-05-05' WHERE id = 2;
INSERT INTO grown (id, a) VALUES (3, 3); UPDATE grown SET a = a + 1; DELETE FROM grown WHERE id = 2; INSERT INTO isam VALUES (3, 'later'); DELETE FROM fleeting; INSERT INTO listed VALUES (2, ''); INSERT INTO filed VALUES (2, NULL); INSERT INTO void_ VALUES (1); INSERT INTO merged VALUES (2);
UPDATE `new
line` SET `tick``ed` = 99, `%s` = -1; INSERT INTO `a/b\c.d e#f@g-h` VALUES (2); RENAME TABLE `Ünïcôde 表` TO `表 2`; TRUNCATE TABLE `64567890123456789012345678901234567890123456789012345678901234ab`;
ALTER TABLE squashed MODIFY t LONGTEXT CHARACTER SET gbk, ADD n INT FIRST; DROP TABLE empty_; CREATE TABLE empty_ (id BIGINT PRIMARY KEY, again INT); DELETE FROM one WHERE id = 9; UPDATE one SET id = 5; INSERT INTO checked VALUES (99, 'y');
DROP VIEW over_view; CREATE VIEW over_view AS SELECT 1 AS n; DROP PROCEDURE strict_; DROP TRIGGER `tr``ig`; ALTER EVENT once_ COMMENT 'changed'; CREATE DEFINER = author@'%' EVENT later ON SCHEDULE EVERY 1 DAY STARTS '2034-01-01' DO SET @a = 1; ALTER EVENT ansi_event RENAME TO `ansi ``event`; ALTER DATABASE nothing_in_it CHARACTER SET latin1; DROP FUNCTION f1; CREATE FUNCTION f1(x INT) RETURNS INT DETERMINISTIC RETURN x;
CREATE TABLE `db-with.dots and ``ticks```.more LIKE `db-with.dots and ``ticks```.`table`; INSERT INTO `db-with.dots and ``ticks```.more SELECT * FROM `db-with.dots and ``ticks```.`table`; CREATE TABLE selected AS SELECT * FROM whole; SET NAMES gbk; SET NAMES utf8mb4;
CREATE USER later@'%' IDENTIFIED BY 'l'; GRANT SELECT ON zoo.grown TO later@'%'; REVOKE UPDATE (a) ON zoo.grown FROM `odd ``user`@'192.168.%'; CREATE DEFINER = later@'%' VIEW by_later AS SELECT 1 AS a; ALTER USER author@'%' ACCOUNT LOCK; DROP ROLE IF EXISTS nobody;
"""
AFTERWARDS_ON = {
    "mariadb": "SELECT NEXTVAL(zoo.counted); UPDATE zoo.bitemporal SET v = 10; DELETE FROM zoo.periods FOR PORTION OF valid FROM '2020-03-01' TO '2020-04-01'; INSERT INTO zoo.aria_ VALUES (2, 'y'); UPDATE zoo.computed_more SET a = 6; INSERT INTO zoo.nets VALUES ('1.2.3.4', '::1', UUID());",
    "mysql": """UPDATE zoo.arrays SET j = '{"tags": ["c"]}'; UPDATE zoo.embedded SET v = TO_VECTOR('[9,9,9]'); UPDATE zoo.computed_more SET a = 6; INSERT INTO zoo.expressions (id) VALUES (2);""",
}


def script(flavour: str) -> str:
    """Everything, `kinds` among it, for one flavour's own client."""
    return kinds.script(flavour) + COMMON + (MARIADB if flavour == "mariadb" else MYSQL)


def afterwards(flavour: str) -> str:
    """What happens between the image and the point that is restored."""
    return kinds.AFTERWARDS + AFTERWARDS + AFTERWARDS_ON[flavour]
