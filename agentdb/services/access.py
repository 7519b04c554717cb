"""Who is calling, and what they may do."""

from __future__ import annotations

from agentdb.services._api_keys import ApiKeys
from agentdb.services._identities import Identities
from agentdb.services._new_users import NewUsers
from agentdb.services._roles import Roles
from agentdb.services._user_list import UserList
from agentdb.services._users import Users


class AccessService(Identities, ApiKeys, NewUsers, Users, UserList, Roles):
    """Users, API keys and rights."""
