-- One turn of an agent in as few round trips as there can be: all that it has to know, and all that it leaves behind.

-- name: begin (postgres)
-- What `context` of conversations gives, with the same parameters, and beside it the balance, as in `balance` of usage,
-- and for each message its resources as a JSON list: one statement, so all of it is of one moment. A message has at most
-- as many resources as a context, the newest. The balance is looked up once, and not for each message, and so are
-- resources only where there are some. Served by Message_conversationID_id_idx, Resource_messageID_idx,
-- agentdb_reservation_userID_state_expiresAt_idx and primary keys.
WITH account AS MATERIALIZED (
    SELECT b."id", CASE WHEN b."budget" IS NOT NULL THEN COALESCE(b."remaining", b."budget") END AS "remaining",
        0 /* if support_tables */ + (
            SELECT COALESCE(SUM(h."held"), 0) FROM "agentdb_reservation" h
            WHERE h."userID" = b."id" AND h."state" = 'held' AND h."expiresAt" <= :now
        ) /* end */ AS "expired"
    FROM "User" b
    WHERE b."id" = :user_id
)
SELECT c."id" AS "conversation.id", c."userID" AS "conversation.userID", c."agentID" AS "conversation.agentID",
    c."title" AS "conversation.title", c."deleted" AS "conversation.deleted",
    c."deletedAt" AS "conversation.deletedAt", c."summaryMessageID" AS "conversation.summaryMessageID",
    c."createdAt" AS "conversation.createdAt", c."updatedAt" AS "conversation.updatedAt",
    m."id", m."conversationID", m."parentID", m."role", m."content", m."createdAt", m."updatedAt"
    /* if request_ids */ , m."requestId" /* end */ ,
    u."remaining", u."expired",
    CASE WHEN (SELECT TRUE FROM "Resource" a WHERE a."messageID" = m."id" LIMIT 1) THEN (
        SELECT CAST(json_agg(json_build_array(
            r."id", r."agentID", r."messageID", r."name", r."type", r."content", r."s3Uri",
            CAST(r."metadata" AS TEXT), r."createdAt", r."updatedAt"
            /* if resource_owners */ , r."userID", r."conversationID" /* end */
        )) AS TEXT)
        FROM (
            SELECT * FROM "Resource" o
            WHERE o."messageID" = m."id"
                /* if resource_owners */ AND (o."userID" IS NULL OR o."userID" = :user_id) /* end */
            ORDER BY o."createdAt" IS NULL DESC, o."createdAt" DESC, o."id" DESC
            LIMIT 1000
        ) r
    ) END AS "resources"
FROM "Conversation" c
JOIN account u ON u."id" = c."userID"
LEFT JOIN (
    SELECT * FROM (
        SELECT * FROM "Message"
        WHERE "conversationID" = :conversation_id AND "id" > COALESCE(
            (SELECT s."summaryMessageID" FROM "Conversation" s WHERE s."id" = :conversation_id AND :starts_at_summary), 0
        )
        ORDER BY "id" DESC
        LIMIT :limit
    ) newest
    UNION ALL
    SELECT * FROM "Message"
    WHERE "conversationID" = :conversation_id AND "id" = (
        SELECT s."summaryMessageID" FROM "Conversation" s WHERE s."id" = :conversation_id AND :starts_at_summary
    )
) m ON m."conversationID" = c."id"
WHERE c."id" = :conversation_id AND c."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE)
ORDER BY m."id" DESC;

