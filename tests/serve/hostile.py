"""hostile.py: requests that mean no good: none may end the server, and none may keep others from being answered."""
import glob
import json
import os
import socket
import struct
import threading
import time
import zlib

from client import PORT, ask, check, end, multipart, value

photo = open(sorted(glob.glob('people/*/*.jpg'))[0], 'rb').read()


def raw(data, wait=5.0):
    """Bytes out, all that comes back."""
    s = socket.create_connection(('127.0.0.1', PORT), timeout=wait)
    answer = b''
    try:
        s.sendall(data)
        while True:
            piece = s.recv(65536)
            if not piece:
                break
            answer += piece
    except OSError:
        pass
    s.close()
    return answer


def head(method, path, *lines):
    return ('\r\n'.join([f'{method} {path} HTTP/1.1', f'Host: 127.0.0.1:{PORT}', 'X-Likeness: 1', 'Connection: close',
                         *lines]) + '\r\n\r\n').encode()


def status(answer):
    return int(answer.split(b' ')[1]) if answer.startswith(b'HTTP/1.1 ') else 0


# Other hosts, other sites' pages, no header of our own.
check(ask('GET', '/v1/people', host='evil.example')[0] == 421, 'a host that is another')
check(ask('GET', '/', host='evil.example')[0] == 421, 'the page for another host')
check(ask('GET', '/v1/people', host='localhost')[0] == 200, 'localhost')
check(ask('POST', '/v1/identify', photo, own=False)[0] == 403, 'no header of our own')
for extra in ({'Origin': 'https://evil.example'}, {'Origin': 'null'}, {'Origin': f'https://127.0.0.1:{PORT}'},
              {'Sec-Fetch-Site': 'cross-site'}, {'Sec-Fetch-Site': 'same-site'}):
    check(ask('GET', '/v1/people', headers=extra)[0] == 403, f'{extra}')
    check(ask('DELETE', '/v1/people/person_0001', headers=extra)[0] == 403, f'{extra}')
check(ask('GET', '/v1/people', headers={'Origin': f'http://127.0.0.1:{PORT}'})[0] == 200, 'our own page')
check(ask('OPTIONS', '/v1/people', headers={'Origin': 'https://evil.example'})[0] in (403, 405), 'a preflight')
headers = ask('GET', '/')[1]
check("default-src 'none'" in headers['Content-Security-Policy'] and headers['X-Content-Type-Options'] == 'nosniff'
      and 'Access-Control-Allow-Origin' not in headers, 'security headers')
check(ask('GET', '/v1/people')[1]['Cache-Control'] == 'no-store', 'answers are not kept')

# Paths that would climb, methods that are none.
for path in ('/../etc/passwd', '/web/../../etc/passwd', '/web/..%2f..%2fetc%2fpasswd', '/web/%2e%2e/index.html',
             '/web/style.css%00', '//etc/passwd', '/v1/people/..', '/v1/photos/../../x/crop', '/v1//people', '/v1/'):
    answer = raw(head('GET', path))
    check(status(answer) in (400, 404) and b'root:' not in answer, f'{path}: {answer[:60]}')
check(status(raw(head('BREW', '/v1/people'))) == 405, 'a method that is none')
check(ask('HEAD', '/health')[0] == 200, 'HEAD')

# Headers and lengths that lie.
check(status(raw(head('POST', '/v1/identify', 'Content-Length: 99999999999'))) == 413, 'a huge length')
check(status(raw(head('POST', '/v1/identify', 'Content-Length: -1'))) in (0, 400), 'a length below nothing')
check(status(raw(head('POST', '/v1/identify', 'Content-Length: 5', 'Transfer-Encoding: chunked') + b'0\r\n\r\n')) in (
    0, 400), 'two lengths')
check(status(raw(head('GET', '/health', 'Content-Length: 5') + b'hello')) == 400, 'a body where none belongs')
check(status(raw(head('GET', '/health', 'X: ' + 'a' * 100000))) in (0, 413, 431), 'a huge header')
check(status(raw(head('GET', '/' + 'a' * 100000))) in (0, 414, 404, 431), 'a huge address')
check(status(raw(b'GET /health HTTP/1.1\r\n\r\n')) in (0, 400, 421), 'no host')
for rubbish in (b'\0' * 1000, b'\x16\x03\x01\x02\x00\x01\x00\x01', os.urandom(4000), b'GET\r\n\r\n', b'\r\n' * 500):
    raw(rubbish, 0.5)
