"""`intsim`: reads the command line and hands it to one verb.

Results go to stdout, everything else to stderr. Exit status: 0 fine, 1 the answer is no (files differ,
engines disagree, a register trapped), 2 wrong usage or a bad file. A verb's heavy imports are made when it
runs, so that `intsim --help` is quick.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from types import ModuleType

from intsim.errors import IntsimError, MismatchError, OverflowTrap

VERBS = (
    "convert",
    "info",
    "check_model",
    "run",
    "trace",
    "compare",
    "diff",
    "prove",
    "plan",
    "equiv",
    "ops",
    "formats",
    "dialects",
    "bench",
)
"""Modules of this package, each with SUMMARY, EXAMPLES, `add_arguments(parser)` and `run(arguments)`."""

_MOST_FINDINGS = 100
_LONGEST = 2000  # characters of a finding

OK, NO, WRONG = 0, 1, 2
INTERRUPTED = 128 + signal.SIGINT


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status; only argparse's own endings raise SystemExit."""
    arguments = make_parser().parse_args(argv)
    if argv is None:  # the command itself; a program that calls this is not talked to
        _tell_compilations()
    try:
        with _terminated_by_interrupt():
            status: int = arguments.run(arguments)
            sys.stdout.flush()
    except IntsimError as error:
        for finding in error.findings[:_MOST_FINDINGS]:
            _complain(str(finding))
        if len(error.findings) > _MOST_FINDINGS:
            _complain(f"and {len(error.findings) - _MOST_FINDINGS:,} more")
        return NO if isinstance(error, (OverflowTrap, MismatchError)) else WRONG
    except BrokenPipeError:
        _close_stdout()  # the reader has gone: say nothing
        return 128 + signal.SIGPIPE
    except OSError as error:
        _close_stdout()
        _complain(f"{error.strerror or error}".lower())
        return WRONG
    except MemoryError:
        _complain("there is not enough memory for this")
        return WRONG
    except KeyboardInterrupt:
        print("intsim: interrupted", file=sys.stderr)
        return INTERRUPTED
    return status


def _tell_compilations() -> None:
    """The first use takes a while: say once what it compiles, and where that is kept."""
    from intsim.kernels import jit

    said: list[str] = []

    def tell(kernel: str) -> None:
        if not said:
            what = f"{kernel} and other kernels for this processor"
            print(f"intsim: compiling {what}; kept in {jit.cache_folder()}", file=sys.stderr)
        said.append(kernel)

    jit.tell_compilations(tell)


def _complain(what: str) -> None:
    """One line, whatever a file calls its tensors: nothing in it moves the cursor or turns text around."""
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in what)
    if len(shown) > _LONGEST:
        shown = f"{shown[:_LONGEST]} ... ({len(shown):,} characters)"
    print(f"intsim: error: {shown}", file=sys.stderr)


def _close_stdout() -> None:
    """Let nothing more be written, not even when Python flushes stdout at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _terminated_by_interrupt() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does, so that no half-written file stays."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command."""
    parser = argparse.ArgumentParser(
        prog="intsim",
        description="Bit-exact reference simulator for quantized neural networks.",
        epilog="`intsim VERB --help` has examples. Exit status: 0 fine, 1 the answer is no, 2 wrong usage"
        " or a bad file.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for name in VERBS:
        _add_verb(verbs, import_module(f"intsim.cli.{name}"))
    return parser


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"intsim {version('intsim')}")
        parser.exit()


def _add_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser], module: ModuleType) -> None:
    verb = verbs.add_parser(
        module.__name__.rpartition(".")[2].replace("_", "-"),
        help=module.SUMMARY,
        description=module.__doc__,
        epilog=f"examples:\n{module.EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(verb)
    verb.set_defaults(run=module.run)


if __name__ == "__main__":
    sys.exit(main())
