// The filter: terms that must all hold. A term about results looks at the targets that are shown.
const KEYS = ["status", "target", "tag", "case", "is", "knob", "change"];
const KINDS = ["different", "same", "question"];

function parse(text) {
  return [...text.matchAll(/(-?)(?:([a-z]+):)?(?:"([^"]*)"?|(\S+))/gi)].map(([whole, minus, key, quoted, bare]) => {
    const word = quoted ?? bare;
    if (key && !KEYS.includes(key.toLowerCase())) return {not: !!minus, key: "", word: whole.replace(/^-/, "")};
    return {not: !!minus, key: (key || "").toLowerCase(), word};
  }).filter((term) => term.word);
}

// What is wrong with a term, in words; empty when nothing is.
function complaint({key, word}) {
  const lower = word.toLowerCase();
  const known = {
    status: ["red", "green", ...Object.keys(GLYPHS)],
    is: KINDS,
    knob: Object.keys(report.standard),
    change: kindNames(),
  }[key];
  if (!known || known.some((name) => glob(lower).test(name))) return "";
  return `there is no ${key}:${word}; ${key} can be ${known.join(", ")}`;
}

const glob = (word) => new RegExp("^" + word.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"))
  .join(".*") + "$", "i");

function fitting(pattern, target) {
  return [target.adapter, target.label, target.environment, target.name, target.mode].some((name) => pattern.test(name));
}

// What a text leaves of some targets, or pairs of them, and of the cases: {targets, cases: Set of places, complaints}.
function filtered(text, all) {
  const terms = parse(text);
  const by = terms.filter((term) => term.key === "target").map((term) => [glob(term.word), term.not]);
  const wanted = by.filter(([, not]) => !not);
  const targets = all.filter((target) =>
    (!wanted.length || wanted.some(([pattern]) => fitting(pattern, target)))
    && !by.some(([pattern, not]) => not && fitting(pattern, target)));
  const tests = terms.filter((term) => term.key !== "target").map((term) => [test(term, targets), term.not]);
  const cases = report.cases.filter((one) => tests.every(([holds, not]) => holds(one) !== not));
  return {targets, all: all.length, cases: new Set(cases.map((one) => one.place)), complaints: terms.map(complaint).filter(Boolean)};
}

function test({key, word}, targets) {
  const pattern = glob(word), lower = word.toLowerCase();
  const some = (check) => (one) => targets.some((target) => one.results[target.place] && check(one.results[target.place]));
  if (key === "status") return some((result) => pattern.test(result.verdict)
    || (lower === "red" && RED.has(result.verdict)) || (lower === "green" && !RED.has(result.verdict)));
  if (key === "tag") return (one) => pattern.test(one.id.split("/")[0]) || one.statements.some((name) => pattern.test(name));
  if (key === "case") return (one) => pattern.test(one.id) || one.formerly.some((name) => pattern.test(name));
  if (key === "knob") return (one) => knobs(one, targets).some((knob) => pattern.test(knob));
  if (key === "change") return (one) => pairsOf(targets).some((pair) => pattern.test(changeOf(one, pair)?.kind || ""));
  if (key === "is" && lower === "question") return (one) => !!one.question;
  if (key === "is" && lower === "different") return (one) => ways(one, targets) > 1;
  if (key === "is" && lower === "same") return (one) => ways(one, targets) === 1;
  if (key === "is") return () => false;
  return (one) => (one.words ??= [one.id, one.title, one.question, one.answer, ...one.statements].join("\n").toLowerCase())
    .includes(lower.replaceAll("*", ""));
}

// The conventions that tell the targets shown apart in a case, or that explain one of them.
function knobs(one, targets) {
  const shown = classes(one, targets).flatMap(([letter]) => one.knobs[letter] || []);
  const said = targets.map((target) => one.results[target.place]?.why || "").join(" ");
  return [...shown, ...Object.keys(report.standard).filter((knob) => said.includes(knob + " = "))];
}
