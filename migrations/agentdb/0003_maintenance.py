"""What is kept of usage rows that maintenance removed: their sums by day."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tortoise import BaseDBAsyncClient

# Only an addition. Reports of an earlier package leave out what was removed, which nobody does before the owner asks.
COMPATIBLE_SINCE = "0001_initial"

UPGRADE = {
    "sqlite": """
CREATE TABLE "agentdb_usage_day" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "createdAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "updatedAt" TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')||'000+00:00'),
    "day" TEXT NOT NULL,
    "pseudonym" TEXT,
    "type" TEXT,
    "inputTokens" BIGINT NOT NULL,
    "outputTokens" BIGINT NOT NULL,
    "cacheReadTokens" BIGINT NOT NULL,
    "cacheWriteTokens" BIGINT NOT NULL,
    "cost" INTEGER NOT NULL,
    "rows" BIGINT NOT NULL,
    "requests" BIGINT NOT NULL,
    "agentID" BIGINT CONSTRAINT "agentdb_usage_day_agentID_fkey" REFERENCES "Agent" ("id") ON DELETE SET NULL,
    "modelID" BIGINT CONSTRAINT "agentdb_usage_day_modelID_fkey" REFERENCES "Model" ("id") ON DELETE SET NULL,
    "userID" BIGINT CONSTRAINT "agentdb_usage_day_userID_fkey" REFERENCES "User" ("id") ON DELETE SET NULL
);
CREATE INDEX "agentdb_usage_day_day_idx" ON "agentdb_usage_day" ("day");
CREATE INDEX "agentdb_usage_day_userID_day_idx" ON "agentdb_usage_day" ("userID", "day");
CREATE INDEX "agentdb_usage_day_modelID_idx" ON "agentdb_usage_day" ("modelID");
CREATE INDEX "agentdb_usage_day_agentID_idx" ON "agentdb_usage_day" ("agentID");
""",
    "postgres": """
CREATE TABLE "agentdb_usage_day" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "createdAt" TIMESTAMPTZ DEFAULT now(),
    "updatedAt" TIMESTAMPTZ DEFAULT now(),
    "day" TIMESTAMPTZ NOT NULL,
    "pseudonym" TEXT,
    "type" TEXT,
    "inputTokens" BIGINT NOT NULL,
    "outputTokens" BIGINT NOT NULL,
    "cacheReadTokens" BIGINT NOT NULL,
    "cacheWriteTokens" BIGINT NOT NULL,
    "cost" NUMERIC(20,10) NOT NULL,
    "rows" BIGINT NOT NULL,
    "requests" BIGINT NOT NULL,
    "agentID" BIGINT CONSTRAINT "agentdb_usage_day_agentID_fkey" REFERENCES "Agent" ("id") ON DELETE SET NULL,
    "modelID" BIGINT CONSTRAINT "agentdb_usage_day_modelID_fkey" REFERENCES "Model" ("id") ON DELETE SET NULL,
    "userID" BIGINT CONSTRAINT "agentdb_usage_day_userID_fkey" REFERENCES "User" ("id") ON DELETE SET NULL
);
CREATE INDEX "agentdb_usage_day_day_idx" ON "agentdb_usage_day" ("day");
CREATE INDEX "agentdb_usage_day_userID_day_idx" ON "agentdb_usage_day" ("userID", "day");
CREATE INDEX "agentdb_usage_day_modelID_idx" ON "agentdb_usage_day" ("modelID");
CREATE INDEX "agentdb_usage_day_agentID_idx" ON "agentdb_usage_day" ("agentID");
""",
}

DOWNGRADE = {
    "sqlite": """
DROP TABLE IF EXISTS "agentdb_usage_day";
""",
    "postgres": """
