"""Two databases in one program, one per customer. Given a PostgreSQL URL, the second one is there."""

import asyncio
import sys

import agentdb

MODEL = "us.anthropic.claude-sonnet-4-6"


async def spend(db: agentdb.Database, email: str) -> str:
    user = await db.access.login(email=email)
    charge = await db.usage.record(user_id=user.id, model=MODEL, input_tokens=1000)
    return f"{user.email} spent {charge.cost_usd}"


async def main(second_url: str) -> None:
    async with agentdb.connect(":memory:") as first, agentdb.connect(second_url) as second:
        for line in await asyncio.gather(spend(first, "ada@one.example"), spend(second, "bob@two.example")):
            print(line)
        # Inside the block, ordinary queries on the models go to that database.
        for db, name in (first, "first"), (second, "second"):
            with db.use():
                print(name, "knows", await agentdb.User.all().values_list("email", flat=True))


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else ":memory:"))

# ada@one.example spent 0.0030000000
# bob@two.example spent 0.0030000000
# first knows ['ada@one.example']
# second knows ['bob@two.example']
