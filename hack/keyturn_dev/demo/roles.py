"""The SQL that a database's owner runs once: the shop's roles and table, and the rotator. Holds no clear password."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from pathlib import Path

from keyturn_dev.demo.part import Passwords

DATABASE = "shop"
FUNCTIONS = Path(__file__).resolve().parents[3] / "docs" / "providers" / "postgres" / "functions.sql"


def roles_sql(passwords: Passwords) -> str:
    """The common owner, the role in use, the rotator and the table."""
    return f"""\
ALTER ROLE postgres PASSWORD '{verifier(passwords.root)}';
CREATE ROLE orders_owner NOLOGIN;
CREATE ROLE orders_a LOGIN PASSWORD '{verifier(passwords.current)}' IN ROLE orders_owner;
ALTER ROLE orders_a SET role TO orders_owner;
CREATE ROLE keyturn_rotator LOGIN PASSWORD '{verifier(passwords.rotator)}';
CREATE DATABASE {DATABASE} OWNER orders_owner;
\\connect {DATABASE}
SET ROLE orders_owner;
CREATE SCHEMA orders;
CREATE TABLE orders.orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  item text NOT NULL,
  packed boolean NOT NULL DEFAULT false
);
"""


def rotator_sql() -> str:
    """The functions of the smallest rotator, installed as the documents tell a database's owner to do it.

    The server writes every statement of the rotator into its log, so that the order of things can be read there; of
    values only the beginning, which names roles and is too short for a verifier.
    """
    return f"""\
\\connect {DATABASE}
\\set rotator keyturn_rotator
\\set plan shop/orders-db
\\set owner orders_owner
\\set slot_a orders_a
\\set slot_b orders_b
{FUNCTIONS.read_text()}
ALTER ROLE keyturn_rotator SET log_statement = 'all';
ALTER ROLE keyturn_rotator SET log_parameter_max_length = 32;
"""


def verifier(password: str) -> str:
    """What PostgreSQL stores for a SCRAM-SHA-256 password (RFC 5802, RFC 7677), made here so that no SQL carries it."""
    salt, rounds = os.urandom(16), 4096
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    client = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    words = [base64.b64encode(part).decode() for part in (salt, client, server)]
    return f"SCRAM-SHA-256${rounds}:{words[0]}${words[1]}:{words[2]}"
