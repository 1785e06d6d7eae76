"""Runs a suite's files, each in a process of its own, against a server of its own."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from xml.etree import ElementTree

from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer
from tests.oss_server.accounts import UID, Account
from tests.oss_server.certificate import tls_context
from tests.oss_server.conformance.golden import judgements
from tests.oss_server.conformance.neighbours import Neighbours
from tests.oss_server.conformance.suites import Suite

PAYER_ID, PAYER_SECRET, PAYER_UID = "LTAI5tTestKeyOfAPayer", "a-secret-of-another-account", "6543210987654321"
HOST = f"oss-{REGION}.aliyuncs.com"
_OTHER = "ap-south-1"  # the second region of the suites that replicate
# Those that the suites name somewhere.
_REGIONS = (
    *("cn-qingdao", "cn-beijing", "cn-zhangjiakou", "cn-huhehaote", "cn-hangzhou", "cn-shanghai", "cn-shenzhen"),
    *("cn-hongkong", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-5", "ap-northeast-1"),
    *("ap-south-1", "eu-central-1", "eu-west-1", "me-east-1", "us-west-1", "us-east-1"),
)
_LATENCY = 0.003  # a network has some, and a test of time-outs in the suites lives on it


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one test, and why.

    `passed`, `offline` (passed in a file that never asked the server anything), `failed`, `skipped` (by the suite
    itself) or `excluded`.
    """

    file: str
    test: str
    result: str
    reason: str = ""


def run_suite(suite: Suite, folder: Path, python: str, only: str = "*", jobs: int = 3) -> list[Outcome]:
    """Every outcome, in order of files."""
    files = sorted({path for pattern in suite.files for path in folder.glob(pattern)})
    chosen = [path for path in files if fnmatch(path.name, only)]
    with ThreadPoolExecutor(jobs) as pool:
        rows = pool.map(lambda path: run_file(suite, folder, path, python), chosen)
        return [outcome for outcomes in rows for outcome in outcomes]


def run_file(suite: Suite, folder: Path, path: Path, python: str) -> list[Outcome]:
    """The outcomes of one file."""
    name = str(path.relative_to(folder))
    whole = [reason for pattern, reason in suite.excluded.items() if fnmatch(f"{name}::", pattern)]
    if whole:
        return [Outcome(name, test, "excluded", whole[0]) for test in _tests_in(path)]
    with tempfile.TemporaryDirectory(prefix="oss-suite-") as temporary:
        place = Path(temporary)
        _lay(place / "tests", folder / "tests")
        tls, trusted = tls_context(place, _names())
        with (
            OssServer(place / "store", tls=tls) as server,
            OssServer(place / "other", tls=tls, region=_OTHER) as other,
            contextlib.closing(Neighbours(server, tls)) as neighbours,
        ):
            server.neighbours(other)
            server.service.options.signatures = other.service.options.signatures = suite.signatures
            server.service.options.blocks_public = suite.blocks_public
            server.service.keys.add(PAYER_ID, PAYER_SECRET, Account(PAYER_UID))
            server.fault("delay", seconds=_LATENCY)
            report = place / "report.xml"
            command = [
                python,
                "-m",
                "pytest",
                "-q",
                "-p",
                "signings" if _signs(path) else "redirect",
                "-p",
                "no:cacheprovider",
            ]
            command += ["--timeout", "300", f"--junitxml={report}", f"--rootdir={folder}", str(path)]
            environ = _environ(suite, folder, place, trusted, _loopback(server, other, neighbours))
            done = subprocess.run(command, env=environ, cwd=place, capture_output=True, text=True, check=False)
            if log := os.environ.get("OSS_CONFORMANCE_LOGS"):
                _log(Path(log), suite, name, done.stdout, server)
            if not report.exists():
                return [Outcome(name, "*", "failed", (done.stdout + done.stderr)[-400:])]
            outcomes = _outcomes(suite, name, report)
            outcomes += [Outcome(name, "the server itself", "failed", one[-300:]) for one in server.problems]
            if _signs(path):
                judged = judgements(place / "signings.json")
                return [_judged(one, judged.get(one.test)) for one in outcomes]
            return [_told(one, asked=bool(server.requests)) for one in outcomes]


def _signs(path: Path) -> bool:
    """Whether the file tests a signer: then the server's code judges what was signed."""
    return path.parent.name == "signer"


def _judged(outcome: Outcome, problem: str | None) -> Outcome:
    if outcome.result != "passed":
        return outcome
    if problem is None:
        return replace(outcome, result="offline")
    return replace(outcome, result="failed", reason=problem) if problem else outcome


