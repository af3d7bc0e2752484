"""Reads a published repository with python-tuf (PyPI `tuf`, `securesystemslib[crypto]`), an independent reader of our signing.

    python read_repository.py FOLDER            # compares with FOLDER/expected.json
    python read_repository.py FOLDER PATH ...   # prints what python-tuf says of these target paths

FOLDER/tuf holds the metadata as it is served. Exit code 0 if all agrees, 1 if not.
"""

import json
import pathlib
import sys
import tempfile

from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import Metadata
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface


class Folder(FetcherInterface):
    """Serves a folder as a web server would."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder

    def _fetch(self, url: str):
        path = self.folder / url.removeprefix("folder:///")
        if not path.is_file():
            raise DownloadHTTPError(f"{path} is missing", 404)
        yield path.read_bytes()


def read(folder: pathlib.Path, paths: list[str]) -> dict:
    """What python-tuf finds, starting at 1.root.json with an empty cache."""
    served = folder / "tuf"
    with tempfile.TemporaryDirectory() as cache:
        updater = Updater(
            metadata_dir=cache,
            metadata_base_url="folder:///",
            fetcher=Folder(served),
            bootstrap=(served / "1.root.json").read_bytes(),
        )
        updater.config.max_root_rotations = 1024
        updater.refresh()
        releases = {}
        for path in paths:
            info = updater.get_targetinfo(path)
            releases[path] = info and {
                "sha256": info.hashes["sha256"],
                "length": info.length,
                "custom": info.custom,
            }
        versions = {}
        for file in pathlib.Path(cache).glob("*.json"):
            versions[file.stem] = Metadata.from_file(str(file)).signed.version
        targets = Metadata.from_file(str(pathlib.Path(cache) / "targets.json")).signed
        director = targets.delegations.roles["director"]
        return {
            "versions": versions,
            "releases": releases,
            "director": {"keys": sorted(director.keyids), "threshold": director.threshold},
        }


def main() -> int:
    folder = pathlib.Path(sys.argv[1])
    if len(sys.argv) > 2:
        print(json.dumps(read(folder, sys.argv[2:]), indent=2, sort_keys=True))
        return 0
    expected = json.loads((folder / "expected.json").read_text())
    found = read(folder, sorted(expected["releases"]))
    if found == expected:
        roles, releases = len(found["versions"]), len(found["releases"])
        print(f"python-tuf agrees: {roles} roles, {releases} releases")
        return 0
    for part in expected:
        if found[part] != expected[part]:
            print(f"{part}: expected {expected[part]}, python-tuf found {found[part]}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
