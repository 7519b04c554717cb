-- Resources and their chunks. Each belongs to a user; one without a user is an agent's own and is read through it.
-- What stands in a deleted conversation, by itself or through its message, is not there.

-- name: place (postgres)
-- The conversation to put a resource into, and the message in it, by either of them. It cannot be purged until the
-- commit; appends go on. No row means that it is not there for this user. Served by primary keys.
SELECT c."id" AS "conversationID", m."id" AS "messageID"
FROM "Conversation" c
LEFT JOIN "Message" m ON m."conversationID" = c."id" AND m."id" = CAST(:message_id AS BIGINT)
WHERE c."id" = COALESCE(
        CAST(:conversation_id AS BIGINT),
        (SELECT n."conversationID" FROM "Message" n WHERE n."id" = CAST(:message_id AS BIGINT))
    )
    AND c."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE)
FOR KEY SHARE OF c;

-- name: place (sqlite)
-- See above; a write transaction holds the only write lock from its BEGIN on. Served by primary keys.
SELECT c."id" AS "conversationID", m."id" AS "messageID"
FROM "Conversation" c
LEFT JOIN "Message" m ON m."conversationID" = c."id" AND m."id" = :message_id
WHERE c."id" = COALESCE(:conversation_id, (SELECT n."conversationID" FROM "Message" n WHERE n."id" = :message_id))
    AND c."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE);

-- name: store
-- What was stored, without the content, which the caller has; a JSON column may give its numbers and keys in another
-- form than it was given.
INSERT INTO "Resource" (
    "userID", "agentID", "conversationID", "messageID", "name", "type", "content", "s3Uri", "metadata", "createdAt",
    "updatedAt"
)
VALUES (
    :user_id, :agent_id, :conversation_id, :message_id, :name, :type, :content, :s3_uri, :metadata, :now, :now
)
RETURNING "id", "userID", "agentID", "conversationID", "messageID", "name", "type", "s3Uri", "metadata", "createdAt",
    "updatedAt";

-- name: store_chunk
INSERT INTO "Vector" ("resourceID", "conversationID", "order", "content", "embedding", "createdAt", "updatedAt")
VALUES (:resource_id, :conversation_id, :order, :content, :embedding, :now, :now);

-- name: resource
-- One resource of the user, with its content if that is asked for. Served by primary keys.
SELECT r."id", r."userID", r."agentID", r."conversationID", r."messageID", r."name", r."type",
    CASE WHEN CAST(:with_content AS BOOLEAN) THEN r."content" END AS "content",
    r."s3Uri", r."metadata", r."createdAt", r."updatedAt"
FROM "Resource" r
LEFT JOIN "Message" m ON m."id" = r."messageID"
LEFT JOIN "Conversation" c ON c."id" = COALESCE(r."conversationID", m."conversationID")
WHERE r."id" = :resource_id AND r."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE);

-- name: lock_resource (postgres)
-- Changes of one resource take turns. After `place`, which locks its conversation. Served by the primary key.
SELECT "id" FROM "Resource" WHERE "id" = :resource_id AND "userID" = :user_id FOR NO KEY UPDATE;

-- name: lock_resource (sqlite)
-- A write transaction holds the only write lock from its BEGIN on. Served by the primary key.
SELECT "id" FROM "Resource" WHERE "id" = :resource_id AND "userID" = :user_id;

-- name: update
-- What the caller did not name is written as it was read under the lock. Served by the primary key.
UPDATE "Resource"
SET "name" = :name, "type" = :type, "s3Uri" = :s3_uri, "metadata" = :metadata, "agentID" = :agent_id,
    "conversationID" = :conversation_id, "messageID" = :message_id, "updatedAt" = :now
WHERE "id" = :resource_id;

-- name: update_content
-- Apart, because it may be long and is not read for a change of something else. Served by the primary key.
UPDATE "Resource" SET "content" = :content WHERE "id" = :resource_id;

-- name: move_chunks
-- Chunks go with their resource. Served by Vector_resourceID_order_idx.
UPDATE "Vector" SET "conversationID" = :conversation_id, "updatedAt" = :now WHERE "resourceID" = :resource_id;

-- name: delete_chunks
-- Served by Vector_resourceID_order_idx.
DELETE FROM "Vector" WHERE "resourceID" = :resource_id;

-- name: delete
-- After its chunks. Served by the primary key.
DELETE FROM "Resource" WHERE "id" = :resource_id;

-- name: resources
-- A page of the user's resources, newest first, without their contents. "+ 0" keeps the planner of PostgreSQL from
-- walking through everybody's resources by the primary key. Served by Resource_userID_idx.
SELECT r."id", r."userID", r."agentID", r."conversationID", r."messageID", r."name", r."type", r."s3Uri", r."metadata",
    r."createdAt", r."updatedAt"
