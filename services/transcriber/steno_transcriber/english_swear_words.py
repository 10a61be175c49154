"""Tells English swear words and slurs. The list, its source and its licence are in `data/english_swear_words.txt`. Pure."""

from importlib.resources import files

_STEM = "fuck"
"""Of a great many words, and of no other."""

_LIST = (files(__package__) / "data" / "english_swear_words.txt").read_text("utf-8")
_WORDS = frozenset(line for line in _LIST.splitlines() if not line.startswith("#"))


def is_swear_word(word: str) -> bool:
    """Whether a word is one, in whatever case, as a plural or a genitive too."""
    plain = word.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").removesuffix("'s").rstrip("'")
    return _STEM in plain or plain in _WORDS or plain.removesuffix("s") in _WORDS
