# /// script
# requires-python = ">=3.11"
# dependencies = ["hearken"]  # from a checkout: pip install ./clients/python
# ///
"""Prints what is said in a recording, and when: python transcribe_file.py recording.wav [HOST:PORT]"""

from __future__ import annotations

import sys

import hearken


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    server = sys.argv[2] if len(sys.argv) == 3 else "127.0.0.1:50051"
    try:
        with hearken.Client(server) as client:
            transcript = client.transcribe(sys.argv[1], word_info=True)
    except (hearken.HearkenError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(transcript.text)
    for word in transcript.words:
        print(f"{word.start_s:7.2f} s  {word.text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
