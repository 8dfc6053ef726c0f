// A Lambda runtime client in plain Node.js: aws-lambda-ric compiles native code for minutes.
//
// Like AWS's own it runs one invocation after another and puts the trace header of each into
// _X_AMZN_TRACE_ID before the handler is called.
//
//     node runtime.mjs <file>.<function>

import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const api = new URL(`http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/`);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, target, headers, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(new URL(target, api), { method, agent, headers }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ response, body: Buffer.concat(parts).toString() }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

function answer(target, headers, value) {
  const body = JSON.stringify(value ?? null);
  const type = { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) };
  return call("POST", target, { ...type, ...headers }, body);
}

function describe(error) {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  return { errorType: name, errorMessage: message, stackTrace: stack.split("\n").slice(1).map((line) => line.trim()) };
}

function load() {
  const [file, name] = process.argv[2].split(/\.(?=[^.]*$)/);
  return createRequire(import.meta.url)(path.resolve(file))[name];
}

const functionName = process.env.AWS_LAMBDA_FUNCTION_NAME;
let handler;
try {
  handler = load();
} catch (error) {
  await answer("init/error", { "Lambda-Runtime-Function-Error-Type": "Runtime.ImportModuleError" }, describe(error));
  process.exit(1);
}

for (;;) {
  const { response, body } = await call("GET", "invocation/next");
  const id = response.headers["lambda-runtime-aws-request-id"];
  const trace = response.headers["lambda-runtime-trace-id"];
  if (trace) process.env._X_AMZN_TRACE_ID = trace;
  else delete process.env._X_AMZN_TRACE_ID;
  const invokedFunctionArn = response.headers["lambda-runtime-invoked-function-arn"];
  try {
    const context = { awsRequestId: id, functionName, invokedFunctionArn };
    const value = await handler(JSON.parse(body), context);
    await answer(`invocation/${id}/response`, {}, value);
  } catch (error) {
    const headers = { "Lambda-Runtime-Function-Error-Type": "Unhandled" };
    await answer(`invocation/${id}/error`, headers, describe(error));
  }
}
