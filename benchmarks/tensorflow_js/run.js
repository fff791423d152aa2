// Runs a graph model of TensorFlow.js with its cpu backend; record_outputs.py starts it.
//
// Standard input has a job in JSON: the model.json, the outputs, and for each image the files with its inputs. Each
// output is written to a file as 32-bit floats; standard output gets the shapes and the version.
"use strict";

const fs = require("fs");
const path = require("path");
const tf = require("@tensorflow/tfjs-core");
require("@tensorflow/tfjs-backend-cpu");
const { loadGraphModel } = require("@tensorflow/tfjs-converter");

function contentOf(file) {
  const bytes = fs.readFileSync(file);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

function loadModel(file) {
  const model = JSON.parse(fs.readFileSync(file));
  const groups = model.weightsManifest;
  const shards = groups.flatMap((group) => group.paths).map((name) => path.join(path.dirname(file), name));
  const weights = Buffer.concat(shards.map((shard) => Buffer.from(contentOf(shard))));
  const artifacts = {
    format: model.format,
    modelTopology: model.modelTopology,
    signature: model.signature,
    weightSpecs: groups.flatMap((group) => group.weights),
    weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.byteLength),
  };
  return loadGraphModel({ load: async () => artifacts });
}

function tensorOf(input) {
  const values = input.dtype === "int32" ? new Int32Array(contentOf(input.file)) : new Float32Array(contentOf(input.file));
  return tf.tensor(values, input.shape, input.dtype);
}

async function main() {
  await tf.setBackend("cpu");
  const job = JSON.parse(fs.readFileSync(0));
  const model = await loadModel(job.model);
  const shapes = [];
  for (const image of job.images) {
    const feed = Object.fromEntries(image.inputs.map((input) => [input.name, tensorOf(input)]));
    const outputs = [].concat(model.execute(feed, job.outputs));
    outputs.forEach((output, index) => {
      fs.writeFileSync(path.join(image.folder, `${index}`), Buffer.from(Float32Array.from(output.dataSync()).buffer));
    });
    shapes.push(outputs.map((output) => output.shape));
  }
  console.log(JSON.stringify({ version: tf.version_core, shapes }));
}

main();
