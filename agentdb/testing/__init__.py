"""Databases for tests: each test gets its own, migrated and seeded, in milliseconds.

Installing agentdb with its extra `pytest` is enough for `async def test_x(agent_db): ...`; `plugin` tells the rest.
"""
