"""Who vouches for a lock: keys, signatures and what is wrong with them."""

import pytest

from fakes.when_used import import_when_used, require_installed
from posezoo.core.errors import LockError
from posezoo.core.lockfile.lock_signature import require_signature, sign, signature_path

require_installed("model_signing")
ec = import_when_used("cryptography.hazmat.primitives.asymmetric.ec")
rsa = import_when_used("cryptography.hazmat.primitives.asymmetric.rsa")
keys_as_bytes = import_when_used("cryptography.hazmat.primitives.serialization")


def write_key(folder, name, key, encryption=None):
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    private.write_bytes(
        key.private_bytes(
            keys_as_bytes.Encoding.PEM,
            keys_as_bytes.PrivateFormat.PKCS8,
            encryption or keys_as_bytes.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            keys_as_bytes.Encoding.PEM, keys_as_bytes.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public


@pytest.fixture
def keys(tmp_path):
    return write_key(tmp_path, "team", ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "posezoo.lock"
    path.write_text("what was agreed to\n")
    return path


def test_what_was_signed_is_known_by_the_public_key(lock, keys):
    private, public = keys
    assert sign(lock, private) == signature_path(lock)
    require_signature(lock, public)


def test_a_changed_lock_is_not_the_signed_one(lock, keys):
    sign(lock, keys[0])
    lock.write_text("what was agreed to, and more\n")
    with pytest.raises(LockError, match=r"posezoo.lock: was changed since it was signed"):
        require_signature(lock, keys[1])


def test_anothers_signature_is_named_as_such(lock, keys, tmp_path):
    private, _ = write_key(tmp_path, "stranger", ec.generate_private_key(ec.SECP256R1()))
    sign(lock, private)
    with pytest.raises(LockError, match=r"is signed with another key than .*team.pub"):
        require_signature(lock, keys[1])


@pytest.mark.parametrize("content", [b"", b"{}", b"junk", b"\xff\xfe", b"[" * 5000])
def test_a_signature_that_is_none_is_named(lock, keys, content):
    signature_path(lock).write_bytes(content)
    with pytest.raises(LockError, match=r"posezoo.lock.sig is not a signature of it"):
        require_signature(lock, keys[1])


def test_a_signature_whose_bytes_were_changed_is_refused(lock, keys):
    path = sign(lock, keys[0])
    text = path.read_text()
    at = text.rindex('"sig"') + 12
    path.write_text(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :])
    with pytest.raises(LockError, match="is not a signature of it"):
        require_signature(lock, keys[1])


def test_what_is_not_there_is_named_with_the_way_to_it(lock, keys, tmp_path):
    with pytest.raises(LockError, match="there is no signature") as caught:
        require_signature(lock, keys[1])
    assert caught.value.hint == "posezoo lock --sign KEY makes one"
    sign(lock, keys[0])
    for lock_path, key in ((tmp_path / "none.lock", keys[0]), (lock, tmp_path / "none.key")):
        with pytest.raises(LockError, match="there is no"):
            sign(lock_path, key)


def test_an_unusable_key_is_named_and_the_earlier_signature_stays(lock, keys, tmp_path):
    before = sign(lock, keys[0]).read_bytes()
    rsa_key, _ = write_key(tmp_path, "rsa", rsa.generate_private_key(65537, 2048))
    locked, _ = write_key(
        tmp_path,
        "locked",
        ec.generate_private_key(ec.SECP256R1()),
        keys_as_bytes.BestAvailableEncryption(b"x"),
    )
    for key in (keys[1], rsa_key, locked, lock):
        with pytest.raises(LockError, match="is not a usable private key"):
            sign(lock, key)
    with pytest.raises(LockError, match="is not a usable public key"):
        require_signature(lock, keys[0])
    assert signature_path(lock).read_bytes() == before
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
