"""docs/kuberay.yaml has only fields that Kubernetes and KubeRay know, fits together, and its script searches.

What is Kubernetes' own is held against its published schemas. Of KubeRay's, `RAY_JOB` has what is used here: from the
reference of ray.io/v1 in KubeRay 1.7, which names the fields and their types. There is no cluster to try it on.
"""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from nas.ledger.run import Run
from nas.training.trial import State

jsonschema = pytest.importorskip("jsonschema")

ROOT = Path(__file__).parents[1]
MANIFEST = list(yaml.safe_load_all((ROOT / "docs" / "kuberay.yaml").read_text()))
CLAIM, CONFIG, JOB = MANIFEST
KUBERNETES = "1.31"  # the oldest that is held against; newer ones know more


def _fields(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    """An object that has these fields and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


TEXT, COUNT, FLAG = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
POD = {"type": "object"}  # Kubernetes' PodTemplateSpec
PARAMS = {"type": "object", "additionalProperties": TEXT}  # of `ray start`: numbers are written as texts
CLUSTER = _fields(
    ("headGroupSpec",),
    rayVersion=TEXT,
    authOptions=_fields(mode={"enum": ["disabled", "token"]}),
    headGroupSpec=_fields(("rayStartParams", "template"), rayStartParams=PARAMS, template=POD),
    workerGroupSpecs={
        "type": "array",
        "items": _fields(
            ("groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"),
            groupName=TEXT,
            replicas=COUNT,
            minReplicas=COUNT,
            maxReplicas=COUNT,
            rayStartParams=PARAMS,
            template=POD,
        ),
    },
)
RAY_JOB = _fields(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata=_fields(("name",), name={"type": "string", "pattern": "^[a-z]([-a-z0-9]{0,45}[a-z0-9])?$"}),
    spec=_fields(
        entrypoint=TEXT,
        backoffLimit=COUNT,
        shutdownAfterJobFinishes=FLAG,
        submitterPodTemplate=POD,
        rayClusterSpec=CLUSTER,
    ),
)

SUBMITTER = JOB["spec"]["submitterPodTemplate"]
HEAD = JOB["spec"]["rayClusterSpec"]["headGroupSpec"]
(WORKERS,) = JOB["spec"]["rayClusterSpec"]["workerGroupSpecs"]
PODS = {"submitter": SUBMITTER, "head": HEAD["template"], "worker": WORKERS["template"]}


def as_kubernetes_has_it(template: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "one"}, "template": template}


def test_kuberay_knows_every_field() -> None:
    jsonschema.validate(JOB, RAY_JOB)
    for where in (("spec",), ("spec", "rayClusterSpec"), ("spec", "rayClusterSpec", "headGroupSpec")):
        mistaken = copy.deepcopy(JOB)
        inner = mistaken
        for name in where:
            inner = inner[name]
        inner["replica"] = 1
        with pytest.raises(jsonschema.ValidationError, match="'replica' was unexpected"):
            jsonschema.validate(mistaken, RAY_JOB)


@pytest.mark.parametrize("thing", [CLAIM, CONFIG, *map(as_kubernetes_has_it, PODS.values())], ids=lambda t: t["kind"])
def test_kubernetes_knows_every_field(thing: dict[str, Any]) -> None:
    kubernetes = pytest.importorskip("kubernetes_validate")
    for version in (KUBERNETES, kubernetes.utils.latest_version()):
        kubernetes.validate(thing, version, strict=True)
    mistaken = copy.deepcopy(thing)
    (mistaken["template"]["spec"]["containers"][0] if "template" in thing else mistaken)["imagePolicy"] = "Always"
    with pytest.raises(kubernetes.ValidationError):
        kubernetes.validate(mistaken, KUBERNETES, strict=True)


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_nothing_runs_with_privileges_or_without_limits(pod: dict[str, Any]) -> None:
    """As the level `restricted` of Kubernetes' standards for pods demands it."""
    user = pod["spec"]["securityContext"]
    assert user["runAsNonRoot"] and user["runAsUser"] == 1000 and user["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "USER 1000" in (ROOT / "Dockerfile").read_text()
    for container in pod["spec"]["containers"]:
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        assert container["resources"]["limits"].keys() == {"cpu", "memory"}


def test_it_fits_together() -> None:
    """Volumes, ports, images and versions are named in several places."""
    for pod in (HEAD["template"]["spec"], WORKERS["template"]["spec"]):
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert volumes["data"]["persistentVolumeClaim"]["claimName"] == CLAIM["metadata"]["name"]
        assert volumes["script"]["configMap"]["name"] == CONFIG["metadata"]["name"]
        (container,) = pod["containers"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts.keys() == volumes.keys()
        assert JOB["spec"]["entrypoint"] == f"bash {mounts['script']}/{next(iter(CONFIG['data']))}"
    assert len({container["image"] for pod in PODS.values() for container in pod["spec"]["containers"]}) == 1
    (worker,) = WORKERS["template"]["spec"]["containers"]
    probed = {str(worker[probe]["tcpSocket"]["port"]) for probe in ("readinessProbe", "livenessProbe")}
    assert probed == {WORKERS["rayStartParams"]["node-manager-port"]}
    version = JOB["spec"]["rayClusterSpec"]["rayVersion"]
    assert f"ray=={version}\n" in (ROOT / "constraints.txt").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    built = re.findall(r"EXTRAS=(\w+)", (ROOT / "docs" / "kuberay.yaml").read_text())
    assert built == ["kuberay"] and f"ray[default,tune]>={version.rpartition('.')[0]}," in extras["kuberay"][0]


def script_in(folder: Path) -> str:
    """The script, with `folder` in the place of the volume."""
    (text,) = CONFIG["data"].values()
    return text.replace("/data", str(folder))


def test_the_script_searches_or_goes_on(tmp_path: Path) -> None:
    (tmp_path / "nas").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "nas").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"

    def said() -> str:
        command = ["bash", "-eu", "-c", script_in(tmp_path)]
        return subprocess.run(command, env={"PATH": path}, check=True, capture_output=True, text=True).stdout

    assert said().startswith("search --name flowers --trials 500 --address auto --data folder:")
    (tmp_path / "runs" / "flowers").mkdir(parents=True)
    (tmp_path / "runs" / "flowers" / "config.json").touch()
    assert said() == "resume flowers --trials 500 --address auto\n"


# ---------------------------------------------------------------------------- submitted to Ray, as KubeRay does


@pytest.fixture
def ray_head(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A head as KubeRay starts one, with a token, and a core for trials; gives the environment of who submits."""
    folder = Path("/tmp") / f"kuberay-{os.getpid()}"  # short, since Ray's sockets are in it
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "c2VjcmV0" * 6,
        "RAY_ADDRESS": "127.0.0.1:6399",
    }
    start = ["start", "--head", "--block", "--port=6399", "--dashboard-port=8299", "--dashboard-host=127.0.0.1"]
    head = subprocess.Popen(
        [*RAY, *start, "--num-cpus=1", f"--temp-dir={folder}", "--disable-usage-stats"],
        env={name: value for name, value in environment.items() if name != "RAY_ADDRESS"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield environment
    finally:
        head.terminate()
        head.wait(60)
        subprocess.run(["rm", "-rf", str(folder)], check=True)


RAY = [sys.executable, "-c", "from ray.scripts.scripts import main; main()"]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("aiohttp_cors") is None, reason="Ray's job server is not installed: the extra kuberay")
def test_the_script_searches_as_a_job_of_ray_and_goes_on_in_the_next(tmp_path: Path, ray_head: dict[str, str]) -> None:
    for number in range(40):
        place = tmp_path / "flowers" / ("daisy", "tulip")[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (6 * number, 99, 0)).save(place)
    script = tmp_path / "search.sh"
    less = {"trials=500": "trials=2", "--image-size 64": "--image-size 32 --subset 20 --batch-size 10"}
    text = script_in(tmp_path)
    for whole, part in less.items():
        assert whole in text
        text = text.replace(whole, part)
    script.write_text(text)

    def submit() -> str:
        command = [*RAY, "job", "submit", "--address", "http://127.0.0.1:8299", "--", "bash", str(script)]
        until = time.monotonic() + 120
        while (ended := subprocess.run(command, env=ray_head, capture_output=True, text=True, check=False)).returncode:
            assert "Failed to connect" in ended.stderr and time.monotonic() < until, ended.stdout + ended.stderr
            time.sleep(1)
        return ended.stdout

    assert "2 trials done" in submit()
    assert [row.state for row in Run.open(tmp_path / "runs" / "flowers").rows()] == [State.COMPLETE] * 2
    assert "flowers goes on" in submit()
