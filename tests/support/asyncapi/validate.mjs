// Validates an AsyncAPI document with AsyncAPI's own parser, Avro payloads included: node validate.mjs DOCUMENT
import { Parser, fromFile } from '@asyncapi/parser';
import { AvroSchemaParser } from '@asyncapi/avro-schema-parser';

const parser = new Parser();
parser.registerSchemaParser(AvroSchemaParser());
const { document, diagnostics } = await fromFile(parser, process.argv[2]).parse();
const messages = document ? document.allMessages().all().map((message) => message.id()) : [];
const payloads = document ? document.allMessages().all().filter((message) => message.hasPayload() && message.payload().properties()).map((message) => message.id()) : [];
console.log(JSON.stringify({ valid: Boolean(document), messages, payloads, diagnostics }));
