-- Users, roles and policies.
--
-- In all of them "remaining" is what is left: null in the table with a budget means the full budget, and without a
-- budget there is no limit, whatever the table says. A user who is not named by id is found first and read by the
-- primary key then; of two that a database made by the original package may have, the oldest counts. It is the least of
-- a sum, or PostgreSQL may walk all users in the order of their ids.

-- name: identity (sqlite)
-- A user, by id or API key, with the role, and every policy with whether the role grants it: all policies are needed to
-- tell what a wildcard stands for, and there are few. They are one text, so that equal rights are parsed once. The key
-- may stand in two forms (digest, or plain where that is accepted): OR, because SQLite makes a table of what stands in
-- IN, which takes a quarter of the time. Served by User_apiKey_idx and primary keys.
SELECT u."id", u."email", u."firstName", u."lastName", u."status", u."roleID", u."budget",
    CASE WHEN u."budget" IS NOT NULL THEN COALESCE(u."remaining", u."budget") END AS "remaining",
    u."createdAt", u."updatedAt",
    r."id" AS "role.id", r."name" AS "role.name", r."displayOrder" AS "role.displayOrder",
    (
        SELECT json_group_array(json_array(p."id", p."name", p."resource", p."action", EXISTS (
            SELECT 1 FROM "RolePolicy" rp WHERE rp."roleID" = u."roleID" AND rp."policyID" = p."id"
        )))
        FROM "Policy" p
    ) AS "rights"
FROM "User" u
LEFT JOIN "Role" r ON r."id" = u."roleID"
WHERE u."id" = COALESCE(
    :user_id, (
        SELECT MIN(k."id" + 0) FROM "User" k
        WHERE k."apiKey" = :stored OR (k."apiKey" = :stored_otherwise AND :stored_otherwise <> :stored)
    )
);

-- name: identity (postgres)
-- The same, with PostgreSQL's names for JSON.
SELECT u."id", u."email", u."firstName", u."lastName", u."status", u."roleID", u."budget",
    CASE WHEN u."budget" IS NOT NULL THEN COALESCE(u."remaining", u."budget") END AS "remaining",
    u."createdAt", u."updatedAt",
    r."id" AS "role.id", r."name" AS "role.name", r."displayOrder" AS "role.displayOrder",
    (
        SELECT CAST(json_agg(json_build_array(p."id", p."name", p."resource", p."action", EXISTS (
            SELECT 1 FROM "RolePolicy" rp WHERE rp."roleID" = u."roleID" AND rp."policyID" = p."id"
        ))) AS TEXT)
        FROM "Policy" p
    ) AS "rights"
FROM "User" u
LEFT JOIN "Role" r ON r."id" = u."roleID"
WHERE u."id" = COALESCE(
    :user_id, (SELECT MIN(k."id" + 0) FROM "User" k WHERE k."apiKey" IN (:stored, :stored_otherwise))
);

-- name: identity_in_any_form (sqlite)
-- While a secret key is exchanged: the same, of an API key that may stand in any number of forms, and in which of them it
-- was found. Served as `identity` is.
SELECT u."id", u."email", u."firstName", u."lastName", u."status", u."roleID", u."budget",
    CASE WHEN u."budget" IS NOT NULL THEN COALESCE(u."remaining", u."budget") END AS "remaining",
    u."createdAt", u."updatedAt", u."apiKey" AS "storedForm",
    r."id" AS "role.id", r."name" AS "role.name", r."displayOrder" AS "role.displayOrder",
    (
        SELECT json_group_array(json_array(p."id", p."name", p."resource", p."action", EXISTS (
            SELECT 1 FROM "RolePolicy" rp WHERE rp."roleID" = u."roleID" AND rp."policyID" = p."id"
        )))
        FROM "Policy" p
    ) AS "rights"
FROM "User" u
LEFT JOIN "Role" r ON r."id" = u."roleID"
WHERE u."id" = (
    SELECT MIN(k."id" + 0) FROM "User" k WHERE k."apiKey" IN (SELECT "value" FROM json_each(:stored_forms))
);

