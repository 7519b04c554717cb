-- What calls cost, and what is left. A balance changes only by one relative, guarded statement. Casts to NUMERIC(20,10)
-- round the double precision of a database made by the original package; elsewhere they change nothing.

-- name: facts
-- All that recording needs to know: the model with its prices, the agent and the message if this user may name them,
-- and whether a reservation of the user's has expired and waits to be given back. Served by primary keys,
-- Model_internalName_idx, UserAgent_userID_agentID_idx and agentdb_reservation_userID_state_expiresAt_idx.
SELECT m."id" AS "modelID", m."cost1kInput", m."cost1kOutput", m."cost1kCacheRead", m."cost1kCacheWrite",
    (
        SELECT a."id" FROM "Agent" a
        WHERE a."id" = :agent_id AND (
            a."userID" IS NULL
            OR a."userID" = u."id"
            OR EXISTS (SELECT 1 FROM "UserAgent" ua WHERE ua."userID" = u."id" AND ua."agentID" = a."id")
        )
    ) AS "agentID",
    (
        SELECT s."id" FROM "Message" s JOIN "Conversation" c ON c."id" = s."conversationID"
        WHERE s."id" = :message_id AND c."userID" = u."id"
    ) AS "messageID",
    (
        FALSE
        /* if support_tables */ OR EXISTS (
            SELECT 1 FROM "agentdb_reservation" r
            WHERE r."userID" = u."id" AND r."state" = 'held' AND r."expiresAt" <= :now
        ) /* end */
    ) AS "hasExpired"
FROM "User" u
LEFT JOIN "Model" m ON m."internalName" = :model
WHERE u."id" = :user_id
ORDER BY m."id"
LIMIT 1;

-- name: charge
-- Take :cost if the balance then lies between :lowest and :highest; no row back means it would not. One statement, so
-- no two callers can take the same dollar. :lowest is 0 to refuse an overdraft, else the end of the range, which SQLite
-- would leave silently for floating point. Without a budget nothing is taken. It returns bare columns, because SQLite
-- 3.40 answers `"budget" IS NULL` wrong in RETURNING. Served by the primary key.
UPDATE "User"
SET "remaining" = CASE
        WHEN "budget" IS NULL THEN "remaining"
        ELSE CAST(CAST(COALESCE("remaining", "budget") AS NUMERIC(20,10)) - :cost AS NUMERIC(20,10))
    END,
    "updatedAt" = :now
WHERE "id" = :user_id AND (
    "budget" IS NULL
    OR CAST(COALESCE("remaining", "budget") AS NUMERIC(20,10)) - :cost BETWEEN :lowest AND :highest
)
RETURNING "budget", "remaining";

-- name: record
INSERT INTO "Usage" (
    "userID", "modelID", "type", "agentID", "messageID",
    "inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "cost", "createdAt", "updatedAt"
    /* if request_ids */ , "requestId", "requestIndex" /* end */
)
VALUES (
    :user_id, :model_id, :type, :agent_id, :message_id,
    :input_tokens, :output_tokens, :cache_read_tokens, :cache_write_tokens, :cost, :now, :now
    /* if request_ids */ , :request_id, :request_index /* end */
)
RETURNING "id";

-- name: record_many (postgres)
-- The rows of one call, as JSON with costs counted in 1e-10 dollars; their ids grow in its order.
INSERT INTO "Usage" (
    "userID", "modelID", "type", "agentID", "messageID",
    "inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "cost", "createdAt", "updatedAt"
    /* if request_ids */ , "requestId", "requestIndex" /* end */
)
SELECT CAST(:user_id AS BIGINT), i."model_id", i."type", i."agent_id", i."message_id",
    i."input_tokens", i."output_tokens", i."cache_read_tokens", i."cache_write_tokens", i."cost" * 0.0000000001,
    CAST(:now AS TIMESTAMPTZ), CAST(:now AS TIMESTAMPTZ)
    /* if request_ids */
    , CAST(:request_id AS TEXT), CASE WHEN CAST(:request_id AS TEXT) IS NOT NULL THEN i."index" END
    /* end */
