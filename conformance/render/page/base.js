// Everything from the report becomes a text node or an attribute value here, never markup.
const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

// A fragment is made of the parts of an id as they are; what links cannot hold is written with %.
const encode = (part) => encodeURIComponent(part).replace(/%2F/g, "/").replace(/%2B/g, "+");
const href = (...parts) => "#" + parts.map(encode).join("/");
const web = (address) => /^https?:\/\//.test(address) && address.length <= 2000;
const outward = (address) => web(address)
  ? h("a", {href: address, rel: "noopener noreferrer"}, h("bdi", null, address)) : h("bdi", null, address);

// A text with the addresses in it made links.
function linked(text) {
  return text.split(/(https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]])/).map((piece, i) => i % 2 ? outward(piece) : piece);
}

function copyable(text) {
  const button = h("button", {type: "button", class: "copy"}, "Copy");
  button.addEventListener("click", async () => {
    let done = true;
    try { await navigator.clipboard.writeText(text); } catch {
      const area = h("textarea", {class: "hidden", "aria-hidden": "true"}, text);
      button.after(area);
      area.select();
      done = document.execCommand("copy");
      area.remove();
    }
    button.textContent = done ? "Copied" : "Select and copy by hand";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  return text.includes("\n") ? h("div", {class: "script"}, button, h("pre", {tabindex: "0"}, h("code", null, text)))
    : h("div", {class: "command"}, h("code", null, text), button);
}

const badge = (verdict) =>
  h("span", {class: "badge " + tone(verdict)}, h("span", {"aria-hidden": "true"}, GLYPHS[verdict]), " " + verdict);
const tone = (verdict) => TONES[verdict];
const chip = (letter) => letter ? h("b", {class: "chip class-" + (letter.charCodeAt(0) - 65) % 8}, letter) : null;
const scroll = (label, ...content) =>
  h("div", {class: "scroll", role: "region", "aria-label": label, tabindex: "0"}, ...content);
const plural = (n, one, many = one + "s") => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
