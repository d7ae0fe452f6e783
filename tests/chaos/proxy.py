"""A small TCP proxy on loopback, whose connections can be cut, delayed, or left without a word."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    """Listens on `port` and forwards to whatever `connect` opens, in a thread of its own."""

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        self._connect = connect
        self._writers: set[asyncio.StreamWriter] = set()
        self._delay = 0.0
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True).start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def cut(self) -> None:
        """Reset every connection; new ones are taken."""
        self._loop.call_soon_threadsafe(self._cut)

    def delay(self, seconds: float) -> None:
        """Each piece of data comes so much later from now on; 0: at once."""
        self._delay = seconds

    def hold(self) -> None:
        """Nothing comes through any more, in either direction; connections stay open."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def release(self) -> None:
        """What was held comes through now."""
        self._loop.call_soon_threadsafe(self._open.set)

    def close(self) -> None:
        """End it; whoever is connected is cut off."""
        self._loop.call_soon_threadsafe(self._cut)
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _listen(self) -> int:
        self._open = asyncio.Event()
        self._open.set()
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._writers |= both
        try:
            await asyncio.wait(
                [
                    asyncio.ensure_future(self._forward(reader, far_writer)),
                    asyncio.ensure_future(self._forward(far_reader, writer)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            self._writers -= both
            for each in both:
                each.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if self._delay:
                    await asyncio.sleep(self._delay)
                await self._open.wait()
                writer.write(data)
                await writer.drain()

    def _cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()
