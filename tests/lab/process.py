"""Child processes that end: every wait has a limit, and a child dies with the program that started it."""

import ctypes
import os
import signal
import subprocess
import threading
import time

PR_SET_PDEATHSIG = 1
LINES_KEPT = 200000


class CommandFailed(Exception):
    pass


def die_with_parent():
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run(*argv, timeout=60, check=True, input=None, env=None):
    """Runs a command to its end; returns the CompletedProcess with text output."""
    argv = [str(word) for word in argv]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, input=input,
                              preexec_fn=die_with_parent, env={**os.environ, **env} if env else None)
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"{' '.join(argv)}: not done after {timeout} s") from None
    if check and done.returncode:
        raise CommandFailed(f"{' '.join(argv)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


class Process:
    """A program that runs beside us. Its output goes to a log file and, line by line, to `on_line`."""

    def __init__(self, argv, log, on_line=None, interactive=False, env=None):
        self.name = os.path.basename(str(log)).removesuffix(".log")
        self.log = log
        self._log_file = open(log, "ab", buffering=0)
        self._on_line = on_line
        self._received = bytearray()
        self._news = threading.Condition()
        self._ended = False
        self.started = time.monotonic()
        self.child = subprocess.Popen([str(word) for word in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      stdin=subprocess.PIPE if interactive else subprocess.DEVNULL,
                                      preexec_fn=die_with_parent, env={**os.environ, **env} if env else None)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        pending = b""
        while True:
            data = os.read(self.child.stdout.fileno(), 65536)
            if not data:
                break
            self._log_file.write(data)
            with self._news:
                self._received += data
                self._news.notify_all()
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                self._tell(line)
            # A prompt has no line end; whoever watches for it must not wait for the next line.
            if pending:
                self._tell(pending)
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _tell(self, line):
        if self._on_line:
            self._on_line(time.monotonic(), line.decode("utf-8", "replace").rstrip("\r"))

    @property
    def output(self):
        with self._news:
            return bytes(self._received)

    def wait_output(self, pattern, start, timeout):
        """The first match of a compiled bytes pattern at or after offset `start`; None at the end or time limit."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                match = pattern.search(self._received, start)
                if match or self._ended:
                    return match and (match.start(), match.end(), [group or b"" for group in match.groups()])
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._news.wait(left)

    def write(self, text):
        self.child.stdin.write(text.encode())
        self.child.stdin.flush()

    def running(self):
        return self.child.poll() is None

    def wait(self, timeout):
        """The exit status; None if it still runs after `timeout` seconds."""
        try:
            status = self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(5)
        return status

    def stop(self, patience=10):
        """SIGTERM, then SIGKILL after `patience` seconds; returns the exit status."""
        if self.running():
            self.child.terminate()
            if self.wait(patience) is None:
                self.child.kill()
        status = self.child.wait(10)
        self._reader.join(5)
        self._log_file.close()
        return status

    def tail(self, lines=30):
        return b"\n".join(self.output.splitlines()[-lines:]).decode("utf-8", "replace")
