"""Signatures of bundles in OpenSSF's model-signing format, with a key in a file.

    <models>/<sha>.sig    a Sigstore bundle: a DSSE envelope around an in-toto statement with the SHA-256 of each file

`model_signing verify key` verifies the same file, and a file that `model_signing sign key` wrote is verified here. Format:
https://github.com/sigstore/model-transparency.
"""

import base64
import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from fakenews_assets.registry.bundle import MANIFEST_FILE, Manifest
from fakenews_resources.project import project_path
from fakenews_resources.storage.backend import Backend

_STATEMENT: Final = "application/vnd.in-toto+json"
_IGNORED: Final = [".gitignore", ".github", ".git", ".gitattributes"]
"""What the format leaves out by default; a bundle has none of them."""
_HASHES: Final = {256: hashes.SHA256, 384: hashes.SHA384, 521: hashes.SHA512}
"""By the size of the key's curve."""


class UnusableKey(ValueError):
    """A key cannot be used; the message says what is needed."""


def signature_file(sha: str) -> str:
    """Name of a bundle's signature, beside the bundle."""
    return f"{sha}.sig"


def signing_key() -> Path | None:
    """The private key that new bundles are signed with, in FAKENEWS_SIGNING_KEY."""
    return _configured("FAKENEWS_SIGNING_KEY")


def verifying_key() -> Path | None:
    """The public key that audits verify signatures with, in FAKENEWS_VERIFYING_KEY."""
    return _configured("FAKENEWS_VERIFYING_KEY")


def sign_bundle(bundles: Backend, sha: str, key: Path) -> None:
    """Sign a bundle. A signature that is there is replaced.

    Args:
        bundles: hold it.
        sha: of the bundle.
        key: private key on a NIST curve, as PEM without a password.

    Raises:
        UnusableKey: it is none.
    """
    try:
        private = load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise UnusableKey(f"{key} is no private key as PEM without a password: {error}") from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.key_size not in _HASHES:
        raise UnusableKey(
            f"{key} is no key on a NIST curve: openssl ecparam -name prime256v1 -genkey -noout."
        )
    digests = _digests(bundles, sha)
    payload = json.dumps(_statement(sha, digests)).encode()
    signature = private.sign(_encoded(payload), ec.ECDSA(_HASHES[private.curve.key_size]()))
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    told = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": sha256(public).hexdigest()}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": _STATEMENT,
            "signatures": [{"sig": base64.b64encode(signature).decode()}],
        },
    }
    bundles.write(signature_file(sha), json.dumps(told).encode())


def signature_fault(bundles: Backend, sha: str, key: Path) -> str:
    """What is wrong with the signature of a bundle, whose manifest tells its files; empty: nothing.

    Args:
        bundles: hold its manifest and its signature. The other files may be elsewhere.
        sha: of the bundle.
        key: public key, as PEM.

    Raises:
        UnusableKey: it is none.
    """
    try:
        public = load_pem_public_key(key.read_bytes())
    except (OSError, ValueError) as error:
        raise UnusableKey(f"{key} is no public key as PEM: {error}") from error
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.key_size not in _HASHES:
        raise UnusableKey(f"{key} is no public key on a NIST curve.")
    document = bundles.read(signature_file(sha))
    if document is None:
        return "not signed"
    try:
        envelope = json.loads(document.data)["dsseEnvelope"]
        payload = base64.b64decode(envelope["payload"])
        signature = base64.b64decode(envelope["signatures"][0]["sig"])
        public.verify(signature, _encoded(payload), ec.ECDSA(_HASHES[public.curve.key_size]()))
        resources: list[dict[str, Any]] = json.loads(payload)["predicate"]["resources"]
        told = {one["name"]: one["digest"] for one in resources}
    except InvalidSignature:
        return "not signed with this key, or changed since"
    except (ValueError, LookupError, TypeError):
        return "its signature cannot be read"
    return "" if told == _digests(bundles, sha) else "its signature is of other files"


def _configured(variable: str) -> Path | None:
    named = os.environ.get(variable)
    return project_path(named) if named else None


def _digests(bundles: Backend, sha: str) -> dict[str, str]:
    """SHA-256 of each file of a bundle, by its manifest, in order of name."""
    document = bundles.read(f"{sha}/{MANIFEST_FILE}")
    data = document.data if document else b"{}"
    files = Manifest.model_validate_json(data).files
    digests = {name: entry.sha256 for name, entry in files.items()}
    return dict(sorted((digests | {MANIFEST_FILE: sha256(data).hexdigest()}).items()))


def _statement(sha: str, digests: Mapping[str, str]) -> dict[str, Any]:
    whole = sha256(b"".join(map(bytes.fromhex, digests.values()))).hexdigest()
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": sha, "digest": {"sha256": whole}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": _IGNORED,
            },
            "resources": [
                {"algorithm": "sha256", "digest": digest, "name": name} for name, digest in digests.items()
            ],
        },
    }


def _encoded(payload: bytes) -> bytes:
    """What is signed of a DSSE envelope: its pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(_STATEMENT), _STATEMENT.encode(), len(payload), payload)
