#!/usr/bin/env python3
"""In place of a browser: answers every call on descriptor 3 with what it was asked, on descriptor 4."""

import json
import os
import sys

held = b""
while data := os.read(3, 65536):
    held += data
    *calls, held = held.split(b"\0")
    for call in filter(None, calls):
        asked = json.loads(call)
        if asked["method"] == "Browser.close":
            sys.exit(7)
        answer = {
            "id": asked["id"],
            "result": {"method": asked["method"], "arguments": sys.argv[1:]},
        }
        os.write(4, json.dumps(answer).encode() + b"\0")
