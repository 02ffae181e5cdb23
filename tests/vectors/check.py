#!/usr/bin/env python3
"""Recomputes every vector of envelope-v1.json without any of regcred's code.

Needs Python 3.9 or newer and `pip install cryptography` (46 or newer). Exits with 1 if a vector is wrong.
"""

import hashlib
import hmac
import json
import pathlib
import struct
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def u32(number):
    return struct.pack(">I", number)


def field(content):
    return u32(len(content)) + content


def derive(key, salt, info):
    return HKDF(algorithm=SHA512(), length=32, salt=salt, info=info).derive(key)


def mac(key, label, message):
    return hmac.new(derive(key, None, label), message, hashlib.sha256).digest()


def login(server, username):
    return field(server) + (b"\0" + field(b"") if username is None else b"\1" + field(username))


def vouched(ca_certificates):
    return b"" if ca_certificates is None else field(hashlib.sha256(ca_certificates).digest())


def associated_data(purpose, header, deployment, scope, object_id, version, name, server, username, ca_certificates):
    login_hash = hashlib.sha256(login(server, username) + vouched(ca_certificates)).digest()
    parts = [purpose, header, deployment, scope, object_id, u32(version), name, login_hash]
    return b"".join(field(part) for part in parts)


def header(key_id, key_version):
    return b"\1\1\0\0" + u32(key_version) + key_id


def seal(key, head, bound_to, salt, nonce, content):
    place = b"\1" + hashlib.sha256(bound_to).digest()
    cipher_key = derive(key, salt, b"regcred/v1/envelope/key" + place)
    commitment = derive(key, salt, b"regcred/v1/envelope/commitment" + place)
    plaintext = field(content)
    plaintext += bytes(max(256, -(-len(plaintext) // 64) * 64) - len(plaintext))
    return head + salt + commitment + nonce + AESGCM(cipher_key).encrypt(nonce, plaintext, bound_to)


def sealed_password(v):
    head = header(v["key_id"], v["key_version"])
    bound_to = associated_data(b"credential", head, v["deployment"], v["scope"], v["credential"], v["password_version"],
                               b"password", v["server"], v["username"], v["ca_certificates"])
    envelope = seal(v["key"], head, bound_to, v["salt"], v["nonce"], v["password"])
    return {"associated_data": bound_to, "envelope": envelope}


def wrapped_key(v):
    head = header(v["master_key_id"], 1)
    scope = bytes(16) if v["scope"] is None else v["scope"]
    bound_to = associated_data(b"data-key", head, v["deployment"], scope, v["data_key_id"], v["data_key_version"], b"key",
                               b"", None, None)
    envelope = seal(v["master_key"], head, bound_to, v["salt"], v["nonce"], v["data_key"])
    return {"associated_data": bound_to, "envelope": envelope}


def fingerprint(v):
    message = login(v["server"], v["username"]) + field(v["password"])
    return {"fingerprint": mac(v["key"], b"regcred/v1/fingerprint", message)[:16]}


def token_mac(v):
    return {"mac": mac(v["key"], b"regcred/v1/token", v["token"])}


def check_value(v):
    return {"check_value": mac(v["master_key"], b"regcred/v1/check-value", v["deployment"] + v["master_key_id"])}


def passphrase(v):
    argon2 = Argon2id(salt=v["salt"], length=32, iterations=3, lanes=1, memory_cost=256 * 1024)
    return {"master_key": argon2.derive(v["passphrase"])}


KINDS = {
    "sealed_passwords": sealed_password,
    "wrapped_keys": wrapped_key,
    "fingerprints": fingerprint,
    "token_macs": token_mac,
    "check_values": check_value,
    "passphrases": passphrase,
}


def decoded(vector):
    return {name: bytes.fromhex(value) if isinstance(value, str) and name != "name" else value
            for name, value in vector.items()}


def main():
    path = pathlib.Path(__file__).with_name("envelope-v1.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    wrong = count = 0
    for kind, compute in KINDS.items():
        for vector in document[kind]:
            count += 1
            given = decoded(vector)
            for name, expected in compute(given).items():
                if given[name] != expected:
                    wrong += 1
                    print(f"{kind}: {vector['name']}: {name} is wrong")
    print(f"{count} vectors, {wrong} wrong values")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main())
