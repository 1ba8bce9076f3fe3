"use strict";

const EXAMPLES = [
  "wind sites over 100kw in berkshire",
  "compare wind and solar in Yorkshire",
  "how many solar sites per region",
  "ten largest hydro sites in Scotland",
  "what is the fit rate for fit id 1585",
  "solar farms in Devon with less than 8 years left",
];
const NAMES = {
  query_type: "Question", query_intent: "Looking for", fit_id: "FIT ID", technology: "Technology",
  technologies: "Technologies", capacity_min_kw: "At least", capacity_max_kw: "At most", location: "Place",
  locations: "Places", postcode_patterns: "Postcodes", commissioned_year_min: "Commissioned from",
  commissioned_year_max: "Commissioned until", fit_remaining_min_years: "Tariff left, at least",
  fit_remaining_max_years: "Tariff left, at most", fit_expiry_year_min: "Tariff ends from",
  fit_expiry_year_max: "Tariff ends until", aggregation: "Figure", group_by: "For each", sort_by: "Order",
  limit: "Rows, at most", include_regional: "Regional yields", include_revenue: "Revenue",
};
const UNITS = {
  capacity_min_kw: "kW", capacity_max_kw: "kW", fit_remaining_min_years: "years", fit_remaining_max_years: "years",
};
const WORDS = {
  capacity_desc: "largest first", capacity_asc: "smallest first", commissioned_desc: "newest first",
  commissioned_asc: "oldest first", fit_remaining_asc: "tariff ending first", revenue_desc: "highest revenue first",
  count: "number of sites", sum_capacity: "total capacity", avg_capacity: "average capacity",
  min_capacity: "smallest capacity", max_capacity: "largest capacity", fit_rate: "tariff rate",
  unsupported: "not about these sites",
};
const HEADINGS = {
  fit_id: "FIT ID", capacity_kw: "Capacity, kW", outward_code: "Postcode", local_authority: "Council",
  commissioned_date: "Commissioned", tariff_end: "Tariff ends", fit_remaining_years: "Years left",
  total_capacity_kw: "Total capacity, kW", average_capacity_kw: "Average capacity, kW",
  smallest_capacity_kw: "Smallest capacity, kW", largest_capacity_kw: "Largest capacity, kW",
  tariff_p_kwh: "Tariff, p/kWh", pence_per_kwh: "p/kWh", revenue_gbp: "Revenue, £ a year",
  revenue_regional_gbp: "Revenue (regional), £ a year", generation_kwh: "Yield, kWh a year",
  generation_regional_kwh: "Yield (regional), kWh a year",
};
const PATTERNS = "postcode_patterns";

const byId = (id) => document.getElementById(id);
const state = { schema: null, outline: null, question: "", id: "", filters: {}, parsed: {}, limit: 100, asked: 0 };

// Talking to the service ---------------------------------------------------------------------------------------------

function user() {
  let name = localStorage.getItem("fit-user");
  if (!name) {
    name = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    localStorage.setItem("fit-user", name);
  }
  return name;
}

async function post(path, body) {
  const headers = { "Content-Type": "application/json", "X-User-Id": user() };
  const key = sessionStorage.getItem("fit-key");
  if (key) headers["X-API-Key"] = key;
  let response;
  try {
    response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  } catch {
    throw new Error("The service cannot be reached; is it still running?");
  }
  const content = await response.json().catch(() => ({}));
  if (response.ok) return content;
  byId("key-form").hidden = response.status !== 401;
  throw new Error(content.detail || `The service answered with status ${response.status}.`);
}

async function ask(question, filters) {
  const turn = ++state.asked;
  byId("status").textContent = "Looking…";
  byId("problem").hidden = true;
  byId("answer").classList.add("busy");
  try {
    const body = { question, charts: true, limit: state.limit };
    if (filters) body.filters = filters;
    const answer = await post("/ask", body);
    if (turn !== state.asked) return;
    state.question = question;
    state.filters = answer.filters;
    if (!filters) {
      state.parsed = answer.filters;
      state.id = answer.id;
      forgetReaction();
    }
    show(answer, Boolean(filters));
    byId("status").textContent = "";
  } catch (error) {
    if (turn !== state.asked) return;
    byId("status").textContent = "";
    tell(error.message);
    if (filters) showChips();
  } finally {
    if (turn === state.asked) {
      byId("answer").classList.remove("busy");
      document.body.dataset.settled = String(turn);
    }
  }
}