FROM jsonb_to_recordset(CAST(:items AS JSONB)) AS i (
    "index" BIGINT, "model_id" BIGINT, "type" TEXT, "agent_id" BIGINT, "message_id" BIGINT, "input_tokens" BIGINT,
    "output_tokens" BIGINT, "cache_read_tokens" BIGINT, "cache_write_tokens" BIGINT, "cost" NUMERIC
)
ORDER BY i."index"
RETURNING "id";

-- name: record_many (sqlite)
-- The rows of one call, as JSON with costs counted in 1e-10 dollars; their ids grow in its order.
INSERT INTO "Usage" (
    "userID", "modelID", "type", "agentID", "messageID",
    "inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "cost", "createdAt", "updatedAt"
    /* if request_ids */ , "requestId", "requestIndex" /* end */
)
SELECT :user_id, json_extract(i."value", '$.model_id'), json_extract(i."value", '$.type'),
    json_extract(i."value", '$.agent_id'), json_extract(i."value", '$.message_id'),
    json_extract(i."value", '$.input_tokens'), json_extract(i."value", '$.output_tokens'),
    json_extract(i."value", '$.cache_read_tokens'), json_extract(i."value", '$.cache_write_tokens'),
    json_extract(i."value", '$.cost'), :now, :now
    /* if request_ids */ , :request_id, CASE WHEN :request_id IS NOT NULL THEN i."key" END /* end */
FROM json_each(:items) i
ORDER BY i."key"
RETURNING "id";

-- name: recorded
-- What an earlier call with this request_id wrote. Served by Usage_userID_requestId_requestIndex_idx.
SELECT us."id", us."type", us."agentID", us."messageID", us."modelID", m."internalName",
    us."inputTokens", us."outputTokens", us."cacheReadTokens", us."cacheWriteTokens", us."cost"
FROM "Usage" us
LEFT JOIN "Model" m ON m."id" = us."modelID"
WHERE us."userID" = :user_id AND us."requestId" = :request_id
ORDER BY us."requestIndex";

-- name: exist
-- Whether what a row once pointed to is still there: what was deleted since has left a null. Served by primary keys.
SELECT EXISTS (SELECT 1 FROM "Agent" a WHERE a."id" = :agent_id) AS "agentExists",
    EXISTS (SELECT 1 FROM "Message" s WHERE s."id" = :message_id) AS "messageExists";

-- name: balance
-- What is left, and what expired reservations still hold of it. Served by the primary key and
-- agentdb_reservation_userID_state_expiresAt_idx.
SELECT u."id", CASE WHEN u."budget" IS NOT NULL THEN COALESCE(u."remaining", u."budget") END AS "remaining",
    0 /* if support_tables */ + (
        SELECT COALESCE(SUM(r."held"), 0) FROM "agentdb_reservation" r
        WHERE r."userID" = u."id" AND r."state" = 'held' AND r."expiresAt" <= :now
    ) /* end */ AS "expired"
FROM "User" u
WHERE u."id" = :user_id;

-- name: give_back
-- What was held and is not spent. Without a budget nothing was taken; beyond :highest, where only a balance set by hand
-- leads, there is nothing more to give. Served by the primary key.
UPDATE "User"
SET "remaining" = CASE
        WHEN COALESCE("remaining", "budget") > CAST(:highest AS NUMERIC(20,10)) - :amount THEN :highest
        ELSE COALESCE("remaining", "budget") + :amount
    END,
    "updatedAt" = :now
WHERE "id" = :user_id AND "budget" IS NOT NULL;

-- name: reserve
INSERT INTO "agentdb_reservation" (
    "userID", "modelID", "amount", "held", "state", "expiresAt", "requestId", "digest", "createdAt", "updatedAt"
)
VALUES (:user_id, :model_id, :amount, :held, 'held', :expires_at, :request_id, :digest, :now, :now)
RETURNING "id";

