"""Finding ONVIF cameras and asking them for their streams, on real sockets."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_agent.capture.credentials import Credentials, RefusedError
from edge_agent.capture.onvif import OnvifCamera
from edge_agent.capture.source import SourceError
from edge_agent.capture.ws_discovery import discover, parsed
from edge_agent.cli import cli

PASSWORD = "s3cret&<>"
SOAP = '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:t="urn:t"><s:Body>{}</s:Body></s:Envelope>'
PROFILE = (
    '<t:Profiles token="{name}"><t:Name>{name}</t:Name><t:VideoEncoderConfiguration><t:Encoding>{codec}</t:Encoding>'
    "<t:Resolution><t:Width>{width}</t:Width><t:Height>{height}</t:Height></t:Resolution><t:RateControl>"
    "<t:FrameRateLimit>25</t:FrameRateLimit></t:RateControl></t:VideoEncoderConfiguration></t:Profiles>"
)


class SoapCamera(BaseHTTPRequestHandler):
    """Answers as a camera does whose clock is an hour slow and which thinks that it is at 192.168.1.64."""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        now = datetime.now(UTC) - timedelta(hours=1)
        if "GetSystemDateAndTime" in asked:
            fields = ("Year", "Month", "Day", "Hour", "Minute", "Second")
            values = [f"<t:{name}>{getattr(now, name.lower())}</t:{name}>" for name in fields]
            date, time = f"<t:Date>{''.join(values[:3])}</t:Date>", f"<t:Time>{''.join(values[3:])}</t:Time>"
            self._say(200, f"<t:UTCDateTime>{time}{date}</t:UTCDateTime>")
        elif not self._knows(asked, now):
            self._say(400, "<s:Fault><s:Code><s:Subcode>ter:NotAuthorized</s:Subcode></s:Code></s:Fault>")
        elif "GetCapabilities" in asked:
            self._say(
                200,
                f"<t:Media><t:XAddr>http://192.168.1.64:{self.server.server_address[1]}/onvif/media</t:XAddr></t:Media>",
            )
        elif "GetProfiles" in asked:
            small = PROFILE.format(name="sub", codec="H264", width=640, height=360)
            self._say(200, small + PROFILE.format(name="main", codec="H265", width=1920, height=1080))
        else:
            name = re.search(r"<ProfileToken>(\w+)<", asked)
            assert name is not None
            self._say(200, f"<t:MediaUri><t:Uri>rtsp://root:hidden@192.168.1.64:554/{name[1]}?x=1</t:Uri></t:MediaUri>")

    def _say(self, code: int, body: str) -> None:
        data = SOAP.format(body).encode()
        self.send_response(code)
        self.end_headers()
        self.wfile.write(data)

    def _knows(self, asked: str, now: datetime) -> bool:
        nonce, created = re.search(r"<w:Nonce[^>]*>([^<]+)<", asked), re.search(r"<u:Created[^>]*>([^<]+)<", asked)
        digest = re.search(r"<w:Password[^>]*>([^<]+)<", asked)
        if nonce is None or created is None or digest is None or "<w:Username>me</w:Username>" not in asked:
            return False
        age_s = abs((datetime.fromisoformat(created[1]) - now).total_seconds())
        wanted = hashlib.sha1(base64.b64decode(nonce[1]) + created[1].encode() + PASSWORD.encode()).digest()
        return age_s < 5 and base64.b64encode(wanted).decode() == digest[1]

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def camera() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), SoapCamera)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_camera_tells_its_streams_the_largest_first_at_the_host_by_which_it_was_asked(camera: str) -> None:
    main, sub = OnvifCamera(f"http://{camera}/onvif/device_service", Credentials("me", PASSWORD)).profiles()
    assert (main.address, main.codec, main.size, main.fps) == (
        "rtsp://127.0.0.1:554/main?x=1",
        "H265",
        (1920, 1080),
        25,
    )
    assert (sub.name, sub.size) == ("sub", (640, 360))


def test_a_wrong_password_and_what_is_no_camera_are_said(camera: str, unused_tcp: int) -> None:
    with pytest.raises(RefusedError, match="refuses the user or the password"):
        OnvifCamera(f"http://{camera}/x", Credentials("me", "other")).profiles()
    with pytest.raises(SourceError, match="cannot be asked"):
        OnvifCamera(f"http://127.0.0.1:{unused_tcp}/x").profiles()


@pytest.fixture
def unused_tcp() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_command_prints_lines_for_the_configuration_and_no_password(camera: str, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    options = ["discover", "--address", camera, "--username", "me", "--password-file", str(secret)]
    result = CliRunner().invoke(cli, options)
    assert result.exit_code == 0, result.output
    assert "  source: rtsp://127.0.0.1:554/main?x=1  # main, H265, 1920x1080, 25 pictures a second" in result.output
    assert "sub_source: 'rtsp://127.0.0.1:554/sub?x=1'" in result.output
    secret.write_text("wrong")
    refused = CliRunner().invoke(cli, options)
    assert refused.exit_code == 1
    assert "refuses the user" in refused.output
    assert not any(word in result.output + refused.output for word in ("s3cret", "hidden"))
    assert CliRunner().invoke(cli, [*options[:3], "--username", "me"]).exit_code == 2


def test_cameras_that_answer_the_probe_are_found_once_and_strangers_are_not() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as network:
        network.bind(("127.0.0.1", 0))

        def answer() -> None:
            asked, whom = network.recvfrom(65536)
            message = re.search(rb"urn:uuid:([0-9a-f-]+)<", asked)
            assert message is not None
            matches = "".join(
                f"<t:ProbeMatch><t:XAddrs>http://10.0.0.{host}/onvif/device_service http://[fe80::1]/x</t:XAddrs></t:ProbeMatch>"
                for host in (9, 7)
            )
            good = SOAP.format(f"<t:RelatesTo>urn:uuid:{message[1].decode()}</t:RelatesTo>{matches}")
            for data in (b"no xml", good.encode(), good.encode(), good.replace(message[1].decode(), "other").encode()):
                network.sendto(data, whom)

        threading.Thread(target=answer, daemon=True).start()
        found = discover(1.0, network.getsockname())
    assert found == ("http://10.0.0.7/onvif/device_service", "http://10.0.0.9/onvif/device_service")


def test_entities_of_a_stranger_are_not_expanded() -> None:
    assert parsed(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>') is None
