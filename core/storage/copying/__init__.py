"""Everything of one store into another, verified on its way."""

from core.storage.copying.copy_tally import CopyFault, CopyTally
from core.storage.copying.store_copier import StoreCopier

__all__ = ["CopyFault", "CopyTally", "StoreCopier"]
