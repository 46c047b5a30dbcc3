"""The documents of the protocol: XML that the store answers with, or is sent."""

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as ET

from core.drivers.s3.part_body import PartBody

__all__ = ["completion", "deletion", "error_code", "parse", "text_of"]

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def parse(body: bytes) -> ET.Element:
    """Return the root of a document, with all names freed of their namespaces.

    Raises:
        ParseError: it is none.
    """
    # Of an answer that takes long, blanks come first, to keep the connection open.
    root = ET.fromstring(body.strip())  # noqa: S314 - it comes from the store, as all content
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def text_of(element: ET.Element, name: str) -> str:
    """Return the text of a child, or an empty one."""
    return element.findtext(name) or ""


def error_code(body: bytes) -> str:
    """Return the code that an answer tells, or an empty text if it is no error document."""
    try:
        root = parse(body)
    except ET.ParseError:
        return ""
    return text_of(root, "Code") if root.tag == "Error" else ""


def completion(parts: Iterable[tuple[int, str]]) -> PartBody:
    """Return the document that names the parts of an object by their numbers and ETags."""
    root = ET.Element("CompleteMultipartUpload", xmlns=_NAMESPACE)
    for number, etag in parts:
        part = ET.SubElement(root, "Part")
        ET.SubElement(part, "PartNumber").text = str(number)
        ET.SubElement(part, "ETag").text = etag
    return PartBody(ET.tostring(root))


def deletion(keys: Sequence[str]) -> PartBody:
    """Return the document that names objects to be deleted, of which only errors are answered."""
    root = ET.Element("Delete", xmlns=_NAMESPACE)
    for key in keys:
        ET.SubElement(ET.SubElement(root, "Object"), "Key").text = key
    ET.SubElement(root, "Quiet").text = "true"
    return PartBody(ET.tostring(root))
