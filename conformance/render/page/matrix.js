// The matrix is in the page already; here it is filtered, folded, sorted, and walked through with the keyboard.
const matrix = {rows: [], bodies: [], shown: null};

function prepareMatrix() {
  const table = $(".matrix");
  if (!table) return;
  matrix.table = table;
  matrix.bodies = [...table.tBodies];
  matrix.order = h("tbody", null);
  let place = 0;
  for (const body of matrix.bodies) {
    const [head, ...rows] = body.rows;
    for (const row of rows) {
      row.dataset.case = place++;
      matrix.rows.push(row);
      row.cells[0].firstElementChild.tabIndex = -1;
    }
    const button = h("button", {type: "button", "aria-expanded": "true"}, ...head.cells[0].childNodes);
    button.addEventListener("click", () => go({fold: toggled(folded(), body.dataset.name)}));
    head.cells[0].append(button);
    body.dataset.name = matrix.rows.length ? report.cases[place - 1].id.split("/")[0] : "";
  }
  matrix.rule = document.head.appendChild(h("style", null));
  for (const link of $$("thead a", table)) link.tabIndex = -1;
  table.addEventListener("pointerover", (event) => peek(event.target.closest("td")));
  table.addEventListener("focusin", (event) => { moveTo(event.target); peek(event.target.closest("td")); });
  table.addEventListener("keydown", walk);
  table.addEventListener("click", (event) => {
    const link = event.target.closest("td") && linkIn(event.target.closest("td"));
    if (link && !event.target.closest("a")) link.click();
  });
  $("#sort").addEventListener("change", (event) => go({sort: event.target.value}));
  $("#fold").addEventListener("click", () => go({fold: matrix.bodies.map((body) => body.dataset.name)}));
  $("#unfold").addEventListener("click", () => go({fold: []}));
}

const folded = () => state.options.fold ? state.options.fold.split(",") : [];
const toggled = (names, name) => names.includes(name) ? names.filter((other) => other !== name) : [...names, name];

function drawMatrix({targets, cases}) {
  if (!matrix.table) return;
  const {table, bodies, order, rows} = matrix, fold = new Set(folded());
  const sorted = state.options.sort === "disagreement";
  $("#sort").value = sorted ? "disagreement" : "";
  columns(targets);
  for (const row of rows) row.hidden = !cases.has(+row.dataset.case);
  if (sorted) {
    const count = rows.map((_, place) => classes(report.cases[place], targets).length);
    order.append(...[...rows].sort((a, b) => count[b.dataset.case] - count[a.dataset.case] || a.dataset.case - b.dataset.case));
    for (const body of bodies) body.remove();
    table.append(order);
  } else {
    if (order.isConnected) {
      order.remove();
      for (const row of rows) bodyOf(row).append(row);
      table.append(...bodies);
    }
    for (const body of bodies) foldBody(body, fold.has(body.dataset.name));
  }
  for (const id of ["fold", "unfold"]) $("#" + id).disabled = sorted;
  const first = table.querySelector("tbody tr:not([hidden]):not(.subject) td");
  if (first && !$("a[tabindex='0']", table)) linkIn(first)?.setAttribute("tabindex", "0");
}

const bodyOf = (row) => matrix.bodies.find((body) => body.dataset.name === report.cases[row.dataset.case].id.split("/")[0]);

function foldBody(body, closed) {
  const [head, ...rows] = body.rows;
  body.hidden = rows.every((row) => row.hidden);
  if (closed) for (const row of rows) row.hidden = true;
  $("button", head).setAttribute("aria-expanded", String(!closed));
}

// Columns are hidden by one rule; the cells above them are made as wide as what is left.
function columns(targets) {
  const kept = new Set(targets.map((target) => target.place));
  const gone = report.targets.filter((target) => !kept.has(target.place)).map((target) => target.place + 2);
  const rules = gone.map((n) => `.matrix tbody tr > :nth-child(${n}), .matrix thead tr:last-child > :nth-child(${n})`);
  const text = rules.length ? rules.join(",") + "{display:none}" : "";
  if (matrix.rule.textContent === text) return;
  matrix.rule.textContent = text;
  const [col] = $$(".results", matrix.table);
  col.span = Math.max(targets.length, 1);
  col.hidden = !targets.length;
  matrix.spans ??= $$("thead tr:first-child th", matrix.table).map((th) => th.colSpan);
  let from = 0;
  $$("thead tr:first-child th", matrix.table).forEach((th, place) => {
    const left = report.targets.slice(from, from += matrix.spans[place]).filter((target) => kept.has(target.place)).length;
    th.hidden = !left;
    th.colSpan = left || 1;
  });
}

// A cell becomes a link when the pointer or the keyboard comes to it: 15,000 links would slow the page down.
function linkIn(td) {
  if (!td || !td.textContent || td.parentNode.className === "subject" || td.closest("thead")) return null;
  if ($("a", td)) return $("a", td);
  const one = report.cases[td.parentNode.dataset.case], target = report.targets[td.cellIndex - 1];
  const link = h("a", {href: href("case", one.id, target.name), tabindex: "-1"}, ...td.childNodes);
  td.append(link);
  return link;
}

function peek(td) {
  if (!td || !td.parentNode.dataset.case) return;
  linkIn(td);
  const one = report.cases[td.parentNode.dataset.case], target = report.targets[td.cellIndex - 1];
  const result = one.results[target.place];
  $("#peek").replaceChildren(
    result ? badge(result.verdict) : h("span", {class: "badge"}, "not run"), " ", h("bdi", null, target.label), ": ",
    h("bdi", null, one.title), result?.why ? ". " : "", result ? h("bdi", null, result.why) : about(target));
  $("#peek").hidden = false;
}

function moveTo(link) {
  for (const other of $$("a[tabindex='0']", matrix.table)) other.tabIndex = -1;
  if (link.matches("a")) link.tabIndex = 0;
}

// Arrow keys go from cell to cell, over what is hidden and what was not run.
function walk(event) {
  const steps = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key];
  const here = event.target.closest("td, th");
  if (!steps || !here || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const lines = [matrix.table.tHead.rows[1], ...matrix.table.querySelectorAll("tbody tr:not([hidden])")];
  let line = lines.indexOf(here.parentNode), column = here.cellIndex;
  for (;;) {
    line += steps[0];
    column += steps[1];
    const there = lines[line]?.cells[column];
    if (!there) return;
    const link = there.offsetWidth && (there.querySelector("a, button") || linkIn(there));
    if (link) {
      link.focus();
      return;
    }
  }
}
