"""What a caller asks of final results is done, and what no model can do is refused."""

from __future__ import annotations

import math

import pytest

from models.decoding.beam import Hypothesis, TimedWord
from models.errors import InvalidOptions
from models.final_pass import final_pass_of
from models.package import DecodingConfig
from models.types import DecoderOptions, PhraseHint, RecognitionOptions, Replacement, TextOptions

TUNING = DecodingConfig(beam_size=70, word_confidence_scale=1.0, word_confidence_offset=1.0)
SAID = Hypothesis((TimedWord("twenty", 5, 9, -1.0), TimedWord("one", 11, 13, -3.0)), -7.0)


def test_words_have_times_in_the_stream_and_confidences() -> None:
    (alternative,) = final_pass_of(RecognitionOptions(), TUNING).alternatives(
        [SAID], start_s=10.0, outputs=15, output_s=0.04
    )
    assert alternative.transcript == "twenty one"
    assert [(word.start_s, word.end_s) for word in alternative.words] == [(10.2, 10.44), (10.44, 10.6)]
    # The last phone of a word goes on after it has begun, but not into the next word or beyond the audio.
    assert [word.confidence for word in alternative.words] == pytest.approx([0.5, 1 / (1 + math.exp(2))])
    assert alternative.confidence == pytest.approx(sum(word.confidence for word in alternative.words) / 2)


def test_without_words_the_confidence_of_the_reading_stays() -> None:
    wanted = final_pass_of(RecognitionOptions(word_info=False), TUNING)
    (alternative,) = wanted.alternatives([SAID], start_s=0.0, outputs=15, output_s=0.04)
    assert alternative.words == () and alternative.confidence > 0


def test_text_options_change_words_and_transcript() -> None:
    options = RecognitionOptions(text=TextOptions(inverse_text_normalization=True))
    (alternative,) = final_pass_of(options, TUNING).alternatives([SAID], start_s=0.0, outputs=15, output_s=0.04)
    assert (alternative.transcript, [word.text for word in alternative.words]) == ("21", ["21"])


def test_the_callers_weights_replace_the_models_and_leave_the_rest() -> None:
    wanted = final_pass_of(RecognitionOptions(decoder=DecoderOptions(word_bonus=-1.5)), TUNING)
    assert (wanted.tuning.beam_size, wanted.tuning.word_bonus) == (70, -1.5)
    assert final_pass_of(RecognitionOptions(), TUNING).tuning == TUNING


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (RecognitionOptions(max_alternatives=31), "max_alternatives is 31; use 1 to 30"),
        (RecognitionOptions(decoder=DecoderOptions(beam_size=1001)), "beam_size is 1001; use 1 to 1000"),
        (RecognitionOptions(decoder=DecoderOptions(language_model_weight=math.nan)), "use 0 to 5"),
        (RecognitionOptions(decoder=DecoderOptions(word_bonus=-5.1)), "use -5 to 5"),
        (RecognitionOptions(phrase_hints=(PhraseHint("7"),)), "write numbers as words"),
        (RecognitionOptions(text=TextOptions(replacements=(Replacement("", "x"),))), "searches for nothing"),
        (RecognitionOptions(text=TextOptions(replacements=(Replacement("a", "x"),) * 101)), "at most 100"),
    ],
)
def test_wishes_that_no_model_can_fulfil_are_refused(options: RecognitionOptions, sentence: str) -> None:
    with pytest.raises(InvalidOptions, match=sentence):
        final_pass_of(options, TUNING)
