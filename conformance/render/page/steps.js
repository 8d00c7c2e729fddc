// Tables of steps: of one target beside its reference, and of all classes of behaviour beside each other.
function stepHead(one, index, width) {
  return h("tr", {class: "step"}, h("th", {scope: "rowgroup", colspan: width}, `${index + 1}. ${one.steps[index] || "one step too many"}`));
}

function ofTarget(one, result) {
  const table = one.tables[result.table], differ = table.some(([, rows]) => rows.some((row) => row[2]));
  const width = differ ? 4 : 3;
  return scroll("Steps", h("table", {class: "steps"},
    h("thead", null, h("tr", null, h("th", {scope: "col"}, "quantity"),
      differ ? [h("th", {scope: "col"}, "expected"), h("th", {scope: "col"}, "observed")]
        : h("th", {scope: "col"}, "expected and observed"),
      h("th", {scope: "col", class: "error"}, "error"))),
    table.map(([raised, rows, unchanged], index) => h("tbody", null, stepHead(one, index, width),
      raised ? h("tr", {class: "raised"}, h("td", {colspan: width}, "raised " + raised)) : null,
      rows.map((row) => rowOf(row, differ)),
      unchanged.length ? h("tr", {class: "quiet"}, h("td", {colspan: width}, "unchanged: " + unchanged.join(", ")))
        : rows.length ? null : h("tr", {class: "quiet"}, h("td", {colspan: width}, "not compared"))))));
}

function rowOf([name, expected, observed, error, note, departs], differ) {
  const said = note ? h("span", {class: "note"}, note) : null;
  return h("tr", {class: departs ? "departs" : null},
    h("th", {scope: "row"}, h("bdi", null, name), departs > 1 ? h("span", {class: "flag"}, "first divergence") : null),
    h("td", {colspan: differ && !observed ? 2 : null}, expected, observed ? null : said),
    observed ? h("td", null, observed, said) : null,
    h("td", {class: "error"}, error || h("span", {class: "muted"}, "≤ 1")));
}

// What the classes of a case show, step by step; rows in which they differ are marked.
function ofClasses(one, found) {
  const tables = found.map(([, targets]) => one.tables[one.results[targets[0].place].table] || []);
  return scroll("Steps of every class", h("table", {class: "steps"},
    h("thead", null, h("tr", null, h("th", {scope: "col"}, "quantity"),
      found.map(([letter, targets]) => h("th", {scope: "col"}, chip(letter), " ",
        h("bdi", null, targets[0].label), targets.length > 1 ? ` and ${targets.length - 1} more` : "")))),
    one.steps.map((_, index) => h("tbody", null, stepHead(one, index, found.length + 1),
      tables.some((table) => table[index]?.[0]) ? h("tr", null, h("th", {scope: "row"}, "raised"),
        tables.map((table) => h("td", {class: table[index]?.[0] ? "raised" : null}, table[index]?.[0] || "no"))) : null,
      names(tables, index).map((name) => acrossClasses(name, tables, index))))));
}

function names(tables, index) {
  const changed = tables.flatMap((table) => (table[index]?.[1] || []).map(([name]) => name));
  return [...new Set(changed)];
}

function acrossClasses(name, tables, index) {
  const texts = tables.map((table) => {
    const row = table[index]?.[1].find(([other]) => other === name);
    if (row) return row[2] || row[1];
    return table[index]?.[2].includes(name) ? "as before" : "";
  });
  const differs = new Set(texts).size > 1;
  return h("tr", {class: differs ? "differs" : null},
    h("th", {scope: "row"}, h("bdi", null, name), differs ? h("span", {class: "flag"}, "differs") : null),
    texts.map((text) => h("td", null, text || h("span", {class: "muted"}, "none"))));
}
