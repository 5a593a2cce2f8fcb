"""Moto's IAM and STS on loopback, checking signatures; with a shim in front, for it lets in keys that are Inactive."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any, cast

import httpx
from botocore.config import Config
from botocore.session import Session
from moto.iam.models import iam_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from support import sigv4
from support.iam_account import ACCOUNT
from support.iam_plan import ROTATOR_MAY

_INVALID = (
    b"<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code>"
    b"<Message>The security token included in the request is invalid</Message></Error></ErrorResponse>"
)
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def _shim(moto: Wsgi) -> Wsgi:
    """Inactive keys are unknown, as at AWS."""

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        signed = sigv4.read(environ.get("HTTP_AUTHORIZATION", ""))
        known = iam_backends[ACCOUNT]["aws"].access_keys
        if signed is not None and signed.key in known and known[signed.key].status != "Active":
            start("403 Forbidden", [("Content-Type", "text/xml"), ("Content-Length", str(len(_INVALID)))])
            return [_INVALID]
        return moto(environ, start)

    return application


class MotoServer:
    """Started once; ``reset`` makes it new."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        application = _shim(DomainDispatcherApplication(create_backend_app))
        self._http = make_server("127.0.0.1", 0, application, threaded=True)
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def reset(self, rotator: str, user: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The first keys of both, as CreateAccessKey answers them; from then on signatures are checked."""
        httpx.post(f"{self.url}/moto-api/reset").raise_for_status()
        httpx.post(f"{self.url}/moto-api/reset-auth", content="inf").raise_for_status()
        make = cast("Any", Session()).create_client
        iam = make("iam", region_name="eu-central-1", endpoint_url=self.url, aws_access_key_id="anybody",
                   aws_secret_access_key="anything", config=Config(retries={"total_max_attempts": 1}))  # fmt: skip
        for name in (rotator, user):
            iam.create_user(UserName=name)
        statement = {"Effect": "Allow", "Action": [f"iam:{action}" for action in ROTATOR_MAY], "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=rotator, PolicyName="rotates", PolicyDocument=policy)
        first = [iam.create_access_key(UserName=name)["AccessKey"] for name in (rotator, user)]
        iam.close()
        httpx.post(f"{self.url}/moto-api/reset-auth", content="0").raise_for_status()
        return first[0], first[1]
