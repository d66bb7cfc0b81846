"""An RTSP server with a camera for each file, run by Debian's Python: python3 rtsp_cameras.py PORT '{"/gate": {}}'.

A camera is {"file": PATH, "codec": "h264" | "h265" | "jpeg"}, with "user" and "password" if it asks for them, and
"udp_only" if it knows no TCP. Prints the port when it listens. A camera begins anew when its first client comes, and
is the same for all that come then; with "shared": false each client has a camera of its own.
"""

import json
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

DEMUX = {".mkv": "matroskademux", ".ts": "tsdemux"}
PAY = {
    "h264": "h264parse ! rtph264pay config-interval=-1",
    "h265": "h265parse ! rtph265pay config-interval=-1",
    "jpeg": "jpegparse ! rtpjpegpay",
}


def launch_line(camera: dict) -> str:
    file = camera["file"]
    demux = DEMUX[file[file.rindex(".") :]]
    return f"( filesrc location={file} ! {demux} ! {PAY[camera['codec']]} name=pay0 pt=96 )"


def main() -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[1])
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    guarded = False
    for path, camera in json.loads(sys.argv[2]).items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(launch_line(camera))
        factory.set_shared(camera.get("shared", True))
        if camera.get("udp_only"):
            factory.set_protocols(GstRtsp.RTSPLowerTrans.UDP)
        if "user" in camera:
            guarded = True
            token = GstRtspServer.RTSPToken()
            token.set_string("media.factory.role", "user")
            auth.add_digest(camera["user"], camera["password"], token)
            permissions = GstRtspServer.RTSPPermissions()
            permissions.add_permission_for_role("user", "media.factory.access", True)
            permissions.add_permission_for_role("user", "media.factory.construct", True)
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory(path, factory)
    if guarded:
        server.set_auth(auth)
    if server.attach(None) == 0:
        raise SystemExit("cannot listen")
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


main()