FROM "Resource" r
LEFT JOIN "Message" m ON m."id" = r."messageID"
LEFT JOIN "Conversation" c ON c."id" = COALESCE(r."conversationID", m."conversationID")
WHERE r."userID" = :user_id AND r."id" < :below AND NOT COALESCE(c."deleted", FALSE)
    AND (CAST(:agent_id AS BIGINT) IS NULL OR r."agentID" = CAST(:agent_id AS BIGINT))
    AND (CAST(:conversation_id AS BIGINT) IS NULL OR c."id" = CAST(:conversation_id AS BIGINT))
    AND (CAST(:message_id AS BIGINT) IS NULL OR r."messageID" = CAST(:message_id AS BIGINT))
ORDER BY r."id" + 0 DESC
LIMIT :limit;

-- name: memories
-- The user's own and those of nobody, by a prefix of their name that is compared as it stands: LIKE would know
-- wildcards, and on SQLite no case. "+" leaves the index on agents aside: an agent may be everybody's. Served by
-- Resource_userID_idx.
SELECT r."id", r."userID", r."agentID", r."conversationID", r."messageID", r."name", r."type",
    CASE WHEN CAST(:with_content AS BOOLEAN) THEN r."content" END AS "content",
    r."s3Uri", r."metadata", r."createdAt", r."updatedAt"
FROM (
    SELECT "id" FROM "Resource"
    WHERE "userID" = :user_id AND + "agentID" = :agent_id AND "conversationID" IS NULL AND "messageID" IS NULL
        AND substr("name", 1, length(CAST(:prefix AS TEXT))) = CAST(:prefix AS TEXT)
    UNION ALL
    SELECT "id" FROM "Resource"
    WHERE "userID" IS NULL AND + "agentID" = :agent_id AND "conversationID" IS NULL AND "messageID" IS NULL
        AND substr("name", 1, length(CAST(:prefix AS TEXT))) = CAST(:prefix AS TEXT)
    ORDER BY 1
    LIMIT :limit
) own
JOIN "Resource" r ON r."id" = own."id"
ORDER BY r."id";

-- name: chunks
-- A page of a resource's chunks in their order, beside the resource: one row without a chunk when there is none, no row
-- when the resource is not there for this user. Served by Vector_resourceID_order_idx and primary keys.
SELECT v."id", v."resourceID", v."order", v."content",
    CASE WHEN CAST(:with_embeddings AS BOOLEAN) THEN v."embedding" END AS "embedding", v."createdAt", v."updatedAt"
FROM "Resource" r
LEFT JOIN "Message" m ON m."id" = r."messageID"
LEFT JOIN "Conversation" c ON c."id" = COALESCE(r."conversationID", m."conversationID")
LEFT JOIN (
    SELECT * FROM "Vector"
    WHERE "resourceID" = :resource_id
        AND (COALESCE("order", 0), "id") > (CAST(:after_order AS BIGINT), CAST(:after_id AS BIGINT))
    ORDER BY COALESCE("order", 0), "id"
    LIMIT :limit
) v ON v."resourceID" = r."id"
WHERE r."id" = :resource_id AND r."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE)
ORDER BY COALESCE(v."order", 0), v."id";

-- name: candidates (postgres)
-- The chunks that a search may find, by their ids alone; with pgvector only the nearest. Those of another dimension
-- come first then, so that they are noticed. Served by Resource_userID_idx, Vector_resourceID_order_idx and primary
-- keys.
SELECT v."id"
FROM "Resource" r
LEFT JOIN "Message" m ON m."id" = r."messageID"
LEFT JOIN "Conversation" c ON c."id" = COALESCE(r."conversationID", m."conversationID")
JOIN "Vector" v ON v."resourceID" = r."id"
WHERE r."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE)
    AND (CAST(:agent_id AS BIGINT) IS NULL OR r."agentID" = CAST(:agent_id AS BIGINT))
    AND (CAST(:conversation_id AS BIGINT) IS NULL OR c."id" = CAST(:conversation_id AS BIGINT))
    AND (
        CAST(:resource_ids AS JSONB) IS NULL
        OR r."id" IN (SELECT CAST(one AS BIGINT) FROM jsonb_array_elements_text(CAST(:resource_ids AS JSONB)) one)
    )
    AND (CAST(:since AS TIMESTAMPTZ) IS NULL OR r."createdAt" >= CAST(:since AS TIMESTAMPTZ))
    AND (CAST(:until AS TIMESTAMPTZ) IS NULL OR r."createdAt" < CAST(:until AS TIMESTAMPTZ))
    /* if vectors */
    AND (CAST(:embedding AS TEXT) IS NULL OR jsonb_typeof(CAST(v."embedding" AS JSONB)) = 'array')
    /* end */
