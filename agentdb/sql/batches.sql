-- Writes of many callers as one statement, for engines that merge writes (`Dialect.merges_writes`); the others group
-- commits and need none of these. A parameter called ..._list is an array with one place for each member, in the order
-- of arrival, and so are the rows that come back: whatever was refused shows in the row of its member.
--
-- Locks are taken in the order of ids, so flights of any number of processes cannot deadlock. The snapshot of a
-- statement is older than the locks that it waits for: a locked row is seen as it is now, everything else as it was, so
-- a request_id that another process uses at the same time shows as a violated index. Ids are made when all locks are
-- held, in the order of arrival: they grow in the order of commits. Parameters stand in a subquery of their own where a
-- planner that sees their values would make a new plan for each call, which takes as long as the statement; and what is
-- looked up for each member is no EXISTS, for which a planner may read a whole table of moderate size.

-- name: append (postgres)
-- Served by primary keys, Message_conversationID_id_idx and Message_conversationID_requestId_requestIndex_idx.
WITH locked AS MATERIALIZED (
    SELECT "id", "userID" FROM "Conversation"
    WHERE "id" = ANY(CAST((SELECT CAST(:conversation_list AS BIGINT[])) AS BIGINT[])) AND NOT COALESCE("deleted", FALSE)
    ORDER BY "id"
    FOR NO KEY UPDATE
),
checked AS (
    SELECT i.*, c."id" IS NOT NULL AS "isFound",
        i."parentID" IS NULL OR (
            SELECT TRUE FROM "Message" p WHERE p."id" = i."parentID" AND p."conversationID" = i."conversationID"
        ) IS NOT NULL AS "hasParent",
        i."requestId" IS NOT NULL AND (
            SELECT TRUE FROM "Message" m WHERE m."conversationID" = i."conversationID" AND m."requestId" = i."requestId"
            LIMIT 1
        ) IS NOT NULL AS "isRepeated"
    FROM unnest(
        (SELECT CAST(:conversation_list AS BIGINT[])),
        (SELECT CAST(:user_list AS BIGINT[])),
        (SELECT CAST(:parent_list AS BIGINT[])),
        (SELECT CAST(:role_list AS TEXT[])),
        (SELECT CAST(:content_list AS TEXT[])),
        (SELECT CAST(:request_list AS TEXT[]))
    ) WITH ORDINALITY AS i ("conversationID", "userID", "parentID", "role", "content", "requestId", "position")
    LEFT JOIN locked c ON c."id" = i."conversationID" AND c."userID" = i."userID"
    ORDER BY i."position"
),
numbered AS MATERIALIZED (
    SELECT *, CASE WHEN "isFound" AND "hasParent" AND NOT "isRepeated" THEN nextval('"Message_id_seq"') END AS "id"
    FROM checked
),
touched AS (
    UPDATE "Conversation" SET "updatedAt" = CASE WHEN "updatedAt" > :now THEN "updatedAt" ELSE :now END
    WHERE "id" = ANY(CAST(ARRAY(SELECT "conversationID" FROM numbered WHERE "id" IS NOT NULL) AS BIGINT[]))
),
added AS (
    INSERT INTO "Message" (
        "id", "conversationID", "parentID", "role", "content", "createdAt", "updatedAt", "requestId", "requestIndex"
    )
    SELECT "id", "conversationID", "parentID", "role", CAST("content" AS JSONB), :now, :now, "requestId",
        CASE WHEN "requestId" IS NOT NULL THEN 0 END
    FROM numbered
    WHERE "id" IS NOT NULL
)
SELECT "isFound", "hasParent", "isRepeated", "id"
FROM numbered
ORDER BY "position";

