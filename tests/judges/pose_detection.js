// Runs npm's @tensorflow-models/pose-detection on pictures, with model files from the disk. Reads JSON from the standard
// input, and writes the poses of each picture as JSON. NODE_PATH names the folder node_modules.
const fs = require('fs');
const path = require('path');
const tf = require('@tensorflow/tfjs-core');
const wasm = require('@tensorflow/tfjs-backend-wasm');
require('@tensorflow/tfjs-backend-cpu');
const dist = '@tensorflow-models/pose-detection/dist/';
const detectors = {
  blazepose: () => require(dist + 'blazepose_tfjs/detector'),
  movenet: () => require(dist + 'movenet/detector'),
  posenet: () => require(dist + 'posenet/detector')};

// PoseNet's class takes the outputs in this order, and an input of any size; the file states another order and one size.
const ORDER = ['offset_2', 'heatmap_2', 'displacement_fwd_2', 'displacement_bwd_2'];

function forPosenet(model) {
  const outputs = Object.entries(model.signature.outputs);
  const place = ([name]) => ORDER.findIndex((word) => name.includes(word));
  model.signature.outputs = Object.fromEntries(outputs.sort((one, other) => place(one) - place(other)));
  const sizes = [{size: '1'}, {size: '-1'}, {size: '-1'}, {size: '3'}];
  const input = model.modelTopology.node.find(({op}) => op === 'Placeholder');
  input.attr.shape.shape.dim = sizes;
  for (const each of Object.values(model.signature.inputs)) each.tensorShape.dim = sizes;
}

// BlazePose's class takes the first output of the detector, and those of the landmarks by name.
function models(kind, files) {
  const change = kind === 'posenet' ? forPosenet : () => {};
  if (kind !== 'blazepose') return {modelUrl: handler(files[0], change)};
  return {detectorModelUrl: handler(files[0], change), landmarkModelUrl: handler(files[1], change)};
}

function handler(file, change) {
  const model = JSON.parse(fs.readFileSync(file));
  change(model);
  const weights = fs.readFileSync(file.replace('.json', '.bin'));
  return {load: async () => ({
    modelTopology: model.modelTopology,
    signature: model.signature,
    format: model.format,
    weightSpecs: model.weightsManifest.flatMap(({weights}) => weights),
    weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.length),
  })};
}

async function main() {
  const {kind, files, config, estimation, pictures} = JSON.parse(fs.readFileSync(0));
  wasm.setWasmPaths(path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')) + '/dist/');
  await tf.setBackend('wasm');
  const answers = [];
  for (const {height, width, rgb} of pictures) {
    // A detector for each picture: one that has seen a picture takes the next for the next frame of a video.
    const detector = await detectors[kind]().load({...config, ...models(kind, files)});
    const pixels = new Int32Array(Buffer.from(rgb, 'base64'));
    const poses = await detector.estimatePoses(tf.tensor3d(pixels, [height, width, 3], 'int32'), estimation);
    answers.push(poses.map(({score, keypoints}) => (
      {score, keypoints: keypoints.map(({x, y, score}) => [x, y, score])})));
  }
  process.stdout.write(JSON.stringify(answers));
}

main();
