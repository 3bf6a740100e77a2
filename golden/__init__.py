"""Golden networks and vectors; see README.md beside this file."""
