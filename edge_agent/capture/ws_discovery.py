"""Asking the network which ONVIF cameras there are (WS-Discovery 1.1, as ONVIF Core chapter 7 uses it)."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Callable
from xml.etree import ElementTree

MULTICAST = ("239.255.255.250", 3702)
_MOST_BYTES = 65536
_HOPS = 1
"""Cameras of this network segment: the question is not passed on."""
_PROBE = """<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:n="http://www.onvif.org/ver10/network/wsdl">
<s:Header><a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>
<a:MessageID>urn:uuid:{message}</a:MessageID><a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header>
<s:Body><d:Probe><d:Types>n:NetworkVideoTransmitter</d:Types></d:Probe></s:Body></s:Envelope>"""


def discover(
    wait_s: float, target: tuple[str, int] = MULTICAST, clock: Callable[[], float] = time.monotonic
) -> tuple[str, ...]:
    """The addresses of the device services that answer within ``wait_s``, sorted. Raises ``OSError``."""
    found: set[str] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _HOPS)
        message = str(uuid.uuid4())
        asking.sendto(_PROBE.format(message=message).encode(), target)
        give_up = clock() + wait_s
        while (left_s := give_up - clock()) > 0:
            asking.settimeout(left_s)
            try:
                answer, _ = asking.recvfrom(_MOST_BYTES)
            except TimeoutError:
                break
            found.update(services_in(answer, message))
    return tuple(sorted(found))


def services_in(answer: bytes, message: str) -> tuple[str, ...]:
    """The first address of each match in an answer to our question; none if it is no such answer."""
    root = parsed(answer)
    if root is None or message not in (text_of(root, "RelatesTo") or ""):
        return ()
    found = []
    for element in root.iter():
        if local(element) == "ProbeMatch":
            addresses = [each for each in (text_of(element, "XAddrs") or "").split() if each.startswith("http")]
            found += addresses[:1]
    return tuple(found)


def parsed(data: bytes) -> ElementTree.Element | None:
    """XML from a stranger; None if it is none, or defines entities of its own."""
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        return None
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError:
        return None


def local(element: ElementTree.Element) -> str:
    """An element's name without its name space, of which cameras know several."""
    return element.tag.rpartition("}")[2]


def text_of(root: ElementTree.Element, *path: str) -> str | None:
    """The text of the first element with this name, or of that path of names, below ``root``."""
    for element in root.iter():
        if local(element) == path[0]:
            return (element.text or "").strip() if len(path) == 1 else text_of(element, *path[1:])
    return None