-- name: reserved
-- What an earlier call with this request_id reserved. Served by agentdb_reservation_userID_requestId_idx.
SELECT r."id", r."amount", r."expiresAt", r."state", r."digest"
FROM "agentdb_reservation" r
WHERE r."userID" = :user_id AND r."requestId" = :request_id;

-- name: reservation
-- One of the user's. Served by the primary key.
SELECT r."id", r."amount", r."held", r."expiresAt", r."state", r."expiresAt" <= :now AS "isExpired",
    r."settledDigest", r."usageID", r."cost"
FROM "agentdb_reservation" r
WHERE r."id" = :reservation_id AND r."userID" = :user_id;

-- name: settle
-- Served by the primary key.
UPDATE "agentdb_reservation"
SET "state" = 'settled', "settledDigest" = :digest, "usageID" = :usage_id, "cost" = :cost, "updatedAt" = :now
WHERE "id" = :reservation_id;

-- name: release
-- Served by the primary key.
UPDATE "agentdb_reservation" SET "state" = 'released', "updatedAt" = :now WHERE "id" = :reservation_id;

-- name: expire
-- A user's reservations that nobody settled in time. Served by agentdb_reservation_userID_state_expiresAt_idx.
UPDATE "agentdb_reservation" SET "state" = 'expired', "updatedAt" = :now
WHERE "userID" = :user_id AND "state" = 'held' AND "expiresAt" <= :now
RETURNING "held";

-- name: expired
-- Whose reservations have expired, the oldest first. Served by agentdb_reservation_state_expiresAt_idx.
SELECT r."userID" FROM "agentdb_reservation" r
WHERE r."state" = 'held' AND r."expiresAt" <= :now
ORDER BY r."expiresAt"
LIMIT :limit;

-- name: begin_reset
-- No row back: this period was reset already, or is just being reset by somebody whose commit was waited for. Served by
-- agentdb_budget_reset_period_scope_idx.
INSERT INTO "agentdb_budget_reset" ("period", "scope", "userID", "users", "createdAt", "updatedAt")
VALUES (:period, :scope, :user_id, 0, :now, :now)
ON CONFLICT ("period", "scope") DO NOTHING
RETURNING "id";

-- name: earlier_reset (postgres)
-- Locked, so that a repeated call waits for a synchronous standby as the first one did; see lock_user of access. Served
-- by agentdb_budget_reset_period_scope_idx.
SELECT b."users" FROM "agentdb_budget_reset" b WHERE b."period" = :period AND b."scope" = :scope FOR NO KEY UPDATE;

-- name: earlier_reset (sqlite)
-- Served by agentdb_budget_reset_period_scope_idx.
SELECT b."users" FROM "agentdb_budget_reset" b WHERE b."period" = :period AND b."scope" = :scope;

-- name: finish_reset
-- Served by the primary key.
UPDATE "agentdb_budget_reset" SET "users" = :users WHERE "id" = :id;

-- name: lock_budgets (postgres)
-- Everybody with a budget, read whole on purpose. Locked by a statement of its own, because one that waits for a lock
-- would go on with what reservations held before it waited. In the order of ids, so that no two wait for each other.
SELECT "id" FROM "User" WHERE "budget" IS NOT NULL ORDER BY "id" FOR NO KEY UPDATE;

-- name: lock_budgets (sqlite)
-- Everybody with a budget, read whole on purpose. A write transaction holds the only write lock from its BEGIN on.
SELECT "id" FROM "User" WHERE "budget" IS NOT NULL ORDER BY "id";

-- name: reset (postgres)
-- Balances back to budgets, less what open reservations hold: these are spent or given back later. Many users at once
-- are read whole, each one's reservations by agentdb_reservation_userID_state_expiresAt_idx.
UPDATE "User"
SET "remaining" = CAST("budget" AS NUMERIC(20,10)) - (
        SELECT COALESCE(SUM(r."held"), 0) FROM "agentdb_reservation" r
        WHERE r."userID" = "User"."id" AND r."state" = 'held'
    ),
    "updatedAt" = :now
