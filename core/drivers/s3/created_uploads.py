"""What this process knows of the uploads that it has begun itself."""

from collections import OrderedDict

__all__ = ["CreatedUploads"]

_MAX_UPLOADS = 4096


class CreatedUploads:
    """The multipart uploads that this process has created at paths that were new, the last ones.

    As long as the store still has such an upload, it is all that there is at its path: an object
    comes to be there only by its completion, and another upload only behind such an object. So it
    need not be asked whether there is one, nor which uploads there are. Whether the store still has
    it is asked each time, as any node may have ended it.
    """

    def __init__(self) -> None:
        self._ids: OrderedDict[str, str] = OrderedDict()

    def remember(self, path: str, upload_id: str) -> None:
        """Take note of an upload that was just created at a path where nothing was."""
        self._ids[path] = upload_id
        if len(self._ids) > _MAX_UPLOADS:
            self._ids.popitem(last=False)

    def find(self, path: str) -> str | None:
        """Return the id of the upload that was created at a path, if that is still known."""
        return self._ids.get(path)

    def forget(self, path: str) -> None:
        """Drop what has ended, or was found to be gone."""
        self._ids.pop(path, None)