-- name: identity_in_any_form (postgres)
-- The same, with PostgreSQL's names for JSON.
SELECT u."id", u."email", u."firstName", u."lastName", u."status", u."roleID", u."budget",
    CASE WHEN u."budget" IS NOT NULL THEN COALESCE(u."remaining", u."budget") END AS "remaining",
    u."createdAt", u."updatedAt", u."apiKey" AS "storedForm",
    r."id" AS "role.id", r."name" AS "role.name", r."displayOrder" AS "role.displayOrder",
    (
        SELECT CAST(json_agg(json_build_array(p."id", p."name", p."resource", p."action", EXISTS (
            SELECT 1 FROM "RolePolicy" rp WHERE rp."roleID" = u."roleID" AND rp."policyID" = p."id"
        ))) AS TEXT)
        FROM "Policy" p
    ) AS "rights"
FROM "User" u
LEFT JOIN "Role" r ON r."id" = u."roleID"
WHERE u."id" = (
    SELECT MIN(k."id" + 0) FROM "User" k WHERE k."apiKey" = ANY(
        ARRAY(SELECT json_array_elements_text(CAST(:stored_forms AS JSON)))
    )
);

-- name: move_api_key
-- The same API key under the current secret key, unless it was replaced meanwhile. Served by the primary key.
UPDATE "User" SET "apiKey" = :api_key WHERE "id" = :user_id AND "apiKey" = :found;

-- name: allows
-- Whether the role of a user grants an action, and the user's status. Served by primary keys and
-- RolePolicy_roleID_policyID_idx.
SELECT u."status", EXISTS (
    SELECT 1 FROM "RolePolicy" rp JOIN "Policy" p ON p."id" = rp."policyID"
    WHERE rp."roleID" = u."roleID" AND p."resource" IN (:resource, '*') AND p."action" IN (:action, '*')
) AS "isGranted"
FROM "User" u
WHERE u."id" = :user_id;

-- name: rights_of_role
-- Every policy with whether a role, by id or name, grants it; one row of nulls when there is no policy. Served by
-- primary keys, Role_name_idx and RolePolicy_roleID_policyID_idx.
SELECT r."id" AS "roleID", p."id", p."name", p."resource", p."action", EXISTS (
    SELECT 1 FROM "RolePolicy" rp WHERE rp."roleID" = r."id" AND rp."policyID" = p."id"
) AS "isGranted"
FROM "Role" r
LEFT JOIN "Policy" p ON TRUE
WHERE r."id" = COALESCE(:role_id, (SELECT MIN(k."id") FROM "Role" k WHERE k."name" = :role_name))
ORDER BY p."id";

-- name: user
-- A user, by id or e-mail address, with the role. A database made by the original package may hold the address as it
-- was typed. Served by User_email_idx and primary keys.
SELECT u."id", u."email", u."firstName", u."lastName", u."status", u."roleID", u."budget",
    CASE WHEN u."budget" IS NOT NULL THEN COALESCE(u."remaining", u."budget") END AS "remaining",
    u."createdAt", u."updatedAt",
    r."id" AS "role.id", r."name" AS "role.name", r."displayOrder" AS "role.displayOrder"
FROM "User" u
LEFT JOIN "Role" r ON r."id" = u."roleID"
WHERE u."id" = COALESCE(
    :user_id, (SELECT MIN(k."id" + 0) FROM "User" k WHERE k."email" IN (:email, :email_as_typed))
);

-- name: users
-- The next users by id, of one role and status if they are named. Searched and sorted in Python, where upper and lower
-- case, accents and nulls are the same for every engine; no column to sort by has an index. Served by the primary key.
SELECT u."id", u."email", u."firstName", u."lastName", u."status", u."roleID", u."budget",
    CASE WHEN u."budget" IS NOT NULL THEN COALESCE(u."remaining", u."budget") END AS "remaining",
    u."createdAt", u."updatedAt",
    r."id" AS "role.id", r."name" AS "role.name", r."displayOrder" AS "role.displayOrder"
