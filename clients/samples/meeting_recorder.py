# /// script
# requires-python = ">=3.11"
# dependencies = ["hearken[mic]"]  # from a checkout: pip install './clients/python[mic]'
# ///
"""Records a meeting and writes down what is said, until Ctrl-C: python meeting_recorder.py NAME [HOST:PORT]

Makes NAME.wav and NAME.txt. If the connection breaks or the server is restarted, the recording goes on, and the words
come when the server is back: up to ten minutes later.
"""

from __future__ import annotations

import signal
import sys
import wave
from collections.abc import Iterator

import hearken

SAMPLE_RATE_HZ = 16_000


def recorded(microphone: hearken.Microphone, wav: wave.Wave_write) -> Iterator[bytes]:
    wav.setnchannels(1)
    wav.setsampwidth(2)
    wav.setframerate(SAMPLE_RATE_HZ)
    for chunk in microphone:
        wav.writeframes(chunk)  # before it is sent: whatever happens, the recording is there
        yield chunk


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    name, server = sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else "127.0.0.1:50051"
    patient = hearken.Reconnect(within_s=600)
    try:
        with (
            hearken.Client(server, reconnect=patient) as client,
            hearken.Microphone(sample_rate_hz=SAMPLE_RATE_HZ) as microphone,
            wave.open(f"{name}.wav", "wb") as wav,
            open(f"{name}.txt", "w", encoding="utf-8", buffering=1) as text,
        ):
            signal.signal(signal.SIGINT, lambda *_: microphone.stop())
            audio = recorded(microphone, wav)
            for result in client.stream(audio, sample_rate_hz=SAMPLE_RATE_HZ, interim_results=False):
                minutes, seconds = divmod(int(result.start_s), 60)
                print(f"{minutes:02}:{seconds:02} {result.text}", file=text)
    except (hearken.HearkenError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
