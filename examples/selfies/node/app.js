// Likes a selfie: counts up how often the person's picture was liked.
//
// Instrumented with the X-Ray SDK for Node.js; nothing in here knows of Fluoroscope.

"use strict";

const { DynamoDBClient, UpdateItemCommand } = require("@aws-sdk/client-dynamodb");
const AWSXRay = require("aws-xray-sdk-core");

const TABLE = process.env.SELFIES_TABLE;

const dynamodb = AWSXRay.captureAWSv3Client(new DynamoDBClient({ maxAttempts: 1 }));

exports.handler = ({ person = "nobody", eyes = "open" }) =>
  AWSXRay.captureAsyncFunc("like selfie", async (selfie) => {
    try {
      selfie.addAnnotation("person", person);
      const likes = await countUp(person);
      selfie.addMetadata("likes", likes, "selfies");
      if (eyes === "closed") throw new Error(`nobody likes ${person} asleep`);
      return { person, likes };
    } catch (error) {
      selfie.addError(error);
      throw error;
    } finally {
      selfie.close();
    }
  });

async function countUp(person) {
  const update = new UpdateItemCommand({
    TableName: TABLE,
    Key: { person: { S: person } },
    UpdateExpression: "ADD likes :one",
    ExpressionAttributeValues: { ":one": { N: "1" } },
    ReturnValues: "UPDATED_NEW",
  });
  const { Attributes } = await dynamodb.send(update);
  return Number(Attributes.likes.N);
}