-- name: begin (sqlite)
-- The same, with SQLite's names for JSON.
WITH account AS MATERIALIZED (
    SELECT b."id", CASE WHEN b."budget" IS NOT NULL THEN COALESCE(b."remaining", b."budget") END AS "remaining",
        0 /* if support_tables */ + (
            SELECT COALESCE(SUM(h."held"), 0) FROM "agentdb_reservation" h
            WHERE h."userID" = b."id" AND h."state" = 'held' AND h."expiresAt" <= :now
        ) /* end */ AS "expired"
    FROM "User" b
    WHERE b."id" = :user_id
)
SELECT c."id" AS "conversation.id", c."userID" AS "conversation.userID", c."agentID" AS "conversation.agentID",
    c."title" AS "conversation.title", c."deleted" AS "conversation.deleted",
    c."deletedAt" AS "conversation.deletedAt", c."summaryMessageID" AS "conversation.summaryMessageID",
    c."createdAt" AS "conversation.createdAt", c."updatedAt" AS "conversation.updatedAt",
    m."id", m."conversationID", m."parentID", m."role", m."content", m."createdAt", m."updatedAt"
    /* if request_ids */ , m."requestId" /* end */ ,
    u."remaining", u."expired",
    CASE WHEN (SELECT TRUE FROM "Resource" a WHERE a."messageID" = m."id" LIMIT 1) THEN (
        SELECT json_group_array(json_array(
            r."id", r."agentID", r."messageID", r."name", r."type", r."content", r."s3Uri",
            r."metadata", r."createdAt", r."updatedAt"
            /* if resource_owners */ , r."userID", r."conversationID" /* end */
        ))
        FROM (
            SELECT * FROM "Resource" o
            WHERE o."messageID" = m."id"
                /* if resource_owners */ AND (o."userID" IS NULL OR o."userID" = :user_id) /* end */
            ORDER BY o."createdAt" IS NULL DESC, o."createdAt" DESC, o."id" DESC
            LIMIT 1000
        ) r
    ) END AS "resources"
FROM "Conversation" c
JOIN account u ON u."id" = c."userID"
LEFT JOIN (
    SELECT * FROM (
        SELECT * FROM "Message"
        WHERE "conversationID" = :conversation_id AND "id" > COALESCE(
            (SELECT s."summaryMessageID" FROM "Conversation" s WHERE s."id" = :conversation_id AND :starts_at_summary), 0
        )
        ORDER BY "id" DESC
        LIMIT :limit
    ) newest
    UNION ALL
    SELECT * FROM "Message"
    WHERE "conversationID" = :conversation_id AND "id" = (
        SELECT s."summaryMessageID" FROM "Conversation" s WHERE s."id" = :conversation_id AND :starts_at_summary
    )
) m ON m."conversationID" = c."id"
WHERE c."id" = :conversation_id AND c."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE)
ORDER BY m."id" DESC;

-- name: charged
-- Which agents the usage of a turn names: it has the turn's request_id and its time. Served by
-- Usage_userID_requestId_requestIndex_idx.
SELECT us."agentID" FROM "Usage" us
WHERE us."userID" = :user_id AND us."requestId" = :request_id AND us."createdAt" = :moment
ORDER BY us."requestIndex";

