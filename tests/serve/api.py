"""api.py: every route, as docs/openapi.json describes it, against a server with people/ enrolled."""
import glob
import io
import json
import time
import zipfile

from client import PORT, SPEC, ask, asked, check, end, multipart, quote, value

photo = {p: open(p, 'rb').read() for p in sorted(glob.glob('people/*/*.jpg'))}
one = [p for p in photo if 'person_0001' in p]
two = [p for p in photo if 'person_0002' in p]

# The server as a whole.
status, _, page = ask('GET', '/')
check(status == 200 and b'likeness' in page, 'the page')
for name in ('style.css', 'app.js', 'api.js', 'faces.js', 'probe.js', 'people.js', 'gallery.js'):
    check(ask('GET', f'/web/{name}')[0] == 200, f'/web/{name}')
check(ask('GET', '/web/nothing.js')[0] == 404, 'a file that is not there')
check(json.loads(ask('GET', '/openapi.json')[2]) == SPEC, 'the served description')
check(value('GET', '/health') == (200, {'status': 'ok'}), 'health')
info = value('GET', '/v1/info')[1]
check(info['people'] == 4 and info['photos'] == 12, f'info: {info}')

# Probes: a photo, raw and as multipart; vectors.
status, answer = value('POST', '/v1/identify?k=3', photo[one[0]])
check(status == 200 and answer['faces'][0]['person'] == 'person_0001', f'identify: {status} {answer}')
check(len({m['person'] for m in answer['faces'][0]['matches']}) == 3, 'the closest people are different people')
body, headers = multipart([('photo', 'a.jpg', photo[one[0]])])
check(value('POST', '/v1/identify?k=3', body, headers)[1]['faces'] == answer['faces'], 'multipart as raw')
answer = value('POST', '/v1/identify?k=3&by=photos', photo[one[1]])[1]
check({m['person'] for m in answer['faces'][0]['matches']} == {'person_0001'}, 'the closest photos are of one')
vector = value('POST', '/v1/embed', photo[one[0]])[1]['faces'][0]['vector']
as_json = {'Content-Type': 'application/json'}
answer = value('POST', '/v1/identify', json.dumps({'vectors': [[-x for x in vector]]}), as_json)[1]
check(answer['faces'][0]['person'] is None and not answer['faces'][0]['known'], 'somebody unknown')
answer = value('POST', '/v1/identify?threshold=-1', json.dumps({'vectors': [[-x for x in vector]]}), as_json)[1]
check(answer['faces'][0]['known'], 'a threshold everybody reaches')
answer = value('POST', '/v1/identify', json.dumps({'vectors': [vector, vector]}), as_json)[1]
check(len(answer['faces']) == 2 and answer['faces'][1]['matches'][0]['cosine'] > 0.999, 'vectors')
check(len(value('POST', '/v1/detect', photo[one[0]])[1]['faces']) == 1, 'detect')
body, headers = multipart([('a', 'a.jpg', photo[one[0]]), ('b', 'b.jpg', photo[one[2]])])
check(value('POST', '/v1/verify', body, headers)[1]['same'], 'verify: the same')
body, headers = multipart([('a', 'a.jpg', photo[one[0]]), ('b', 'b.jpg', photo[two[0]])])
check(not value('POST', '/v1/verify', body, headers)[1]['same'], 'verify: two people')

# What a probe must not be, and how that is told.
for body, headers, expected in ((b'', {}, 400), (b'no photo', {}, 422), (photo[one[0]][:500], {}, 422),
                                (b'{', as_json, 400), (b'{"vectors": [[1, 2]]}', as_json, 400),
                                (b'{"vectors": 3}', as_json, 400), (b'{"a": 1, "a": 2}', as_json, 400)):
    check(value('POST', '/v1/identify', body, headers)[0] == expected, f'{body[:20]}: not {expected}')
for query in ('k=0', 'k=-1', 'k=1e3', 'k=', 'by=names', 'threshold=2', 'threshold=nan', 'k=%00', 'k=%zz', 'k=%ff',
              '&'.join(f'a{i}=1' for i in range(30))):
    check(value('POST', f'/v1/identify?{query}', photo[one[0]])[0] == 400, f'{query}: not 400')

