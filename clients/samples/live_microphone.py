# /// script
# requires-python = ">=3.11"
# dependencies = ["hearken[mic]"]  # from a checkout: pip install './clients/python[mic]'
# ///
"""Prints what is said into the microphone while it is said, until Ctrl-C: python live_microphone.py [HOST:PORT]"""

from __future__ import annotations

import signal
import sys

import hearken

ERASE_LINE = "\r\x1b[2K"


def main() -> int:
    server = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"
    try:
        with hearken.Client(server) as client, hearken.Microphone() as microphone:
            # Ends the audio, not the program: the last words are still recognized.
            signal.signal(signal.SIGINT, lambda *_: microphone.stop())
            print("speak; Ctrl-C ends")
            for result in client.stream(microphone, latency_ms=320):
                print(ERASE_LINE + result.text, end="\n" if result.is_final else "", flush=True)
    except hearken.HearkenError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
