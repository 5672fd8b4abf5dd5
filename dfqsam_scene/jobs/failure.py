"""What a person is told when something did not work."""

from __future__ import annotations

from dfqsam_core.errors import DFQSAMError


def sentence(error: BaseException) -> str:
    """One of our errors as it is, any other with its kind and a request to report it."""
    if isinstance(error, DFQSAMError):
        return str(error)
    # Cut and made readable as ours are: what another library says may hold all of a file.
    return str(DFQSAMError(f"This failed unexpectedly ({type(error).__name__}): {error}. Please report it."))