-- name: append_alone (postgres)
-- The same for one member, without arrays, which is a fifth faster for a caller who has the database to himself. No row
-- back means that it was refused. Served as `append`.
WITH given AS MATERIALIZED (
    SELECT CAST(:parent_id AS BIGINT) AS "parentID", CAST(:request_id AS TEXT) AS "requestId"
),
touched AS (
    UPDATE "Conversation" c SET "updatedAt" = CASE WHEN c."updatedAt" > :now THEN c."updatedAt" ELSE :now END
    FROM given g
    WHERE c."id" = :conversation_id AND c."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE)
        AND (
            g."parentID" IS NULL
            OR EXISTS (SELECT 1 FROM "Message" p WHERE p."id" = g."parentID" AND p."conversationID" = c."id")
        )
        AND (
            g."requestId" IS NULL
            OR NOT EXISTS (SELECT 1 FROM "Message" m WHERE m."conversationID" = c."id" AND m."requestId" = g."requestId")
        )
    RETURNING c."id", g."parentID", g."requestId"
)
INSERT INTO "Message" (
    "conversationID", "parentID", "role", "content", "createdAt", "updatedAt", "requestId", "requestIndex"
)
SELECT "id", "parentID", :role, CAST(CAST(:content AS TEXT) AS JSONB), :now, :now, "requestId",
    CASE WHEN "requestId" IS NOT NULL THEN 0 END
FROM touched
RETURNING "id";