-- name: finish (postgres)
-- All that a turn leaves behind, for engines that merge writes: messages as a JSON list, for each the first letter of
-- its role, and a JSON list of what they follow; its usage as a JSON list too. No row back means that nothing was done,
-- and the ordinary steps have to do it or to say why not.
--
-- Locks are taken in the order User, Conversation; ids are made when both are held. The snapshot is older than the
-- locks: a locked row is seen as it is now, everything else as it was. So the last message is what :expected says only
-- if the conversation's row is still the one of the snapshot, which every append replaces. A cost is rounded as in
-- `record` of batches. Served by primary keys, Message_conversationID_id_idx, Model_internalName_idx,
-- UserAgent_userID_agentID_idx, Message_conversationID_requestId_requestIndex_idx,
-- Usage_userID_requestId_requestIndex_idx and agentdb_reservation_userID_state_expiresAt_idx.
WITH given AS MATERIALIZED (
    SELECT CAST(:request_id AS TEXT) AS "requestId", CAST(:expected AS BIGINT) AS "expected",
        CAST(:roles AS BYTEA) AS "roles", CAST(:parents AS JSONB) AS "parents"
),
account AS MATERIALIZED (
    SELECT "id", "budget" IS NOT NULL AS "isLimited", CAST(COALESCE("remaining", "budget") AS NUMERIC) AS "balance"
    FROM "User"
    WHERE "id" = :user_id
    FOR NO KEY UPDATE
),
talk AS MATERIALIZED (
    SELECT c."id", c."agentID"
    FROM account u, given g, "Conversation" c
    WHERE c."id" = :conversation_id AND c."userID" = u."id" AND NOT COALESCE(c."deleted", FALSE) AND (
        g."expected" IS NULL
        OR (
            c.ctid = (SELECT s.ctid FROM "Conversation" s WHERE s."id" = :conversation_id)
            AND g."expected" = COALESCE(
                (SELECT MAX(l."id") FROM "Message" l WHERE l."conversationID" = :conversation_id), 0
            )
        )
    )
    FOR NO KEY UPDATE OF c
),
said AS MATERIALIZED (
    SELECT i."number", i."content", i."role", i."parentID",
        i."parentID" IS NULL OR (
            SELECT TRUE FROM "Message" p WHERE p."id" = i."parentID" AND p."conversationID" = :conversation_id
        ) IS NOT NULL AS "hasParent"
    FROM (
        SELECT l."number", l."content",
            CASE get_byte(g."roles", CAST(l."number" - 1 AS INTEGER))
                WHEN ascii('u') THEN 'user' ELSE 'assistant'
            END AS "role",
            CAST(g."parents" ->> CAST(l."number" - 1 AS INTEGER) AS BIGINT) AS "parentID"
        FROM given g, jsonb_array_elements(CAST(:contents AS JSONB)) WITH ORDINALITY AS l ("content", "number")
    ) i
),
priced AS (
    SELECT i.*, m."id" AS "modelID",
        i."agent_id" IS NULL OR (
            SELECT TRUE FROM "Agent" a
            WHERE a."id" = i."agent_id" AND (
                a."userID" IS NULL
                OR a."userID" = :user_id
                OR (SELECT TRUE FROM "UserAgent" ua WHERE ua."userID" = :user_id AND ua."agentID" = a."id" LIMIT 1)
            )
        ) IS NOT NULL AS "hasAgent",
        i."message_id" IS NULL OR (
            SELECT TRUE FROM "Message" s
            WHERE s."id" = i."message_id"
                AND (SELECT c."userID" FROM "Conversation" c WHERE c."id" = s."conversationID") = :user_id
        ) IS NOT NULL AS "hasMessage",
        10000000 * (
            i."input_tokens" * COALESCE(m."cost1kInput", 0)
            + i."output_tokens" * COALESCE(m."cost1kOutput", 0)
            + i."cache_read_tokens" * COALESCE(m."cost1kCacheRead", 0)
            + i."cache_write_tokens" * COALESCE(m."cost1kCacheWrite", 0)
        ) AS "units"
    FROM jsonb_to_recordset(CAST(:items AS JSONB)) AS i (
        "index" BIGINT, "model" TEXT, "type" TEXT, "agent_id" BIGINT, "message_id" BIGINT, "input_tokens" BIGINT,
        "output_tokens" BIGINT, "cache_read_tokens" BIGINT, "cache_write_tokens" BIGINT
    )
    LEFT JOIN "Model" m ON m."internalName" = i."model"
),
costed AS MATERIALIZED (
    SELECT *,
        0.0000000001 * (
            trunc("units") + CASE
                WHEN abs("units" - trunc("units")) + 0.0001 * abs(mod(trunc("units"), 2)) > 0.5 THEN sign("units")
                ELSE 0
            END
        ) AS "cost"
    FROM priced
),
bill AS MATERIALIZED (
    SELECT COUNT(*) > 0 AS "isThere", COALESCE(SUM("cost"), 0) AS "cost",
        COALESCE(bool_and("modelID" IS NOT NULL AND "hasAgent" AND "hasMessage"), TRUE)
            AND COALESCE(MAX(abs("units")), 0) <= 10000000000 * CAST(:highest AS NUMERIC)
            AND abs(COALESCE(SUM("cost"), 0)) <= :highest AS "isSound"
    FROM costed
),
taken AS MATERIALIZED (
    SELECT t."id" AS "conversationID", u."id" AS "userID", g."requestId", b."isThere", b."cost", u."isLimited",
        CASE WHEN u."isLimited" THEN u."balance" - b."cost" END AS "remaining",
        (
            SELECT a."id" FROM "Agent" a
            WHERE a."id" = t."agentID" AND (
                a."userID" IS NULL
                OR a."userID" = u."id"
                OR (SELECT TRUE FROM "UserAgent" ua WHERE ua."userID" = u."id" AND ua."agentID" = a."id" LIMIT 1)
            )
        ) AS "agentID"
    FROM account u, talk t, bill b, given g
    WHERE b."isSound"
        AND (SELECT bool_and("hasParent") FROM said)
        AND (
            g."requestId" IS NULL
            OR (
                SELECT TRUE FROM "Message" m WHERE m."conversationID" = t."id" AND m."requestId" = g."requestId" LIMIT 1
            ) IS NULL
        )
        AND (
            NOT b."isThere"
            OR (
                (NOT u."isLimited" OR u."balance" - b."cost" BETWEEN :lowest AND :highest)
                AND (
                    SELECT TRUE FROM "agentdb_reservation" r
                    WHERE r."userID" = u."id" AND r."state" = 'held' AND r."expiresAt" <= :now
                    LIMIT 1
                ) IS NULL
                AND (
                    g."requestId" IS NULL
                    OR (
                        SELECT TRUE FROM "Usage" e WHERE e."userID" = u."id" AND e."requestId" = g."requestId" LIMIT 1
                    ) IS NULL
                )
            )
        )
),
messages AS MATERIALIZED (
    SELECT *, nextval('"Message_id_seq"') AS "id"
    FROM (
        SELECT t."conversationID", t."requestId", s."number", s."content", s."role", s."parentID"
        FROM taken t, said s
        ORDER BY s."number"
    ) ordered
),
usages AS MATERIALIZED (
    SELECT *, nextval('"Usage_id_seq"') AS "id"
    FROM (
        SELECT t."userID", t."requestId", c."index", c."modelID", c."type",
            COALESCE(c."agent_id", t."agentID") AS "agentID", COALESCE(c."message_id", spoken."id") AS "messageID",
            c."input_tokens", c."output_tokens", c."cache_read_tokens", c."cache_write_tokens", c."cost"
        FROM taken t, costed c, (
            SELECT COALESCE(MAX("id") FILTER (WHERE "role" = 'assistant'), MAX("id")) AS "id" FROM messages
        ) spoken
        ORDER BY c."index"
    ) ordered
),
touched AS (
    UPDATE "Conversation" c SET "updatedAt" = CASE WHEN c."updatedAt" > :now THEN c."updatedAt" ELSE :now END
    FROM taken t
    WHERE c."id" = t."conversationID"
),
added AS (
    INSERT INTO "Message" (
        "id", "conversationID", "parentID", "role", "content", "createdAt", "updatedAt", "requestId", "requestIndex"
    )
    SELECT "id", "conversationID", "parentID", "role", "content", :now, :now, "requestId",
        CASE WHEN "requestId" IS NOT NULL THEN "number" - 1 END
    FROM messages
),
paid AS (
    UPDATE "User" u
    SET "remaining" = CASE WHEN t."isLimited" THEN t."remaining" ELSE u."remaining" END, "updatedAt" = :now
    FROM taken t
    WHERE u."id" = t."userID" AND t."isThere"
),
recorded AS (
    INSERT INTO "Usage" (
        "id", "userID", "modelID", "type", "agentID", "messageID", "inputTokens", "outputTokens", "cacheReadTokens",
        "cacheWriteTokens", "cost", "createdAt", "updatedAt", "requestId", "requestIndex"
    )
    SELECT "id", "userID", "modelID", "type", "agentID", "messageID", "input_tokens", "output_tokens",
        "cache_read_tokens", "cache_write_tokens", "cost", :now, :now, "requestId",
        CASE WHEN "requestId" IS NOT NULL THEN "index" END
    FROM usages
)
SELECT t."cost", t."remaining", (SELECT array_agg(m."id" ORDER BY m."id") FROM messages m) AS "messageIDs",
    (SELECT array_agg(us."id" ORDER BY us."id") FROM usages us) AS "usageIDs"
FROM taken t;
