"""A client with python3-websockets, for peers.test.mjs; argv are a JSON object and the CA's file.

It says "ready" when its session is established and what it sent was taken; at the end it prints
what it saw, as JSON.
"""
import asyncio
import json
import ssl
import sys

import websockets


def options(job, ca):
    return {
        "ssl": ssl.create_default_context(cafile=ca) if job["url"].startswith("wss:") else None,
        "compression": "deflate" if job["deflate"] else None,
        "max_size": 1 << 20,
        "ping_interval": None,  # the server's pings are to be seen
    }


async def stay(job, ca):
    """Reads events until one says "done"."""
    seen = {"contents": []}
    async with websockets.connect(job["url"], **options(job, ca)) as ws:
        seen["extensions"] = ws.response_headers.get("Sec-WebSocket-Extensions", "")
        first = json.loads(await ws.recv())
        seen["first"] = first["Headers"]["x-amz-chime-event-type"]
        await ws.send("heartbeat κόσμε")
        await ws.send(["in ", "three ", "parts"])
        await ws.send(b"\xff" * 4096)
        await asyncio.wait_for(await ws.ping(b"asked"), 10)
        print("ready", flush=True)
        while "done" not in seen["contents"]:
            event = json.loads(await ws.recv())
            seen["contents"].append(json.loads(event["Payload"])["Content"])
        await ws.close(1000, "bye")
    seen["code"] = ws.close_code
    return seen


async def leave(job, ca):
    """Says too much, if that is the job, and tells how the server closes."""
    async with websockets.connect(job["url"], **options(job, ca)) as ws:
        try:
            if job["says"]:
                await ws.send("*" * job["says"])
            while True:
                await ws.recv()
        except websockets.ConnectionClosed:
            return {"code": ws.close_code, "reason": ws.close_reason}


job = json.loads(sys.argv[1])
work = stay(job, sys.argv[2]) if "says" not in job else leave(job, sys.argv[2])
print(json.dumps(asyncio.run(asyncio.wait_for(work, 60))), flush=True)
