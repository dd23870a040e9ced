"""Why a row is set aside."""

from enum import StrEnum


class Reason(StrEnum):
    """The `reason` of a quarantined row; what exactly was wrong stands in its `detail`."""

    EMPTY_TITLE = "empty title"
    UNREADABLE_ROW = "unreadable row"
    LABEL_OUT_OF_RANGE = "label out of range"
    FIELD_TOO_LONG = "over-long field"
    WRONG_ENCODING = "wrong encoding"
    ERASED = "erased"
