// The matrix is in the page already; here it is filtered, folded, sorted, and walked through with the keyboard.
const matrix = {sheet: null, rows: [], blocks: [], sorted: []};
const CHUNK = 15;

function prepareMatrix() {
  matrix.sheet = $(".sheet");
  if (!matrix.sheet) return;
  matrix.blocks = $$(".block", matrix.sheet);
  for (const block of matrix.blocks) {
    const [head, ...rows] = $("tbody", block).rows;
    for (const row of rows) {
      row.dataset.case = matrix.rows.length;
      matrix.rows.push(row);
      row.cells[0].firstElementChild.tabIndex = -1;
    }
    const button = h("button", {type: "button", "aria-expanded": "true"}, ...head.cells[0].childNodes);
    button.addEventListener("click", () => go({fold: toggled(folded(), block.dataset.subject).join(",")}));
    head.cells[0].append(button);
    Object.assign(block, {rows, body: $("tbody", block), head, button});
  }
  matrix.rule = document.head.appendChild(h("style", null));
  for (const link of $$(".heads a")) link.tabIndex = -1;
  matrix.sheet.addEventListener("pointerover", (event) => peek(event.target.closest("td")));
  matrix.sheet.addEventListener("focusin", (event) => { moveTo(event.target); peek(event.target.closest("td")); });
  matrix.sheet.addEventListener("keydown", walk);
  matrix.sheet.addEventListener("click", (event) => {
    const link = linkIn(event.target.closest("td"));
    if (link && !event.target.closest("a")) link.click();
  });
  $("#sort").addEventListener("change", (event) => go({sort: event.target.value}));
  $("#fold").addEventListener("click", () => go({fold: matrix.blocks.map((block) => block.dataset.subject).join(",")}));
  $("#unfold").addEventListener("click", () => go({fold: ""}));
}

const folded = () => (state.options.fold || "").split(",").filter(Boolean);
const toggled = (names, name) => names.includes(name) ? names.filter((other) => other !== name) : [...names, name];

function drawMatrix({targets, cases}) {
  if (!matrix.sheet) return;
  const fold = new Set(folded()), sorted = state.options.sort === "disagreement";
  columns(targets);
  $("#sort").value = sorted ? "disagreement" : "";
  $("#fold").disabled = $("#unfold").disabled = sorted;
  if (sorted) drawSorted(targets, cases);
  else for (const block of matrix.blocks) drawBlock(block, cases, fold.has(block.dataset.subject));
  later(sorted ? [] : matrix.blocks.filter((block) => !block.hidden));
  if (!sorted) for (const block of matrix.sorted.splice(0)) block.remove();
  const link = $(".block:not([hidden]) tr:not([hidden]):not(.subject) a", matrix.sheet);
  if (link && !$("a[tabindex='0']", matrix.sheet)) link.tabIndex = 0;
}

// Blocks beyond the first screen are left out of this frame: only then does the browser see that they are out of sight.
function later(blocks) {
  let rows = 0;
  const far = blocks.filter((block) => (rows += +block.style.getPropertyValue("--rows") + 1) > 2 * CHUNK).slice(1);
  for (const block of far) block.style.contentVisibility = "hidden";
  requestAnimationFrame(() => { for (const block of far) block.style.contentVisibility = ""; });
}

function drawBlock(block, cases, closed) {
  let left = 0;
  for (const row of block.rows) {
    const fits = cases.has(+row.dataset.case);
    left += fits;
    if (row.hidden !== (!fits || closed)) row.hidden = !fits || closed;
    if (row.parentNode !== block.body) block.body.append(row);
  }
  block.hidden = !left;
  block.style.setProperty("--rows", closed ? 0 : left);
  block.button.setAttribute("aria-expanded", String(!closed));
}

