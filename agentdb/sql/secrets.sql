-- Stored secrets while their key is exchanged. Times of rows stay: what they say stays too.

-- name: provider_secrets
-- The next stored secrets of providers by id. Served by the primary key.
SELECT "id", "apiKey" AS "stored" FROM "Provider"
WHERE "id" > :after_id
ORDER BY "id" LIMIT :limit;

-- name: credentials
-- The next stored credentials by id, as text. Served by the primary key.
SELECT "id", CAST("credential" AS TEXT) AS "stored" FROM "UserTool"
WHERE "id" > :after_id
ORDER BY "id" LIMIT :limit;

-- name: move_provider_secret
-- Unless it was changed since it was read. Served by the primary key.
UPDATE "Provider" SET "apiKey" = :stored WHERE "id" = :row_id AND "apiKey" = :found RETURNING "id";

-- name: move_credential
-- Unless it was changed since it was read. Served by the primary key.
UPDATE "UserTool" SET "credential" = :credential
WHERE "id" = :row_id AND CAST("credential" AS TEXT) = :found
RETURNING "id";

-- name: seeded
-- What the seeds have written of one row: there are tens of them.
SELECT "id", "digests" FROM "agentdb_seed" WHERE "tableName" = :table_name AND "rowID" = :row_id;

-- name: remember_seeded
-- Served by the primary key.
UPDATE "agentdb_seed" SET "digests" = :digests WHERE "id" = :entry_id;

-- name: api_keys
-- The next API keys by id. Served by the primary key.
SELECT "id", "apiKey" AS "stored" FROM "User"
WHERE "id" > :after_id
ORDER BY "id" LIMIT :limit;

-- name: revoke_unused
-- Unless it was used or replaced since it was read. Served by the primary key.
UPDATE "User" SET "apiKey" = NULL, "updatedAt" = :now WHERE "id" = :user_id AND "apiKey" = :found RETURNING "id";

-- name: uses (sqlite)
-- How many stored secrets begin in which way. It reads all of them, for their owner.
SELECT 'User.apiKey' AS "place", substr("apiKey", 1, 14) AS "beginning", count(*) AS "rows"
FROM "User" WHERE "apiKey" IS NOT NULL GROUP BY 2
UNION ALL
SELECT 'Provider.apiKey', substr("apiKey", 1, 14), count(*)
FROM "Provider" WHERE "apiKey" IS NOT NULL GROUP BY 2
UNION ALL
SELECT 'UserTool.credential', substr(CASE WHEN json_valid("credential") THEN
    COALESCE(json_extract("credential", '$.sealed'), json_extract("credential", '$'))
END, 1, 14), count(*)
FROM "UserTool" WHERE "credential" IS NOT NULL GROUP BY 2
ORDER BY 1, 2;

-- name: uses (postgres)
-- The same, with PostgreSQL's names for JSON.
SELECT 'User.apiKey' AS "place", substr("apiKey", 1, 14) AS "beginning", count(*) AS "rows"
FROM "User" WHERE "apiKey" IS NOT NULL GROUP BY 2
UNION ALL
SELECT 'Provider.apiKey', substr("apiKey", 1, 14), count(*)
FROM "Provider" WHERE "apiKey" IS NOT NULL GROUP BY 2
UNION ALL
SELECT 'UserTool.credential', substr(COALESCE("credential" ->> 'sealed', "credential" #>> '{}'), 1, 14), count(*)
FROM "UserTool" WHERE "credential" IS NOT NULL GROUP BY 2
ORDER BY 1, 2;
