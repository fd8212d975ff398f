"""A test sees what the code does now, not what a capture on this machine's disk says that it did: tests that are about these captures switch them on."""

import pytest

from segue.eager.config import config


@pytest.fixture(autouse=True, scope="session")
def captures_stay_in_memory():
    with config.override(cache_captures=False):
        yield
