"""What the services need beyond the schema of the original: reservations, budget resets, search, owners of resources.

The index on the words of search is an expression, which the models cannot declare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tortoise import BaseDBAsyncClient

# Only additions, which a package of the first version does not see.
COMPATIBLE_SINCE = "0001_initial"

UPGRADE = {
    "sqlite": """
CREATE TABLE "agentdb_reservation" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "amount" INTEGER NOT NULL,
    "held" INTEGER NOT NULL,
    "state" TEXT NOT NULL,
    "expiresAt" TEXT NOT NULL,
    "requestId" TEXT,
    "digest" TEXT NOT NULL,
    "settledDigest" TEXT,
    "usageID" BIGINT,
    "cost" INTEGER,
    "modelID" BIGINT
        CONSTRAINT "agentdb_reservation_modelID_fkey" REFERENCES "Model" ("id") ON DELETE SET NULL,
    "userID" BIGINT NOT NULL
        CONSTRAINT "agentdb_reservation_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "agentdb_reservation_userID_requestId_idx" ON "agentdb_reservation" ("userID", "requestId");
CREATE INDEX "agentdb_reservation_userID_state_expiresAt_idx" ON "agentdb_reservation" ("userID", "state", "expiresAt");
CREATE INDEX "agentdb_reservation_state_expiresAt_idx" ON "agentdb_reservation" ("state", "expiresAt");
CREATE INDEX "agentdb_reservation_modelID_idx" ON "agentdb_reservation" ("modelID");

CREATE TABLE "agentdb_budget_reset" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "period" TEXT NOT NULL,
    "scope" TEXT NOT NULL,
    "users" BIGINT NOT NULL,
    "userID" BIGINT
        CONSTRAINT "agentdb_budget_reset_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "agentdb_budget_reset_period_scope_idx" ON "agentdb_budget_reset" ("period", "scope");
CREATE INDEX "agentdb_budget_reset_userID_idx" ON "agentdb_budget_reset" ("userID");

CREATE TABLE "agentdb_search" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "words" TEXT NOT NULL,
    "messageID" BIGINT NOT NULL
        CONSTRAINT "agentdb_search_messageID_fkey" REFERENCES "Message" ("id") ON DELETE CASCADE,
    "userID" BIGINT NOT NULL
        CONSTRAINT "agentdb_search_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "agentdb_search_messageID_idx" ON "agentdb_search" ("messageID");
CREATE INDEX "agentdb_search_userID_idx" ON "agentdb_search" ("userID");

