-- Conversations and their messages. Locks are taken in the order User, Conversation, then anything else.
--
-- "updatedAt" of a conversation never moves back, or two pages of a list could show it: a call takes the time before it
-- waits for the lock, and the clocks of two machines differ.
--
-- Order inside a conversation is the order of ids. Message_conversationID_id_idx serves it, which a database made by the
-- original package lacks: there the planner chooses.

-- name: start
INSERT INTO "Conversation" ("userID", "agentID", "title", "deleted", "createdAt", "updatedAt")
VALUES (:user_id, :agent_id, :title, FALSE, :now, :now)
RETURNING "id", "userID", "agentID", "title", "deleted", "deletedAt", "summaryMessageID", "createdAt", "updatedAt";

-- name: request
-- What an earlier call with this request_id gave. Served by agentdb_request_userID_operation_requestId_idx.
SELECT "digest", "resultID" FROM "agentdb_request"
WHERE "userID" = :user_id AND "operation" = :operation AND "requestId" = :request_id;

-- name: keep_request
INSERT INTO "agentdb_request" ("userID", "operation", "requestId", "digest", "resultID", "createdAt", "updatedAt")
VALUES (:user_id, :operation, :request_id, :digest, :result_id, :now, :now);

-- name: conversation
-- Deleted or not. Served by the primary key.
SELECT "id", "userID", "agentID", "title", "deleted", "deletedAt", "summaryMessageID", "createdAt", "updatedAt"
FROM "Conversation"
WHERE "id" = :conversation_id AND "userID" = :user_id;

-- name: lock_conversation (postgres)
-- Whoever has to know what stands in a conversation before writing to it. Appends with a request_id take turns; see
-- lock_user of access. Served by the primary key.
SELECT "id", "agentID", COALESCE("deleted", FALSE) AS "deleted", "summaryMessageID" FROM "Conversation"
WHERE "id" = :conversation_id AND "userID" = :user_id
FOR NO KEY UPDATE;

-- name: lock_conversation (sqlite)
-- A write transaction holds the only write lock from its BEGIN on. Served by the primary key.
SELECT "id", "agentID", COALESCE("deleted", FALSE) AS "deleted", "summaryMessageID" FROM "Conversation"
WHERE "id" = :conversation_id AND "userID" = :user_id;

-- name: touch
-- First of an append: the row stays locked until the commit, so ids of one conversation grow in the order of commits.
-- No row back means that it is not there for this user. Served by the primary key.
UPDATE "Conversation" SET "updatedAt" = CASE WHEN "updatedAt" > :now THEN "updatedAt" ELSE :now END
WHERE "id" = :conversation_id AND "userID" = :user_id AND NOT COALESCE("deleted", FALSE)
RETURNING "id";

-- name: last_message
-- Served by Message_conversationID_id_idx.
SELECT MAX("id") AS "id" FROM "Message" WHERE "conversationID" = :conversation_id;

-- name: missing_messages (postgres)
-- Which of these ids, a JSON list, are no messages of the conversation. Served by the primary key.
SELECT CAST(given."value" AS BIGINT) AS "id"
FROM jsonb_array_elements_text(CAST(:ids AS JSONB)) AS given("value")
WHERE NOT EXISTS (
    SELECT 1 FROM "Message" m
    WHERE m."id" = CAST(given."value" AS BIGINT) AND m."conversationID" = :conversation_id
);

-- name: missing_messages (sqlite)
-- See above. Served by the primary key.
SELECT given."value" AS "id"
FROM json_each(:ids) AS given
WHERE NOT EXISTS (
    SELECT 1 FROM "Message" m WHERE m."id" = given."value" AND m."conversationID" = :conversation_id
);

-- name: append
INSERT INTO "Message" (
    "conversationID", "parentID", "role", "content", "createdAt", "updatedAt"
    /* if request_ids */ , "requestId", "requestIndex" /* end */
)
VALUES (
    :conversation_id, :parent_id, :role, :content, :now, :now
    /* if request_ids */ , :request_id, :request_index /* end */
)
RETURNING "id";

