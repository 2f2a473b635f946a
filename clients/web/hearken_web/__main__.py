"""The command `hearken-web`: serves the captions page for one Hearken server."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import uvicorn

from hearken import ConnectionOptions
from hearken_web.gateway import application

LARGEST_MESSAGE_BYTES = 1024 * 1024

# The same variable that the command `hearken` reads.
TOKEN_VARIABLE = "HEARKENCLIENT_TOKEN"  # noqa: S105


def main() -> None:
    """The entry point."""
    parser = argparse.ArgumentParser(prog="hearken-web", description=__doc__)
    parser.add_argument("--server", default="127.0.0.1:50051", metavar="HOST:PORT", help="of Hearken (%(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve the page on (%(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="to serve the page on (%(default)s)")
    parser.add_argument("--tls", action="store_true", help="reach Hearken by TLS, by the system's authorities")
    parser.add_argument("--root-certificates", metavar="FILE", help="PEM file of Hearken's authorities; implies --tls")
    parser.add_argument("--certificate", metavar="FILE", help="PEM file of the page's own certificate, for https")
    parser.add_argument("--key", metavar="FILE", help="PEM file of that certificate's key")
    arguments = parser.parse_args()
    if (arguments.certificate is None) != (arguments.key is None):
        parser.error("--certificate and --key belong together; give both or neither")
    for file in (arguments.root_certificates, arguments.certificate, arguments.key):
        if file is not None and not Path(file).is_file():
            parser.error(f"there is no file {file}")
    connection = ConnectionOptions(
        tls=arguments.tls, root_certificates=arguments.root_certificates, token=os.environ.get(TOKEN_VARIABLE) or None
    )
    scheme = "http" if arguments.certificate is None else "https"
    print(f"captions on {scheme}://{arguments.host}:{arguments.port}/", file=sys.stderr)
    if scheme == "http" and arguments.host not in ("127.0.0.1", "localhost", "::1"):
        print(
            "browsers give the microphone to https pages only, except on localhost; see --certificate", file=sys.stderr
        )
    uvicorn.run(
        application(arguments.server, connection),
        host=arguments.host,
        port=arguments.port,
        ssl_certfile=arguments.certificate,
        ssl_keyfile=arguments.key,
        ws="websockets-sansio",
        ws_max_size=LARGEST_MESSAGE_BYTES,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
