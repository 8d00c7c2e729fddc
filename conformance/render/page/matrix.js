// The matrix: filtered, folded, sorted. Without a script it is a plain table.
let matrix = null;

const verdicts = {
  mark(one, target) {
    const result = one.results[target.place];
    return result && {tone: tone(result.verdict), glyph: GLYPHS[result.verdict], word: result.verdict, letter: result.letter, error: result.error};
  },
  link: (one, target) => href("case", one.id, target.name),
  says(one, target) {
    const result = one.results[target.place];
    return [result ? badge(result.verdict) : h("span", {class: "badge"}, "not run"), " ", h("bdi", null, target.label), ": ",
      h("bdi", null, one.title), result?.why ? ". " : "", result ? h("bdi", null, result.why) : about(target)];
  },
};

function prepareMatrix() {
  if (!$("#sheet")) return;
  matrix = sheetOf($("#sheet"), verdicts);
  $("#sort").addEventListener("change", (event) => go({sort: event.target.value}));
  $("#fold").addEventListener("click", () => go({fold: subjects([...report.cases.keys()]).map(([name]) => name).join(",")}));
  $("#unfold").addEventListener("click", () => go({fold: ""}));
}

const folded = () => (state.options.fold || "").split(",").filter(Boolean);
const toggled = (names, name) => names.includes(name) ? names.filter((other) => other !== name) : [...names, name];
const subjectOf = (place) => report.cases[place].id.split("/")[0];

// Places of cases by subject: [[subject, [place, ...]], ...].
function subjects(places) {
  const found = new Map();
  for (const place of places) {
    if (!found.has(subjectOf(place))) found.set(subjectOf(place), []);
    found.get(subjectOf(place)).push(place);
  }
  return [...found];
}

// The parts of a sheet: subjects that can be folded.
function foldable(sheet, places) {
  const closed = new Set(folded());
  return subjects(places).map(([name, cases]) => ({label: name, cases, closed: closed.has(name), button: () => {
    const button = h("button", {type: "button", "data-subject": name, "aria-expanded": String(!closed.has(name))}, name, " ", h("small", null, cases.length));
    button.addEventListener("click", () => {
      go({fold: toggled(folded(), name).join(",")});
      $(`[data-subject="${CSS.escape(name)}"]`, sheet.element).focus();
    });
    return button;
  }}));
}

function drawMatrix({targets, cases}) {
  if (!matrix) return;
  const sorted = state.options.sort === "disagreement", places = [...cases];
  $("#sort").value = sorted ? "disagreement" : "";
  $("#fold").disabled = $("#unfold").disabled = sorted;
  const parts = sorted ? [{label: "cases", cases: byDisagreement(places, targets)}] : foldable(matrix, places);
  drawSheet(matrix, targets, places.length ? parts : [], [state.options.q, state.options.sort, state.options.fold].join("\n"));
}

// The cases with most classes of behaviour first.
function byDisagreement(places, targets) {
  const count = new Map(places.map((place) => [place, ways(report.cases[place], targets)]));
  return places.sort((a, b) => count.get(b) - count.get(a) || a - b);
}
