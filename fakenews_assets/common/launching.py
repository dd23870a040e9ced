"""Who launched a run, as far as its tags tell."""

import getpass
import os
from collections.abc import Mapping
from typing import Final

USER_TAG: Final = "user"
"""Dagster's UI shows its value as a person. The commands set it."""

_FROM_UI: Final = "dagster/from_ui"


def current_user() -> str:
    """Name of the user of this process; in a container it may have a number alone."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def launcher_of(tags: Mapping[str, str]) -> str:
    """Who or what launched a run with these tags. Dagster's open-source UI knows no names of people."""
    if user := tags.get(USER_TAG):
        return user
    for kind in ("sensor", "schedule"):
        if name := tags.get(f"dagster/{kind}_name"):
            return f"the {kind} {name}"
    return "somebody in Dagster's UI" if _FROM_UI in tags else "an unknown caller"
