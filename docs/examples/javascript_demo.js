// Batch normalisation in plain JavaScript: an adapter that is no Python and speaks the protocol itself.
// conformance run docs/examples/javascript_demo.js --python node
const fs = require("node:fs"), path = require("node:path"), readline = require("node:readline");
const mapped = (object, f) => Object.fromEntries(Object.entries(object).map(([name, value]) => [name, f(value)]));
const decode = ([, , text]) => new Float32Array(Uint8Array.from(Buffer.from(text, "base64")).buffer);
const encode = (values, shape) => ["float32", shape, Buffer.from(values.buffer).toString("base64")];
const state = (layer) => mapped(layer.values, (values) => encode(values, [values.length]));
const assign = (layer, arrays) => void Object.assign(layer.values, mapped(arrays, decode));
const VERBS = {  // what may come with a verb, and what it does; all else is unsupported
  train: ["data", (layer, {data}) => pass(layer, data, true)],
  predict: ["data", (layer, {data}) => pass(layer, data, false)],
  call: ["data training", (layer, {data, training}) => pass(layer, data, training)],
  set: ["values", (layer, {values}) => assign(layer, values)],
  freeze: ["of recompile", (layer) => void (layer.trainable = false)],
  unfreeze: ["of recompile", (layer) => void (layer.trainable = true)],
  save: ["name", (layer, {name}) => fs.writeFileSync(path.join(layer.folder, name), JSON.stringify(state(layer)))],
  restore: ["name into", (layer, {name, into}) => {
    if (into === "fresh") Object.assign(layer, birth({...layer.settings, variables: {}}, layer.folder));
    assign(layer, JSON.parse(fs.readFileSync(path.join(layer.folder, name))));
  }],
};
function birth(settings, folder) {
  const {features, scale, center, variables} = settings, filled = (start) => new Float32Array(features).fill(start);
  const starts = {moving_mean: 0, moving_variance: 1, ...(scale && {gamma: 1}), ...(center && {beta: 0})};
  return {...settings, settings, folder, values: {...mapped(starts, filled), ...mapped(variables, decode)}};
}
function pass({values, features: c, momentum, epsilon, ...layer}, data, asked) {  // element i is of channel i % c
  const x = decode(data), rows = x.length / c, {gamma, beta} = values;
  let {moving_mean: mean, moving_variance: variance} = values;
  if ((layer.training ?? asked) && layer.trainable && rows) {
    const average = (f) => x.reduce((sums, v, i) => (sums[i % c] += f(v, i % c) / rows, sums), new Float64Array(c));
    const move = (name, fed) => (values[name] = values[name].map((v, k) => momentum * v + (1 - momentum) * fed[k]));
    move("moving_mean", mean = average((v) => v));
    move("moving_variance", variance = average((v, k) => (v - mean[k]) ** 2));
  }
  const normal = (v, k) => (v - mean[k]) / Math.sqrt(variance[k] + epsilon) * (gamma?.[k] ?? 1) + (beta?.[k] ?? 0);
  return {output: encode(x.map((v, i) => normal(v, i % c)), data[1])};
}
function observe(layer, {verb, ...named}, data) {
  const [takes, perform] = VERBS[verb] ?? [""];
  const odd = Object.keys(named).find((name) => !takes.split(" ").includes(name));
  if (odd) return {unsupported: `${verb} with ${odd}`, quantities: {}};
  try { return {quantities: {...perform(layer, {...named, data: data[named.data]}), ...state(layer)}}; }
  catch (error) { return {raised: [error.name, error.message], quantities: state(layer)}; }
}
function answer({id, layer: settings, data, steps}, folder) {
  if (settings?.dtype !== "float32" || !settings.track) return {id, steps: [], unsupported: "no such model here"};
  const layer = birth(settings, folder), seen = [];
  for (const step of steps) if (seen.push(observe(layer, step, data)) && seen.at(-1).unsupported) break;
  return {id, steps: seen};
}
const say = (line) => console.log(JSON.stringify(line));
let folder;  // named by the first line that comes in
say({ready: {framework: "node", version: process.versions.node, modes: {plain: {}}, dialect: {}}});
readline.createInterface({input: process.stdin}).on("line", (line) => {
  const request = JSON.parse(line);
  if (folder) return say(answer(request, folder));
  if (request.device !== "cpu") throw new Error(`there is no ${request.device} here`);
  folder = request.workdir;
});
