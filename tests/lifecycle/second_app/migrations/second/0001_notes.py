"""Notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tortoise import BaseDBAsyncClient

# The oldest version whose package may go on using a database at this one.
COMPATIBLE_SINCE = "0001_notes"
REQUIRES = "0002_services"

UPGRADE = {
    "sqlite": """
CREATE TABLE "Note" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "title" TEXT,
    "position" BIGINT,
    "userID" BIGINT NOT NULL CONSTRAINT "Note_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "Note_userID_position_idx" ON "Note" ("userID", "position");
CREATE INDEX "Note_title_idx" ON "Note" ("title");
""",
    "postgres": """
CREATE TABLE "Note" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now(),
    "title" TEXT,
    "position" BIGINT,
    "userID" BIGINT NOT NULL CONSTRAINT "Note_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "Note_userID_position_idx" ON "Note" ("userID", "position");
CREATE INDEX "Note_title_idx" ON "Note" ("title");
""",
}

DOWNGRADE = {
    "sqlite": """
DROP TABLE IF EXISTS "Note";
""",
    "postgres": """
DROP TABLE IF EXISTS "Note";
""",
}


async def upgrade(db: BaseDBAsyncClient | None) -> str:
    return UPGRADE[db.capabilities.dialect if db else "postgres"]


async def downgrade(db: BaseDBAsyncClient | None) -> str:
    return DOWNGRADE[db.capabilities.dialect if db else "postgres"]


MODELS_STATE = (
    "eJztVmFP2zAQ/StRvgASq1AZK5umSaEUVo2GjYYJbZqMm7jFInFC7Agq1P++OztO0qZig4lp0/bNvnt3Pr9nn33v0hkTKpp0/FQx"
    "941z7wqa4GDZsQ3zLGuY0aLoJNbQCjKRKqehAtuUxpKBKWIyzHmmeCoQ6TkCsNuOZEw40zxNHK6kU0iWO1Q6lzjoIEJedjBhlIaQ"
    "kYvZE2ILwW8KRlQ6Y+qK5ZDh6zcwcxGxOyZxeu9OOYsjPXYxfHiIgVkqua4X4ewuy5mUMJU2gyUId01MGLExhEd3mpp5pjHn/vDT"
    "+cDViYAaNLmLbWdpZcUV0Pgzi2nk6hIryTEouyY6/5KePEKkthMb6xfJhOVHGot0T0iYxkUianw2V1ewLRvAhUIrnAGWU8VwBZUX"
    "KLQo4rg8D1Z7o0ANMdQ3YiI2pUWMxwWjTQG1zSXEPw3IeBAQ4raOko1onJDSFAJ9QAeUKjUBMyzhxetud3e3193ZfbW/97LX29vf"
    "2Qesrrft6i1MMTVbJhVWdTA8HvoBFpTCWTcXAA0LHUMVJbW2NfthzpAvQlVbhYAnTCqaZOuFKEM9tUYPWI8pCO/Ywao6VouGPCX5"
    "lToWUstTX95Ki7fTQoRIvWP7QpJGLJYds1m4eLfv3JaC45v40Mw2NwCxubWx9QtKPiBKMBwNxoE3+lheYDXLtbd2BF/QJW9irgzp"
    "gwujWa1RkUVP1agM/a/Rc2tkmmVbHuiA65WpAlZUgaKfSYdn7GUPsYtcgTuRwJ/u7Z+9s/5772xz5F1oRZN56Tk59Y8tvO5hfv/k"
    "9GCF7eopfNTL0Yz68fvx57P+O1+QRjeCnwV57KPd+MU8hfjWy/3PMI/fpun12qcbOW2rcJTmjM/EBzbXSgyhbirCdZ3GNuPzMs9f"
    "psHCnjFrrS9oTm+rj2bzvMLm4d1hpon3vXHfOxyYn+mEhte3NI/IEtfoSbvpiqXCtl1JN1m1UAE8R+UuFovvkqcYSQ=="
)
