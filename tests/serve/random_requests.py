"""random_requests.py: SECONDS of requests drawn at random, good and bad, from several callers at once. The server may refuse
any of them, and be gone at any time; it may not answer with 500 or with what openapi.json does not describe."""
import glob
import http.client
import io
import json
import os
import random
import socket
import threading
import time
import zipfile

from client import PORT, ask, check, end, failures, multipart, quote

SEED = int(os.environ.get('SEED', time.time_ns() % 1000000))
UNTIL = time.time() + float(os.environ.get('SECONDS_OF_REQUESTS', 5))
photos = [open(p, 'rb').read() for p in sorted(glob.glob('people/*/*.jpg'))]
print('seed', SEED)


def pack(r):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w') as z:
        for i in range(r.randrange(12)):
            z.writestr(f'{r.choice("abc")}/{i}.jpg', r.choice(photos))
    return out.getvalue()


def damaged(r, data):
    data = bytearray(data)
    for _ in range(r.randrange(1, 20)):
        if data:
            data[r.randrange(len(data))] = r.randrange(256)
    return bytes(data[:r.randrange(len(data) + 1)]) if r.random() < 0.5 else bytes(data)


def body(r):
    kind = r.randrange(6)
    if kind == 0:
        return multipart([(f'p{i}', f'{i}.jpg', r.choice(photos)) for i in range(r.randrange(1, 5))])
    if kind == 1:
        return pack(r), {'Content-Type': 'application/zip'}
    if kind == 2:
        return json.dumps(r.choice([{'person': name(r)}, {'into': name(r)}, {'vectors': [[0.1] * 128]}, [], 1])), {
            'Content-Type': 'application/json'}
    return r.choice(photos), {}


def name(r):
    return r.choice(['ann', 'bob', 'Zoë', 'a/b', 'person_0001', 'person_0002', 'nobody', 'x' * 300, '\u202e'])


def one(r):
    person, job, photo = quote(name(r)), r.randrange(1, 6), r.randrange(1, 60)
    method, path = r.choice([
        ('GET', '/'), ('GET', '/health'), ('GET', '/metrics'), ('GET', '/v1/info'), ('GET', '/v1/people?search=a'),
        ('GET', f'/v1/people/{person}'), ('GET', '/v1/map'), ('GET', '/v1/duplicates'), ('GET', '/v1/audit?limit=5'),
        ('GET', f'/v1/photos/{photo}/crop'), ('GET', '/v1/jobs'), ('GET', f'/v1/jobs/{job}'),
        ('GET', f'/v1/jobs/{job}/events'), ('DELETE', f'/v1/jobs/{job}'), ('DELETE', f'/v1/people/{person}'),
        ('DELETE', f'/v1/photos/{photo}')])
    if r.random() < 0.6:
        method, path = r.choice([
            ('POST', '/v1/identify?k=3'), ('POST', '/v1/identify?by=photos'), ('POST', '/v1/detect'),
            ('POST', '/v1/embed'), ('POST', '/v1/verify'), ('POST', f'/v1/people/{person}/photos'),
            ('POST', f'/v1/people/{person}/photos?face=all'), ('POST', f'/v1/people/{person}/merge'),
            ('PATCH', f'/v1/people/{person}'), ('PATCH', f'/v1/photos/{photo}'), ('POST', '/v1/jobs'),
            ('POST', '/v1/jobs?person=many')])
        data, headers = body(r)
        data = data.encode() if isinstance(data, str) else data
        if r.random() < 0.3:
            data = damaged(r, data)
    else:
        data, headers = None, {}
    if r.random() < 0.1:  # goes away in the middle
        s = socket.create_connection(('127.0.0.1', PORT), timeout=5)
        head = f'{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Likeness: 1\r\nContent-Length: {len(data or b"")}\r\n\r\n'
        whole = head.encode() + (data or b'')
        s.sendall(whole[:r.randrange(len(whole) + 1)])
        time.sleep(r.random() * 0.05)
        s.close()
        return
    status = ask(method, path, data, headers, timeout=60)[0]
    check(status != 500, f'{method} {path}: 500')


def caller(number):
    r = random.Random(SEED * 1000 + number)
    while time.time() < UNTIL and len(failures) < 20:
        try:
            one(r)
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)  # the server went away, as it may


callers = [threading.Thread(target=caller, args=(i,)) for i in range(6)]
for c in callers:
    c.start()
for c in callers:
    c.join()
end()
