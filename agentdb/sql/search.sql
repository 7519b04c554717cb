-- Words of messages. Appends pay nothing for them: a search first indexes what was appended since, up to a mark that
-- each conversation has. That is safe because ids of one conversation grow in the order of commits. The first word of
-- a message is its user, as `user_7`, which no text has: so an index of words is one of users too, and what others
-- wrote is not even looked at. No word has a space or a quotation mark in it.

-- name: newest
-- Every message that was committed before this has an id up to it. Served by the primary key.
SELECT COALESCE(MAX("id"), 0) AS "id" FROM "Message";

-- name: behind
-- The user's conversations that have messages beyond their mark. Served by Conversation_userID_updatedAt_idx,
-- agentdb_search_mark_conversationID_idx and Message_conversationID_id_idx.
SELECT c."id", COALESCE(k."messageID", 0) AS "mark"
FROM "Conversation" c
LEFT JOIN "agentdb_search_mark" k ON k."conversationID" = c."id"
WHERE c."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE)
    AND COALESCE(k."messageID", 0) < (
        SELECT MAX(m."id") FROM "Message" m WHERE m."conversationID" = c."id" AND m."id" <= :newest
    )
ORDER BY c."id";

-- name: users_behind
-- Users with conversations that have messages beyond their mark, by id. Served by Conversation_userID_updatedAt_idx,
-- agentdb_search_mark_conversationID_idx and Message_conversationID_id_idx.
SELECT DISTINCT c."userID"
FROM "Conversation" c
LEFT JOIN "agentdb_search_mark" k ON k."conversationID" = c."id"
WHERE c."userID" > :after_id AND NOT COALESCE(c."deleted", FALSE)
    AND COALESCE(k."messageID", 0) < (SELECT MAX(m."id") FROM "Message" m WHERE m."conversationID" = c."id")
ORDER BY c."userID"
LIMIT :limit;

-- name: unindexed
-- Some of a conversation's messages beyond its mark. Served by Message_conversationID_id_idx.
SELECT "id", "conversationID", "content" FROM "Message"
WHERE "conversationID" = :conversation_id AND "id" > :mark AND "id" <= :newest
ORDER BY "id"
LIMIT :limit;

-- name: hold_conversations (postgres)
-- Those of a batch that are still there. They cannot be purged until the commit; appends go on. Served by the primary
-- key.
SELECT c."id" FROM "Conversation" c
WHERE c."id" = ANY (ARRAY(SELECT CAST(one AS BIGINT) FROM jsonb_array_elements_text(CAST(:ids AS JSONB)) one))
ORDER BY c."id"
FOR KEY SHARE OF c;

-- name: hold_conversations (sqlite)
-- A write transaction holds the only write lock from its BEGIN on. Served by the primary key.
SELECT c."id" FROM "Conversation" c WHERE c."id" IN (SELECT one."value" FROM json_each(:ids) one) ORDER BY c."id";

-- name: index_words
-- Twice is once: two searches may index the same message, and write the same. One that was deleted meanwhile has no
-- words. Served by the primary key and agentdb_search_messageID_idx.
INSERT INTO "agentdb_search" ("messageID", "userID", "words")
SELECT m."id", CAST(:user_id AS BIGINT), CAST(:words AS TEXT) FROM "Message" m WHERE m."id" = :message_id
ON CONFLICT ("messageID") DO NOTHING;

-- name: move_mark
-- Only forward. Served by agentdb_search_mark_conversationID_idx.
INSERT INTO "agentdb_search_mark" ("conversationID", "messageID", "createdAt", "updatedAt")
VALUES (:conversation_id, :message_id, :now, :now)
ON CONFLICT ("conversationID") DO UPDATE SET "messageID" = excluded."messageID", "updatedAt" = excluded."updatedAt"
WHERE "agentdb_search_mark"."messageID" < excluded."messageID";

-- name: found (postgres)
-- Messages that have all the words, those with the least else first. LATERAL and OFFSET keep the plan in this order:
-- with the user's messages first, each would be turned into a tsvector, or the words be looked up again for each (6 s
-- instead of 15 ms in 20,000 messages). Served by agentdb_search_words_idx and primary keys.
SELECT m."id" AS "messageID", m."conversationID", c."agentID", c."title", m."role", m."content", m."createdAt",
    hit."size"
FROM (
    SELECT m."id", s."size"
    FROM (
        SELECT w."messageID", length(w."words") AS "size" FROM "agentdb_search" w
        WHERE array_to_tsvector(string_to_array(w."words", ' '))
            @@ CAST('''' || replace(:words, ' ', ''' & ''') || '''' AS TSQUERY)
        OFFSET 0
    ) s
    CROSS JOIN LATERAL (
        SELECT one."id", one."conversationID" FROM "Message" one
        WHERE one."id" = s."messageID"
            AND (CAST(:since AS TIMESTAMPTZ) IS NULL OR one."createdAt" >= CAST(:since AS TIMESTAMPTZ))
            AND (CAST(:until AS TIMESTAMPTZ) IS NULL OR one."createdAt" < CAST(:until AS TIMESTAMPTZ))
        OFFSET 0
    ) m
    CROSS JOIN LATERAL (
        SELECT FROM "Conversation" one
        WHERE one."id" = m."conversationID" AND one."userID" = :user_id AND NOT COALESCE(one."deleted", FALSE)
            AND (CAST(:agent_id AS BIGINT) IS NULL OR one."agentID" = CAST(:agent_id AS BIGINT))
        OFFSET 0
    ) c
    ORDER BY s."size", m."id" DESC
    LIMIT :limit
) hit
JOIN "Message" m ON m."id" = hit."id"
JOIN "Conversation" c ON c."id" = m."conversationID"
ORDER BY hit."size", m."id" DESC;

-- name: found (sqlite)
-- See above. The last condition decides; where SQLite has FTS5, its table leaves few rows to ask. Served by
-- agentdb_search_userID_idx, or that table, and primary keys.
SELECT m."id" AS "messageID", m."conversationID", c."agentID", c."title", m."role", m."content", m."createdAt",
    hit."size"
FROM (
    SELECT m."id", length(s."words") AS "size"
    FROM /* if word_table */ "agentdb_search_fts" f CROSS JOIN /* end */ "agentdb_search" s
    JOIN "Message" m ON m."id" = s."messageID"
    JOIN "Conversation" c ON c."id" = m."conversationID"
    WHERE s."userID" = :user_id AND c."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE)
        /* if word_table */
        AND s."id" = f."rowid" AND f."agentdb_search_fts" MATCH '"' || replace(:words, ' ', '" "') || '"'
        /* end */
        AND (:agent_id IS NULL OR c."agentID" = :agent_id)
        AND (:since IS NULL OR m."createdAt" >= :since)
        AND (:until IS NULL OR m."createdAt" < :until)
        AND NOT EXISTS (
            SELECT 1 FROM json_each('["' || replace(:words, ' ', '","') || '"]') one
            WHERE instr(' ' || s."words" || ' ', ' ' || one."value" || ' ') = 0
        )
    ORDER BY "size", m."id" DESC
    LIMIT :limit
) hit
JOIN "Message" m ON m."id" = hit."id"
JOIN "Conversation" c ON c."id" = m."conversationID"
ORDER BY hit."size", m."id" DESC;
