"""The one rule that derives a column's name from its attribute.

`created_at` is `createdAt`, `user` is the column `userID`, `s3_uri` is `s3Uri`. What points to a row ends in `ID`; a
caller's own identifier such as `request_id` is plain text and ends in `Id`. The names are those of the system that
agentdb mirrors, so they are always quoted.
"""

from __future__ import annotations


def column_name(attribute: str, *, is_reference: bool) -> str:
    """The column of an attribute.

    Args:
        is_reference: Whether the attribute is a relation, or the plain number of a row.
    """
    head, *rest = attribute.split("_")
    return head + "".join("ID" if word == "id" and is_reference else word.capitalize() for word in rest)
