#!/usr/bin/env python3
"""The daemon as a black box: a capture through it, its REST API, its file, its end.

Usage: test_ballastd.py BALLASTD BALLASTCTL"""
import json
import os
import signal
import subprocess
import sys

from ballastd import (
    Ballastd, become_nobody, configuration, folder, read_capture, run_tests, syn, write_capture,
)

BALLASTD, BALLASTCTL = become_nobody(*sys.argv[1:3])
CLIENTS = 40


def start(where, config=None, args=()):
    path = None
    if config is not None:
        path = os.path.join(where, "config.json")
        if not os.path.exists(path):
            with open(path, "w") as f:
                json.dump(config, f)
    daemon = Ballastd(BALLASTD, where, path, args)
    daemon.wait_ready()
    return daemon


def capture(where, n=CLIENTS):
    write_capture(
        os.path.join(where, "in.pcap"), [syn("192.0.2.%d" % (100 + i), 1000 + i) for i in range(n)]
    )


def a_capture_is_processed_from_its_first_packet():
    with folder() as where:
        capture(where)
        daemon = start(where, configuration(where))
        daemon.wait("rx", lambda: daemon.get("/api/v1/stats")["totals"]["rx"] == CLIENTS)
        stats = daemon.get("/api/v1/stats")
        assert stats["virtual_services"][0]["connections"] == CLIENTS, stats
        spread = [r["connections"] for r in stats["real_servers"]]
        assert spread == [CLIENTS // 2, CLIENTS // 2], spread
        counters = daemon.end()
        assert counters["imbalance"] == 0, counters
        totals = {k: v for k, v in counters["totals"].items() if v}
        assert totals == {"rx": CLIENTS, "tx": CLIENTS, "conn_created": CLIENTS}, totals
        out = read_capture(os.path.join(where, "out.pcap"))
        assert len(out) == CLIENTS, len(out)
        to = sorted(frame[:6].hex() for frame in out)
        assert to == ["020000000011"] * (CLIENTS // 2) + ["020000000012"] * (CLIENTS // 2), to
        assert not os.path.exists(daemon.socket)


def reads_answer():
    with folder() as where:
        capture(where, 1)
        daemon = start(where, configuration(where))
        assert daemon.get("/healthz") == "ok\n"
        assert daemon.get("/api/v1/openapi.json")["openapi"].startswith("3.1")
        assert daemon.get("/api/v1/server-pools/web")["name"] == "web"
        assert len(daemon.get("/api/v1/virtual-services")) == 1
        machine = daemon.get("/api/v1/real-servers/web1")
        assert machine["status"] == "up" and machine["pools"][0]["server_pool"] == "web", machine
        assert daemon.get("/api/v1/workers")[0]["worker"] == 0
        status = daemon.get("/api/v1/status")
        assert status["ready"] and status["virtual_services"][0]["servers_up"] == 2, status
        metrics = daemon.get("/metrics")
        assert metrics.endswith("# EOF\n")
        assert 'ballast_real_server_up{server_pool="web",real_server="web1"} 1\n' in metrics
        for method, path, wanted in (
            ("GET", "/nothing", 404),
            ("GET", "/api/v1/server-pools/none", 404),
            ("GET", "/api/v1/server-pools/a%2Fb", 404),
            ("GET", "/api/v1/real-servers/none", 404),
            ("DELETE", "/api/v1/config", 405),
            ("POST", "/api/v1/status", 405),
            ("BREW", "/api/v1/status", 405),
        ):
            status, headers, body = daemon.ask(method, path)
            assert status == wanted, (method, path, status)
            assert body["status"] == wanted and headers["Content-Type"] == "application/problem+json"
            assert (headers["Allow"] is not None) == (wanted == 405), (path, headers)
        daemon.end()


def writes_are_checked_stored_and_in_force():
    with folder() as where:
        capture(where, 1)
        config = configuration(where)
        daemon = start(where, config)
        path = os.path.join(where, "config.json")
        stored = lambda: json.load(open(path))
        before = open(path).read()

        _, headers, _ = daemon.ask("GET", "/api/v1/config")
        etag = headers["ETag"]
        bad = dict(config, virtual_services=[dict(config["virtual_services"][0], ports=[70000])])
        for body, wanted, pointer in (
            ("{", 400, None),
            ("[]", 400, None),
            (bad, 422, "/virtual_services/0/ports/0"),
            (dict(config, node={}), 409, "/node/interfaces"),
        ):
            status, headers, answer = daemon.ask("PUT", "/api/v1/config", body)
            assert status == wanted, (body, status, answer)
            if pointer:
                assert pointer in [e["pointer"] for e in answer["errors"]], answer
            assert headers["ETag"] == etag and open(path).read() == before
        status, _, _ = daemon.ask("PUT", "/api/v1/config", config, {"Content-Type": "text/plain"})
        assert status == 415

        added = {"name": "web3", "address": "192.0.2.13"}
        servers = "/api/v1/server-pools/web/real-servers"
        status, _, answer = daemon.ask("POST", servers + "?dry_run=true", added)
        assert status == 200 and answer["dry_run"], answer
        assert "real_server_added" in [c["change"] for c in answer["changes"]], answer
        assert open(path).read() == before, "a dry run stores nothing"
        status, _, _ = daemon.ask("POST", servers, added, {"If-Match": '"0-0"'})
        assert status == 412
        status, headers, answer = daemon.ask("POST", servers, added, {"If-Match": etag})
        assert status == 201 and answer["active"], answer
        assert headers["Location"] == servers + "/web3", headers
        assert headers["ETag"] != etag
        assert [r["name"] for r in stored()["server_pools"][0]["real_servers"]][-1] == "web3"
        status, _, _ = daemon.ask("POST", servers, added)
        assert status == 409, "the name is taken"
        half = '"%s-*"' % headers["ETag"].strip('"').split("-")[0]
        status, headers, _ = daemon.ask(
            "PATCH", "/api/v1/real-servers/web1", {"admin_state": "drain"}, {"If-Match": half}
        )
        assert status == 200
        assert daemon.get("/api/v1/real-servers/web1")["pools"][0]["admin_state"] == "drain"
        status, _, _ = daemon.ask("DELETE", "/api/v1/server-pools/web")
        assert status == 422, "a virtual service names it"
        status, _, _ = daemon.ask("DELETE", servers + "/web3")
        assert status == 200
        assert stored() == json.loads(daemon.ask("GET", "/api/v1/config")[1] and
                                      json.dumps(daemon.get("/api/v1/config")))
        daemon.end()


def an_accepted_write_survives_a_kill():
    with folder() as where:
        capture(where, 1)
        daemon = start(where, configuration(where))
        for i in range(5):
            name = "pool%d" % i
            status, headers, _ = daemon.ask("POST", "/api/v1/server-pools", {"name": name})
            assert status == 201
            daemon.kill()
            daemon = start(where, configuration(where))
            assert daemon.get("/api/v1/server-pools/" + name) == {"name": name}
            assert daemon.ask("GET", "/api/v1/config")[1]["ETag"] == headers["ETag"]
        daemon.end()


def an_edit_on_disk_comes_in_by_sighup_only():
    with folder() as where:
        capture(where, 1)
        config = configuration(where)
        daemon = start(where, config)
        path = os.path.join(where, "config.json")
        config["server_pools"].append({"name": "extra"})
        with open(path, "w") as f:
            json.dump(config, f)
        status, _, answer = daemon.ask("POST", "/api/v1/server-pools", {"name": "other"})
        assert status == 409 and "SIGHUP" in answer["errors"][0]["detail"], answer
        assert daemon.ask("GET", "/api/v1/server-pools/extra")[0] == 404
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait("extra", lambda: daemon.ask("GET", "/api/v1/server-pools/extra")[0] == 200)
        with open(path, "w") as f:
            f.write('{"version": 1, "nonsense": true}')
        etag = daemon.ask("GET", "/api/v1/config")[1]["ETag"]
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait("refusal", lambda: "/nonsense: " in daemon.text_of_log())
        daemon.wait("end of reload", lambda: "the last good one stays" in daemon.text_of_log())
        assert daemon.ask("GET", "/api/v1/config")[1]["ETag"] == etag
        status, _, _ = daemon.ask("POST", "/api/v1/server-pools", {"name": "other"})
        assert status == 409, "the broken edit is not overwritten"
        daemon.end()


def boot_keys_wait_for_a_restart_where_asked():
    with folder() as where:
        capture(where, 1)
        config = configuration(where)
        daemon = start(where, config)
        config["node"]["limits"]["connections"] = 2000
        status, _, answer = daemon.ask("PUT", "/api/v1/config", config)
        assert status == 409, answer
        assert [e["pointer"] for e in answer["errors"]] == ["/node/limits/connections"], answer
        status, _, answer = daemon.ask("PUT", "/api/v1/config?pending_restart=true", config)
        assert status == 200 and answer["pending_restart"] == ["/node/limits/connections"], answer
        assert daemon.get("/api/v1/status")["pending_restart"] == ["/node/limits/connections"]
        assert daemon.get("/api/v1/workers")[0]["connection_entries_max"] == 2 * 1000
        daemon.end()
        daemon = start(where, config)
        assert daemon.get("/api/v1/status")["pending_restart"] == []
        assert daemon.get("/api/v1/workers")[0]["connection_entries_max"] == 2 * 2000
        daemon.end()


def without_a_file_it_starts_empty():
    with folder() as where:
        daemon = start(where)
        assert daemon.get("/api/v1/config") == {"version": 1}
        assert daemon.ask("POST", "/api/v1/server-pools", {"name": "a"})[0] == 201
        daemon.end()
        daemon = start(where, args=("--state-dir", where))
        assert daemon.get("/api/v1/config") == {"version": 1}
        assert daemon.ask("POST", "/api/v1/server-pools", {"name": "a"})[0] == 201
        daemon.kill()
        daemon = start(where, args=("--state-dir", where))
        assert daemon.get("/api/v1/server-pools") == [{"name": "a"}]
        daemon.end()


def a_read_only_file_stays():
    with folder() as where:
        capture(where, 1)
        daemon = start(where, configuration(where), ("--read-only-config",))
        status, _, answer = daemon.ask("POST", "/api/v1/server-pools", {"name": "a"})
        assert status == 403, answer
        status, _, _ = daemon.ask("POST", "/api/v1/server-pools?dry_run=true", {"name": "a"})
        assert status == 200, "a dry run writes nothing"
        daemon.end()


def two_instances_stand_side_by_side():
    with folder() as one, folder() as other:
        capture(one)
        capture(other)
        first, second = start(one, configuration(one)), start(other, configuration(other))
        for daemon in (first, second):
            daemon.wait("rx", lambda: daemon.get("/api/v1/stats")["totals"]["rx"] == CLIENTS)
        assert first.end()["totals"]["tx"] == CLIENTS
        assert second.end()["totals"]["tx"] == CLIENTS


def a_broken_file_is_refused_with_every_place():
    with folder() as where:
        path = os.path.join(where, "bad.json")
        with open(path, "w") as f:
            f.write('{"version": 2, "x": 1}')
        for args in (["--config", path], ["--config", path, "--check-config"]):
            done = subprocess.run([BALLASTD] + args, capture_output=True, text=True)
            said = done.stdout + done.stderr
            assert done.returncode == 2 and "/version: " in said and "/x: " in said, (args, said)
        done = subprocess.run([BALLASTD, "--config", path + ".none"], capture_output=True, text=True)
        assert done.returncode == 2 and "No such file" in done.stderr, done
        done = subprocess.run([BALLASTD, "--nonsense"], capture_output=True, text=True)
        assert done.returncode == 2, done


def the_client_speaks_to_people_and_programs():
    with folder() as where:
        capture(where)
        daemon = start(where, configuration(where))
        daemon.wait("rx", lambda: daemon.get("/api/v1/stats")["totals"]["rx"] == CLIENTS)

        def ctl(*args, wanted=0, text=None):
            done = subprocess.run(
                [BALLASTCTL, "--socket", daemon.socket] + list(args),
                input=text, capture_output=True, text=True,
            )
            assert done.returncode == wanted, (args, done)
            return done.stdout + done.stderr

        rows = ctl("show", "services").splitlines()
        assert rows[0].split()[0] == "SERVICE", rows
        assert {"www", "up", "192.0.2.10", "80", "2/2"} <= set(rows[1].split()), rows
        assert len(ctl("show", "servers").splitlines()) == 3
        assert len(ctl("show", "workers").splitlines()) == 2
        counters = ctl("show", "counters")
        assert "every packet is accounted for" in counters and "drop_" not in counters, counters
        assert "drop_no_server" in ctl("show", "counters", "--all")
        assert "ready" in ctl("show", "status")
        assert json.loads(ctl("show", "config")) == daemon.get("/api/v1/config")
        assert json.loads(ctl("-o", "json", "show", "servers"))[0]["name"] == "web1"
        for word, state in (("drain", "drain"), ("disable", "disabled"), ("enable", "enabled")):
            ctl(word, "web2")
            machine = daemon.get("/api/v1/real-servers/web2")
            assert machine["pools"][0]["admin_state"] == state, (word, machine)
        assert "/x: " in ctl("apply", "-", text='{"version": 1, "x": 2}', wanted=1)
        changed = daemon.get("/api/v1/config")
        changed["server_pools"].append({"name": "extra"})
        ctl("apply", "--dry-run", "-", text=json.dumps(changed))
        assert daemon.ask("GET", "/api/v1/server-pools/extra")[0] == 404
        ctl("apply", "-", text=json.dumps(changed))
        assert daemon.ask("GET", "/api/v1/server-pools/extra")[0] == 200
        ctl("drain", "nobody", wanted=1)
        ctl("drain", "no/body", wanted=1)
        ctl("show", "nonsense", wanted=2)
        daemon.end()
        ctl("show", "status", wanted=3)


TESTS = [
    a_capture_is_processed_from_its_first_packet,
    reads_answer,
    writes_are_checked_stored_and_in_force,
    an_accepted_write_survives_a_kill,
    an_edit_on_disk_comes_in_by_sighup_only,
    boot_keys_wait_for_a_restart_where_asked,
    without_a_file_it_starts_empty,
    a_read_only_file_stays,
    two_instances_stand_side_by_side,
    a_broken_file_is_refused_with_every_place,
    the_client_speaks_to_people_and_programs,
]

sys.exit(run_tests(TESTS))
