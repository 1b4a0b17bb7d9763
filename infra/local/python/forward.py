"""Passes connections on to this machine's loopback interface.

forward.py ADDRESS PORT... listens at ADDRESS on each port, and connects each client to the same
port of 127.0.0.1. It runs until it is stopped.
"""

import asyncio
import sys


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main(address, ports):
    async def listen(port):
        async def connected(reader, writer):
            try:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                writer.close()
                return
            await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))

        return await asyncio.start_server(connected, address, port)

    servers = [await listen(int(port)) for port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main(sys.argv[1], sys.argv[2:]))
