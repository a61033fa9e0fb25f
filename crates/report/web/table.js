// Tables that can be sorted by a column and narrowed by words. Without this they are in the order of the ranking.

/** The value of a cell: a number where it says one. @param {HTMLTableRowElement} row @param {number} column */
function value(row, column) {
  const cell = row.cells[column];
  const said = cell?.dataset.value ?? cell?.textContent?.trim() ?? "";
  const number = said === "" ? NaN : Number(said);
  return Number.isNaN(number) ? said : number;
}

/** Numbers by size, before words. @param {string | number} one @param {string | number} other */
function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
  return String(one).localeCompare(String(other), "en", { numeric: true });
}

/** @param {HTMLTableElement} table @param {HTMLTableCellElement} head */
function sort(table, head) {
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead?.rows[0].cells ?? []) {
    if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
  }
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, value: value(row, head.cellIndex) }));
  rows.sort((one, other) => (down ? compare(other.value, one.value) : compare(one.value, other.value)));
  body.append(...rows.map(({ row }) => row));
}

for (const table of document.querySelectorAll("table[data-sortable]")) {
  for (const head of table.querySelectorAll("thead th[data-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    if (!head.hasAttribute("aria-sort")) head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => sort(table, head));
  }
}

// Rows are shown that have all words that are typed, and that every brushed axis lets through.
const filter = document.getElementById("filter");
const board = document.querySelector("table.board");
const said = document.getElementById("matching");
/** @type {Set<string> | null} */
let brushed = null;

function narrow() {
  if (!board) return;
  const words = (filter?.value ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  const rows = board.tBodies[0].rows;
  for (const row of rows) {
    const text = row.textContent?.toLowerCase() ?? "";
    const fits = words.every((word) => text.includes(word)) && (!brushed || brushed.has(row.dataset.row ?? ""));
    row.hidden = !fits;
    shown += Number(fits);
  }
  const all = rows.length;
  if (said) said.textContent = shown === all ? "" : `${shown} of ${all} rows`;
}

if (filter) {
  filter.closest("[hidden]")?.removeAttribute("hidden");
  filter.addEventListener("input", narrow);
}
document.addEventListener("brushed", (event) => {
  brushed = event.detail;
  narrow();
});