CREATE TABLE "agentdb_search_mark" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "messageID" BIGINT NOT NULL,
    "conversationID" BIGINT NOT NULL
        CONSTRAINT "agentdb_search_mark_conversationID_fkey" REFERENCES "Conversation" ("id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "agentdb_search_mark_conversationID_idx" ON "agentdb_search_mark" ("conversationID");

ALTER TABLE "Resource" ADD COLUMN "conversationID" BIGINT
    CONSTRAINT "Resource_conversationID_fkey" REFERENCES "Conversation" ("id") ON DELETE CASCADE;
ALTER TABLE "Resource" ADD COLUMN "userID" BIGINT
    CONSTRAINT "Resource_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE;
CREATE INDEX "Message_conversationID_id_idx" ON "Message" ("conversationID", "id");
CREATE INDEX "Resource_userID_idx" ON "Resource" ("userID");
CREATE INDEX "Resource_conversationID_idx" ON "Resource" ("conversationID");
""",
    "postgres": """
CREATE TABLE "agentdb_reservation" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now(),
    "amount" NUMERIC(20,10) NOT NULL,
    "held" NUMERIC(20,10) NOT NULL,
    "state" TEXT NOT NULL,
    "expiresAt" TIMESTAMPTZ NOT NULL,
    "requestId" TEXT,
    "digest" TEXT NOT NULL,
    "settledDigest" TEXT,
    "usageID" BIGINT,
    "cost" NUMERIC(20,10),
    "modelID" BIGINT
        CONSTRAINT "agentdb_reservation_modelID_fkey" REFERENCES "Model" ("id") ON DELETE SET NULL,
    "userID" BIGINT NOT NULL
        CONSTRAINT "agentdb_reservation_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "agentdb_reservation_userID_requestId_idx" ON "agentdb_reservation" ("userID", "requestId");
CREATE INDEX "agentdb_reservation_userID_state_expiresAt_idx" ON "agentdb_reservation" ("userID", "state", "expiresAt");
CREATE INDEX "agentdb_reservation_state_expiresAt_idx" ON "agentdb_reservation" ("state", "expiresAt");
CREATE INDEX "agentdb_reservation_modelID_idx" ON "agentdb_reservation" ("modelID");

CREATE TABLE "agentdb_budget_reset" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now(),
    "period" TEXT NOT NULL,
    "scope" TEXT NOT NULL,
    "users" BIGINT NOT NULL,
    "userID" BIGINT
        CONSTRAINT "agentdb_budget_reset_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "agentdb_budget_reset_period_scope_idx" ON "agentdb_budget_reset" ("period", "scope");
CREATE INDEX "agentdb_budget_reset_userID_idx" ON "agentdb_budget_reset" ("userID");

CREATE TABLE "agentdb_search" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now(),
    "words" TEXT NOT NULL,
    "messageID" BIGINT NOT NULL
        CONSTRAINT "agentdb_search_messageID_fkey" REFERENCES "Message" ("id") ON DELETE CASCADE,
    "userID" BIGINT NOT NULL
        CONSTRAINT "agentdb_search_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "agentdb_search_messageID_idx" ON "agentdb_search" ("messageID");
CREATE INDEX "agentdb_search_userID_idx" ON "agentdb_search" ("userID");
CREATE INDEX "agentdb_search_words_idx" ON "agentdb_search"
    USING gin (array_to_tsvector(string_to_array("words", ' ')));

CREATE TABLE "agentdb_search_mark" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now(),
    "messageID" BIGINT NOT NULL,
    "conversationID" BIGINT NOT NULL
        CONSTRAINT "agentdb_search_mark_conversationID_fkey" REFERENCES "Conversation" ("id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "agentdb_search_mark_conversationID_idx" ON "agentdb_search_mark" ("conversationID");

ALTER TABLE "Resource" ADD COLUMN "conversationID" BIGINT
    CONSTRAINT "Resource_conversationID_fkey" REFERENCES "Conversation" ("id") ON DELETE CASCADE;
ALTER TABLE "Resource" ADD COLUMN "userID" BIGINT
    CONSTRAINT "Resource_userID_fkey" REFERENCES "User" ("id") ON DELETE CASCADE;
CREATE INDEX "Message_conversationID_id_idx" ON "Message" ("conversationID", "id");
CREATE INDEX "Resource_userID_idx" ON "Resource" ("userID");
CREATE INDEX "Resource_conversationID_idx" ON "Resource" ("conversationID");
""",
}

DOWNGRADE = {
    "sqlite": """
DROP INDEX IF EXISTS "Resource_conversationID_idx";
DROP INDEX IF EXISTS "Resource_userID_idx";
DROP INDEX IF EXISTS "Message_conversationID_id_idx";
ALTER TABLE "Resource" DROP COLUMN "conversationID";
ALTER TABLE "Resource" DROP COLUMN "userID";
DROP TABLE IF EXISTS "agentdb_budget_reset";
DROP TABLE IF EXISTS "agentdb_search_mark";
DROP TABLE IF EXISTS "agentdb_reservation";
DROP TABLE IF EXISTS "agentdb_search";
DROP TABLE IF EXISTS "agentdb_search_fts";
DROP TABLE IF EXISTS "agentdb_search_deleted";
""",
    "postgres": """
DROP INDEX IF EXISTS "Resource_conversationID_idx";
DROP INDEX IF EXISTS "Resource_userID_idx";
DROP INDEX IF EXISTS "Message_conversationID_id_idx";
ALTER TABLE "Resource" DROP COLUMN "conversationID";
ALTER TABLE "Resource" DROP COLUMN "userID";
DROP TABLE IF EXISTS "agentdb_budget_reset";
DROP TABLE IF EXISTS "agentdb_search_mark";
DROP TABLE IF EXISTS "agentdb_reservation";
DROP TABLE IF EXISTS "agentdb_search";
""",
}


async def upgrade(db: BaseDBAsyncClient | None) -> str:
    return UPGRADE[db.capabilities.dialect if db else "postgres"]


async def downgrade(db: BaseDBAsyncClient | None) -> str:
    return DOWNGRADE[db.capabilities.dialect if db else "postgres"]


MODELS_STATE = (
    "eJztXWtz4zay/Ssof5nJLa3L40l2sjNbW+XxOFnvjj1ZP5Kte3OLgknY4jVJKARljSqb/37x4PshAaQepNSfbJFogDwNAn3Qjcbv"
    "R/iJBJHzcHxDPXL0Hv1+FGBf/FO8MeK/p9PcZXElwg9S5igt8sCiENsRv/aIPUb4JYcwO3SnkUsDUfIMieodxEiE6COaUs+1XcKO"
    "0dhx2dTDC4uGDgnHiNEwYshzWcQ+IDdCLkMBjRBGIQ6ej0VjDrV5a27wtOZ6Z4H724xYEX0i0YSEvPb/+V9+2Q0c8pUw8fP3o0eX"
    "eI78/yiu/4uo/kgUJF+nIWGMvzBLZBNIBU5WXsByna8SycVUFjiS8hxD+eOPESo0JavRaUL8KFd9f335r/uLUgNCcvpsyTYKyncd"
    "UVJet5Iarmf+Awl/kGUF/g+WTb2ZH2Tlp4toQoNUwA0icZV3GBLiiIgWonAmekUw87y48yQdRcGeFVF452Qc8ohnnuhbQlo9QHbt"
    "yLKuv9xZtxd3lnVU6XeJRK7LxJdsjiGHgz8qkwA8iUf4019OT9++fXd68vbP33/37bt3331/8j0vK5+3euvdH+phMrRUVeKpPl7+"
    "eHl9Jx6I8g9DfS3iwh9SBkfYyvSboW+HROBl4aiqhTvXJyzC/rReEbHoWVSjD94eibj4cfJPWTuJLnLqicFPtZMUydSTfempLv76"
    "OAtsAT1KBhGfOsRjx+pljwM6/9tRRYO3v3mf1K/Xr3iJ19+8+qaDJpco5e7y6uL27uzqJ4kRZdFTKO9mN+7+W9xiv3lupEC/+LfS"
    "Waaj2dRpq6NYFHS0aR3Jv1Xt8AGwXjFJ+ZJO+CNvSAsbHMmWYSuQ4rd9xtGTI/vPZzfnfz+7eX119m+pT38R3/n85frHpHg2gl2f"
    "f/7ysYR1YZ41mzwKU6jWNNJ/+Lc3kYg5/PE5N4+ICw/Yfp7j0LEKdzJthcJMSKykqrY+xuI//POGeFi+e1UveQPxJ1HVQkNNlem+"
    "H59JdjXuSsWxnpGwK0r3jAx3FKnCIzoZPaVN3a56yz/1y1dwwMFx4rZFSwlWcW+qYyNZR1vCR3KFVjKSuwlBofs0iVBEkUPRGMtZ"
    "cYz4zDjmcw6dhTYZf0Dj/+LkIcKBw9AjDRF5IeGClyFVLrKWGg1ZiA41UKgAORjAmA7kYNiGJ5CD/usIyMH2yEEy65ngnZcBzM0x"
    "V1aHCeKZBOCthzdwr+GRixxkTe4OLZJRKqjh+pA6X6BogqXDgcujpxBzMOr8GcsLG9IDIX75Sc2Wolr+v4YfISYMSthKJLW4Q8lz"
    "0aLVpuaApABJAQMYSMph6EiNgpbpYJaOt1pD2gBMhW2OaiVLzRT73FwLyHdyZBQVUdXCDzQk7lPwT7KQmrgMxGpqLWEsx7IMTAdN"
    "hjK/HOJ5avzk+yt/eT4WEjWwnJ/dnp99ujiqGVrWgereEZAyroVRuB7ZZuK3UTIjvUp1NCZxNy0hMGkRHepCQsYnWhpyLsLFXlyb"
    "IGzbdBZEteRlSfFfg1+DMZ661jNZjNGE8vfkpfgP4iDHfeJmxzEaP8wczmzG8n1FjNYs8FyfT5POB+FC8bmueFvx7bkbTXgNSgT5"
    "BAe8Qn6dPiI3asOWRP3eKqoi0LNkyTaEKJ4kdNqI6ZdRpBiHl3+/WtWrouAQ6vfcOAKuNWg7HrhW/3Wkhv2qehrXy1MBWC43d088"
    "uiGLLFMnnJS6Bk9ca9g93AJ1IQSgtwedj+7RrMbV04x4JgF4t3B9KnZhAnhsMQPgrQBX3KuK9xUN4mWECuCZSNmmIbbrY+/4k/q7"
    "V+Bf319d3Fyevz49Gb05+aZokXBD/+LHi5tK5ERMdo3ALUgBvsvw3cESb8/wPMQV3p6poOsCL28fXd9//rxsHbK0Rtg18uRM/N0f"
    "pCvx/tZaUBJLbLpIDWV1vApVRKm3DqTueD37ChS/+0JCJmHoitV5rq59xSsJ/+wcIZcLI93LoYq/aPdvj/+3pwCFhD8r6zyQ36hq"
    "9vhrI+HLWganm6yqfUVLcVdLgNa5Y32UdQnQ9tWaYgSH9sTirxt2D3i+lZVd8Lr2KeBgw9spQ/riOg2BAunN0fItlfliGgEDiddf"
    "xi+Hs4Ch2GGEMt+/y3gx7BGnLoTAvIJNbJmM3xo2TQ5gdWEEPvJB+1/BR95/HcGmSfBi7S3gJHCmNJ5itWNAcjKA+QZ3TaqxtCN7"
    "uBKVDFYpW6YNCqw6zpDCuIQwZGU02IKHg6cZr0XZ+Mfop5Cb/gzhkKD7W+RQrpiQiahi9GZ0cnKCIvpMAvYBjTkWJAywJw10SQjm"
    "asOkLSKAxcXazZUbb8+QiyTVXmtwEgmslZdotSMzZjarg5BVe1l52JAJBAiMayBAh6kjIEDbs8cLk60J6IXpFMBvBb4EywDzpDxg"
    "3SJ3au4xDSAviQHy5sj7+KugVRHH2Mw65YLnmRyEAZrZqUUF0Fk0nZnj/yUVA/i7wM/Ne0brQ4xXaOAmLwlKaKsEm9uib545pa/9"
    "CpaEeSvBy6D+M4BA7xqQm8aalSg3jjYAcw3MNrYnRIwsNYs+K6E+F8I3sSygrYv2PBRlW8L9SyIMeC/BO346a4pDfiWqzQr/Dz4l"
    "NtnrUvqngnAJb/rwf8Qe4My5BOZ/3H65Li+5iGtlWzxZYjbPdpWtZYMdsr4tOdNcyFfXbTn58LFhqUI7R1Cx98L2HIh5P7xo7qGA"
    "telwW38aHTUE24pbo1Whtkmhla7zLwFBYiuQcLrQR5Fta8Ei4qOprKPq+tYov5kwWl57bRDt0WjliYe8RPzIJu3EIhC022/7Y4TA"
    "Zz1kfyj4rPuvI/BZb8+hlMxURtNGTgjYa/tV9CAiZsG7ORHo6xuM3QVGu20OosCqoyApjEsYSFZGJzWwNLqTLLxy9kQ4cJBMCnGM"
    "xiJDRJbIF6Mnjz5gT023IyRcBKJZ9LBQJyDWHqm4sVYMyY5sd3XIrMTPigubMR71nrpNJKXN2hBY6bagykLMb39nQOBPQ7bNgT/1"
    "X0fAnyAUcv+R99U+n1aebSkLfu16v7YC1tQUSkxNLXuo/zjuZk1A2cdtAgqUEQ7gdwBfpgY0hT7mJgD8+uI4Zmw9MRzJeUHDUoFu"
    "/Eaut64+O8tPNjd3xXTPNqSXQc1PfQ0RMdXheh24Zj70/QS2MLF1jTVaS/5WuVy0zwlcISmwNlQ7zHU7kO+5HK4FqW4h7K9/XiQ5"
    "nNc5kZJxfokPKS2y0oV0S30STfjbIxyvIiKb/ycyqhyjsVCgTLQyfpi5XuQG4w+83AJR4a9Rvh4xfYloNn4FiVGaqaSRE/xC+N0k"
    "sXjVq7TNhlc7msCJAk4UWKAHJ8qe6gicKOBE2X/kIWvKFvOjzrglFUSuLW1+yxT6ovgdKALypg4Ic950wKY0jIz7fSoJXb49/PaM"
    "RdQXfPzRrcmb0uwpV4Lnqdxhu8nbRxPDmnXSs+B0tjUA9cK/OloX82KE0s+ylsF+vbuIUW9cYix8m6ti1fUXG8/Uop1cp0tX/Xy8"
    "UKt+lSXC1cUNI8hFdSq+QdalGYYt3s9SolYs1ybps3GTDW2VWoGVS1i5hFUxWLncUx0pe9N0LEvGWq0BbQBm1G5iCMWcZwx9NscC"
    "8usKIoxiC6trYNaekYhRKS4r119XRxHiJAaoK6j7FkxURjU/AtfD2rxusFEKk0Vy1VGYQpzXEgpTLLeawiQ8hE1wSJxkT6zg+iOE"
    "GRq/uGROwvEIjYnjckI6RjREYzrnfWNcQ3E6V2dIgbIQb00+kuKT7EbdPAXKmgQK1PNJCyjQsM1roED911FIPSMfU1IeXEst3NpA"
    "Nw9qy9rhIt+fPWt908FGNq0B3dREtdd0s9FhlnfRriCbJu4y0cVeMcTpnnSFjRQ/FBHvjGCP80VuKDsijgp7yI1EXLxwjcU8ss6h"
    "1r3C1nwzXhjU4H7S+xWzzdjv1oJsGrZX3xAwzb7MVyNgmoNmMcA0+6+jbPCv6mhJVF1B6rBj6sB9Bkzy0JAHJrlVJgnO4PU4g3dE"
    "IwspFeqoZDnnwhI6WSmqE4GJvWexbZoGatu0YoDil2zhGF1xpiT2+qMH8sg7FRqzme/jcGH56gYHdYwwvyGuc2Y4myI3UEGacYna"
    "SM4tNWtITzU9knmgNZ2SJTaqOqBj1FAs0yq/8ChPbUwajXl3Kty29cxob9F6KmzWetxl4q5kqNayMCwF9NXgGMFSwKBpJiwF9F9H"
    "kRuZeZ1TAXA7t8kZoKyDCt4fuRVLcOORtqlUCfQHPdu+DerplTzs9dbmOuD++OXL5wLcHy/LeN5ffby4ef2meoZwPchthp1YdKfD"
    "zo66+zoGk6opb2YiVew6LYOp/7jvZnVsNzEuAD0sTMLCZE90sB8hLj0bUjpHuJhlD44n067b5uNJdY86cTF4FtK76sAEKRhWQsQI"
    "Du2JxQ3R56443cqqrnhN+/TZbdRtkgxTdR6T3BC2xFmSL6V1tHviVkBfQkcknQ2Y64jUsvkE2yJCTkTPUVmEPiLXYSM0n7j2pHLL"
    "pr7vRqz+XPhNNfZr8GswDgnvOSxSLpTAQdkF0YWUW0VIy1g/ER/4TBZJal1xTblZ5iGNCHJbHVSffw1D70SsN6tYRVsHRelB2rXd"
    "pcWRXPFv267heZZcsTruraS5pHzXF4y716WT/yF6Rsv3Tuuz8pVpBYWCmwbcNOACADfNnuoI9gZuMe1k0xn3S0JjG8+4P+C42Mwa"
    "Neq5eZsCuq959y3Y/Ga2T8GE07KC+g//bhwAecPW2BFQNbTBIdBaE4rrmJ9OmlAq+AzW542xS3GsXR0IhseW9e2D0HUk1Awmq700"
    "qgOvA2V9z0HP+rwuvoUhooOnxp64nsOr2pqnZiB4g6MGzuFbO0Cxm4a/aOh2Bko5ai54XYs9mkc266lJP8A6V03+61ziqykUW+ms"
    "+cH1yJ8895mgmG8L30WSRE+6Lh6IR4MnhiJacqmM5BYU4UqJWOKDYSORYy9JOF5112y+uc1sYklAbbeBxdfdVJE242vupKjfQqLb"
    "SrxjZINOoLQpIy8QOB7A8QCL2uB42FMdwYmScK7hPmLd6ORphrvZyQOIayDO3lqz0DUBnL29VwIAtzncPomwsI5M3Jh5GfBjwj6a"
    "nTtv+uBGA0W8TzchGOvAh618Q91PdrDA92c7Wc9UALvJ+r2brGbABv+vBrTFyU0D3B3HMQwUZu0wBh1fO2xk277HL0arzt+XAbnE"
    "25crpJHAzp7MAplKLiJfI4QjxHmaK1dbx3L30zhOai5cbIRbQY7DERNnaWHkuUw66x49iqO3p/xFhJVUsyNrY6102za1wlGlcOy0"
    "WSmJwlD2oXxTzVYzSUuKmbWrl6w9bgpStffbUB6B/23Qvh3wv/VfR2poNhrIUhGg/R3WHcE7tFV3RWpbmfgrCkLgsIBV854NI4mt"
    "bKyEonkOCmirgF0czXGwwPd340/PVLLRfT9hLqS6K8z7t8eiDHFphO7dqRwDhbXpUA6d/VQbXcK8b0wuda+RWupeP7HUHX0mAUtO"
    "wpC8VKVYEnmZoglxQ2RzM06cbXF/ixzKNR6yY3QZITqLPPeFMET4x887j1hvlLsNXLE4KTSBIlpdytx0g2tMMBUSW3BUp22OKd2M"
    "Uvcqx1C7BFISQZ1zJUUbceGNn+ChWlvL0R0mLRnVr7lLRTWw2S0qsXI67U8ZdUhzVQARklsN0agdwRr3oNdPYY27/zqCfQ/bW2d1"
    "g+ks4qaWMBYN5w4heZcKwtpI20Upbm+31YESBSWswcOD7Qnhlhh2WilCit9wadDFunQxD/kM0V4Zvwhx0MY6fJ+sxla6okG8uFXj"
    "MWK1JhKxXR97x5/U3+HBvwTJ6/uri5vL89enJ6M3J9UDqS5+vLiBZIh9MHcgGWIPRhTYQAf7tg4UfsHVzcGPl54BetgyNwzgYcvc"
    "hrbMNWzuEgPEOkC9SiraT1Tzw68GrLAVUQ9W2Iq4262IO4qduI2wfJJq7IS6M1oaOxFfs1hadnUMhTjoKiAopHMVOMDwQh1/JVxy"
    "D5gRcRyWWMNbvEdi+SgiAXpYyBKMEOcVQ3QecJxxwLCt8jKGxKcvxBHFMPLdp1BGV72q2Ru21dZFdMUZFwtfXJug+YTy2gMy5/wz"
    "KyaaGzN7Qnxsibgwfmkc55RcoMeQ+mhsU3/Ky3LILebyT2mMRKs+XoislYVn1wy8AM8zeJ7Bqwme5z3VUXE0NVmZVZI/Z4KtVmcr"
    "Y1s/zJStLc+W5ysTDWSyt2691Qg60MrLx20Vy3GfSJ3bZ8kHwMU+pVLgm2jX+YVx324aT4TXNkkM6TtoO/ZX1ql2RaX4x6NOG6il"
    "U+ldTUrFy+sxql8Ej0kICvIwi0/7fc/piBoCRLQ2wfYEqa6WxJNzEjRCjCoihANEHA6skxTixMQjj/yGx8tWmdTWWjUMJM82t0hI"
    "r+PUxc9ksSqwN4+8Fe8gSeuweAUQ1gvkCgx3IFeHrKOmfYhLbMpUAiz5NvnjBQ6Wacb+wtwHuLfAXRgMBoDHxQHqNvFcdG6eTIHO"
    "4RTVjtEUykyvicttTs6SE2mbmqVv2LfMzdIX1nmjIhqP6g9sU/dGWowzzJXWSeVY2g6M1WZg5eYSTjL+iTI0wS8EBRRNPWwT9EhD"
    "5EYjuc14nhBIKfbEy9WmctxMK4akMgsholMSphkqskheTWqZRK7Gu0fTynL7SIFj9nz8BI45ZP4CHLP/OiqMsboGeEEIzPAu2yq2"
    "vJvl0HE3d9M53Vx0hw44H5L487fJ38fFgHV2ZJ27iOE/XOT7E8TfNx10jeLXONliw8RfRJbi+LVrT2tP7480FwCKEisXAeT+4diR"
    "qwi2iEoVW4dHKMLPJBBpyJIT0wWOnMc/YE/0J/RAOE3PEotVuf86K5d5ziYc17FwMMs1gTmWcb6et1C1cYCpSpMmlg/UifDylAjR"
    "ijgXwnejYzSWkc6yFlXfiF8iUeQR+W/Iewdm/H9EQ94i+Tp1Q/7rAxrP4gjwOMWaeA2VWW2uXjCuRHrIba7JJB1c64WKFmsTqfar"
    "2a10ViUaU22l0eEKD7Y6JdqSZ5KVWWlNZum/1vMknR5BMwVdXbt6CelgcQgWh2DhARaH9lRH2Kezug19S3KZZCKds5n01IitQ9s8"
    "nckkBk8b2EQAYF0Ga2p0aEfMJAKwutPm0BFll7UZxDOrcD2D+JBUsY6xGfIhwQLyIQAek/VWG2ykJOyx6QL/rFX2oxnkPoI8gv20"
    "ECGjFHijDgJ58EZt3BsFKaU2klJqR06+jzPniUTClVcf4Zu/P9Jy8j1ICelX0A71nZLQpY44ZWg+ce1J4mZjaE5CsQE0QuJ1UUSR"
    "qp2NEA3iQNwx9jzhDlM/RPd9/1fX+dtYhedO6Bz5ItVNNCELWV1dEPDW2zf0uqnnkzO9TfmXo+nbyavCUnVYsoIO7rY2TWsdCARu"
    "JXArgcsC3Ep7qqNsCNddyskkYA2tzRqanCkN8E4FAO5Wa2YkNDyBIxUBkjuo5YWekbBDXF3omQqGHup6S3BoT5blVsrujzSzKwkJ"
    "Pf4rcsbOaehk5/CqfL4jFNDQx57LiCPJJCNTLDuFSAXLppgz1PoMtJ1qM+Sm2ueqFqFpPmB1/WQ0bhFoaL+H1xHQ0EFTHKCh/deR"
    "nBlMWFEqAKyoBSva3UlKfUP+cOjR4SK/hB/t5DiPvmlC213YfJ5HrRsWXNt7wD6vcPh81Ew+5e2RAfe0/ERiJQH9O53zW6Hczhj3"
    "PRbnQqKBSHOvThKRSZAeCAlQrGjp8lStvUfjrNfK7YuiMpm1tza773aaNKSy+abN+SyH2yrWALmW+j1fjYBwDprMAOHsv46AAe06"
    "oDqbkYyVUJoQQRNrZER5bNdhvJ+X6huYTnSN+Jr+3Ctj/oyErj2pNeTjWyuM+KzQKru9Gds1H9F3GTQsDu6ZyXn65tt3337/9s/f"
    "puNAemXZ57/amGw8Kux8ghuG3pc9OySMfzJfLY8ET5H4OE6/+24JoMnCKy/1TWmNNb51qu6Vdu7zr8oA4bj4HqL75uREA11eqhFd"
    "ea9iSES1Jx2LhNWN5kMiUjaxXTtC/0Gey4ZoPywBN8no3exFKDsMSrZ1L9J///H/YFAWvg=="
)
