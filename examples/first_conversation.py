"""A user talks to an agent, and the conversation is there to be read again."""

import asyncio

import agentdb


async def main() -> None:
    async with agentdb.connect(":memory:") as db:
        user = await db.access.create_user(email="ada@example.org")
        agent = await db.agents.resolve("Standard Chat", user_id=user.id)
        print(f"{agent.name} runs on {agent.model.name} with", ", ".join(str(tool.name) for tool in agent.tools))

        talk = await db.conversations.start(user_id=user.id, agent_id=agent.id, title="A capital")
        question, answer = [{"text": "What is the capital of Peru?"}], [{"text": "Lima."}]
        await db.conversations.append(talk.id, user_id=user.id, role="user", content=question)
        await db.conversations.append(talk.id, user_id=user.id, role="assistant", content=answer)

        page = await db.conversations.history(talk.id, user_id=user.id)
        for message in page.items:
            print(f"{message.role}: {message.content[0]['text']}")


asyncio.run(main())

# Standard Chat runs on Sonnet 4.6 with search, browse, code, editor, think
# user: What is the capital of Peru?
# assistant: Lima.
