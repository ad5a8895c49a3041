-- Run in the edge's database once the tables of registrar and route exist (their database: {{PLATFORM_DB}}).
-- The views run with the rights of who creates them, so the edge's user needs none on the platform's database.

CREATE OR REPLACE VIEW kam_subscriber AS
  SELECT extension AS username, domain, ha1
  FROM `{{PLATFORM_DB}}`.registrar_extensions
  WHERE tm_delete = '9999-01-01 00:00:00.000000';

-- group 1: addresses of enabled providers, tag = provider id; the edge's own table adds the other edges (group 2) and what an operator puts there
CREATE OR REPLACE VIEW kam_address AS
  SELECT carrier_group.grp, provider.ip_addr, provider.mask, provider.port, CAST(provider.provider_id AS CHAR(64)) AS tag
  FROM `{{PLATFORM_DB}}`.route_provider_addresses provider CROSS JOIN carrier_group
  UNION ALL
  SELECT grp, ip_addr, mask, port, tag FROM address;
