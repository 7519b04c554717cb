"""An app beside agentdb, as another package would bring it: one table that points to a user."""
