"""The first schema: the seventeen tables of the platform and three of agentdb's own.

The `aerich` table belongs to the migrations of all apps, so it stays when this one is taken back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tortoise import BaseDBAsyncClient

COMPATIBLE_SINCE = "0001_initial"

UPGRADE = {
    "sqlite": """
CREATE TABLE "Role" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "name" TEXT,
    "displayOrder" BIGINT,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);
CREATE INDEX "Role_displayOrder_idx" ON "Role" ("displayOrder");
CREATE UNIQUE INDEX "Role_name_idx" ON "Role" ("name");

CREATE TABLE "Policy" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "name" TEXT,
    "resource" TEXT,
    "action" TEXT,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);
CREATE UNIQUE INDEX "Policy_name_idx" ON "Policy" ("name");

CREATE TABLE "RolePolicy" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "roleID" BIGINT NOT NULL CONSTRAINT "RolePolicy_roleID_fkey" REFERENCES "Role" ("id") ON DELETE CASCADE,
    "policyID" BIGINT NOT NULL CONSTRAINT "RolePolicy_policyID_fkey" REFERENCES "Policy" ("id") ON DELETE CASCADE,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);
CREATE UNIQUE INDEX "RolePolicy_roleID_policyID_idx" ON "RolePolicy" ("roleID", "policyID");
CREATE INDEX "RolePolicy_policyID_idx" ON "RolePolicy" ("policyID");

CREATE TABLE "User" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "email" TEXT,
    "firstName" TEXT,
    "lastName" TEXT,
    "status" TEXT,
    "roleID" BIGINT CONSTRAINT "User_roleID_fkey" REFERENCES "Role" ("id") ON DELETE SET NULL,
    "apiKey" TEXT,
    "budget" INTEGER,
    "remaining" INTEGER,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);
CREATE UNIQUE INDEX "User_email_idx" ON "User" ("email");
CREATE INDEX "User_roleID_idx" ON "User" ("roleID");
CREATE UNIQUE INDEX "User_apiKey_idx" ON "User" ("apiKey");

CREATE TABLE "Provider" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "name" TEXT,
    "apiKey" TEXT,
    "endpoint" TEXT,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);
CREATE UNIQUE INDEX "Provider_name_idx" ON "Provider" ("name");

CREATE TABLE "Model" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "providerID" BIGINT CONSTRAINT "Model_providerID_fkey" REFERENCES "Provider" ("id") ON DELETE SET NULL,
    "name" TEXT,
    "internalName" TEXT,
    "type" TEXT,
    "description" TEXT,
    "maxContext" BIGINT,
    "maxOutput" BIGINT,
    "maxReasoning" BIGINT,
    "cost1kInput" INTEGER,
    "cost1kOutput" INTEGER,
    "cost1kCacheRead" INTEGER,
    "cost1kCacheWrite" INTEGER,
    "defaultParameters" JSON,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);
CREATE UNIQUE INDEX "Model_internalName_idx" ON "Model" ("internalName");
CREATE INDEX "Model_providerID_idx" ON "Model" ("providerID");

CREATE TABLE "Prompt" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "name" TEXT,
    "version" BIGINT,
    "content" TEXT,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);
CREATE INDEX "Prompt_name_idx" ON "Prompt" ("name");
CREATE UNIQUE INDEX "Prompt_name_version_idx" ON "Prompt" ("name", "version");

CREATE TABLE "Agent" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "userID" BIGINT CONSTRAINT "Agent_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE,
    "modelID" BIGINT CONSTRAINT "Agent_modelID_fkey" REFERENCES "Model" ("id") ON DELETE SET NULL,
    "name" TEXT,
    "description" TEXT,
    "promptID" BIGINT CONSTRAINT "Agent_promptID_fkey" REFERENCES "Prompt" ("id") ON DELETE SET NULL,
    "modelParameters" JSON,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);
CREATE INDEX "Agent_modelID_idx" ON "Agent" ("modelID");
CREATE INDEX "Agent_promptID_idx" ON "Agent" ("promptID");
CREATE INDEX "Agent_userID_idx" ON "Agent" ("userID");

CREATE TABLE "Tool" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "name" TEXT,
    "description" TEXT,
    "type" TEXT,
    "authenticationType" TEXT,
    "endpoint" TEXT,
    "transportType" TEXT,
    "customConfig" JSON,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);

CREATE TABLE "AgentTool" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "toolID" BIGINT NOT NULL CONSTRAINT "AgentTool_toolID_fkey" REFERENCES "Tool" ("id") ON DELETE CASCADE,
    "agentID" BIGINT NOT NULL CONSTRAINT "AgentTool_agentID_fkey" REFERENCES "Agent" ("id") ON DELETE CASCADE,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);
CREATE UNIQUE INDEX "AgentTool_toolID_agentID_idx" ON "AgentTool" ("toolID", "agentID");
CREATE INDEX "AgentTool_agentID_idx" ON "AgentTool" ("agentID");

CREATE TABLE "UserAgent" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "userID" BIGINT NOT NULL CONSTRAINT "UserAgent_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE,
    "agentID" BIGINT NOT NULL CONSTRAINT "UserAgent_agentID_fkey" REFERENCES "Agent" ("id") ON DELETE CASCADE,
    "role" TEXT,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);
CREATE UNIQUE INDEX "UserAgent_userID_agentID_idx" ON "UserAgent" ("userID", "agentID");
CREATE INDEX "UserAgent_agentID_idx" ON "UserAgent" ("agentID");

