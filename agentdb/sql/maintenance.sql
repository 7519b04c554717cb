-- What an operator removes and counts. Whatever is removed goes in slices, each a short transaction of its own, so that
-- services go on; what is found outside of it is looked at again under its locks.

-- name: old_usage (postgres)
-- A slice of what was used before an instant, by user. Locked, so that two who do the same count no row twice; whoever
-- waited sees what is left. Served by Usage_userID_createdAt_idx.
SELECT "id", "userID" FROM "Usage"
WHERE "userID" >= :from_user_id AND "createdAt" < :before
ORDER BY "userID", "createdAt", "id"
LIMIT :limit
FOR UPDATE;

-- name: old_usage (sqlite)
-- See above; a write transaction holds the only write lock from its BEGIN on. Served by Usage_userID_createdAt_idx.
SELECT "id", "userID" FROM "Usage"
WHERE "userID" >= :from_user_id AND "createdAt" < :before
ORDER BY "userID", "createdAt", "id"
LIMIT :limit;

-- name: old_usage_of_nobody (postgres)
-- The same of users who are gone. Served by Usage_userID_createdAt_idx.
SELECT "id" FROM "Usage" WHERE "userID" IS NULL AND "createdAt" < :before ORDER BY "createdAt", "id" LIMIT :limit
FOR UPDATE;

-- name: old_usage_of_nobody (sqlite)
-- The same of users who are gone. Served by Usage_userID_createdAt_idx.
SELECT "id" FROM "Usage" WHERE "userID" IS NULL AND "createdAt" < :before ORDER BY "createdAt", "id" LIMIT :limit;

-- name: roll_up (postgres)
-- The sums of these rows by day, before they are removed. A request counts with its last row of the day, in whichever
-- slice that is. Amounts so large that their sum could leave its range stay alone. Rows without a time, which no report
-- counts, have no day. With a pseudonym neither the user nor the caller's own words stay. Served by primary keys,
-- Usage_userID_requestId_requestIndex_idx and Usage_messageID_idx.
INSERT INTO "agentdb_usage_day" (
    "day", "userID", "pseudonym", "modelID", "type", "agentID", "inputTokens", "outputTokens", "cacheReadTokens",
    "cacheWriteTokens", "cost", "rows", "requests", "createdAt", "updatedAt"
)
SELECT u."day", u."userID", CAST(:pseudonym AS TEXT), u."modelID", u."type", u."agentID", SUM(u."inputTokens"),
    SUM(u."outputTokens"), SUM(u."cacheReadTokens"), SUM(u."cacheWriteTokens"), SUM(u."cost"), COUNT(*),
    COUNT(*) - SUM(CASE WHEN u."isContinued" THEN 1 ELSE 0 END), CAST(:now AS TIMESTAMPTZ), CAST(:now AS TIMESTAMPTZ)
