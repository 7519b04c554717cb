-- Agents with their prompts and tools. An agent is visible to its owner, to whom it is shared with (UserAgent), and to
-- everyone when it belongs to nobody.

-- name: resolve (sqlite)
-- An agent, if it is visible, with all that a turn needs. Its model is one text, and so are its tools, so that equal
-- ones are parsed once; a tool that is not builtin is there only for users who have it. Served by
-- UserAgent_userID_agentID_idx, AgentTool_agentID_idx, UserTool_userID_toolID_idx, Model_internalName_idx and primary
-- keys.
SELECT CASE WHEN a."userID" = :user_id THEN 1 WHEN s."id" IS NOT NULL THEN 2 ELSE 3 END AS "class", a."modelID",
    CASE WHEN m."id" IS NOT NULL THEN json_array(
        m."id", m."name", m."internalName", m."type", m."description", m."maxContext", m."maxOutput", m."maxReasoning",
        m."cost1kInput", m."cost1kOutput", m."cost1kCacheRead", m."cost1kCacheWrite", m."defaultParameters",
        m."createdAt", m."updatedAt", pr."id", pr."name", pr."endpoint"
    ) END AS "model",
    (
        SELECT json_group_array(json_array(
            t."id", t."name", t."description", t."type", t."authenticationType", t."endpoint", t."transportType",
            t."customConfig"
        ))
        FROM "AgentTool" l JOIN "Tool" t ON t."id" = l."toolID"
        WHERE l."agentID" = a."id" AND (
            t."type" = 'builtin'
            OR EXISTS (SELECT 1 FROM "UserTool" ut WHERE ut."userID" = :user_id AND ut."toolID" = t."id")
        )
    ) AS "tools",
    a."id", a."userID", a."name", a."description", a."modelParameters", a."createdAt", a."updatedAt",
    p."id" AS "prompt.id", p."name" AS "prompt.name", p."version" AS "prompt.version", p."content" AS "prompt.content"
FROM "Agent" a
LEFT JOIN "UserAgent" s ON s."userID" = :user_id AND s."agentID" = a."id"
LEFT JOIN "Prompt" p ON p."id" = a."promptID"
LEFT JOIN "Model" m ON m."id" = COALESCE(
    a."modelID", (SELECT MIN(d."id") FROM "Model" d WHERE d."internalName" = :default_model)
)
LEFT JOIN "Provider" pr ON pr."id" = m."providerID"
WHERE a."id" = :agent_id AND (a."userID" IS NULL OR a."userID" = :user_id OR s."id" IS NOT NULL);

-- name: resolve (postgres)
-- The same, with PostgreSQL's names for JSON, whose numbers would not keep what an amount of money is: casts to NUMERIC
-- round the double precision of a database made by the original package.
SELECT CASE WHEN a."userID" = :user_id THEN 1 WHEN s."id" IS NOT NULL THEN 2 ELSE 3 END AS "class", a."modelID",
    CASE WHEN m."id" IS NOT NULL THEN CAST(json_build_array(
        m."id", m."name", m."internalName", m."type", m."description", m."maxContext", m."maxOutput", m."maxReasoning",
        CAST(CAST(m."cost1kInput" AS NUMERIC(20,10)) AS TEXT), CAST(CAST(m."cost1kOutput" AS NUMERIC(20,10)) AS TEXT),
        CAST(CAST(m."cost1kCacheRead" AS NUMERIC(20,10)) AS TEXT),
        CAST(CAST(m."cost1kCacheWrite" AS NUMERIC(20,10)) AS TEXT), CAST(m."defaultParameters" AS TEXT),
        m."createdAt", m."updatedAt", pr."id", pr."name", pr."endpoint"
    ) AS TEXT) END AS "model",
    (
        SELECT CAST(json_agg(json_build_array(
            t."id", t."name", t."description", t."type", t."authenticationType", t."endpoint", t."transportType",
            CAST(t."customConfig" AS TEXT)
        )) AS TEXT)
        FROM "AgentTool" l JOIN "Tool" t ON t."id" = l."toolID"
        WHERE l."agentID" = a."id" AND (
            t."type" = 'builtin'
            OR EXISTS (SELECT 1 FROM "UserTool" ut WHERE ut."userID" = :user_id AND ut."toolID" = t."id")
        )
    ) AS "tools",
    a."id", a."userID", a."name", a."description", a."modelParameters", a."createdAt", a."updatedAt",
    p."id" AS "prompt.id", p."name" AS "prompt.name", p."version" AS "prompt.version", p."content" AS "prompt.content"