WHERE "budget" IS NOT NULL
    AND "id" IN (SELECT CAST(i AS BIGINT) FROM jsonb_array_elements_text(CAST(:user_ids AS JSONB)) AS i)
RETURNING "id";

-- name: reset (sqlite)
-- Balances back to budgets, less what open reservations hold: these are spent or given back later. Served by the
-- primary key and agentdb_reservation_userID_state_expiresAt_idx.
UPDATE "User"
SET "remaining" = "budget" - (
        SELECT COALESCE(SUM(r."held"), 0) FROM "agentdb_reservation" r
        WHERE r."userID" = "User"."id" AND r."state" = 'held'
    ),
    "updatedAt" = :now
WHERE "budget" IS NOT NULL AND "id" IN (SELECT "value" FROM json_each(:user_ids))
RETURNING "id";

-- name: usages
-- A page, newest first, from the place (:before, :before_id) on. Served by Usage_createdAt_idx.
SELECT us."id", us."userID", us."modelID", m."internalName" AS "model", us."type", us."agentID", us."messageID",
    COALESCE(us."inputTokens", 0) AS "inputTokens", COALESCE(us."outputTokens", 0) AS "outputTokens",
    COALESCE(us."cacheReadTokens", 0) AS "cacheReadTokens", COALESCE(us."cacheWriteTokens", 0) AS "cacheWriteTokens",
    COALESCE(us."cost", 0) AS "cost", us."createdAt" /* if request_ids */ , us."requestId" /* end */
FROM "Usage" us
LEFT JOIN "Model" m ON m."id" = us."modelID"
WHERE us."createdAt" >= :since AND us."createdAt" <= :before
    AND (us."createdAt", us."id") < (:before, CAST(:before_id AS BIGINT))
ORDER BY us."createdAt" DESC, us."id" DESC
LIMIT :limit;

-- name: usages_of_user
-- The same for one user. Served by Usage_userID_createdAt_idx.
SELECT us."id", us."userID", us."modelID", m."internalName" AS "model", us."type", us."agentID", us."messageID",
    COALESCE(us."inputTokens", 0) AS "inputTokens", COALESCE(us."outputTokens", 0) AS "outputTokens",
    COALESCE(us."cacheReadTokens", 0) AS "cacheReadTokens", COALESCE(us."cacheWriteTokens", 0) AS "cacheWriteTokens",
    COALESCE(us."cost", 0) AS "cost", us."createdAt" /* if request_ids */ , us."requestId" /* end */
FROM "Usage" us
LEFT JOIN "Model" m ON m."id" = us."modelID"
WHERE us."userID" = :user_id AND us."createdAt" >= :since AND us."createdAt" <= :before
    AND (us."createdAt", us."id") < (:before, CAST(:before_id AS BIGINT))
ORDER BY us."createdAt" DESC, us."id" DESC
LIMIT :limit;

