"""Signatures of bundles: made here and verified by OpenSSF's own command, and the other way round."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from fakenews_assets.registry.signing import UnusableKey, sign_bundle, signature_fault
from tests.support.sealed import Sealed, make_keys

needs_model_signing = pytest.mark.skipif(
    find_spec("model_signing") is None, reason="model-signing is not installed"
)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    return Sealed(tmp_path_factory.mktemp("signed") / "store")


def model_signing(*arguments: str | Path) -> None:
    run = "import sys; from model_signing._cli import main; sys.exit(main())"
    subprocess.run([sys.executable, "-c", run, *arguments], check=True, timeout=120)


@needs_model_signing
def test_the_command_of_model_signing_verifies_a_signature(sealed: Sealed) -> None:
    bundle = sealed.store.bundle(sealed.bundles[0])
    signature = bundle.with_name(f"{bundle.name}.sig")
    model_signing("verify", "key", bundle, "--signature", signature, "--public_key", sealed.public)


@needs_model_signing
def test_a_signature_of_that_command_is_verified(sealed: Sealed, tmp_path: Path) -> None:
    store = sealed.copy(tmp_path / "copy")
    bundle = store.store.bundle(store.bundles[0])
    signature = bundle.with_name(f"{bundle.name}.sig")
    signature.unlink()
    assert signature_fault(store.store.bundles, bundle.name, store.public) == "not signed"
    model_signing("sign", "key", bundle, "--signature", signature, "--private_key", store.private)
    assert signature_fault(store.store.bundles, bundle.name, store.public) == ""


def test_a_signature_is_of_one_key_and_one_bundle(sealed: Sealed, tmp_path: Path) -> None:
    one, other = sealed.bundles
    bundles = sealed.store.bundles
    assert signature_fault(bundles, one, sealed.public) == ""
    assert "not signed with this key" in signature_fault(bundles, one, make_keys(tmp_path)[1])
    copy = sealed.copy(tmp_path / "copy").store.bundles
    copy.write(f"{one}.sig", (bundles.root / f"{other}.sig").read_bytes())
    assert signature_fault(copy, one, sealed.public) == "its signature is of other files"


def test_what_is_no_key_is_refused_with_what_is_needed(sealed: Sealed, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("no key")
    with pytest.raises(UnusableKey, match="no private key as PEM"):
        sign_bundle(sealed.store.bundles, sealed.bundles[0], tmp_path / "key.pem")
    with pytest.raises(UnusableKey, match="no public key as PEM"):
        signature_fault(sealed.store.bundles, sealed.bundles[0], tmp_path / "key.pem")