FROM (
    SELECT date_trunc('day', us."createdAt", 'UTC') + INTERVAL '12 hours' AS "day",
        CASE WHEN CAST(:pseudonym AS TEXT) IS NULL THEN us."userID" END AS "userID",
        CASE WHEN CAST(:pseudonym AS TEXT) IS NULL THEN us."type" END AS "type",
        us."modelID", us."agentID",
        COALESCE(us."inputTokens", 0) AS "inputTokens", COALESCE(us."outputTokens", 0) AS "outputTokens",
        COALESCE(us."cacheReadTokens", 0) AS "cacheReadTokens",
        COALESCE(us."cacheWriteTokens", 0) AS "cacheWriteTokens", COALESCE(us."cost", 0) AS "cost",
        CASE
            WHEN us."inputTokens" NOT BETWEEN -1000000000000000 AND 1000000000000000
                OR us."outputTokens" NOT BETWEEN -1000000000000000 AND 1000000000000000
                OR us."cacheReadTokens" NOT BETWEEN -1000000000000000 AND 1000000000000000
                OR us."cacheWriteTokens" NOT BETWEEN -1000000000000000 AND 1000000000000000
                OR us."cost" NOT BETWEEN -100000 AND 100000
            THEN us."id"
        END AS "alone",
        CASE
            WHEN us."requestId" IS NOT NULL THEN EXISTS (
                SELECT 1 FROM "Usage" l
                WHERE l."userID" = us."userID" AND l."requestId" = us."requestId" AND l."id" > us."id"
                    AND l."createdAt" < date_trunc('day', us."createdAt", 'UTC') + INTERVAL '1 day'
            )
            WHEN us."messageID" IS NOT NULL THEN EXISTS (
                SELECT 1 FROM "Usage" l
                WHERE l."messageID" = us."messageID" AND l."requestId" IS NULL AND l."id" > us."id"
                    AND l."createdAt" < date_trunc('day', us."createdAt", 'UTC') + INTERVAL '1 day'
            )
            ELSE FALSE
        END AS "isContinued"
    FROM "Usage" us
    WHERE us."id" = ANY (ARRAY(SELECT CAST(one AS BIGINT) FROM jsonb_array_elements_text(CAST(:ids AS JSONB)) one))
        AND us."createdAt" IS NOT NULL
) u
GROUP BY u."day", u."userID", u."modelID", u."type", u."agentID", u."alone";

-- name: roll_up (sqlite)
-- See above.
INSERT INTO "agentdb_usage_day" (
    "day", "userID", "pseudonym", "modelID", "type", "agentID", "inputTokens", "outputTokens", "cacheReadTokens",
    "cacheWriteTokens", "cost", "rows", "requests", "createdAt", "updatedAt"
)
SELECT u."date" || ' 12:00:00.000000+00:00', u."userID", :pseudonym, u."modelID", u."type", u."agentID",
    SUM(u."inputTokens"), SUM(u."outputTokens"), SUM(u."cacheReadTokens"), SUM(u."cacheWriteTokens"), SUM(u."cost"),
    COUNT(*), COUNT(*) - SUM(u."isContinued"), :now, :now
FROM (
    SELECT substr(us."createdAt", 1, 10) AS "date",
        CASE WHEN :pseudonym IS NULL THEN us."userID" END AS "userID",
        CASE WHEN :pseudonym IS NULL THEN us."type" END AS "type",
        us."modelID", us."agentID",
        COALESCE(us."inputTokens", 0) AS "inputTokens", COALESCE(us."outputTokens", 0) AS "outputTokens",
        COALESCE(us."cacheReadTokens", 0) AS "cacheReadTokens",
        COALESCE(us."cacheWriteTokens", 0) AS "cacheWriteTokens", COALESCE(us."cost", 0) AS "cost",
        CASE
            WHEN us."inputTokens" NOT BETWEEN -1000000000000000 AND 1000000000000000
                OR us."outputTokens" NOT BETWEEN -1000000000000000 AND 1000000000000000
                OR us."cacheReadTokens" NOT BETWEEN -1000000000000000 AND 1000000000000000
                OR us."cacheWriteTokens" NOT BETWEEN -1000000000000000 AND 1000000000000000
                OR us."cost" NOT BETWEEN -1000000000000000 AND 1000000000000000
            THEN us."id"
        END AS "alone",
        CASE
            WHEN us."requestId" IS NOT NULL THEN EXISTS (
                SELECT 1 FROM "Usage" l
                WHERE l."userID" = us."userID" AND l."requestId" = us."requestId" AND l."id" > us."id"
                    AND substr(l."createdAt", 1, 10) = substr(us."createdAt", 1, 10)
            )
            WHEN us."messageID" IS NOT NULL THEN EXISTS (
                SELECT 1 FROM "Usage" l
                WHERE l."messageID" = us."messageID" AND l."requestId" IS NULL AND l."id" > us."id"
                    AND substr(l."createdAt", 1, 10) = substr(us."createdAt", 1, 10)
            )
            ELSE FALSE
        END AS "isContinued"
    FROM "Usage" us
    WHERE us."id" IN (SELECT one."value" FROM json_each(:ids) one) AND us."createdAt" IS NOT NULL
) u
GROUP BY u."date", u."userID", u."modelID", u."type", u."agentID", u."alone";