-- name: record (postgres)
-- The charges of one user are taken one after the other, each if the balance then allows it: one that is too big does
-- not refuse a smaller one behind it. A cost is rounded once, half-even, as `engine.money.cost_usd` does it: "units" are
-- 1e-10 dollars, with three decimals. Users with expired reservations are left to `facts`. Served by primary keys,
-- Model_internalName_idx, UserAgent_userID_agentID_idx, Usage_userID_requestId_requestIndex_idx and
-- agentdb_reservation_userID_state_expiresAt_idx.
-- `priced` is materialized because the planner would look up and multiply once for each mention of a result.
WITH RECURSIVE account AS MATERIALIZED (
    SELECT "id", "budget" IS NOT NULL AS "isLimited", CAST(COALESCE("remaining", "budget") AS NUMERIC) AS "balance"
    FROM "User"
    WHERE "id" = ANY(CAST((SELECT CAST(:user_list AS BIGINT[])) AS BIGINT[]))
    ORDER BY "id"
    FOR NO KEY UPDATE
),
priced AS MATERIALIZED (
    SELECT i.*, u."isLimited", m."id" AS "modelID",
        i."agentID" IS NULL OR (
            SELECT TRUE FROM "Agent" a
            WHERE a."id" = i."agentID" AND (
                a."userID" IS NULL
                OR a."userID" = i."userID"
                OR (
                    SELECT TRUE FROM "UserAgent" ua WHERE ua."userID" = i."userID" AND ua."agentID" = a."id" LIMIT 1
                )
            )
        ) IS NOT NULL AS "hasAgent",
        i."messageID" IS NULL OR (
            SELECT TRUE FROM "Message" s JOIN "Conversation" c ON c."id" = s."conversationID"
            WHERE s."id" = i."messageID" AND c."userID" = i."userID"
        ) IS NOT NULL AS "hasMessage",
        i."requestId" IS NOT NULL AND (
            SELECT TRUE FROM "Usage" e WHERE e."userID" = i."userID" AND e."requestId" = i."requestId" LIMIT 1
        ) IS NOT NULL AS "isRepeated",
        (
            SELECT TRUE FROM "agentdb_reservation" r
            WHERE r."userID" = i."userID" AND r."state" = 'held' AND r."expiresAt" <= :now
            LIMIT 1
        ) IS NOT NULL AS "hasExpired",
        10000000 * (
            i."inputTokens" * COALESCE(m."cost1kInput", 0)
            + i."outputTokens" * COALESCE(m."cost1kOutput", 0)
            + i."cacheReadTokens" * COALESCE(m."cost1kCacheRead", 0)
            + i."cacheWriteTokens" * COALESCE(m."cost1kCacheWrite", 0)
        ) AS "units"
    FROM unnest(
        (SELECT CAST(:user_list AS BIGINT[])),
        (SELECT CAST(:model_list AS TEXT[])),
        (SELECT CAST(:type_list AS TEXT[])),
        (SELECT CAST(:agent_list AS BIGINT[])),
        (SELECT CAST(:message_list AS BIGINT[])),
        (SELECT CAST(:input_list AS BIGINT[])),
        (SELECT CAST(:output_list AS BIGINT[])),
        (SELECT CAST(:cache_read_list AS BIGINT[])),
        (SELECT CAST(:cache_write_list AS BIGINT[])),
        (SELECT CAST(:request_list AS TEXT[])),
        (SELECT CAST(:lowest_list AS NUMERIC[]))
    ) WITH ORDINALITY AS i (
        "userID", "model", "type", "agentID", "messageID", "inputTokens", "outputTokens", "cacheReadTokens",
        "cacheWriteTokens", "requestId", "lowest", "position"
    )
    LEFT JOIN account u ON u."id" = i."userID"
    LEFT JOIN "Model" m ON m."internalName" = i."model"
),
costed AS MATERIALIZED (
    SELECT *,
        0.0000000001 * (
            trunc("units") + CASE
                WHEN abs("units" - trunc("units")) + 0.0001 * abs(mod(trunc("units"), 2)) > 0.5 THEN sign("units")
                ELSE 0
            END
        ) AS "cost",
        "modelID" IS NOT NULL AND "hasAgent" AND "hasMessage" AND NOT "isRepeated" AND NOT "hasExpired"
            AND abs("units") <= 10000000000 * CAST(:highest AS NUMERIC) AS "isSound",
        row_number() OVER (PARTITION BY "userID" ORDER BY "position") AS "turn"
    FROM priced
),
charged AS (
    SELECT "id" AS "userID", CAST(0 AS BIGINT) AS "turn", FALSE AS "isTaken", "balance" FROM account
    UNION ALL
    SELECT c."userID", c."turn", d."isTaken", b."balance" - CASE WHEN d."isTaken" THEN c."cost" ELSE 0 END
    FROM charged b
    JOIN costed c ON c."userID" = b."userID" AND c."turn" = b."turn" + 1
    CROSS JOIN LATERAL (
        SELECT c."isSound" AND (NOT c."isLimited" OR b."balance" - c."cost" BETWEEN c."lowest" AND :highest) AS "isTaken"
    ) d
),
answered AS (
    SELECT c.*, COALESCE(d."isTaken", FALSE) AS "isTaken", CASE WHEN c."isLimited" THEN d."balance" END AS "remaining"
    FROM costed c
    LEFT JOIN charged d ON d."userID" = c."userID" AND d."turn" = c."turn"
    ORDER BY c."position"
),
numbered AS MATERIALIZED (
    SELECT *, CASE WHEN "isTaken" THEN nextval('"Usage_id_seq"') END AS "id" FROM answered
),
paid AS (
    UPDATE "User" u
    SET "remaining" = CASE WHEN b."isLimited" THEN b."remaining" ELSE u."remaining" END, "updatedAt" = :now
    FROM (
        SELECT DISTINCT ON ("userID") "userID", "isLimited", "remaining" FROM numbered
        WHERE "isTaken"
        ORDER BY "userID", "turn" DESC
    ) b
    WHERE u."id" = b."userID"
),
recorded AS (
    INSERT INTO "Usage" (
        "id", "userID", "modelID", "type", "agentID", "messageID", "inputTokens", "outputTokens", "cacheReadTokens",
        "cacheWriteTokens", "cost", "createdAt", "updatedAt", "requestId", "requestIndex"
    )
    SELECT "id", "userID", "modelID", "type", "agentID", "messageID", "inputTokens", "outputTokens", "cacheReadTokens",
        "cacheWriteTokens", "cost", :now, :now, "requestId", CASE WHEN "requestId" IS NOT NULL THEN 0 END
    FROM numbered
    WHERE "isTaken"
)
SELECT "isLimited" IS NOT NULL AS "isFound", "modelID" IS NOT NULL AS "hasModel", "hasAgent", "hasMessage",
    "isRepeated", "hasExpired", "isSound", "id", "cost", "remaining"
