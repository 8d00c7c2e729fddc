// One target: where it ran, what it declares, where it departs, how far off it is.
function targetView(name) {
  const target = report.byName.get(name);
  if (!target) return lost("target", name);
  const results = report.cases.map((one) => [one, one.results[target.place]]).filter(([, result]) => result);
  const of = (...verdicts) => results.filter(([, result]) => verdicts.includes(result.verdict));
  const red = results.filter(([, result]) => RED.has(result.verdict));
  return [
    h("p", {class: "crumbs"}, h("a", {href: "#targets"}, "Targets")),
    h("h2", {tabindex: "-1"}, h("bdi", null, target.label), " ", h("small", {class: "muted"}, h("bdi", null, target.environment))),
    target.cut ? h("p", {class: "note"}, `The run was cut off after ${target.cut[0]} of ${target.cut[1]} cases.`) : null,
    target.about.length ? h("p", {class: "note"}, "This mode is only about some cases: those with ", target.about.join(", "), ".") : null,
    h("p", {class: "key"}, report.verdicts.map(([verdict]) => [verdict, of(verdict).length]).filter(([, n]) => n).map(([verdict, n]) => h("span", null, badge(verdict), ` ${n} `)),
      h("span", {class: "muted"}, `${report.cases.length - results.length} not run`)),
    otherTarget(target),
    h("h3", null, "Needs a look"), listing(target, red, "Nothing in this run is red."),
    h("h3", null, "Known divergences"), listing(target, of("known"), "None was seen."),
    h("h3", null, "Conventions"), dialectTable(target),
    h("h3", null, "Errors"), errors(target),
    h("h3", null, "Not supported"), listing(target, of("unsupported", "unavailable"), "Everything is."),
    h("h3", null, "The run"), h("dl", {class: "definition"}, target.facts.map(([key, said]) => h("div", null, h("dt", null, key), h("dd", null, key === "command" ? h("code", null, said) : said)))),
  ];
}

function otherTarget(target) {
  const select = h("select", {id: "other"}, h("option", {value: ""}, "choose a target"),
    report.targets.filter((other) => other !== target).map((other) => h("option", {value: other.name}, `${other.label} · ${other.environment}`)));
  select.addEventListener("change", () => { if (select.value) location.hash = href("pair", target.name, select.value); });
  return h("p", null, h("label", null, "Compare with ", select));
}

function listing(target, rows, none) {
  if (!rows.length) return h("p", {class: "muted"}, none);
  return h("ul", {class: "listing"}, rows.map(([one, result]) => h("li", null, badge(result.verdict), " ",
    h("a", {href: href("case", one.id, target.name)}, h("bdi", null, one.title)), h("div", {class: "why"}, linked(result.why)))));
}

// What is declared, and what the observations alone leave of it, with the cases that refute everything else.
function dialectTable(target) {
  const found = target.inferred, heads = ["convention", "declared", ...(found ? ["shown by what was observed"] : []), "standard", "what it is"];
  return [scroll("Conventions", h("table", {class: "dialects"},
    h("thead", null, h("tr", null, heads.map((name) => h("th", {scope: "col"}, name)))),
    h("tbody", null, Object.entries(target.dialect).map(([knob, value]) => {
      const standard = report.standard[knob];
      return h("tr", {class: value === standard ? null : "differs"},
        h("th", {scope: "row"}, h("code", null, knob)), h("td", null, value === standard ? value : h("b", null, value)),
        found ? h("td", null, proven(found, knob, value)) : null, h("td", null, standard), h("td", {class: "muted"}, report.knobs[knob]));
    })))), found ? beyond(found) : notInferred(target)];
}

const notInferred = (target) => [h("p", {class: "muted"}, "What its observations alone show has not been worked out for this run, or the run or the cases have changed since. This does it, for the next report:"),
  copyable(`conformance infer ${target.label} --write`)];

function proven({left, proofs}, knob, declared) {
  const values = left[knob] || [], cases = proofs[knob];
  if (values.length !== 1 && values.includes(declared)) return h("span", {class: "muted"}, "no case tells ", values.join(" from "));
  return [h("b", null, values.join(" or ")), values.includes(declared) ? null : [" ", h("span", {class: "flag"}, "not as declared")], cases ? h("div", null, counted(cases)) : null];
}

// A number of cases, the first of them as links.
const counted = ({count, first}) => [plural(count, "case"), ": ", first.map((id, i) => [i ? ", " : "",
  report.byId.has(id) ? h("a", {href: href("case", id)}, id) : id]), count > first.length ? ", …" : ""];

function beyond({cases, exceptions, unexplained}) {
  return [h("p", {class: "muted"}, `What was observed in ${plural(cases, "case")}, without a look at what is declared; beside each value the cases that refute the others.`),
    exceptions.length ? [h("p", null, "Something else holds in some cases:"), h("ul", null, exceptions.map(({said, cases: where}) => h("li", null, said, ": ", counted(where))))] : null,
    unexplained.length ? h("p", null, "No single convention accounts for ", counted({count: unexplained.length, first: unexplained.slice(0, 5)}), ".") : null];
}

function errors(target) {
  const most = Math.max(...target.errors.map(([, n]) => n), 1);
  return scroll("Errors", h("table", {class: "errors"},
    h("caption", null, "Cases by their worst error, in units of the bound"),
    h("thead", null, h("tr", null, h("th", {scope: "col"}, "error"), h("th", {scope: "col"}, "cases"))),
    h("tbody", null, target.errors.map(([bin, n]) => {
      const bar = h("span", {class: "bar", "aria-hidden": "true"});
      bar.style.inlineSize = `${12 * n / most}rem`;
      return h("tr", null, h("th", {scope: "row"}, bin), h("td", null, bar, " ", n || h("span", {class: "muted"}, "0")));
    }))));
}
