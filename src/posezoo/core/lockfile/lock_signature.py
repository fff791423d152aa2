"""Sign a posezoo.lock with a private key, and verify the signature, with the OpenSSF's
model-signing.

The signature is a Sigstore bundle without account, transparency log and network. A lock has the
SHA-384 of every file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from posezoo.core.errors import LockError, import_optional
from posezoo.core.files.verified_files import write_atomically, writing

SUFFIX = ".sig"

_NEW_KEY_COMMAND = "openssl ecparam -name prime256v1 -genkey -noout -out KEY"


def signature_path(lock: Path) -> Path:
    """The path of a lock's signature."""
    return lock.with_name(lock.name + SUFFIX)


def sign(lock: Path, private_key: Path) -> Path:
    """Sign a lock with an elliptic-curve key (PEM, without a password), and return the signature's
    path.

    Raises:
        LockError: the lock does not exist, or the key cannot be used.
        OutputError: the signature cannot be written; an earlier one is unchanged.
        MissingPackageError: model-signing is not installed.
    """
    signing = import_optional("model_signing.signing", extra="sign")
    _require_file(lock, "there is no lock to sign", "posezoo lock --all makes one")
    _require_file(private_key, "there is no such key", _NEW_KEY_COMMAND)
    config = _configure(signing.Config().use_elliptic_key_signer, private_key=private_key)
    target = signature_path(lock)
    with writing(target), tempfile.TemporaryDirectory() as folder:
        signed = Path(folder, target.name)
        config.sign(lock, signed)
        write_atomically(target, signed.read_bytes())
    return target


def require_signature(lock: Path, public_key: Path) -> None:
    """Check that the lock was signed with the private key that belongs to a public key.

    Raises:
        LockError: the lock is not signed, was signed with another key, or was changed after that.
        MissingPackageError: model-signing is not installed.
    """
    verifying = import_optional("model_signing.verifying", extra="sign")
    signature = signature_path(lock)
    _require_file(lock, "there is no lock", "check --lock")
    _require_file(signature, "there is no signature", "posezoo lock --sign KEY makes one")
    _require_file(public_key, "there is no such key", "openssl ec -in KEY -pubout -out PUBLIC_KEY")
    config = _configure(verifying.Config().use_elliptic_key_verifier, public_key=public_key)
    try:
        config.verify(lock, signature)
    # The library raises errors of json and cryptography, and its own ValueErrors.
    except Exception as error:
        text = str(error)
        if "Key mismatch" in text:
            problem = f"is signed with another key than {public_key}"
            hint = "find out who signed it"
        elif "Signature mismatch" in text:
            problem = "was changed since it was signed"
            hint = "restore the signed one, or sign it again"
        else:
            problem = f"{signature.name} is not a signature of it ({type(error).__name__})"
            hint = "restore the right signature, or sign it again"
        raise LockError(f"{lock}: {problem}", hint=hint) from error


def _require_file(path: Path, problem: str, hint: str) -> None:
    if not path.is_file():
        raise LockError(f"{path}: {problem}", hint=hint)


def _configure(use: Callable[..., Any], **key: Path) -> Any:
    try:
        return use(**key)
    except Exception as error:  # cryptography raises many types of errors
        ((name, path),) = key.items()
        kind = name.partition("_")[0]
        reason = " ".join(str(error).split()).partition(". ")[0][:120]
        raise LockError(
            f"{path}: is not a usable {kind} key: {reason}",
            hint=f"an elliptic-curve {kind} key as PEM, without a password",
        ) from error
