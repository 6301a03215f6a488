"""`SampleData`: registers data sets, fetches them into a cache, checks them and loads them into the scene.

The application's own data sets are not listed here; what extensions register works as there.
"""

from __future__ import annotations

import hashlib
import logging
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer

_FIELDS = ("uris", "fileNames", "nodeNames", "checksums", "loadFiles", "loadFileTypes")


class SampleDataSource:
    """A data set of one or several files; arguments are the application's."""

    def __init__(
        self,
        sampleName: str | None = None,
        sampleDescription: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        checksums: Any = None,
        loadFiles: Any = None,
        customDownloader: Callable[[SampleDataSource], Any] | None = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: Any = None,
        loadFileProperties: dict[str, Any] | None = None,
        loadFileType: Any = None,
    ) -> None:
        if loadFileType is not None and loadFileTypes is not None:
            raise ValueError("loadFileType and loadFileTypes cannot be specified at the same time")
        self.sampleName = sampleName
        self.sampleDescription = sampleName if sampleDescription is None else sampleDescription
        self.customDownloader, self.thumbnailFileName = customDownloader, thumbnailFileName
        self.loadFileProperties = loadFileProperties or {}
        given = (uris, fileNames, nodeNames, checksums, loadFiles, loadFileTypes or loadFileType)
        count = None if isinstance(uris, str) else len(uris)
        lists = {name: _as_list(value, count) for name, value in zip(_FIELDS, given, strict=True)}
        if len({len(value) for value in lists.values()}) > 1:
            raise ValueError(f"All fields of sample data source must have the same length: {lists}")
        vars(self).update(lists)

    def __str__(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in vars(self).items())

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)

    __hash__ = None


def _as_list(value: Any, count: int | None) -> list[Any]:
    """One value for a single file; for several a list, or nothing, or the same for all."""
    if count is None:
        return [value]
    return [value] * count if value is None or isinstance(value, str) else list(value)


class SampleDataLogic:
    """What extensions register with, and load by name."""

    def __init__(self, logMessage: Callable[..., None] | None = None) -> None:
        if logMessage is not None:
            self.logMessage = logMessage

    @staticmethod
    def sampleDataSourcesByCategory(category: str | None = None) -> Any:
        known = vars(slicer.modules).setdefault("sampleDataSources", {})
        return known if category is None else known.get(category, [])

    @staticmethod
    def registerCustomSampleDataSource(category: str = "Custom", **options: Any) -> None:
        source = SampleDataSource(**options)
        if not SampleDataLogic.isSampleDataSourceRegistered(category, source):
            SampleDataLogic.sampleDataSourcesByCategory().setdefault(category, []).append(source)

    @staticmethod
    def registerCustomSampleDataCategory(category: str, title: str) -> None:
        titles = vars(slicer.modules).setdefault("sampleDataSourceCategories", {})
        titles.setdefault(category, {})["title"] = title

    @staticmethod
    def isSampleDataSourceRegistered(category: str, sampleDataSource: SampleDataSource) -> bool:
        return sampleDataSource in SampleDataLogic.sampleDataSourcesByCategory(category)

    def sourceForSampleName(self, sampleName: str) -> SampleDataSource | None:
        groups = self.sampleDataSourcesByCategory().values()
        return next((s for group in groups for s in group if s.sampleName == sampleName), None)

    def downloadSample(self, sampleName: str) -> Any:
        return self.downloadSamples(sampleName)[0]

    def downloadSamples(self, sampleName: str) -> Any:
        source = self.sourceForSampleName(sampleName)
        return self.downloadFromSource(source) if source is not None else []

    def downloadFromSource(self, source: SampleDataSource, forceDownload: bool = False) -> Any:
        """Fetch and load; returns the nodes, and the paths of files that are not to be loaded.

        As in the application a `customDownloader` is not called here: the SampleData panel calls it.
        """
        named = any(source.nodeNames)
        nodes, paths = [], []
        for index, uri in enumerate(source.uris):
            name = source.fileNames[index]
            path = self.downloadFileIntoCache(uri, name, source.checksums[index], forceDownload)
            # Files without a name for their node, beside others that have one, belong to these.
            node_name = source.nodeNames[index] or (None if named else Path(name).stem)
            if source.loadFiles[index] is False or node_name is None:
                paths.append(path)
            else:
                kind = source.loadFileTypes[index]
                nodes.append(self.loadNode(path, node_name, kind, source.loadFileProperties))
        return nodes or paths

    def downloadFileIntoCache(
        self, uri: str, name: str, checksum: str | None = None, forceDownload: bool = False
    ) -> str:
        """A file's path in the cache, fetched when it is not there or not what the checksum says.

        Raises:
            ValueError: it could not be fetched, or is not what the checksum says.
        """
        path = Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory(), name)
        if forceDownload or not path.exists() or not _fits(path, checksum):
            self.logMessage(f"Requesting download {name} from {uri}")
            try:
                urllib.request.urlretrieve(uri, path)
            except OSError as error:
                raise ValueError(f"Failed to download {uri} to {path}") from error
        if not _fits(path, checksum):
            path.unlink()
            raise ValueError(f"{name} is not what its checksum {checksum} says")
        return str(path)

    def loadNode(
        self,
        uri: str,
        name: str | None,
        fileType: str | None = None,
        fileProperties: dict[str, Any] | None = None,
    ) -> Any:
        """Load a file; the node forgets the file, which lies in the cache alone."""
        properties = {**(fileProperties or {}), **({"name": name} if name else {})}
        manager = slicer.app.coreIOManager()
        node = slicer.util.loadNodeFromFile(uri, fileType or manager.fileType(uri), properties)
        storage = node.GetStorageNode() if node.IsA("vtkMRMLStorableNode") else None
        if storage is not None:
            slicer.mrmlScene.RemoveNode(storage)
        return node

    def logMessage(self, message: str, logLevel: int = logging.DEBUG) -> None:
        logging.log(logLevel, message)


def _fits(path: Path, checksum: str | None) -> bool:
    if checksum is None:
        return True
    algorithm, _, digest = checksum.partition(":")
    return hashlib.new(algorithm.lower(), path.read_bytes()).hexdigest() == digest.lower()


def downloadSample(sampleName: str) -> Any:
    """Load a registered data set; returns its first node."""
    return SampleDataLogic().downloadSample(sampleName)


def downloadSamples(sampleName: str) -> Any:
    """Load a registered data set; returns its nodes."""
    return SampleDataLogic().downloadSamples(sampleName)