CREATE TABLE "UserTool" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "userID" BIGINT NOT NULL CONSTRAINT "UserTool_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE,
    "toolID" BIGINT NOT NULL CONSTRAINT "UserTool_toolID_fkey" REFERENCES "Tool" ("id") ON DELETE CASCADE,
    "credential" JSON,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);
CREATE UNIQUE INDEX "UserTool_userID_toolID_idx" ON "UserTool" ("userID", "toolID");
CREATE INDEX "UserTool_toolID_idx" ON "UserTool" ("toolID");

CREATE TABLE "Conversation" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "userID" BIGINT NOT NULL CONSTRAINT "Conversation_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE,
    "agentID" BIGINT CONSTRAINT "Conversation_agentID_fkey" REFERENCES "Agent" ("id") ON DELETE SET NULL,
    "title" TEXT,
    "deleted" INT DEFAULT 0,
    "deletedAt" TEXT,
    "summaryMessageID" BIGINT
        CONSTRAINT "Conversation_summaryMessageID_fkey" REFERENCES "Message" ("id") ON DELETE SET NULL,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);
CREATE INDEX "Conversation_agentID_idx" ON "Conversation" ("agentID");
CREATE INDEX "Conversation_deleted_idx" ON "Conversation" ("deleted");
CREATE INDEX "Conversation_userID_createdAt_idx" ON "Conversation" ("userID", "createdAt");
CREATE INDEX "Conversation_userID_updatedAt_idx" ON "Conversation" ("userID", "updatedAt");
CREATE INDEX "Conversation_summaryMessageID_idx" ON "Conversation" ("summaryMessageID");

CREATE TABLE "Message" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "conversationID" BIGINT NOT NULL
        CONSTRAINT "Message_conversationID_fkey" REFERENCES "Conversation" ("id") ON DELETE CASCADE,
    "parentID" BIGINT CONSTRAINT "Message_parentID_fkey" REFERENCES "Message" ("id") ON DELETE SET NULL,
    "role" TEXT,
    "content" JSON,
    "requestId" TEXT,
    "requestIndex" BIGINT,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);
CREATE INDEX "Message_conversationID_createdAt_idx" ON "Message" ("conversationID", "createdAt");
CREATE INDEX "Message_conversationID_idx" ON "Message" ("conversationID");
CREATE INDEX "Message_parentID_idx" ON "Message" ("parentID");
CREATE UNIQUE INDEX "Message_conversationID_requestId_requestIndex_idx"
    ON "Message" ("conversationID", "requestId", "requestIndex");

CREATE TABLE "Resource" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "agentID" BIGINT CONSTRAINT "Resource_agentID_fkey" REFERENCES "Agent" ("id") ON DELETE SET NULL,
    "messageID" BIGINT CONSTRAINT "Resource_messageID_fkey" REFERENCES "Message" ("id") ON DELETE SET NULL,
    "name" TEXT,
    "type" TEXT,
    "content" TEXT,
    "s3Uri" TEXT,
    "metadata" JSON,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);
CREATE INDEX "Resource_agentID_idx" ON "Resource" ("agentID");
CREATE INDEX "Resource_messageID_idx" ON "Resource" ("messageID");

CREATE TABLE "Vector" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "conversationID" BIGINT CONSTRAINT "Vector_conversationID_fkey" REFERENCES "Conversation" ("id") ON DELETE CASCADE,
    "resourceID" BIGINT CONSTRAINT "Vector_resourceID_fkey" REFERENCES "Resource" ("id") ON DELETE CASCADE,
    "toolID" BIGINT CONSTRAINT "Vector_toolID_fkey" REFERENCES "Tool" ("id") ON DELETE SET NULL,
    "order" BIGINT,
    "content" TEXT,
    "embedding" JSON,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);
CREATE INDEX "Vector_conversationID_idx" ON "Vector" ("conversationID");
CREATE INDEX "Vector_resourceID_order_idx" ON "Vector" ("resourceID", "order");
CREATE INDEX "Vector_toolID_idx" ON "Vector" ("toolID");

CREATE TABLE "Usage" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "userID" BIGINT CONSTRAINT "Usage_userID_fkey" REFERENCES "User" ("id") ON DELETE SET NULL,
    "modelID" BIGINT CONSTRAINT "Usage_modelID_fkey" REFERENCES "Model" ("id") ON DELETE SET NULL,
    "type" TEXT,
    "agentID" BIGINT CONSTRAINT "Usage_agentID_fkey" REFERENCES "Agent" ("id") ON DELETE SET NULL,
    "messageID" BIGINT CONSTRAINT "Usage_messageID_fkey" REFERENCES "Message" ("id") ON DELETE SET NULL,
    "inputTokens" BIGINT,
    "outputTokens" BIGINT,
    "cacheReadTokens" BIGINT,
    "cacheWriteTokens" BIGINT,
    "cost" INTEGER,
    "requestId" TEXT,
    "requestIndex" BIGINT,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);
