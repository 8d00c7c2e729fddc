// The report: unpacked once; every view waits for it.
const TONES = {}, GLYPHS = {}, RED = new Set();
let report = null;

async function inflated(text) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let place = 0; place < raw.length; place++) bytes[place] = raw.charCodeAt(place);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
}

const unpacked = async (id) => JSON.parse(await inflated($(id).textContent));

async function unpack() {
  report = await unpacked("#data");
  for (const [verdict, glyph, tone, red] of report.verdicts) {
    GLYPHS[verdict] = glyph;
    TONES[verdict] = tone;
    if (red) RED.add(verdict);
  }
  report.byId = new Map();
  report.byName = new Map(report.targets.map((target, place) => [target.name, Object.assign(target, {place})]));
  report.cases.forEach((one, place) => {
    one.place = place;
    one.results = one.results.map((result) => result && cell(one, result));
    report.byId.set(one.id, one);
  });
  for (const one of report.cases) for (const old of one.formerly) if (!report.byId.has(old)) report.byId.set(old, one);
}

function cell(one, [verdict, letter, error, why, table, script]) {
  return {verdict: report.verdicts[verdict][0], letter, error, why: one.whys[why] || "", table, script};
}

// The numbers of every step are most of the report: they are unpacked when somebody comes to look at them.
function loadTables() {
  report.loading ??= unpacked("#tables").then((tables) => report.cases.forEach((one, place) => { [one.tables, one.scripts] = tables[place]; }));
  return report.loading;
}

// What is drawn from the numbers, or a place that it takes once they are there.
function fromTables(one, draw) {
  if (one.tables) return draw();
  const place = h("p", {class: "muted"}, "Unpacking the numbers …");
  loadTables().then(() => place.replaceWith(...[draw()].flat(Infinity)));
  return place;
}

// The classes of a case among some targets: [letter, [target, ...]] by letter.
function classes(one, targets = report.targets) {
  const found = new Map();
  for (const target of targets) {
    const result = one.results[target.place];
    if (!result || !result.letter) continue;
    if (!found.has(result.letter)) found.set(result.letter, []);
    found.get(result.letter).push(target);
  }
  return [...found].sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1));
}

// How many classes of behaviour a case has among some targets.
function ways(one, targets) {
  const letters = new Set();
  for (const {place} of targets) letters.add(one.results[place]?.letter || "");
  letters.delete("");
  return letters.size;
}

// The declared conventions in which two targets differ: [knob, here, there].
function apart(here, there) {
  return Object.keys(report.standard)
    .filter((knob) => here.dialect[knob] !== there.dialect[knob])
    .map((knob) => [knob, here.dialect[knob], there.dialect[knob]]);
}

// The conventions that show in a case in which two targets differ.
const shown = (one, ...targets) => new Set(targets.flatMap(({place}) => one.knobs[one.results[place].letter] || []));

// Why two targets differ in a case: conventions that show in it, or else what was said of the one that departs.
function reason(one, here, there) {
  const results = [one.results[here.place], one.results[there.place]];
  const shows = shown(one, here, there);
  const knobs = apart(here, there).filter(([knob]) => shows.has(knob));
  const red = results.filter((result) => result.verdict !== "conforms" && result.why);
  if (knobs.length) return knobs.map(([knob, a, b]) => h("div", null, h("code", null, knob), `: ${a}, not ${b}`));
  if (red.length) return red.map((result) => h("div", null, linked(result.why)));
  return "several conventions at once";
}

const about = (target) => target.about.length
  ? `not run: this mode is only about ${target.about.join(", ")}` : "not run";
const repro = (one, target) => `conformance run ${target.adapter} --mode ${target.mode} --case ${one.id}`;
