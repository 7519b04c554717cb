"""Notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tortoise import BaseDBAsyncClient

# The oldest version whose package may go on using a database at this one.
COMPATIBLE_SINCE = "0001_notes"
REQUIRES = "0003_maintenance"

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
    "eJztVmFP2zAQ/StRvgASq1AZK5umSaEUVg3CRsuENk3GTa7FInFC7AAV6n/fnRM3aVOxwcS0aftm3707n9+zz753+QSkDkctP9Hg"
    "vnHuXcljGiw6NnGepjUzWTQfRQY6h4yUznig0TbmkQI0haCCTKRaJJKQniMRu+koAOmMsyR2hFZOriBzuHIuaNAihLpoUcIwCTCj"
    "kJMnxOZSXOfAdDIBfQkZZvj6Dc1ChnAHiqb37lhAFJqxS+H9fQpMEyVMvQSHuzQDpXCqbAZLEO2aFWHMxjAR3hlqpqnBnPn9T2c9"
    "1yRCasjkzjadhZW10EjjzyxmkMtLLCWnoPSKmfwLeoqQkMbObKyfxyPIDgyW6B6xIInyWFb4dKovcVs2QEhNVjwDkHENtILOchJa"
    "5lFUngerfaFABSmor8WEMOZ5RMeFoosCKpvLmH8yZIPekDG3cZRsRO2ElKYA6UM6sFRlCJhQCS9et9vb25321var3Z2Xnc7O7tYu"
    "Yk29TVdnVhRTsVWkoqr2+od9f0gFJXjWiwtAhpmJ4ZqzStuK/SAD4otx3VRhKGJQmsfpaiHKUE+v0APXA43hLTtYVsdqUZOnJH+u"
    "joVU8lSXd67F23EuA6LesX0B5ERIaN3wKAeFF+/2ndtQcHAd7Rez9TVErG+sbfyCkg+IMuwf9wZD7/hjeYH1JDPeyjH8Qi51HQld"
    "kN47LzSrNMrT8KkalaH/NXpujYpm2ZQHO+BqZeYBS6pg0c+kwzP2sofYJa7QHSvkz/T2z95p9713un7snRtF42npOTrxDy286mF+"
    "9+hkb4nt+VP4qJejHvXj9+PPZ/13viC1boQ/C/bYR7v2i3kK8Y2X+59hnr5N46uVTzdx2lThIMlATOQHmBol+lg3l8GqTmOb8VmZ"
    "5y/TYGbPmLVWFzTjt/OPZv284uZDiKBo4l1v0PX2e8XPdMSDq1uehWyBa/Ik7WTJMsc2XXE7XrZwiTyH5S5ms+888Bhf"
)
