"""Wav files: against the standard library's `wave`, and what is wrong with them."""

import struct
import sys
import wave

import numpy as np
import pytest
import soundfile

from rnn_ode import audio
from rnn_ode.audio._formats import subtype_for

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


@pytest.mark.parametrize("promised", [0, 0x7FFFF000, 2**32 - 1])
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


def flac_of_a_pipe(path):
    """A FLAC file whose number of samples is 0, the low 36 bits of the bytes from 21 on, which means unknown."""
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return data


def aiff_of_a_pipe(path):
    """An AIFF file with the sizes that SoX writes into a pipe, as it sees no end."""
    data = bytearray(path.read_bytes())
    sound, common = data.index(b"SSND"), data.index(b"COMM")
    data[4:8] = struct.pack(">L", 0x7F000000 + 46)
    data[sound + 4 : sound + 8] = struct.pack(">L", 0x7F000000 + 8)
    data[common + 10 : common + 14] = struct.pack(">L", 0x7F000000 // 2)
    return data


def test_an_aiff_file_of_a_pipe_is_read_to_its_end(tmp_path):
    path = tmp_path / "a.aiff"
    soundfile.write(path, TONE, 8000)
    whole = next(audio.read_recording(path).blocks())
    path.write_bytes(aiff_of_a_pipe(path))
    recording = audio.read_recording(path)
    assert recording.frames == 1500
    assert np.array_equal(np.concatenate(list(recording.blocks(400))), whole)


def test_a_flac_file_that_does_not_tell_its_length_is_refused(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, TONE, 8000)
    path.write_bytes(flac_of_a_pipe(path))
    with pytest.raises(
        ValueError, match=r"a\.flac: the header does not tell how many samples .* Convert the file to wav"
    ):
        audio.read_recording(path)


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
    "Samples of 8, 16, 24 or 32 bits, or floats of 32 or 64 bits, are wanted": wav_bytes(codec=0x1234),
    "a frame must have 2 bytes (1 channel of Signed 16 bit PCM); the header says 8 bytes": wav_bytes(align=8),
}


@pytest.mark.parametrize("words", BAD)
def test_bad_files_are_named_with_the_field(words, tmp_path):
    path = tmp_path / "bad.wav"
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


EIGHT = (np.arange(256) - 128)[:, None] / 128.0  # every sample of 8 bits


@pytest.mark.parametrize(
    ("name", "kind", "code", "samples"),
    [
        ("a.wav", "WAV", "PCM_U8", EIGHT),
        ("a.aiff", "AIFF", "PCM_S8", EIGHT),
        ("a.aif", "AIFF", "PCM_16", np.rint(TONE * 2**15) / 2**15),
        ("a.flac", "FLAC", "PCM_24", np.rint(TONE * 2**23) / 2**23),
        ("a.w64", "W64", "FLOAT", TONE.astype(np.float32)),
        ("a.caf", "CAF", "DOUBLE", TONE),
    ],
)
def test_other_formats_are_read_and_written_to_the_last_bit(name, kind, code, samples, tmp_path):
    soundfile.write(tmp_path / name, samples, 8000, format=kind, subtype=code)
    recording = audio.read_recording(tmp_path / name)
    assert (recording.rate, recording.channels, recording.frames) == (8000, 1, len(samples))
    assert np.array_equal(np.concatenate(list(recording.blocks(100))), samples)
    again = tmp_path / f"again{(tmp_path / name).suffix}"
    with audio.recording_writer(again, 8000, 1, recording.subtype) as append:
        assert append(samples) == 0
    assert soundfile.info(again).subtype == code and soundfile.info(again).format == kind
    assert np.array_equal(np.concatenate(list(audio.read_recording(again).blocks())), samples)


