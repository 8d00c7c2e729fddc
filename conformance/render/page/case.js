// One case: what it says, what the targets do, and every number.
function caseView(id, name) {
  const one = report.byId.get(id);
  if (!one) return lost("case", id);
  const target = name && report.byName.get(name);
  if (name && !target) return lost("target", name);
  return target ? resultView(one, target) : wholeCase(one);
}

function heading(one) {
  const folder = one.id.split("/")[0];
  return [
    h("p", {class: "crumbs"}, h("a", {href: "#matrix"}, "Matrix"), " / ",
      h("a", {href: options("matrix", {q: "tag:" + folder})}, folder)),
    h("h2", {tabindex: "-1"}, h("bdi", null, one.title)),
    h("p", {class: "id"}, h("code", null, one.id)),
  ];
}

function wholeCase(one) {
  const found = classes(one);
  return [...heading(one),
    h("div", {class: "prose"},
      one.question ? h("p", {class: "asked"}, one.question) : null,
      one.answer ? h("p", null, one.answer) : null,
      one.effect ? h("p", null, h("span", {class: "muted"}, "If this goes wrong: "), h("bdi", null, one.effect)) : null),
    h("h3", null, "What the targets do"),
    found.length ? classList(one, found) : h("p", {class: "muted"}, "No target has shown anything here."),
    figures(one),
    found.length ? [h("h3", null, "Step by step"), fromTables(one, () => ofClasses(one, found))] : null,
    h("h3", null, "Each target and its promise"), targetTable(one),
    h("h3", null, "The case"), definition(one),
    h("h3", null, "Run it yourself"), yourself(one),
    neighbours(one)];
}

function classList(one, found) {
  return h("ul", {class: "classlist"}, found.map(([letter, targets], place) => h("li", null, chip(letter),
    h("div", null,
      sideBySide(targets).map((group) => h("div", {class: "members"}, h("span", null, h("bdi", null, group[0].adapter), " ", h("small", {class: "muted"}, h("bdi", null, group[0].environment))),
        group.map((target) => member(one, target)))),
      place ? h("div", {class: "cause"}, difference(one, found[0], [letter, targets])) : null))));
}

function member(one, target) {
  const {verdict} = one.results[target.place];
  return h("a", {href: href("case", one.id, target.name), class: "member " + tone(verdict)}, h("span", {"aria-hidden": "true"}, GLYPHS[verdict]),
    h("span", {class: "hidden"}, `${target.adapter} ${verdict}`), " ", h("bdi", null, target.head));
}

// In what a class differs from the first.
function difference(one, [, first], [letter, targets]) {
  if (one.knobs[letter]) {
    const declared = (group) => (group.find(({place}) => one.results[place].verdict === "conforms") || group[0]).dialect;
    const here = declared(first), there = declared(targets);
    const values = one.knobs[letter].map((knob) => [h("code", null, `${knob} = ${there[knob]}`), ` where A has ${here[knob]}`]);
    return ["By declaration: ", values.map((value, i) => i ? ["; ", value] : value)];
  }
  const red = targets.map((target) => one.results[target.place]).find((result) => result.why && result.verdict !== "conforms");
  return red ? linked(red.why) : "Differs from A in several conventions at once.";
}

function targetTable(one) {
  const ran = report.targets.filter((target) => one.results[target.place]);
  const idle = report.targets.length - ran.length;
  return [scroll("Each target", h("table", {class: "results"},
    h("thead", null, h("tr", null, ["target", "verdict", "", "worst error", "why"].map((name) => h("th", {scope: "col"}, name || h("span", {class: "hidden"}, "class"))))),
    h("tbody", null, ran.map((target) => {
      const result = one.results[target.place];
      return h("tr", null,
        h("th", {scope: "row"}, h("a", {href: href("case", one.id, target.name)}, h("bdi", null, target.label)), h("small", null, h("bdi", null, target.environment))),
        h("td", null, badge(result.verdict)), h("td", null, chip(result.letter)),
        h("td", {class: "error"}, result.error), h("td", {class: "why"}, linked(result.why)));
    })))),
  idle ? h("p", {class: "muted"}, `${plural(idle, "target")} not run on this case.`) : null];
}