CREATE INDEX "Usage_createdAt_idx" ON "Usage" ("createdAt");
CREATE INDEX "Usage_modelID_idx" ON "Usage" ("modelID");
CREATE INDEX "Usage_userID_createdAt_idx" ON "Usage" ("userID", "createdAt");
CREATE INDEX "Usage_userID_idx" ON "Usage" ("userID");
CREATE INDEX "Usage_agentID_idx" ON "Usage" ("agentID");
CREATE INDEX "Usage_messageID_idx" ON "Usage" ("messageID");
CREATE UNIQUE INDEX "Usage_userID_requestId_requestIndex_idx" ON "Usage" ("userID", "requestId", "requestIndex");

CREATE TABLE "agentdb_state" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "schemaVersion" TEXT NOT NULL,
    "compatibleSince" TEXT NOT NULL,
    "seedDigest" TEXT,
    "completedAt" TEXT NOT NULL,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);

CREATE TABLE "agentdb_seed" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "source" TEXT NOT NULL,
    "tableName" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "rowID" BIGINT NOT NULL,
    "digests" JSON NOT NULL,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);
CREATE UNIQUE INDEX "agentdb_seed_source_tableName_key_idx" ON "agentdb_seed" ("source", "tableName", "key");

CREATE TABLE "agentdb_request" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "userID" BIGINT NOT NULL CONSTRAINT "agentdb_request_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE,
    "operation" TEXT NOT NULL,
    "requestId" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "resultID" BIGINT NOT NULL,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00')
);
CREATE UNIQUE INDEX "agentdb_request_userID_operation_requestId_idx"
    ON "agentdb_request" ("userID", "operation", "requestId");

CREATE TABLE IF NOT EXISTS "aerich" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "version" VARCHAR(255) NOT NULL,
    "app" VARCHAR(100) NOT NULL,
    "content" JSON NOT NULL
);
""",
    "postgres": """
CREATE TABLE "Role" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "name" TEXT,
    "displayOrder" BIGINT,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);
CREATE INDEX "Role_displayOrder_idx" ON "Role" ("displayOrder");
CREATE UNIQUE INDEX "Role_name_idx" ON "Role" ("name");

CREATE TABLE "Policy" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "name" TEXT,
    "resource" TEXT,
    "action" TEXT,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);
CREATE UNIQUE INDEX "Policy_name_idx" ON "Policy" ("name");

CREATE TABLE "RolePolicy" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "roleID" BIGINT NOT NULL CONSTRAINT "RolePolicy_roleID_fkey" REFERENCES "Role" ("id") ON DELETE CASCADE,
    "policyID" BIGINT NOT NULL CONSTRAINT "RolePolicy_policyID_fkey" REFERENCES "Policy" ("id") ON DELETE CASCADE,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);
CREATE UNIQUE INDEX "RolePolicy_roleID_policyID_idx" ON "RolePolicy" ("roleID", "policyID");
CREATE INDEX "RolePolicy_policyID_idx" ON "RolePolicy" ("policyID");

CREATE TABLE "User" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "email" TEXT,
    "firstName" TEXT,
    "lastName" TEXT,
    "status" TEXT,
    "roleID" BIGINT CONSTRAINT "User_roleID_fkey" REFERENCES "Role" ("id") ON DELETE SET NULL,
    "apiKey" TEXT,
    "budget" NUMERIC(20,10),
    "remaining" NUMERIC(20,10),
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);
CREATE UNIQUE INDEX "User_email_idx" ON "User" ("email");
CREATE INDEX "User_roleID_idx" ON "User" ("roleID");
CREATE UNIQUE INDEX "User_apiKey_idx" ON "User" ("apiKey");

CREATE TABLE "Provider" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "name" TEXT,
    "apiKey" TEXT,
    "endpoint" TEXT,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);
CREATE UNIQUE INDEX "Provider_name_idx" ON "Provider" ("name");

CREATE TABLE "Model" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "providerID" BIGINT CONSTRAINT "Model_providerID_fkey" REFERENCES "Provider" ("id") ON DELETE SET NULL,
    "name" TEXT,
    "internalName" TEXT,
    "type" TEXT,
    "description" TEXT,
    "maxContext" BIGINT,
    "maxOutput" BIGINT,
    "maxReasoning" BIGINT,
    "cost1kInput" NUMERIC(20,10),
    "cost1kOutput" NUMERIC(20,10),
    "cost1kCacheRead" NUMERIC(20,10),
    "cost1kCacheWrite" NUMERIC(20,10),
    "defaultParameters" JSONB,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);
CREATE UNIQUE INDEX "Model_internalName_idx" ON "Model" ("internalName");
CREATE INDEX "Model_providerID_idx" ON "Model" ("providerID");

CREATE TABLE "Prompt" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "name" TEXT,
    "version" BIGINT,
    "content" TEXT,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);
CREATE INDEX "Prompt_name_idx" ON "Prompt" ("name");
CREATE UNIQUE INDEX "Prompt_name_version_idx" ON "Prompt" ("name", "version");

CREATE TABLE "Agent" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "userID" BIGINT CONSTRAINT "Agent_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE,
    "modelID" BIGINT CONSTRAINT "Agent_modelID_fkey" REFERENCES "Model" ("id") ON DELETE SET NULL,
    "name" TEXT,
    "description" TEXT,
    "promptID" BIGINT CONSTRAINT "Agent_promptID_fkey" REFERENCES "Prompt" ("id") ON DELETE SET NULL,
    "modelParameters" JSONB,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);
CREATE INDEX "Agent_modelID_idx" ON "Agent" ("modelID");
CREATE INDEX "Agent_promptID_idx" ON "Agent" ("promptID");
CREATE INDEX "Agent_userID_idx" ON "Agent" ("userID");

