// A sheet of cells, cases by targets. It is drawn in blocks of few rows, what is in sight first and everything else when
// there is time: neither the first view nor a filter waits for 15,000 cells.
const CHUNK = 8;
const TONE_ORDER = ["bad", "noted", "good", "none", "same"];
const sheets = [];

// show: what a sheet shows. mark(one, column) gives {tone, glyph, word, letter, error} or null, link(one, column) the
// fragment behind a cell, says(one, column) the words for it.
function sheetOf(element, show) {
  const sheet = {element, show, columns: [], waiting: [], clones: new Map(), drawn: null};
  element.addEventListener("pointerover", (event) => peek(sheet, event.target.closest("td")));
  element.addEventListener("focusin", (event) => { moveTo(sheet, event.target); peek(sheet, event.target.closest("td")); });
  element.addEventListener("keydown", (event) => walk(sheet, event));
  element.addEventListener("click", (event) => {
    const link = linkIn(sheet, event.target.closest("td"));
    if (link && !event.target.closest("a")) link.click();
  });
  sheets.push(sheet);
  return sheet;
}

// Parts are {label, cases, button, closed}: the cases under one heading, or without one. The same again is left as it is.
function drawSheet(sheet, columns, parts, key) {
  if (sheet.drawn === key) return;
  Object.assign(sheet, {drawn: key, columns});
  const blocks = parts.flatMap((part) => blocksOf(sheet, part));
  sheet.element.style.setProperty("--targets", columns.length);
  sheet.element.replaceChildren(headsOf(columns), ...blocks);
  const frame = sheet.element.parentNode.getBoundingClientRect();
  const sight = {top: Math.max(frame.top, 0), bottom: Math.min(frame.bottom, innerHeight), right: frame.right};
  const places = blocks.map((block) => block.getBoundingClientRect());
  const columnsSeen = inSight(sheet, sight);
  for (const [place, {top, bottom}] of places.entries()) if (bottom > sight.top && top < sight.bottom) blocks[place].fill(columnsSeen);
  sheet.waiting = blocks;
  const link = $(".block a", sheet.element);
  if (link) link.tabIndex = 0;
  restSoon(200);
}

// Whether a column, by its place, is in sight.
function inSight(sheet, {right}) {
  const heads = $(".heads tr:last-child", sheet.element).cells;
  const ends = [...heads].slice(1).map((th) => th.getBoundingClientRect());
  return (place) => ends[place].right > 0 && ends[place].left < right;
}

// What is not in sight yet is drawn block by block, once nobody has typed for a moment: it can be found and read out.
let pending = 0;

function restSoon(after) {
  clearTimeout(pending);
  if (sheets.some((sheet) => sheet.waiting.length)) pending = setTimeout(() => { finishNext(); restSoon(10); }, after);
}

const finishNext = () => sheets.find((sheet) => sheet.waiting.length)?.waiting.shift().finish();

function finishAll() {
  while (sheets.some((sheet) => sheet.waiting.length)) finishNext();
}

// Targets that follow each other and differ in their mode only.
function sideBySide(columns) {
  const groups = [];
  for (const column of columns) {
    const [last] = groups.at(-1) || [];
    if (last && last.adapter === column.adapter && last.environment === column.environment) groups.at(-1).push(column);
    else groups.push([column]);
  }
  return groups;
}

function headsOf(columns) {
  const groups = sideBySide(columns);
  return h("table", {class: "matrix heads", "aria-label": "Targets"}, widths(columns), h("thead", null,
    h("tr", null, h("td", {class: "corner"}), groups.map((group) => h("th", {scope: "colgroup", colspan: group.length, class: "edge"},
      h("bdi", null, group[0].adapter), " ", h("small", null, h("bdi", null, group[0].environment))))),
    h("tr", null, h("th", {scope: "col", class: "corner"}, "case"), groups.map((group) => group.map((column, place) =>
      h("th", {scope: "col", class: place ? null : "edge"}, headOf(column)))))));
}

const headOf = ({name, head}) => name
  ? h("a", {class: "turned", href: href("target", name), tabindex: "-1"}, h("bdi", null, head))
  : h("span", {class: "turned"}, h("bdi", null, head));

const widths = (columns) => h("colgroup", null, h("col", {class: "names"}), h("col", {class: "results", span: columns.length || 1}));

