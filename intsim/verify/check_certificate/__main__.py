"""``python -m check_certificate CERTIFICATE.json NETWORK.h5``: status 0 if every sum is proved, else 1."""

import sys

from . import examine


def main(arguments: list[str]) -> int:
    """Print what an examination comes to; the process's status."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    result = examine(*arguments)
    told = {"rejected": result.findings, "assumed": result.assumptions, "not proved": result.unproved}
    for word, lines in told.items():
        for line in lines:
            print(f"{word}: {line}")
    if not result.findings:
        print(f"{result.sums} sums")
    return 1 if result.findings or result.unproved else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
