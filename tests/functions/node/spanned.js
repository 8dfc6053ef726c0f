// A function instrumented with OpenTelemetry's API alone. `handler` leaves it to AWS's distribution, which sets itself up when
// Node.js is started with it; `plain` sets up OpenTelemetry's own SDK with its exporter of JSON over HTTP, packed.
//
// The event says what to do: `endpoint` is where DynamoDB is, `raise` makes the handler throw.

const { DynamoDBClient, ListTablesCommand } = require("@aws-sdk/client-dynamodb");
const api = require("@opentelemetry/api");

function inSpan(name, options, work) {
  return api.trace.getTracer("orders").startActiveSpan(name, options, async (span) => {
    try {
      return await work();
    } catch (error) {
      span.recordException(error);
      span.setStatus({ code: api.SpanStatusCode.ERROR, message: error.message });
      throw error;
    } finally {
      span.end();
    }
  });
}

async function listTables(endpoint) {
  const client = new DynamoDBClient({
    endpoint,
    region: "eu-west-1",
    credentials: { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "secret" },
    maxAttempts: 1,
  });
  await client.send(new ListTablesCommand({}));
}

exports.handler = async (event) => {
  const attributes = { order: 7, customer: "büro", "aws.xray.annotations": ["order", "customer"] };
  return inSpan("take order", { attributes }, async () => {
    await inSpan("price", {}, async () => {});
    if (event.endpoint) await listTables(event.endpoint);
    if (event.raise) {
      await inSpan("charge", {}, async () => {
        throw new Error("card refused");
      });
    }
    return "taken";
  });
};

let plain;

exports.plain = async (event) => {
  plain ??= setUp();
  const carrier = { "x-amzn-trace-id": process.env._X_AMZN_TRACE_ID };
  const context = plain.propagator.extract(api.ROOT_CONTEXT, carrier, api.defaultTextMapGetter);
  try {
    return await api.context.with(context, () => exports.handler(event));
  } finally {
    // The sandbox is frozen after the response: what is not sent by then waits for the next invocation.
    await plain.provider.forceFlush();
  }
};

function setUp() {
  const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-http");
  const { AWSXRayPropagator } = require("@opentelemetry/propagator-aws-xray");
  const { BatchSpanProcessor, NodeTracerProvider } = require("@opentelemetry/sdk-trace-node");
  const exporter = new OTLPTraceExporter({ compression: "gzip" });
  const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
  provider.register();
  return { provider, propagator: new AWSXRayPropagator() };
}
