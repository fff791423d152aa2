// Reads maps as JSON, decodes them with npm's @tensorflow-models/posenet 2.2.2 on TensorFlow.js' cpu backend, and
// writes the poses, and the milliseconds of each turn, as JSON. NODE_PATH names the folder node_modules.
const tf = require('@tensorflow/tfjs-core');
require('@tensorflow/tfjs-backend-cpu');
const published = '@tensorflow-models/posenet/dist/';
const {decodeMultiplePoses} = require(published + 'multi_pose/decode_multiple_poses');
const {decodeSinglePose} = require(published + 'single_pose/decode_single_pose');

const STRIDE = 16;

function tensor(text, size, channels) {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  return tf.tensor3d(new Float32Array(bytes.buffer), [...size, channels]);
}

async function timed(turns, decode) {
  const times = [];
  let result;
  for (let turn = 0; turn < turns; turn++) {
    const start = process.hrtime.bigint();
    result = await decode();
    times.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
  return [result, times];
}

const flat = ({score, keypoints}) => (
  {score, keypoints: keypoints.map(({position, score}) => [position.x, position.y, score])});

async function main() {
  await tf.setBackend('cpu');
  const turns = Number(process.argv[2]);
  const answers = [];
  for (const maps of JSON.parse(require('fs').readFileSync(0))) {
    const logits = tensor(maps.heatmaps, maps.size, 17);
    const offsets = tensor(maps.offsets, maps.size, 34);
    const forward = tensor(maps.displacements_fwd, maps.size, 32);
    const backward = tensor(maps.displacements_bwd, maps.size, 32);
    const [poses, ms] = await timed(turns, async () => {
      const tensors = [tf.sigmoid(logits), offsets, forward, backward];
      const buffers = await Promise.all(tensors.map((one) => one.buffer()));
      return decodeMultiplePoses(
          ...buffers, STRIDE, maps.max_people, maps.min_keypoint_score, maps.nms_radius);
    });
    const [single, singleMs] = await timed(
        turns, () => decodeSinglePose(tf.sigmoid(logits), offsets, STRIDE));
    answers.push({poses: poses.map(flat), single: flat(single), ms, singleMs});
  }
  console.log(JSON.stringify(answers));
}

main();