CREATE TABLE "Tool" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "name" TEXT,
    "description" TEXT,
    "type" TEXT,
    "authenticationType" TEXT,
    "endpoint" TEXT,
    "transportType" TEXT,
    "customConfig" JSONB,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);

CREATE TABLE "AgentTool" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "toolID" BIGINT NOT NULL CONSTRAINT "AgentTool_toolID_fkey" REFERENCES "Tool" ("id") ON DELETE CASCADE,
    "agentID" BIGINT NOT NULL CONSTRAINT "AgentTool_agentID_fkey" REFERENCES "Agent" ("id") ON DELETE CASCADE,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);
CREATE UNIQUE INDEX "AgentTool_toolID_agentID_idx" ON "AgentTool" ("toolID", "agentID");
CREATE INDEX "AgentTool_agentID_idx" ON "AgentTool" ("agentID");

CREATE TABLE "UserAgent" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "userID" BIGINT NOT NULL CONSTRAINT "UserAgent_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE,
    "agentID" BIGINT NOT NULL CONSTRAINT "UserAgent_agentID_fkey" REFERENCES "Agent" ("id") ON DELETE CASCADE,
    "role" TEXT,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);
CREATE UNIQUE INDEX "UserAgent_userID_agentID_idx" ON "UserAgent" ("userID", "agentID");
CREATE INDEX "UserAgent_agentID_idx" ON "UserAgent" ("agentID");

CREATE TABLE "UserTool" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "userID" BIGINT NOT NULL CONSTRAINT "UserTool_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE,
    "toolID" BIGINT NOT NULL CONSTRAINT "UserTool_toolID_fkey" REFERENCES "Tool" ("id") ON DELETE CASCADE,
    "credential" JSONB,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);
CREATE UNIQUE INDEX "UserTool_userID_toolID_idx" ON "UserTool" ("userID", "toolID");
CREATE INDEX "UserTool_toolID_idx" ON "UserTool" ("toolID");

CREATE TABLE "Conversation" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "userID" BIGINT NOT NULL CONSTRAINT "Conversation_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE,
    "agentID" BIGINT CONSTRAINT "Conversation_agentID_fkey" REFERENCES "Agent" ("id") ON DELETE SET NULL,
    "title" TEXT,
    "deleted" BOOL DEFAULT false,
    "deletedAt" TIMESTAMPTZ,
    "summaryMessageID" BIGINT,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);
CREATE INDEX "Conversation_agentID_idx" ON "Conversation" ("agentID");
CREATE INDEX "Conversation_deleted_idx" ON "Conversation" ("deleted");
CREATE INDEX "Conversation_userID_createdAt_idx" ON "Conversation" ("userID", "createdAt");
CREATE INDEX "Conversation_userID_updatedAt_idx" ON "Conversation" ("userID", "updatedAt");
CREATE INDEX "Conversation_summaryMessageID_idx" ON "Conversation" ("summaryMessageID");

CREATE TABLE "Message" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "conversationID" BIGINT NOT NULL
        CONSTRAINT "Message_conversationID_fkey" REFERENCES "Conversation" ("id") ON DELETE CASCADE,
    "parentID" BIGINT CONSTRAINT "Message_parentID_fkey" REFERENCES "Message" ("id") ON DELETE SET NULL,
    "role" TEXT,
    "content" JSONB,
    "requestId" TEXT,
    "requestIndex" BIGINT,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);
CREATE INDEX "Message_conversationID_createdAt_idx" ON "Message" ("conversationID", "createdAt");
CREATE INDEX "Message_conversationID_idx" ON "Message" ("conversationID");
CREATE INDEX "Message_parentID_idx" ON "Message" ("parentID");
CREATE UNIQUE INDEX "Message_conversationID_requestId_requestIndex_idx"
    ON "Message" ("conversationID", "requestId", "requestIndex");

CREATE TABLE "Resource" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "agentID" BIGINT CONSTRAINT "Resource_agentID_fkey" REFERENCES "Agent" ("id") ON DELETE SET NULL,
    "messageID" BIGINT CONSTRAINT "Resource_messageID_fkey" REFERENCES "Message" ("id") ON DELETE SET NULL,
    "name" TEXT,
    "type" TEXT,
    "content" TEXT,
    "s3Uri" TEXT,
    "metadata" JSONB,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);
CREATE INDEX "Resource_agentID_idx" ON "Resource" ("agentID");
CREATE INDEX "Resource_messageID_idx" ON "Resource" ("messageID");

CREATE TABLE "Vector" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "conversationID" BIGINT CONSTRAINT "Vector_conversationID_fkey" REFERENCES "Conversation" ("id") ON DELETE CASCADE,
    "resourceID" BIGINT CONSTRAINT "Vector_resourceID_fkey" REFERENCES "Resource" ("id") ON DELETE CASCADE,
    "toolID" BIGINT CONSTRAINT "Vector_toolID_fkey" REFERENCES "Tool" ("id") ON DELETE SET NULL,
    "order" BIGINT,
    "content" TEXT,
    "embedding" JSONB,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);
CREATE INDEX "Vector_conversationID_idx" ON "Vector" ("conversationID");
CREATE INDEX "Vector_resourceID_order_idx" ON "Vector" ("resourceID", "order");
CREATE INDEX "Vector_toolID_idx" ON "Vector" ("toolID");