-- name: report (postgres)
-- Sums by what the caller groups by; :starts are the beginnings of its periods as JSON, the first one :since. Of rows
-- that maintenance removed the sums of their day count, at its noon in UTC. Half of the parts of `found` run. A request
-- is named by its user's request_id, else by its message, else it is a row of its own. Served by Usage_createdAt_idx and
-- agentdb_usage_day_day_idx, or for one user by Usage_userID_createdAt_idx and agentdb_usage_day_userID_day_idx.
WITH used AS (
    SELECT us.* FROM "Usage" us
    WHERE us."createdAt" >= :since AND us."createdAt" < :until AND CAST(:user_id AS BIGINT) IS NULL
    UNION ALL
    SELECT us.* FROM "Usage" us
    WHERE us."createdAt" >= :since AND us."createdAt" < :until AND us."userID" = :user_id
), found AS (
    SELECT us."createdAt" AS "at", us."userID", CAST(NULL AS TEXT) AS "pseudonym", us."modelID", us."agentID",
        us."type", CAST(COALESCE(us."cost", 0) AS NUMERIC(20,10)) AS "cost",
        us."inputTokens", us."outputTokens", us."cacheReadTokens", us."cacheWriteTokens", 1 AS "rows",
        COALESCE(
            /* if request_ids */ 'request:' || COALESCE(us."userID", 0) || ':' || us."requestId", /* end */
            'message:' || us."messageID", 'usage:' || us."id"
        ) AS "request", 0 AS "requests"
    FROM used us
    /* if support_tables */
    UNION ALL
    SELECT d."day", d."userID", d."pseudonym", d."modelID", d."agentID", d."type", d."cost", d."inputTokens",
        d."outputTokens", d."cacheReadTokens", d."cacheWriteTokens", d."rows", NULL, d."requests"
    FROM "agentdb_usage_day" d
    WHERE d."day" >= :since AND d."day" < :until AND CAST(:user_id AS BIGINT) IS NULL
    UNION ALL
    SELECT d."day", d."userID", d."pseudonym", d."modelID", d."agentID", d."type", d."cost", d."inputTokens",
        d."outputTokens", d."cacheReadTokens", d."cacheWriteTokens", d."rows", NULL, d."requests"
    FROM "agentdb_usage_day" d
    WHERE d."day" >= :since AND d."day" < :until AND d."userID" = :user_id
    /* end */
), starts AS (
    SELECT array_agg(CAST(s AS TIMESTAMPTZ) ORDER BY s) AS "all"
    FROM jsonb_array_elements_text(CAST(:starts AS JSONB)) AS s
)
SELECT width_bucket(f."at", (SELECT "all" FROM starts)) - 1 AS "period",
    CASE WHEN :by_user THEN f."userID" END AS "userID",
    CASE WHEN :by_user THEN f."pseudonym" END COLLATE "C" AS "pseudonym",
    CASE WHEN :by_model THEN f."modelID" END AS "modelID",
    CASE WHEN :by_model THEN m."internalName" END AS "model",
    CASE WHEN :by_agent THEN f."agentID" END AS "agentID",
    CASE WHEN :by_type THEN f."type" END COLLATE "C" AS "type",
    SUM(f."cost") AS "costUsd",
    CAST(SUM(COALESCE(f."inputTokens", 0)) AS BIGINT) AS "inputTokens",
    CAST(SUM(COALESCE(f."outputTokens", 0)) AS BIGINT) AS "outputTokens",
    CAST(SUM(COALESCE(f."cacheReadTokens", 0)) AS BIGINT) AS "cacheReadTokens",
    CAST(SUM(COALESCE(f."cacheWriteTokens", 0)) AS BIGINT) AS "cacheWriteTokens",
    CAST(SUM(f."rows") AS BIGINT) AS "rows",
    COUNT(DISTINCT f."request") + CAST(SUM(f."requests") AS BIGINT) AS "requests",
    COUNT(DISTINCT COALESCE(f."pseudonym", CAST(f."userID" AS TEXT))) AS "users"
FROM found f
LEFT JOIN "Model" m ON m."id" = f."modelID"
WHERE (CAST(:model AS TEXT) IS NULL OR m."internalName" = :model)
    AND (CAST(:agent_id AS BIGINT) IS NULL OR f."agentID" = :agent_id)
    AND (CAST(:type AS TEXT) IS NULL OR f."type" = :type)
GROUP BY 1, 2, 3, 4, 5, 6, 7
ORDER BY 1 DESC, 8 DESC, 2 NULLS LAST, 3 NULLS LAST, 4 NULLS LAST, 6 NULLS LAST, 7 NULLS LAST
LIMIT :limit;

