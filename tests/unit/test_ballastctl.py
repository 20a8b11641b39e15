#!/usr/bin/python3
"""ballastctl against a daemon made of fixed answers, on a unix socket: what it prints, what it asks
and what it ends with are compared with tests/unit/ballastctl/expected/NAME.

Usage: test_ballastctl.py [--regen] BALLASTCTL [NAME...]"""
import difflib
import http.server
import json
import os
import pathlib
import pty
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

FOLDER = pathlib.Path(__file__).resolve().parent / 'ballastctl'
STATUS, STATS, CONFIG, EXPLAINED, TRACED = ((FOLDER / f'{name}.json').read_bytes()
                                    for name in ('status', 'stats', 'config', 'explain', 'trace'))
WANTED = str(FOLDER / 'wanted.json')
PATIENCE_S = 120
ETAG = '"92bde01c5bd87c15-87f9ae0db3b593e3"'
NEW_ETAG = '"8da31c8bbaa160e5-87f9ae0db3b593e3"'


def answer(body, status=200, **headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return status, dict({'Content-Type': 'application/json'}, **headers), body


def problem(status, detail, errors=(), **more):
    return answer(dict(type='about:blank', title='x', status=status, detail=detail,
                       errors=[dict(pointer=p, detail=d) for p, d in errors], **more), status,
                  **{'Content-Type': 'application/problem+json'})


def stats(**changes):
    return answer(dict(json.loads(STATS), **changes))


RESULT = {'active': True, 'pending_restart': [], 'warnings': []}
CHANGES = [{'change': 'service_added', 'name': 'dns'},
           {'change': 'service_removed', 'name': 'mailbox', 'connections_ended': 1203},
           {'change': 'service_changed', 'name': 'web'},
           {'change': 'real_server_added', 'name': 'cas3'},
           {'change': 'real_server_removed', 'name': 'cas1', 'connections_ended': 0},
           {'change': 'something_\x1bnew', 'name': 'x'}]
DRY = answer(dict(RESULT, dry_run=True, active=False, changes=CHANGES))
NORMAL = {
    'GET status': answer(STATUS),
    'GET stats': answer(STATS),
    'GET config': answer(CONFIG, ETag=ETAG),
    'PUT config?dry_run=true&pending_restart=false': DRY,
    'PUT config?dry_run=false&pending_restart=false': answer(RESULT, ETag=NEW_ETAG),
    'PATCH real-servers/cas1': answer(RESULT, ETag=NEW_ETAG),
}
EMPTY = {'GET status': answer({}), 'GET stats': answer({}), 'GET config': answer({})}
MANY_ERRORS = problem(422, 'the configuration would not be valid',
                      [('/health_monitors/0/rise', '400 is not in 1..100'),
                       ('', 'too \x1b]0;large\x07'), ('/a\nb', 'c')], n_more_errors=12345)
CONNECTIONS = {'connections': [
    dict(protocol='tcp', client='198.51.100.7:40000', virtual_ip='192.0.2.10:80',
         virtual_service='web', real_server='web1', forwarding='fullnat',
         source='192.0.2.10:20001', tcp_state='established', idle_s=2.048, timeout_s=7440.0,
         worker=0),
    dict(protocol='udp', client='[2001:db8::7]:5', virtual_ip='[2001:db8::10]:53',
         virtual_service='dns', real_server='?', forwarding='dsr', source='[2001:db8::7]:5',
         idle_s=0.0, timeout_s=30.0, worker=1)]}
RECORDS = {'records': [
    dict(client='198.51.100.7', persistence_group='outlook', real_server='cas1',
         address='192.0.2.11', expires_in_s=7199),
    dict(client='2001:db8::', persistence_group='service:web', real_server='?', address='?',
         expires_in_s=1)]}
DRY_PATH, PUT_PATH = list(NORMAL)[3:5]
PACKET = ['tcp', '198.51.100.7:40000', '192.0.2.10:80']
ASKED = 'GET explain?protocol=tcp&source=198.51.100.7:40000&destination=192.0.2.10:80'

# name: arguments, answers that differ from NORMAL, what comes on standard input
CASES = {
    'explain': (['explain', *PACKET], {ASKED: answer(EXPLAINED)}, None),
    'explain-json': (['explain', *PACKET, '-o', 'json'], {ASKED: answer(EXPLAINED)}, None),
    'explain-options': (['explain', *PACKET, '--tcp-flags', 'ack', '--bytes', '1500',
                         '--interface', 'lan'],
                        {ASKED + '&tcp_flags=ack&bytes=1500&interface=lan':
                         answer({'summary': 'It is \x1bnot ours.', 'steps': ['one']})}, None),
    'explain-ipv6': (['explain', 'udp', '[2001:db8::7]:5', '[2001:db8::10]:53 &x'],
                     {'GET explain?protocol=udp&source=%5B2001:db8::7%5D:5&destination='
                      '%5B2001:db8::10%5D:53%20%26x':
                      problem(400, 'the query is not understood',
                              [('destination', 'must be an address with its port')])}, None),
    'trace': (['trace'], {'POST trace': answer(TRACED)}, None),
    'trace-json': (['trace', '-o', 'json', '--count', '2'], {'POST trace': answer(TRACED)}, None),
    'trace-frames': (['trace', '--frames', '--service', 'www', '--drops', '--source',
                      '198.51.100.0/24', '--source-port', '40000', '--destination', '192.0.2.10',
                      '--destination-port', '80', '--protocol', 'tcp', '--count', '3', '--for',
                      '5'], {'POST trace': answer(TRACED)}, None),
    'trace-none': (['trace', '--count', 'ten'],
                   {'POST trace': answer({'packets': [], 'ended_by': '\x1btimeout',
                                          'n_lost': 12})}, None),
    'trace-refused': (['trace'], {'POST trace': problem(409, 'another trace is running')}, None),
    'trace-words': (['trace', 'tcp'], {}, None),
    'show-services-drops': (['show', 'services', '--drops'], {}, None),
    'show-connections': (['show', 'connections'],
                         {'GET connections?limit=100':
                          answer(dict(CONNECTIONS, cursor='0-512')),
                          'GET connections?limit=98&cursor=0-512': answer(CONNECTIONS)}, None),
    'show-connections-filter': (['show', 'connections', '--count', '3', '--service', 'web',
                                 '--source', '198.51.100.0/24', '-o', 'json'],
                                {'GET connections?virtual_service=web&client='
                                 '198.51.100.0%2F24&limit=3': answer(dict(CONNECTIONS, cursor='0-7')),
                                 'GET connections?virtual_service=web&client='
                                 '198.51.100.0%2F24&limit=2&cursor=0-7': answer(CONNECTIONS)},
                                None),
    'show-connections-drops': (['show', 'connections', '--drops'], {}, None),
    'show-connections-none': (['show', 'connections'],
                              {'GET connections?limit=100': answer({'connections': []})}, None),
    'show-connections-count': (['show', 'connections', '--count', '0'], {}, None),
    'show-connections-refused': (['show', 'connections', '--service', 'nix'],
                                 {'GET connections?virtual_service=nix&limit=100':
                                  problem(400, 'the query is not understood',
                                          [('virtual_service', 'must name one')])}, None),
    'show-persistence': (['show', 'persistence', '--count', '3'],
                         {'GET persistence?limit=3': answer(dict(RECORDS, cursor='512')),
                          'GET persistence?limit=1&cursor=512': answer(RECORDS)}, None),
    'show-persistence-filter': (['show', 'persistence', '--group', 'outlook', '--source',
                                 '2001:db8::/32', '--server', 'cas1', '--service', 'mapi',
                                 '-o', 'json'],
                                {'GET persistence?virtual_service=mapi&persistence_group=outlook&'
                                 'client=2001:db8::%2F32&real_server=cas1&limit=100':
                                 answer(RECORDS)}, None),
    'show-persistence-none': (['show', 'persistence'],
                              {'GET persistence?limit=100': answer({'records': []})}, None),
    'clear-persistence': (['clear', 'persistence', '--source', '198.51.100.7'],
                          {'DELETE persistence?client=198.51.100.7': answer({'cleared': 2})}, None),
    'clear-persistence-json': (['clear', 'persistence', '--server', 'cas1', '-o', 'json'],
                               {'DELETE persistence?real_server=cas1': answer({'cleared': 0})},
                               None),
    'clear-persistence-all': (['clear', 'persistence'], {}, None),
    'clear-what': (['clear', 'connections'], {}, None),
    'names': (['--names', 'servers'], {'GET real-servers': answer(
        [{'name': 'cas1'}, {'name': '$(reboot)'}, {'name': 'cas2.example'}])}, None),
    'names-what': (['--names', 'clients'], {}, None),
    'completion-what': (['--completion', 'csh'], {}, None),
    'explain-too-few': (['explain', 'tcp', '198.51.100.7:40000'], {}, None),
    'explain-too-many': (['explain', *PACKET, 'x'], {}, None),
    'explain-too-long': (['explain', 'tcp', '[' * 400, '1.2.3.4:5'], {}, None),
    'show-services-flags': (['show', 'services', '--tcp-flags', 'syn'], {}, None),
    'show-services': (['show', 'services'], {}, None),
    'show-services-json': (['-o', 'json', 'show', 'services'], {}, None),
    'show-services-none': (['show', 'services'], EMPTY, None),
    'show-services-none-json': (['show', 'services', '--output=json'], EMPTY, None),
    'show-servers': (['show', 'servers'], {}, None),
    'show-servers-json': (['show', 'servers', '-ojson'], {}, None),
    'show-workers': (['show', 'workers'], {}, None),
    'show-interfaces': (['show', 'interfaces'], {}, None),
    'show-interfaces-json': (['show', 'interfaces', '-o', 'json'], {}, None),
    'show-workers-json': (['show', 'workers', '-o', 'json'], {}, None),
    'show-counters': (['show', 'counters'], {}, None),
    'show-counters-all': (['show', 'counters', '--all'], {}, None),
    'show-counters-json': (['show', 'counters', '-o', 'json'], {}, None),
    'show-counters-missing': (['show', 'counters'], {'GET stats': stats(imbalance=-1500)}, None),
    'show-counters-settled': (['show', 'counters'],
                              {'GET stats': [stats(imbalance=1), stats(imbalance=-2), stats()]},
                              None),
    'show-status': (['show', 'status'], {}, None),
    'show-status-missing': (['show', 'status'], {'GET stats': stats(imbalance=3)}, None),
    'show-status-json': (['show', 'status', '-o', 'json'], {}, None),
    'show-status-none': (['show', 'status'], EMPTY, None),
    'show-promises': (['show', 'promises'], {}, None),
    'show-promises-json': (['show', 'promises', '-o', 'json'], {}, None),
    'show-promises-none': (['show', 'promises'], EMPTY, None),
    'show-stats': (['show', 'stats'], {}, None),
    'show-stats-json': (['show', 'stats', '-o', 'json'], {}, None),
    'show-config': (['show', 'config'], {}, None),
    'show-config-raw': (['show', 'config'],
                        {'GET config': answer(b'{"a": "\x1b[2J\xc2\x9b\xff\xf0\x9f\x92\xa9\xe2\x80'
                                              b'\xae\xf3\xa0\x80\x81",\r\n\t"n": 1}')}, None),
    'apply': (['apply', WANTED], {}, None),
    'apply-json': (['apply', WANTED, '-o', 'json'], {}, None),
    'apply-dry-run': (['apply', WANTED, '--dry-run'], {}, None),
    'apply-dry-run-json': (['apply', WANTED, '--dry-run', '-o', 'json'], {}, None),
    'apply-same': (['apply', '-'], {DRY_PATH: answer(RESULT)}, CONFIG),
    'apply-restart': (['apply', '--pending-restart', WANTED], {
        DRY_PATH.replace('restart=false', 'restart=true'): DRY,
        PUT_PATH.replace('restart=false', 'restart=true'): answer(
            {'active': True, 'pending_restart': ['/node/limits/connections'],
             'warnings': [{'pointer': '/node', 'detail': 'is large'}]}, ETag=NEW_ETAG)}, None),
    'apply-refused': (['apply', WANTED], {DRY_PATH: MANY_ERRORS}, None),
    'apply-no-json': (['apply', '-'], {DRY_PATH: problem(
        400, 'the body is not JSON', [('line 1 column 2', 'a key is expected')])}, b'{'),
    'apply-late': (['apply', WANTED], {PUT_PATH: problem(
        412, 'the configuration is not the one that If-Match names')}, None),
    'apply-slow-worker': (['apply', WANTED], {PUT_PATH: answer(
        {'active': False, 'waiting_for': [3]}, 202, ETag=NEW_ETAG)}, None),
    'apply-no-file': (['apply', '/nowhere/ballast.json'], {}, None),
    'apply-folder': (['apply', '/'], {}, None),
    'enable': (['enable', 'cas1'], {}, None),
    'drain': (['drain', 'cas1'], {}, None),
    'disable': (['disable', 'cas1'], {}, None),
    'disable-json': (['disable', 'cas1', '-o', 'json'], {}, None),
    'drain-slow-worker': (['drain', 'cas1'], {'PATCH real-servers/cas1': answer(
        {'active': False, 'waiting_for': [0]}, 202)}, None),
    'drain-unknown': (['drain', '../a b\x1b'], {'PATCH real-servers/..%2Fa%20b%1B': problem(
        404, 'there is no such object')}, None),
    'not-json': (['show', 'config'], {'GET config': answer(b'<html>')}, None),
    'not-json-behind': (['show', 'config'], {'GET config': answer(b'{} x')}, None),
    'no-body': (['show', 'config'], {'GET config': answer(b'')}, None),
    'elsewhere': (['show', 'config'], {'GET config': answer(
        {}, 302, Location='http://localhost/api/v1/status')}, None),
    'bad-gateway': (['show', 'services'], {'GET stats': answer(b'<html>', 502)}, None),
    'starting': (['show', 'status'], {'GET status': problem(
        503, 'the daemon is starting or ending')}, None),
    'too-large': (['show', 'status'], {'GET status': answer(
        b'{}', **{'Content-Length': str(1 << 40)})}, None),
    'cut-off': (['show', 'status'], {'GET status': answer(b'{}', **{'Content-Length': '3'})}, None),
    'silent': (['show', 'status', '--timeout', '1'], {'GET status': None}, None),
    'help': (['--help'], {}, None),
    'use-none': ([], {}, None),
    'use-show': (['show'], {}, None),
    'use-show-what': (['show', 'me'], {}, None),
    'use-command': (['flush'], {}, None),
    'use-file': (['apply'], {}, None),
    'use-name': (['drain', ''], {}, None),
    'use-many': (['show', 'services', 'web'], {}, None),
    'use-all': (['show', 'services', '--all'], {}, None),
    'use-dry-run': (['drain', 'cas1', '--dry-run'], {}, None),
    'use-restart': (['show', 'config', '--pending-restart'], {}, None),
    'use-output': (['-o', 'xml', 'show', 'config'], {}, None),
    'use-timeout': (['--timeout', '3601', 'show', 'config'], {}, None),
    'use-timeout-word': (['--timeout', '1s', 'show', 'config'], {}, None),
    'use-option': (['--colour', 'show', 'config'], {}, None),
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def address_string(self):
        return 'unix'

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        said = [f'{name}: {self.headers[name]}' for name in ('If-Match', 'Content-Type', 'Expect')
                if name in self.headers]
        shown = body.decode() if len(body) < 60 else f'{len(body)} bytes'
        self.server.requests.append('; '.join([f'{self.command} {self.path}', *said,
                                               *([shown] if body else [])]))
        key = f"{self.command} {self.path.removeprefix('/api/v1/')}"
        reply = self.server.answers.get(key, problem(404, f'nothing at {key}'))
        if isinstance(reply, list):
            reply = reply.pop(0) if len(reply) > 1 else reply[0]
        if callable(reply):
            reply = reply()
        if reply is None:  # nothing is said until the other side leaves
            self.rfile.read(1)
            self.close_connection = True
            return
        status, headers, body = reply
        self.send_response(status)
        for name, value in dict({'Content-Length': str(len(body))}, **headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = int(headers.get('Content-Length', len(body))) != len(body)

    do_GET = do_PUT = do_PATCH = do_POST = do_DELETE = handle_any


class Daemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def __init__(self, path):
        super().__init__(path, Handler)
        self.requests, self.answers = [], {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *args):
        """A client that leaves early is part of some cases."""

    def play(self, answers):
        self.requests.clear()
        self.answers = {key: list(value) if isinstance(value, list) else value
                        for key, value in dict(NORMAL, **answers).items()}


class Ctl:
    def __init__(self, program, folder):
        self.program, self.socket = program, f'{folder}/api.sock'
        self.daemon = Daemon(self.socket)
        self.env = {key: value for key, value in os.environ.items()
                    if key.endswith('SAN_OPTIONS')}
        # A proxy must not get in between.
        self.env.update(BALLAST_SOCKET=self.socket, http_proxy='http://192.0.2.1:9', TERM='xterm')

    def run(self, arguments, stdin=None, **more):
        return subprocess.run([self.program, *arguments], input=stdin or b'', check=False,
                              env=dict(self.env, **more.pop('env', {})), timeout=PATIENCE_S,
                              **(more or {'capture_output': True}))

    def transcript(self, name):
        arguments, answers, stdin = CASES[name]
        self.daemon.play(answers)
        done = self.run(arguments, stdin)
        stderr = done.stderr.decode().replace(self.socket, 'SOCKET')
        stderr = stderr.replace(f'{self.program}:', 'ballastctl:')
        parts = [done.stdout.decode()]
        if stderr:
            parts.append(f'--- standard error\n{stderr}')
        if self.daemon.requests:
            parts.append('--- requests\n' + ''.join(f'{line}\n' for line in self.daemon.requests))
        return ''.join(parts) + f'--- ends with {done.returncode}\n'

    def on_terminal(self, arguments, **env):
        """What a terminal gets."""
        self.daemon.play({})
        ours, theirs = pty.openpty()
        with subprocess.Popen([self.program, *arguments], stdout=theirs, stdin=theirs,
                              env=dict(self.env, **env)) as process:
            os.close(theirs)
            got = b''
            while True:
                try:
                    piece = os.read(ours, 65536)
                except OSError:  # the other side has left
                    break
                if not piece:
                    break
                got += piece
            assert process.wait(PATIENCE_S) == 0
        os.close(ours)
        return got.decode().replace('\r\n', '\n')


def check_transcripts(ctl, names, regen):
    """The names whose transcript is not as expected."""
    failed = []
    for name in names:
        path = FOLDER / 'expected' / name
        got = ctl.transcript(name)
        if regen:
            path.write_text(got)
        wanted = path.read_text() if path.exists() else ''
        if got != wanted:
            failed.append(name)
            sys.stdout.writelines(difflib.unified_diff(wanted.splitlines(True),
                                                       got.splitlines(True), f'expected/{name}',
                                                       'got'))
    return failed


def check_raw(ctl):
    """No control character but the line end reaches the output of any case."""
    for name, (arguments, answers, stdin) in CASES.items():
        ctl.daemon.play(answers)
        done = ctl.run(arguments, stdin)
        for out in (done.stdout.decode(), done.stderr.decode()):
            bad = [c for c in out if (ord(c) < 32 and c not in '\n\t') or 127 <= ord(c) < 160
                   or c in '\u202e\U000e0001']
            assert not bad, (name, bad)
        if '-o' in arguments and 'json' in arguments and done.returncode == 0:
            json.loads(done.stdout)


def check_colors(ctl):
    plain = {what: ctl.on_terminal(['show', what], NO_COLOR='1')
             for what in ('services', 'servers', 'workers', 'counters', 'promises', 'status')}
    for what, text in plain.items():
        colored = ctl.on_terminal(['show', what])
        assert '\033' not in text, what
        assert '\033' not in ctl.on_terminal(['show', what], TERM='dumb'), what
        stripped = colored
        for code in (32, 31, 33, 0):
            stripped = stripped.replace(f'\033[{code}m', '')
        assert stripped == text, what
        assert ctl.on_terminal(['show', what], NO_COLOR='') == colored, what
        assert '\033' not in ctl.on_terminal(['-o', 'json', 'show', what]), what
    services = ctl.on_terminal(['show', 'services'])
    for word, code in (('up', 32), ('down', 31), ('checking', 33), ('2/2', 32), ('1/2', 33),
                       ('0/1', 31)):
        assert f'\033[{code}m{word}\033[0m' in services, word
    promises = ctl.on_terminal(['show', 'promises'])
    assert '\033[31m7\033[0m' in promises, 'servers changed'
    assert '\033[33m85.0 %\033[0m' in promises, 'a worker is short of room'
    assert '\033[33mdrain\033[0m' in ctl.on_terminal(['show', 'servers'])


def check_patience(ctl):
    """A worker that was interrupted while it counted goes on after a while."""
    end = []

    def interrupted():
        end.append(time.monotonic() + 0.1)
        return stats(imbalance=32) if time.monotonic() < end[0] else stats()

    ctl.daemon.play({'GET stats': interrupted})
    assert b'every packet is accounted for' in ctl.run(['show', 'counters']).stdout


def check_ends(ctl):
    """What is not a matter of answers: no socket, output that cannot be written, the option."""
    ctl.daemon.play({})
    for path in ('/nowhere/api.sock', '/' + 200 * 'a', '/dev/null', ''):
        done = ctl.run(['--socket', path, 'show', 'status'])
        assert done.returncode == 3 and done.stdout == b'', (path, done)
        assert done.stderr.startswith(f'ballastctl: {path}: '.encode()), done.stderr
    done = ctl.run(['show', 'status', '--socket', ctl.socket], env={'BALLAST_SOCKET': '/nowhere'})
    assert done.returncode == 0, done
    with open('/dev/full', 'wb') as full:
        done = ctl.run(['show', 'status'], stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == 2 and b'No space left' in done.stderr, done
    version = ctl.run(['--version'])
    assert version.returncode == 0 and version.stdout.startswith(b'ballastctl '), version


def main():
    regen = '--regen' in sys.argv
    program, *names = [word for word in sys.argv[1:] if word != '--regen']
    with tempfile.TemporaryDirectory() as folder:
        ctl = Ctl(os.path.abspath(program), folder)
        failed = check_transcripts(ctl, names or CASES, regen)
        if not names:
            unknown = {path.name for path in (FOLDER / 'expected').iterdir()} - set(CASES)
            assert not unknown, f'no case expects {unknown}'
            check_raw(ctl)
            check_colors(ctl)
            check_patience(ctl)
            check_ends(ctl)
    print(f'{len(names or CASES)} cases, failed: {failed or "none"}')
    return 1 if failed else 0


sys.exit(main())
