"""Ed25519: signs texts and checks signatures; the one home of the library cryptography."""

from __future__ import annotations

from hashlib import sha256

from storage.errors import InvalidInput

KEY_ID_LENGTH = 16  # hex characters


class Signer:
    """A private key. Its repr shows the public one alone."""

    def __init__(self, private: bytes) -> None:
        """`private`: its 32 bytes. Raises InvalidInput for another count."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        try:
            self._key = Ed25519PrivateKey.from_private_bytes(private)
        except ValueError as exc:
            raise InvalidInput(f"A private key of {len(private)} bytes is none of Ed25519; it has 32.") from exc
        self.public_key = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
        self.key_id = key_id_of(self.public_key)

    def __repr__(self) -> str:
        return f"Signer(public_key={self.public_key!r})"

    def private_hex(self) -> str:
        """For the one file that keeps it."""
        return self._key.private_bytes_raw().hex()

    def sign(self, text: str) -> str:
        """The signature, in hex, over the text's UTF-8."""
        return self._key.sign(text.encode()).hex()


def key_id_of(public_key: str) -> str:
    """The short name of a public key in hex. Raises InvalidInput for what is none."""
    return sha256(_bytes_of(public_key)).hexdigest()[:KEY_ID_LENGTH]


def is_signed(text: str, *, signature: str, public_key: str) -> bool:
    """Whether the holder of the key (hex) signed the text; what is no signature or no key is False."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(_bytes_of(public_key))
        key.verify(bytes.fromhex(signature), text.encode("utf-8", "surrogatepass"))
    except (InvalidSignature, InvalidInput, ValueError):
        return False
    return True


def _bytes_of(public_key: str) -> bytes:
    try:
        found = bytes.fromhex(public_key)
    except ValueError as exc:
        raise InvalidInput(f"{public_key!r} is no public key in hex.", field="public_key") from exc
    if len(found) != 32:
        raise InvalidInput(f"A public key of {len(found)} bytes is none of Ed25519; it has 32.", field="public_key")
    return found
