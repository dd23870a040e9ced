"""The access log: a line of JSON for every request, without what was asked."""

import json
import sys
from datetime import UTC, datetime

from starlette.types import Scope

from fakenews_assets.monitoring.log.records import stamp


class AccessLog:
    """Writes to the standard output."""

    def write(self, scope: Scope, method: str, status: int, seconds: float, sent: int) -> None:
        """Write the line of a request that is over.

        Args:
            scope: of the request; the query of its address stays out.
            method: as asked.
            status: of the answer; 0 if there was none.
            seconds: from the first byte to the last one.
            sent: bytes of the answer's body.
        """
        line = {
            "time": stamp(datetime.now(UTC)),
            "request_id": scope["state"]["request_id"],
            **scope["state"]["caller"]._asdict(),
            "address": scope["client"][0] if scope.get("client") else None,
            "method": method,
            "path": scope["path"],
            "status": status,
            "milliseconds": round(1000 * seconds, 3),
            "bytes": sent,
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
