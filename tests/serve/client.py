"""client.py: what the tests of the service share: requests, and answers held against docs/openapi.json.

No package of Python's is needed: of JSON Schema this knows what openapi.json uses, and says so where it meets more.
"""
import http.client
import json
import os
import sys
import urllib.parse

PORT = int(os.environ['PORT'])
SPEC = json.load(open(os.path.join(os.environ['LK_SOURCE'], 'docs', 'openapi.json')))
failures = []
asked = set()  # (method, path) of the description


def check(good, what):
    if not good:
        failures.append(what)
        print('FAILED:', what)
    return good


def end():
    print(len(failures), 'failures')
    sys.exit(1 if failures else 0)


KNOWN = {'type', 'properties', 'required', 'additionalProperties', 'items', 'oneOf', 'enum', '$ref', 'description',
         'format'}
TYPES = {'object': dict, 'array': list, 'string': str, 'boolean': bool, 'null': type(None)}


def is_type(value, name):
    if name in ('number', 'integer'):
        return isinstance(value, int if name == 'integer' else (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def faults(value, schema, where='$'):
    """What of the value is not as the schema says."""
    assert not set(schema) - KNOWN, f'unknown words of JSON Schema: {set(schema) - KNOWN}'
    if '$ref' in schema:
        return faults(value, SPEC['components']['schemas'][schema['$ref'].rsplit('/', 1)[1]], where)
    if 'oneOf' in schema:
        good = [s for s in schema['oneOf'] if not faults(value, s, where)]
        return [] if len(good) == 1 else [f'{where}: is {len(good)} of what it may be']
    names = schema.get('type', list(TYPES) + ['number'])
    names = [names] if isinstance(names, str) else names
    if not any(is_type(value, n) for n in names):
        return [f'{where}: {value!r:.60} is not {names}']
    found = []
    if 'enum' in schema and value not in schema['enum']:
        found.append(f'{where}: {value!r:.60} is none of {schema["enum"]}')
    if isinstance(value, dict):
        known = schema.get('properties', {})
        found += [f'{where}: lacks {k}' for k in schema.get('required', []) if k not in value]
        if schema.get('additionalProperties') is False:
            found += [f'{where}: {k} is not described' for k in value if k not in known]
        for k, v in value.items():
            if k in known:
                found += faults(v, known[k], f'{where}.{k}')
    if isinstance(value, list) and 'items' in schema:
        for i, v in enumerate(value):
            found += faults(v, schema['items'], f'{where}[{i}]')
    return found


def described(method, path):
    """The description's path and operation that a path is of."""
    parts = path.split('?')[0].split('/')
    for pattern, item in SPEC['paths'].items():
        pieces = pattern.split('/')
        if len(pieces) == len(parts) and method.lower() in item and all(
                a == b or (a.startswith('{') and b) for a, b in zip(pieces, parts)):
            return pattern, item[method.lower()]
    return None, None


def ask(method, path, body=None, headers=None, host='127.0.0.1', own=True, timeout=30, port=None):
    """status, headers, bytes; the answer is held against the description."""
    h = {'Host': f'{host}:{port or PORT}', **({'X-Likeness': '1'} if own else {}), **(headers or {})}
    connection = http.client.HTTPConnection('127.0.0.1', port or PORT, timeout=timeout)
    connection.request(method, path, body=body, headers=h)
    response = connection.getresponse()
    data = response.read()
    connection.close()
    pattern, operation = described('GET' if method == 'HEAD' else method, path)
    kind = (response.getheader('Content-Type') or '').split(';')[0]
    if response.status >= 400:
        check(kind == 'application/problem+json', f'{method} {path}: {response.status} as {kind}')
        if method != 'HEAD':
            p = json.loads(data)
            check(not faults(p, SPEC['components']['schemas']['Problem']), f'{method} {path}: {p}')
            check(p['status'] == response.status, f'{method} {path}: says {p["status"]}, is {response.status}')
    elif check(operation is not None, f'{method} {path}: answers {response.status} and is not described'):
        asked.add((method, pattern))
        content = operation['responses'].get(str(response.status), {}).get('content')
        if check(content is not None, f'{method} {path}: {response.status} is not described') and check(
                kind in content, f'{method} {path}: {kind} is not described') and kind == 'application/json' and data:
            for fault in faults(json.loads(data), content[kind]['schema'])[:5]:
                check(False, f'{method} {path}: {fault}')
    return response.status, response.headers, data


def value(method, path, body=None, headers=None, **more):
    """status and JSON."""
    status, _, data = ask(method, path, body, headers, **more)
    return status, json.loads(data)


def multipart(parts, boundary='xxBOUNDARYxx'):
    """parts: (name, file name, bytes) -> body, headers"""
    body = b''.join(b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%s\r\n' % (
        boundary.encode(), n.encode(), f.encode(), b) for n, f, b in parts) + b'--%s--\r\n' % boundary.encode()
    return body, {'Content-Type': f'multipart/form-data; boundary={boundary}'}


def quote(name):
    return urllib.parse.quote(name, safe='')
