// A function instrumented with the X-Ray SDK for Node.js. With threshold 0 every subsegment leaves
// on its own as soon as it is closed, before its parent.
//
// The event says what to do: `endpoint` is where DynamoDB is, `raise` makes the handler throw.

const { DynamoDBClient, ListTablesCommand } = require("@aws-sdk/client-dynamodb");
const AWSXRay = require("aws-xray-sdk-core");

AWSXRay.setStreamingThreshold(0);

function inSubsegment(name, work) {
  return AWSXRay.captureAsyncFunc(name, async (subsegment) => {
    try {
      return await work(subsegment);
    } catch (error) {
      subsegment.addError(error);
      throw error;
    } finally {
      if (!subsegment.isClosed()) subsegment.close();
    }
  });
}

async function listTables(endpoint) {
  const client = AWSXRay.captureAWSv3Client(
    new DynamoDBClient({
      endpoint,
      region: "eu-west-1",
      credentials: { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "secret" },
      maxAttempts: 1,
    }),
  );
  await client.send(new ListTablesCommand({}));
}

exports.handler = (event) =>
  inSubsegment("take order", async (order) => {
    order.addAnnotation("order", 7);
    order.addAnnotation("customer", "büro");
    order.addMetadata("basket", { items: ["tea", "cup"] }, "shop");
    await inSubsegment("price", async () => {});
    if (event.endpoint) await listTables(event.endpoint);
    if (event.raise) {
      await inSubsegment("charge", async () => {
        throw new Error("card refused");
      });
    }
    return "taken";
  });
