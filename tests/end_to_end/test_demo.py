"""The first thing that a newcomer sees."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from tests.end_to_end.running import ENVIRONMENT, ROOT, Store

PLAY = [sys.executable, str(ROOT / "config/demo/play.py")]
TIME = r"\s*(\d+\.\d)s"


def play(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end, with its output in a pipe."""
    return subprocess.run(
        [*PLAY, *options],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def left_over(out: Path) -> list[str]:
    """Command lines of processes that still use the demo's folder."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = line.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(out) in command:
            found.append(command)
    return found


def test_the_demo_shows_the_parked_car_and_the_narrowed_footbridge_once_each(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = play("--out", str(out))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout

    parked = re.findall(rf"^kerb +{TIME}  opened  car parked in no-parking since{TIME}", done.stdout, re.MULTILINE)
    left = re.findall(rf"^kerb +{TIME}  closed  car parked: left$", done.stdout, re.MULTILINE)
    assert len(parked) == len(left) == 1
    opened_s, since_s = map(float, parked[0])
    assert abs(opened_s - 33) <= 2
    assert abs(since_s - 13) <= 2
    assert 65 <= float(left[0]) <= 72

    for kind, from_s, to_s in (("narrowed", 36.2 + 30, 89.9), ("blocked", 56.2 + 10, 75.9)):
        opened = re.findall(rf"^footbridge +{TIME}  opened  passage {kind} in deck", done.stdout, re.MULTILINE)
        closed = re.findall(rf"^footbridge +{TIME}  closed  passage {kind}: cleared$", done.stdout, re.MULTILINE)
        assert len(opened) == len(closed) == 1, done.stdout
        # Who puts the boxes down hides their place for some four seconds before, and what comes unseen is dated to the
        # middle of the time in which its place was hidden: two seconds too early, and a frame.
        assert from_s - 2 - 1 <= float(opened[0]) <= from_s + 6
        assert to_s - 2 <= float(closed[0]) <= to_s + 12

    store = Store(out / "clearway.sqlite")
    assert store.count("incidents", "scenario = 'parking'") == 1
    assert store.count("incidents", "closed_at IS NULL") == 0
    stills = re.findall(r"^  \w+ +\w+ +\w+ +(\S+\.jpg)$", done.stdout, re.MULTILINE)
    assert len(stills) >= 3
    assert all((ROOT / still).is_file() for still in stills)
    assert left_over(out) == []


def test_the_demo_leaves_a_folder_alone_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine", encoding="utf-8")
    done = play("--out", str(tmp_path))
    assert done.returncode == 2
    assert "did not make" in done.stderr
    assert (tmp_path / "precious.txt").read_text(encoding="utf-8") == "mine"


def test_the_demo_says_that_a_recording_is_missing(tmp_path: Path) -> None:
    done = play("--out", str(tmp_path / "out"), "--source", str(tmp_path / "no.mp4"))
    assert done.returncode == 1
    assert "no.mp4" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_program_that_dies_ends_the_demo_with_its_last_words(tmp_path: Path) -> None:
    out = tmp_path / "out"
    demo = subprocess.Popen([*PLAY, "--out", str(out)], cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    try:
        log = out / "aggregator.log"
        give_up = time.monotonic() + 30
        while not (log.exists() and "agent connected" in log.read_text(encoding="utf-8")):
            assert time.monotonic() < give_up
            time.sleep(0.1)
        victim = re.search(r'"pid": (\d+)', (out / "aggregator.ready.json").read_text(encoding="utf-8"))
        assert victim is not None
        os.kill(int(victim[1]), signal.SIGKILL)
        _, errors = demo.communicate(timeout=60)
    finally:
        if demo.poll() is None:
            demo.terminate()
            demo.wait(60)
    assert demo.returncode == 1
    assert "the aggregator ended with exit code -9" in errors
    assert "agent connected" in errors
    assert left_over(out) == []


def test_ctrl_c_ends_both_programs(tmp_path: Path) -> None:
    out = tmp_path / "out"
    demo = subprocess.Popen(
        [*PLAY, "--out", str(out), "--keep"],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a background job would ignore it
    )
    try:
        give_up = time.monotonic() + 30
        while len(left_over(out)) < 3:
            assert time.monotonic() < give_up
            time.sleep(0.1)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 130
    finally:
        if demo.poll() is None:
            demo.terminate()
            demo.wait(60)
    assert left_over(out) == []
