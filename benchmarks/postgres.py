"""A private PostgreSQL with the same jobs as JSONB and GIN, as tools of the Steampipe and Config kind present them."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TICK = os.sysconf("SC_CLK_TCK")
_SETTINGS = {
    "listen_addresses": "''",
    "shared_buffers": "'2GB'",
    "effective_cache_size": "'8GB'",
    "work_mem": "'256MB'",
    "maintenance_work_mem": "'1GB'",
    "max_wal_size": "'16GB'",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_parallel_workers_per_gather": "2",
}
_END = "-- end of answer --"


def find_binaries() -> Path | None:
    """Return where PostgreSQL 15's programs are; None where it is not installed (Debian: postgresql-15)."""
    for folder in (Path("/usr/lib/postgresql/15/bin"), Path("/usr/local/bin"), Path("/usr/bin")):
        if (folder / "initdb").exists() and "15." in _version(folder / "postgres"):
            return folder
    return None


def _version(program: Path) -> str:
    return subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout


@dataclass(frozen=True)
class Measured:
    """One answer, and what it cost. CPU is of all of the server's processes."""

    rows: list[str]
    wall_ms: float
    cpu_ms: float


class Cluster:
    """A cluster in a folder of its own, reached over a socket in it; gone afterwards."""

    def __init__(self, binaries: Path) -> None:
        self._bin = binaries
        self._folder = Path(tempfile.mkdtemp(prefix="stocktake-postgres-"))
        # The server refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            shutil.chown(self._folder, self._user)
        self._data = self._folder / "data"
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-U", "bench", "--locale=C.UTF-8", "-E", "UTF8")
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in _SETTINGS.items())
            file.write(f"unix_socket_directories = '{self._folder}'\n")
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", str(self._folder / "log"), "start")
        self._server = int((self._data / "postmaster.pid").read_text().splitlines()[0])
        self._psql = subprocess.Popen(
            [str(binaries / "psql"), "-X", "-q", "-A", "-t", "-h", str(self._folder), "-U", "bench", "postgres"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

        if self._psql.stdin is None or self._psql.stdout is None:
            raise SystemExit("psql did not start")
        self._input: IO[str] = self._psql.stdin
        self._output: IO[str] = self._psql.stdout

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._input.close()
        self._psql.wait()
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "stop")
        shutil.rmtree(self._folder)

    @property
    def size_bytes(self) -> int:
        """Return the size of the tables and their indexes."""
        [row] = self.ask("SELECT pg_database_size('postgres')")
        return int(row)

    def ask(self, sql: str) -> list[str]:
        """Return the rows of a statement, a line each."""
        self._input.write(f"{sql};\n\\echo {_END}\n")
        self._input.flush()
        rows: list[str] = []
        while (line := self._output.readline().rstrip("\n")) != _END:
            if not line and self._psql.poll() is not None:
                raise SystemExit(f"PostgreSQL failed: {sql}")
            rows.append(line)
        return rows

    def measure(self, sql: str) -> Measured:
        """Return the rows of a statement and what they cost."""
        cpu, wall = self._cpu_seconds(), time.perf_counter()
        rows = self.ask(sql)
        wall = time.perf_counter() - wall
        return Measured(rows, wall * 1e3, (self._cpu_seconds() - cpu) * 1e3)

    def copy(self, table: str, lines: Iterator[bytes]) -> None:
        """Fill a table from lines whose columns are separated by the character 2."""
        command = f"\\copy {table} FROM STDIN WITH (FORMAT csv, DELIMITER E'\\x02', QUOTE E'\\x01')"
        arguments = ["-X", "-q", "-h", str(self._folder), "-U", "bench", "-c", command, "postgres"]
        with subprocess.Popen([str(self._bin / "psql"), *arguments], stdin=subprocess.PIPE) as process:
            if process.stdin is not None:
                for line in lines:
                    process.stdin.write(line)
                process.stdin.close()
            if process.wait():
                raise SystemExit("PostgreSQL did not take the rows")

    def _cpu_seconds(self) -> float:
        """Return the CPU of the server, its living children, and those that it has seen end."""
        children = Path(f"/proc/{self._server}/task/{self._server}/children").read_text().split()
        total = 0
        for pid in (str(self._server), *children):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            # utime and stime; of those that ended, cutime and cstime.
            total += sum(map(int, fields[11:15] if pid == str(self._server) else fields[11:13]))
        return total / _TICK

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", self._user, "--", *command]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self._folder)
        if done.returncode:
            raise SystemExit(f"{program}: {done.stdout[-500:]}{done.stderr[-500:]}")
