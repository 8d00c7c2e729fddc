// Two targets side by side, and one adapter through its versions.
function pairView(first, second) {
  const here = report.byName.get(first), there = report.byName.get(second);
  if (!here || !there) return lost("target", here ? second : first);
  const both = report.cases.filter((one) => one.results[here.place] && one.results[there.place]);
  const differ = both.filter((one) => letters(one, here, there).size > 1);
  const alike = both.filter((one) => letters(one, here, there).size === 1 && one.results[here.place].letter);
  const knobs = apart(here, there);
  return [
    h("p", {class: "crumbs"}, h("a", {href: "#targets"}, "Targets")),
    h("h2", {tabindex: "-1"}, h("bdi", null, here.label), " and ", h("bdi", null, there.label)),
    chooser(here, there),
    h("p", null, `Of ${plural(both.length, "case")} that both were given they behave differently in ${differ.length}, alike in ${alike.length}`,
      both.length - differ.length - alike.length ? `; in ${both.length - differ.length - alike.length} neither shows anything` : "", "."),
    h("h3", null, "Conventions that differ"),
    knobs.length ? scroll("Conventions", h("table", {class: "dialects"},
      h("thead", null, h("tr", null, [h("th", {scope: "col"}, "convention"), h("th", {scope: "col"}, side(here)), h("th", {scope: "col"}, side(there)), h("th", {scope: "col"}, "what it is")])),
      h("tbody", null, knobs.map(([knob, a, b]) => h("tr", null, h("th", {scope: "row"}, h("code", null, knob)), h("td", null, a), h("td", null, b), h("td", {class: "muted"}, report.knobs[knob]))))))
      : h("p", {class: "muted"}, "They declare the same conventions."),
    h("h3", null, "Cases that differ, and why"),
    differ.length ? scroll("Cases that differ", h("table", {class: "results"},
      h("thead", null, h("tr", null, [h("th", {scope: "col"}, "case"), h("th", {scope: "col"}, side(here)), h("th", {scope: "col"}, side(there)), h("th", {scope: "col"}, "why")])),
      h("tbody", null, differ.map((one) => h("tr", null,
        h("th", {scope: "row"}, h("a", {href: href("case", one.id)}, h("bdi", null, one.title)), h("small", null, h("code", null, one.id))),
        [here, there].map((target) => cellOf(one, target)), h("td", {class: "why"}, reason(one, here, there)))))))
      : h("p", {class: "muted"}, "None."),
  ];
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
