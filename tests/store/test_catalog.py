"""Opening a catalog that cannot be opened says why and what to do, and harms nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import duckdb
import pytest

from stocktake.core.errors import (
    CatalogAccessError,
    CatalogLockedError,
    CatalogTooNewError,
    StocktakeError,
    UserError,
)
from stocktake.store.catalog import catalog_error, open_catalog, run


def test_a_new_catalog_can_be_opened_again_by_any_client_since_1_4(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "c.duckdb"
    open_catalog(path).close()
    with open_catalog(path, read_only=True) as catalog:
        [(tags,)] = run(catalog.connection, "SELECT tags FROM duckdb_databases() WHERE database_name = 'c'")
        assert tags["storage_version"].startswith("v1.4")


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no catalog") as raised:
        open_catalog(tmp_path / "none.duckdb", read_only=True)
    assert "stocktake sync" in raised.value.hint
    assert not (tmp_path / "none.duckdb").exists()


def test_a_catalog_held_by_another_process(tmp_path: Path) -> None:
    path = tmp_path / "c.duckdb"
    code = "import sys; from pathlib import Path; from stocktake.store.catalog import open_catalog\n"
    code += "c = open_catalog(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        for read_only in (False, True):
            with pytest.raises(CatalogLockedError, match=f"process {holder.pid}") as raised:
                open_catalog(path, read_only=read_only, wait_seconds=0.2)
            assert raised.value.exit_code == 6
        holder.communicate("")
    open_catalog(path).close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "c.duckdb"
    path.write_text("name,value\n" * 2000)
    with pytest.raises(CatalogAccessError, match="no readable catalog"):
        open_catalog(path)
    assert path.read_text().startswith("name,value")


def test_a_database_that_is_no_catalog_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE mine (a INTEGER)")
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(CatalogAccessError, match="no Stocktake catalog"):
            open_catalog(path, read_only=read_only)
    assert path.read_bytes() == before


def test_a_catalog_of_a_newer_stocktake(tmp_path: Path) -> None:
    path = tmp_path / "c.duckdb"
    with open_catalog(path) as catalog:
        run(catalog.connection, "UPDATE catalog_meta SET value = '999' WHERE key = 'format_version'")
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(CatalogTooNewError, match="999") as raised:
            open_catalog(path, read_only=read_only)
        assert raised.value.exit_code == 8
        assert "Upgrade" in raised.value.hint
    assert path.read_bytes() == before


def test_a_catalog_of_a_newer_database(tmp_path: Path) -> None:
    path = tmp_path / "c.duckdb"
    open_catalog(path).close()
    # The main header: a checksum of 8 bytes, the word DUCK, then the storage version as a number of 8 bytes.
    data = bytearray(path.read_bytes())
    assert data[8:12] == b"DUCK"
    data[12:20] = (9999).to_bytes(8, "little")
    path.write_bytes(data)
    with pytest.raises((CatalogTooNewError, CatalogAccessError)) as raised:
        open_catalog(path)
    assert raised.value.hint
    assert path.read_bytes() == data


def test_what_the_database_says_of_a_newer_file_is_understood(tmp_path: Path) -> None:
    said = "Trying to read a database file with version number 9999, but we can only read versions between 64 and 68."
    assert isinstance(catalog_error(tmp_path, duckdb.IOException(said)), CatalogTooNewError)


def _in_child(code: str, *arguments: str, user: int | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        check=False,
        user=user,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_a_full_disk_keeps_what_was_committed(tmp_path: Path) -> None:
    """A limit on the file's size stands in for the disk: the system refuses the write in the same place."""
    path = tmp_path / "c.duckdb"
    result = _in_child(
        """
        import resource, signal, sys
        from pathlib import Path
        from stocktake.core.errors import CatalogAccessError
        from stocktake.store.catalog import open_catalog, run
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        catalog = open_catalog(Path(sys.argv[1]))
        with catalog.transaction() as c:
            run(c, "CREATE TABLE numbers AS SELECT 1::INTEGER AS n")
        run(catalog.connection, "CHECKPOINT")
        size = Path(sys.argv[1]).stat().st_size + 400_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            while True:
                with catalog.transaction() as c:
                    run(c, "INSERT INTO numbers SELECT (random() * 2e9)::INTEGER FROM range(100000)")
        except CatalogAccessError as error:
            print(error.code, "|", error.hint)
        """,
        str(path),
    )
    assert "disk_full" in result.stdout, result.stderr
    assert "kept" in result.stdout
    with open_catalog(path) as catalog:
        [(count, first)] = run(catalog.connection, "SELECT count(*), min(n) FROM numbers")
        assert count % 100_000 == 1
        assert first is not None


