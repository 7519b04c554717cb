-- Providers and their language models. Secrets stay in the table.

-- name: model
-- Served by Model_internalName_idx. Not unique in a database made by the original package: the oldest wins.
SELECT m."id", m."name", m."internalName", m."type", m."description", m."maxContext", m."maxOutput", m."maxReasoning",
    m."cost1kInput" AS "price.input", m."cost1kOutput" AS "price.output",
    m."cost1kCacheRead" AS "price.cache_read", m."cost1kCacheWrite" AS "price.cache_write",
    m."defaultParameters", m."createdAt", m."updatedAt",
    p."id" AS "provider.id", p."name" AS "provider.name", p."endpoint" AS "provider.endpoint"
FROM "Model" m
LEFT JOIN "Provider" p ON p."id" = m."providerID"
WHERE m."internalName" = :internal_name
ORDER BY m."id"
LIMIT 1;

-- name: models
-- A catalog has tens of rows, so it is read whole and filtered. Engines place nulls differently unless told.
SELECT m."id", m."name", m."internalName", m."type", m."description", m."maxContext", m."maxOutput", m."maxReasoning",
    m."cost1kInput" AS "price.input", m."cost1kOutput" AS "price.output",
    m."cost1kCacheRead" AS "price.cache_read", m."cost1kCacheWrite" AS "price.cache_write",
    m."defaultParameters", m."createdAt", m."updatedAt",
    p."id" AS "provider.id", p."name" AS "provider.name", p."endpoint" AS "provider.endpoint"
FROM "Model" m
LEFT JOIN "Provider" p ON p."id" = m."providerID"
WHERE (CAST(:type AS TEXT) IS NULL OR m."type" = :type)
    AND (CAST(:provider AS TEXT) IS NULL OR p."name" = :provider)
ORDER BY m."providerID" NULLS LAST, m."id";

-- name: provider
-- A provider by id or name, without its key. Served by the primary key and Provider_name_idx.
SELECT "id", "name", "endpoint"
FROM "Provider"
WHERE "id" = COALESCE(:provider_id, (SELECT MIN(k."id") FROM "Provider" k WHERE k."name" = :provider_name));

-- name: providers
-- Tens of rows, read whole.
SELECT "id", "name", "endpoint" FROM "Provider" ORDER BY "id";

-- name: provider_secret
-- The key of a provider by id or name, as it is stored: bound to the row. Served as `provider` is.
SELECT "id", "apiKey"
FROM "Provider"
WHERE "id" = COALESCE(:provider_id, (SELECT MIN(k."id") FROM "Provider" k WHERE k."name" = :provider_name));
