"""Errors a user can cause; each message says what happened, what was found and what to do."""

import json

_MAX_MESSAGE = 2000


def readable(text: str) -> str:
    """`text` without what steers a terminal or cannot be written: such characters appear as their escapes.

    Names and values in a message come from files. Line ends and tabs stay, and JSON stays JSON.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in "\n\t" else json.dumps(character)[1:-1]
        for character in text
    )


def short(text: str, most: int = 200) -> str:
    """A name from a file as one readable line of at most `most` characters."""
    return " ".join(readable(text[:most]).split())[:most]


class DFQSAMError(ValueError):
    """Base of every error that wrong input can cause; the command line turns it into exit code 2.

    message: one line for people; it is made readable, and cut in its middle where a file filled it.
    """

    def __init__(self, message: str) -> None:
        if len(message) > _MAX_MESSAGE:
            message = f"{message[: _MAX_MESSAGE - 500]} ... {message[-490:]}"
        super().__init__(readable(message).replace("\n", " "))


class ConfigError(DFQSAMError):
    """A setting is out of its range or contradicts another one."""


class CheckpointError(DFQSAMError):
    """A float checkpoint cannot be used: not a checkpoint, damaged, unsafe, or of another architecture."""


class UnknownConventionsError(CheckpointError):
    """Nothing in a float checkpoint tells how it was trained: somebody must say whether it is a SAM or a MedSAM."""


class ModelFileError(DFQSAMError):
    """A packed model file is damaged, of another format version, or not a model at all."""


class VolumeError(DFQSAMError):
    """A volume cannot be read, or its grid is one that cannot be segmented slice by slice."""


class PromptError(DFQSAMError):
    """A prompt is malformed, outside the volume, or contradicts another one."""


class OutputError(DFQSAMError):
    """A result cannot be written: the file exists, the folder is read-only, or the disk is full."""


class CheckFailed(Exception):
    """A measurement ran and its result is outside the allowed limit; the command line exits with 3."""
