"""C2PA: sign a result with a certificate, so that anyone can see who says that a model made it."""

import json
import mimetypes
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from dtvideo import __version__
from dtvideo.errors import UsageError
from dtvideo.files import atomic_path, check_input
from poses.requirement import require

SIGNABLE = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
}
"""Media types that C2PA can be embedded in, by suffix."""
CALLED_BY_C2PA = {"image/mpo": "image/jpeg"}
"""What C2PA knows under another name: pictures of several JPEGs, as cameras write them."""
CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
"""Signing algorithms of C2PA by the elliptic curve of the key."""


@dataclass(frozen=True)
class Credentials:
    """Who signs: the certificate, followed by those that vouch for it, and its private key (PEM).

    The root need not be in the file. Keys with a password are not read.
    """

    certificates: Path
    key: Path

    @cached_property
    def signer(self) -> Any:
        """What the c2pa package signs with.

        Raises: MediaError V1 for a missing file; UsageError M1 when the package is missing, S1
        when certificate and key cannot be used.
        """
        for path in (self.certificates, self.key):
            check_input(path)
        c2pa = open_c2pa()
        key = self.key.read_bytes()
        try:
            info = c2pa.C2paSignerInfo(_algorithm(key), self.certificates.read_bytes(), key, None)
            return c2pa.Signer.from_info(info)
        except (c2pa.C2paError, ValueError, TypeError) as error:
            raise _refused(self.certificates, error) from error


def sign_file(
    path: Path,
    credentials: Credentials,
    *,
    title: str,
    source_type: str,
    ingredients: Iterable[Path] = (),
) -> None:
    """Sign a finished file in place: made by a model, from these ingredients.

    Ingredients of kinds that C2PA does not know, or that it cannot read, are left out; a thumbnail
    of the others is embedded.
    Raises: UsageError M1, S1 as `Credentials.signer`; S2 for a kind of file that cannot be signed.
    """
    c2pa = open_c2pa()
    kind = SIGNABLE.get(path.suffix.lower())
    if kind is None:
        raise UsageError("S2", path, "cannot be signed", f"give one of {', '.join(SIGNABLE)}")
    with atomic_path(path) as temporary, path.open("rb") as source, temporary.open("w+b") as target:
        try:
            builder = c2pa.Builder(json.dumps(_manifest(title, source_type)))
            for ingredient in ingredients:
                _add_ingredient(builder, ingredient)
            builder.sign(credentials.signer, kind, source, target)
        except c2pa.C2paError as error:
            raise _refused(credentials.certificates, error) from error


def try_signing(credentials: Credentials, *, source_type: str) -> None:
    """Sign a picture of one pixel, to know before a render that its result can be signed.

    Raises: MediaError V1, UsageError M1, S1 as `sign_file`.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trial.png"
        Image.new("RGB", (1, 1)).save(path)
        sign_file(path, credentials, title=path.name, source_type=source_type)


def open_c2pa() -> Any:
    """Return the c2pa package.

    Raises: UsageError M1 when it is not installed.
    """
    return require("c2pa", subject="--c2pa-cert", install="'dtvideo[studio]'", error=UsageError)


def _add_ingredient(builder: Any, path: Path) -> None:
    """Add a file that the result was made from, unless C2PA does not know or cannot read it."""
    media_type = _media_type(path)
    if media_type not in builder.get_supported_mime_types():
        return
    told = json.dumps({"title": path.name, "relationship": "inputTo"})
    with suppress(OSError, open_c2pa().C2paError), path.open("rb") as file:
        builder.add_ingredient(told, media_type, file)


def _media_type(path: Path) -> str | None:
    """Return the media type of a file: a picture's by its content, of others by the name."""
    by_name, _ = mimetypes.guess_type(path.name)
    try:
        with Image.open(path) as image:
            found = image.get_format_mimetype()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        found = None
    return CALLED_BY_C2PA.get(found, found) if found else by_name


def _manifest(title: str, source_type: str) -> dict[str, object]:
    made = {"action": "c2pa.created", "digitalSourceType": source_type}
    return {
        "claim_generator_info": [{"name": "dtvideo", "version": __version__}],
        "title": title,
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [made]}}],
    }


def _algorithm(key: bytes) -> str:
    """Return the algorithm that a private key signs with.

    Raises: ValueError, TypeError when it cannot be read or fits none.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    read = load_pem_private_key(key, password=None)
    if isinstance(read, ec.EllipticCurvePrivateKey) and read.curve.name in CURVES:
        return CURVES[read.curve.name]
    if isinstance(read, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(read, rsa.RSAPrivateKey):
        return "ps256"
    raise ValueError("the key is of no kind that C2PA signs with")


def _refused(path: Path, error: Exception) -> UsageError:
    problem = " ".join(str(error).split())[:200]
    remedy = "give a certificate for signing with its chain, and its private key, both PEM"
    return UsageError("S1", path, f"cannot sign: {problem}", remedy)
