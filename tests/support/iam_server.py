"""An HTTP server on loopback that speaks the documented API of IAM and STS: forms in, XML out, signatures checked.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/ and https://docs.aws.amazon.com/STS/latest/APIReference/
Calls can be struck before or after they are carried out, limited, or cut off. STS of a region is at /REGION.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from support import sigv4
from support.iam_account import AccessKey, Account, Refusal

CLOCKS_MAY_DIFFER = timedelta(minutes=5)
Deed = Callable[["IamServer", str, dict[str, str]], str]


class Dropped(Exception):
    """The connection ends without an answer."""


class IamServer:
    """One account behind one port."""

    def __init__(self, account: Account) -> None:
        self.lock = threading.RLock()
        self.reset(account)
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def reset(self, account: Account) -> None:
        """Another account, and nothing that was asked for stays in force."""
        self.account = account
        self.asked: list[tuple[str, dict[str, str]]] = []  # action, parameters; signed and allowed or not
        self.done: list[str] = []  # changes that happened
        self.refused: list[tuple[str, str]] = []  # from which address, and the code of what it was told
        self.drop_before: Counter[str] = Counter()  # so many calls of this action find no server
        self.drop_after: Counter[str] = Counter()  # so many are carried out, and the answer is lost
        self.refuse: dict[str, list[Refusal]] = {}  # what the next calls of this action are told instead
        self.instead: dict[str, str] = {}  # what calls of this action are answered, whatever they asked
        self.down = False
        self.before: Callable[[str], None] = lambda _action: None  # may raise Dropped
        self.on_drop: Callable[[str], None] = lambda _action: None  # what happens when a call finds no server
        self.after: Callable[[str], None] = lambda _action: None

    @property
    def port(self) -> int:
        return self._http.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> IamServer:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def calls(self, action: str) -> list[dict[str, str]]:
        """The parameters of each call of it."""
        return [words for name, words in self.asked if name == action]

    # ---------------------------------------------------------------------------------------------- a request

    def answer(self, path: str, headers: dict[str, str], body: bytes, caller: str) -> tuple[int, str]:
        """Status and XML. Raises Dropped."""
        with self.lock:
            words = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            action = words.pop("Action", "")
            self.asked.append((action, words))
            if self.down or self._struck(self.drop_before, action):
                self.on_drop(action)
                raise Dropped
            if action in self.instead:
                return 200, self.instead[action]
            self.before(action)
            try:
                answered = self._carry_out(action, words, path, headers, body)
            except Refusal as refusal:
                self.refused.append((caller, refusal.code))
                return refusal.status, _error(refusal)
            self.after(action)
            if self._struck(self.drop_after, action):
                raise Dropped
            return 200, answered

    def _struck(self, which: Counter[str], action: str) -> bool:
        if which[action] <= 0:
            return False
        which[action] -= 1
        return True

    def _carry_out(self, action: str, words: dict[str, str], path: str, headers: dict[str, str], body: bytes) -> str:
        if self.refuse.get(action):
            raise self.refuse[action].pop(0)
        if action not in _DEEDS:
            raise Refusal("InvalidAction", f"Could not find operation {action}", 400)
        service, deed = _DEEDS[action]
        caller, region = self._signer(service, path, headers, body)
        if service == "iam" and action not in self.account.may.get(caller.user, ()):
            raise Refusal("AccessDenied", f"User: {self.account.arn(caller.user)} is not authorized: iam:{action}")
        self.account.use(caller, service, region)
        result = deed(self, caller.user, words)
        if action.startswith(("Create", "Update", "Delete")):
            self.done.append(action)
        wrapped = f"<{action}Result>{result}</{action}Result>"
        return f'<{action}Response xmlns="urn:{service}">{wrapped}{_REQUEST}</{action}Response>'

    def _signer(self, service: str, path: str, headers: dict[str, str], body: bytes) -> tuple[AccessKey, str]:
        signed = sigv4.read(headers.get("authorization", ""))
        if signed is None:
            raise Refusal("MissingAuthenticationToken", "Request is missing Authentication Token")
        key = self.account.keys.get(signed.key)
        if key is None or not self.account.opens(key):
            if key is not None and self.account.records_refused:
                self.account.use(key, service, signed.region)
            raise Refusal("InvalidClientTokenId", "The security token included in the request is invalid.")
        sent = datetime.strptime(headers.get("x-amz-date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs(self.wall_clock() - sent) > CLOCKS_MAY_DIFFER:
            raise Refusal("SignatureDoesNotMatch", f"Signature expired: {sent} is now earlier than allowed.")
        there = path.strip("/") or signed.region  # STS of a region takes signatures for that region
        fits = signed.service == service and (service == "iam" or signed.region == there)
        if not fits or not sigv4.holds(signed, key.secret, "POST", path, headers, body):
            raise Refusal("SignatureDoesNotMatch", "The request signature we calculated does not match.")
        return key, signed.region

    def wall_clock(self) -> datetime:
        """What signatures are compared with; the account's own clock may be moved."""
        return datetime.now(UTC)  # noqa: TID251 - signatures carry the time of day


