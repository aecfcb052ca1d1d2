from tests.redis_server import valkey_process
from tests.redis_server import valkey_server

__all__ = ["valkey_process", "valkey_server"]

pytest_plugins = ["pytester"]
