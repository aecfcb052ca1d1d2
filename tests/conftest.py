import gc

from tests.redis_server import valkey_process
from tests.redis_server import valkey_server

__all__ = ["valkey_process", "valkey_server"]

pytest_plugins = ["pytester"]


def pytest_collection_finish():
    # Each session that pytester runs in this process ends with several full collections, which
    # need not look at what has been imported and collected here.
    gc.collect()
    gc.freeze()