-- name: append_many (postgres)
-- Many messages in one statement, which takes the time of a COPY: their contents as a JSON list, for each the first
-- letter of its role, as bytes because letters of a text are counted from its beginning for each, and a JSON list of
-- what they follow, or null if none follows any. :first_index counts the messages of the call before these. Ids grow in
-- the order of the list.
INSERT INTO "Message" (
    "conversationID", "parentID", "role", "content", "createdAt", "updatedAt"
    /* if request_ids */ , "requestId", "requestIndex" /* end */
)
SELECT :conversation_id,
    CAST((SELECT CAST(:parents AS JSONB)) ->> CAST(given."number" - 1 AS INTEGER) AS BIGINT),
    CASE get_byte(CAST(:roles AS BYTEA), CAST(given."number" - 1 AS INTEGER))
        WHEN ascii('u') THEN 'user' ELSE 'assistant'
    END,
    given."value", :now, :now
    /* if request_ids */ , CAST(:request_id AS TEXT),
    CASE WHEN CAST(:request_id AS TEXT) IS NOT NULL THEN CAST(:first_index AS BIGINT) + given."number" - 1 END /* end */
FROM jsonb_array_elements(CAST(:contents AS JSONB)) WITH ORDINALITY AS given("value", "number")
ORDER BY given."number"
RETURNING "id";

-- name: append_many (sqlite)
-- See above. It takes two thirds of the time of a statement for each message, and other threads run meanwhile: json_each
-- walks the list from its beginning, and gives each content as it was written.
INSERT INTO "Message" (
    "conversationID", "parentID", "role", "content", "createdAt", "updatedAt"
    /* if request_ids */ , "requestId", "requestIndex" /* end */
)
SELECT :conversation_id,
    CASE WHEN :parents IS NOT NULL THEN json_extract(:parents, '$[' || given."key" || ']') END,
    CASE substr(:roles, given."key" + 1, 1) WHEN x'75' THEN 'user' ELSE 'assistant' END,
    given."value", :now, :now
    /* if request_ids */ , :request_id, CASE WHEN :request_id IS NOT NULL THEN :first_index + given."key" END /* end */
FROM json_each(:contents) AS given
RETURNING "id";

-- name: appended
-- What an earlier call with this request_id wrote, page by page.
-- Served by Message_conversationID_requestId_requestIndex_idx.
SELECT "id", "conversationID", "parentID", "role", "content", "createdAt", "updatedAt", "requestId", "requestIndex"
FROM "Message"
WHERE "conversationID" = :conversation_id AND "requestId" = :request_id AND "requestIndex" >= :first_index
ORDER BY "requestIndex"
LIMIT :limit;

-- name: history (postgres)
-- The last messages before one, newest first, beside the conversation: one row without a message when there is none,
-- no row when the conversation is not there for this user. The cast is for ids of 32 bits in a database made by the
-- original package. Served by Message_conversationID_id_idx and the primary key.
SELECT m."id", m."conversationID", m."parentID", m."role", m."content", m."createdAt", m."updatedAt"
    /* if request_ids */ , m."requestId" /* end */
FROM "Conversation" c
LEFT JOIN (
    SELECT * FROM "Message"
    WHERE "conversationID" = :conversation_id AND "id" < CAST(:before_id AS BIGINT)
    ORDER BY "id" DESC
    LIMIT :limit
) m ON m."conversationID" = c."id"
WHERE c."id" = :conversation_id AND c."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE)
ORDER BY m."id" DESC;

-- name: history (sqlite)
-- See above. Without a subquery, because SQLite would make a table of its rows and sort that, in half the time again;
-- PostgreSQL would sort all messages of the conversation. Served by Message_conversationID_id_idx and the primary key.
SELECT m."id", m."conversationID", m."parentID", m."role", m."content", m."createdAt", m."updatedAt"
    /* if request_ids */ , m."requestId" /* end */
FROM "Conversation" c
LEFT JOIN "Message" m ON m."conversationID" = c."id" AND m."id" < CAST(:before_id AS BIGINT)
WHERE c."id" = :conversation_id AND c."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE)
ORDER BY m."id" DESC
LIMIT :limit;

-- name: context
-- The conversation with the newest messages, and apart from these the summary if it :starts_at_summary, newest first:
-- one row without a message when there is none, no row when the conversation is not there for this user. One statement,
-- so all of it is of one moment. Served by Message_conversationID_id_idx, Resource_messageID_idx and primary keys.
SELECT c."id" AS "conversation.id", c."userID" AS "conversation.userID", c."agentID" AS "conversation.agentID",
    c."title" AS "conversation.title", c."deleted" AS "conversation.deleted",
    c."deletedAt" AS "conversation.deletedAt", c."summaryMessageID" AS "conversation.summaryMessageID",
    c."createdAt" AS "conversation.createdAt", c."updatedAt" AS "conversation.updatedAt",
    m."id", m."conversationID", m."parentID", m."role", m."content", m."createdAt", m."updatedAt"
    /* if request_ids */ , m."requestId" /* end */ ,
    EXISTS (SELECT 1 FROM "Resource" r WHERE r."messageID" = m."id") AS "hasResources"