def _handler(server: IamServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            try:
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, text = server.answer(self.path, headers, body, self.client_address[0])
            except Dropped:
                self.close_connection = True
                return
            raw = text.encode()
            head = f"HTTP/1.1 {status} -\r\nContent-Type: text/xml\r\nContent-Length: {len(raw)}\r\n\r\n".encode()
            self.wfile.write(head + raw)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            """Nobody reads it."""

    return Handler


_REQUEST = "<ResponseMetadata><RequestId>7a62c49f-347e-4fc4-9331-6e8eEXAMPLE</RequestId></ResponseMetadata>"


def _error(refusal: Refusal) -> str:
    kind = "Sender" if refusal.status < 500 else "Receiver"
    told = f"<Type>{kind}</Type><Code>{refusal.code}</Code><Message>{escape(refusal.words)}</Message>"
    return f'<ErrorResponse xmlns="urn:aws"><Error>{told}</Error><RequestId>EXAMPLE</RequestId></ErrorResponse>'


# ------------------------------------------------------------------------------------------------ what can be asked


def _xml(**fields: object) -> str:
    return "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _whose(server: IamServer, caller: str, words: dict[str, str]) -> str:
    """Without a UserName it is the caller's own user: the trap."""
    user = words.get("UserName", caller)
    if user not in server.account.users:
        raise Refusal("NoSuchEntity", f"The user with name {user} cannot be found.", 404)
    return user


def _shown(key: AccessKey) -> str:
    status = "Active" if key.active else "Inactive"
    return _xml(UserName=key.user, AccessKeyId=key.id, Status=status, CreateDate=_time(key.created))


def _get_caller_identity(server: IamServer, caller: str, words: dict[str, str]) -> str:
    account = server.account
    return _xml(Arn=account.arn(caller), UserId=account.users[caller], Account=account.number)


def _get_access_key_info(server: IamServer, caller: str, words: dict[str, str]) -> str:
    id_ = words["AccessKeyId"]
    if not re.fullmatch(r"\w{16,128}", id_):
        raise Refusal("ValidationError", "1 validation error detected", 400)
    return _xml(Account=server.account.elsewhere.get(id_, server.account.number))


def _get_user(server: IamServer, caller: str, words: dict[str, str]) -> str:
    user = _whose(server, caller, words)
    told = _xml(
        Path="/", UserName=user, UserId=server.account.users[user], Arn=server.account.arn(user),
        CreateDate="2026-01-01T00:00:00Z",
    )  # fmt: skip
    return f"<User>{told}</User>"


def _list_access_keys(server: IamServer, caller: str, words: dict[str, str]) -> str:
    keys = server.account.listed(_whose(server, caller, words))
    members = "".join(f"<member>{_shown(key)}</member>" for key in keys)
    return f"<AccessKeyMetadata>{members}</AccessKeyMetadata><IsTruncated>false</IsTruncated>"


def _get_access_key_last_used(server: IamServer, caller: str, words: dict[str, str]) -> str:
    user, use = server.account.last_use(words["AccessKeyId"])
    told = (
        _xml(ServiceName="N/A", Region="N/A")
        if use is None
        else _xml(LastUsedDate=_time(use.at), ServiceName=use.service, Region=use.region)
    )
    return f"<UserName>{user}</UserName><AccessKeyLastUsed>{told}</AccessKeyLastUsed>"


def _create_access_key(server: IamServer, caller: str, words: dict[str, str]) -> str:
    key = server.account.create(_whose(server, caller, words))
    return f"<AccessKey>{_shown(key)}{_xml(SecretAccessKey=key.secret)}</AccessKey>"


def _update_access_key(server: IamServer, caller: str, words: dict[str, str]) -> str:
    user = _whose(server, caller, words)
    server.account.switch(user, words["AccessKeyId"], active=words["Status"] == "Active")
    return ""


def _delete_access_key(server: IamServer, caller: str, words: dict[str, str]) -> str:
    server.account.delete(_whose(server, caller, words), words["AccessKeyId"])
    return ""


_DEEDS: dict[str, tuple[str, Deed]] = {
    "GetCallerIdentity": ("sts", _get_caller_identity),
    "GetAccessKeyInfo": ("sts", _get_access_key_info),
    "GetUser": ("iam", _get_user),
    "ListAccessKeys": ("iam", _list_access_keys),
    "GetAccessKeyLastUsed": ("iam", _get_access_key_last_used),
    "CreateAccessKey": ("iam", _create_access_key),
    "UpdateAccessKey": ("iam", _update_access_key),
    "DeleteAccessKey": ("iam", _delete_access_key),
}