ORDER BY
    /* if vectors */
    CASE WHEN CAST(:embedding AS TEXT) IS NULL THEN 0
        WHEN jsonb_array_length(CAST(v."embedding" AS JSONB)) <> CAST(:dimension AS INTEGER) THEN -1
        ELSE CAST(CAST(v."embedding" AS TEXT) AS vector) <=> CAST(CAST(:embedding AS TEXT) AS vector)
    END,
    /* end */
    v."id"
/* if vectors */ LIMIT CAST(:limit AS BIGINT) /* end */;

-- name: candidates (sqlite)
-- See above, with sqlite-vec. The commas of an array of numbers tell how many they are: to parse it twice would take
-- twice as long. Served by Resource_userID_idx, Vector_resourceID_order_idx and primary keys.
SELECT v."id"
FROM "Resource" r
LEFT JOIN "Message" m ON m."id" = r."messageID"
LEFT JOIN "Conversation" c ON c."id" = COALESCE(r."conversationID", m."conversationID")
JOIN "Vector" v ON v."resourceID" = r."id"
WHERE r."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE)
    AND (:agent_id IS NULL OR r."agentID" = :agent_id)
    AND (:conversation_id IS NULL OR c."id" = :conversation_id)
    AND (:resource_ids IS NULL OR r."id" IN (SELECT one."value" FROM json_each(:resource_ids) one))
    AND (:since IS NULL OR r."createdAt" >= :since)
    AND (:until IS NULL OR r."createdAt" < :until)
    /* if vectors */ AND (:embedding IS NULL OR v."embedding" GLOB '[[]*') /* end */
ORDER BY
    /* if vectors */
    CASE WHEN :embedding IS NULL THEN 0
        WHEN length(v."embedding") - length(replace(v."embedding", ',', '')) + 1 <> :dimension THEN -1
        ELSE vec_distance_cosine(v."embedding", :embedding)
    END,
    /* end */
    v."id"
/* if vectors */ LIMIT :limit /* end */;

-- name: embeddings (postgres)
-- A batch of them. Served by the primary key.
SELECT v."id", v."embedding" FROM "Vector" v
WHERE v."id" = ANY (ARRAY(SELECT CAST(one AS BIGINT) FROM jsonb_array_elements_text(CAST(:ids AS JSONB)) one));

-- name: embeddings (sqlite)
-- See above. Served by the primary key.
SELECT v."id", v."embedding" FROM "Vector" v WHERE v."id" IN (SELECT one."value" FROM json_each(:ids) one);

-- name: hits (postgres)
-- A batch of chunks with their resources, asked for once more under their user, since some may be gone meanwhile.
-- Served by primary keys.
SELECT v."id", v."order", v."content", r."id" AS "resource.id", r."userID" AS "resource.userID",
    r."agentID" AS "resource.agentID", r."conversationID" AS "resource.conversationID",
    r."messageID" AS "resource.messageID", r."name" AS "resource.name", r."type" AS "resource.type",
    r."s3Uri" AS "resource.s3Uri", r."metadata" AS "resource.metadata", r."createdAt" AS "resource.createdAt",
    r."updatedAt" AS "resource.updatedAt"
FROM "Vector" v
JOIN "Resource" r ON r."id" = v."resourceID"
LEFT JOIN "Message" m ON m."id" = r."messageID"
LEFT JOIN "Conversation" c ON c."id" = COALESCE(r."conversationID", m."conversationID")
WHERE v."id" = ANY (ARRAY(SELECT CAST(one AS BIGINT) FROM jsonb_array_elements_text(CAST(:ids AS JSONB)) one))
    AND r."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE);

-- name: hits (sqlite)
-- See above. Served by primary keys.
SELECT v."id", v."order", v."content", r."id" AS "resource.id", r."userID" AS "resource.userID",
    r."agentID" AS "resource.agentID", r."conversationID" AS "resource.conversationID",
    r."messageID" AS "resource.messageID", r."name" AS "resource.name", r."type" AS "resource.type",
    r."s3Uri" AS "resource.s3Uri", r."metadata" AS "resource.metadata", r."createdAt" AS "resource.createdAt",
    r."updatedAt" AS "resource.updatedAt"
FROM "Vector" v
JOIN "Resource" r ON r."id" = v."resourceID"
LEFT JOIN "Message" m ON m."id" = r."messageID"
LEFT JOIN "Conversation" c ON c."id" = COALESCE(r."conversationID", m."conversationID")
WHERE v."id" IN (SELECT one."value" FROM json_each(:ids) one)
    AND r."userID" = :user_id AND NOT COALESCE(c."deleted", FALSE);
