// Plots are drawn by BokehJS, which lies packed in the page and is unpacked for the first of them.
let library = null;

function loadLibrary() {
  library ??= (async () => {
    const packed = $("#library").textContent.trim();
    if (!packed) return null;
    const script = document.createElement("script");
    script.textContent = await inflated(packed);
    document.head.append(script);
    return window.Bokeh || null;
  })();
  return library;
}

function figures(one) {
  if (!one.series.length || !$("#library").textContent.trim()) return null;
  const drawn = one.series.map((plot) => {
    const box = h("div", {class: "plot", role: "img", "aria-label": described(one, plot)});
    return [plot, box, h("figure", null, h("figcaption", null, h("bdi", null, plot.name), `, channel ${plot.channel + 1}, after each step`), box)];
  });
  loadLibrary().then((bokeh) => { if (bokeh) for (const [plot, box] of drawn) if (box.isConnected) draw(bokeh, one, plot, box); });
  return h("div", {class: "figures"}, drawn.map(([, , figure]) => figure));
}

const described = (one, plot) => `${plot.name} after each step. ` + Object.entries(plot.lines).map(([letter, values]) =>
  `Class ${letter}: ${values.map((value) => value ?? "none").join(", ")}`).join(". ");

const MARKERS = ["circle", "square", "triangle", "diamond", "inverted_triangle", "hex", "star", "plus"];

function draw(bokeh, one, plot, box) {
  const model = (name, settings) => new (bokeh.Models.get(name))(settings);
  const css = getComputedStyle(document.documentElement), colour = (name) => css.getPropertyValue(name).trim();
  const steps = one.steps.map((_, place) => place + 1);
  const text = {text_color: colour("--muted"), text_font: "system-ui, sans-serif", text_font_size: "12px"};
  const labels = Object.fromEntries(Object.entries(text).flatMap(([key, value]) => [["major_label_" + key, value], ["axis_label_" + key, value]]));
  const lines = {axis_line_color: colour("--muted"), major_tick_line_color: colour("--muted"), minor_tick_line_color: null, ...labels};
  const view = model("Plot", {
    width: Math.min(460, document.documentElement.clientWidth - 40), height: 230, toolbar_location: null, outline_line_color: null,
    background_fill_color: null, border_fill_color: null,
    x_range: model("Range1d", {start: 0.8, end: one.steps.length + 0.6}), y_range: model("DataRange1d", {range_padding: 0.15}),
  });
  const axis = model("LinearAxis", {axis_label: "step", axis_label_text_font_style: "normal", ticker: model("FixedTicker", {ticks: thinned(steps)}), ...lines});
  const side = model("LinearAxis", {ticker: model("BasicTicker", {desired_num_ticks: 4}), ...lines});
  view.add_layout(axis, "below");
  view.add_layout(side, "left");
  view.add_layout(model("Grid", {axis: side, dimension: 1, grid_line_color: colour("--line")}));
  Object.entries(plot.lines).forEach(([letter, values], place) => {
    const kind = (letter.charCodeAt(0) - 65) % 8, shade = colour("--c" + kind);
    const points = model("ColumnDataSource", {data: {x: steps.slice(0, values.length), y: values.map((value) => value ?? NaN)}});
    const add = (glyph, source = points) => view.add_renderers(model("GlyphRenderer", {data_source: source, glyph}));
    add(model("Line", {x: {field: "x"}, y: {field: "y"}, line_color: shade, line_width: 2, line_dash: place % 2 ? [6, 3] : []}));
    add(model("Scatter", {x: {field: "x"}, y: {field: "y"}, marker: {value: MARKERS[kind]}, size: {value: 7}, fill_color: shade, line_color: shade}));
    const last = values.findLastIndex((value) => value !== null);
    const label = last >= 0 && endingTogether(plot, values[last], last, letter);
    if (label) add(model("Text", {x: {field: "x"}, y: {field: "y"}, text: {value: label}, x_offset: {value: 9}, text_baseline: "middle", ...text, text_color: shade, text_font_style: "bold"}),
      model("ColumnDataSource", {data: {x: [last + 1], y: [values[last]]}}));
  });
  const {Document} = bokeh.require("document");
  const page = new Document();
  page.add_root(view);
  box.replaceChildren();
  bokeh.embed.add_document_standalone(page, box);
}

// The letters of all lines that end in one point, for the first of them; the others get none.
function endingTogether(plot, value, last, letter) {
  const there = Object.entries(plot.lines).filter(([, values]) => values.findLastIndex((one) => one !== null) === last && values[last] === value);
  return there[0][0] === letter ? there.map(([name]) => name).join(", ") : "";
}

const thinned = (steps) => steps.filter((_, place) => place % Math.ceil(steps.length / 12) === 0);
