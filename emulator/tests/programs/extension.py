"""A scripted extension: says on stdout, one JSON line each, what it sees.

Arguments: --events A,B; --subscribe TIMEOUT_MS; --schema VERSION; and the deeds --ignore-shutdown, --exit-on-invoke,
--hang-on-invoke, --exit-error-on-invoke, --refuse N (the listener answers 500 to the first N deliveries), --no-register,
--await-report (at SHUTDOWN, before it exits).
"""
import argparse, http.client, http.server, json, os, sys, threading, time

parser = argparse.ArgumentParser()
parser.add_argument("--name", default="extension")
parser.add_argument("--events", default="INVOKE,SHUTDOWN")
parser.add_argument("--subscribe", type=int)
parser.add_argument("--schema", default="2022-12-13")
parser.add_argument("--refuse", type=int, default=0)
for deed in ["ignore-shutdown", "exit-on-invoke", "hang-on-invoke", "exit-error-on-invoke", "no-register", "show-env", "late-subscribe", "await-report"]:
    parser.add_argument("--" + deed, action="store_true")
args = parser.parse_args()
api, _, prefix = os.environ["AWS_LAMBDA_RUNTIME_API"].partition("/")
prefix = "/" + prefix if prefix else ""
out_lock = threading.Lock()
reported = threading.Event()


def say(what, **more):
    with out_lock:
        print(json.dumps({"saw": what, **more}), flush=True)


def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(api)
    connection.request(method, prefix + path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


class Listener(http.server.BaseHTTPRequestHandler):
    refused = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if Listener.refused < args.refuse:
            Listener.refused += 1
            self.send_response(500)
        else:
            say("delivery", body=body.decode())
            if b"platform.report" in body:
                reported.set()
            self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def subscribe():
    body = {
        "schemaVersion": args.schema,
        "types": ["platform"],
        "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": args.subscribe},
        "destination": {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{server.server_port}/x"},
    }
    status, _, answer = call("PUT", "/2022-07-01/telemetry", json.dumps(body), Lambda_Extension_Identifier=identifier)
    say("subscribed", status=status, answer=answer.decode())


if args.show_env:
    say("env", names=sorted(os.environ))
if args.no_register:
    time.sleep(60)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
threading.Thread(target=server.serve_forever, daemon=True).start()
events = [event for event in args.events.split(",") if event]
status, headers, body = call(
    "POST", "/2020-01-01/extension/register", json.dumps({"events": events}), Lambda_Extension_Name=args.name
)
say("registered", status=status, answer=json.loads(body))
if status != 200:
    sys.exit(1)
identifier = headers["Lambda-Extension-Identifier"]
if args.subscribe:
    subscribe()
while True:
    status, headers, body = call("GET", "/2020-01-01/extension/event/next", Lambda_Extension_Identifier=identifier)
    event = json.loads(body)
    say("event", status=status, event=event)
    if event.get("eventType") == "INVOKE":
        if args.late_subscribe:
            args.subscribe = 25
            subscribe()
        if args.exit_on_invoke:
            sys.exit(0)
        if args.hang_on_invoke:
            time.sleep(60)
        if args.exit_error_on_invoke:
            status, _, _ = call(
                "POST",
                "/2020-01-01/extension/exit/error",
                "{}",
                Lambda_Extension_Identifier=identifier,
                Lambda_Extension_Function_Error_Type="Extension.Scripted",
            )
            say("exit/error", status=status)
            sys.exit(1)
    elif args.ignore_shutdown:
        time.sleep(60)
    else:
        if args.await_report:
            reported.wait(1.5)
        sys.exit(0)
