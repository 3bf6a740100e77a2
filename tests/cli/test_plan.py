"""intsim plan."""

import json

import pytest

from intsim.arithmetic import Overflow
from intsim.storage import save
from tests.cli.files import call, setup, small


@pytest.fixture
def network(tmp_path):
    return setup(tmp_path)[0]


def planned(capsys, *arguments):
    done = call(capsys, "plan", *arguments, "--json")
    assert (done.status, done.err) == (0, "")
    return json.loads(done.out)


def test_every_node_is_in_one_step(network, capsys):
    found = planned(capsys, network)
    assert [name for step in found["steps"] for name in step["nodes"]] == ["fc/acc", "fc", "relu"]
    assert [op for step in found["steps"] for op in step["ops"]] == ["dense", "requantize", "clamp"]
    assert all(step["kernel"] and step["reason"] for step in found["steps"])
    assert (found["engine"], found["events"]) == ("fast", False)


def test_costs_of_every_node_by_itself(network, capsys):
    """4 codes to 2 sums of 32 bits by 8 weights of one byte and 2 biases of 8, to 2 codes, to 2 codes."""
    found = planned(capsys, network, "--engine", "reference")
    assert [(step["nodes"], step["macs"], step["bytes"]) for step in found["steps"]] == [
        (["fc/acc"], 8, 4 + 2 * 4 + 8 + 2 * 8),
        (["fc"], 0, 2 * 4 + 2),
        (["relu"], 0, 2 + 2),
    ]
    assert (found["macs"], found["bytes"]) == (8, 50)
    assert {step["kernel"].partition(" ")[0] for step in found["steps"]} == {"reference"}


def test_a_step_of_several_nodes_does_not_touch_what_is_between_them(network, capsys):
    (step, *rest) = planned(capsys, network)["steps"]
    alone = planned(capsys, network, "--engine", "reference")
    between = {1: 0, 2: 2 * 2 * 4, 3: 2 * 2 * 4 + 2 * 2}[len(step["nodes"])]
    assert step["bytes"] + sum(other["bytes"] for other in rest) == alone["bytes"] - between
    assert step["macs"] == 8


def test_the_datapath_and_the_events_are_in_the_reasons(tmp_path, capsys):
    save(small(), tmp_path / "net.h5")
    (tmp_path / "d.toml").write_text('[[accumulator]]\nnodes = "*"\nformat = "int8"\noverflow = "saturate"\n')
    narrow = planned(capsys, tmp_path / "net.h5", "--datapath", tmp_path / "d.toml")["steps"][0]
    assert "int8 saturate" in narrow["reason"]
    save(small(Overflow.WRAP, bits=8), tmp_path / "wrap.h5")
    quiet, counted = (
        planned(capsys, tmp_path / "wrap.h5", *more)["steps"][0]["reason"] for more in ((), ("--events",))
    )
    assert "counting events" in counted
    assert "counting events" not in quiet


def test_as_text(network, capsys):
    done = call(capsys, "plan", network, "--engine", "reference")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].split() == ["MACs", "bytes", "kernel", "nodes"]
    assert [line.split()[:2] + line.split()[-1:] for line in lines[1:4]] == [
        ["8", "36", "fc/acc"],
        ["0", "10", "fc"],
        ["0", "4", "relu"],
    ]
    assert lines[-4:-1] == [
        "steps                    3 of 3 nodes",
        "MACs                     8",
        "bytes                    50",
    ]


def test_a_reason_that_several_share_is_said_once(network, capsys):
    found = planned(capsys, network)
    text = call(capsys, "plan", network).out
    for step in found["steps"]:
        assert text.count(f"\n  {step['reason']}\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--engine", "slow"), "engine must be one of fast, reference, exact, crosscheck"),
        (("--datapath", "none.toml"), "none.toml: cannot be read"),
    ],
)
def test_refused(arguments, said, network, capsys):
    done = call(capsys, "plan", network, *arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("intsim: error: ")
    assert said in done.err