-- name: remove_usage (postgres)
-- Rows whose sums are kept. Served by the primary key.
DELETE FROM "Usage"
WHERE "id" = ANY (ARRAY(SELECT CAST(one AS BIGINT) FROM jsonb_array_elements_text(CAST(:ids AS JSONB)) one));

-- name: remove_usage (sqlite)
-- See above. Served by the primary key.
DELETE FROM "Usage" WHERE "id" IN (SELECT one."value" FROM json_each(:ids) one);

-- name: count_old_usage
-- Served by Usage_createdAt_idx.
SELECT COUNT(*) AS "rows" FROM "Usage" WHERE "createdAt" < :before;

-- name: old_conversations
-- Those with messages of before an instant, in the order of ids. Served by the primary key and
-- Message_conversationID_createdAt_idx.
SELECT c."id" FROM "Conversation" c
WHERE c."id" > :after_id
    AND (SELECT MIN(m."createdAt") FROM "Message" m WHERE m."conversationID" = c."id") < :before
ORDER BY c."id"
LIMIT :limit;

-- name: binned_conversations
-- Those that were deleted before an instant. Served by Conversation_deleted_idx or the primary key.
SELECT c."id" FROM "Conversation" c
WHERE c."deleted" AND COALESCE(c."deletedAt", c."updatedAt") < :before AND c."id" > :after_id
ORDER BY c."id"
LIMIT :limit;

-- name: hold_conversation (postgres)
-- Nobody adds to it, or indexes what it holds, until the commit. Served by the primary key.
SELECT "id", COALESCE("deleted", FALSE) AND COALESCE("deletedAt", "updatedAt") < :before AS "isBinned"
FROM "Conversation" WHERE "id" = :conversation_id
FOR UPDATE;

-- name: hold_conversation (sqlite)
-- A write transaction holds the only write lock from its BEGIN on. Served by the primary key.
SELECT "id", COALESCE("deleted", FALSE) AND COALESCE("deletedAt", "updatedAt") < :before AS "isBinned"
FROM "Conversation" WHERE "id" = :conversation_id;

-- name: first_kept
-- The message from which on a conversation is kept whatever its age: one that goes on keeps what its context may have,
-- from its summary on or else its :context newest. After the lock. Served by the primary key and the indexes of messages
-- by conversation.
SELECT CASE
        WHEN NOT EXISTS (
            SELECT 1 FROM "Message" m WHERE m."conversationID" = c."id" AND m."createdAt" >= :before
        ) THEN :highest
        WHEN c."summaryMessageID" > 0 THEN c."summaryMessageID"
        ELSE COALESCE(
            (
                SELECT m."id" FROM "Message" m WHERE m."conversationID" = c."id"
                ORDER BY m."id" DESC LIMIT 1 OFFSET :context
            ),
            0
        )
    END AS "id"
FROM "Conversation" c
WHERE c."id" = :conversation_id;

-- name: old_messages
-- A slice of a conversation's old messages: how many, and the last of them. Served by the indexes of messages by
-- conversation.
SELECT COUNT(*) AS "messages", MAX(one."id") AS "last"
FROM (
    SELECT m."id" FROM "Message" m
    WHERE m."conversationID" = :conversation_id AND m."createdAt" < :before AND m."id" < :first_kept
    ORDER BY m."id"
    LIMIT :limit
) one;

-- name: hanging
-- What hangs on the messages of a slice. Served by indexes of messages, Resource_messageID_idx and
-- Vector_resourceID_order_idx.
SELECT COUNT(DISTINCT r."id") AS "resources", COUNT(v."id") AS "chunks"
FROM "Message" m
JOIN "Resource" r ON r."messageID" = m."id"
LEFT JOIN "Vector" v ON v."resourceID" = r."id"
WHERE m."conversationID" = :conversation_id AND m."createdAt" < :before AND m."id" <= :last;

