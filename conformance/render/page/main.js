// The view that the fragment names: matrix, compare, questions, targets, legend, case/ID, case/ID/TARGET, target/NAME,
// pair/NAME/NAME, timeline; what comes after ? are options, such as the filter.
const state = {view: "matrix", parts: [], options: {}};
const TITLE = document.title;

function options(view, entries) {
  const said = Object.entries(entries).filter(([, value]) => value && value.length);
  return "#" + view + (said.length ? "?" + said.map(([key, value]) => `${key}=${encode(String(value))}`).join("&") : "");
}

// A page that was made to compare opens with what changed.
const home = () => report.comparison ? "compare" : "matrix";

const decode = (text) => { try { return decodeURIComponent(text); } catch { return text; } };

function read() {
  const [path, query = ""] = location.hash.slice(1).split(/\?(.*)/s);
  const parts = path.split("/").map(decode);
  state.options = Object.fromEntries(query.split("&").filter(Boolean).map((pair) => [decode(pair.split("=")[0]), decode(pair.split(/=(.*)/s)[1] || "")]));
  state.view = parts[0] || home();
  state.parts = parts.slice(1);
}

// The longest beginning of a path that is a case; the rest, if there is any, is a target.
function caseAndTarget(parts) {
  for (let n = parts.length; n > 0; n--) {
    const id = parts.slice(0, n).join("/");
    if (report.byId.has(id)) return [report.byId.get(id).id, parts.slice(n).join("/")];
  }
  return [parts.join("/"), ""];
}

const DRAWN = {
  case: (parts) => caseView(...caseAndTarget(parts)),
  target: (parts) => targetView(parts.join("/")),
  pair: ([first, second]) => pairView(first || "", second || ""),
  timeline: () => timelineView(),
};

function go(changes) {
  const view = ["questions", "compare"].includes(state.view) ? state.view : "matrix";
  history.replaceState(null, "", options(view, {...state.options, ...changes}));
  read();
  show(false);
}

function show(moved) {
  const drawn = Object.hasOwn(DRAWN, state.view) && DRAWN[state.view];
  const view = drawn || $(`[data-view="${CSS.escape(state.view)}"]`) ? state.view : home();
  for (const section of $$("[data-view]")) section.hidden = section.dataset.view !== view;
  $("#drawn").hidden = !drawn;
  $("#drawn").replaceChildren(...(drawn ? drawn(state.parts).flat(Infinity).filter(Boolean) : []));
  const query = state.options.q || "";
  if (document.activeElement !== $("#query")) $("#query").value = query;
  filter(view, query);
  for (const link of $$("header nav a")) {
    if (link.hash === "#" + view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const title = drawn ? $("#drawn h2").textContent : $(`[data-view="${view}"] h2`).textContent;
  document.title = view === home() ? TITLE : `${title} · ${TITLE}`;
  if (moved) {
    scrollTo(0, 0);
    (drawn ? $("#drawn h2") : $("#view")).focus({preventScroll: true});
  }
}

function filter(view, query) {
  const found = filtered(query, view === "compare" ? report.comparison.pairs : report.targets);
  if (view === "matrix") drawMatrix(found);
  if (view === "questions") drawQuestions(found.cases);
  if (view === "compare") drawComparison(found, query);
  const empty = !found.cases.size || !found.targets.length;
  const said = empty ? "Nothing found. " + (found.complaints.join("; ") || "Take a term away, or see the help.") : "";
  for (const note of $$(".nothing")) {
    note.hidden = !empty;
    note.textContent = said;
  }
  $("#found").textContent = !query ? "" : empty ? "Nothing found"
    : `${found.cases.size} of ${plural(report.cases.length, "case")}, ${found.targets.length} of ${plural(found.all, "target")}`
      + (found.complaints.length ? "; " + found.complaints.join("; ") : "");
}

function drawQuestions(cases) {
  for (const part of $$(".part")) part.hidden = true;
  let part = null;
  for (const element of $("[data-view=questions]").children) {
    if (element.matches(".part")) part = element;
    if (!element.matches("article")) continue;
    const one = report.byId.get(element.dataset.case);
    element.hidden = !cases.has(one?.place) || !one.question;
    if (!element.hidden) part.hidden = false;
  }
}

async function start() {
  await unpack();
  addEventListener("beforeprint", finishAll);
  for (const element of $$("[data-script]")) element.hidden = element.matches("nav a") && !lineages().length;
  prepareMatrix();
  prepareComparison();
  const typed = () => go({q: $("#query").value.trim()});
  $("#query").addEventListener("input", typed);
  $("#query").form.addEventListener("submit", (event) => { event.preventDefault(); typed(); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "k" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      $("#query").focus();
      $("#query").select();
    } else if (event.key === "Escape" && document.activeElement === $("#query")) {
      $("#query").value = "";
      typed();
    }
  });
  addEventListener("hashchange", () => { read(); show(true); });
  read();
  show(location.hash.length > 1);
  if (state.view === "case") await loadTables();
  document.documentElement.classList.remove("scripted");
  document.documentElement.dataset.ready = "";
}

// An old browser gets what is there for those without a script.
function plain() {
  document.documentElement.classList.remove("scripted");
  for (const element of $$("noscript")) element.outerHTML = element.textContent;
}

if (typeof DecompressionStream === "function") start();
else plain();
