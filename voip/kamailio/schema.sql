-- What the edge needs in its own database, after Kamailio's own files (voip/README.md names them and the order).
-- Can be run again: nothing is overwritten.

CREATE TABLE IF NOT EXISTS subscriber (
  username VARCHAR(64) NOT NULL,
  domain VARCHAR(128) NOT NULL,
  ha1 CHAR(32) NOT NULL,
  PRIMARY KEY (username, domain)
);

-- For the UNION of kam_address in views.sql. Kamailio takes whole numbers of at most 32 bits and refuses the table otherwise, and a UNION of
-- differing types gives BIGINT or DECIMAL: so the group is a column, and the mask has the type it has in the platform's table.
CREATE TABLE IF NOT EXISTS carrier_group (grp INT UNSIGNED NOT NULL PRIMARY KEY);
INSERT IGNORE INTO carrier_group (grp) VALUES (1);
ALTER TABLE address MODIFY mask TINYINT UNSIGNED NOT NULL DEFAULT 32;

-- Stand-ins until the migrations of registrar and route replace them by views over their own tables (views.sql).
CREATE VIEW IF NOT EXISTS kam_subscriber AS SELECT username, domain, ha1 FROM subscriber;
CREATE VIEW IF NOT EXISTS kam_address AS SELECT grp, ip_addr, mask, port, tag FROM address;

INSERT IGNORE INTO version (table_name, table_version) VALUES ('kam_subscriber', 7), ('kam_address', 6);

CREATE USER IF NOT EXISTS '{{DB_USER}}'@'%' IDENTIFIED BY '{{DB_PASSWORD}}';
ALTER USER '{{DB_USER}}'@'%' IDENTIFIED BY '{{DB_PASSWORD}}';
GRANT SELECT, INSERT, UPDATE, DELETE ON `{{DB_NAME}}`.* TO '{{DB_USER}}'@'%';
