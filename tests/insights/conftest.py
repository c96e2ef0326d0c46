"""The estate that docs/questions.md tells of, read once for all tests of insights."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from moto_state import forget_all
from stocktake.query.connection import open_reading
from stocktake.store.catalog import Catalog

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="session")
def questions_page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_questions_page", DOCS / "questions_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def estate(questions_page: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    forget_all(server)
    server.stop()
    with questions_page.read_estate(tmp_path_factory.mktemp("estate")) as made:
        yield made


@pytest.fixture
def catalog(estate: Any) -> Iterator[Catalog]:
    with open_reading(estate.catalog) as opened:
        yield opened
