// Parallel coordinates: a line a row over all axes, grey until brushed. A brushed axis narrows the table, too. Each axis
// has fields that do the same for whoever has no pointer.
const place = document.getElementById("parallel");
const data = document.getElementById("parallel-data");
const SVG = "http://www.w3.org/2000/svg";
const TOP = 34;
const HEIGHT = 240;
const BOTTOM = 22;

/**
 * @typedef {{ name: string, log: boolean, levels: string[] | null, values: number[] }} Axis
 * For an axis of words, values are places in its levels.
 */

/** @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

/** @param {number} value */
function short(value) {
  if (value !== 0 && (Math.abs(value) < 0.001 || Math.abs(value) >= 1e6)) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}

/** @param {HTMLElement} place @param {{ rows: string[], axes: Axis[] }} sweep */
function draw(place, sweep) {
  const axes = sweep.axes.map((axis) => {
    const scale = axis.log ? Math.log : (/** @type {number} */ value) => value;
    const numbers = axis.values.filter(Number.isFinite).map(scale);
    const low = Math.min(...numbers);
    const high = Math.max(...numbers);
    const share = (/** @type {number} */ value) => (high > low ? (scale(value) - low) / (high - low) : 0.5);
    const back = (/** @type {number} */ part) => {
      const value = low + part * (high - low);
      return axis.log ? Math.exp(value) : value;
    };
    return { ...axis, share, back, least: back(0), most: back(1), range: /** @type {[number, number] | null} */ (null) };
  });
  const svg = shape("svg", { width: "100%", height: TOP + HEIGHT + BOTTOM, role: "img", "aria-label": "One line a row over all axes" });
  const lines = sweep.rows.map(() => shape("path", { class: "row" }));
  const brushes = axes.map(() => shape("rect", { class: "brush", width: 14, visibility: "hidden" }));
  svg.append(...lines);
  place.append(svg);
  const across = (/** @type {number} */ number, /** @type {number} */ width) => 40 + (number * (width - 80)) / Math.max(1, axes.length - 1);
  const down = (/** @type {number} */ share) => TOP + HEIGHT * (1 - share);
  const rails = axes.map((axis, number) => {
    const group = shape("g", {});
    group.append(shape("line", { class: "rail", y1: TOP, y2: TOP + HEIGHT }));
    group.append(shape("text", { class: "middle label", y: number % 2 && axes.length > 6 ? 26 : 12 }, axis.name));
    const ends = axis.levels ?? [short(axis.least), short(axis.most)];
    ends.forEach((text, level) => {
      const share = axis.levels ? axis.share(level) : level;
      group.append(shape("text", { class: number === axes.length - 1 ? "end" : "", x: number === axes.length - 1 ? -8 : 8, y: down(share) + 4 }, text));
    });
    const touch = shape("rect", { class: "touch", x: -16, width: 32, y: TOP - 6, height: HEIGHT + 12 });
    group.append(brushes[number], touch);
    svg.append(group);
    return { group, touch };
  });

  function layOut() {
    const width = svg.clientWidth || place.clientWidth;
    rails.forEach(({ group }, number) => group.setAttribute("transform", `translate(${across(number, width)} 0)`));
    lines.forEach((line, row) => {
      const points = axes.map((axis, number) => {
        const value = axis.values[row];
        return Number.isFinite(value) ? `${across(number, width).toFixed(1)} ${down(axis.share(value)).toFixed(1)}` : null;
      });
      line.setAttribute("d", `M${points.filter(Boolean).join("L")}`);
    });
  }

  /** @type {((range: [number, number] | null) => void)[]} */
  const fields = [];
  function select() {
    const active = axes.filter((axis) => axis.range);
    const inside = (/** @type {number} */ row) => active.every((axis) => {
      const [low, high] = axis.range ?? [0, 0];
      return axis.values[row] >= low && axis.values[row] <= high;
    });
    const chosen = new Set(sweep.rows.filter((_, row) => inside(row)));
    lines.forEach((line, row) => line.classList.toggle("in", active.length > 0 && inside(row)));
    axes.forEach((axis, number) => {
      const brush = brushes[number];
      brush.setAttribute("visibility", axis.range ? "visible" : "hidden");
      if (axis.range) {
        const [low, high] = axis.range.map((value) => Math.min(1, Math.max(0, axis.share(value))));
        brush.setAttribute("x", "-7");
        brush.setAttribute("y", String(down(high) - 3));
        brush.setAttribute("height", String(HEIGHT * (high - low) + 6));
      }
    });
    document.dispatchEvent(new CustomEvent("brushed", { detail: active.length ? chosen : null }));
  }

  axes.forEach((axis, number) => {
    const set = (/** @type {[number, number] | null} */ range) => {
      axis.range = range;
      fields[number](range);
      select();
    };
    let start = 0;
    const part = (/** @type {PointerEvent} */ event) => {
      const y = event.clientY - svg.getBoundingClientRect().top;
      return Math.min(1, Math.max(0, 1 - (y - TOP) / HEIGHT));
    };
    const { touch } = rails[number];
    touch.addEventListener("pointerdown", (event) => {
      touch.setPointerCapture(event.pointerId);
      start = part(event);
    });
    touch.addEventListener("pointermove", (event) => {
      if (!touch.hasPointerCapture(event.pointerId)) return;
      const [low, high] = [start, part(event)].sort((one, other) => one - other);
      if (high - low > 0.01) set([axis.back(low), axis.back(high)]);
    });
    // A click without a drag takes the brush off.
    touch.addEventListener("pointerup", (event) => {
      if (Math.abs(part(event) - start) <= 0.01) set(null);
    });
    fields.push(field(axis, set));
  });

  /** @param {typeof axes[number]} axis @param {(range: [number, number] | null) => void} set */
  function field(axis, set) {
    const group = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = axis.name;
    group.append(legend);
    list.append(group);
    if (axis.levels) {
      const choice = document.createElement("select");
      choice.setAttribute("aria-label", axis.name);
      choice.append(new Option("all", ""), ...axis.levels.map((level, number) => new Option(level, String(number))));
      choice.addEventListener("change", () => {
        const level = Number(choice.value);
        set(choice.value === "" ? null : [level - 0.25, level + 0.25]);
      });
      group.append(choice);
      return (/** @type {[number, number] | null} */ range) => {
        const inside = axis.levels?.map((_, level) => level).filter((level) => range && level >= range[0] && level <= range[1]) ?? [];
        choice.value = inside.length === 1 ? String(inside[0]) : "";
      };
    }
    const inputs = ["least", "most"].map((end) => {
      const input = document.createElement("input");
      input.type = "number";
      input.step = "any";
      input.placeholder = short(end === "least" ? axis.least : axis.most);
      input.setAttribute("aria-label", `${axis.name}, ${end}`);
      group.append(input);
      return input;
    });
    const read = () => {
      if (inputs.every((input) => input.value === "")) return set(null);
      const [low, high] = inputs.map((input, end) => (input.value === "" ? (end ? axis.most : axis.least) : Number(input.value)));
      set([low, high]);
    };
    inputs.forEach((input) => input.addEventListener("change", read));
    return (/** @type {[number, number] | null} */ range) => {
      inputs.forEach((input, end) => (input.value = range ? String(Number(range[end].toPrecision(4))) : ""));
    };
  }

  layOut();
  select();
  new ResizeObserver(layOut).observe(place);
}

const list = document.createElement("div");
list.className = "fields";
if (place && data) {
  place.hidden = false;
  place.after(list);
  draw(place, JSON.parse(data.textContent ?? ""));
}
