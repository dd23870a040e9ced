"""The tokenizer of an encoder, from a folder. Apart from the encoders: who only serves a model needs no torch."""

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerFast


class EncoderUnavailable(RuntimeError):
    """The weights of an encoder cannot be had here; the message says what to change."""


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Load the tokenizer of a local folder.

    Raises:
        EncoderUnavailable: the folder has no tokenizer in the fast (Rust) form.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise EncoderUnavailable(
            f"{folder} has no tokenizer.json, so only a slow tokenizer. Convert it once with"
            " AutoTokenizer.from_pretrained(...).save_pretrained(...) where sentencepiece is installed."
        )
    return tokenizer
