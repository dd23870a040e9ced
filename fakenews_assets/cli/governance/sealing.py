"""`fakenews seal`: records and log lines sealed, and the heads of their chains published."""

from rich.console import Console

from fakenews_assets.cli.steps import shown_step
from fakenews_assets.monitoring.log.sealing import seal_and_publish
from fakenews_resources.storage.io_manager import storage_from_environment
from fakenews_resources.storage.seals import head_places


def seal() -> None:
    """Seal what is new, publish the heads, and print them.

    Raises:
        StoreError: a place cannot be written.
    """
    console, storage = Console(), storage_from_environment()
    with shown_step(console, "sealing"), storage.afresh() as store:
        heads = seal_and_publish(store.backend, storage.log_backend(store))
        places = [place.address for place in head_places(store.backend)]
    for name, head in (("records", heads.records), ("log", heads.log)):
        told = f"seal {head.sequence}, SHA-256 {head.sha256}" if head else "nothing to seal"
        console.print(f"{name}: {told}", highlight=False, soft_wrap=True)
    console.print(f"Published in {', '.join(places)}.", highlight=False, markup=False, soft_wrap=True)
