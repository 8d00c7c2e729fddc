// What changed since earlier runs: each change that counts in words, then a sheet of all, what is the same greyed.
let comparing = null;
const MOST_LISTED = 200;
const LISTED = ["regressed", "fixed", "changed"];

// A change is [kind, verdict before, verdict after, why before, why after, what moved] until it is taken apart here.
function changeOf(one, pair) {
  const change = report.comparison.cases[one.id]?.[pair.number];
  if (!change) return null;
  const [kind, before, after, was, now, moved] = change, {kinds, texts} = report.comparison;
  const name = (verdict) => verdict < 0 ? "" : report.verdicts[verdict][0];
  return {kind: kinds[kind][0], glyph: kinds[kind][1], tone: kinds[kind][2], before: name(before), after: name(after),
    was: texts[was] || "", now: texts[now] || "", moved: texts[moved] || ""};
}

// The pairs of some targets, or those pairs themselves.
const pairsOf = (targets) => (report.comparison?.pairs || []).filter((pair) => targets.includes(pair) || targets.includes(report.targets[pair.place]));
const kindNames = () => (report.comparison?.kinds || []).map(([kind]) => kind);
const changeBadge = ({kind, glyph, tone}) => h("span", {class: "badge " + tone}, h("span", {"aria-hidden": "true"}, glyph), " " + kind);
const turn = ({before, after}) => [before ? badge(before) : "not run", " → ", after ? badge(after) : "not run"];

const changed = {
  mark(one, pair) {
    const change = changeOf(one, pair);
    return change && {tone: change.tone, glyph: change.glyph, word: change.kind,
      error: change.before === change.after ? "" : `${GLYPHS[change.before] || "·"} → ${GLYPHS[change.after] || "·"}`};
  },
  link: (one, pair) => pair.place < 0 ? href("case", one.id) : href("case", one.id, report.targets[pair.place].name),
  says(one, pair) {
    const change = changeOf(one, pair);
    return [change ? changeBadge(change) : h("span", {class: "badge"}, "not run"), " ", h("bdi", null, pair.label), ": ",
      h("bdi", null, one.title), ". ", change ? [turn(change), " ", h("bdi", null, change.moved || change.now)] : null];
  },
};

function prepareComparison() {
  if (!report.comparison) return;
  report.comparison.pairs.forEach((pair, number) => Object.assign(pair, {number, head: pair.mode, name: report.targets[pair.place]?.name || ""}));
  comparing = sheetOf($("#changes"), changed);
}

function drawComparison(found, query) {
  if (!comparing) return;
  const places = [...found.cases], kinds = new Set(kindNames().filter((kind) => asked(query, kind)));
  $("#kinds").replaceChildren(...kindLinks(query));
  $("#listed").replaceChildren(...declaredOtherwise(found.targets), ...LISTED.filter((kind) => kinds.has(kind)).flatMap((kind) => listed(kind, places, found.targets)),
    ...["new", "removed"].filter((kind) => kinds.has(kind)).flatMap((kind) => comeAndGone(kind, places, found.targets)));
  drawSheet(comparing, found.targets, foldable(comparing, places), [query, state.options.fold].join("\n"));
}

// Conventions that a target declares otherwise than before: what changed by declaration.
function declaredOtherwise(pairs) {
  const turned = pairs.filter(({declared}) => Object.keys(declared).length);
  if (!turned.length) return [];
  return [h("h3", null, "Declared otherwise"), h("ul", {class: "listing"}, turned.map((pair) => h("li", null, h("bdi", null, pair.label), " ",
    h("small", {class: "muted"}, h("bdi", null, pair.environment)), ": ", Object.entries(pair.declared).map(([knob, [was, is]], i) =>
      [i ? "; " : "", h("code", null, knob), ` was ${was}, is ${is}`]))))];
}

// Whether a filter leaves a kind of change: it does when it says nothing about kinds.
function asked(query, kind) {
  const terms = parse(query).filter((term) => term.key === "change");
  return terms.every(({word, not}) => glob(word).test(kind) !== not);
}

function kindLinks(query) {
  const all = h("a", {href: "#compare", "aria-current": query ? null : "true"}, "everything");
  return [all, ...report.comparison.kinds.map(([kind, glyph, tone, meaning, count]) => h("a", {href: options("compare", {q: "change:" + kind}), title: meaning,
    class: "badge " + tone, "aria-current": query === "change:" + kind ? "true" : null}, h("span", {"aria-hidden": "true"}, glyph), ` ${kind} ${count.toLocaleString("en")}`))];
}

// [case, pair, change] for every change of a kind.
function ofKind(kind, places, pairs) {
  return places.flatMap((place) => pairs.map((pair) => [report.cases[place], pair, changeOf(report.cases[place], pair)]))
    .filter(([, , change]) => change?.kind === kind);
}

function kindHeading(kind, count) {
  const [, glyph, tone, meaning] = report.comparison.kinds.find(([name]) => name === kind);
  return h("h3", null, changeBadge({kind, glyph, tone}), ` ${count.toLocaleString("en")} `, h("small", {class: "muted"}, meaning));
}

function listed(kind, places, pairs) {
  const rows = ofKind(kind, places, pairs), more = rows.length - MOST_LISTED;
  if (!rows.length) return [];
  const heads = ["target", "case", "verdict", "what is different"].map((name) => h("th", {scope: "col"}, name));
  return [kindHeading(kind, rows.length), scroll(kind, h("table", {class: "results changes"}, h("thead", null, h("tr", null, heads)),
    h("tbody", null, rows.slice(0, MOST_LISTED).map(([one, pair, change]) => h("tr", null,
      h("th", {scope: "row"}, h("bdi", null, pair.label), h("small", null, h("bdi", null, pair.environment))),
      h("td", null, h("a", {href: changed.link(one, pair)}, h("bdi", null, one.title)), h("small", {class: "under muted"}, h("code", null, one.id))),
      h("td", null, turn(change)), h("td", {class: "why"}, words(change))))))),
  more > 0 ? h("p", {class: "muted"}, `and ${more.toLocaleString("en")} more, which the sheet below shows`) : null].filter(Boolean);
}

const words = ({moved, was, now}) => [moved ? h("div", null, moved) : null,
  was && was !== now ? h("div", {class: "muted"}, "was: ", linked(was)) : null, now ? h("div", null, "is: ", linked(now)) : null];

// Of what came or went only how much of it there is, and where.
function comeAndGone(kind, places, pairs) {
  const rows = ofKind(kind, places, pairs), by = new Map();
  for (const [one, pair] of rows) by.set(pair, [...(by.get(pair) || []), one]);
  if (!rows.length) return [];
  return [kindHeading(kind, rows.length), h("ul", {class: "listing"}, [...by].map(([pair, cases]) => h("li", null,
    h("bdi", null, pair.label), " ", h("small", {class: "muted"}, h("bdi", null, pair.environment)), `: ${plural(cases.length, "case")}`,
    cases.length <= 3 ? [": ", cases.map((one, i) => [i ? ", " : "", h("a", {href: changed.link(one, pair)}, one.id)])] : null)))];
}