answer = raw(head('POST', '/v1/identify', 'Transfer-Encoding: chunked') + b'ffffffffffffffff\r\nxx', 1.0)
check(status(answer) in (0, 400, 413), 'a chunk without end')
big = b'10000\r\n' + b'x' * 65536 + b'\r\n'
check(status(raw(head('POST', '/v1/identify', 'Transfer-Encoding: chunked') + big * 40 + b'0\r\n\r\n')) in (0, 413),
      'chunks over the limit')
check(status(raw(head('POST', '/v1/identify', 'Transfer-Encoding: chunked') + b'%x\r\n' % len(photo) + photo +
                 b'\r\n0\r\n\r\n')) == 200, 'good chunks')

# Bodies.
for body, kind in ((b'--b\r\n', 'boundary=b'), (b'--b--\r\n', 'boundary=b'), (b'', 'boundary=b'), (b'x', 'boundary='),
                   (b'x', 'x=y'), (b'--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--', 'boundary=b'),
                   (b'--b\r\n' + b'A: b\r\n' * 1000, 'boundary=b'), (b'--b\r\n\r\n' * 500 + b'--b--', 'boundary=b')):
    got = ask('POST', '/v1/identify', body, {'Content-Type': f'multipart/form-data; {kind}'})[0]
    check(got in (400, 413), f'{body[:20]} {kind}: {got}')
body, headers = multipart([('p', f'{i}.jpg', photo) for i in range(33)])
check(ask('POST', '/v1/people/x/photos', body, headers)[0] == 413, 'too many parts')
check(ask('POST', '/v1/identify', b'[' * 100000, {'Content-Type': 'application/json'})[0] == 400, 'deep JSON')


def png(width, height):
    def chunk(name, data):
        return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)) + chunk(
        b'IDAT', zlib.compress(b'\0' * 100000)) + chunk(b'IEND', b'')


check(ask('POST', '/v1/detect', png(60000, 60000))[0] == 413, 'a small file of many pixels')
check(ask('POST', '/v1/detect', png(2000, 2000))[0] == 422, 'pixels that are not there')

# Slow and half-open callers: others are answered meanwhile, and these are cut.
slow = [socket.create_connection(('127.0.0.1', PORT)) for _ in range(12)]
for s in slow[:4]:
    s.sendall(b'GET /health HTTP/1.1\r\nHost: 127')
for s in slow[4:8]:
    s.sendall(head('POST', '/v1/identify', 'Content-Length: 100000') + b'x' * 10)
stop = threading.Event()


def drip():
    while not stop.wait(0.3):
        for drop in slow[:8]:
            try:
                drop.sendall(b'a')
            except OSError:
                pass


dripping = threading.Thread(target=drip)
dripping.start()
began = time.time()
check(value('POST', '/v1/identify', photo)[0] == 200 and time.time() - began < 5, 'answered beside slow callers')
cut = 0
for s in slow:
    s.settimeout(max(0.1, 8 - (time.time() - began)))
    try:
        cut += s.recv(1000) == b'' or s.recv(1000) == b''
    except ConnectionError:
        cut += 1
    except OSError:
        pass
stop.set()
dripping.join()
check(cut == len(slow), f'{cut} of {len(slow)} slow callers were cut')
for s in slow:
    s.close()
# A caller that takes no answer.
lazy = socket.create_connection(('127.0.0.1', PORT))
lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
lazy.sendall(b'GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n' * 200)
check(ask('GET', '/health')[0] == 200, 'answered beside a caller that takes nothing')
lazy.close()
# More connections than one address may have: the rest are refused, and afterwards all is well.
many = []
for _ in range(80):
    try:
        many.append(socket.create_connection(('127.0.0.1', PORT), timeout=1))
    except OSError:
        break
for s in many:
    s.close()
time.sleep(0.5)
check(ask('GET', '/health')[0] == 200, 'answered after a flood of connections')

# Many at once: each is answered, with 200 or a refusal.
codes = []


def probe():
    try:
        codes.append(ask('POST', '/v1/identify', photo, timeout=60)[0])
    except OSError:
        codes.append(-1)


crowd = [threading.Thread(target=probe) for _ in range(30)]
for t in crowd:
    t.start()
for t in crowd:
    t.join()
check(set(codes) <= {200, 503} and codes.count(200) > 10, f'a crowd: {codes}')
end()