DROP TABLE IF EXISTS "agentdb_usage_day";
""",
}


async def upgrade(db: BaseDBAsyncClient | None) -> str:
    return UPGRADE[db.capabilities.dialect if db else "postgres"]


async def downgrade(db: BaseDBAsyncClient | None) -> str:
    return DOWNGRADE[db.capabilities.dialect if db else "postgres"]


MODELS_STATE = (
    "eJztXW1z4zaS/isof8nkiuvyeJJNbmZrqzweJ+vd2JPzy2brLlcURMIWzyShkJQ1ulz++6EBvkmkJIDUCyn1h6mxSDRAPg0C/aAb"
    "jd9P6DMLE3d4esd9dvKe/H4S0gD+mL9hid/jcekyXEnoUMqc5EWGcRJRJxHXnqgfM3HJZbETeePE4yGUvCBQvUtilhD+RMbc9xyP"
    "xadk4Hrx2Kczm0cuiwYk5lESE9+Lk/gD8RLixSTkCaEkouHLKTTmcke05oXPG653Enq/TZid8GeWjFgkav+v/xaXvdBlX1gMP38/"
    "efKY78q/T9L6P0P1J1CQfRlHLI7FC8eZbAYp4GSXBWzP/SKRnI1lgRMpLzCUP/6wyFxTshqdJuDHYtWPt9f/8Xi10ABIjl9s2cac"
    "8j0XSsrrdlbD7SQYsugHWRbwH9oO9ydBWJQfz5IRD3MBL0zgqugwLKIJgxaSaAK9Ipz4ftp5so6iYC+KKLxLMi57ohMf+hZIqwco"
    "rp3Y9u3nB/v+6sG2Tyr9LpModZn0kiMwFHCIR40lAM/wCH/69/Pzd+++Oz979+fvv/3mu+++/f7se1FWPm/11nd/qIcp0FJVwVN9"
    "vP7x+vYBHoiLD0N9LXDhDylDE2oX+i3QdyIGeNk0qWrhwQtYnNBgXK+IVPQiqdGHaI8lQvw0+2NRO5kuSupJwc+1kxUp1FN86bku"
    "/vI0CR2AnmSDCAufvZCdvlJ/Ir7KkE//elLR4P1v/if1681XosSbr7/6uoUmVyjl4frm6v7h4uZniRGPk+dI3i1uPPwn3Ip/871E"
    "gX71L6WzQkeTsdtUR6ko6mjbOpL/V7UjBsB6xWTlF3QiHnlLWtjiSLYKW0BK3A5igZ4c2f95cXf5t4u7NzcX/5L6DGbpnZ8+3/6Y"
    "FS9GsNvLnz5/XMB6bp41mzzmplCtaaT78O9uIoE5/OmlNI/AhSF1XqY0cu25O4W2IjATMiupqq2PqfgP/7hjPpXvXtVL2UD8Gaqa"
    "aaipMt134zMprqZdaX6sj1nUFqXHmPV3FKnCA52Mn/Nl3a56KzgPFq/QUIDjpm1DSxlWaW+qYyNFR1vBR0qF1jKShxEjkfc8SkjC"
    "icvJgMpZcUDEzDgQcw6fRA4bfCCDfxPkIaGhG5MnHhH2yqKZKMOqXGQjNRqyEB1qoFBBctCDMR3JQb8NTyQH3dcRkoPdkYNs1jPB"
    "uyyDmJtjrqwOE8QLCcRbD2/kXv0jFyXIlrk7tEjGQkEN14fU+YwkIyodDkKePEdUgFHnz1hd2JAegPj1JzVbQrXibw0/QkoYlLCd"
    "SWpxhwXPRYNWlzWHJAVJChrASFKOQ0dqFLRNB7N8vNUa0npgKuxyVFuw1EyxL821iHwrR8a8Iqpa+IFHzHsO/8FmUhPXIaym1hLG"
    "xViWnulgmaEsLkd0mhs/5f4qXt5lPlMDy+XF/eXFp6uTmqFlE6geHAFZxHVuFK5Hdjnx2yqZkV6lOhqTuZtWEJi8iA51YVEsJloe"
    "CS4ixF49hxHqOHwSJrXkZUXxX8NfwwEde/YLmw3IiIv3FKXED+YS13sWZscpGQwnrmA2A/m+EKM1CX0vENOk+wFcKIHQlWgrvT31"
    "kpGoQYmQgNFQVCiu8yfiJU3YEtTvr6MqgJ4tSzYhROkkodNGSr+MIsUEvOL71apeFUWHULfnRgu5Vq/teORa3deRGvar6lm6Xp4L"
    "4HK5uXviyYvixDZ1wkmpW/TENYbdpw1QByEEvTnoYnRPJjWunuWIFxKIdwPXp2IXJoCnFjMC3ghwxb2qeN/wMF1GqABeiCzaNMzx"
    "AuqfflL/HxT4t483V3fXl2/Oz6y3Z1/PWyTC0L/68equEjmRkl0jcOekEN9V+O5hibdjeB7jCm/HVNB2gVe0T24ff/pp1Trkwhph"
    "28iTC/j/cJCuxPvbG0EJlth0kerL6ngVqoRzfxNIPYh6DhUocfeVRbGEoS1Wl6W6DhWvLPyzdYRcKYz0IIcq8aLtvz3x14ECFDHx"
    "rHHrgfxOVXPAXxuLXjcyON0VVR0qWoq72gBa6471UdYFoB2qNRUzGjkjW7xu1D7g+V5WdiXqOqSAg+qQbrt0tpFh/RPVAaov/Wq7"
    "204j/uq5SwIq8pvW6q2n5WIagRVZdISM844mYUwCLngdZK7JYyS8WBSjPnPrQi3MK9jG1tL0rXFzaQ9WYSyCsQR99lNjLEH3dYSb"
    "S9Hbd7CAs9Ad83SK1Y6VKckg5lvcXaqsv5bM4QYq6a1SdkwbFFh1nCGHcQVhKMposAWfhs8TUYuy8U/Jz5Ew/WNCI0Ye74nLhWKi"
    "GKKvyVvr7OyMJPyFhfEHMhBYsCikvjTQJSGYqo2lDkRKw8XaTahbb8+Qi2TV3mpwEgmsXZZotHM1ZTbrg7VVe0V53LiKBAiNayRA"
    "x6kjJEC7s8fnJlsT0OemUwS/EfgSLAPMs/KIdYMcs6XHNIB8QQyRN0c+oF+AViUCYzPrVAheFnIYLtk0FQEogE+S8cQc/8+5GMLf"
    "Bn5h3se8PhR7jQbuypKohKZKcIQt+vZFUPrar2BFOLwSvA7rPwMMiK8BedlYsxblpaMNwlwDs0OdEYORpWbRZy3UlyB8l8oi2rpo"
    "TyMo2xDuXzJhxHsF3unT2WMaiStJbfb8v4spcZm9LqV/nhNewJsP/4c5PZw5V8D89/vPt4tLLnBt0RbPlpjNs4IVa9loh2xu69K4"
    "FPLVdvtSOXysX6rQ3cK00HtxGxPuDTi+qPc+goVhyfsLSw7GycmSoGS4Za0LSc4KrQ0x+BwyAlvLwDnFnyB72yxOWEDGso5qiIBG"
    "+e2EG4vaa4ONT6y1J2iKEukjm7STimBwc7ftNIugb7/PfmP07XdfR+jb353jLZupjKaNkhCy/ObehjBhZkHOJRHs61uMcUbmv2sO"
    "osCqoyA5jCsYSFFGJ9W0NLqzrM4y8JjQ0CUyycgpGUDGkSIxNCXPPh9SX023FgFXCjRLhjN1ombtEZ1ba8WQ7Mh214cWS/zstLAZ"
    "41HvqdtEVtqsDcBKtwVVFmOjuzsDIn/qs22O/Kn7OkL+hCGjh498oPZDNYoAkLLo/6/3/ytgTU2hzNTUsoe6j+N+1gSUfdwk8EIZ"
    "4Qh+C/BlqklT6FNugsBvLt5lEm8m1iU7f6pfKtCNcyn11vVnsQXZJvC2mB7Yxv1FUMtT35LIoepwvQlcCx/6YQI7N7G1jcnaSD5g"
    "uVx0yAmBMcm0NlR7zJ3ck+95MawNUydjeCRG/PXV2yanvTpnWzYfrvC15UXWutruecCSkXh7QtPVVuKIvyBDzykZgA5l4p7BcOL5"
    "iRcOPohyM8LBr6V8YjDNQ9SfuEJgNotVEtIRfWXibpbQv+p922XD6x1y6GxCZxM6MtDZdKA6QmcTOpsOH3kJlgHkWXnEukG+3Ymw"
    "pMLEc6TZb5tCPy/+gIrAPLw9wlw0HcZjHiXG/T6XxC7fHH5nEic8AD7+5NXk4VkeUaAEL3O54w4naB51jWv7Wc/CUxE3ANSr+Op4"
    "XWyQEUr/lLX09uvdRyz/0iXGuW9zXUy//mLjhVq0k+t0+apfQGdq1a+yRLi+uGGkPVSn4kBkXZrh6vB+thK1U7kmScSNm1zS1kIr"
    "uHKJK5e4KoYrlweqI2Vvmo5l2VirNaD1wIzaT6wlzHnG0BdzLCK/qWDLJLWw2gawHRiJsBbi10r9dX20Jc1ipdqCemhBV4uolkfg"
    "eliXrxtslcIUEW91FGYuHm4FhZkvt57CZDwkHtGIudneYeD6FqExGbx6bMqigUUGzPUEIR0QHpEBn4q+MaihOK2rM6RARSi8Jh/J"
    "8cl27W6fAhVNIgXq+KSFFKjf5jVSoO7rKOK+kY8pK4+upQZubaSbR7W173iR787evq7pYCub+5BuaqLaabq51GFWdtGuIZsm7jLo"
    "Yl/FRNA96QqzFD+EiPeYUV/wRWEouxBHRX3iJRAXD66xlEfWOdTaV9iYb6YLgxrcT3q/UraZ+t0akE3D9uobQqbZlfnKQqbZaxaD"
    "TLP7OioG/6qOVkTVzUkdd0wdus+QSR4b8sgkd8ok0Rm8GWfwnmjkXOqJOiq5mJtiBZ2sFNWJwKT+C2yb5qHaNq0YIPySLZySG8GU"
    "ICcCGbIn0anIIJ4EAY1mdqBuCFAHhIobcF0ww8mYeKEK0kxL1EZy7qhZQ3qq6ZEsA63plFxgo6oDukYNpTKN8jBbZWpj0mjKu3Ph"
    "pq0XRnuD1nNhs9bTLpN2JUO1LgrjUkBXDQ4LlwJ6TTNxKaD7Okq8xMzrnAug27lJzgBlHVTw/iisWEaXHpGcSy2APtSz7Zugnl8p"
    "w15vbW4C7o+fP/80B/fH60U8H28+Xt29eVs9k7oe5CbDTiq612FnT919E4NJ1ZQ3M5Eqdp2WwdR93PezOrafGBeEHhcmcWGyIzo4"
    "jBCXjg0prSNczLIsp5Np223z6aR6QJ14PngW0+DqwIQpGNZCFDMaOSNbGKIvbXG6l1XdiJoO6bPbqtskG6bqPCalIWyFs6Rcaq2f"
    "BI60z9wK5HPkQtLZMPZcSC1bTkQOEXIQPcdlEf5EPDe2yHTkOaPKLYcHgZfEVe/INhv7Nfw1HERM9Jw4US6U0CXFBehCyq0C0jLW"
    "D+IDX9gsS60L15SbZRrxhBEvaeJnKb+GoXci1Zs9X0VTB8XCgzRru02Lllzxb9qu4bmfQrE67q2suax82xdMu9e1W/4BPaPhe+f1"
    "2eXKtIJC0U2Dbhp0AaCb5kB1hHsDd5h2kodJ7QrHitDYQgTjYgtKnlmjRj23bFNg9zXvvnM2v5ntM2fCaVlB3Yd/Pw6AsmFr7Aio"
    "GtroEGisCcV1zE9xzSgVfgab88Y4C3GsbR0Ihse7de2D0HUk1Awm6700qgNvAmV9z0HH+rwuvnNDRAtPjTPyfFdUtTNPTU/wRkcN"
    "nle4cYBSN4140chrDZRy1FyJunSOLezLPLJdT03+Ada5aspf5wpfzVyxtc6aHzyf/cn3XhhJ+Tb4LrIketJ1MWQ+D59jkvAFl4ol"
    "t6CAKyWJMx9MbEGOvSzheNVds/3mtrOJJQO12QaWQHdTRd5MoLmTon4LiW4r6Y6RLTqB8qaMvEDoeEDHAy5qo+PhQHWEJ0riuYaH"
    "iPVSJ89yuJc7eRBxDcTjd/Yk8kwAj989KgGE2xzugCUUrCMTN2ZZBv2YuI9m786bLrjRUBHv800IxjoIcCtfX/eTHS3w3dlO1jEV"
    "4G6ybu8mqxmw0f+rAe385KYB7p7jGHoKs3YYg46vHTey7d7jl6JV5+8rgFzh7SsV0khg54wmoUwll7AvCaEJETzNk6utA7n7aZAm"
    "NQcXGxNWkOsKxOAsLUp8L5bOuief0+TduXgRsJJqdmRtrZV226bWOKoUjq02K2VRGMo+lG+q2WohaUsxs3b1krWnTWGq9m4byhb6"
    "33rt20H/W/d1pIZmo4EsF0Ha32LdEb1DO3VX5LaVib9iTggdFrhq3rFhJLOVjZUwb56jApoqYB9Hcxwt8N3d+NMxlWx1309UCqlu"
    "C/Ph7bFYhHhhhO7cqRw9hXXZoRw6+6m2uoT5uDS51KNGaqlH/cRSD/yFhXF2EkbABQYqxRLkZUpGzIuII8w4ONvi8Z64XGg8ik/J"
    "dUL4JPG9VxYTJj5+0XlgvVHuNvBgcRI0QRJeXcrcdoMbTDAVMQc4qts0x5RuRqlHlWOoWQIpiaDOuZLQRlp46yd4qNY2cnSHSUtG"
    "9WvuUlENbHeLSqqcVvtTrBZpruZAxORWfTRqLVzj7vX6Ka5xd19HuO9hd+usXjieJMLUAmPRcO4AyYdcENdGmi5KCXu7qQ6UKCph"
    "Ax4e6oyYsMSo20gRUvxOSKMuNqWLaSRmiObK+AXEURub8H3GNbbSDQ/Txa0aj1FcayIxxwuof/pJ/d8/+Fcgeft4c3V3ffnm/Mx6"
    "e1Y9kOrqx6s7TIbYBXMHkyF2YETBDXS4b+tI4Yd1YXPw06VnhB63zPUDeNwyt6Utc0s2d8EAsQlQb7KKDhPV8vCrAStuRdSDFbci"
    "7ncr4p5iJ+4TKp+kGjuh7lgrYyfSa3acl10fQwEHXYWMRHyqAgdiOlPHX4FLbkhjBsdhwRre7D2B5aOEhWQ4kyVixtyvYsKnocCZ"
    "hjF1VF7GiAX8lblQjJLAe45kdNVXNXvDdto6RFdcCLHo1XMYmY64qD1kU8E/i2LQ3CB2RiygNsSFiUuDNKfkjDxFPCADhwdjUVZA"
    "bsee+JQGBFoN6AyyVs49u2bgBXqe0fOMXk30PB+ojuZHU5OVWSX5z0Kw0epsZWzrhpmys+XZxfnKRAOF7L1XbzWiDrTy8glbxXa9"
    "Z1bn9lnxAQixT7kU+iaadX4w7ptN45nwxiaJPn0HTcf+yjrVvqiU+HjUaQO1dCq/q0mpRHk9RvUL8JiMoBCfxulpv+8FHVFDAERr"
    "M+qMiOpqWTy5IEEWibkiQjQkzBXAulkhQUx89iRu+KJslUntrFXDQPJic4uE9DZNXfzCZusCe8vI2+kOkrwOW1SAYb1IrtBwR3J1"
    "zDpatg9xhU2ZS6Al3yR/POBgm2bsn5v7EPcGuIPBYAB4WhyhbhLPxafmyRT4FE9RbRlNocz0mrjc5clZSiJNU7N0DfuGuVm6wjrv"
    "VETjSf2BbeqepcU4o1JpnVSOC9uBqdoMrNxc4CQTn2hMRvSVkZCTsU8dRp54RLzEktuMpxmBlGLPolxtKsfttGJIKosQIj5mUZ6h"
    "oojk1aSWWeRquns0r6y0jxQ5ZsfHT+SYfeYvyDG7r6O5MVbXAJ8TQjO8zbaKHe9mOXbczd10bjsX3bEDLoYk8fxN8vcJMWSdLVnn"
    "PmL4jxf57gTxd00HbaP4NU622DLxh8hSmr527Wnt+X1LcwFgXmLtIoDcP5w6chXBhqhU2DpskYS+sBDSkGUnpgOOgscPqQ/9iQyZ"
    "oOlFYrEq999k5TLP2UjgOgAHs1wTmFIZ5+v7M1WbAJirNGmwfKBOhJenREArcC5E4CWnZCAjnWUtqj5LXGJJ4jP5ZyR6B43F34RH"
    "okX2ZexF4tcHMpikEeBpijV4DZVZbapeMK1EesgdocksHVzjhYoGaxO59qvZrXRWJZam2sqjwxUe8fqUaCueSVZm5zWZpf/azJO0"
    "egTNFHR17eolpMPFIVwcwoUHXBw6UB3RgE/qNvStyGVSiLTOZtJRI7YObfN0JqMUPG1gMwGEdRWsudGhHTGTCeDqTpNDR5Rd1mQQ"
    "L6zCzQzifVLFJsZmzIeEC8jHAHhK1httsJGSuMemDfyTRtmPJpj7CPMIdtNCxIxS6I06CuTRG7V1bxSmlNpKSqk9Ofk+TtxnloAr"
    "rz7Ct3zf0nLyDaWE9Ctoh/qOWeRxF04Zmo48Z5S52WIyZRFsAE0IvC5JOFG1x5Z0og2o74MnTP2Anvv+L57714GKzB3xKQkgy00y"
    "YjNZU1387y6bNvS1qUeT87vDxfei6dEpK8BWddiyghZOtiZNax0DhM4kdCahowKdSQeqo2II113AKSRw5azJypmcKQ3wzgUQ7kYr"
    "ZSwyPHcjF0Fq26tFhY5Rr2NcU+iYCvoe4HrPaOSMVmVUKu5bmjmVQEKP9UKm2CmP3OL0XZXF1yIhjwLqezFzJZmM2ZjKTgEJYOMx"
    "FeS0Pu9sq9oMuan2aarz0Cw/VnXzZDRtEWlot4dXC2lorykO0tDu60jODCasKBdAVtSAFe3v/KSuIX889Oh4kV/Bj/ZyiEfXNKHt"
    "JFx+iket8xUd2gfAPm9o9HKynHzK25YB97SDTGItAf0bn4pbkdzEmPa9OM2AxENIbq/OD5Gpj4aMhSRVtHR5qtbek0HRa+WmRahM"
    "5uqtzem7myYNqWy5aXM+K+C252vADEvdnq8sJJy9JjNIOLuvI2RA+w6jLmYkYyUsTIioiQ0yojK2mzDeLxfq65lOdI34mv7cKWP+"
    "EUatT7Tej5Tf1DPk1e4TNy2/1oy/nwTShpZiKlupzGki4xfTowPfZ16hx4dLImq2ZPYRi8i4VEvNQ9I7BN3rlNwzATb1VWWQFGXI"
    "0gqqJv1um5d5VkQN0vAPuZhDoUpxU7YpbrwnVDECT347Mn8LpHaBHC6QqSUWfwGS4g8hLI8XgWQoMOdDDGgorHp/RuABZgSMAPK/"
    "qtnBOGYTl4ezYECgYjeeS+My4jLfi3jsmLkqBtRn1IVnnI4g/BNSt8hdiPFAcJ2J6P5CNr1ExKPD80kSI166CYmB7qLJXPL+Jf8Z"
    "5RYp1sgatZe64oybNUxpUjSol9BkoTVZTZPWUkF0NXZ1Xkbm129Wgcyv+zpK7RYj5aQymBDBPL44s0pMnLtzQrg/vMGROTOzGOOs"
    "PGJtjrUXjieJMINfWGgYaCwlH3JBXMNovJrEJ0lTJShR1MIm1vSoM2K2sDXdRpqQ4ndCGpWxMWVMIzE1N9fGLyCO6uh12pCu4b/R"
    "vCGwAmfWrzMJ7MuN+3K2UGgIfEkKwW8MviTmxh6zbMmwKfYds/H3Az0mKTqqgNmjBR73E24porNIpoM5iraSo6gyUW4C1ousosOE"
    "tWxQdCv10wWLPGd0UhexkN6yVscrFIXWBSksR3W9m9vIX3odLlmCPTBn6fnbb7775vt3f/4mn53yK6smpfVuUIiyqQ1NuhzRJXZA"
    "SeQgdouJT+aL7bPwOYGP4/zbb1cAmi1wi1JfL6xlp7fO1b0FliG+KgOE0+IHiO7bszMNdEWppejKe5Xgx6R2coKjtZeGPGYiiytC"
    "npOQ/yO+F/eRRK8ANzt7fLm3ZtExY3XwoPI//h8546in"
)