// All rows that are left, those with most classes of behaviour first, in blocks of a size that is quickly laid out.
function drawSorted(targets, cases) {
  const count = new Map([...cases].map((place) => [place, classes(report.cases[place], targets).length]));
  const left = [...cases].sort((a, b) => count.get(b) - count.get(a) || a - b).map((place) => matrix.rows[place]);
  const blocks = [];
  for (let from = 0; from < left.length; from += CHUNK) {
    const block = matrix.blocks[0].cloneNode(false), rows = left.slice(from, from + CHUNK);
    const [groups, head] = $("table", matrix.blocks[0]).children;
    const table = h("table", {class: "matrix", "aria-label": `cases ${from + 1} to ${from + rows.length}`}, groups.cloneNode(true), head.cloneNode(true), h("tbody", null, rows));
    for (const row of rows) row.hidden = false;
    block.hidden = false;
    block.style.setProperty("--rows", rows.length);
    block.append(table);
    blocks.push(block);
  }
  for (const block of matrix.blocks) block.hidden = true;
  for (const block of matrix.sorted.splice(0)) block.remove();
  matrix.sorted = blocks;
  matrix.sheet.append(...blocks);
}

// Columns are hidden by one rule; the cells above them are made as wide as what is left.
function columns(targets) {
  const kept = new Set(targets.map((target) => target.place));
  const gone = report.targets.filter((target) => !kept.has(target.place)).map((target) => target.place + 2);
  const rules = gone.map((n) => `.block tr > :nth-child(${n}), .heads tr:last-child > :nth-child(${n})`);
  const text = rules.length ? rules.join(",") + "{display:none}" : "";
  if (matrix.rule.textContent === text) return;
  matrix.rule.textContent = text;
  matrix.sheet.style.setProperty("--targets", targets.length);
  const heads = $$(".heads tr:first-child th", matrix.sheet);
  matrix.spans ??= heads.map((th) => th.colSpan);
  let from = 0;
  heads.forEach((th, place) => {
    const left = report.targets.slice(from, from += matrix.spans[place]).filter((target) => kept.has(target.place)).length;
    th.hidden = !left;
    th.colSpan = left || 1;
  });
  for (const col of $$("col.results", matrix.sheet)) {
    col.span = Math.max(targets.length, 1);
    col.hidden = !targets.length;
  }
}

// A cell becomes a link when the pointer or the keyboard comes to it: 15,000 links would slow the page down.
function linkIn(td) {
  const place = td?.parentNode.dataset.case;
  if (place === undefined || !td.textContent) return null;
  if ($("a", td)) return $("a", td);
  const link = h("a", {href: href("case", report.cases[place].id, report.targets[td.cellIndex - 1].name), tabindex: "-1"}, ...td.childNodes);
  td.append(link);
  return link;
}

function peek(td) {
  const place = td?.parentNode.dataset.case;
  if (place === undefined) return;
  linkIn(td);
  const one = report.cases[place], target = report.targets[td.cellIndex - 1], result = one.results[target.place];
  $("#peek").replaceChildren(
    result ? badge(result.verdict) : h("span", {class: "badge"}, "not run"), " ", h("bdi", null, target.label), ": ",
    h("bdi", null, one.title), result?.why ? ". " : "", result ? h("bdi", null, result.why) : about(target));
  $("#peek").hidden = false;
}

function moveTo(link) {
  for (const other of $$("a[tabindex='0']", matrix.sheet)) other.tabIndex = -1;
  if (link.matches("a")) link.tabIndex = 0;
}

// Arrow keys go from cell to cell, over what is hidden and what was not run.
function walk(event) {
  const way = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key];
  const here = event.target.closest("td, th");
  if (!way || !here || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const lines = [$(".heads tr:last-child"), ...$$(".block:not([hidden]) tbody tr:not([hidden])", matrix.sheet)];
  let line = lines.indexOf(here.parentNode), column = here.cellIndex;
  for (;;) {
    line += way[0];
    column += way[1];
    const there = lines[line]?.cells[column];
    if (!there) return;
    const link = there.offsetWidth && ($("a, button", there) || linkIn(there));
    if (link) {
      link.focus();
      return;
    }
  }
}
