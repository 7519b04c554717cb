-- What calls cost, and what is left. A balance changes only by one relative, guarded statement. Casts to NUMERIC(20,10)
-- round the double precision of a database made by the original package; elsewhere they change nothing.

-- name: facts
-- All that recording needs to know: the model with its prices, and the agent and the message if this user may name
-- them. Served by primary keys, Model_internalName_idx and UserAgent_userID_agentID_idx.
SELECT m."id" AS "modelID", m."cost1kInput" AS "price.input", m."cost1kOutput" AS "price.output",
    m."cost1kCacheRead" AS "price.cache_read", m."cost1kCacheWrite" AS "price.cache_write",
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
    ) AS "messageID"
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

-- name: recorded
-- What an earlier call with this request_id wrote, and whether what is pointed to now still exists: a row deleted since
-- has left a null. Served by Usage_userID_requestId_requestIndex_idx.
SELECT us."id", us."type", us."agentID", us."messageID", us."modelID", m."internalName",
    us."inputTokens", us."outputTokens", us."cacheReadTokens", us."cacheWriteTokens", us."cost",
    EXISTS (SELECT 1 FROM "Agent" a WHERE a."id" = :agent_id) AS "agentExists",
    EXISTS (SELECT 1 FROM "Message" s WHERE s."id" = :message_id) AS "messageExists"
FROM "Usage" us
LEFT JOIN "Model" m ON m."id" = us."modelID"
WHERE us."userID" = :user_id AND us."requestId" = :request_id
ORDER BY us."requestIndex";

-- name: balance
-- Served by the primary key.
SELECT "id", CASE WHEN "budget" IS NOT NULL THEN COALESCE("remaining", "budget") END AS "remaining"
FROM "User"
WHERE "id" = :user_id;
