// Two targets side by side, and one adapter through its versions.
function pairView(first, second) {
  const here = report.byName.get(first), there = report.byName.get(second);
  if (!here || !there) return lost("target", here ? second : first);
  const both = report.cases.filter((one) => one.results[here.place] && one.results[there.place]);
  const differ = both.filter((one) => letters(one, here, there).size > 1);
  const alike = both.filter((one) => letters(one, here, there).size === 1 && one.results[here.place].letter);
  return [
    h("p", {class: "crumbs"}, h("a", {href: "#targets"}, "Targets")),
    h("h2", {tabindex: "-1"}, h("bdi", null, here.label), " and ", h("bdi", null, there.label)),
    chooser(here, there),
    h("p", null, `Of ${plural(both.length, "case")} that both were given they behave differently in ${differ.length}, alike in ${alike.length}`,
      both.length - differ.length - alike.length ? `; in ${both.length - differ.length - alike.length} neither shows anything` : "", "."),
    h("h3", null, "Conventions that differ"), conventions(here, there, differ),
    h("h3", null, "How to port a layer"), porting(here, there),
    h("h3", null, "Cases that differ, and why"),
    differ.length ? scroll("Cases that differ", h("table", {class: "results"},
      h("thead", null, h("tr", null, [h("th", {scope: "col"}, "case"), h("th", {scope: "col"}, side(here)), h("th", {scope: "col"}, side(there)), h("th", {scope: "col"}, "why")])),
      h("tbody", null, differ.map((one) => h("tr", null,
        h("th", {scope: "row"}, h("a", {href: href("case", one.id)}, h("bdi", null, one.title)), h("small", null, h("code", null, one.id))),
        [here, there].map((target) => cellOf(one, target)), h("td", {class: "why"}, reason(one, here, there)))))))
      : h("p", {class: "muted"}, "None."),
  ];
}

// What each declares, what a difference comes to, and the cases in which it shows.
function conventions(here, there, differ) {
  const knobs = apart(here, there);
  if (!knobs.length) return h("p", {class: "muted"}, "They declare the same conventions.");
  const heads = ["convention", side(here), side(there), "what it comes to", "shown by"];
  return [scroll("Conventions", h("table", {class: "conventions"}, h("thead", null, h("tr", null, heads.map((head) => h("th", {scope: "col"}, head)))),
    h("tbody", null, knobs.map(([knob, a, b]) => {
      const {values, comes_to: comes} = report.consequences[knob], cases = differ.filter((one) => shown(one, here, there).has(knob));
      return h("tr", null, h("th", {scope: "row"}, h("code", null, knob)), h("td", null, h("b", null, a), h("div", null, values[a])),
        h("td", null, h("b", null, b), h("div", null, values[b])), h("td", {class: "muted"}, comes), h("td", null, fewCases(cases)));
    })))), h("p", {class: "muted"}, "What it comes to: with ", report.layer, ".")];
}

const fewCases = (cases) => !cases.length ? h("span", {class: "muted"}, "no case that both have")
  : [plural(cases.length, "case"), ": ", cases.slice(0, 2).map((one, i) => [i ? ", " : "", h("a", {href: href("case", one.id)}, one.id)]), cases.length > 2 ? ", …" : ""];