FROM "Agent" a
LEFT JOIN "UserAgent" s ON s."userID" = :user_id AND s."agentID" = a."id"
LEFT JOIN "Prompt" p ON p."id" = a."promptID"
LEFT JOIN "Model" m ON m."id" = COALESCE(
    a."modelID", (SELECT MIN(d."id") FROM "Model" d WHERE d."internalName" = :default_model)
)
LEFT JOIN "Provider" pr ON pr."id" = m."providerID"
WHERE a."id" = :agent_id AND (a."userID" IS NULL OR a."userID" = :user_id OR s."id" IS NOT NULL);

-- name: resolve_name (sqlite)
-- The same for the visible agents of a name, the nearest first. Not one statement with the other: PostgreSQL would plan
-- it anew for each call, which takes four times as long as running it. Served by Agent_userID_idx too.
SELECT CASE WHEN a."userID" = :user_id THEN 1 WHEN s."id" IS NOT NULL THEN 2 ELSE 3 END AS "class", a."modelID",
    CASE WHEN m."id" IS NOT NULL THEN json_array(
        m."id", m."name", m."internalName", m."type", m."description", m."maxContext", m."maxOutput", m."maxReasoning",
        m."cost1kInput", m."cost1kOutput", m."cost1kCacheRead", m."cost1kCacheWrite", m."defaultParameters",
        m."createdAt", m."updatedAt", pr."id", pr."name", pr."endpoint"
    ) END AS "model",
    (
        SELECT json_group_array(json_array(
            t."id", t."name", t."description", t."type", t."authenticationType", t."endpoint", t."transportType",
            t."customConfig"
        ))
        FROM "AgentTool" l JOIN "Tool" t ON t."id" = l."toolID"
        WHERE l."agentID" = a."id" AND (
            t."type" = 'builtin'
            OR EXISTS (SELECT 1 FROM "UserTool" ut WHERE ut."userID" = :user_id AND ut."toolID" = t."id")
        )
    ) AS "tools",
    a."id", a."userID", a."name", a."description", a."modelParameters", a."createdAt", a."updatedAt",
    p."id" AS "prompt.id", p."name" AS "prompt.name", p."version" AS "prompt.version", p."content" AS "prompt.content"
FROM "Agent" a
LEFT JOIN "UserAgent" s ON s."userID" = :user_id AND s."agentID" = a."id"
LEFT JOIN "Prompt" p ON p."id" = a."promptID"
LEFT JOIN "Model" m ON m."id" = COALESCE(
    a."modelID", (SELECT MIN(d."id") FROM "Model" d WHERE d."internalName" = :default_model)
)
LEFT JOIN "Provider" pr ON pr."id" = m."providerID"
WHERE a."id" IN (
    SELECT o."id" FROM "Agent" o WHERE o."userID" = :user_id AND o."name" = :name
    UNION ALL
    SELECT o."id" FROM "UserAgent" ua JOIN "Agent" o ON o."id" = ua."agentID"
    WHERE ua."userID" = :user_id AND o."name" = :name
    UNION ALL
    SELECT o."id" FROM "Agent" o WHERE o."userID" IS NULL AND o."name" = :name
)
ORDER BY "class", a."id";

-- name: resolve_name (postgres)
-- The same, with PostgreSQL's names for JSON.
SELECT CASE WHEN a."userID" = :user_id THEN 1 WHEN s."id" IS NOT NULL THEN 2 ELSE 3 END AS "class", a."modelID",
    CASE WHEN m."id" IS NOT NULL THEN CAST(json_build_array(
        m."id", m."name", m."internalName", m."type", m."description", m."maxContext", m."maxOutput", m."maxReasoning",
        CAST(CAST(m."cost1kInput" AS NUMERIC(20,10)) AS TEXT), CAST(CAST(m."cost1kOutput" AS NUMERIC(20,10)) AS TEXT),
        CAST(CAST(m."cost1kCacheRead" AS NUMERIC(20,10)) AS TEXT),
        CAST(CAST(m."cost1kCacheWrite" AS NUMERIC(20,10)) AS TEXT), CAST(m."defaultParameters" AS TEXT),
        m."createdAt", m."updatedAt", pr."id", pr."name", pr."endpoint"
    ) AS TEXT) END AS "model",
    (
        SELECT CAST(json_agg(json_build_array(
            t."id", t."name", t."description", t."type", t."authenticationType", t."endpoint", t."transportType",
            CAST(t."customConfig" AS TEXT)
        )) AS TEXT)
        FROM "AgentTool" l JOIN "Tool" t ON t."id" = l."toolID"
        WHERE l."agentID" = a."id" AND (
            t."type" = 'builtin'
            OR EXISTS (SELECT 1 FROM "UserTool" ut WHERE ut."userID" = :user_id AND ut."toolID" = t."id")
        )
    ) AS "tools",
    a."id", a."userID", a."name", a."description", a."modelParameters", a."createdAt", a."updatedAt",
    p."id" AS "prompt.id", p."name" AS "prompt.name", p."version" AS "prompt.version", p."content" AS "prompt.content"
