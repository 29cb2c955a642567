#!/usr/bin/env python3
"""One Redis as a system of ordeal, over docs/exec-protocol.md:  ordeal run --system 'exec:examples/redis/redis.py' --nodes 1 --faults kill:one

Arguments are options of redis-server; without any, every write is synced before it is answered (appendfsync always)."""
import json, os, shutil, signal, socket, subprocess, sys, tempfile, threading

SWAP = """local v = redis.call('GET', KEYS[1])
if (v == false and ARGV[1] == '') or v == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) end
return v"""
options = sys.argv[1:] or ["--appendonly", "yes", "--appendfsync", "always"]
folder = tempfile.mkdtemp(prefix="redis-")
nodes, clients, writing = {}, {}, threading.Lock()  # node -> process or None, client -> Client


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


port = free_port()


class Refused(Exception):
    """The request surely had no effect."""


class Client:
    """A connection, made anew after each failure. It is used by one thread at a time."""
    file = None

    def ask(self, timeout, *words):
        if self.file is None:
            try:
                s = socket.create_connection(("127.0.0.1", port), timeout)
            except OSError as e:
                raise Refused(f"no connection: {e}")  # nothing was sent
            self.socket, self.file = s, s.makefile("rb")
        try:
            self.socket.settimeout(timeout)
            text = b"*%d\r\n" % len(words)
            for w in words:
                text += b"$%d\r\n%s\r\n" % (len(w.encode()), w.encode())
            self.socket.sendall(text)
            return self.reply()
        except Exception:
            self.close()
            raise

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise OSError("the connection broke")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            if rest.startswith("LOADING"):  # it reads its data and does nothing yet
                raise Refused(rest)
            raise OSError(rest)
        if kind == b"$" and rest != "-1":
            return self.file.read(int(rest) + 2)[:-2].decode()
        return None if kind == b"$" else rest

    def close(self):
        if self.file is not None:
            self.file.close()
            self.socket.close()
            self.file = None


def invoke(client, op, timeout):
    f, key, value = op["f"], op["key"], op.get("value")
    text = lambda v: "" if v is None else json.dumps(v)
    try:
        if f == "put":
            client.ask(timeout, "SET", key, text(value))
            return {"type": "ok"}
        v = client.ask(timeout, "GET", key) if f == "get" else client.ask(timeout, "EVAL", SWAP, "1", key, text(value[0]), text(value[1]))
        return {"type": "ok", "value": None if v is None else json.loads(v)}
    except Refused as e:
        return {"type": "fail", "error": str(e)}
    except Exception as e:
        return {"type": "info", "error": str(e) or type(e).__name__}


def do(q):
    what, node = q["do"], q.get("node")
    if what == "hello":
        return {"protocol": 1, "name": "redis " + " ".join(options), "abilities": {"pause": True}}
    if what == "setup" and len(q["nodes"]) != 1:
        return {"error": "this is one Redis by itself: use --nodes 1"}
    if what == "start":
        nodes[node] = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""] + options, stdout=sys.stderr)
    if what in ("kill", "pause", "resume"):
        nodes[node].send_signal({"kill": signal.SIGKILL, "pause": signal.SIGSTOP, "resume": signal.SIGCONT}[what])
        if what == "kill":
            nodes[node].wait()
    if what == "state":
        p = nodes.get(node)
        if p is None or p.poll() is not None:
            return {"running": False}
        state = open(f"/proc/{p.pid}/stat").read().rsplit(")", 1)[1].split()[0]
        return {"running": True, "paused": state == "T", "pid": p.pid}
    if what == "open":
        clients[q["client"]] = Client()
    if what == "invoke":
        return invoke(clients[q["client"]], q["op"], q["timeout_ms"] / 1000)
    if what == "close":
        clients.pop(q["client"]).close()
    if what == "teardown":
        end()
    return {}


def end():
    for p in nodes.values():
        p.kill()
        p.wait()
    shutil.rmtree(folder, ignore_errors=True)


def answer(q):
    try:
        a = do(q)
    except Exception as e:
        a = {"error": f"{type(e).__name__}: {e}"}
    with writing:
        print(json.dumps({"id": q["id"], **a}), flush=True)


for line in sys.stdin:
    threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()
end()