// The call that does the same in the other's API, the names of the state, and what no argument makes equal.
function porting(here, there) {
  const [ours, theirs] = [here, there].map(({adapter}) => report.spellings[adapter]);
  const command = copyable(`conformance port ${here.label} ${there.label} --momentum 0.9 --epsilon 1e-5`);
  if (!ours || !theirs) return h("p", {class: "muted"}, "There is no spelling yet of ", [ours ? null : here.adapter, theirs ? null : there.adapter].filter(Boolean).join(" and "), ".");
  const knobs = apart(here, there), given = knobs.map(([knob, a]) => theirs.settable[knob]?.[a]).filter(Boolean);
  const left = knobs.filter(([knob, a]) => !theirs.settable[knob]?.[a]);
  const call = ({call: [before, after]}, more) => h("code", null, before + more.map((argument) => ", " + argument).join("") + after);
  const row = (head, a, b) => h("tr", null, h("th", {scope: "row"}, head), h("td", null, a), h("td", null, b));
  return [h("p", {class: "muted"}, "A layer with ", report.layer, ":"),
    scroll("How to port", h("table", {class: "conventions"}, h("thead", null, h("tr", null, ["", side(here), side(there)].map((head) => h("th", {scope: "col"}, head || h("span", {class: "hidden"}, "what"))))),
      h("tbody", null, row("call", call(ours, []), call(theirs, given)),
        Object.keys(ours.names).filter((name) => name in theirs.names).map((name) => row(name, h("code", null, ours.names[name]), h("code", null, theirs.names[name]))),
        row("order", ours.order.join(", "), theirs.order.join(", ")), row("layout", ours.layout, theirs.layout)))),
    left.length ? h("p", null, "No argument makes these equal: ", left.map(([knob], i) => [i ? ", " : "", h("code", null, knob)]), ". The table above says what they come to.")
      : h("p", null, "With that no convention differs."),
    h("p", {class: "muted"}, "For a layer of your own:"), command];
}

const side = (target) => [h("bdi", null, target.label), h("small", null, h("bdi", null, target.environment))];

// The letters of two targets in a case; one that shows nothing stands for its verdict.
function letters(one, here, there) {
  return new Set([here, there].map(({place}) => one.results[place].letter || one.results[place].verdict));
}

function cellOf(one, target) {
  const result = one.results[target.place];
  if (!result) return h("td", {class: "muted"}, "not run");
  return h("td", null, h("a", {href: href("case", one.id, target.name), class: "plain"}, badge(result.verdict)), " ", chip(result.letter));
}

function chooser(here, there) {
  const select = (label, chosen) => h("label", null, label + " ", h("select", null, report.targets.map((target) =>
    h("option", {value: target.name, selected: target === chosen}, `${target.label} · ${target.environment}`))));
  const [a, b] = [select("Left", here), select("Right", there)];
  for (const label of [a, b]) label.lastChild.addEventListener("change", () => { location.hash = href("pair", $("select", a).value, $("select", b).value); });
  return h("p", {class: "tools"}, a, b);
}

// Adapters and modes with several environments, in the order of their versions.
function lineages() {
  const found = Map.groupBy ? Map.groupBy(report.targets, (target) => target.label) : new Map();
  if (!Map.groupBy) for (const target of report.targets) found.set(target.label, [...(found.get(target.label) || []), target]);
  return [...found].filter(([, targets]) => targets.length > 1).map(([label, targets]) =>
    [label, [...targets].sort((a, b) => a.environment.localeCompare(b.environment, "en", {numeric: true}))]);
}

function timelineView() {
  const found = lineages();
  return [h("h2", {tabindex: "-1"}, "Versions"),
    h("p", {class: "prose muted"}, "Adapters that were run in several environments. A row stands here when the verdict or the class of behaviour changes from one version to the next."),
    found.length ? found.map(([label, targets]) => [h("h3", null, h("bdi", null, label)), versions(targets)])
      : h("p", null, "This report has one version of everything.")];
}

function versions(targets) {
  const mark = (one, {place}) => one.results[place] && one.results[place].verdict + one.results[place].letter;
  const rows = report.cases.filter((one) => new Set(targets.map((target) => mark(one, target)).filter(Boolean)).size > 1);
  const knobs = Object.keys(report.standard).filter((knob) => new Set(targets.map((target) => target.dialect[knob])).size > 1);
  if (!rows.length && !knobs.length) return h("p", {class: "muted"}, `The same in all ${targets.length} environments.`);
  return scroll("Versions", h("table", {class: "results"},
    h("thead", null, h("tr", null, h("th", {scope: "col"}, "case or convention"), targets.map((target) => h("th", {scope: "col"}, h("a", {href: href("target", target.name)}, h("bdi", null, target.environment)))))),
    h("tbody", null, knobs.map((knob) => h("tr", null, h("th", {scope: "row"}, h("code", null, knob)), targets.map((target) => h("td", null, target.dialect[knob])))),
      rows.map((one) => h("tr", null, h("th", {scope: "row"}, h("a", {href: href("case", one.id)}, h("bdi", null, one.title))), targets.map((target) => cellOf(one, target)))))));
}
