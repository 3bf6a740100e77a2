"""Speed beside the peers that are installed: the same work, in one process, turn by turn."""
