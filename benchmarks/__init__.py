"""How fast the services are, against statements written by hand, plain Tortoise and SQLAlchemy, in one run.

`nox -s bench` or `python -m benchmarks`; the README beside this file tells how to read what it prints. Nothing here is
part of the package.
"""