CREATE TABLE "Usage" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "userID" BIGINT CONSTRAINT "Usage_userID_fkey" REFERENCES "User" ("id") ON DELETE SET NULL,
    "modelID" BIGINT CONSTRAINT "Usage_modelID_fkey" REFERENCES "Model" ("id") ON DELETE SET NULL,
    "type" TEXT,
    "agentID" BIGINT CONSTRAINT "Usage_agentID_fkey" REFERENCES "Agent" ("id") ON DELETE SET NULL,
    "messageID" BIGINT CONSTRAINT "Usage_messageID_fkey" REFERENCES "Message" ("id") ON DELETE SET NULL,
    "inputTokens" BIGINT,
    "outputTokens" BIGINT,
    "cacheReadTokens" BIGINT,
    "cacheWriteTokens" BIGINT,
    "cost" NUMERIC(20,10),
    "requestId" TEXT,
    "requestIndex" BIGINT,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);
CREATE INDEX "Usage_createdAt_idx" ON "Usage" ("createdAt");
CREATE INDEX "Usage_modelID_idx" ON "Usage" ("modelID");
CREATE INDEX "Usage_userID_createdAt_idx" ON "Usage" ("userID", "createdAt");
CREATE INDEX "Usage_userID_idx" ON "Usage" ("userID");
CREATE INDEX "Usage_agentID_idx" ON "Usage" ("agentID");
CREATE INDEX "Usage_messageID_idx" ON "Usage" ("messageID");
CREATE UNIQUE INDEX "Usage_userID_requestId_requestIndex_idx" ON "Usage" ("userID", "requestId", "requestIndex");

CREATE TABLE "agentdb_state" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "schemaVersion" TEXT NOT NULL,
    "compatibleSince" TEXT NOT NULL,
    "seedDigest" TEXT,
    "completedAt" TIMESTAMPTZ NOT NULL,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);

CREATE TABLE "agentdb_seed" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "source" TEXT NOT NULL,
    "tableName" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "rowID" BIGINT NOT NULL,
    "digests" JSONB NOT NULL,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);
CREATE UNIQUE INDEX "agentdb_seed_source_tableName_key_idx" ON "agentdb_seed" ("source", "tableName", "key");

CREATE TABLE "agentdb_request" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "userID" BIGINT NOT NULL CONSTRAINT "agentdb_request_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE,
    "operation" TEXT NOT NULL,
    "requestId" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "resultID" BIGINT NOT NULL,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now()
);
CREATE UNIQUE INDEX "agentdb_request_userID_operation_requestId_idx"
    ON "agentdb_request" ("userID", "operation", "requestId");

-- Conversation and Message point at each other.
ALTER TABLE "Conversation" ADD CONSTRAINT "Conversation_summaryMessageID_fkey"
    FOREIGN KEY ("summaryMessageID") REFERENCES "Message" ("id") ON DELETE SET NULL;

CREATE TABLE IF NOT EXISTS "aerich" (
    "id" SERIAL NOT NULL PRIMARY KEY,
    "version" VARCHAR(255) NOT NULL,
    "app" VARCHAR(100) NOT NULL,
    "content" JSONB NOT NULL
);
""",
}

DOWNGRADE = {
    "sqlite": """
DROP TABLE "agentdb_request";
DROP TABLE "agentdb_seed";
DROP TABLE "agentdb_state";
DROP TABLE "Usage";
DROP TABLE "Vector";
DROP TABLE "Resource";
DROP TABLE "Message";
DROP TABLE "Conversation";
DROP TABLE "UserTool";
DROP TABLE "UserAgent";
DROP TABLE "AgentTool";
DROP TABLE "Tool";
DROP TABLE "Agent";
DROP TABLE "Prompt";
DROP TABLE "Model";
DROP TABLE "Provider";
DROP TABLE "User";
DROP TABLE "RolePolicy";
DROP TABLE "Policy";
DROP TABLE "Role";
""",
    "postgres": """
DROP TABLE
    "agentdb_request",
    "agentdb_seed",
    "agentdb_state",
    "Usage",
    "Vector",
    "Resource",
    "Message",
    "Conversation",
    "UserTool",
    "UserAgent",
    "AgentTool",
    "Tool",
    "Agent",
    "Prompt",
    "Model",
    "Provider",
    "User",
    "RolePolicy",
    "Policy",
    "Role";
