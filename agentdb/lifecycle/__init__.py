"""How a database comes to be, is kept up to date, and is joined."""
