"""An application whose worker crashes as soon as it is served, and which says how it ends."""

from typing import Any

import falcon.asgi

from falcon_pachinko import WorkerController

workers = WorkerController(on_crash="stop")


@workers.worker
async def feed() -> None:
    raise ConnectionError("the feed is down")


class Witness:
    async def process_shutdown(self, scope: Any, event: Any) -> None:
        print("the shutdown has run", workers.status[0].state, flush=True)  # noqa: T201


app = falcon.asgi.App(middleware=[workers, Witness()])
