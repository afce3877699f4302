"""A device that a command measures on: which fails now and then, at one network, or altogether."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

from nas.devices.command import CostCommand, Unmeasured
from nas.devices.remote import DeviceGone, RemoteDevice

FAKE = '''
"""A device that takes 10 ms for a network of 10 bytes; `plan` says what it does from run to run, over and over."""
import pathlib, sys, time

here, network = pathlib.Path(__file__).parent, pathlib.Path(sys.argv[1])
runs = here / "runs"
number = len(runs.read_text()) if runs.exists() else 0
runs.write_text("x" * (number + 1))
plan = (here / "plan").read_text().split()
does = plan[number % len(plan)]
if does == "gone":
    sys.exit("ssh: connect to host pi port 22: No route to host")
if does == "hangs":
    time.sleep(60)
if does == "network":  # it refuses networks but the probe
    does = "works" if network.name == "probe" else "rubbish"
print({"works": f"{network.stat().st_size}ms", "rubbish": "Segmentation fault", "negative": "-1"}[does])
'''


class Fake:
    """A `device`, and what it and the `probe` are measured by."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "device.py").write_text(FAKE, "utf-8")
        for name, size in (("probe", 10), ("network", 20)):
            (folder / name).write_bytes(b"x" * size)
        self.network = {"onnx": folder / "network"}
        self.pauses: list[float] = []
        self.said: list[str] = []

    def device(self, plan: str, attempts: int = 3, timeout: float = 30) -> RemoteDevice:
        (self.folder / "plan").write_text(plan, "utf-8")
        command = CostCommand.parse(f"latency={sys.executable} {self.folder}/device.py {{onnx}}", timeout, attempts)
        return RemoteDevice(command, {"onnx": self.folder / "probe"})

    @property
    def runs(self) -> int:
        return len((self.folder / "runs").read_text("utf-8"))

    def patiently(self, device: RemoteDevice) -> dict[str, float]:
        return device.measure_patiently(self.network, self.said.append, self.pauses.append)


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def test_one_that_works(fake: Fake) -> None:
    device = fake.device("works")
    assert device.check() == {"latency": 0.01}
    assert fake.patiently(pickle.loads(pickle.dumps(device))) == {"latency": 0.02}
    assert fake.said == [] and fake.pauses == []


def test_one_that_fails_one_time_in_ten_is_as_good(fake: Fake) -> None:
    device = fake.device("works works works gone works works works works works works")
    found = [fake.patiently(device) for _ in range(20)]
    assert found == [{"latency": 0.02}] * 20 and fake.said == [] and fake.pauses == [1, 1]


@pytest.mark.parametrize("wrong", ["rubbish", "negative", "hangs"])
def test_of_what_goes_wrong_once_nobody_hears(wrong: str, fake: Fake) -> None:
    assert fake.patiently(fake.device(f"{wrong} works", timeout=2)) == {"latency": 0.02}
    assert fake.said == []


def test_a_network_that_it_cannot_take_is_at_fault(fake: Fake) -> None:
    device = fake.device("network")
    with pytest.raises(Unmeasured, match=r"failed 3 times, the last time: latency must be .* not Segmentation fault"):
        fake.patiently(device)
    assert fake.said == [] and fake.runs == 4  # the last of the probe


@pytest.mark.parametrize("wrong", ["gone", "rubbish", "hangs"])
def test_without_the_probe_it_is_gone(wrong: str, fake: Fake) -> None:
    with pytest.raises(DeviceGone, match="the command that measures latency failed 2 times"):
        fake.device(wrong, attempts=2, timeout=0.4 if wrong == "hangs" else 20).measure(
            fake.network, fake.pauses.append
        )
    with pytest.raises(Unmeasured):
        fake.device(wrong, attempts=1, timeout=0.4 if wrong == "hangs" else 20).check()


def test_a_search_waits_until_it_is_back(fake: Fake) -> None:
    device = fake.device("gone " * (2 * 3 + 6) + "works works")
    assert fake.patiently(device) == {"latency": 0.02}
    assert fake.pauses == [1, 2, 1, 2, 5, 10, 20, 40, 60, 60, 60]
    gone, back = fake.said
    assert gone.startswith("the device is gone, and the search waits for it: the command that measures latency failed")
    assert gone.endswith("ssh: connect to host pi port 22: No route to host")
    assert back.startswith("the device is back after ")


def test_waiting_can_be_ended(fake: Fake) -> None:
    def stop(seconds: float) -> None:
        if seconds > 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fake.device("gone", attempts=1).measure_patiently(fake.network, fake.said.append, stop)
    assert len(fake.said) == 1


def test_a_network_that_takes_it_down_again_and_again_is_at_fault(fake: Fake) -> None:
    device = fake.device("gone gone works", attempts=1)  # back after each time
    with pytest.raises(
        Unmeasured, match=r"the device was gone 3 times after this network was to be measured: .*No route"
    ):
        fake.patiently(device)
    assert [line.startswith("the device is back") for line in fake.said] == [False, True] * 3