FROM "Agent" a
LEFT JOIN "UserAgent" s ON s."userID" = :user_id AND s."agentID" = a."id"
LEFT JOIN "Prompt" p ON p."id" = a."promptID"
LEFT JOIN "Model" m ON m."id" = COALESCE(
    a."modelID", (SELECT MIN(d."id") FROM "Model" d WHERE d."internalName" = :default_model)
)
LEFT JOIN "Provider" pr ON pr."id" = m."providerID"
WHERE a."id" IN (
    SELECT o."id" FROM "Agent" o WHERE o."userID" = :user_id AND o."name" = :name
    UNION ALL
    SELECT o."id" FROM "UserAgent" ua JOIN "Agent" o ON o."id" = ua."agentID"
    WHERE ua."userID" = :user_id AND o."name" = :name
    UNION ALL
    SELECT o."id" FROM "Agent" o WHERE o."userID" IS NULL AND o."name" = :name
)
ORDER BY "class", a."id";

-- name: visible_agent
-- The user, and the agent if this user sees it. Served by primary keys and UserAgent_userID_agentID_idx.
SELECT u."id" AS "userID", (
        SELECT a."id" FROM "Agent" a
        WHERE a."id" = :agent_id AND (
            a."userID" IS NULL
            OR a."userID" = u."id"
            OR EXISTS (SELECT 1 FROM "UserAgent" ua WHERE ua."userID" = u."id" AND ua."agentID" = a."id")
        )
    ) AS "agentID"
FROM "User" u
WHERE u."id" = :user_id;

-- name: agents
-- A page of the agents that a user sees, newest first, with one row for each of their tools. Each way of seeing is
-- bounded by itself; an agent seen in two ways is there once, by the nearest. "+ 0" keeps PostgreSQL's planner from
-- walking through everybody's agents by the primary key; the casts are for ids of 32 bits in a database made by the
-- original package. Served by Agent_userID_idx, UserAgent_userID_agentID_idx, AgentTool_agentID_idx,
-- UserTool_userID_toolID_idx and primary keys.
SELECT v."class", v."role", a."id", a."userID", a."name", a."description", a."promptID",
    m."internalName" AS "model", a."createdAt", a."updatedAt", t."name" AS "tool"
FROM (
    SELECT * FROM (
        SELECT a."id", 1 AS "class", 'owner' AS "role" FROM "Agent" a
        WHERE a."userID" = :user_id AND a."id" < CAST(:below_id AS BIGINT)
        ORDER BY a."id" + 0 DESC
        LIMIT :limit
    ) own
    UNION ALL
    SELECT * FROM (
        SELECT a."id", 2, ua."role" FROM "UserAgent" ua JOIN "Agent" a ON a."id" = ua."agentID"
        WHERE ua."userID" = :user_id AND ua."agentID" < CAST(:below_id AS BIGINT)
            AND (a."userID" IS NULL OR a."userID" <> :user_id)
        ORDER BY a."id" + 0 DESC
        LIMIT :limit
    ) shared
    UNION ALL
    SELECT * FROM (
        SELECT a."id", 3, 'viewer' FROM "Agent" a
        WHERE a."userID" IS NULL AND a."id" < CAST(:below_id AS BIGINT)
            AND NOT EXISTS (SELECT 1 FROM "UserAgent" ua WHERE ua."userID" = :user_id AND ua."agentID" = a."id")
        ORDER BY a."id" + 0 DESC
        LIMIT :limit
    ) common
    ORDER BY 1 DESC
    LIMIT :limit
) v
JOIN "Agent" a ON a."id" = v."id"
LEFT JOIN "Model" m ON m."id" = a."modelID"
LEFT JOIN "AgentTool" l ON l."agentID" = a."id"
LEFT JOIN "Tool" t ON t."id" = l."toolID" AND (
    t."type" = 'builtin'
    OR EXISTS (SELECT 1 FROM "UserTool" ut WHERE ut."userID" = :user_id AND ut."toolID" = t."id")
)
ORDER BY a."id" DESC, l."toolID";

