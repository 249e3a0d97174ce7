"""Wav files: against the standard library's `wave`, and what is wrong with them."""

import struct
import sys
import wave

import numpy as np
import pytest
import soundfile

from rnn_ode import audio

TONE = (0.4 * np.sin(0.05 * np.arange(1500)) + 0.2 * np.sin(0.31 * np.arange(1500)))[:, None]


def write(path, samples, subtype="float", rate=8000):
    with audio.wav_writer(path, rate, samples.shape[1], subtype) as append:
        append(samples)
    return path


def wav_bytes(rate=8000, channels=1, promised=8, present=8, codec=1, bits=16, align=None):
    form = struct.pack("<HHLLHH", codec, channels, rate, rate * 2, align or 2 * max(channels, 1), bits)
    chunks = b"fmt " + struct.pack("<L", 16) + form + b"data" + struct.pack("<L", promised) + bytes(present)
    return b"RIFF" + struct.pack("<L", 4 + len(chunks)) + b"WAVE" + chunks


@pytest.mark.parametrize("subtype", audio.SUBTYPES)
def test_written_samples_are_read_again_to_the_last_bit(subtype, tmp_path):
    samples = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    first = write(tmp_path / "a.wav", samples, subtype)
    recording = audio.read_wav(first)
    assert (recording.rate, recording.channels, recording.frames, recording.subtype) == (8000, 2, 300, subtype)
    read = np.concatenate(list(recording.blocks(128)))
    bits = {"pcm16": 16, "pcm24": 24, "pcm32": 32, "float": 25, "double": 60}[subtype]
    assert abs(read - samples).max() <= 2.0**-bits
    again = np.concatenate(list(audio.read_wav(write(tmp_path / "b.wav", read, subtype)).blocks()))
    assert np.array_equal(again, read)


def test_the_standard_library_reads_the_same_integers(tmp_path):
    with wave.open(str(write(tmp_path / "a.wav", np.array([[0.5], [-1.0], [1.5], [3 / 2**15]]), "pcm16"))) as file:
        assert struct.unpack("<4h", file.readframes(4)) == (2**14, -(2**15), 2**15 - 1, 3)


def test_clipped_samples_are_counted(tmp_path):
    with audio.wav_writer(tmp_path / "a.wav", 8000, 1, "pcm16") as append:
        assert append(np.array([[1.5], [-1.0], [-2.0], [0.0]])) == 2


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([[0.5, np.nan]], r"samples must be finite; 1 of 2 entries are not, the first at \(0, 1\)"),
        ([[0.5], [0.1]], r"samples must have shape \(n, 2\); got \(2, 1\)"),
        ([0.5, 0.1], r"samples must have shape \(n, 2\); got \(2,\)"),
    ],
)
def test_samples_that_no_file_holds_are_refused(tmp_path, samples, words):
    with pytest.raises(ValueError, match=words), audio.wav_writer(tmp_path / "a.wav", 8000, 2, "pcm16") as append:
        append(np.array(samples))


def test_a_file_with_64_bit_sizes_is_read_and_checked(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, TONE, 8000, format="RF64", subtype="PCM_16")
    assert path.read_bytes()[:4] == b"RF64" and audio.read_wav(path).frames == len(TONE)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"promises 1500 frames \(3000 bytes\), but the file ends after 1495"):
        audio.read_wav(path)


def test_unknown_chunks_before_the_samples_are_skipped(tmp_path):
    data = wav_bytes()
    at = data.index(b"data")
    (tmp_path / "a.wav").write_bytes(data[:at] + b"note" + struct.pack("<L", 3) + b"abc\0" + data[at:])
    assert audio.read_wav(tmp_path / "a.wav").frames == 4


@pytest.mark.parametrize("promised", [0, 2**32 - 1])
def test_the_samples_of_a_pipe_s_file_go_on_to_its_end(promised, tmp_path):
    """A program that writes into a pipe cannot say their number. A truncated frame at the end does not count."""
    for sound in (TONE, np.zeros((1500, 1))):
        path = write(tmp_path / "a.wav", sound, "pcm16")
        samples = next(audio.read_wav(path).blocks())
        data = bytearray(path.read_bytes())
        at = data.index(b"data") + 4
        data[4:8] = data[at : at + 4] = struct.pack("<L", promised)
        for tail in (b"", b"\1"):
            path.write_bytes(bytes(data) + tail)
            recording = audio.read_wav(path)
            assert recording.frames == 1500
            assert np.array_equal(np.concatenate(list(recording.blocks(400))), samples)


def test_a_chunk_after_no_samples_is_not_taken_for_samples(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(promised=0, present=0) + b"LIST" + struct.pack("<L", 4) + b"abcd")
    with pytest.raises(ValueError, match="chunk 'data': the file holds no samples"):
        audio.read_wav(path)


BAD = {
    "the file is empty": b"",
    "not a wav file: a wav file begins with RIFF or RF64, a size, and WAVE; this one with b'hello'": b"hello",
    "and WAVE; this one with b'RIFF": b"RIFF\0\0\0\0AVI LIST",
    "chunk 'data': missing; the file is truncated after 20 bytes": wav_bytes()[:20],
    "chunk 'fmt ': missing before the samples": wav_bytes()[:12] + wav_bytes()[36:],
    "chunk 'data': the header promises 50 frames (100 bytes), but the file ends after 4 (8 bytes)": wav_bytes(
        promised=100
    ),
    "chunk 'data': the file holds no samples": wav_bytes(promised=0, present=0),
    "7 bytes do not make whole frames of 2 bytes each": wav_bytes(promised=7),
    "channels must be above 0; got 0 Hz and 1.": wav_bytes(rate=0),
    "channels must be above 0; got 8000 Hz and 0.": wav_bytes(channels=0),
    "Samples of 16, 24 or 32 bits, or floats of 32 or 64 bits, are wanted": wav_bytes(codec=0x1234),
    "the codec is U-Law (ULAW)": "ULAW",
    "a frame must have 2 bytes (1 channel of Signed 16 bit PCM); the header says 8 bytes": wav_bytes(align=8),
}


@pytest.mark.parametrize("words", BAD)
def test_bad_files_are_named_with_the_field(words, tmp_path):
    path = tmp_path / "bad.wav"
    if isinstance(BAD[words], str):
        soundfile.write(path, TONE, 8000, subtype=BAD[words])
    else:
        path.write_bytes(BAD[words])
    with pytest.raises(ValueError) as raised:
        audio.read_wav(path)
    assert str(raised.value).startswith(str(path)) and words in str(raised.value)


def test_samples_that_are_not_finite_are_named(tmp_path):
    samples = np.zeros((100, 2))
    samples[71, 1] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"a\.wav: sample 71 of channel 1 is nan"):
        list(audio.read_wav(tmp_path / "a.wav").blocks(30))


def test_without_soundfile_the_error_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "a.wav").write_bytes(wav_bytes())
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ImportError, match=r"pip install '\.\[audio\]'"):
        audio.read_wav(tmp_path / "a.wav")
