-- Conversations and their messages. Locks are taken in the order User, Conversation, then anything else.

-- name: lock_conversation (postgres)
-- Appends to one conversation with a request_id take turns; see lock_user of access. Served by the primary key.
SELECT "id" FROM "Conversation"
WHERE "id" = :conversation_id AND "userID" = :user_id AND NOT COALESCE("deleted", FALSE)
FOR NO KEY UPDATE;

-- name: lock_conversation (sqlite)
-- A write transaction holds the only write lock from its BEGIN on. Served by the primary key.
SELECT "id" FROM "Conversation"
WHERE "id" = :conversation_id AND "userID" = :user_id AND NOT COALESCE("deleted", FALSE);

-- name: touch
-- First of an append: the row stays locked until the commit, so ids of one conversation grow in the order of commits.
-- No row back means that it is not there for this user. Served by the primary key.
UPDATE "Conversation" SET "updatedAt" = :now
WHERE "id" = :conversation_id AND "userID" = :user_id AND NOT COALESCE("deleted", FALSE)
RETURNING "id";

-- name: last_message (postgres)
-- "+ 0" keeps the planner from walking back through everybody's messages by the primary key until it meets one of this
-- conversation: 10 ms instead of 1 ms in 200,000 messages. Served by Message_conversationID_idx.
SELECT MAX("id" + 0) AS "id" FROM "Message" WHERE "conversationID" = :conversation_id;

-- name: last_message (sqlite)
-- Served by Message_conversationID_idx, which ends in the id.
SELECT MAX("id") AS "id" FROM "Message" WHERE "conversationID" = :conversation_id;

-- name: append
-- The message as stored, because a JSON column may give its numbers and keys in another form than it was given.
INSERT INTO "Message" (
    "conversationID", "parentID", "role", "content", "createdAt", "updatedAt"
    /* if request_ids */ , "requestId", "requestIndex" /* end */
)
VALUES (
    :conversation_id, :parent_id, :role, :content, :now, :now
    /* if request_ids */ , :request_id, :request_index /* end */
)
RETURNING "id", "conversationID", "parentID", "role", "content", "createdAt", "updatedAt"
    /* if request_ids */ , "requestId" /* end */;

-- name: appended
-- What an earlier call with this request_id wrote, and whether the parent that is given now still exists: a parent
-- deleted since has left a null. Served by Message_conversationID_requestId_requestIndex_idx.
SELECT "id", "conversationID", "parentID", "role", "content", "createdAt", "updatedAt", "requestId",
    EXISTS (SELECT 1 FROM "Message" p WHERE p."id" = :parent_id) AS "parentExists"
FROM "Message"
WHERE "conversationID" = :conversation_id AND "requestId" = :request_id
ORDER BY "requestIndex";

-- name: history (postgres)
-- The last messages before one, newest first, beside the conversation: one row without a message when there is none,
-- no row when the conversation is not there for this user. "+ 0" is explained at last_message; the cast is for ids of 32
-- bits in a database made by the original package. Served by Message_conversationID_idx and the primary key.
SELECT m."id", m."conversationID", m."parentID", m."role", m."content", m."createdAt", m."updatedAt"
    /* if request_ids */ , m."requestId" /* end */
FROM "Conversation" c
LEFT JOIN (
    SELECT * FROM "Message"
    WHERE "conversationID" = :conversation_id AND "id" < CAST(:before AS BIGINT)
    ORDER BY "id" + 0 DESC
    LIMIT :limit
) m ON m."conversationID" = c."id"
WHERE c."id" = :conversation_id AND c."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE)
ORDER BY m."id" DESC;

-- name: history (sqlite)
-- See above. Served by Message_conversationID_idx, which ends in the id, and the primary key.
SELECT m."id", m."conversationID", m."parentID", m."role", m."content", m."createdAt", m."updatedAt"
    /* if request_ids */ , m."requestId" /* end */
FROM "Conversation" c
LEFT JOIN (
    SELECT * FROM "Message"
    WHERE "conversationID" = :conversation_id AND "id" < CAST(:before AS BIGINT)
    ORDER BY "id" DESC
    LIMIT :limit
) m ON m."conversationID" = c."id"
WHERE c."id" = :conversation_id AND c."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE)
ORDER BY m."id" DESC;