function blocksOf(sheet, part) {
  const places = part.closed ? [] : part.cases, blocks = [];
  for (let from = 0; from === 0 || from < places.length; from += CHUNK) {
    const inside = places.slice(from, from + CHUNK), block = h("div", {class: "block"});
    block.style.setProperty("--rows", inside.length);
    block.fill = (seen) => block.append(tableOf(sheet, part, inside, from === 0, seen));
    block.finish = () => {
      if (!block.firstChild) block.fill(() => true);
      else for (const td of $$("td.later", block)) td.replaceWith(markOf(sheet, sheet.show.mark(report.cases[td.parentNode.dataset.case], columnOf(sheet, td))));
    };
    blocks.push(block);
  }
  return blocks;
}

function tableOf(sheet, part, places, first, seen) {
  const names = sheet.columns.map((column) => h("th", {scope: "col"}, h("span", {class: "hidden"}, column.label)));
  return h("table", {class: "matrix", "aria-label": part.label}, widths(sheet.columns),
    h("thead", {class: "unseen"}, h("tr", null, h("th", {scope: "col"}, h("span", {class: "hidden"}, "case")), names)),
    h("tbody", null, first && part.button ? subjectRow(sheet, part) : null, places.map((place) => lineOf(sheet, report.cases[place], seen))));
}

function subjectRow(sheet, part) {
  return h("tr", {class: "subject"}, h("th", {scope: "row"}, part.button()), sheet.columns.map((column) => {
    const marks = part.cases.map((place) => sheet.show.mark(report.cases[place], column)).filter(Boolean);
    const tone = TONE_ORDER.find((name) => marks.some((mark) => mark.tone === name));
    const found = marks.filter((mark) => mark.tone === tone);
    return h("td", null, tone ? h("span", {class: tone}, `${found[0].glyph} ${found.length}`) : null);
  }));
}

function lineOf(sheet, one, seen) {
  const short = one.id.slice(one.id.indexOf("/") + 1);
  return h("tr", {"data-case": one.place},
    h("th", {scope: "row"}, h("a", {href: href("case", one.id), tabindex: "-1"}, h("span", {class: "title"}, one.title), h("span", {class: "short"}, short))),
    sheet.columns.map((column, place) => seen(place) ? markOf(sheet, sheet.show.mark(one, column)) : h("td", {class: "later"})));
}

// Most cells look like one that there was already.
function markOf(sheet, mark) {
  const key = mark ? [mark.word, mark.letter, mark.error].join(" ") : "";
  if (!sheet.clones.has(key)) sheet.clones.set(key, mark ? h("td", {class: mark.tone},
    h("span", {role: "img", "aria-label": mark.word}, mark.glyph), mark.letter ? h("b", {class: mark.letter === "A" ? null : "apart"}, mark.letter) : null,
    mark.error ? h("small", null, mark.error) : null) : h("td"));
  return sheet.clones.get(key).cloneNode(true);
}

const columnOf = (sheet, td) => sheet.columns[td.cellIndex - 1];

// A cell becomes a link when the pointer or the keyboard comes to it: 15,000 links would slow the page down.
function linkIn(sheet, td) {
  const place = td?.parentNode.dataset.case;
  if (place === undefined || !td.textContent) return null;
  if ($("a", td)) return $("a", td);
  const link = h("a", {href: sheet.show.link(report.cases[place], columnOf(sheet, td)), tabindex: "-1"}, ...td.childNodes);
  td.append(link);
  return link;
}

function peek(sheet, td) {
  const place = td?.parentNode.dataset.case;
  if (place === undefined) return;
  linkIn(sheet, td);
  const box = $(".peek", sheet.element.closest("[data-view]"));
  box.replaceChildren(...sheet.show.says(report.cases[place], columnOf(sheet, td)).flat(Infinity).filter(Boolean));
  box.hidden = false;
}

function moveTo(sheet, link) {
  for (const other of $$("a[tabindex='0']", sheet.element)) other.tabIndex = -1;
  if (link.matches("a")) link.tabIndex = 0;
}

// Arrow keys go from cell to cell, over what was not run.
function walk(sheet, event) {
  const way = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key];
  const here = event.target.closest("td, th");
  if (!way || !here || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  finishAll();
  const lines = [$(".heads tr:last-child", sheet.element), ...$$(".block tbody tr", sheet.element)];
  let line = lines.indexOf(here.parentNode), column = here.cellIndex;
  for (;;) {
    line += way[0];
    column += way[1];
    const there = lines[line]?.cells[column];
    if (!there) return;
    const link = $("a, button", there) || linkIn(sheet, there);
    if (link) {
      link.focus();
      return;
    }
  }
}
