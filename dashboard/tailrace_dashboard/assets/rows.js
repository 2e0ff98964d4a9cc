// Rows of a search. Log text only ever becomes a text node: nothing here makes HTML.
const TONES = {
  fatal: "fatal", emerg: "fatal", emergency: "fatal", alert: "fatal", crit: "fatal", critical: "fatal",
  error: "error", err: "error", severe: "error", warn: "warn", warning: "warn",
  notice: "notice", info: "info", information: "info",
};
const toneOf = (level) => (Object.hasOwn(TONES, level.toLowerCase()) ? TONES[level.toLowerCase()] : "other");

function make(tag, classes, text) {
  const node = document.createElement(tag);
  if (classes) node.className = classes;
  if (text !== undefined) node.textContent = text;
  return node;
}

function tool(text, onclick, isOn) {
  const button = make("button", isOn ? "tool is-on" : "tool", text);
  button.type = "button";
  button.onclick = onclick;
  return button;
}

function fieldTable(row, act) {
  const body = make("tbody");
  for (const one of row.fields) {
    const line = make("tr");
    const pick = make("td", "pick");
    if (one.value !== null) {
      for (const [sign, isExcluded, what] of [["+", false, "only"], ["−", true, "without"]]) {
        const button = make("button", "", sign);
        button.type = "button";
        button.title = `Show ${what} rows with this ${one.shown_name}`;
        button.setAttribute("aria-label", button.title);
        button.dataset.pick = `${sign === "+" ? "+" : "-"}${one.name}`;
        button.onclick = () => act({ kind: "filter", field: one.name, value: one.value, is_excluded: isExcluded });
        pick.append(button);
      }
    }
    const value = make("td", "value", one.shown);
    value.dir = "ltr";
    line.append(pick, make("td", "name", one.shown_name), value);
    body.append(line);
  }
  const table = make("table");
  table.append(body);
  return table;
}

function aroundLines(lines) {
  const box = make("div", "around");
  for (const line of lines) {
    const one = make("div", line.is_this ? "is-this" : "");
    one.append(make("span", "time", line.time), make("span", "value", line.message));
    box.append(one);
  }
  return box;
}

function detail(row, view, redraw, act) {
  const box = make("div", "detail");
  const message = make("pre", "full", row.message_full);
  message.dir = "ltr";
  const tools = make("div", "tools");
  const isJson = view.json.has(row.id);
  tools.append(
    tool("Fields", () => { view.json.delete(row.id); redraw(); }, !isJson),
    tool("JSON", () => { view.json.add(row.id); redraw(); }, isJson),
  );
  if (row.can_look_around) tools.append(tool("Lines around it", () => act({ kind: "around", id: row.id }), row.around.length > 0));
  const copy = tool("Copy", () => navigator.clipboard?.writeText(row.json).then(() => { copy.textContent = "Copied"; }));
  tools.append(copy);
  box.append(message, tools);
  if (row.around.length) box.append(aroundLines(row.around));
  if (isJson) {
    const json = make("pre", "full json", row.json);
    json.style.maxHeight = "none";
    box.append(json);
  } else box.append(fieldTable(row, act));
  return box;
}

function drawRow(row, view, redraw, act) {
  const isOpen = view.open.has(row.id);
  const box = make("div", isOpen ? "row is-open" : "row");
  box.dataset.id = row.id;
  const tone = toneOf(row.level);
  const line = make("button", `line edge-${tone}`);
  line.type = "button";
  line.setAttribute("aria-expanded", String(isOpen));
  const time = make("span", "time", row.time);
  time.title = row.time_full;
  const level = row.level ? make("span", `level cut tone-${tone}`, row.level) : make("span", "dim", "");
  if (row.level) level.title = row.level;
  const dataset = make("span", "cut dim dataset-cell", row.dataset);
  dataset.title = row.dataset;
  const host = make("span", "cut dim host-cell", row.host);
  host.title = row.host;
  const message = make("span", "message", row.message);
  message.dir = "ltr";
  line.append(make("span", "mark", "▶"), time, level, dataset, host, message);
  line.onclick = () => {
    if (view.open.has(row.id)) view.open.delete(row.id);
    else view.open.add(row.id);
    redraw();
    // The row was made anew: the keyboard stays on it.
    view.root.querySelector(`[data-id="${CSS.escape(row.id)}"] > .line`)?.focus({ preventScroll: true });
  };
  box.append(line);
  if (isOpen) box.append(detail(row, view, redraw, act));
  return box;
}

function drawHead(zone) {
  const head = make("div", "head");
  for (const [text, classes] of [["", ""], [zone ? "Time" : "", ""], ["Level", ""], ["Dataset", "dataset-cell"], ["Host", "host-cell"], ["Message", ""]]) {
    head.append(make("span", classes, text));
  }
  return head;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".log");
  // What is open is the reader's, and outlives a new page of rows.
  const view = (root.view ??= { open: new Set(), json: new Set(), root });
  const act = (action) => setTriggerValue("action", action);
  root.style.setProperty("--time-width", data.has_date ? "142px" : "94px");
  const redraw = () => {
    root.replaceChildren(drawHead(data.zone), ...data.rows.map((row) => drawRow(row, view, redraw, act)));
  };
  redraw();
}