def test_a_disk_too_full_for_a_new_catalog_leaves_none(tmp_path: Path) -> None:
    path = tmp_path / "c.duckdb"
    result = _in_child(
        """
        import resource, signal, sys
        from pathlib import Path
        from stocktake.core.errors import CatalogAccessError
        from stocktake.store.catalog import open_catalog
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        for size in (0, 6_000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            try:
                open_catalog(Path(sys.argv[1])).close()
                print("opened", size)
            except CatalogAccessError as error:
                print(error.code)
        """,
        str(path),
    )
    assert result.stdout.split() == ["disk_full"] * 2, result.stderr
    assert not path.exists()
    open_catalog(path).close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without rights")
def test_a_catalog_without_rights(tmp_path: Path) -> None:
    # pytest's own folders are closed to others.
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):
        if folder != Path("/tmp"):  # noqa: S108 - only compared
            folder.chmod(0o755)
    path = tmp_path / "c.duckdb"
    open_catalog(path).close()
    path.chmod(0o444)
    before = path.read_bytes()
    code = """
        import os, sys
        from pathlib import Path
        from stocktake.core.errors import StocktakeError
        from stocktake.store.catalog import open_catalog
        os.setuid(65534)
        for read_only in (False, True):
            try:
                open_catalog(Path(sys.argv[1]), read_only=read_only).close()
                print("opened", read_only)
            except StocktakeError as error:
                print(error.code, error.exit_code, read_only)
        """
    result = _in_child(code, str(path))
    assert result.stdout.splitlines() == ["catalog_no_rights 7 False", "opened True"], result.stderr
    assert path.read_bytes() == before


def test_the_redaction_key_stays_beside_the_catalog_for_its_owner_only(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        key = catalog.redaction_key()
        assert len(key) == 32
        assert catalog.redaction_key() == key
        assert (tmp_path / "c.duckdb.key").stat().st_mode & 0o077 == 0
        assert key not in (tmp_path / "c.duckdb").read_bytes()
        (tmp_path / "c.duckdb.key").write_text("not hex")
        with pytest.raises(StocktakeError, match="redaction key"):
            catalog.redaction_key()


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "c.duckdb") as catalog:
        with pytest.raises(duckdb.Error, match="no_such_table"), catalog.transaction() as connection:
            run(connection, "INSERT INTO catalog_meta VALUES ('a', 'b'); SELECT * FROM no_such_table")
        assert run(catalog.connection, "SELECT count(*) FROM catalog_meta WHERE key = 'a'") == [(0,)]


def test_the_database_draws_nothing_into_our_output(tmp_path: Path) -> None:
    # Without a file of its own, the driver takes a program for a person's shell and shows its progress.
    code = (
        "import sys\nfrom pathlib import Path\nfrom stocktake.store.catalog import open_catalog\n"
        "connection = open_catalog(Path(sys.argv[1])).connection\n"
        "for one in (connection, connection.cursor()):\n"
        "    print(one.execute(\"SELECT current_setting('enable_progress_bar')\").fetchall())"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "catalog.duckdb")], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["[(False,)]"] * 2


def test_work_that_needs_more_memory_than_a_writer_has_gets_it(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "catalog.duckdb") as catalog:
        for statement in ("SET GLOBAL allowed_configs = ['memory_limit']", "SET GLOBAL lock_configuration = true"):
            run(catalog.connection, statement)
        tries = []

        def work() -> int:
            tries.append(run(catalog.connection, "SELECT current_setting('memory_limit')")[0][0])
            if len(tries) < 3:
                raise duckdb.OutOfMemoryException("too little")
            return 7

        assert catalog.with_room(work) == 7
        assert len(set(tries)) == 3
        assert run(catalog.connection, "SELECT current_setting('memory_limit')") == [(tries[0],)]
