"""What calls cost is taken from a budget: exactly, once for each request, and never more than is left."""

import asyncio
from decimal import Decimal

import agentdb

MODEL = "us.anthropic.claude-sonnet-4-6"


async def main() -> None:
    async with agentdb.connect(":memory:") as db:
        user = await db.access.create_user(email="ada@example.org", budget=Decimal("0.01"))

        charge = await db.usage.record(
            user_id=user.id, model=MODEL, input_tokens=1000, output_tokens=200, request_id="a"
        )
        print(f"cost {charge.cost_usd}, remaining {charge.remaining}")

        # The answer was lost and the gateway asks again: the same charge, not a second one.
        again = await db.usage.record(
            user_id=user.id, model=MODEL, input_tokens=1000, output_tokens=200, request_id="a"
        )
        print(f"cost {again.cost_usd}, remaining {again.remaining}")

        # What a call may cost is held before it is made, so that agents at the same time cannot overspend together.
        held = await db.usage.reserve(user_id=user.id, model=MODEL, input_tokens=500, output_tokens=100)
        print(f"held {held.amount_usd}, remaining {held.remaining}")
        charge = await db.usage.settle(held.id, user_id=user.id, model=MODEL, input_tokens=500, output_tokens=20)
        print(f"cost {charge.cost_usd}, remaining {charge.remaining}")

        try:
            await db.usage.record(user_id=user.id, model=MODEL, output_tokens=500, request_id="b", enforce_budget=True)
        except agentdb.BudgetError as error:
            print(f"refused: {error.cost} costs more than {error.remaining}")


asyncio.run(main())

# cost 0.0060000000, remaining 0.0040000000
# cost 0.0060000000, remaining 0.0040000000
# held 0.0030000000, remaining 0.0010000000
# cost 0.0018000000, remaining 0.0022000000
# refused: 0.0075000000 costs more than 0.0022000000
