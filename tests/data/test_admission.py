"""A person overrules the checks that judge labels by what is usual, and no others."""

from datetime import UTC, datetime

from fakenews_assets.data.admission.admission import Admission
from fakenews_assets.data.batch_checks import CheckOutcome


def test_an_admission_overrules_the_checks_that_it_names() -> None:
    admission = Admission(
        because="one fact-checker",
        by="Ada",
        at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        checks=("label_balance", "duplicates"),
    )
    names = ("label_balance", "label_semantics", "duplicates", "schema")
    refused = [CheckOutcome(name=name, passed=name == "schema", description="Odd.") for name in names]
    outcomes = admission.overrule(refused)
    assert [one.passed for one in outcomes] == [True, False, False, True]
    assert [one.warns for one in outcomes] == [True, False, False, False]
    assert outcomes[0].description == "Odd. Admitted on 2026-01-02 03:04 UTC by Ada: one fact-checker."