FROM "Conversation" c
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

-- name: context_resources
-- What belongs to the messages that context kept, newest first: to the :first, and to those from :newest_from to :last.
-- A resource of somebody else is not there. Served by Message_conversationID_id_idx and Resource_messageID_idx.
SELECT r."id", r."agentID", r."messageID", r."name", r."type", r."content", r."s3Uri", r."metadata",
    r."createdAt", r."updatedAt" /* if resource_owners */ , r."userID", r."conversationID" /* end */
FROM "Message" m
JOIN "Resource" r ON r."messageID" = m."id"
WHERE m."conversationID" = :conversation_id AND m."id" BETWEEN :first AND :last
    AND (m."id" = :first OR m."id" >= :newest_from)
    /* if resource_owners */ AND (r."userID" IS NULL OR r."userID" = :user_id) /* end */
ORDER BY r."createdAt" IS NULL DESC, r."createdAt" DESC, r."id" DESC
LIMIT :limit;

-- name: set_summary
-- Served by the primary key.
UPDATE "Conversation" SET "summaryMessageID" = :message_id,
    "updatedAt" = CASE WHEN "updatedAt" > :now THEN "updatedAt" ELSE :now END
WHERE "id" = :conversation_id;

-- name: thread
-- From a message up to the root, through parents, which are always older: so a circle that somebody has written into the
-- table ends as well. Served by primary keys.
WITH RECURSIVE branch AS (
    SELECT m.*, 1 AS "length"
    FROM "Message" m
    JOIN "Conversation" c ON c."id" = m."conversationID"
    WHERE m."id" = :message_id AND c."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE)
    UNION ALL
    SELECT p.*, b."length" + 1
    FROM branch b
    JOIN "Message" p ON p."id" = b."parentID"
    WHERE p."conversationID" = b."conversationID" AND p."id" < b."id" AND b."length" < :limit
)
SELECT "id", "conversationID", "parentID", "role", "content", "createdAt", "updatedAt"
    /* if request_ids */ , "requestId" /* end */
FROM branch
ORDER BY "id";

-- name: replies
-- The messages that follow one, oldest first: one row without a message when there is none, no row when that message is
-- not there for this user. In a database made by the original package some may be of another conversation. "+ 0" keeps
-- the planner from walking through all messages of the conversation, or of everybody. Served by Message_parentID_idx and
-- primary keys.
SELECT r."id", r."conversationID", r."parentID", r."role", r."content", r."createdAt", r."updatedAt"
    /* if request_ids */ , r."requestId" /* end */
FROM "Message" m
JOIN "Conversation" c ON c."id" = m."conversationID"
LEFT JOIN (
    SELECT * FROM "Message"
    WHERE "parentID" = :message_id AND "id" > CAST(:after AS BIGINT)
        AND "conversationID" + 0 = (SELECT p."conversationID" FROM "Message" p WHERE p."id" = :message_id)
    ORDER BY "id" + 0
    LIMIT :limit
) r ON TRUE
WHERE m."id" = :message_id AND c."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE)
ORDER BY r."id";

-- name: list
-- A user's conversations that were changed last, in any order, each with its last message. A database made by the
-- original package may hold some without a time: they come last, by id, and are looked for apart, because no place in an
-- order by time would ever be behind them. So there may be twice as many rows; to sort them here takes longer. Served by
-- Conversation_userID_updatedAt_idx, Message_conversationID_id_idx and primary keys.
SELECT c."id", c."userID", c."agentID", c."title", c."deleted", c."deletedAt", c."summaryMessageID", c."createdAt",
    c."updatedAt", m."id" AS "lastMessage.id", m."conversationID" AS "lastMessage.conversationID",
    m."parentID" AS "lastMessage.parentID", m."role" AS "lastMessage.role", m."content" AS "lastMessage.content",
    m."createdAt" AS "lastMessage.createdAt", m."updatedAt" AS "lastMessage.updatedAt"
    /* if request_ids */ , m."requestId" AS "lastMessage.requestId" /* end */
