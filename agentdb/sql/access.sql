-- Users, roles and policies.
--
-- In all of them "remaining" is what is left: null in the table with a budget means the full budget, and without a
-- budget there is no limit, whatever the table says.

-- name: authenticate
-- The user of an API key with the role, and every policy with whether the role grants it: all policies are needed to
-- tell what a wildcard stands for, and there are few. The key may stand in two forms (digest, or plain where that is
-- accepted). Served by User_apiKey_idx; ordered by a sum, or PostgreSQL may walk all users in the order of their ids.
SELECT u."id", u."email", u."firstName", u."lastName", u."status", u."roleID", u."budget",
    CASE WHEN u."budget" IS NOT NULL THEN COALESCE(u."remaining", u."budget") END AS "remaining",
    u."createdAt", u."updatedAt",
    r."id" AS "role.id", r."name" AS "role.name", r."displayOrder" AS "role.displayOrder",
    p."id" AS "policy.id", p."name" AS "policy.name", p."resource" AS "policy.resource", p."action" AS "policy.action",
    EXISTS (
        SELECT 1 FROM "RolePolicy" rp WHERE rp."roleID" = u."roleID" AND rp."policyID" = p."id"
    ) AS "isGranted"
FROM "User" u
LEFT JOIN "Role" r ON r."id" = u."roleID"
LEFT JOIN "Policy" p ON TRUE
WHERE u."apiKey" IN (:stored, :stored_otherwise)
ORDER BY u."id" + 0, p."id";

-- name: user_by_email
-- A database made by the original package may hold the address as it was typed, and twice: the oldest user wins.
-- Served by User_email_idx.
SELECT "id", "email", "firstName", "lastName", "status", "roleID", "budget",
    CASE WHEN "budget" IS NOT NULL THEN COALESCE("remaining", "budget") END AS "remaining",
    "createdAt", "updatedAt"
FROM "User"
WHERE "email" IN (:email, :email_as_typed)
ORDER BY "id"
LIMIT 1;

-- name: lock_new_users (postgres)
-- One new user at a time, in all processes: whoever waited sees the one before. Not an index, because a database made
-- by the original package has no unique one, and because the very first user is special. Ends with the transaction.
SELECT pg_advisory_xact_lock(7018690069353751042) AS "locked";

-- name: lock_new_users (sqlite)
-- Nothing to do: a write transaction holds the only write lock from its BEGIN on.
SELECT 1 AS "locked";

-- name: lock_user (postgres)
-- Calls of one user with a request_id take turns, so that a repeated one finds what the first did. It waits for a
-- synchronous standby like any write: a repeated call acknowledges nothing that a failover could still lose. The weaker
-- lock lets rows that refer to the user be written meanwhile. Served by the primary key.
SELECT "id" FROM "User" WHERE "id" = :user_id FOR NO KEY UPDATE;

-- name: lock_user (sqlite)
-- A write transaction holds the only write lock from its BEGIN on. Served by the primary key.
SELECT "id" FROM "User" WHERE "id" = :user_id;
