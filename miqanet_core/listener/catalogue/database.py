"""Opening the catalogue, and its transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import Session

from miqanet_core.listener.catalogue.model import Base, StackResult

_SQLITE_WAIT_SECONDS = 60
_CONNECT_SECONDS = 10
# Names of PostgreSQL's advisory locks: any numbers that no other program on the server uses.
_TABLES_LOCK, _SORTING_LOCK = 4711072301, 4711072302


class CatalogueError(Exception):
    """The catalogue cannot be used; one line that says why and what to do."""


class Catalogue:
    """The catalogue at a database URL: ``sqlite:///FILE`` or ``postgresql+psycopg://USER@HOST/NAME``. Threads may share it.

    ``read_only``: the database itself refuses every change, and a file that is missing is not made.
    """

    def __init__(self, url: str, read_only: bool = False) -> None:
        try:
            self.engine = _engine(url, read_only)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            problem = f"the setting storage.database is no database URL that can be used ({error})"
            raise CatalogueError(f"{problem}; leave it empty, or write postgresql+psycopg://USER@HOST/NAME") from error
        self.sqlite = self.engine.dialect.name == "sqlite"

    @classmethod
    def in_folder(cls, folder: Path) -> Catalogue:
        """The SQLite catalogue of a folder."""
        return cls(f"sqlite:///{folder / 'catalogue.sqlite'}")

    def create(self) -> Catalogue:
        """Make the tables that are missing. Several processes may do so at once."""
        with _opening(), self.engine.begin() as connection:
            if not self.sqlite:
                # CREATE TABLE IF NOT EXISTS is not safe against itself in PostgreSQL.
                connection.execute(select(func.pg_advisory_xact_lock(_TABLES_LOCK)))
            Base.metadata.create_all(connection)
        return self

    @classmethod
    def to_read(cls, url: str) -> Catalogue:
        """The catalogue that a listener has made, to look into it only. CatalogueError when there is none."""
        catalogue = cls(url, read_only=True)
        with _opening(), catalogue.read() as session:
            session.execute(select(StackResult.id).limit(1))
        return catalogue

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that changes something: committed at the end, durable then; rolled back when anything is raised.

        On SQLite it takes the one write lock at its beginning, so two of them never deadlock.
        """
        with self.engine.connect().execution_options(miqa_write=True) as connection:
            with Session(connection, expire_on_commit=False) as session, session.begin():
                yield session
            # The session joined the connection's own transaction.
            connection.commit()

    @contextmanager
    def write_alone(self) -> Iterator[Session]:
        """:meth:`write` for what finds or makes series: one such transaction at a time, whichever process it is of.

        Two that made the same series at once would break its uniqueness, and two that took series in another order would wait
        for one another.
        """
        with self.write() as session:
            if not self.sqlite:
                session.execute(select(func.pg_advisory_xact_lock(_SORTING_LOCK)))
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A consistent view, to read only. What was loaded can be used after the end, as far as it was loaded."""
        with self.engine.connect() as connection, Session(connection, expire_on_commit=False) as session:
            yield session

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


@contextmanager
def _opening() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise CatalogueError(f"the catalogue cannot be opened ({reason}); check storage.database and its rights") from error


def _engine(url: str, read_only: bool) -> Engine:
    if not url.startswith("sqlite"):
        arguments: dict[str, Any] = {"connect_timeout": _CONNECT_SECONDS} if url.startswith("postgresql") else {}
        if read_only:
            arguments["options"] = "-c default_transaction_read_only=on"
        return create_engine(url, pool_pre_ping=True, pool_size=5, max_overflow=20, connect_args=arguments)
    if read_only:
        address = f"file:{quote(make_url(url).database or '')}?mode=ro"
        engine = create_engine(url, creator=lambda: sqlite3.connect(address, _SQLITE_WAIT_SECONDS, uri=True))
    else:
        engine = create_engine(url, connect_args={"timeout": _SQLITE_WAIT_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def configure(connection: object, _: object) -> None:
        # Python's own BEGIN comes too late to take the write lock, so SQLAlchemy's event sends it.
        connection.isolation_level = None  # type: ignore[attr-defined]
        if read_only:
            return
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("miqa_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