# Names: any text, and only text; a slash is a letter of it.
name = 'Zoë "Z" / O\'Neil <b>'
status, answer = value('POST', f'/v1/people/{quote(name)}/photos', photo[two[0]])
check(status == 201 and answer['person'] == name, f'enroll: {status} {answer}')
body, headers = multipart([('x', 'first.jpg', photo[two[1]]), ('y', 'second.jpg', b'no photo')])
status, answer = value('POST', f'/v1/people/{quote(name)}/photos', body, headers)
check(status == 201 and answer['enrolled'] == 1 and answer['photos'][1]['problem']['status'] == 422, 'one of two')
body, headers = multipart([('x', 'a.jpg', b'no photo'), ('y', 'b.jpg', b'none')])
status, answer = value('POST', f'/v1/people/{quote(name)}/photos', body, headers)
check(status == 200 and answer['enrolled'] == 0, 'none of two')
photos = value('GET', f'/v1/people/{quote(name)}')[1]['photos']
check(len(photos) == 2 and photos[1]['photo'] == 'first.jpg' and photos[1]['crop'], f'photos: {photos}')
status, headers, jpeg = ask('GET', f'/v1/photos/{photos[1]["photo_id"]}/crop')
check(status == 200 and jpeg[:2] == b'\xff\xd8', 'the kept crop')
check([p['person'] for p in value('GET', '/v1/people?search=zO')[1]['people']] == [name], 'search')
page = value('GET', '/v1/people?limit=2')[1]
check(page['more'] and len(page['people']) == 2, 'a page')
page = value('GET', f'/v1/people?after={quote(page["people"][1]["person"])}')[1]
check(not page['more'] and len(page['people']) == 3, 'the rest')
pair = value('GET', '/v1/duplicates')[1]['pairs'][0]
check({name, 'person_0002'} == set(pair['people']) and pair['cosine'] > 0.9, f'duplicates: {pair}')
for bad in ('%ff', '%00', 'a%0ab', 'x' * 3000):
    check(value('POST', f'/v1/people/{bad}/photos', photo[two[0]])[0] == 400, f'the name {bad[:10]}')
check(value('GET', '/v1/people/nobody')[0] == 404, 'nobody')

# Changes.
check(value('PATCH', f'/v1/people/{quote(name)}', '{"person": "zoe"}')[1] == {'person': 'zoe'}, 'rename')
check(value('PATCH', '/v1/people/zoe', '{"person": "person_0001"}')[0] == 400, 'rename to a taken name')
check(value('PATCH', '/v1/people/zoe', '{"name": "x"}')[0] == 400, 'rename without a name')
check(value('PATCH', f'/v1/photos/{photos[0]["photo_id"]}', '{"person": "new"}')[1]['person'] == 'new', 'move')
check(value('POST', '/v1/people/new/merge', '{"into": "zoe"}')[1] == {'person': 'zoe', 'moved': 1}, 'merge')
check(value('POST', '/v1/people/zoe/merge', '{"into": "zoe"}')[0] == 400, 'merge with oneself')
check(value('POST', '/v1/people/zoe/merge', '{"into": "nobody"}')[0] == 404, 'merge with nobody')
photos = value('GET', '/v1/people/zoe')[1]['photos']
check(value('DELETE', f'/v1/photos/{photos[0]["photo_id"]}')[0] == 200, 'delete a photo')
check(value('DELETE', f'/v1/photos/{photos[0]["photo_id"]}')[0] == 404, 'delete it again')
check(value('GET', f'/v1/photos/{photos[0]["photo_id"]}/crop')[0] == 404, 'its crop')
check(value('DELETE', '/v1/photos/x')[0] == 404, 'no number')
check(value('DELETE', '/v1/people/zoe')[1] == {'photos': 1}, 'delete a person')
check(value('DELETE', '/v1/people/zoe')[0] == 404, 'delete them again')