-- name: lock_agent (postgres)
-- First of every change: changes of one agent, its prompts, tools and shares take turns. Served by the primary key.
SELECT "id" FROM "Agent" WHERE "id" = :agent_id FOR NO KEY UPDATE;

-- name: lock_agent (sqlite)
-- A write transaction holds the only write lock from its BEGIN on. Served by the primary key.
SELECT "id" FROM "Agent" WHERE "id" = :agent_id;

-- name: standing
-- An agent that the user sees, with the user's role. After lock_agent and not in one statement with it, so that a role
-- that was taken away meanwhile is seen. Served by the primary key and UserAgent_userID_agentID_idx.
SELECT a."id", a."userID", a."name", a."description", a."modelID", a."promptID", a."modelParameters",
    CASE WHEN a."userID" = :user_id THEN 'owner' ELSE ua."role" END AS "role"
FROM "Agent" a
LEFT JOIN "UserAgent" ua ON ua."userID" = :user_id AND ua."agentID" = a."id"
WHERE a."id" = :agent_id AND (a."userID" IS NULL OR a."userID" = :user_id OR ua."id" IS NOT NULL);

-- name: user
-- Served by the primary key.
SELECT "id" FROM "User" WHERE "id" = :user_id;

-- name: model
-- By name or id (the other one is null). Names are not unique in a database made by the original package: the oldest
-- wins. Served by Model_internalName_idx and the primary key.
SELECT "id" FROM "Model" WHERE "id" = :model_id OR "internalName" = :model ORDER BY "id" LIMIT 1;

-- name: create_agent
INSERT INTO "Agent" (
    "userID", "name", "description", "modelID", "promptID", "modelParameters", "createdAt", "updatedAt"
)
VALUES (:user_id, :name, :description, :model_id, :prompt_id, :model_parameters, :now, :now)
RETURNING "id";

-- name: update_agent
-- What the caller did not name is written as it was read under the lock. Served by the primary key.
UPDATE "Agent"
SET "name" = :name, "description" = :description, "modelID" = :model_id, "promptID" = :prompt_id,
    "modelParameters" = :model_parameters, "updatedAt" = :now
WHERE "id" = :agent_id;

-- name: agent_tools
-- Served by AgentTool_agentID_idx.
SELECT "toolID" FROM "AgentTool" WHERE "agentID" = :agent_id;

-- name: add_tool
INSERT INTO "AgentTool" ("agentID", "toolID", "createdAt", "updatedAt") VALUES (:agent_id, :tool_id, :now, :now);

-- name: remove_tool
-- Served by AgentTool_toolID_agentID_idx.
DELETE FROM "AgentTool" WHERE "toolID" = :tool_id AND "agentID" = :agent_id;

-- name: leave_conversations
-- Of an agent that is being deleted: its owner's conversations are soft-deleted, once, and nobody's points to it any
-- more. Served by Conversation_agentID_idx.
UPDATE "Conversation"
SET "agentID" = NULL,
    "deletedAt" = CASE
        WHEN "userID" = :owner_id AND NOT COALESCE("deleted", FALSE) THEN :now ELSE "deletedAt"
    END,
    "updatedAt" = CASE
        WHEN "userID" = :owner_id AND NOT COALESCE("deleted", FALSE) THEN :now ELSE "updatedAt"
    END,
    "deleted" = CASE WHEN "userID" = :owner_id THEN TRUE ELSE "deleted" END
WHERE "agentID" = :agent_id;

-- name: lock_agent_alone (postgres)
-- For its deletion: no conversation can be started with it from now on. Served by the primary key.
SELECT "id" FROM "Agent" WHERE "id" = :agent_id FOR UPDATE;

-- name: lock_agent_alone (sqlite)
-- A write transaction holds the only write lock from its BEGIN on. Served by the primary key.
SELECT "id" FROM "Agent" WHERE "id" = :agent_id;

-- name: delete_agent_vectors
-- Of the resources that delete_agent_resources takes. Served by Resource_agentID_idx and
-- Vector_resourceID_order_idx.
DELETE FROM "Vector" WHERE "resourceID" IN (
    SELECT r."id" FROM "Resource" r
    WHERE r."agentID" = :agent_id AND r."messageID" IS NULL
        /* if resource_owners */
        AND r."conversationID" IS NULL AND (r."userID" IS NULL OR r."userID" = :owner_id)
        /* end */
);