FROM numbered
ORDER BY "position";

-- name: record_alone (postgres)
-- The same for one member, as with `append_alone`. Served as `record`.
WITH given AS MATERIALIZED (
    SELECT CAST(:agent_id AS BIGINT) AS "agentID", CAST(:message_id AS BIGINT) AS "messageID",
        CAST(:request_id AS TEXT) AS "requestId"
),
priced AS MATERIALIZED (
    SELECT g.*, m."id" AS "modelID",
        10000000 * (
            CAST(:input_tokens AS BIGINT) * COALESCE(m."cost1kInput", 0)
            + CAST(:output_tokens AS BIGINT) * COALESCE(m."cost1kOutput", 0)
            + CAST(:cache_read_tokens AS BIGINT) * COALESCE(m."cost1kCacheRead", 0)
            + CAST(:cache_write_tokens AS BIGINT) * COALESCE(m."cost1kCacheWrite", 0)
        ) AS "units"
    FROM given g, "Model" m
    WHERE m."internalName" = :model
        AND (
            g."agentID" IS NULL
            OR EXISTS (
                SELECT 1 FROM "Agent" a
                WHERE a."id" = g."agentID" AND (
                    a."userID" IS NULL
                    OR a."userID" = :user_id
                    OR EXISTS (SELECT 1 FROM "UserAgent" ua WHERE ua."userID" = :user_id AND ua."agentID" = a."id")
                )
            )
        )
        AND (
            g."messageID" IS NULL
            OR EXISTS (
                SELECT 1 FROM "Message" s JOIN "Conversation" c ON c."id" = s."conversationID"
                WHERE s."id" = g."messageID" AND c."userID" = :user_id
            )
        )
        AND (
            g."requestId" IS NULL
            OR NOT EXISTS (SELECT 1 FROM "Usage" e WHERE e."userID" = :user_id AND e."requestId" = g."requestId")
        )
        AND NOT EXISTS (
            SELECT 1 FROM "agentdb_reservation" r
            WHERE r."userID" = :user_id AND r."state" = 'held' AND r."expiresAt" <= :now
        )
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
    WHERE abs("units") <= 10000000000 * CAST(:highest AS NUMERIC)
),
paid AS (
    UPDATE "User" u
    SET "remaining" = CASE
            WHEN u."budget" IS NULL THEN u."remaining"
            ELSE COALESCE(u."remaining", u."budget") - c."cost"
        END,
        "updatedAt" = :now
    FROM costed c
    WHERE u."id" = :user_id AND (
        u."budget" IS NULL OR COALESCE(u."remaining", u."budget") - c."cost" BETWEEN :lowest AND :highest
    )
    RETURNING u."id" AS "userID", CASE WHEN u."budget" IS NOT NULL THEN u."remaining" END AS "remaining", c.*
),
recorded AS (
    INSERT INTO "Usage" (
        "userID", "modelID", "type", "agentID", "messageID", "inputTokens", "outputTokens", "cacheReadTokens",
        "cacheWriteTokens", "cost", "createdAt", "updatedAt", "requestId", "requestIndex"
    )
    SELECT "userID", "modelID", CAST(:type AS TEXT), "agentID", "messageID", :input_tokens, :output_tokens,
        :cache_read_tokens, :cache_write_tokens, "cost", :now, :now, "requestId",
        CASE WHEN "requestId" IS NOT NULL THEN 0 END
    FROM paid
    RETURNING "id"
)
SELECT r."id", p."cost", p."remaining" FROM recorded r, paid p;