function tell(message) {
  byId("problem").textContent = message;
  byId("problem").hidden = false;
}

// Showing an answer --------------------------------------------------------------------------------------------------

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name in made && typeof value !== "string") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const words = (text) => WORDS[text] || String(text).replaceAll("_", " ");
const heading = (column) => HEADINGS[column] || words(column).replace(/^./, (first) => first.toUpperCase());

function figure(value, column = "") {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number") return String(value);
  if (/year$|_year_/.test(column)) return String(value);
  return value.toLocaleString("en-GB", { maximumFractionDigits: Math.abs(value) >= 1000 ? 0 : 2 });
}

function show(answer, corrected) {
  byId("answer").hidden = false;
  showChips();
  byId("by").textContent = corrected
    ? "Your own filters."
    : `Read by ${answer.parser === "regex" ? "the rules" : `the model (${answer.parser})`} in ` +
      `${figure(answer.latency_ms < 10 ? answer.latency_ms : Math.round(answer.latency_ms))} ms${answer.cached ? ", from memory" : ""}.`;
  byId("sentence").textContent = answer.sentence;
  byId("notes").replaceChildren(...answer.notes.map((note) => element("li", {}, note)));
  showBars(answer.chart);
  showMap(answer.dots);
  showRows(answer);
}

function showBars(chart) {
  byId("bars-figure").hidden = !chart;
  if (!chart) return;
  const rest = chart.left_out ? `; ${figure(chart.left_out)} more not drawn` : "";
  byId("bars-caption").textContent = `${heading(chart.figure)} by ${words(chart.by)}${rest}`;
  const highest = Math.max(...chart.bars.map(([, value]) => value), 1e-9);
  byId("bars").replaceChildren(...chart.bars.map(([label, value]) => {
    const bar = element("span", { class: "bar", "aria-hidden": "true" });
    bar.style.width = `${(75 * value) / highest}%`;
    const track = element("span", { class: "track" }, bar, element("span", { class: "value" }, figure(value)));
    return element("li", {}, element("span", { class: "label" }, label), track);
  }));
}

function showRows(answer) {
  byId("rows-card").hidden = !answer.rows.length;
  const numeric = answer.columns.map((column) => answer.rows.some((row) => typeof row[column] === "number"));
  const cells = (tag, values) => values.map((value, index) => {
    const attributes = tag === "th" ? { scope: "col" } : {};
    return element(tag, numeric[index] ? { ...attributes, class: "number" } : attributes, value);
  });
  byId("rows").tHead.replaceChildren(element("tr", {}, ...cells("th", answer.columns.map(heading))));
  byId("rows").tBodies[0].replaceChildren(...answer.rows.map((row) =>
    element("tr", {}, ...cells("td", answer.columns.map((column) => figure(row[column], column))))));
  const some = answer.rows.length < answer.total;
  byId("shown").textContent = some ? `${figure(answer.rows.length)} of ${figure(answer.total)} rows.` : "";
  byId("more").hidden = !some || state.limit >= 1000;
}

// The map: outward codes of Great Britain as faint dots give its shape. Kilometres of the National Grid.
const EAST = 670, NORTH = 1230;

async function showMap(dots) {
  byId("map-figure").hidden = !dots || !dots.length;
  if (!dots || !dots.length) return;
  state.dots = dots;
  if (!state.outline) {
    try {
      state.outline = await (await fetch("/map")).json();
    } catch {
      state.outline = [];
    }
  }
  drawMap();
  const sites = dots.reduce((sum, dot) => sum + dot[3], 0);
  const [first] = dots;
  const most = dots.length === 1 ? ` in ${first[0]}` : first[3] > 1 ? `, most in ${first[0]} (${figure(first[3])})` : "";
  const text = `${figure(sites)} ${sites === 1 ? "site" : "sites"} by outward postcode${most}`;
  byId("map-caption").textContent = text;
  byId("map").setAttribute("aria-label", `Map: ${text}`);
}

function onCanvas(canvas, east, north) {
  return [(east / EAST) * canvas.width, canvas.height - (north / NORTH) * canvas.height];
}