-- name: delete_agent_resources
-- What belongs to the agent alone: not what stands in a conversation, which may be restored, nor what another user gave
-- it. Served by Resource_agentID_idx.
DELETE FROM "Resource"
WHERE "agentID" = :agent_id AND "messageID" IS NULL
    /* if resource_owners */
    AND "conversationID" IS NULL AND ("userID" IS NULL OR "userID" = :owner_id)
    /* end */;

-- name: delete_agent_tools
-- A database made by the original package has no foreign key that would. Served by AgentTool_agentID_idx.
DELETE FROM "AgentTool" WHERE "agentID" = :agent_id;

-- name: delete_shares
-- As above. Served by UserAgent_agentID_idx.
DELETE FROM "UserAgent" WHERE "agentID" = :agent_id;

-- name: delete_agent
-- Served by the primary key.
DELETE FROM "Agent" WHERE "id" = :agent_id;

-- name: delete_prompts
-- The versions that a deleted agent published, unless another agent uses one. Served by Prompt_name_idx and
-- Agent_promptID_idx.
DELETE FROM "Prompt"
WHERE "name" = :prompt_name AND NOT EXISTS (SELECT 1 FROM "Agent" a WHERE a."promptID" = "Prompt"."id");

-- name: usable_prompt
-- A prompt that a user may give to an agent: one that the agent published (its :prompt_name), that an agent uses which
-- the user sees, or that no agent uses and none published. Served by the primary key, Agent_promptID_idx and
-- UserAgent_userID_agentID_idx.
SELECT p."id" FROM "Prompt" p
WHERE p."id" = :prompt_id AND (
    p."name" = :prompt_name
    OR EXISTS (
        SELECT 1 FROM "Agent" a
        LEFT JOIN "UserAgent" ua ON ua."userID" = :user_id AND ua."agentID" = a."id"
        WHERE a."promptID" = p."id" AND (a."userID" IS NULL OR a."userID" = :user_id OR ua."id" IS NOT NULL)
    )
    OR (
        COALESCE(p."name", '') NOT LIKE 'agent:%'
        AND NOT EXISTS (SELECT 1 FROM "Agent" a WHERE a."promptID" = p."id")
    )
);

-- name: prompt
-- Served by the primary key.
SELECT "id", "name", "version", "content" FROM "Prompt" WHERE "id" = :prompt_id;

-- name: newest_version
-- Served by Prompt_name_version_idx.
SELECT MAX("version") AS "version" FROM "Prompt" WHERE "name" = :prompt_name;

-- name: create_prompt
INSERT INTO "Prompt" ("name", "version", "content", "createdAt", "updatedAt")
VALUES (:prompt_name, :version, :content, :now, :now)
RETURNING "id";

-- name: set_prompt
-- Served by the primary key.
UPDATE "Agent" SET "promptID" = :prompt_id, "updatedAt" = :now WHERE "id" = :agent_id;

-- name: prompts
-- The versions that an agent published and the prompt that it uses, newest first. Served by Prompt_name_idx and the
-- primary key.
SELECT "id", "name", "version", "content" FROM "Prompt"
WHERE ("name" = :prompt_name OR "id" = :prompt_id) AND "id" < CAST(:below_id AS BIGINT)
ORDER BY "id" DESC
LIMIT :limit;

-- name: prompt_version
-- Served by Prompt_name_version_idx.
SELECT "id" FROM "Prompt" WHERE "name" = :prompt_name AND "version" = :version;

-- name: tools
-- Those that a user may give to an agent: the builtin ones, of which there are few, and the user's own. Not with UNION,
-- which cannot compare JSON. Served by UserTool_userID_toolID_idx and the primary key.
SELECT 0 AS "isOwn", t."id", t."name", t."description", t."type", t."authenticationType", t."endpoint",
    t."transportType", t."customConfig"
FROM "Tool" t
WHERE t."type" = 'builtin'
UNION ALL
SELECT 1, t."id", t."name", t."description", t."type", t."authenticationType", t."endpoint",
    t."transportType", t."customConfig"
FROM "UserTool" ut JOIN "Tool" t ON t."id" = ut."toolID"
WHERE ut."userID" = :user_id AND COALESCE(t."type", '') <> 'builtin'
ORDER BY 2;

