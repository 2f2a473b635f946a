"""What a channel makes of chunks: interim results where the text has changed, with what is committed of it."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from models.acoustic.state import AcousticState
from models.channel import Channel, ChannelParts
from models.decoding.beam import BeamDecoder
from models.features import LogMel
from models.package import LEXICON, Package, open_package
from models.types import RecognitionOptions
from models.vocabulary import BLANK

LATENCY_MS = 160
OUTPUT_S = 0.04


@pytest.fixture(scope="module")
def package(tiny_package: Path) -> Package:
    return open_package(tiny_package)


@pytest.fixture(scope="module")
def parts(package: Package) -> ChannelParts:
    return ChannelParts(
        LogMel(package.config.features),
        package.config.latencies[LATENCY_MS],
        partial(BeamDecoder(package).interim, output_s=OUTPUT_S),
        AcousticState(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1)),
        package.config.decoding,
        OUTPUT_S,
    )


def outputs(package: Package, *words: str) -> torch.Tensor:
    """[outputs, P] log probabilities of words that are clearly said; a blank after each phone."""
    lexicon = dict(line.split(" ", 1) for line in package.path(LEXICON).read_text().splitlines())
    path = [BLANK]
    for word in words:
        path += [i for phone in lexicon[word].split() for i in (1 + package.config.phones.index(phone), BLANK)]
    scores = torch.nn.functional.one_hot(torch.tensor(path), 1 + len(package.config.phones)).float()
    return (scores * 14).log_softmax(-1)


def test_a_result_comes_with_each_new_text_and_with_no_other_chunk(parts: ChannelParts, package: Package) -> None:
    channel = Channel(RecognitionOptions(), parts, tag=3)
    texts, chunks = [], outputs(package, "rain", "in", "spain").split(1)
    for chunk in chunks:
        texts += [result.alternatives[0].transcript for result in channel.absorb_chunk(chunk, parts.initial_state)]
    # Words of this toy model are equally likely, so chance may show another one of the same beginning for a moment.
    assert texts[-1] == "rain in spain"
    assert all(before != after for before, after in pairwise(texts))
    assert len(texts) < len(chunks)


def test_an_interim_result_says_where_it_stands(parts: ChannelParts, package: Package) -> None:
    channel = Channel(RecognitionOptions(), parts, tag=3)
    pause = outputs(package)[:1].expand(30, -1)
    said = torch.cat([outputs(package, "rain"), pause, outputs(package, "in", "spain")])
    (result,) = channel.absorb_chunk(said, parts.initial_state)
    assert not result.is_final and result.channel_tag == 3 and 0 < result.stability < 1
    text = result.alternatives[0].transcript
    assert (text, text[: result.committed_chars]) == ("rain in spain", "rain")
    assert result.end_s == channel.recognized_s > 0


def test_who_wants_no_interim_results_gets_none(parts: ChannelParts, package: Package) -> None:
    channel = Channel(RecognitionOptions(interim=False), parts, tag=0)
    assert channel.absorb_chunk(outputs(package, "rain"), parts.initial_state) == []