FROM "User" u
LEFT JOIN "Role" r ON r."id" = u."roleID"
WHERE u."id" > :after_id
    AND (CAST(:status AS TEXT) IS NULL OR u."status" = :status)
    AND (CAST(:role_id AS BIGINT) IS NULL OR u."roleID" = :role_id)
ORDER BY u."id"
LIMIT :limit;

-- name: any_user
-- Whether there is somebody. Served by the primary key.
SELECT "id" FROM "User" WHERE "id" > 0 ORDER BY "id" LIMIT 1;

-- name: role
-- A role by id or name. Served by the primary key and Role_name_idx.
SELECT "id", "name", "displayOrder"
FROM "Role"
WHERE "id" = COALESCE(:role_id, (SELECT MIN(k."id") FROM "Role" k WHERE k."name" = :role_name));

-- name: grant
-- Once, also where no unique index says so, and whoever else grants it at the same moment. Served by primary keys and
-- RolePolicy_roleID_policyID_idx.
INSERT INTO "RolePolicy" ("roleID", "policyID")
SELECT r."id", p."id"
FROM "Role" r, "Policy" p
WHERE r."id" = :role_id AND p."id" = :policy_id
    AND NOT EXISTS (SELECT 1 FROM "RolePolicy" rp WHERE rp."roleID" = :role_id AND rp."policyID" = :policy_id)
ON CONFLICT DO NOTHING;

-- name: create_user
-- Without a balance: null is the full budget.
INSERT INTO "User" (
    "email", "firstName", "lastName", "status", "roleID", "apiKey", "budget", "createdAt", "updatedAt"
)
VALUES (:email, :first_name, :last_name, :status, :role_id, :api_key, :budget, :now, :now)
RETURNING "id";

-- name: update_user
-- Only what is set; what was spent of a budget stays spent, so the balance moves with it. A user who had no limit, or
-- has none from now on, starts with the full budget: null. No row back: no such user, or the balance would leave the
-- range, which SQLite would do silently for floating point. Casts round the double precision of a database made by the
-- original package. Served by the primary key.
UPDATE "User"
SET "email" = CASE WHEN :sets_email THEN :email ELSE "email" END,
    "firstName" = CASE WHEN :sets_first_name THEN :first_name ELSE "firstName" END,
    "lastName" = CASE WHEN :sets_last_name THEN :last_name ELSE "lastName" END,
    "status" = CASE WHEN :sets_status THEN :status ELSE "status" END,
    "roleID" = CASE WHEN :sets_role THEN :role_id ELSE "roleID" END,
    "budget" = CASE WHEN :sets_budget THEN CAST(:budget AS NUMERIC(20,10)) ELSE "budget" END,
    "remaining" = CASE
        WHEN NOT :sets_budget THEN "remaining"
        ELSE CAST(
            CAST("remaining" AS NUMERIC(20,10))
                + (CAST(:budget AS NUMERIC(20,10)) - CAST("budget" AS NUMERIC(20,10))) AS NUMERIC(20,10)
        )
    END,
    "updatedAt" = :now
WHERE "id" = :user_id AND COALESCE(
    CAST("remaining" AS NUMERIC(20,10)) + (CAST(:budget AS NUMERIC(20,10)) - CAST("budget" AS NUMERIC(20,10))), 0
) BETWEEN :lowest AND :highest
RETURNING "id";

-- name: issue_api_key
-- Only to a user who has none. Served by the primary key.
UPDATE "User" SET "apiKey" = :api_key, "updatedAt" = :now
WHERE "id" = :user_id AND "apiKey" IS NULL
RETURNING "id";

-- name: replace_api_key
-- From now on this one, or none if it is null. Served by the primary key.
UPDATE "User" SET "apiKey" = :api_key, "updatedAt" = :now
WHERE "id" = :user_id
RETURNING "id";

-- name: lock_new_users (postgres)
-- One new e-mail address at a time, in all processes: whoever waited sees the one before. Not an index, because a
-- database made by the original package has no unique one, and because the very first user is special. Ends with the
-- transaction.
SELECT pg_advisory_xact_lock(7018690069353751043) AS "locked";

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
