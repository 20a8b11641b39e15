#!/usr/bin/env python3
"""ballastctl at a daemon: exact tables once a capture has been processed, and the accounting law
while packets come as fast as a worker takes them.

Usage: test_ballastctl.py BALLASTD BALLASTCTL"""
import json
import os
import re
import subprocess
import sys

from ballastd import (
    Ballastd, become_nobody, configuration, folder, run_tests, syn, write_capture,
)

BALLASTD, BALLASTCTL = become_nobody(*sys.argv[1:3])
CLIENTS = 40

SERVICES = """\
SERVICE  STATUS  ADDRESS     PORTS  PROTOCOL  FORWARDING  SCHEDULER    SERVERS UP  LIVE CONNS  ALL CONNS  PACKETS IN  PACKETS OUT  BYTES IN  BYTES OUT
www      up      192.0.2.10  80     tcp       fullnat     round_robin         2/2          40         40          40            0   2.16 kB        0 B
"""
STATS = """\
SERVICE  LIVE CONNS  ALL CONNS  PACKETS IN  PACKETS OUT  BYTES IN  BYTES OUT
www              40         40          40            0     2,160          0

SERVER  PORT      LIVE CONNS  ALL CONNS  PACKETS IN  PACKETS OUT  BYTES IN  BYTES OUT
web1    client's          20         20          20            0     1,080          0
web2    client's          20         20          20            0     1,080          0

persistence records: 0
"""
PROMISES = """\
SERVICE  LIVE CONNS  SERVER CHANGED  SPREAD  OF SERVICES  EVICTED CLOSED  EVICTED UNFINISHED  EVICTED IDLE
www              40               0   0.0 %            1               0                   0             0
"""
COUNTERS = """\
COUNTER       SIDE   COUNT  MEANING
rx            in        40  packets received from a port
tx            out       40  packets transmitted
conn_created  event     40  connections entered into the table

every packet is accounted for: 40 in = 40 out + 0 held + 0 dropped
"""
# Blanks and times made one.
SERVERS = """\
SERVER  ADDRESS  PORT  POOL  WEIGHT  ADMIN  STATUS  FOR  LIVE CONNS  ALL CONNS  PACKETS IN  PACKETS OUT  BYTES IN  BYTES OUT  REASON
web1  192.0.2.11  client's  web  1  enabled  up  A  20  20  20  0  1.08 kB  0 B
web2  192.0.2.12  client's  web  1  disabled  up  A  20  20  20  0  1.08 kB  0 B
"""


class Ctl:
    def __init__(self, daemon):
        self.daemon = daemon

    def __call__(self, *args, wanted=0, stdin=None):
        done = subprocess.run([BALLASTCTL, "--socket", self.daemon.socket, *args], check=False,
                              input=stdin, capture_output=True, text=True)
        assert done.returncode == wanted, (args, done)
        return done.stdout + done.stderr


def start(where, config):
    path = os.path.join(where, "config.json")
    with open(path, "w") as f:
        json.dump(config, f)
    daemon = Ballastd(BALLASTD, where, path)
    daemon.wait_ready()
    return daemon


def same(got, wanted):
    assert got == wanted, f"wanted\n{wanted}got\n{got}"


def tables_say_what_a_capture_did():
    with folder() as where:
        write_capture(os.path.join(where, "in.pcap"),
                      [syn(f"192.0.2.{100 + i}", 1000 + i) for i in range(CLIENTS)])
        daemon = start(where, configuration(where))
        daemon.wait("rx", lambda: daemon.get("/api/v1/stats")["totals"]["rx"] == CLIENTS)
        ctl = Ctl(daemon)
        same(ctl("show", "services"), SERVICES)
        same(ctl("show", "stats"), STATS)
        same(ctl("show", "counters"), COUNTERS)
        promises, tables = ctl("show", "promises").split("\n\n")
        same(promises + "\n", PROMISES)
        assert re.search(r"\nconnection entries +all +80 +[0-9,]+ +[0-9.]+ %\n", tables), tables
        ctl("disable", "web2")
        servers = re.sub(r"  +", "  ", ctl("show", "servers"))
        same(re.sub(r"  up  (\d+s|\d+m \d+s)  ", "  up  A  ", servers), SERVERS)
        daemon.end()


def a_document_is_shown_before_it_is_in_force():
    with folder() as where:
        write_capture(os.path.join(where, "in.pcap"), [])
        config = configuration(where)
        daemon = start(where, config)
        ctl = Ctl(daemon)
        config["virtual_services"][0]["ports"] = [80, 443]
        config["virtual_services"].append(dict(config["virtual_services"][0], name="alt",
                                               ports=[8080]))
        del config["server_pools"][0]["real_servers"][1]
        lines = ctl("apply", "--dry-run", "-", stdin=json.dumps(config)).splitlines()
        shown = {"~ /virtual_services/www/ports: [80] -> [80,443]",
                 "- /server_pools/web/real_servers/web2", "virtual service is added: alt",
                 "virtual service changes: www",
                 "real server is removed: 192.0.2.12, live connections that end: 0",
                 "dry run: nothing was changed"}
        assert shown <= set(lines), lines
        assert len(daemon.get("/api/v1/virtual-services")) == 1
        said = ctl("apply", "-", stdin=json.dumps(config))
        etag = daemon.ask("GET", "/api/v1/config")[1]["ETag"]
        assert said.splitlines()[-1] == f"applied, the configuration is {etag}", said
        assert "no key has another value" in ctl("apply", "-", stdin=json.dumps(config))
        config["node"]["limits"]["connections"] = 2000
        said = ctl("apply", "-", stdin=json.dumps(config), wanted=1)
        assert "\n/node/limits/connections: " in said, said
        said = ctl("apply", "-", "--pending-restart", stdin=json.dumps(config))
        assert "takes effect at the next start: /node/limits/connections" in said, said
        assert "takes effect at the next start: /node/limits/connections" in ctl("show", "status")
        said = ctl("apply", "-", stdin='{"version": 1, "virtual_services": [{"ports": [0]}]}',
                   wanted=1)
        assert "\n/virtual_services/0/ports/0: " in said and "\n/virtual_services/0: " in said, said
        daemon.end()


def the_law_holds_at_full_speed():
    with folder() as where:
        config = configuration(where)
        config["node"]["interfaces"][0]["device"] = "vdev:net_null0"
        daemon = start(where, config)
        ctl, last = Ctl(daemon), 100000
        for _ in range(10):
            # A worker that others keep from its core stands still for a while.
            daemon.wait("packets", lambda: daemon.get("/api/v1/stats")["totals"]["rx"] > last)
            law = ctl("show", "counters").splitlines()[-1]
            match = re.fullmatch(r"every packet is accounted for: ([\d,]+) in = ([\d,]+) out"
                                 r" \+ ([\d,]+) held \+ ([\d,]+) dropped", law)
            assert match, law
            n = [int(word.replace(",", "")) for word in match.groups()]
            assert n[0] == sum(n[1:]) and n[0] > last, (n, last)
            last = n[0]
        daemon.end()


TESTS = [
    tables_say_what_a_capture_did,
    a_document_is_shown_before_it_is_in_force,
    the_law_holds_at_full_speed,
]

sys.exit(run_tests(TESTS))
