# /// script
# requires-python = ">=3.11"
# dependencies = ["hearken"]  # from a checkout: pip install ./clients/python
# ///
"""Names that the server should expect: python hotwords.py recording.wav NAME... [--boost 8] [--server HOST:PORT]

Prints the text without and with them. They may be words that the model does not know; "Kowalski" and "Anna Kowalski"
are both fine. A higher boost finds more of them, also where something else was said: try a few.
"""

from __future__ import annotations

import argparse
import sys

import hearken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording")
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--boost", type=float, default=5.0, help="0 to 20")
    parser.add_argument("--server", default="127.0.0.1:50051")
    arguments = parser.parse_args()
    hints = [hearken.PhraseHint(name, arguments.boost) for name in arguments.names]
    try:
        with hearken.Client(arguments.server) as client:
            print("without:", client.transcribe(arguments.recording).text)
            print("with:   ", client.transcribe(arguments.recording, phrase_hints=hints).text)
    except (hearken.HearkenError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
