"""Your own reference data: CSV files with the columns of the tables, connected by the ids in them."""

import asyncio
import tempfile
from pathlib import Path

import agentdb

FILES = {
    "models.csv": """\
id,name,internalName,type,cost1kInput,cost1kOutput
1,House Model,house-model,chat,0.001,0.002
""",
    "prompts.csv": """\
id,name,version,content
1,librarian,1,file:librarian.txt
""",
    "librarian.txt": "You help people find a book they will finish.",
    "agents.csv": """\
id,userID,modelID,promptID,name
1,null,1,1,Librarian
""",
}


async def main(directory: Path) -> None:
    for name, text in FILES.items():
        (directory / name).write_text(text)
    async with agentdb.connect(":memory:", seed_directory=directory) as db:
        agent = await db.agents.resolve("Librarian", user_id=None)
        print(f"{agent.name} runs on {agent.model.name}, {agent.model.price.input} US dollars per 1,000 tokens")
        print(agent.prompt.content if agent.prompt else "no prompt")


with tempfile.TemporaryDirectory() as directory:
    asyncio.run(main(Path(directory)))

# Librarian runs on House Model, 0.0010000000 US dollars per 1,000 tokens
# You help people find a book they will finish.