-- name: remove_chunks
-- Served as `hanging` is.
DELETE FROM "Vector" WHERE "resourceID" IN (
    SELECT r."id" FROM "Resource" r JOIN "Message" m ON m."id" = r."messageID"
    WHERE m."conversationID" = :conversation_id AND m."createdAt" < :before AND m."id" <= :last
);

-- name: remove_resources
-- Served as `hanging` is.
DELETE FROM "Resource" WHERE "messageID" IN (
    SELECT m."id" FROM "Message" m
    WHERE m."conversationID" = :conversation_id AND m."createdAt" < :before AND m."id" <= :last
);

-- name: remove_messages
-- Foreign keys set null what answered them, the conversation's summary if it is among them, and their usage; and take
-- their words along. Served by the indexes of messages by conversation.
DELETE FROM "Message" WHERE "conversationID" = :conversation_id AND "createdAt" < :before AND "id" <= :last;

-- name: hanging_on_conversation
-- All that goes with a conversation. Served by the indexes by conversation, Resource_messageID_idx and
-- Vector_resourceID_order_idx.
WITH resources AS (
    SELECT r."id" FROM "Resource" r WHERE r."conversationID" = :conversation_id
    UNION
    SELECT r."id" FROM "Resource" r
    WHERE r."messageID" IN (SELECT m."id" FROM "Message" m WHERE m."conversationID" = :conversation_id)
), chunks AS (
    SELECT v."id" FROM "Vector" v WHERE v."conversationID" = :conversation_id
    UNION
    SELECT v."id" FROM resources one JOIN "Vector" v ON v."resourceID" = one."id"
)
SELECT (SELECT COUNT(*) FROM "Message" m WHERE m."conversationID" = :conversation_id) AS "messages",
    (SELECT COUNT(*) FROM resources) AS "resources", (SELECT COUNT(*) FROM chunks) AS "chunks";

-- name: count_unindexed
-- Messages that no search has indexed yet; reads the marks of all conversations. Served by
-- Message_conversationID_id_idx.
SELECT COUNT(*) AS "messages"
FROM "Conversation" c
LEFT JOIN "agentdb_search_mark" k ON k."conversationID" = c."id"
JOIN "Message" m ON m."conversationID" = c."id" AND m."id" > COALESCE(k."messageID", 0)
WHERE NOT COALESCE(c."deleted", FALSE);

-- name: count_expired
-- Served by agentdb_reservation_state_expiresAt_idx.
SELECT COUNT(*) AS "reservations" FROM "agentdb_reservation" WHERE "state" = 'held' AND "expiresAt" <= :now;

-- name: hold_user (postgres)
-- Whoever writes for this user waits, and then finds nobody. Served by the primary key.
SELECT "id" FROM "User" WHERE "id" = :user_id FOR UPDATE;

-- name: hold_user (sqlite)
-- A write transaction holds the only write lock from its BEGIN on. Served by the primary key.
SELECT "id" FROM "User" WHERE "id" = :user_id;

-- name: hold_conversations_of_user (postgres)
-- After the user. Served by Conversation_userID_createdAt_idx.
SELECT "id" FROM "Conversation" WHERE "userID" = :user_id ORDER BY "id" FOR UPDATE;

-- name: hold_conversations_of_user (sqlite)
-- After the user. Served by Conversation_userID_createdAt_idx.
SELECT "id" FROM "Conversation" WHERE "userID" = :user_id ORDER BY "id";

-- name: usage_of_user
-- In the order in which requests went on, as they count with their last row. Served by Usage_userID_createdAt_idx or
-- Usage_userID_idx.
SELECT "id" FROM "Usage" WHERE "userID" = :user_id ORDER BY "createdAt", "id" LIMIT :limit;

-- name: forget_user_of_days
-- Sums stay without their user, and without the caller's own words. Served by agentdb_usage_day_userID_day_idx.
UPDATE "agentdb_usage_day" SET "userID" = NULL, "pseudonym" = :pseudonym, "type" = NULL, "updatedAt" = :now
WHERE "userID" = :user_id
RETURNING "id";
