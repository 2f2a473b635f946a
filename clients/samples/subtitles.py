# /// script
# requires-python = ">=3.11"
# dependencies = ["hearken[audio]"]  # from a checkout: pip install './clients/python[audio]'
# ///
"""Writes subtitles beside a recording: python subtitles.py talk.wav [HOST:PORT] makes talk.srt and talk.vtt

The sound of a video: ffmpeg -i talk.mp4 -ac 1 talk.wav
"""

from __future__ import annotations

import sys
from pathlib import Path

import hearken


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    recording = Path(sys.argv[1])
    server = sys.argv[2] if len(sys.argv) == 3 else "127.0.0.1:50051"
    try:
        with hearken.Client(server) as client:
            transcript = client.transcribe(recording, word_info=True)
        recording.with_suffix(".srt").write_text(hearken.to_srt(transcript.results), encoding="utf-8")
        recording.with_suffix(".vtt").write_text(hearken.to_vtt(transcript.results), encoding="utf-8")
    except (hearken.HearkenError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(transcript.words)} words in {transcript.audio_s:.1f} s of audio")
    return 0


if __name__ == "__main__":
    sys.exit(main())
