"""A ballastd over capture files for black-box tests: no rights, no huge pages, no NIC."""
import atexit
import ctypes
import http.client
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

PATIENCE_S = 60  # for states that must come; no test measures time
NOBODY = 65534


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def syn(client, sport, vip="192.0.2.10", dport=80):
    """An Ethernet frame with a TCP SYN."""
    src, dst = socket.inet_aton(client), socket.inet_aton(vip)
    tcp = struct.pack("!HHIIBBHHH", sport, dport, 1, 0, 5 << 4, 2, 65535, 0, 0)
    pseudo = src + dst + struct.pack("!BBH", 0, 6, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 7, 0x4000, 64, 6, 0) + src + dst
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return bytes.fromhex("027063617000" "020000000064") + b"\x08\x00" + ip + tcp


def write_capture(path, frames):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i, frame in enumerate(frames):
            f.write(struct.pack("<IIII", i, 0, len(frame), len(frame)) + frame)


def read_capture(path):
    with open(path, "rb") as f:
        data = f.read()
    at, frames = 24, []
    while at < len(data):
        n = struct.unpack_from("<I", data, at + 8)[0]
        frames.append(data[at + 16 : at + 16 + n])
        at += 16 + n
    return frames


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(self.path)


def become_nobody(*programs):
    """What a user without any rights gets: drops root, returns where nobody can run the programs
    (the build may be in a folder that only root enters)."""
    programs = [os.path.abspath(program) for program in programs]
    if os.geteuid() != 0:
        return programs
    folder = tempfile.mkdtemp(prefix="ballast-programs-")
    copies = [shutil.copy(program, folder) for program in programs]
    os.chown(folder, NOBODY, NOBODY)
    atexit.register(shutil.rmtree, folder, True)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    return copies


def run_tests(tests):
    """Runs the functions, prints TAP; the exit status."""
    print(f"1..{len(tests)}")
    failed = 0
    for number, test in enumerate(tests, 1):
        try:
            test()
            print(f"ok {number} {test.__name__}", flush=True)
        except (AssertionError, SystemExit, OSError, ValueError, KeyError, IndexError) as error:
            failed += 1
            print(f"not ok {number} {test.__name__}", flush=True)
            print("# " + repr(error)[:4000].replace("\n", "\n# "), flush=True)
        finally:
            Ballastd.kill_all()
    return 1 if failed else 0


def die_with_parent():
    """A test that is killed leaves no daemon behind (PR_SET_PDEATHSIG is 1)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Ballastd:
    started = []

    def __init__(self, program, folder, config=None, args=()):
        self.folder = folder
        self.socket = os.path.join(folder, "api.sock")
        self.log = open(os.path.join(folder, "log"), "a+")
        command = [program, "--socket", self.socket]
        if config:
            command += ["--config", config]
        command += list(args)
        command += ["--", "--no-huge", "--no-pci", "--no-telemetry", "-m", "128"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, cwd=folder, text=True,
            preexec_fn=die_with_parent
        )
        Ballastd.started.append(self.process)

    def ask(self, method, path, body=None, headers=None):
        """(status, headers, parsed body or text)"""
        conn = UnixConnection(self.socket)
        given = dict(headers or {})
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        if body is not None:
            given.setdefault("Content-Type", "application/json")
        conn.request(method, path, body, given)
        response = conn.getresponse()
        text = response.read().decode()
        kind = response.getheader("Content-Type", "")
        conn.close()
        return response.status, response.headers, json.loads(text) if "json" in kind else text

    def get(self, path):
        status, _, body = self.ask("GET", path)
        assert status == 200, (path, status, body)
        return body

    def wait(self, what, condition):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                if condition():
                    return
            except (ConnectionError, FileNotFoundError, http.client.HTTPException):
                pass
            time.sleep(0.01)  # between two looks, never instead of one
        self.log.seek(0)
        sys.exit("waited in vain for %s, %s\n%s" % (what, self.process.poll(), self.log.read()))

    def wait_ready(self):
        self.wait("readyz", lambda: self.ask("GET", "/readyz")[0] == 200)

    def end(self):
        """SIGTERM; the counters that it printed."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, (self.process.returncode, self.text_of_log())
        return json.loads(out)

    def kill(self):
        self.process.kill()
        self.process.communicate()

    @classmethod
    def kill_all(cls):
        """What a failed test left running."""
        for process in cls.started:
            if process.poll() is None:
                process.kill()
                process.communicate()
        cls.started.clear()

    def text_of_log(self):
        self.log.seek(0)
        return self.log.read()


def configuration(folder):
    device = "vdev:net_pcap0,rx_pcap=%s/in.pcap,tx_pcap=%s/out.pcap" % (folder, folder)
    return {
        "version": 1,
        "node": {
            "interfaces": [{"name": "lan", "device": device, "addresses": ["192.0.2.2/24"]}],
            "neighbors": [
                {"address": "192.0.2.11", "mac": "02:00:00:00:00:11", "interface": "lan"},
                {"address": "192.0.2.12", "mac": "02:00:00:00:00:12", "interface": "lan"},
            ],
            "limits": {"connections": 1000, "persistence_records": 1000},
        },
        "server_pools": [
            {
                "name": "web",
                "real_servers": [
                    {"name": "web1", "address": "192.0.2.11"},
                    {"name": "web2", "address": "192.0.2.12"},
                ],
            }
        ],
        "virtual_services": [
            {
                "name": "www",
                "address": "192.0.2.10",
                "protocol": "tcp",
                "ports": [80],
                "forwarding": "fullnat",
                "server_pool": "web",
            }
        ],
    }


def folder():
    """A folder that the unprivileged may use too."""
    made = tempfile.TemporaryDirectory(prefix="ballastd-")
    os.chmod(made.name, 0o755)
    return made
