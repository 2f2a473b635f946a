# /// script
# requires-python = ">=3.11"
# dependencies = ["hearken"]  # from a checkout: pip install ./clients/python
# ///
"""Live captions of a recording, at the speed of speech: python live_captions.py recording.wav [HOST:PORT]

Text that may still change is gray. For a microphone, see live_microphone.py.
"""

from __future__ import annotations

import sys

import hearken

ERASE_LINE, GRAY, NORMAL = "\r\x1b[2K", "\x1b[90m", "\x1b[0m"
WIDTH_CHARS = 76  # a caption that grows longer loses its beginning


def caption(result: hearken.Result) -> str:
    sure, unsure = result.text[: result.committed_chars], result.text[result.committed_chars :]
    surplus = max(0, len(result.text) - WIDTH_CHARS)
    return sure[surplus:] + GRAY + unsure[max(0, surplus - len(sure)) :] + NORMAL


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    server = sys.argv[2] if len(sys.argv) == 3 else "127.0.0.1:50051"
    try:
        with hearken.Client(server) as client:
            for result in client.stream(hearken.AudioFile(sys.argv[1], pace=1.0), latency_ms=320):
                if result.is_final:
                    print(f"{ERASE_LINE}{result.text}")
                else:
                    print(ERASE_LINE + caption(result), end="", flush=True)
    except (hearken.HearkenError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
