"use strict";
// The browser of cases. What models said reaches the page as text nodes only, never as HTML.
const data = JSON.parse(document.getElementById("cases-json").textContent);
const control = id => document.getElementById(id);
const KEYS = ["benchmark", "asked", "right", "wrong", "invalid", "q"];
const STEP = 20;
let wanted = "", shown = STEP;

const say = value => (typeof value === "string" ? value : JSON.stringify(value));
data.cases.forEach(one => {
  one.text = [one.id, one.question, one.prompt, one.gold, ...one.options, ...one.groups,
    ...one.replies.flatMap(reply => [reply.text, reply.parsed || "", reply.reason])].join("\n").toLowerCase();
});

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...children.filter(child => child !== null && child !== ""));
  return made;
}

function state() {
  const now = {};
  for (const key of KEYS) now[key] = key === "invalid" ? (control(key).checked ? "1" : "") : control(key).value;
  return now;
}

const verdictOf = (one, model) => {
  const reply = one.replies.find(each => each.model === model);
  return reply ? reply.accuracy : undefined;
};

function fits(one, now) {
  return (!now.benchmark || one.benchmark === now.benchmark)
    && (!now.asked || one.asked === now.asked)
    && (!now.right || verdictOf(one, now.right) === 1)
    && (!now.wrong || verdictOf(one, now.wrong) === 0)
    && (!now.invalid || one.replies.some(reply => reply.invalid))
    && (!now.q || one.text.includes(now.q.toLowerCase()));
}

function link(now) {
  return "#" + new URLSearchParams(Object.entries(now).filter(([, value]) => value)).toString();
}

function verdict(reply) {
  if (reply.accuracy === null) return ["unscored", "– unscored"];
  if (reply.invalid) return ["invalid", reply.accuracy === 1 ? "✓ invalid, guessed" : "✗ invalid"];
  return reply.accuracy === 1 ? ["right", "✓ right"] : ["wrong", "✗ wrong"];
}

function replyBlock(reply, language) {
  const [kind, words] = verdict(reply);
  return element("div", {},
    element("p", {}, element("b", { class: kind }, words), " — ", element("b", {}, reply.model)),
    element("p", {}, "parsed ", element("code", {}, reply.parsed === null ? "nothing" : say(reply.parsed)),
      reply.reason ? ": " + reply.reason : ""),
    element("pre", { lang: language, dir: "auto", tabindex: "0", "aria-label": "reply of " + reply.model },
      reply.text === "" ? "(an empty reply)" : reply.text));
}

function picture(one) {
  if (typeof one.image === "string") return element("p", { class: "quiet" }, one.image);
  return element("img", { src: data.images[one.image], alt: "the image of " + one.id });
}

function caseBlock(one) {
  const where = { benchmark: one.benchmark, asked: one.asked, case: one.id };
  const options = one.options.map((text, index) => element("li", index === one.right ? { class: "gold" } : {},
    String.fromCharCode(65 + index) + ". " + text + (index === one.right ? " ✓ gold" : "")));
  return element("article", { "data-id": one.id, "data-benchmark": one.benchmark },
    element("div", {}, picture(one)),
    element("div", {},
      element("h3", { lang: one.language, dir: "auto" }, one.question || "(the question is in the prompt)"),
      element("p", { class: "quiet" }, element("a", { href: link(where) }, one.id),
        [" ", one.benchmark, one.asked, ...one.groups].join(" · ").replace("  ·", " ·")),
      options.length ? element("ol", { class: "options" }, ...options) : "",
      element("p", {}, "gold ", element("b", { class: "gold" }, one.gold)),
      element("details", {}, element("summary", {}, "the prompt"),
        element("pre", { dir: "auto", tabindex: "0", "aria-label": "prompt" }, one.prompt)),
      element("div", { class: "replies" }, ...one.replies.map(reply => replyBlock(reply, one.language)))));
}

function show() {
  const now = state();
  const found = data.cases.filter(one => fits(one, now) && (!wanted || one.id === wanted));
  control("list").replaceChildren(...found.slice(0, shown).map(caseBlock));
  control("count").textContent = wanted
    ? (found.length ? "one question, " + found.length + (found.length === 1 ? " case" : " cases") : "no such case in this page")
    : found.length + " of " + data.cases.length + " cases fit" + (found.length > shown ? ", the first " + shown + " shown" : "");
  control("more").hidden = found.length <= shown;
  control("all").hidden = !wanted && !KEYS.some(key => now[key]);
}

function read() {
  if (location.hash && !location.hash.includes("=")) return show(); // a link to a section keeps the filters
  const given = new URLSearchParams(location.hash.slice(1));
  wanted = given.get("case") || "";
  for (const key of KEYS) {
    if (key === "invalid") control(key).checked = given.get(key) === "1";
    else control(key).value = given.get(key) || "";
  }
  shown = STEP;
  show();
  if (wanted || KEYS.some(key => given.get(key))) control("cases").scrollIntoView();
}

function changed() {
  wanted = "";
  shown = STEP;
  history.replaceState(null, "", link(state()) === "#" ? "#cases" : link(state()));
  show();
}

KEYS.forEach(key => control(key).addEventListener(key === "q" ? "input" : "change", changed));
control("more").addEventListener("click", () => {
  const first = shown;
  shown += STEP;
  show();
  const next = control("list").children[first];
  if (next) next.querySelector("a").focus();
});
control("all").addEventListener("click", () => {
  KEYS.forEach(key => { if (key === "invalid") control(key).checked = false; else control(key).value = ""; });
  changed();
});
addEventListener("hashchange", read);
read();