function resultView(one, target) {
  const result = one.results[target.place];
  return [...heading(one),
    h("h3", null, h("a", {href: href("target", target.name)}, h("bdi", null, target.label)), " ", h("small", {class: "muted"}, h("bdi", null, target.environment))),
    result ? [h("p", null, badge(result.verdict), " ", chip(result.letter), result.error ? h("span", {class: "muted"}, ` worst error ${result.error}, in units of the bound`) : null),
      h("p", {class: "why"}, linked(result.why || "Every quantity of every step is within its bound.")),
      result.table < 0 ? null : fromTables(one, () => ofTarget(one, result))] : h("p", null, about(target)),
    h("p", null, h("a", {href: href("case", one.id)}, "All targets in this case")),
    h("h3", null, "Run it yourself"), ...ofOne(one, target), neighbours(one)];
}

// A script for one of the targets that have one, those that depart first.
function yourself(one) {
  const ran = report.targets.filter(({place}) => one.results[place]), scripted = ran.filter(({place}) => one.results[place].script >= 0);
  if (!scripted.length) return copyable(repro(one, ran[0] || {adapter: "ADAPTER", mode: "MODE"}));
  const departs = ({place}) => one.results[place].verdict !== "conforms";
  const chosen = scripted.find(departs) || scripted[0], box = h("div", null, ...ofOne(one, chosen));
  const select = h("select", null, scripted.map((target) => h("option", {value: target.name, selected: target === chosen}, `${target.label} · ${target.environment}`)));
  select.addEventListener("change", () => box.replaceChildren(...ofOne(one, report.byName.get(select.value))));
  return [h("p", {class: "tools"}, h("label", null, "On ", select)), box];
}

// How to see what one target does: a script in its own API, and the command that runs the case again.
function ofOne(one, target) {
  const {script} = one.results[target.place] || {};
  return [script >= 0 ? [h("p", {class: "muted"}, "In the framework's own API; it prints what is expected beside what is seen:"),
    fromTables(one, () => copyable(one.scripts[script])), h("p", {class: "muted"}, "Or with this suite:")] : null,
    copyable(repro(one, target))].flat().filter(Boolean);
}

function definition(one) {
  const entry = (name, ...said) => h("div", null, h("dt", null, name), h("dd", null, ...said));
  return h("dl", {class: "definition"},
    one.settings.map(([kind, said]) => entry(kind, h("code", null, said))),
    one.data.map(([name, said]) => entry("data " + name, h("code", null, said))),
    entry("steps", h("ol", null, one.steps.map((step) => h("li", null, step)))),
    one.statements.length ? entry("statements", one.statements.map((name, i) => [i ? ", " : "", h("a", {href: options("matrix", {q: "tag:" + name})}, name)])) : null,
    one.sources.length ? entry("sources", h("ul", null, one.sources.map(([url, says]) => h("li", null, outward(url), says ? [" ", h("q", null, says)] : null)))) : null,
    one.formerly.length ? entry("formerly", one.formerly.join(", ")) : null);
}

function neighbours(one) {
  const before = report.cases[one.place - 1], after = report.cases[one.place + 1];
  return h("nav", {class: "neighbours", "aria-label": "Neighbouring cases"},
    before ? h("a", {href: href("case", before.id), rel: "prev"}, "← ", h("bdi", null, before.title)) : h("span"),
    after ? h("a", {href: href("case", after.id), rel: "next"}, h("bdi", null, after.title), " →") : null);
}

const lost = (what, name) => [h("h2", {tabindex: "-1"}, `There is no such ${what}`),
  h("p", null, "This report has no ", what, " ", h("code", null, name), ". It may have been left out of this run. ", h("a", {href: "#matrix"}, "All results"))];