-- name: tool
-- A tool that a user sees, with the user's own part of it alone. Served by primary keys, UserTool_userID_toolID_idx and
-- UserTool_toolID_idx.
SELECT t."id", t."name", t."description", t."type", t."authenticationType", t."endpoint", t."transportType",
    t."customConfig", ut."id" AS "userToolID", ut."credential",
    EXISTS (
        SELECT 1 FROM "UserTool" o WHERE o."toolID" = :tool_id AND o."userID" <> :user_id
    ) AS "hasOtherUsers"
FROM "Tool" t
LEFT JOIN "UserTool" ut ON ut."userID" = :user_id AND ut."toolID" = t."id"
WHERE t."id" = :tool_id AND (t."type" = 'builtin' OR ut."id" IS NOT NULL);

-- name: lock_tool (postgres)
-- Changes of one tool take turns. Served by the primary key.
SELECT "id" FROM "Tool" WHERE "id" = :tool_id FOR NO KEY UPDATE;

-- name: lock_tool (sqlite)
-- A write transaction holds the only write lock from its BEGIN on. Served by the primary key.
SELECT "id" FROM "Tool" WHERE "id" = :tool_id;

-- name: create_tool
INSERT INTO "Tool" (
    "name", "description", "type", "authenticationType", "endpoint", "transportType", "customConfig",
    "createdAt", "updatedAt"
)
VALUES (
    :name, :description, :type, :authentication_type, :endpoint, :transport_type, :custom_config, :now, :now
)
RETURNING "id";

-- name: update_tool
-- What the caller did not name is written as it was read under the lock. Served by the primary key.
UPDATE "Tool"
SET "name" = :name, "description" = :description, "type" = :type, "authenticationType" = :authentication_type,
    "endpoint" = :endpoint, "transportType" = :transport_type, "customConfig" = :custom_config, "updatedAt" = :now
WHERE "id" = :tool_id;

-- name: own_tool
INSERT INTO "UserTool" ("userID", "toolID", "createdAt", "updatedAt")
VALUES (:user_id, :tool_id, :now, :now)
RETURNING "id";

-- name: set_credential
-- Served by the primary key.
UPDATE "UserTool" SET "credential" = :credential, "updatedAt" = :now WHERE "id" = :user_tool_id;

-- name: disown_tool
-- Served by UserTool_userID_toolID_idx.
DELETE FROM "UserTool" WHERE "userID" = :user_id AND "toolID" = :tool_id;

-- name: delete_tool_vectors
-- Chunks that belong to nothing but the tool. Served by Vector_toolID_idx.
DELETE FROM "Vector" WHERE "toolID" = :tool_id AND "resourceID" IS NULL AND "conversationID" IS NULL;

-- name: leave_vectors
-- A database made by the original package has no foreign key that would. Served by Vector_toolID_idx.
UPDATE "Vector" SET "toolID" = NULL, "updatedAt" = :now WHERE "toolID" = :tool_id;

-- name: delete_tool_links
-- As above. Served by AgentTool_toolID_agentID_idx.
DELETE FROM "AgentTool" WHERE "toolID" = :tool_id;

-- name: delete_tool
-- Served by the primary key.
DELETE FROM "Tool" WHERE "id" = :tool_id;

-- name: change_share
-- Not an upsert: a database made by the original package may lack the index. Served by UserAgent_userID_agentID_idx.
UPDATE "UserAgent" SET "role" = :role, "updatedAt" = :now
WHERE "userID" = :with_user_id AND "agentID" = :agent_id
RETURNING "userID", "role", "createdAt", "updatedAt";

-- name: share
INSERT INTO "UserAgent" ("userID", "agentID", "role", "createdAt", "updatedAt")
VALUES (:with_user_id, :agent_id, :role, :now, :now)
RETURNING "userID", "role", "createdAt", "updatedAt";

-- name: unshare
-- Served by UserAgent_userID_agentID_idx.
DELETE FROM "UserAgent" WHERE "userID" = :with_user_id AND "agentID" = :agent_id RETURNING "id";

-- name: shares
-- A page of those with whom an agent is shared, by user. Ordered by a sum, or PostgreSQL may walk all shares in the
-- order of their users. Served by UserAgent_agentID_idx.
SELECT "userID", "role", "createdAt", "updatedAt" FROM "UserAgent"
WHERE "agentID" = :agent_id AND "userID" > CAST(:after AS BIGINT)
ORDER BY "userID" + 0
LIMIT :limit;