function drawMap(pointed) {
  const canvas = byId("map");
  const pen = canvas.getContext("2d");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = colour("--faint");
  for (const [east, north] of state.outline) {
    const [x, y] = onCanvas(canvas, east, north);
    pen.fillRect(x - 2, y - 2, 4, 4);
  }
  const highest = Math.max(...state.dots.map((dot) => dot[3]));
  const [least, most] = state.dots.length < 20 ? [8, 6] : [2.5, 8];
  pen.fillStyle = colour("--dot");
  for (const dot of state.dots) {
    const [x, y] = onCanvas(canvas, dot[1], dot[2]);
    pen.globalAlpha = dot === pointed ? 1 : 0.6;
    pen.beginPath();
    pen.arc(x, y, least + most * Math.sqrt(dot[3] / highest), 0, 2 * Math.PI);
    pen.fill();
  }
  pen.globalAlpha = 1;
}

function pointAt(event) {
  const canvas = byId("map");
  const box = canvas.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * canvas.width;
  const y = ((event.clientY - box.top) / box.height) * canvas.height;
  let nearest = null, distance = 24;
  for (const dot of state.dots || []) {
    const [dotX, dotY] = onCanvas(canvas, dot[1], dot[2]);
    const away = Math.hypot(dotX - x, dotY - y);
    if (away < distance) [nearest, distance] = [dot, away];
  }
  canvas.title = nearest ? `${nearest[0]}: ${figure(nearest[3])} sites, ${figure(nearest[4])} kW` : "";
  drawMap(nearest);
}

// Filters as chips ---------------------------------------------------------------------------------------------------

function shownValue(key, value) {
  if (value === true) return "yes";
  if (Array.isArray(value)) return value.length > 12 ? `${value.slice(0, 12).join(", ")} and ${value.length - 12} more` : value.join(", ");
  const shown = /_year_|fit_id/.test(key) || typeof value === "number" ? figure(value, key) : value;
  return UNITS[key] ? `${shown} ${UNITS[key]}` : WORDS[shown] || (/^[a-z]+_/.test(shown) ? words(shown) : shown);
}

/** What follows from another filter is shown with it and goes with it: a place's postcodes, a figure's query type. */
function keysToShow(filters) {
  const implied = { [PATTERNS]: filters.location, query_type: filters.aggregation && filters.query_type === "aggregation" };
  return Object.keys(NAMES).filter((key) => key in filters && !implied[key]);
}

function showChips() {
  const chips = keysToShow(state.filters).map((key) => chip(key));
  if (!chips.length) chips.push(element("li", { class: "hint" }, "no filters: all installations"));
  byId("chips").replaceChildren(...chips, adder());
  byId("correct").hidden = !state.question || JSON.stringify(state.filters) === JSON.stringify(state.parsed);
}

function chip(key) {
  const item = element("li", { class: "chip", "data-key": key });
  let shown = shownValue(key, state.filters[key]);
  if (key === "location" && state.filters[PATTERNS]) shown += ` (${shownValue(PATTERNS, state.filters[PATTERNS])})`;
  const edit = element("button", { type: "button", class: "edit" },
    element("span", { class: "name" }, `${NAMES[key] || key}: `), shown);
  edit.addEventListener("click", () => {
    if (state.filters[key] === true) return;
    item.replaceChildren(editor(key, state.filters[key], showChips));
    item.querySelector("input, select").focus();
  });
  const remove = element("button", { type: "button", class: "remove", "aria-label": `Remove ${NAMES[key] || key}` }, "×");
  remove.addEventListener("click", () => change(key, undefined));
  item.append(edit, remove);
  return item;
}

function editor(key, value, cancel) {
  const form = element("form", {}, element("span", { class: "name" }, NAMES[key] || key));
  const control = controlFor(key, value);
  const ok = element("button", {}, "OK");
  const back = element("button", { type: "button" }, "Cancel");
  form.append(control, ok, back);
  back.addEventListener("click", cancel);
  form.addEventListener("keydown", (event) => event.key === "Escape" && cancel());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    change(key, readControl(key, control));
  });
  return form;
}

/** "number" for every kind of number: the schema says it as a type or as alternatives. */
function kindOf(schema) {
  const types = [schema.type, ...(schema.anyOf || []).map((option) => option.type)];
  return types.includes("number") || types.includes("integer") ? "number" : schema.type;
}

