"""Who is behind a session: known to the key store alone.

The log carries a random subject id and the participant's reference encrypted under that subject's own key; destroying the key
makes every link unreadable, in the log and in every copy of it. A participant is found again by a keyed hash of the normalised
reference, whose key (the pepper) never leaves this store.
"""

import hmac
import secrets
import unicodedata
from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from agents.control import SECRETS, SUBJECTS

_NONCE_BYTES = 12  # AES-GCM's own size; random, far below 2**32 messages a key


class Subject(msgspec.Struct, frozen=True):
    """What the log may hold of a person."""

    subject_id: str
    key_id: str
    cipher: bytes


class Unreadable(Exception):
    """The key is destroyed or another's, so the reference cannot be read."""


class SubjectKeys:
    """The key store."""

    def __init__(self, engine: Engine) -> None:
        """Over the control database."""
        self._engine = engine
        self._pepper = self._first_or_new(lambda: secrets.token_bytes(32))

    def seal(self, participant_ref: str) -> Subject:
        """The subject of a participant, the same for the same reference; the cipher differs from call to call."""
        normalised = unicodedata.normalize("NFKC", participant_ref).strip().casefold().encode()
        lookup = hmac.digest(self._pepper, normalised, "sha256")
        query = select(SUBJECTS.c.subject_id, SUBJECTS.c.key_id, SUBJECTS.c.key).where(
            SUBJECTS.c.lookup == lookup
        )
        with self._engine.begin() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                new = (secrets.token_hex(16), secrets.token_hex(16), AESGCM.generate_key(256))
                columns = dict(zip(("subject_id", "key_id", "key"), new, strict=True))
                connection.execute(insert(SUBJECTS).values(lookup=lookup, **columns))
                row = connection.execute(query).one()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        bound = f"{row.subject_id}|{row.key_id}".encode()
        cipher = nonce + AESGCM(row.key).encrypt(nonce, participant_ref.encode(), bound)
        return Subject(row.subject_id, row.key_id, cipher)

    def reveal(self, subject: Subject) -> str:
        """The participant's reference. Raises Unreadable when the key is gone or does not fit."""
        with self._engine.connect() as connection:
            key = connection.execute(
                select(SUBJECTS.c.key).where(SUBJECTS.c.key_id == subject.key_id)
            ).scalar_one_or_none()
        if key is None:
            raise Unreadable(f"key {subject.key_id} is destroyed or was never here")
        nonce, sealed = subject.cipher[:_NONCE_BYTES], subject.cipher[_NONCE_BYTES:]
        try:
            return (
                AESGCM(key).decrypt(nonce, sealed, f"{subject.subject_id}|{subject.key_id}".encode()).decode()
            )
        except (InvalidTag, ValueError) as error:
            raise Unreadable(f"the cipher is not one of key {subject.key_id}") from error

    def destroy(self, subject_id: str) -> bool:
        """Forget a subject's key for ever; False when there was none."""
        with self._engine.begin() as connection:
            gone = connection.execute(delete(SUBJECTS).where(SUBJECTS.c.subject_id == subject_id)).rowcount
        if self._engine.dialect.name == "sqlite":  # until then the bytes stand in the write-ahead log
            with self._engine.connect() as connection:
                connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
        return gone == 1

    def _first_or_new(self, make: Callable[[], bytes]) -> bytes:
        try:
            with self._engine.begin() as connection:
                known = connection.execute(
                    select(SECRETS.c.value).where(SECRETS.c.name == "pepper")
                ).scalar_one_or_none()
                if known is not None:
                    return bytes(known)
                value = make()
                connection.execute(insert(SECRETS).values(name="pepper", value=value))
                return value
        except IntegrityError:  # another process was first (PostgreSQL; SQLite begins immediate)
            return self._first_or_new(make)
