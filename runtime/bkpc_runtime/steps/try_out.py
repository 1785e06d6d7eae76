"""The deep part of `verify`: physical images prepared as a restore does it, and a server started on them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bkpc_runtime.commands.outcome import say
from bkpc_runtime.errors import RuntimeFailure
from bkpc_runtime.recovery.into_data_folder import try_out
from bkpc_runtime.repository import catalogue
from bkpc_runtime.repository.catalogue import Image
from bkpc_runtime.secret import Secret
from bkpc_runtime.steps.verify import Verified
from bkpc_runtime.stores.store import Store
from bkpc_runtime.temporary_folder import temporary_folder


def tried(
    found: Verified,
    image: Image,
    images: Sequence[Image],
    store: Store,
    identities: Sequence[Secret],
    work: Path | None,
) -> Verified:
    """`found`, with what came of restoring the image for a trial: physical ones that no other continues."""
    if not image.manifest.physical or any(one.manifest.parent == image.manifest.id for one in images):
        return found
    folder = Path(tempfile.mkdtemp(prefix="bkpc-verify-", dir=work or temporary_folder()))
    try:
        try_out(catalogue.chain(image, images), store, folder, identities, say)
    except RuntimeFailure as problem:
        return Verified(found.image, found.parts, found.bytes_read, found.window_end, (f"not restorable: {problem}",))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found
