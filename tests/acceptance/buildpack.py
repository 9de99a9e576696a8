"""The steps of Heroku's buildpack for Python, in its order, in a clean directory with a Python of its own.

Source: https://github.com/heroku/heroku-buildpack-python, v351: bin/compile, lib/pip.sh, lib/hooks.sh, and the profile
scripts that it leaves for the run. Not as there: its Python is a virtual environment, so PYTHONHOME is not set.
Part of `make soak`, because it takes half a minute and installs everything once more.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from gateway.dev.child import Child, spawn
from tests.acceptance.system import ROOT
from tests.conftest import KEY
from tests.ports import free_port
from tests.waiting import wait_until

#: What a checkout does not have.
NOT_CHECKED_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".data", "*.egg-info", "build", "__pycache__", ".*_cache"
)
#: Of the buildpack's requirements/pip.txt.
PIP_VERSION = "26.2.1"
#: Seconds to install everything, over a slow index too.
INSTALL_SECONDS = 110


class Dyno:
    """An app as the platform runs it: in its directory, with nothing of ours but its environment."""

    def __init__(self, home: Path, **config: str) -> None:
        self._home = home
        self._env = {
            **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))},
            "HOME": str(home),
            "PATH": f"{home}/.heroku/python/bin:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            **config,
        }
        lines = (ROOT / "Procfile").read_text().splitlines()
        self.processes = dict(line.split(": ", 1) for line in lines)

    def run(self, command: str, cwd: Path | None = None) -> str:
        """Run to the end; what it wrote. It must end with 0."""
        done = subprocess.run(
            ["/bin/bash", "-c", command],
            cwd=cwd or self._home,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, name: str, log: Path) -> Child:
        """A process of the Procfile."""
        with log.open("wb") as output:
            command = ["/bin/bash", "-c", f"exec {self.processes[name]}"]
            return spawn(command, cwd=self._home, env=self._env, stdout=output, stderr=subprocess.STDOUT)


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Path]:
    """Built in one directory, run from another, as the platform does it."""
    build, app = tmp_path / "build", tmp_path / "app"
    shutil.copytree(ROOT, build, ignore=NOT_CHECKED_OUT)
    (build / ".heroku").mkdir()
    app.mkdir()
    (app / ".heroku").symlink_to(build / ".heroku")
    subprocess.run([sys.executable, "-m", "venv", str(app / ".heroku/python")], check=True)
    builder = Dyno(app, BUILD_DIR=str(build), PYTHONUNBUFFERED="1")

    builder.run(
        f"python -m pip install --isolated --no-cache-dir --no-input --quiet pip=={PIP_VERSION}", cwd=build
    )
    builder.run(
        "pip install -r requirements.txt --exists-action=w --no-input --progress-bar off --quiet", cwd=build
    )
    builder.run("chmod +x bin/post_compile && bin/post_compile", cwd=build)

    shutil.rmtree(app)
    build.rename(app)
    yield app
    shutil.rmtree(app)


def test_it_is_built_released_and_runs(
    built: Path, tmp_path: Path, empty_database_url: str, redis_url: str
) -> None:
    port = free_port()
    config: Mapping[str, str] = {
        "DATABASE_URL": empty_database_url,
        "REDIS_URL": redis_url,
        "ENCRYPTION_KEYS": KEY,
        "PORT": str(port),
        "WEB_CONCURRENCY": "1",
        # What the buildpack's profile scripts set.
        "PYTHONUNBUFFERED": "true",
        "PYTHONPATH": str(built),
        "FORWARDED_ALLOW_IPS": "*",
        "GUNICORN_CMD_ARGS": "--access-logfile -",
    }
    dyno = Dyno(built, **config)

    dyno.run(dyno.processes["release"])
    assert str(built) in dyno.run("command -v gateway")
    with ExitStack() as stack:
        running = {}
        for name in ("web", "worker", "scheduler"):
            running[name] = dyno.start(name, tmp_path / f"{name}.log")
            stack.callback(running[name].send_signal, signal.SIGKILL)
        wait_until(lambda: _is_ready(port), 30, what=(tmp_path / "web.log").read_text)
        wait_until(lambda: "ok" in dyno.run("gateway doctor | grep -i 'workers'"), 30)
        assert {name: process.poll() for name, process in running.items()} == dict.fromkeys(running)
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        ended = {name: process.wait(30) for name, process in running.items()}
        assert (ended["web"], ended["worker"]) == (0, 0)


def _is_ready(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health/ready", timeout=2).ok
    except requests.RequestException:
        return False
