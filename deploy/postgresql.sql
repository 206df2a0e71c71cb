-- Roles and database for Kith on PostgreSQL 14 or later. Run once, as a superuser:
--   psql -f deploy/postgresql.sql -v database=kith
-- then give both roles a password (`\password kith_owner`, `\password kith_app`) or another way to authenticate.
--
-- kith_owner owns the tables and is used by `kith migrate` alone; kith_app serves. Row-level security binds a role only if
-- it is no superuser, has no BYPASSRLS and owns nothing, which is why there are two.

\set ON_ERROR_STOP on
\if :{?database} \else \set database kith \endif

SELECT 'CREATE ROLE kith_owner LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kith_owner') \gexec
SELECT 'CREATE ROLE kith_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kith_app') \gexec

CREATE DATABASE :"database" OWNER kith_owner TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO kith_app;

\connect :"database"
ALTER SCHEMA public OWNER TO kith_owner;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO kith_app;

-- What kith_owner creates later, kith_app may use: rows, never the tables themselves.
ALTER DEFAULT PRIVILEGES FOR ROLE kith_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO kith_app;
ALTER DEFAULT PRIVILEGES FOR ROLE kith_owner IN SCHEMA public GRANT USAGE ON SEQUENCES TO kith_app;