def _told(outcome: Outcome, *, asked: bool) -> Outcome:
    return outcome if asked or outcome.result != "passed" else replace(outcome, result="offline")


def _tests_in(path: Path) -> list[str]:
    """Names of a file's tests, without running it."""
    tests = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            inner = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
            tests += [f"{node.name}::{one.name}" for one in inner if one.name.startswith("test")]
    return tests


def _lay(place: Path, folder: Path) -> None:
    """The suite's folder of tests, with a stand-in for a picture that is uploaded but never looked at."""
    place.mkdir()
    for path in folder.iterdir():
        (place / path.name).symlink_to(path)
    if not (place / "example.jpg").exists():
        (place / "example.jpg").write_bytes(bytes(range(256)) * 84)


def _log(folder: Path, suite: Suite, name: str, text: str, server: OssServer) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{suite.name}-{name.replace('/', '-')}"
    (folder / f"{stem}.log").write_text(text)
    (folder / f"{stem}.requests").write_text("\n".join(server.requests))


def _names() -> list[str]:
    regional = [f"{product}.{region}.aliyuncs.com" for product in ("kms", "sts") for region in _REGIONS]
    return [HOST, f"*.{HOST}", f"*.oss-{_OTHER}.aliyuncs.com", "*.aliyuncs.com", *regional]


def _loopback(server: OssServer, other: OssServer, neighbours: Neighbours) -> list[tuple[str, int, int]]:
    """Which names and ports lead where."""
    return [
        ("kms.*aliyuncs.com", 443, neighbours.port),
        ("sts.*aliyuncs.com", 443, neighbours.port),
        (f"*oss-{_OTHER}.aliyuncs.com", 80, other.port),
        (f"*oss-{_OTHER}.aliyuncs.com", 443, other.tls_port),
        ("*.aliyuncs.com", 80, server.port),
        ("*.aliyuncs.com", 443, server.tls_port),
        ("127.0.0.1", 80, server.port),
    ]


def _environ(
    suite: Suite, folder: Path, place: Path, trusted: Path, loopback: list[tuple[str, int, int]]
) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("OSS_", "PYTHON"))},
        "PYTHONPATH": f"{folder}:{Path(__file__).parent}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(place),
        "OSS_SIGNINGS": str(place / "signings.json"),
        "OSS_LOOPBACK": json.dumps(loopback),
        "ALIBABA_CLOUD_CA_BUNDLE": str(trusted),
        "OSS_TEST_STS_ID": KEY_ID,
        "OSS_TEST_STS_KEY": KEY_SECRET,
        "OSS_TEST_STS_ARN": f"acs:ram::{UID}:role/likeness",
        "REQUESTS_CA_BUNDLE": str(trusted),
        "SSL_CERT_FILE": str(trusted),
        "OSS_TEST_ACCESS_KEY_ID": KEY_ID,
        "OSS_TEST_ACCESS_KEY_SECRET": KEY_SECRET,
        "OSS_TEST_ENDPOINT": f"http://{HOST}",
        "OSS_TEST_REGION": REGION,
        "OSS_TEST_UID": UID,
        "OSS_TEST_USER_ID": UID,
        "OSS_TEST_PAYER_UID": PAYER_UID,
        "OSS_TEST_PAYER_ACCESS_KEY_ID": PAYER_ID,
        "OSS_TEST_PAYER_ACCESS_KEY_SECRET": PAYER_SECRET,
        "OSS_TEST_RAM_ROLE_ARN": f"acs:ram::{UID}:role/likeness",
        "OSS_TEST_RAM_UID": UID,
        **suite.environ,
    }


def _outcomes(suite: Suite, name: str, report: Path) -> list[Outcome]:
    outcomes = []
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 (pytest's own report)
        test = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        trouble = case.find("failure")
        trouble = case.find("error") if trouble is None else trouble
        skipped = case.find("skipped")
        reasons = [why for pattern, why in suite.excluded.items() if fnmatch(f"{name}::{test}", pattern)]
        if reasons:
            outcomes.append(Outcome(name, test, "excluded", reasons[0]))
        elif trouble is not None:
            outcomes.append(Outcome(name, test, "failed", (trouble.get("message") or "")[:300]))
        elif skipped is not None:
            outcomes.append(Outcome(name, test, "skipped", skipped.get("message") or ""))
        else:
            outcomes.append(Outcome(name, test, "passed"))
    return outcomes