@pytest.mark.parametrize("code", ["ULAW", "IMA_ADPCM"])
def test_a_coded_wav_file_is_read_as_libsndfile_decodes_it(code, tmp_path):
    soundfile.write(tmp_path / "a.wav", TONE, 8000, subtype=code)
    recording = audio.read_wav(tmp_path / "a.wav")
    assert recording.subtype == code
    assert np.array_equal(np.concatenate(list(recording.blocks(400)))[:, 0], soundfile.read(tmp_path / "a.wav")[0])


def test_a_new_file_has_the_subtype_of_another_if_its_format_has_it(tmp_path):
    same = [("a.wav", "pcm16"), ("a.flac", "pcm16"), ("a.wav", "PCM_U8"), ("a.ogg", "VORBIS")]
    others = [("a.flac", "float", "pcm24"), ("a.wav", "VORBIS", "float"), ("a.ogg", "pcm16", "VORBIS")]
    others += [("a.mp3", "pcm16", "MPEG_LAYER_III"), ("a.opus", "float", "OPUS")]
    for name, like, wanted in [*((name, like, like) for name, like in same), *others]:
        assert subtype_for(tmp_path / name, like) == wanted
    for name in ("a", "a.raw", "a.json"):
        with pytest.raises(ValueError, match=r"recordings are written with the names \.aiff, \.au, "):
            subtype_for(tmp_path / name, "pcm16")
    words = r"subtype must be one of pcm16, .*; got 'double'\. Of these, .* FLAC files have PCM_S8, pcm16, pcm24\."
    with pytest.raises(ValueError, match=words), audio.recording_writer(tmp_path / "a.flac", 8000, 1, "double"):
        pass
    assert not list(tmp_path.iterdir())


def test_coded_samples_beyond_full_scale_are_clipped(tmp_path):
    with audio.recording_writer(tmp_path / "a.au", 8000, 1, "ULAW") as append:
        assert append(np.array([[0.5], [1.5], [-3.0]])) == 2
    assert np.abs(soundfile.read(tmp_path / "a.au")[0] - [0.5, 1, -1]).max() < 0.03


def test_one_channel_is_chosen_or_made_of_all(tmp_path):
    stereo = np.hstack([TONE, -0.5 * TONE]).astype(np.float32)
    recording = audio.read_wav(write(tmp_path / "a.wav", stereo))
    for which, wanted in (("left", stereo[:, :1]), ("right", stereo[:, 1:]), ("mix", 0.25 * stereo[:, :1])):
        one = recording.channel(which)
        assert one.channels == 1 and np.allclose(np.concatenate(list(one.blocks(400))), wanted, atol=1e-7)
    mono = audio.read_wav(write(tmp_path / "b.wav", TONE))
    assert mono.channel("right") is mono
    three = audio.read_wav(write(tmp_path / "c.wav", np.hstack([TONE] * 3)))
    assert three.channel("mix").channels == 1
    with pytest.raises(ValueError, match=r"c\.wav: left and right are two channels; there are 3"):
        three.channel("left")
    with pytest.raises(ValueError, match="which must be one of left, right, mix; got 'middle'"):
        three.channel("middle")


@pytest.mark.parametrize("kind", ["AIFF", "AU", "W64", "FLAC", "CAF", "OGG"])
def test_a_truncated_file_of_another_format_is_named(kind, tmp_path):
    path = tmp_path / f"a.{kind.lower()}"
    soundfile.write(path, TONE, 8000, format=kind)
    path.write_bytes(path.read_bytes()[: -(path.stat().st_size // 3)])
    with pytest.raises(
        ValueError, match=rf"a\.{kind.lower()}: (the header promises|no recording that|damaged after frame)"
    ):
        list(audio.read_recording(path).blocks())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.flac", b"", "the file is empty"),
        ("a.flac", b"hello, this is text" * 9, "no recording that libsndfile reads"),
        ("a.wav", b"fLaC", "not a wav file"),
        (
            "a.wav",
            wav_bytes(rate=10**9),
            r"the sampling rate must be above 0 and at most 100,000,000 Hz; got 1000000000 Hz",
        ),
    ],
)
def test_files_that_are_no_recordings_are_named(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        audio.read_recording(tmp_path / name)
