"""Where the official package has monitors, which this one does not do: importing a name says where it is."""

import typing

from ._absent import missing

if not typing.TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise missing(__name__, name)