-- name: report (sqlite)
-- The same sums; each period is a range of the index. The planner knows nothing of how many periods there are: CROSS
-- JOIN keeps them outside, and for `"userID" = :user_id` it would first read the whole index into a filter.
WITH periods AS (
    SELECT "key" AS "period", "value" AS "start", LEAD("value", 1, :until) OVER (ORDER BY "key") AS "end"
    FROM json_each(:starts)
), used AS (
    SELECT p."period", us.* FROM periods p CROSS JOIN "Usage" us
    WHERE us."createdAt" >= p."start" AND us."createdAt" < p."end" AND us."createdAt" >= :since AND :user_id IS NULL
    UNION ALL
    SELECT p."period", us.* FROM periods p CROSS JOIN "Usage" us
    WHERE us."createdAt" >= p."start" AND us."createdAt" < p."end" AND us."userID" IN (SELECT :user_id)
), found AS (
    SELECT us."period", us."userID", NULL AS "pseudonym", us."modelID", us."agentID", us."type",
        COALESCE(us."cost", 0) AS "cost", us."inputTokens", us."outputTokens", us."cacheReadTokens",
        us."cacheWriteTokens", 1 AS "rows",
        COALESCE(
            /* if request_ids */ 'request:' || COALESCE(us."userID", 0) || ':' || us."requestId", /* end */
            'message:' || us."messageID", 'usage:' || us."id"
        ) AS "request", 0 AS "requests"
    FROM used us
    /* if support_tables */
    UNION ALL
    SELECT p."period", d."userID", d."pseudonym", d."modelID", d."agentID", d."type", d."cost", d."inputTokens",
        d."outputTokens", d."cacheReadTokens", d."cacheWriteTokens", d."rows", NULL, d."requests"
    FROM periods p CROSS JOIN "agentdb_usage_day" d
    WHERE d."day" >= p."start" AND d."day" < p."end" AND :user_id IS NULL
    UNION ALL
    SELECT p."period", d."userID", d."pseudonym", d."modelID", d."agentID", d."type", d."cost", d."inputTokens",
        d."outputTokens", d."cacheReadTokens", d."cacheWriteTokens", d."rows", NULL, d."requests"
    FROM periods p CROSS JOIN "agentdb_usage_day" d
    WHERE d."day" >= p."start" AND d."day" < p."end" AND d."userID" IN (SELECT :user_id)
    /* end */
)
SELECT f."period",
    CASE WHEN :by_user THEN f."userID" END AS "userID",
    CASE WHEN :by_user THEN f."pseudonym" END AS "pseudonym",
    CASE WHEN :by_model THEN f."modelID" END AS "modelID",
    CASE WHEN :by_model THEN m."internalName" END AS "model",
    CASE WHEN :by_agent THEN f."agentID" END AS "agentID",
    CASE WHEN :by_type THEN f."type" END AS "type",
    SUM(f."cost") AS "costUsd",
    SUM(COALESCE(f."inputTokens", 0)) AS "inputTokens",
    SUM(COALESCE(f."outputTokens", 0)) AS "outputTokens",
    SUM(COALESCE(f."cacheReadTokens", 0)) AS "cacheReadTokens",
    SUM(COALESCE(f."cacheWriteTokens", 0)) AS "cacheWriteTokens",
    SUM(f."rows") AS "rows",
    COUNT(DISTINCT f."request") + SUM(f."requests") AS "requests",
    COUNT(DISTINCT COALESCE(f."pseudonym", CAST(f."userID" AS TEXT))) AS "users"
FROM found f
LEFT JOIN "Model" m ON m."id" = f."modelID"
WHERE (:model IS NULL OR m."internalName" = :model)
    AND (:agent_id IS NULL OR f."agentID" = :agent_id)
    AND (:type IS NULL OR f."type" = :type)
GROUP BY 1, 2, 3, 4, 5, 6, 7
ORDER BY 1 DESC, 8 DESC, 2 NULLS LAST, 3 NULLS LAST, 4 NULLS LAST, 6 NULLS LAST, 7 NULLS LAST
LIMIT :limit;
