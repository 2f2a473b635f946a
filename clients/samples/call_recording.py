# /// script
# requires-python = ">=3.11"
# dependencies = ["hearken"]  # from a checkout: pip install ./clients/python
# ///
"""Writes down a telephone call, one channel for each side: python call_recording.py call.wav [HOST:PORT]

Who speaks is known by the channel, also where both speak at once. Names of the sides: --names agent,customer
"""

from __future__ import annotations

import argparse
import sys

import hearken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording")
    parser.add_argument("server", nargs="?", default="127.0.0.1:50051")
    parser.add_argument("--names", default="left,right", help="of the channels, in order")
    arguments = parser.parse_args()
    names = arguments.names.split(",")
    try:
        with hearken.Client(arguments.server) as client:
            call = client.transcribe(arguments.recording, separate_channels=True, automatic_punctuation=True)
    except (hearken.HearkenError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    for turn in sorted(call.results, key=lambda result: result.start_s):
        if turn.text:
            name = names[turn.channel_tag - 1] if turn.channel_tag <= len(names) else f"channel {turn.channel_tag}"
            minutes, seconds = divmod(int(turn.start_s), 60)
            print(f"{minutes:02}:{seconds:02} {name}: {turn.text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