function controlFor(key, value) {
  const schema = state.schema.properties[key] || {};
  const label = NAMES[key] || key;
  if (schema.enum) {
    return element("select", { "aria-label": label }, ...schema.enum.map((option) =>
      element("option", { value: option, selected: option === value }, words(option))));
  }
  if (schema.type === "array" && schema.items.enum) {
    return element("select", { "aria-label": label, multiple: true, size: String(schema.items.enum.length) },
      ...schema.items.enum.map((option) =>
        element("option", { value: option, selected: (value || []).includes(option) }, option)));
  }
  const isNumber = kindOf(schema) === "number";
  const input = element("input", { "aria-label": label, required: true, type: isNumber ? "number" : "text" });
  if (isNumber) input.step = schema.type === "integer" ? "1" : "any";
  if (schema.type === "array") input.title = "several, with commas between them";
  input.value = Array.isArray(value) ? value.join(", ") : value ?? "";
  return input;
}

function readControl(key, control) {
  const schema = state.schema.properties[key] || {};
  if (control.multiple) return Array.from(control.selectedOptions, (option) => option.value);
  if (schema.type === "array") return control.value.split(",").map((part) => part.trim()).filter(Boolean);
  if (kindOf(schema) === "number") return Number(control.value);
  return control.value.trim();
}

function change(key, value) {
  const filters = { ...state.filters };
  if (value === undefined) delete filters[key];
  else filters[key] = value;
  if (key === "location") delete filters[PATTERNS];
  if (key === "aggregation" && value === undefined && filters.query_type === "aggregation") delete filters.query_type;
  // The contract: a figure needs an aggregation or a comparison.
  if (key === "aggregation" && value && !filters.query_type) filters.query_type = "aggregation";
  if (key === "query_type" && value !== "comparison" && value !== "aggregation") delete filters.aggregation;
  ask(state.question, filters);
}

function adder() {
  const item = element("li", { class: "add" });
  const select = element("select", { "aria-label": "Add a filter" }, element("option", { value: "" }, "+ Add a filter"));
  for (const key of Object.keys(NAMES)) {
    if (!(key in state.filters)) select.append(element("option", { value: key }, NAMES[key]));
  }
  select.addEventListener("change", () => {
    const key = select.value;
    if (key.startsWith("include_")) return change(key, true);
    item.replaceChildren(editor(key, undefined, showChips));
    item.querySelector("input, select").focus();
  });
  item.append(select);
  return item;
}

// Feedback -----------------------------------------------------------------------------------------------------------

function forgetReaction() {
  byId("thanks").textContent = "";
  for (const button of document.querySelectorAll("#reaction fieldset button")) button.setAttribute("aria-pressed", "false");
}

async function react(body, button, thanks) {
  try {
    await post("/feedback", { answer_id: state.id, ...body });
    const choice = button.closest("fieldset");
    for (const other of choice ? choice.querySelectorAll("button") : []) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    byId("thanks").textContent = thanks;
  } catch (error) {
    tell(error.message);
  }
}

// Start --------------------------------------------------------------------------------------------------------------

function submit(question) {
  byId("question").value = question;
  state.limit = 100;
  history.replaceState(null, "", `?q=${encodeURIComponent(question)}`);
  return ask(question);
}

async function start() {
  for (const example of EXAMPLES) {
    const button = element("button", { type: "button" }, example);
    button.addEventListener("click", () => submit(example));
    byId("examples").append(button);
  }
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    const question = byId("question").value.trim();
    if (question) submit(question);
  });
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem("fit-key", byId("key").value);
    byId("key-form").hidden = true;
    if (byId("question").value.trim()) submit(byId("question").value.trim());
  });
  byId("more").addEventListener("click", () => {
    state.limit = 1000;
    ask(state.question, state.filters);
  });
  byId("map").addEventListener("mousemove", pointAt);
  byId("map").addEventListener("mouseleave", () => drawMap());
  byId("verdict").addEventListener("click", (event) => {
    const verdict = event.target.dataset.verdict;
    if (!verdict) return;
    const thanks = verdict === "right" ? "Thank you."
      : "Thank you. Change the filters above until they are right, then save them: the next training learns from it.";
    react({ verdict }, event.target, thanks);
  });
  byId("helpful").addEventListener("click", (event) => {
    if (event.target.dataset.helpful) {
      react({ helpful: event.target.dataset.helpful === "true" }, event.target, "Thank you.");
    }
  });
  byId("correct").addEventListener("click", () => {
    const body = { verdict: "wrong", question: state.question, filters: state.filters };
    react(body, byId("correct"), "Saved. The next training learns from it.");
    byId("correct").hidden = true;
  });
  const asked = new URLSearchParams(location.search).get("q");
  if (asked) byId("question").value = asked;
  state.schema = await (await fetch("/schema")).json();
  document.body.dataset.ready = "yes";
  if (asked) submit(asked.slice(0, 400));
}

start();
