"""`fakenews seal` and `sign`: records and log lines sealed, the heads of their chains published, and bundles signed."""

from pathlib import Path

from rich.console import Console

from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.steps import shown_step
from fakenews_assets.monitoring.log.sealing import seal_and_publish
from fakenews_assets.registry.bundle import BundleMissing
from fakenews_assets.registry.bundles import find_bundle
from fakenews_assets.registry.signing import UnusableKey, sign_bundle, signature_file, signing_key
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


def sign(bundle: str, key: Path | None) -> None:
    """Sign a bundle.

    Raises:
        CommandFailed: there is no such bundle, or no usable key.
    """
    bundles = storage_from_environment().store.bundles
    if (key := key or signing_key()) is None:
        raise CommandFailed("Give a private key with --key, or name one in FAKENEWS_SIGNING_KEY.")
    try:
        sha = find_bundle(bundles, bundle)
        sign_bundle(bundles, sha, key)
    except (BundleMissing, UnusableKey) as error:
        raise CommandFailed(str(error)) from error
    Console().print(
        f"Signed in {bundles.address}/{signature_file(sha)}. `fakenews seal` seals the signature.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
