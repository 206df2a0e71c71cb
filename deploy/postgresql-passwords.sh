#!/bin/sh
# Gives the two roles of postgresql.sql their passwords when the container's database is made.
set -eu
psql --username postgres --set=ON_ERROR_STOP=1 --set=owner="$OWNER_PASSWORD" --set=app="$APP_PASSWORD" <<'SQL'
ALTER ROLE kith_owner PASSWORD :'owner';
ALTER ROLE kith_app PASSWORD :'app';
SQL