FROM (
    SELECT * FROM (
        SELECT * FROM "Conversation"
        WHERE "userID" = :user_id AND COALESCE("deleted", FALSE) = :deleted
            AND (CAST(:agent_id AS BIGINT) IS NULL OR "agentID" = :agent_id)
            AND "updatedAt" <= :before AND ("updatedAt" < :before OR "id" < CAST(:before_id AS BIGINT))
        ORDER BY "updatedAt" DESC, "id" DESC
        LIMIT :limit
    ) dated
    UNION ALL
    SELECT * FROM (
        SELECT * FROM "Conversation"
        WHERE "userID" = :user_id AND COALESCE("deleted", FALSE) = :deleted
            AND (CAST(:agent_id AS BIGINT) IS NULL OR "agentID" = :agent_id)
            AND "updatedAt" IS NULL AND "id" < CAST(:undated_before AS BIGINT)
        ORDER BY "id" DESC
        LIMIT :limit
    ) undated
) c
LEFT JOIN "Message" m ON m."id" = (SELECT MAX(l."id") FROM "Message" l WHERE l."conversationID" = c."id");

-- name: count
-- Served by Conversation_userID_updatedAt_idx.
SELECT COUNT(*) AS "count" FROM "Conversation"
WHERE "userID" = :user_id AND COALESCE("deleted", FALSE) = :deleted
    AND (CAST(:agent_id AS BIGINT) IS NULL OR "agentID" = :agent_id);

-- name: rename
-- Served by the primary key.
UPDATE "Conversation" SET "title" = :title,
    "updatedAt" = CASE WHEN "updatedAt" > :now THEN "updatedAt" ELSE :now END
WHERE "id" = :conversation_id AND "userID" = :user_id AND NOT COALESCE("deleted", FALSE)
RETURNING "id", "userID", "agentID", "title", "deleted", "deletedAt", "summaryMessageID", "createdAt", "updatedAt";

-- name: set_agent
-- Served by the primary key.
UPDATE "Conversation" SET "agentID" = :agent_id,
    "updatedAt" = CASE WHEN "updatedAt" > :now THEN "updatedAt" ELSE :now END
WHERE "id" = :conversation_id AND "userID" = :user_id AND NOT COALESCE("deleted", FALSE)
RETURNING "id", "userID", "agentID", "title", "deleted", "deletedAt", "summaryMessageID", "createdAt", "updatedAt";

-- name: set_deleted
-- Delete softly, or restore. No row back means that it is not there, or already so: a second deletion leaves the time of
-- the first. Served by the primary key.
UPDATE "Conversation" SET "deleted" = :deleted, "deletedAt" = :deleted_at,
    "updatedAt" = CASE WHEN "updatedAt" > :now THEN "updatedAt" ELSE :now END
WHERE "id" = :conversation_id AND "userID" = :user_id AND COALESCE("deleted", FALSE) <> :deleted
RETURNING "id", "userID", "agentID", "title", "deleted", "deletedAt", "summaryMessageID", "createdAt", "updatedAt";

-- name: purge_vectors
-- Of the resources of a conversation's messages. What a foreign key would take along is written out here and below,
-- because a database made by the original package has none.
-- Served by Message_conversationID_id_idx, Resource_messageID_idx and Vector_resourceID_order_idx.
DELETE FROM "Vector" WHERE "resourceID" IN (
    SELECT r."id" FROM "Resource" r JOIN "Message" m ON m."id" = r."messageID"
    WHERE m."conversationID" = :conversation_id
);

-- name: purge_conversation_vectors
-- Served by Vector_conversationID_idx.
DELETE FROM "Vector" WHERE "conversationID" = :conversation_id;

-- name: purge_resources
-- Those that name the conversation itself go with it. Served by Message_conversationID_id_idx and
-- Resource_messageID_idx.
DELETE FROM "Resource" WHERE "messageID" IN (SELECT "id" FROM "Message" WHERE "conversationID" = :conversation_id);

-- name: forget_messages
-- Usage outlives what it was for. Served by Message_conversationID_id_idx and Usage_messageID_idx.
UPDATE "Usage" SET "messageID" = NULL
WHERE "messageID" IN (SELECT "id" FROM "Message" WHERE "conversationID" = :conversation_id);

-- name: purge_messages
-- Served by Message_conversationID_id_idx.
DELETE FROM "Message" WHERE "conversationID" = :conversation_id;

-- name: purge
-- Served by the primary key.
DELETE FROM "Conversation" WHERE "id" = :conversation_id;
