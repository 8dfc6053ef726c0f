"""A scripted runtime client: does what the event's "do" says, and answers with what it was given."""
import http.client, json, os, signal, sys, threading, time

api, _, prefix = os.environ["AWS_LAMBDA_RUNTIME_API"].partition("/")
prefix = "/" + prefix if prefix else ""
base = prefix + "/2018-06-01/runtime/"
calls = 0


def call(method, path, body=None, headers={}):
    connection = http.client.HTTPConnection(api)
    connection.request(method, base + path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def stream(request_id, failing):
    connection = http.client.HTTPConnection(api)
    connection.putrequest("POST", f"{base}invocation/{request_id}/response")
    connection.putheader("Lambda-Runtime-Function-Response-Mode", "streaming")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.putheader("Trailer", "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body")
    connection.endheaders()
    connection.send(b'5\r\n"one \r\n')
    time.sleep(0.2)
    connection.send(b'4\r\ntwo"\r\n0\r\n')
    if failing:
        connection.send(b"Lambda-Runtime-Function-Error-Type: Scripted.Error\r\n")
        connection.send(b"Lambda-Runtime-Function-Error-Body: eyJhIjoxfQ==\r\n")
    connection.send(b"\r\n")
    return connection.getresponse().read()


def serve():
    global calls
    while True:
        status, headers, body = call("GET", "invocation/next")
        if status != 200:
            sys.exit(f"next answered {status} {body}")
        calls += 1
        request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        event = json.loads(body)
        do = event.get("do") if isinstance(event, dict) else None
        seconds = event.get("seconds", 0) if isinstance(event, dict) else 0
        time.sleep(seconds)
        if do == "hang":
            time.sleep(60)
        if do == "fill":
            filled = b"x" * (event["mb"] * 1024 * 1024)
        if do == "exit":
            os._exit(event.get("code", 1))
        if do == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if do == "raise":
            error = {"errorMessage": "scripted", "errorType": "ValueError", "stackTrace": []}
            call("POST", f"invocation/{request_id}/error", json.dumps(error), {"Lambda-Runtime-Function-Error-Type": "ValueError"})
            continue
        if do in ("stream", "stream-error"):
            stream(request_id, do == "stream-error")
            continue
        print("handling", request_id, flush=True)
        answer = {
            "event": event,
            "call": calls,
            "pid": os.getpid(),
            "headers": {k.lower(): v for k, v in headers.items() if k.lower().startswith("lambda-")},
            "env": {k: v for k, v in os.environ.items() if k.startswith(("AWS_", "_", "LAMBDA_", "TMPDIR"))},
        }
        if do == "big":
            answer = "x" * (7 * 1024 * 1024)
        call("POST", f"invocation/{request_id}/response", json.dumps(answer))


if os.environ.get("SCRIPT_INIT") == "fail":
    call("POST", "init/error", json.dumps({"errorMessage": "no module", "errorType": "Runtime.ImportModuleError"}))
    sys.exit(1)
if os.environ.get("SCRIPT_INIT") == "slow once" and not os.path.exists(os.environ["SCRIPT_MARK"]):
    open(os.environ["SCRIPT_MARK"], "w").close()
    time.sleep(60)
if os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"] == "snap-start":
    call("GET", "restore/next")
    if os.environ.get("SCRIPT_RESTORE") == "fail":
        call("POST", "restore/error", json.dumps({"errorMessage": "hook", "errorType": "Runtime.AfterRestoreError"}))
        sys.exit(1)
    print("restored", flush=True)
for _ in range(int(os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY", "1")) - 1):
    threading.Thread(target=serve, daemon=True).start()
serve()
