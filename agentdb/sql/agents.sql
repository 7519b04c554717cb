-- Agents with their prompts and tools. An agent is visible to its owner, to whom it is shared with (UserAgent), and to
-- everyone when it belongs to nobody.

-- name: resolve
-- The visible agents of that id or name (the other one is null), each with all that a turn needs: one row for each of
-- its tools. The text of the prompt, which may be long, is on the first of them only. A tool that is not builtin is
-- there only for users who have it. Served by Agent_userID_idx, UserAgent_userID_agentID_idx, AgentTool_agentID_idx,
-- UserTool_userID_toolID_idx, Model_internalName_idx and primary keys.
SELECT v."class", a."id", a."userID", a."name", a."description", a."modelParameters", a."createdAt", a."updatedAt",
    p."id" AS "prompt.id", p."name" AS "prompt.name", p."version" AS "prompt.version",
    CASE WHEN ROW_NUMBER() OVER (PARTITION BY v."class", a."id" ORDER BY l."toolID") = 1 THEN p."content" END
        AS "prompt.content",
    a."modelID", m."id" AS "model.id", m."name" AS "model.name", m."internalName" AS "model.internalName",
    m."type" AS "model.type", m."description" AS "model.description", m."maxContext" AS "model.maxContext",
    m."maxOutput" AS "model.maxOutput", m."maxReasoning" AS "model.maxReasoning",
    m."cost1kInput" AS "model.price.input", m."cost1kOutput" AS "model.price.output",
    m."cost1kCacheRead" AS "model.price.cache_read", m."cost1kCacheWrite" AS "model.price.cache_write",
    m."defaultParameters" AS "model.defaultParameters",
    m."createdAt" AS "model.createdAt", m."updatedAt" AS "model.updatedAt",
    pr."id" AS "model.provider.id", pr."name" AS "model.provider.name", pr."endpoint" AS "model.provider.endpoint",
    t."id" AS "tool.id", t."name" AS "tool.name", t."description" AS "tool.description", t."type" AS "tool.type",
    t."authenticationType" AS "tool.authenticationType", t."endpoint" AS "tool.endpoint",
    t."transportType" AS "tool.transportType", t."customConfig" AS "tool.customConfig"
FROM (
    SELECT a."id", 1 AS "class" FROM "Agent" a
    WHERE a."userID" = :user_id AND (a."id" = :agent_id OR a."name" = :name)
    UNION ALL
    SELECT a."id", 2 FROM "UserAgent" ua JOIN "Agent" a ON a."id" = ua."agentID"
    WHERE ua."userID" = :user_id AND (a."id" = :agent_id OR a."name" = :name)
    UNION ALL
    SELECT a."id", 3 FROM "Agent" a
    WHERE a."userID" IS NULL AND (a."id" = :agent_id OR a."name" = :name)
) v
JOIN "Agent" a ON a."id" = v."id"
LEFT JOIN "Prompt" p ON p."id" = a."promptID"
LEFT JOIN "Model" m ON m."id" = COALESCE(
    a."modelID", (SELECT MIN(d."id") FROM "Model" d WHERE d."internalName" = :default_model)
)
LEFT JOIN "Provider" pr ON pr."id" = m."providerID"
LEFT JOIN "AgentTool" l ON l."agentID" = a."id"
LEFT JOIN "Tool" t ON t."id" = l."toolID" AND (
    t."type" = 'builtin'
    OR EXISTS (SELECT 1 FROM "UserTool" ut WHERE ut."userID" = :user_id AND ut."toolID" = t."id")
)
ORDER BY v."class", a."id", l."toolID";

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