""",
}


async def upgrade(db: BaseDBAsyncClient | None) -> str:
    return UPGRADE[db.capabilities.dialect if db else "postgres"]


async def downgrade(db: BaseDBAsyncClient | None) -> str:
    return DOWNGRADE[db.capabilities.dialect if db else "postgres"]


MODELS_STATE = (
    "eJztXftz4zaS/ldQ/mUmV1qXx5PsZDNXV+XxODnvju2cH8nWXa4omIQtnklCISB7VNn874cH3w8JIPWg5P7JFokGpK9BoL/uRvOP"
    "A/xIIu7dH17TgBz8gP44iHAo/ynfGInP02nhsrzC8b2SOcia3DMeY5eLaw84YERc8ghzY3/KfRrJlidIdu8hRjiiD2hKA9/1CTtE"
    "Y89n0wDPHRp7JB4jRmPOUOAzzj4inyOfoYhyhFGMo6dDOZhHXTGaHz2uuN9Z5P8+Iw6nj4RPSCx6/5//FZf9yCNfCZMf/zh48Eng"
    "qf8Pkv6vZPcHsiH5Oo0JY+IHs1Q2hVTi5BQFHN/7qpCcT1WDAyUvMFQf/hyh0lCqG5Mh5Idq13eX5/91d1YZQEpOnxw1Rkn5vidb"
    "qutO2sPlLLwn8Y+qrcT/3nFpMAujvP10zic0ygT8iMurYsKQGHMiR+DxTM6KaBYEyeRJJ4qGPW+i8S7IeOQBzwI5t6S0/gL5tQPH"
    "uby6dW7Obh3noDbvUonClEkuuQJDAYf4qkwB8Ci/wl/+dnz8/v2H46P3f/3+u28/fPju+6PvRVv1feu3Pvypv0yOlu5KfqtP5z+d"
    "X97KL0TFg6GfFnnhTyWDOXZy/ebouzGReDmY17Vw64eEcRxOmxWRiJ7wBn2I8QgX4ofpP1XtpLooqCcBP9NO2iRXT/6kZ7r494dZ"
    "5EroUbqIhNQjATvUP/Ywoi//cVDT4M3vwWf96e0b0eLtN2++6aHJBUq5Pb84u7k9ufhZYUQZf4zV3fzG7X/LW+z3wOca9LN/ap3l"
    "OppNva46SkRBR+vWkfpb145YAJsVk7av6ER85TVpYY0r2SJsJVLidsgEempl/+Xk+vQ/T67fXpz8U+kznCd3vlxd/pQ2z1ewy9Mv"
    "V58qWJf2WbvNo7SFGm0jw4d/cxuJ3MMfngr7iLxwj92nFxx7TulOrq1YmgmplVTX1qdE/Md/XJMAq99e10vRQPxZdjU3UFNtux/G"
    "Y5JfTaZSea1nJO6L0h0ju7uK1OGRk4we07ZpV78VHofVKzgS4HjJ2HKkFKtkNjWxkXyiLeAjhUZLGcnthKDYf5xwxCnyKBpjtSuO"
    "kdgZx2LPobPYJeOPaPxvgjxwHHkMPdAYkWcSz0UbUuciK+nRkoWYUAONCpCDHVjTgRzstuEJ5GD4OgJysDlykO56NngXZQBze8y1"
    "1WGDeC4BeJvhDdxr98hFAbK2cIcRyag0NAh9KJ3PEZ9gFXAQ8ugxxgKMpnjG4saW9ECKn3/Wu6XsVvxvEEdICIMWdlJJI+5QiVx0"
    "GLVtOCApQFLAAAaS8jp0pFdBx3Yxy9ZboyVtB0yFTa5qFUvNFvvCXgvI9wpklBVR18KPNCb+Y/QPMleaOI+kN7WRMFZzWXZMB22G"
    "srgc45fM+CnOV/HjxVpI9MJyenJzevL57KBhaVkFqntHQKq4llbhZmTbid9ayYyKKjXRmDTctIDAZE1MqAuJmdhoaSy4iBB79l2C"
    "sOvSWcQbycuC5r9Fv0VjPPWdJzIfowkVv1O0Eh+Ihzz/UZgdh2h8P/MEsxmr3ytztGZR4Idim/Q+yhBKKHQlxkpuv/h8InrQIigk"
    "OBIdiuv0Afm8C1uS/QfLqIpEz1EtuxCiZJMwGSOhX1aZYgJe8fwada+bQkBo2HvjCLjWTtvxwLWGryO97NfV0+ovzwTAXW4fnnjw"
    "Y8Yd2yCckrqESFxn2APcAXUpBKB3B12s7nzWEOppRzyXALw7hD41u7ABPLGYAfBOgGvuVcf7gkaJG6EGeC5StWmI64c4OPys/+4V"
    "+Jd3F2fX56dvj49G746+KVskwtA/++nsupY5kZBdK3BLUoDvIny34OIdGJ6v0cM7MBX0dfCK8dHl3Zcvi/yQFR9h38yTE/l3f5Cu"
    "5fs7K0FJuthMkdoV73gdKk5psAqkbkU/+wqUuPtMYqZg6IvVaaGvfcVrxsSv7T+pxH97ukjFRHxX1nuFutbd7NM0Wu/ZpJg++15L"
    "1C27OVp8PqnYzCD6lobQVDJgPIsYSryvKA+k+Uw0wwHxmuJx9h2s4/xR8qvhBNIOmOojCDjtdDADAk7D1xGcQAKX8N4CTiJvSpMt"
    "1jigWpABzNd4BEmvpT2Zw4XsZGeVsmHaoMFq4gwZjAsIQ97GgC0EOHqciV60jX+Ifo6F6c8Qjgm6u0EeFYqJmUzRQ+9GR0dHiNMn"
    "ErGPaCywIHGEA2WgK0Lwok8fuTKdTl5sPKm09vEsuUja7aUBJ1HAOkWJTsebEmazPKNPj5e3h9NNQIDAuAYC9Dp1BARoc/Z4abO1"
    "Ab20nQL4ncBXYFlgnrYHrDsUIix8TQvIK2KAvD3yIf4qaRUXGNtZp0LwNJeDnJqu51WlAuiMT2f2+F9lYgB/H/iFec9oc77eEg1c"
    "FyVBCV2V4Apb9N2ToPSNT8GCnEkteB41PwaQNdkActtasxTl1tUGYG6A2cXuhMiVpcHpsxTqUyl8ncgC2qZov8SybUe4f02FAe8F"
    "eCffzpniWFzhjSWW/y62xDZ7XUn/XBKu4E3v/4+4O7hzLoD57zdXl1WXi7xWtcVTF7N96Zjclw12yOry26eFlK++Oe7F9LHdUoVx"
    "wY3y7IVcd8iz3Z9QsHh8wyk/aMkflbdGy7JH00ZLo8FXEUEyVVzGEeiDrMYyZ5yEaKr6qEdzDdqvJzNU9N6YF1oJiDa9EUu0SL6y"
    "zTiJCOShDntLHUEYdqdDfBCGHb6OIAy7uRhJulNZbRsFISBk3R3DESd2+agFEZjra0xHBZK2aQ6iwWqiIBmMCxhI3sakdKQyutMq"
    "jWr3RDjykDo0fIjG8gRxXugRo8eA3uNAb7cjJL3eclh0P9dvyGp85dbaRrEkO2rc5VmgCj8naWzHePTvNB0ibW03hsTKdATdFtJY"
    "h7sDAn/aZdsc+NPwdQT8CbL79h/5UB9d6RSsVbIQqm0O1WpgbU2h1NQ0soeGj+N2fALaPu4SI9dGOIDfA3xVOsoW+oSbAPCrS02Y"
    "sdWkJezXG85HlZSEwmxd/m6VMD2v2xfTPTtjXQW1uPW1JHnUl+tV4JrH0PcT2NLG1jd9ZiX1/ZS7aJ8L/EHRSGOotlgLcUee5xJc"
    "6Zuw+5f6y9+ovYcwQSbbpqNIajlvCiKl6/yCGFLWZGkI6YaGhE/Er0c48SIiV/wni4QcorFUoKodMr6f+QH3o/FH0W6OqIzX6FiP"
    "3L5kNpu4guQqzXQdxAl+JuJuWni2HlXa5MDLA00QRIEgCjjoIYiypzqCIAoEUfYfeSgEssGSnzNhSUXcd5XN79hCXxa/BUVAKdAd"
    "wlwMHbEpjbn1vM8kYcp3h9+dMU5Dyccf/IZSIO2Rci14msm97jB592xi8FmnMwve3rMCoJ7FU0ebcl6sUPpF9bKzT+82ctRbXYyl"
    "Z3NZrrq5s/FEO+2Uny7z+oV4rr1+NRfh8uaWGeSyO53foPoyTMOWv8/Rok4i16WOsfWQLWNVRgHPJXguwSsGnss91ZG2N23XsnSt"
    "NVrQdsCM2k4OodzzrKHP91hAflVJhDyxsPomZu0ZiRhV8rIK83V5FiFOc4D6grpvyURVVIsrcDOs7X6DtVKYPJOricKU8rwWUJhy"
    "u+UUJuUhbIJj4qVnYiXXHyHM0PjZJy8kHo/QmHi+IKRjRGM0pi9ibowbKE7v7iwpUJ7ibchHMnzS06jrp0D5kECBBr5pAQXabfMa"
    "KNDwdRTTwCrGlLaH0FKHsDbQzVd1ZO31Ij+cM2tD08FaDq0B3TREddB0szVgVgzRLiGbNuEyOcXeMCTongqFjTQ/lBnvjOBA8EVh"
    "KHsyjwoHyOcyL16GxhIe2RRQ699hZ76ZOAYNuJ+KfiVsM4m7dSCbluM1DwRMcyj71QiY5k6zGGCaw9dRvvjXdbQgq64k9bpz6iB8"
    "BkzytSEPTHKjTBKCwasJBm+JRpZKKjRRyWrNhQV0stbUJAMTB0/y2DSN9LFpzQDlJzXCIboQTEme9Uf35EFMKjRmszDE8dwJ9Q0B"
    "6hhhcUNeF8xwNkV+pJM0kxaNmZwbGtaSnhpGJItAGwYlK2xUT0DPaqBEplN94VGR2tgMmvDuTLjr6LnR3mH0TNhu9GTKJFPJUq1V"
    "YXAFDNXgGIErYKdpJrgChq8j7nO7qHMmAGHnLjUDtHVQw/uTsGIJbn1LayZVAf3ezLbvgnp2pQh7s7W5Crg/XV19KcH96byK593F"
    "p7Prt+/qr8VtBrnLspOIbnXZ2dJ0X8ViUjfl7Uykml1nZDANH/fteMe2k+MC0INjEhyTA9HBfqS4DGxJ6Z3hYlc9ONlM+x6bTzbV"
    "PZrEUFtgy7UF0inV5N0uTLcFju1iK6PXcKcuYHQVe7JAaMR8T5YBLRZDltlMMtOJqib0AfkeG6GXie9OardcGoY+Z83v8F7XYL9F"
    "v0XjmIiZw7h2d0ceyi/IKaRd4FJa5WXJXK4nMk/LoMpr2iX+ElNOkN/ppeLFn2HpSU705pS76OpMrnyRbmPbvQBQoGsSD0jHStv3"
    "+l1yf9A6PveKH6R6Ov7orD+n2Bm8jn3Y9uoI/No77TMFv/bwdQSHqTZYp6/tpeALcglbXwr+ihMJc5PQauYWbQqYvvbTt2R429k+"
    "JRPOyAoaPvzb8ZgWDVtrz2nd0AYPamdNaK5j/zrHlFLBY7A697VbSfzr63G1fM/T0B4IU89rw2Ky3K2tJ/AqUDZ3tQ5szpviW1oi"
    "eri23YkfeKKrjbm2dwTvinkCLy4zgAleXLZp9382oZr8/8XZtiAAUGq2NALwox+QvwT+E0EJf9RO8HsS0OiRIU6z8sEjhFP3vSyk"
    "dU+bjkn37249WegpKN0y0EPTrOhsmBBSoYduI47AZbzT7khwGQ9fR/DyNHiF1z5i3eqeb4e73T0PiBsgzt47s9i3AZy9v9MCALc9"
    "3CHhWFpHNgGoogxEoCBlfOtu965nJkI4LLEGxzvkOJt5gg1ynBsmOTjZDaAtLwg9vOyQGr1532iCVpNnNAdygV+00Mig1oc7mUWq"
    "6gYXBibCHIl93ldsfaySj8dJ/UefM0TEVuJ5AjH52gGMAp9xKfkQUMzfH4sfIreahoTotY3SL2t5iY9T49grVziNv+gdVv1Sw1Fz"
    "SUeJ2Y1rVtcyGQqqWg7b1BiB/3anfYPgvx2+jvTSbLWQZSJAnHok7oF3caPursy2svF3lYTA4TWktNOBobqdZSS1la2VUDbPQQFd"
    "FbCNKsavFvjhpvwOTCVrzfiNC8lnfWHev+zKKsSVFXpwBYx3FNa2+sUmPt61ujDvWms73BlUdrgzr+twS59IxNKiwYqX6goHsiwC"
    "nxA/Rq4w42QZ4Lsb5FGh8ZgdonOO6IwH/jNhiIiHX0we6W9UKZy+dE5KTSBO667MdQ+4wvoOMXElR/W6lngwLehwp6sLdKvfoBA0"
    "eQWPHCNpvPZix3q0lVQ5thnJqn/j9+TKAdabDJwoxzATuFU9nQtclECEsha7aNSOwMe90/5T8HEPX0eQN7s5P6sfTWdcmFrSWLTc"
    "O6TkbSYIvpGuTilhb3fVgRYFJawgwoPdCRGWGPY6KUKJXwtp0MWqdPESix2iuzJ+leKgjVXEPlmDrXRBo8S51RAxYo0mEnH9EAeH"
    "n/Xf3YN/AZKXdxdn1+enb4+PRu+O6rX7z346u4YySEMwd6AM0gBWFDiAAQcwXin8kqvbg5+4ngH6HXtbxasFfkHof8MvqxiYCkwD"
    "pm3vqmg5cSQXiFWAepF2tJ+oFpdfA1jhfJwZrHA+bqjn49aaO3HDsfom9dwJfWe0MHciueawrO3yHAr5nomIoJi+6MQBhuf67RMy"
    "JHePGZFvo5A+vPkPSLqPOInQ/Vy1YIR4bxiiL5HAGUcMqyDKSLQO6TPxZDOMQv8xVtlVbxrOhm10dJldcSLE4mffJehlQkXvEXkR"
    "/DNvJocbM3dCQuzIvDBxaTySlbtwNEcPMQ3R2KXhVLQVkDvMF4/SGMlRQzyXr60ufXfDxAuIPEPkGaKaEHneUx2VV1Mbz6yW/CUX"
    "7OSdra1twzBTNuaere5XNhrIZW/8ZqsRdGBU10nYKo7nP5KmsM+CB0CIfc6kIDbRbfJ3fqlzJryyTWKXnoOua3/NT7UtKiUenrOI"
    "x/ODRjqV3TWkVKK9GaP6VfKYlKCgALPkZXs/CDqilwCZrU2wO0F6qqX55IIEjRCjmgjhCBFPAOuljQQxCciDuBGItnUmtbFRLRPJ"
    "88MtCtLLpPTlE5kvS+wtIu8kJ0iyPhzRAaT1ArkCwx3I1WvWUds5xAU2ZSYBlnyX+sMSB8e24nNp7wPcO+AuDQYLwJPmAHWXfC76"
    "Yl9Mgb7A+9N6ZlNoM70hL7e9OEtBpGtplqFh37E2y1BY57XOaDxofrWNvjcyYpxxobVJKcfKcWCsDwPrMJcMkolHlKEJfiYoomga"
    "YJegBxojX76jJvJEw4RAKrFH0a6xlON6RrEklXkKEZ2SOKtQkWfyGlLLNHM1OT2adVY4Rwocc+DrJ3DMXeYvwDGHr6PSGmtqgJeE"
    "wAzvc6xiw6dZXjvu9mE6r1+I7rUDLpYk8f271O8TYsA6e7LObeTwv17kh5PEPzQd9M3izyrJbYn4n5DYdycHTbw/uTVaTPvzRsvY"
    "fjumK042PY9adrw9I6rH77798O337//6bfa8Z1cWPebLKWhr0tvpBLcsrc97lu4mHpmvTkCiRy4fjuPvvlsAaGpMiFbfVOyG5Nax"
    "vlc5+yqeKguEk+Z7iO67oyMDdEWrVnTVPcM67dL12pY41Van3fNdjv6lXuuyg2gb+KbbLeOqETwaoCP7z/8HhypTVw=="
)
