import gc

from hypothesis import find
from hypothesis import strategies as st

from tests.redis_server import valkey_process
from tests.redis_server import valkey_server

__all__ = ["valkey_process", "valkey_server"]

pytest_plugins = ["pytester"]


def pytest_collection_finish():
    # Each session that pytester runs in this process ends with several full collections, which
    # need not look at what has been imported and collected here. Older versions of Hypothesis
    # look for what refers to their generator of random numbers when they run for the first time,
    # and do not find what is frozen.
    find(st.just(0), lambda _: True)
    gc.collect()
    gc.freeze()
