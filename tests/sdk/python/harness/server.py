"""A server of our own: started on free ports, ended by its process id."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Optional

START_LIMIT_S = 15.0
STOP_LIMIT_S = 15.0


class Server:
    """`sluice serve --dev`. Its log is a file, so that nobody has to read a pipe while a test runs."""

    def __init__(self, listen: str = "127.0.0.1:0", **settings: str) -> None:
        """`settings` are variables of its environment."""
        self._log = tempfile.NamedTemporaryFile(prefix="sluice-", suffix=".log")
        self._process = subprocess.Popen(
            [_program(), "serve", "--dev", "--listen", listen, "--udp-port", "0"],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            # Without settings of somebody's own server, and of these tests.
            env={**{key: value for key, value in os.environ.items() if not key.startswith("SLUICE_")}, **settings},
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        self.port = self._wait_for_port()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return Path(self._log.name).read_text(errors="replace")

    def stop(self) -> Optional[int]:
        """Ends it as an operator would; its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        return self._process.returncode

    def _wait_for_port(self) -> int:
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            ready = re.search(r"ready: open \S+:(\d+)", self.log)
            if ready:
                return int(ready[1])
            time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"the server did not start:\n{self.log}")


def _die_with_parent() -> None:
    """A process in which the SDK crashes cannot stop its server any more: the kernel does (prctl(2))."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _program() -> str:
    """Named by SLUICE_BIN, else the last one cargo built."""
    built = Path(__file__).parents[4] / "target" / "debug" / "sluice"
    program = os.environ.get("SLUICE_BIN", str(built))
    if not Path(program).exists():
        raise RuntimeError(f"no server at {program}: run `cargo build`, or set SLUICE_BIN to the program")
    return program
