"""moto's S3, which keeps everything in the memory of this process and believes every signature."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection

from moto.server import ThreadedMotoServer

from tests.servers.process import find_ports
from tests.servers.seaweedfs import S3Server

__all__ = ["running_moto"]

_ADDRESS = "127.0.0.1"


@contextmanager
def running_moto() -> Iterator[S3Server]:
    """Run the server with one empty bucket until the block ends."""
    port = find_ports(1)
    running = ThreadedMotoServer(ip_address=_ADDRESS, port=port, verbose=False)
    running.start()
    try:
        server = S3Server(endpoint_url=f"http://{_ADDRESS}:{port}")
        # It takes requests that nobody has signed.
        connection = HTTPConnection(_ADDRESS, port, timeout=10)
        connection.request("PUT", f"/{server.bucket}")
        answer = connection.getresponse()
        assert answer.status == HTTPStatus.OK, answer.read()
        connection.close()
        yield server
    finally:
        running.stop()