# Map and audit.
points = value('GET', '/v1/map')[1]['points']
check(len(points) == 12 and max(abs(p['x']) for p in points) <= 1, 'map')
check(value('GET', '/v1/map?kind=tsne')[0] == 200 and value('GET', '/v1/map?kind=x')[0] == 400, 'kinds of map')
audit = value('GET', '/v1/audit?limit=1000')[1]
actions = [r['action'] for r in audit['rows']]
check(audit['faults'] == 0 and {'identify', 'enroll', 'rename', 'remove', 'remove-photo'} <= set(actions),
      f'audit: {set(actions)}')
check(all('Zo' not in json.dumps(r) for r in audit['rows']), 'a name that was removed is in the audit')
last = value('GET', f'/v1/audit?limit=2&before={audit["rows"][0]["number"]}')[1]['rows']
check([r['number'] for r in last] == [audit['rows'][0]['number'] - 1, audit['rows'][0]['number'] - 2], 'older rows')

# Jobs: a ZIP, with what does not belong in it; cancelled; many parts.
packed = io.BytesIO()
with zipfile.ZipFile(packed, 'w') as z:
    for p in one + two:
        z.writestr('all/job ' + '/'.join(p.split('/')[-2:]), photo[p])
    z.writestr('../../climber/a.jpg', photo[one[0]])
    z.writestr('/etc/rooted/a.jpg', photo[one[0]])  # a label as any other
    z.writestr('job person_0001/bad.jpg', b'no photo')
    z.writestr('nobody.jpg', photo[one[0]])
    z.writestr('.hidden/a.jpg', photo[one[0]])
status, job = value('POST', '/v1/jobs', packed.getvalue(), {'Content-Type': 'application/zip'})
check(status == 202, f'job: {status} {job}')
events = ask('GET', f'/v1/jobs/{job["job"]}/events', timeout=60)[2].decode()
states = [json.loads(e[6:]) for e in events.split('\n\n') if e.startswith('data: ')]
job = states[-1]
check(job['state'] == 'done' and job['enrolled'] == len(one + two) + 1 and job['done'] == job['photos'], f'job: {job}')
check(job['skipped'] == 2, f'job: {job["problems"]}')
check(value('GET', f'/v1/jobs/{job["job"]}')[1] == job, 'the job as the last event')
people = [p['person'] for p in value('GET', '/v1/people')[1]['people']]
check('job person_0001' in people and 'climber' not in people and 'rooted' in people, f'people: {people}')
body, headers = multipart([('p', f'{i}.jpg', photo[p]) for i, p in enumerate(list(photo) * 20)])
status, job = value('POST', '/v1/jobs?person=many&face=largest', body, headers)
check(value('DELETE', f'/v1/jobs/{job["job"]}')[0] == 200, 'cancel')
for _ in range(100):
    job = value('GET', f'/v1/jobs/{job["job"]}')[1]
    if job['state'] in ('cancelled', 'done', 'failed'):
        break
    time.sleep(0.1)
check(job['state'] == 'cancelled', f'cancelled: {job}')
status, answer = value('GET', '/v1/people/many')
check(len(answer['photos']) if status == 200 else 0 == job['enrolled'], 'what was enrolled before stays')
status, job = value('POST', '/v1/jobs', b'PK\x03\x04 no zip', {'Content-Type': 'application/zip'})
time.sleep(0.5)
job = value('GET', f'/v1/jobs/{job["job"]}')[1]
check(job['state'] == 'failed' and job['problem']['status'] in (400, 422), f'a broken ZIP: {job}')
check(value('GET', '/v1/jobs')[1]['jobs'][0]['job'] == job['job'] and value('GET', '/v1/jobs/99')[0] == 404, 'jobs')

# Every route that is described was asked and answered.
metrics = ask('GET', '/metrics')[2].decode()
check('likeness_requests_total{method="POST",route="/v1/identify",status="2xx"}' in metrics, 'metrics')
check('person_' not in metrics and 'Zo' not in metrics, 'a name in the metrics')
for path, item in SPEC['paths'].items():
    for method in item:
        check((method.upper(), path) in asked, f'{method.upper()} {path}: not tested')
end()
